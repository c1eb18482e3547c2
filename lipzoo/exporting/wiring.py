"""What each operator of an exported graph computes: digests that do not depend on names."""

import hashlib
from collections import Counter

import numpy as np


def digest_of_array(array: np.ndarray) -> str:
    """What two constants have in common that are the same: type, shape, and every bit."""
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def onnx_operators(graph, constants: dict[str, str]) -> Counter:
    """Operators of an ONNX graph, each with its attributes and with what its inputs are.

    Args:
        graph: the graph, its nodes in the order in which they can be computed.
        constants: digests of the initializers, by name.

    Returns:
        How often there is each operator, and each output of the graph: the same for two graphs
        that compute the same of their inputs in the same way.
    """
    known = {"": "none", **constants}
    known |= {entry.name: f"input {place}" for place, entry in enumerate(graph.input)}
    found = Counter()
    for node in graph.node:
        attributes = sorted(a.SerializeToString(deterministic=True) for a in node.attribute)
        # A name that nothing defines is part of the operator as it stands.
        inputs = [known.get(name, f"? {name}") for name in node.input]
        operator = _digest(node.domain, node.op_type, attributes, inputs)
        known |= {name: f"{operator} {place}" for place, name in enumerate(node.output)}
        found[operator] += 1
    return found + Counter(known.get(entry.name, "?") for entry in graph.output)


def litert_operators(model) -> Counter:
    """The same of a LiteRT model, as `flatbuffer_utils` reads it; buffers are its constants."""
    codes = [(c.builtinCode, c.deprecatedBuiltinCode, c.customCode) for c in model.operatorCodes]
    found = Counter()
    for graph in model.subgraphs:
        known = {-1: "none"}
        for number, tensor in enumerate(graph.tensors):
            content = model.buffers[tensor.buffer].data
            if content is not None:
                shape = [] if tensor.shape is None else [*map(int, tensor.shape)]
                content = digest_of_array(np.array(content, "uint8"))
                known[number] = f"{tensor.type} {shape} {content}"
        known |= {number: f"input {place}" for place, number in enumerate(graph.inputs)}
        for node in graph.operators:
            options = sorted((k, str(v)) for k, v in vars(node.builtinOptions or object).items())
            custom = None if node.customOptions is None else bytes(node.customOptions)
            inputs = [known.get(int(number), "?") for number in node.inputs]
            operator = _digest(codes[node.opcodeIndex], options, custom, inputs)
            known |= {int(n): f"{operator} {place}" for place, n in enumerate(node.outputs)}
            found[operator] += 1
        found += Counter(known.get(int(number), "?") for number in graph.outputs)
    return found


def _digest(*parts) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()
