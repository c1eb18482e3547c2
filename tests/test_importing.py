"""ONNX files as Keras models: the same numbers as ONNX Runtime's, and bounds that hold of them."""

import json
import os
from pathlib import Path

import keras
import numpy as np
import pytest
from onnx import TensorProto, external_data_helper, helper, load_model_from_string, numpy_helper

import lipzoo
import lipzoo_cli
from lipzoo.importing import translation
from lipzoo.importing.call import Operator
from lipzoo.importing.operators import OPERATORS
from tests.helpers import in_float64, tensorflow_only
from tests.onnx_files import content, jacobian, node, numbers, run

INT = "int64"
SHAPES = {"image": (2, 5, 6), "signal": (3, 7), "vector": (6,)}

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


@pytest.fixture
def read(tmp_path):
    """Reads the content of a file."""

    def read(file, **arguments):
        path = tmp_path / "net.onnx"
        path.write_bytes(file)
        return lipzoo.from_onnx(path, **arguments)

    return read


def _agrees(model, file, shape):
    """Other inputs, and another size of the batch, than those that were looked at while reading."""
    x = np.random.default_rng(7).normal(size=(5, *shape)).astype("float32")
    expected = run(file, x)
    found = keras.ops.convert_to_numpy(model(x))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    bound = lipzoo.lipschitz_bound(model).value
    change = np.linalg.norm((expected[1:] - expected[:-1]).reshape(4, -1), axis=1)
    moved = np.linalg.norm((x[1:] - x[:-1]).reshape(4, -1), axis=1)
    assert np.all(change <= bound * moved * (1 + 1e-5))
    return bound


@pytest.mark.parametrize("name", AFFINE)
def test_affine_networks(read, name):
    if name in UNEVEN and keras.backend.backend() == "torch":
        pytest.skip("Keras on PyTorch repeats the border in uneven margins, and is refused")
    nodes, kind, constants, looseness = AFFINE[name]
    file = content(nodes, SHAPES[kind], constants)
    bound = _agrees(read(file), file, SHAPES[kind])
    exact = np.linalg.svd(jacobian(file, SHAPES[kind]), compute_uv=False)[0]
    assert exact * (1 - 1e-5) <= bound <= exact * looseness * (1 + 1e-5)


def test_attributes_of_older_files(read):
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
    _agrees(read(file), file, SHAPES["image"])


@pytest.mark.parametrize("name", OTHERS)
def test_other_networks(read, name):
    nodes, kind, constants = OTHERS[name]
    file = content(nodes, SHAPES[kind], constants)
    _agrees(read(file), file, SHAPES[kind])


