"""What a file computes of constants alone, computed once."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lipzoo.importing.errors import UnsupportedNodeError
from lipzoo.importing.graph import Graph
from lipzoo.importing.node import Node
from lipzoo.importing.tensor import Tensor

FOLDED = (
    "Add",
    "Cast",
    "Ceil",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "DequantizeLinear",
    "Div",
    "Equal",
    "Expand",
    "Flatten",
    "Floor",
    "Gather",
    "Identity",
    "Mul",
    "Neg",
    "Reciprocal",
    "ReduceProd",
    "Reshape",
    "Shape",
    "Size",
    "Slice",
    "Split",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Transpose",
    "Unsqueeze",
    "Where",
)
"""Operators that are computed where all that they take is constant."""

_LARGEST = 2**26


def folded(node: Node, inputs: Sequence[Any], graph: Graph) -> list[np.ndarray]:
    """What a node makes of constants, `None` where it is given none, by ONNX' own reference.

    Raises:
        UnsupportedNodeError: for another operator, or a result of more than 2²⁶ entries.
    """
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator

    if node.op not in FOLDED:
        reason = f"Expected a tensor of the network, or one of {', '.join(FOLDED)} of constants."
        raise UnsupportedNodeError(node, f"{reason} Received: constants alone")
    if node.op == "Constant" and isinstance(node.attributes.get("value"), np.ndarray):
        return [node.attributes["value"]]
    sizes = {"ConstantOfShape": 0, "Expand": 1}
    if node.op in sizes:
        shape = inputs[sizes[node.op]]
        entries = math.prod(map(int, np.ravel(0 if shape is None else shape)))
        if not 0 <= entries <= _LARGEST:
            reason = f"Expected at most {_LARGEST:,} entries. Received: {entries:,}"
            raise UnsupportedNodeError(node, reason)
    given = [name for name in node.inputs if name]
    attributes: dict[str, Any] = {key: _as_proto(value) for key, value in node.attributes.items()}
    proto = helper.make_node(node.op, node.inputs, node.outputs, **attributes)
    entries, results = (
        [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in names]
        for names in (given, node.outputs)
    )
    model = helper.make_model(
        helper.make_graph([proto], "constants", entries, results),
        opset_imports=[helper.make_opsetid("", graph.opset)],
    )
    values = dict(zip(node.inputs, inputs, strict=True))
    found = ReferenceEvaluator(model).run(None, {name: values[name] for name in given})
    return [np.asarray(array) for array in found]


def shape_of(node: Node, tensor: Tensor, graph: Graph) -> np.ndarray:
    """What Shape makes of a tensor, with the batch as large as the file has it."""
    shape = (graph.batch, *tensor.shape[1:])
    start, end = node.attributes.get("start", 0), node.attributes.get("end")
    return np.array(shape[start:end], "int64")


def _as_proto(value):
    from onnx import numpy_helper

    return numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
