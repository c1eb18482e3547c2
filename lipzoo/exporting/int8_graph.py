"""Puts int8 kernels into an ONNX graph, and finds out what a runtime makes of it.

The products are written as `Cast` and `Mul`. ONNX' own `DequantizeLinear` computes the same
numbers, but before a `MatMul` ONNX Runtime's extended optimisation makes one operator of the two,
`MatMulNBits`, which by default rounds the *activations* to int8.
"""

import itertools
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lipzoo.exporting.quantisation import QuantisedKernel

OPTIMISATIONS = ("DISABLE_ALL", "ENABLE_BASIC", "ENABLE_EXTENDED", "ENABLE_ALL")
"""ONNX Runtime's levels of graph optimisation."""

# Products of integers, and what makes integers of activations.
_INTEGER = re.compile(r"Integer|^QLinear|^QGemm|^QAttention|Dynamic|^Quantize|MatMulNBits")


def store_in_int8(proto, kernels: Sequence[QuantisedKernel]) -> int:
    """Replaces float32 initializers that are kernels, bit by bit, by products of int8.

    An initializer may be a kernel with its axes in another order, or reshaped; all those of one
    kernel are made of the same integers. What is no kernel stays as it is, so that the function of
    the graph does not change.

    Args:
        proto: an ONNX model, changed in place.
        kernels: the kernels, whose `values` the graph was made with.

    Returns:
        How many of the kernels were found.
    """
    from onnx import TensorProto, helper, numpy_helper

    nodes, stored, kept = [], {}, []
    for entry in proto.graph.initializer:
        values = numpy_helper.to_array(entry)
        match = _matching(values, kernels) if values.dtype == np.float32 else None
        if match is None:
            kept.append(entry)
            continue
        place, axes = match
        kernel = kernels[place]
        whole = f"lipzoo.kernel{place}"
        if place not in stored:
            stored[place] = [
                numpy_helper.from_array(kernel.integers, f"{whole}.int8"),
                numpy_helper.from_array(kernel.scales, f"{whole}.scale"),
            ]
            integers, scale = (tensor.name for tensor in stored[place])
            as_float = f"{whole}.float"
            nodes.append(helper.make_node("Cast", [integers], [as_float], to=TensorProto.FLOAT))
            nodes.append(helper.make_node("Mul", [as_float, scale], [whole]))
        turned = f"{entry.name}.turned"
        nodes.append(helper.make_node("Transpose", [whole], [turned], perm=axes))
        shape = numpy_helper.from_array(np.array(values.shape, "int64"), f"{entry.name}.shape")
        stored[place].append(shape)
        nodes.append(helper.make_node("Reshape", [turned, shape.name], [entry.name]))
    old = [*proto.graph.node]
    del proto.graph.node[:], proto.graph.initializer[:]
    proto.graph.node.extend([*nodes, *old])
    proto.graph.initializer.extend([*kept, *itertools.chain(*stored.values())])
    return len(stored)


def run_at_every_level(content: bytes, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """The outputs of an ONNX file at every level of graph optimisation.

    Raises:
        ValueError: if a level computes in integers.
    """
    import onnx
    import onnxruntime

    outputs = {}
    for level in OPTIMISATIONS:
        with tempfile.TemporaryDirectory() as folder:
            options = onnxruntime.SessionOptions()
            options.graph_optimization_level = getattr(
                onnxruntime.GraphOptimizationLevel, f"ORT_{level}"
            )
            options.optimized_model_filepath = str(Path(folder) / "optimised.onnx")
            # It warns that a file with layouts of this processor is for this processor.
            options.log_severity_level = 3
            session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
            graph = onnx.load(options.optimized_model_filepath).graph
        integer = {node.op_type for node in graph.node if _INTEGER.search(node.op_type)}
        if integer:
            raise ValueError(
                f"Expected ONNX Runtime to compute in float32. Received: {sorted(integer)} at its "
                f"optimisation level {level}; the certificate would not be about that"
            )
        outputs[level] = session.run(None, {"input": inputs})[0]
    return outputs


def _matching(values, kernels):
    """Place of the kernel that an array is, bit by bit, and the order of its axes; or `None`."""
    flat = np.ascontiguousarray(values).ravel().view("uint32")
    for place, kernel in enumerate(kernels):
        if kernel.integers.size != values.size:
            continue
        whole = kernel.values
        for axes in itertools.permutations(range(whole.ndim)):
            if (whole.transpose(axes).ravel().view("uint32") == flat).all():
                return place, axes
    return None
