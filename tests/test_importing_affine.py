"""Affine ONNX files as Keras models: ONNX Runtime's numbers, and bounds near the exact norm."""

import keras
import numpy as np
import pytest
from onnx import numpy_helper

from tests.onnx_files import SHAPES, agrees, constants_from, content, jacobian, node

numbers = constants_from(1)

INT = "int64"

# Name: nodes, kind of input, constants, opset. Of affine ones the bound over the exact norm too.
AFFINE = {
    "gemm": ([node("Gemm", "x w b")], "vector", {"w": numbers(6, 4), "b": numbers(4)}, 1.0),
    "gemm with factors": (
        [node("Gemm", "x w b", transB=1, alpha=0.5, beta=2.0)],
        "vector",
        {"w": numbers(4, 6), "b": numbers(1, 4)},
        1.0,
    ),
    "matmul and bias": (
        [node("MatMul", "x w", "h"), node("Add", "b h")],
        "vector",
        {"w": numbers(6, 4), "b": numbers(4)},
        1.0,
    ),
    "matmul of an image": ([node("MatMul", "x w")], "image", {"w": numbers(6, 4)}, 1.0),
    "conv": (
        [node("Conv", "x w b", pads=[1, 1, 1, 1])],
        "image",
        {"w": numbers(3, 2, 3, 3), "b": numbers(3)},
        1.2,
    ),
    "conv, strides and uneven pads": (
        [node("Conv", "x w", "h", pads=[0, 1, 2, 0], strides=[2, 2]), node("Add", "h b")],
        "image",
        {"w": numbers(3, 2, 2, 3), "b": numbers(3, 1, 1)},
        1.3,
    ),
    "conv, dilations": (
        [node("Conv", "x w", dilations=[2, 2])],
        "image",
        {"w": numbers(3, 2, 2, 2)},
        1.5,
    ),
    "conv, groups": (
        [node("Conv", "x w", group=2, auto_pad="SAME_LOWER")],
        "image",
        {"w": numbers(2, 1, 2, 2)},
        1.2,
    ),
    "conv, more groups": (
        [
            node("Concat", "x x", "h", axis=1),
            node("Conv", "h w", group=2, auto_pad="SAME_UPPER", strides=[2, 2]),
        ],
        "image",
        {"w": numbers(4, 2, 3, 3)},
        2.5,
    ),
    "conv of a signal": (
        [node("Conv", "x w", pads=[2, 0], strides=[2])],
        "signal",
        {"w": numbers(4, 3, 3)},
        1.3,
    ),
    "transposed": (
        [node("ConvTranspose", "x w b", pads=[1, 0, 0, 1], strides=[2, 2])],
        "image",
        {"w": numbers(2, 3, 3, 3), "b": numbers(3)},
        1.3,
    ),
    "transposed, wide steps": (
        [node("ConvTranspose", "x w", strides=[3, 2], output_padding=[1, 0])],
        "image",
        {"w": numbers(2, 3, 2, 2)},
        1.3,
    ),
    "transposed of a signal": (
        [node("ConvTranspose", "x w", strides=[2], pads=[1, 1])],
        "signal",
        {"w": numbers(3, 2, 4)},
        1.3,
    ),
    "batch normalisation": (
        [node("BatchNormalization", "x g b m v", epsilon=0.01)],
        "image",
        {"g": numbers(2), "b": numbers(2), "m": numbers(2), "v": numbers(2) ** 2},
        1.001,
    ),
    "averages": (
        [node("AveragePool", "x", kernel_shape=[2, 2], strides=[2, 2])],
        "image",
        {},
        1.001,
    ),
    "averages over margins": (
        [node("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 0, 1], count_include_pad=1)],
        "image",
        {},
        1.1,
    ),
    "averages of what is there": (
        [node("AveragePool", "x", kernel_shape=[2, 2], strides=[2, 2], auto_pad="SAME_UPPER")],
        "image",
        {},
        1.001,
    ),
    "averages, last windows cut off": (
        [node("AveragePool", "x", kernel_shape=[2], strides=[2], ceil_mode=1)],
        "signal",
        {},
        1.001,
    ),
    "global average and a layer": (
        [
            node("GlobalAveragePool", "x", "g"),
            node("Flatten", "g", "f"),
            node("Gemm", "f w"),
        ],
        "image",
        {"w": numbers(2, 3)},
        1.001,
    ),
    "means and sums": (
        [
            node("ReduceMean", "x axes", "h", keepdims=0),
            node("Transpose", "h", "t", perm=[0, 2, 1]),
            node("ReduceSum", "t axes", keepdims=0),
        ],
        "image",
        {"axes": np.array([-1], INT)},
        1.001,
    ),
    "without the mean": (
        [node("ReduceMean", "x axes", "m"), node("Sub", "x m")],
        "image",
        {"axes": np.array([2], INT)},
        2.1,
    ),
    "constants": (
        [
            node("Sub", "x mean", "a"),
            node("Div", "a deviation", "b"),
            node("Mul", "b row", "c"),
            node("Sub", "one c"),
        ],
        "image",
        {
            "mean": numbers(1, 2, 1, 1),
            "deviation": np.array([[[0.5]], [[-2.0]]], "float32"),
            "row": numbers(6),
            "one": np.array(1, "float32"),
        },
        2.5,
    ),
    "constants that do nothing": (
        [node("Sub", "x zeros", "a"), node("Mul", "a one")],
        "image",
        {"zeros": np.zeros((5, 6), "float32"), "one": np.ones(1, "float32")},
        1.0,
    ),
    "order of entries": (
        [
            node("Conv", "x w", "h"),
            node("Transpose", "h", "t", perm=[0, 2, 3, 1]),
            node("Flatten", "t", "f"),
            node("Gemm", "f v"),
        ],
        "image",
        {"w": numbers(3, 2, 2, 2), "v": numbers(60, 4)},
        2.5,
    ),
    "a branch": (
        [
            node("Conv", "x w", "h", pads=[1, 1, 1, 1]),
            node("Transpose", "x", "t", perm=[0, 1, 3, 2]),
            node("Transpose", "t", "s", perm=[0, 1, 3, 2]),
            node("Add", "h s"),
        ],
        "image",
        {"w": numbers(2, 2, 3, 3)},
        1.5,
    ),
    "parts": (
        [
            node("Split", "x", "a b", axis=3, num_outputs=2),
            node("Slice", "a from to axes", "c"),
            node("Gather", "b first", "d", axis=2),
            node("Unsqueeze", "d two", "e"),
            node("Concat", "c e", axis=-2),
        ],
        "image",
        {
            "from": np.array([1], INT),
            "to": np.array([2**31], INT),
            "axes": np.array([2], INT),
            "first": np.array(0, INT),
            "two": np.array([2], INT),
        },
        1.5,
    ),
    "repeated entries": (
        [node("Resize", "x none scales")],
        "image",
        {"none": np.zeros(0, "float32"), "scales": np.array([1, 1, 2, 3], "float32")},
        1.001,
    ),
    "interpolation": (
        [node("Resize", "x none scales", mode="linear")],
        "image",
        {"none": np.zeros(0, "float32"), "scales": np.array([1, 1, 2, 3], "float32")},
        1.01,
    ),
    "entries repeated to a size": (
        [
            node("Shape", "x", "shape", end=2),
            node("Concat", "shape length", "sizes", axis=0),
            node(
                "Resize",
                "x none none sizes",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            ),
        ],
        "signal",
        {"none": np.zeros(0, "float32"), "length": np.array([14], INT)},
        1.001,
    ),
    "margins": (
        [node("Pad", "x pads")],
        "image",
        {"pads": np.array([0, 0, 1, 0, 0, 1, 0, 2], INT)},
        1.001,
    ),
    "shapes of constants": (
        [
            node("Shape", "x", "shape"),
            node("Gather", "shape zero", "batch"),
            node("Unsqueeze", "batch axis", "first"),
            node("Constant", "", "rest", value=numpy_helper.from_array(np.array([5, -1], INT))),
            node("Concat", "first rest", "target", axis=0),
            node("Reshape", "x target", "h"),
            node("Squeeze", "h none", "i"),
            node("Identity", "i", "j"),
            node("Dropout", "j"),
        ],
        "image",
        {"zero": np.array(0, INT), "axis": np.array([0], INT), "none": np.array([], INT)},
        1.001,
    ),
}

UNEVEN = ("averages of what is there", "averages, last windows cut off")


@pytest.mark.parametrize("name", AFFINE)
def test_affine_networks(read_onnx, name):
    if name in UNEVEN and keras.backend.backend() == "torch":
        pytest.skip("Keras on PyTorch repeats the border in uneven margins, and is refused")
    nodes, kind, constants, looseness = AFFINE[name]
    file = content(nodes, SHAPES[kind], constants)
    bound = agrees(read_onnx(file), file, SHAPES[kind])
    exact = np.linalg.svd(jacobian(file, SHAPES[kind]), compute_uv=False)[0]
    assert exact * (1 - 1e-5) <= bound <= exact * looseness * (1 + 1e-5)


def test_attributes_of_older_files(read_onnx):
    nodes = [
        node("Pad", "x", "a", pads=[0, 0, 0, 1, 0, 0, 0, 1]),
        node("Slice", "a", "b", axes=[3], starts=[0], ends=[-2]),
        node("Split", "b", "c d", axis=3, split=[2, 4]),
        node("Upsample", "c scales", "e", mode="nearest"),
        node("Clip", "e", "f", min=-1.0, max=2.0),
        node("Dropout", "f", "g", ratio=0.5),
        node("ReduceMean", "g", "h", axes=[2]),
        node("Squeeze", "h", "i", axes=[2]),
        node("Unsqueeze", "i", "j", axes=[2]),
        node("Concat", "d j", axis=2),
    ]
    file = content(nodes, SHAPES["image"], {"scales": np.array([1, 1, 1, 2], "float32")}, opset=9)
    agrees(read_onnx(file), file, SHAPES["image"])