@in_float64
def test_a_network_of_others_from_reading_to_export(read, tmp_path):
    nodes = [
        node("Conv", "x v c", "a", strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Relu", "a", "b"),
        node("Conv", "b k", "d", pads=[1, 1, 1, 1]),
        node("Add", "d b", "e"),
        node("Relu", "e", "f"),
        node("Flatten", "f", "g"),
        node("MatMul", "g w", "h"),
        node("Add", "h t"),
    ]
    weights = {"v": numbers(4, 2, 3, 3), "c": numbers(4), "k": numbers(4, 4, 3, 3)}
    weights |= {"w": numbers(36, 3), "t": numbers(3)}
    # The file takes one example at a time; the model takes any number.
    file = content(nodes, SHAPES["image"], weights, batch=1)
    model, double = read(file), read(file, dtype="float64")
    assert model.name == "net"
    assert model.input_shape == (None, *SHAPES["image"])
    assert lipzoo.lipschitz_bound(model).value == lipzoo.lipschitz_bound(double).value

    x = np.random.default_rng(3).normal(size=(6, *SHAPES["image"])).astype("float32")
    logits = np.concatenate([run(file, example[None]) for example in x])
    certificate = lipzoo.certify(model, x, logits.argmax(1), verbose=0)
    assert certificate.accuracy == 1
    assert np.all(certificate.radius > 0)
    # The bias became the layer's own, so that pairs of columns count.
    assert certificate.bound.head is not None
    referenced = lipzoo.certify(model, x, reference=double, verbose=0)
    assert np.all(referenced.radius >= certificate.radius * (1 - 1e-6))

    model.compile("sgd", "mse", jit_compile=False)
    model.fit(x, np.zeros((6, 3)), epochs=1, verbose=0)
    trained = lipzoo.lipschitz_bound(model).value
    assert trained != lipzoo.lipschitz_bound(double).value
    model.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras", compile=False)
    assert lipzoo.lipschitz_bound(again).value == trained


@tensorflow_only
def test_an_exported_network_is_read_again(tmp_path):
    model = lipzoo.MLP((4,), 3, depth=1, width=5)
    exported = lipzoo.export(model, tmp_path / "mlp.onnx", format="onnx")
    again = lipzoo.from_onnx(tmp_path / "mlp.onnx")
    assert lipzoo.lipschitz_bound(again).value == pytest.approx(exported.lipschitz_bound, 1e-6)


def test_the_least_output_decides(read):
    weights = numbers(6, 4)
    least = read(content([node("Gemm", "x w")], (6,), {"w": weights}))
    largest = read(content([node("Gemm", "x w")], (6,), {"w": -weights}))
    x = numbers(9, 6)
    one = lipzoo.certify(least, x, decision="min", verbose=0)
    other = lipzoo.certify(largest, x, verbose=0)
    np.testing.assert_array_equal(one.prediction, (x @ weights).argmin(1))
    for name in ("prediction", "radius", "rival"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    # For a linear network the radius is the distance to the boundary.
    rows, first, second = np.arange(9), one.prediction, one.rival
    gap = (x @ weights)[rows, second] - (x @ weights)[rows, first]
    distance = gap / np.linalg.norm(weights[:, second] - weights[:, first], axis=0)
    np.testing.assert_allclose(one.radius, distance, rtol=1e-3)


def test_a_decision_is_one_of_two(read):
    model = read(content([node("Gemm", "x w")], (2,), {"w": numbers(2, 1)}))
    with pytest.raises(ValueError, match="Received: decision='least'"):
        lipzoo.certify(model, numbers(1, 2), decision="least", verbose=0)
    with pytest.raises(ValueError, match="with one output"):
        lipzoo.certify(model, numbers(1, 2), decision="min", verbose=0)


_IMAGE = {"w": numbers(3, 2, 3, 3)}
REFUSED = {
    "unknown": ([node("Sin", "x")], {}, r"'Sin_y' \(Sin\): Expected one of .*Received: Sin"),
    "product": ([node("Mul", "x x")], {}, r"'Mul_y' \(Mul\): .* product with a constant"),
    "no gelu": (
        [node("Erf", "x", "e"), node("Add", "e one", "f"), node("Mul", "x f")],
        {"one": np.array(1, "float32")},
        r"'Erf_e' \(Erf\): Expected one of",
    ),
    "quotient": ([node("Div", "one x")], {"one": numbers(1)}, r"'Div_y' \(Div\): .* a constant"),
    "other axes": (
        [node("ReduceMean", "x a", "m", keepdims=0), node("Add", "x m")],
        {"a": np.array([1], INT)},
        r"'Add_y' \(Add\): Expected tensors of as many axes",
    ),
    "left matrix": ([node("MatMul", "w x")], {"w": numbers(5, 5)}, r"'MatMul_y' \(MatMul\)"),
    "batch axis": ([node("Transpose", "x", perm=[1, 0, 2, 3])], {}, "begins with the batch axis"),
    "mixed batch": (
        [node("Reshape", "x s")],
        {"s": np.array([-1, 6], INT)},
        r"'Reshape_y' \(Reshape\): .*keeps the batch axis",
    ),
    "batch mean": (
        [node("ReduceMean", "x a")],
        {"a": np.array([0], INT)},
        "examples of a batch apart",
    ),
    "picked examples": (
        [node("Gather", "x i")],
        {"i": np.array(0, INT)},
        r"'Gather_y' \(Gather\): .*batch apart",
    ),
    "several dimensions": (
        [node("Unsqueeze", "x a", "h"), node("Conv", "h v")],
        {"a": np.array([4], INT), "v": numbers(3, 2, 1, 1, 1)},
        r"'Conv_y' \(Conv\): Expected one or two axes",
    ),
    "strides and dilations": (
        [node("Conv", "x w", strides=[2, 2], dilations=[2, 2])],
        _IMAGE,
        "does not have together",
    ),
    "trained weights": ([node("Conv", "x x")], {}, r"\(Conv\): Expected a constant for"),
    "interpolation": (
        [node("Resize", "x none scales", mode="cubic")],
        {"none": np.zeros(0, "float32"), "scales": np.array([1, 1, 2, 2], "float32")},
        r"'Resize_y' \(Resize\): Expected nearest neighbours",
    ),
    "reflection": (
        [node("Pad", "x p", mode="reflect")],
        {"p": np.array([0, 0, 1, 1, 0, 0, 1, 1], INT)},
        r"'Pad_y' \(Pad\): Expected margins of zeros.*reflect",
    ),
    "uncounted margins": (
        [node("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])],
        {},
        r"'AveragePool_y' \(AveragePool\): Expected pads that are counted",
    ),
    "margins below zero": (
        [node("MaxPool", "x", kernel_shape=[2, 2], pads=[1, 1, 0, 0])],
        {},
        "pads behind a Relu",
    ),
    "random": ([node("RandomNormalLike", "x")], {}, r"\(RandomNormalLike\): Expected one of"),
    "random constant": (
        [node("RandomNormal", "", "r", shape=[1]), node("Add", "x r")],
        {},
        r"'RandomNormal_r' \(RandomNormal\): .*constants alone",
    ),
    "immense constant": (
        [node("ConstantOfShape", "s", "c"), node("Add", "x c")],
        {"s": np.array([2**40], INT)},
        r"'ConstantOfShape_c' \(ConstantOfShape\): Expected at most",
    ),
    "immense margins": (
        [node("Pad", "x p")],
        {"p": np.array([0, 0, 0, 0, 0, 0, 2**30, 0], INT)},
        r"'Pad_y' \(Pad\): Expected a tensor of a batch",
    ),
    "mask": (
        [node("Dropout", "x", "d m"), node("Cast", "m", to=TensorProto.FLOAT)],
        {},
        r"'Cast_y' \(Cast\): Expected inputs that nodes before it make.*'m'",
    ),
    "double numbers": (
        [node("Add", "x c")],
        {"c": np.ones(6)},
        r"'Add_y' \(Add\): Expected float32 .* float64",
    ),
    "constant output": ([node("Identity", "c")], {"c": numbers(3)}, "depend on the input"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read_is_named(read, name):
    nodes, constants, message = REFUSED[name]
    with pytest.raises(ValueError, match=rf"net\.onnx: .*{message}"):
        read(content(nodes, SHAPES["image"], constants, out=["batch", "any"]))


def _branch():
    """A file with control flow."""
    then = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["t"])],
        "then",
        [],
        [helper.make_tensor_value_info("t", TensorProto.FLOAT, ["batch", 6])],
    )
    branch = helper.make_node(
        "If", ["yes"], ["y"], name="choice", then_branch=then, else_branch=then
    )
    return content([branch], (6,), {"yes": np.array(True)})


def _outside():
    model = load_model_from_string(content([node("Gemm", "x w")], (6,), {"w": numbers(6, 4)}))
    external_data_helper.convert_model_to_external_data(model, size_threshold=0)
    (tensor,) = model.graph.initializer
    external_data_helper.set_external_data(tensor, "elsewhere")
    return model.SerializeToString()


_WHOLE = content([node("Gemm", "x w")], (6,), {"w": numbers(6, 4)})
FILES = {
    "control flow": (_branch, r"node 'choice' \(If\): Expected a graph without control flow"),
    "external data": (_outside, "tensor 'w' with external data"),
    "text": (lambda: b"These are words, no network.\n" * 9, "Expected an ONNX file"),
    "nothing": (lambda: b"", "Expected an ONNX file"),
    "a part": (lambda: _WHOLE[: len(_WHOLE) // 2], "Expected an ONNX file"),
    "dynamic": (
        lambda: content([node("Relu", "x")], (1, "height", 28)),
        "input 'x' of shape .*'height'",
    ),
    "no batch": (lambda: content([node("Relu", "x")], (), batch=5), "with a batch axis"),
    "bytes": (
        lambda: content([node("Cast", "x", to=1)], (6,), kind=TensorProto.UINT8),
        "of type UINT8",
    ),
    "another domain": (
        lambda: content([helper.make_node("Relu", "x", "y", "a", domain="me")], (6,), out=[1, 6]),
        "node 'a' .*'me'",
    ),
    "no operator": (lambda: content([node("Foo", "x")], (6,), out=[1, 6]), "Foo_y"),
    "weights of another size": (
        lambda: content([node("Gemm", "x w")], (6,), {"w": numbers(5, 4)}, out=[1, 4]),
        r"'Gemm_y' \(Gemm\)",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_not_read(read, name):
    make, message = FILES[name]
    with pytest.raises(ValueError, match=rf"net\.onnx: .*{message}"):
        read(make())


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="Expected the path of an ONNX file"):
        lipzoo.from_onnx(tmp_path)


def test_a_missing_package_is_named(read, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"needs onnx: pip install .*\[export\]"):
        read(_WHOLE)


def test_a_model_that_computes_something_else_is_refused(read, monkeypatch):
    wrong = {**OPERATORS, "Neg": Operator(lambda call: call.tensor(), "all")}
    monkeypatch.setattr(translation, "OPERATORS", wrong)
    with pytest.raises(ValueError, match="output 'y', which differs by 2"):
        read(content([node("Neg", "x")], (6,)))


def test_the_command_takes_a_file(tmp_path, capsys):
    file, data = tmp_path / "control.onnx", tmp_path / "x.npy"
    weights, x = numbers(6, 4), numbers(3, 6)
    nodes = [node("Flatten", "x", "h"), node("Gemm", "h w")]
    file.write_bytes(content(nodes, (1, 1, 6), {"w": weights}))
    # Examples may lack axes of length 1.
    np.save(data, x)
    command = ["certify", str(file), str(data), "--decision", "min", "--json"]
    assert lipzoo_cli.main(command) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["prediction"] == (x @ weights).argmin(1).tolist()
    assert printed["decision"] == "min"
    assert min(printed["radius"]) > 0
    assert lipzoo_cli.main(["certify", str(tmp_path / "none.onnx"), str(data)]) == 2
    assert "none.onnx" in capsys.readouterr().err


@pytest.mark.skipif(
    "LIPZOO_ONNX_NETWORKS" not in os.environ, reason="names a folder of networks of others"
)
def test_networks_of_others():
    files = sorted(Path(os.environ["LIPZOO_ONNX_NETWORKS"]).glob("*.onnx"))
    assert files
    for file in files:
        model = lipzoo.from_onnx(file)
        x = np.random.default_rng(0).uniform(size=(3, *model.input_shape[1:])).astype("float32")
        expected = np.concatenate([run(file.read_bytes(), example[None]) for example in x])
        scale = np.abs(expected).max()
        found = keras.ops.convert_to_numpy(model(x))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * scale)
        certificate = lipzoo.certify(model, x, rounding=False, verbose=0)
        assert np.all(certificate.radius > 0)


def test_half_precision_and_no_path_are_refused_before_the_file_is_read(tmp_path):
    with pytest.raises(TypeError, match="Received: path=None"):
        lipzoo.from_onnx(None)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        with pytest.raises(ValueError, match="give dtype='float32'"):
            lipzoo.from_onnx(tmp_path / "none.onnx")
    finally:
        keras.config.set_dtype_policy(policy)
