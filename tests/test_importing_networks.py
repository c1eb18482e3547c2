"""ONNX files with activations, maxima and statistics as Keras models: ONNX Runtime's numbers."""

import numpy as np
import pytest

from tests.onnx_files import SHAPES, agrees, constants_from, content, node

numbers = constants_from(2)

OTHERS = {
    "relu and pool": (
        [
            node("Relu", "x", "h"),
            node("MaxPool", "h", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]),
        ],
        "image",
        {},
    ),
    "maxima": ([node("MaxPool", "x", kernel_shape=[2], strides=[2], ceil_mode=1)], "signal", {}),
    "global maximum": ([node("GlobalMaxPool", "x")], "image", {}),
    "slopes": ([node("PRelu", "x slope")], "image", {"slope": numbers(2, 1, 1)}),
    "clip": (
        [node("Clip", "x low high")],
        "vector",
        {"low": np.array(-0.5, "float32"), "high": np.array(0.7, "float32")},
    ),
    "one limit": ([node("Clip", "x low")], "vector", {"low": np.array(0, "float32")}),
    "upper limit": ([node("Min", "x high")], "vector", {"high": np.array([0.3], "float32")}),
    "largest of two": ([node("Neg", "x", "h"), node("Max", "x h")], "vector", {}),
    "silu": ([node("Sigmoid", "x", "s"), node("Mul", "x s")], "image", {}),
    "gelu": (
        [
            node("Div", "x root", "a"),
            node("Erf", "a", "b"),
            node("Add", "b one", "c"),
            node("Mul", "x c", "d"),
            node("Mul", "d half"),
        ],
        "vector",
        {
            "root": np.array(2**0.5, "float32"),
            "one": np.array([1], "float32"),
            "half": np.array(0.5, "float32"),
        },
    ),
    "gelu of half": (
        [
            node("Mul", "root x", "a"),
            node("Erf", "a", "b"),
            node("Add", "one b", "c"),
            node("Mul", "x half", "d"),
            node("Mul", "c d"),
        ],
        "vector",
        {
            "root": np.array(0.5**0.5, "float32"),
            "one": np.array(1, "float32"),
            "half": np.array(0.5, "float32"),
        },
    ),
    "statistics of an example": (
        [
            node("InstanceNormalization", "x g b", "h"),
            node("LayerNormalization", "h r", axis=2),
        ],
        "image",
        {"g": numbers(2), "b": numbers(2), "r": numbers(5, 6)},
    ),
    "softmax": ([node("Softmax", "x", axis=1)], "signal", {}),
    **{
        op: ([node(op, "x", **attributes)], "vector", {})
        for op, attributes in {
            "LeakyRelu": {"alpha": 0.1},
            "Elu": {"alpha": 0.5},
            "Selu": {},
            "Celu": {},
            "HardSwish": {},
            "Mish": {},
            "Sigmoid": {},
            "HardSigmoid": {"alpha": 0.3},
            "Tanh": {},
            "Softplus": {},
            "Softsign": {},
            "Abs": {},
        }.items()
    },
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_networks(read_onnx, name):
    nodes, kind, constants = OTHERS[name]
    file = content(nodes, SHAPES[kind], constants)
    agrees(read_onnx(file), file, SHAPES[kind])
