"""An ONNX file as plain data: nodes, attributes and constants, checked before anything is built."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lipzoo.importing.errors import UnsupportedNodeError
from lipzoo.importing.gelu import with_gelu
from lipzoo.importing.node import Node

# From here on constants broadcast as NumPy's do.
OLDEST_OPSET = 7
# Stands for the size of a batch that a file leaves open, where shapes are computed in the file.
OPEN_BATCH = 251
_OWN_DOMAINS = ("", "ai.onnx")
_WITH_SUBGRAPHS = ("If", "Loop", "Scan", "SequenceMap")


@dataclass(frozen=True)
class Graph:
    """The network in an ONNX file.

    Attributes:
        nodes: those that an output depends on, in the order of the file.
        inputs: name and shape of each input, batch axis first.
        outputs: names of the outputs.
        constants: arrays by name.
        batch: size of the batch as the file states it, `OPEN_BATCH` where it leaves it open.
        opset: version of the operators.
        uses: how often each name is taken, as an output of the network too.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[tuple[str, tuple[int, ...]], ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, np.ndarray]
    batch: int
    opset: int
    uses: Mapping[str, int]


def read_graph(content: bytes) -> Graph:
    """Reads the content of an ONNX file.

    Raises:
        ValueError: if it is no ONNX file, or has external data, control flow, functions, operators
            of other domains, or dynamic shapes; the message names what it is about.
    """
    model = _parsed(content)
    proto = model.graph
    nodes = [_node(node, number) for number, node in enumerate(proto.node)]
    constants = {tensor.name: _array(tensor) for tensor in proto.initializer}
    nodes, constants = with_gelu(nodes, constants)
    needed = _needed(nodes, [output.name for output in proto.output])
    inputs = [_input(value) for value in proto.input if value.name not in constants]
    batches = {shape[0] for _, shape in inputs}
    if len(batches) != 1:
        raise ValueError(
            "Expected inputs with one size of a batch, their first axis. "
            f"Received: {dict(inputs) or 'no inputs'}"
        )
    uses = Counter(name for node in needed for name in node.inputs)
    uses.update(output.name for output in proto.output)
    (opset,) = (entry.version for entry in model.opset_import if entry.domain in _OWN_DOMAINS)
    outputs = tuple(output.name for output in proto.output)
    return Graph(
        tuple(needed), tuple(inputs), outputs, constants, batches.pop() or OPEN_BATCH, opset, uses
    )


def _parsed(content):
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise ValueError(
            f"Expected an ONNX file. Received: another one, or a part: {error}"
        ) from None
    if not model.graph.node or not model.graph.output:
        raise ValueError("Expected an ONNX file with nodes and outputs. Received: none")
    _refuse_foreign(model)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise ValueError(f"Expected a valid ONNX file. Received: {_one_line(error)}") from None
    return model


def _refuse_foreign(model):
    """Raises for what is not in the file, or not a graph of ONNX' own operators."""
    import onnx

    tensors = [*model.graph.initializer]
    for number, node in enumerate(model.graph.node):
        kinds = {attribute.type for attribute in node.attribute}
        if node.op_type in _WITH_SUBGRAPHS or onnx.AttributeProto.GRAPH in kinds:
            reason = "Expected a graph without control flow. Received: a graph inside a node"
            raise UnsupportedNodeError(_node(node, number), reason)
        if node.domain not in _OWN_DOMAINS:
            reason = f"Expected an operator of ONNX itself. Received: domain {node.domain!r}"
            raise UnsupportedNodeError(_node(node, number), reason)
        tensors += [a.t for a in node.attribute if a.type == onnx.AttributeProto.TENSOR]
    external = [t.name for t in tensors if t.data_location == onnx.TensorProto.EXTERNAL]
    if external:
        raise ValueError(
            "Expected the weights inside the file: onnx.save_model(model, path, "
            "save_as_external_data=False) writes them there. "
            f"Received: tensor {external[0]!r} with external data"
        )
    if model.graph.sparse_initializer:
        name = model.graph.sparse_initializer[0].values.name
        raise ValueError(f"Expected dense weights. Received: sparse tensor {name!r}")
    if model.functions:
        raise ValueError(
            "Expected a graph without functions of its own: onnx.inliner.inline_local_functions "
            f"writes them out. Received: function {model.functions[0].name!r}"
        )
    versions = [entry.version for entry in model.opset_import if entry.domain in _OWN_DOMAINS]
    if len(versions) != 1 or not OLDEST_OPSET <= versions[0] <= onnx.defs.onnx_opset_version():
        raise ValueError(
            f"Expected operators of version {OLDEST_OPSET} to {onnx.defs.onnx_opset_version()}. "
            f"Received: opset {', '.join(map(str, versions)) or 'of no version'}"
        )


def _node(proto, number) -> Node:
    from onnx import AttributeProto, helper

    attributes = {}
    for attribute in proto.attribute:
        if attribute.type == AttributeProto.TENSOR:
            attributes[attribute.name] = _array(attribute.t)
        elif attribute.type == AttributeProto.STRING:
            attributes[attribute.name] = attribute.s.decode(errors="replace")
        elif attribute.type != AttributeProto.GRAPH:
            attributes[attribute.name] = helper.get_attribute_value(attribute)
    name = proto.name or next(iter(proto.output), "") or str(number)
    return Node(proto.op_type, name, tuple(proto.input), tuple(proto.output), attributes)


def _array(tensor) -> np.ndarray:
    from onnx import TensorProto, numpy_helper

    if tensor.data_location == TensorProto.EXTERNAL:
        # Refused where it matters, with its name.
        return np.zeros(0, "float32")
    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"tensor {tensor.name!r}: {error}") from None


def _needed(nodes, outputs) -> list[Node]:
    """The nodes that some output depends on."""
    wanted, found = set(outputs), []
    for node in reversed(nodes):
        if wanted.intersection(node.outputs):
            wanted.update(node.inputs)
            found.append(node)
    return found[::-1]


def _input(value) -> tuple[str, tuple[int, ...]]:
    """Name and shape of an input; the size of an open batch is 0."""
    from onnx import TensorProto

    if value.type.tensor_type.elem_type != TensorProto.FLOAT:
        kind = TensorProto.DataType.Name(value.type.tensor_type.elem_type)
        raise ValueError(f"Expected float32 inputs. Received: input {value.name!r} of type {kind}")
    sizes = [d.dim_value or d.dim_param or "?" for d in value.type.tensor_type.shape.dim]
    rest = tuple(size for size in sizes[1:] if isinstance(size, int))
    if len(sizes) < 2 or len(rest) + 1 != len(sizes):
        raise ValueError(
            "Expected inputs with a batch axis, and known sizes behind it. "
            f"Received: input {value.name!r} of shape {tuple(sizes)}"
        )
    return value.name, (sizes[0] if isinstance(sizes[0], int) else 0, *rest)


def _one_line(error) -> str:
    return " ".join(str(error).split())
