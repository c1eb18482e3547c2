"""ONNX files that are not read, and what the errors name."""

import keras
import numpy as np
import pytest
from onnx import TensorProto, external_data_helper, helper, load_model_from_string

import lipzoo
from lipzoo.importing import translation
from lipzoo.importing.call import Operator
from lipzoo.importing.operators import OPERATORS
from tests.onnx_files import SHAPES, constants_from, content, node

numbers = constants_from(3)

INT = "int64"

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
def test_what_is_not_read_is_named(read_onnx, name):
    nodes, constants, message = REFUSED[name]
    with pytest.raises(ValueError, match=rf"net\.onnx: .*{message}"):
        read_onnx(content(nodes, SHAPES["image"], constants, out=["batch", "any"]))


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
def test_files_that_are_not_read(read_onnx, name):
    make, message = FILES[name]
    with pytest.raises(ValueError, match=rf"net\.onnx: .*{message}"):
        read_onnx(make())


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="Expected the path of an ONNX file"):
        lipzoo.from_onnx(tmp_path)


def test_a_missing_package_is_named(read_onnx, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"needs onnx: pip install .*\[export\]"):
        read_onnx(_WHOLE)


def test_a_model_that_computes_something_else_is_refused(read_onnx, monkeypatch):
    wrong = {**OPERATORS, "Neg": Operator(lambda call: call.tensor(), "all")}
    monkeypatch.setattr(translation, "OPERATORS", wrong)
    with pytest.raises(ValueError, match="output 'y', which differs by 2"):
        read_onnx(content([node("Neg", "x")], (6,)))


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
