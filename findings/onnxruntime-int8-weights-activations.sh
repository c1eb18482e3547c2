#!/usr/bin/env bash
# ONNX Runtime 1.32.0 (CPU, default session options): an ONNX file whose weights are int8 behind
# DequantizeLinear, and whose product is a plain float32 MatMul, is computed with *activations*
# rounded to int8. The level "extended" (and so the default, "all") makes one operator,
# com.microsoft.MatMulNBits with bits=8 and accuracy_level=4, of DequantizeLinear and MatMul. With
# optimisation disabled or "basic" the product is that of float32. The session option
# session.qdq_matmulnbits_accuracy_level = "1" keeps float32 activations.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

print("onnxruntime", ort.__version__)
random = np.random.default_rng(0)
integers = random.integers(-127, 128, (128, 128)).astype("int8")
scales = np.full(128, 0.01, "float32")
ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 128]) for name in "xy"]
nodes = [
    helper.make_node("DequantizeLinear", ["q", "s"], ["w"], axis=1),
    helper.make_node("MatMul", ["x", "w"], ["y"]),
]
tensors = [numpy_helper.from_array(integers, "q"), numpy_helper.from_array(scales, "s")]
graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], tensors)
opset = [helper.make_opsetid("", 15)]
model = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
x = random.random((1, 128), "float32")
exact = x.astype("float64") @ (integers.astype("float64") * scales.astype("float64"))


def run(level, accuracy=None):
    options = ort.SessionOptions()
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    options.log_severity_level = 3
    if accuracy is not None:
        options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", accuracy)
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = f"{folder}/optimised.onnx"
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        kinds = [node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node]
    error = np.abs(session.run(None, {"x": x})[0] - exact).max() / np.abs(exact).max()
    print(f"{level:20} accuracy level {accuracy or 'default':8} {kinds}: relative error {error:.1e}")
    return error


plain = [run(level) for level in ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC")]
fused = [run(level) for level in ("ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")]
kept = run("ORT_ENABLE_ALL", "1")
as_described = max(*plain, kept) < 1e-6 and min(fused) > 1e-4
print("int8 weights alone make int8 activations" if as_described else "the behaviour has changed")
sys.exit(0 if as_described else 1)
PYTHON
