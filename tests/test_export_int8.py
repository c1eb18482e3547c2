"""A network exported in int8 is certified as it is stored, and runs in float32."""

import importlib.util

import keras
import numpy as np
import pytest

import lipzoo
import lipzoo_cli
from lipzoo.evaluation import pgd_attack
from lipzoo.exporting.int8_graph import run_at_every_level
from lipzoo.exporting.quantisation import quantised, quantised_kernels
from lipzoo.spectral import conv_norm_bound
from lipzoo_catalogue.exported import AlteredFileError
from tests.checked_models import build
from tests.helpers import tensorflow_only

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tf2onnx") is None, reason="lipzoo[export] is not installed"
)


def digit_images(count=None):
    from sklearn.datasets import load_digits

    digits = load_digits()
    return (digits.images[:count, :, :, None] / 16).astype("float32"), digits.target[:count]


@pytest.fixture(scope="module")
def digits():
    return lipzoo.load("gradflow-digits")


@pytest.fixture(scope="module")
def path(digits, tmp_path_factory):
    path = tmp_path_factory.mktemp("int8") / "digits.onnx"
    before = [keras.ops.convert_to_numpy(weight) for weight in digits.weights]
    lipzoo.export(digits, path, "onnx", quantize="int8")
    for weight, value in zip(digits.weights, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight), value)
    return path


@pytest.fixture
def stored(path):
    """Kernels as the file has them, by onnx's own reader: integers and scales in float64."""
    import onnx

    values = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
    whole = [name.removesuffix(".int8") for name in values if name.endswith(".int8")]
    whole.sort(key=lambda name: int(name.removeprefix("lipzoo.kernel")))
    return {name: (values[f"{name}.int8"], values[f"{name}.scale"]) for name in whole}


def test_the_bound_is_that_of_the_numbers_in_the_file(digits, path, stored):
    """The network is built again from what another reader finds."""
    certificate = lipzoo.exported_certificate(path)
    model = lipzoo.load("gradflow-digits")
    kernels = [weight for weight in model.weights if weight.name == "kernel"]
    assert len(kernels) == len(stored) == certificate.quantization["kernels"] == 16
    for weight, (integers, scales) in zip(kernels, stored.values(), strict=True):
        assert integers.dtype == "int8"
        weight.assign(integers.astype("float32") * scales)
    assert lipzoo.lipschitz_bound(model).value == certificate.lipschitz_bound <= 1
    original = lipzoo.lipschitz_bound(digits).value
    assert certificate.lipschitz_bound != original
    x, _ = digit_images(100)
    expected = keras.ops.convert_to_numpy(model(x, training=False))
    for level, outputs in run_at_every_level(path.read_bytes(), x).items():
        np.testing.assert_allclose(outputs, expected, atol=1e-5, err_msg=level)


def test_kernels_are_stored_once_and_are_inside_their_constraint(digits, path, stored):
    import onnx

    graph = onnx.load(path).graph
    large = [t for t in graph.initializer if np.prod(t.dims) > 1000]
    assert {t.data_type for t in large} == {onnx.TensorProto.INT8}
    assert len(large) == len(stored)
    made = {node.output[0]: node for node in graph.node}
    products = [node for node in graph.node if node.op_type == "MatMul"]
    sources = []
    for product in products:
        name = product.input[1]
        while made[name].op_type in ("Reshape", "Transpose"):
            name = made[name].input[0]
        sources.append(name)
    # Each flow's is in two products; those of the projection and of the head in one.
    assert sorted(map(sources.count, set(sources))) == [1, 1, *[2] * 14]
    for name, (integers, scales) in stored.items():
        matrix = (integers.astype("float64") * scales).reshape(-1, len(scales))
        if name != list(stored)[-1]:
            assert np.linalg.norm(matrix, 2) <= 1 + 1e-7
    assert path.stat().st_size < 400_000


@tensorflow_only
def test_no_prediction_changes_inside_its_radius(digits, path):
    x, y = digit_images(150)
    certificate = lipzoo.exported_certificate(path)
    logits = run_at_every_level(path.read_bytes(), x)["ENABLE_ALL"]
    radius = certificate.radius(logits)
    prediction = logits.argmax(axis=1)
    assert np.mean(prediction == y) > 0.95
    assert np.median(radius) > 0.4
    with quantised_kernels(digits):
        attacked = pgd_attack(digits, x, prediction, 0.999 * radius, steps=20).inputs
        beyond = pgd_attack(digits, x, prediction, 4 * radius, steps=20).inputs
    inside, outside = (
        run_at_every_level(path.read_bytes(), inputs)["ENABLE_ALL"].argmax(axis=1)
        for inputs in (attacked, beyond)
    )
    assert (inside == prediction).all()
    assert np.mean(outside != prediction) > 0.5


@pytest.mark.parametrize("name", ["resnet-image", "hamnet-verlet", "gradflow-sequence", "mlp"])
def test_every_kind_of_kernel(name, tmp_path):
    model, _ = build(name)
    certificate = lipzoo.export(model, tmp_path / "model", "onnx", quantize="int8")
    assert certificate.quantization["kernels"] > 0
    read = lipzoo.exported_certificate(tmp_path / "model")
    assert read.quantization == certificate.quantization
    assert "int8 numbers and scales" in read.proven


@pytest.mark.parametrize("scale", [1e-42, 1e-3, 0.2, 30.0])
def test_an_overlapping_kernel_is_inside_its_constraint_and_near_the_original(scale):
    kernel = np.random.default_rng(1).normal(scale=scale, size=(3, 3, 4, 6)).astype("float32")
    kernel[..., 2] = 0
    constraint = lipzoo.SpectralBound(1.0, method="scale")
    kernel = keras.ops.convert_to_numpy(constraint(kernel))
    found = quantised(kernel, "k", constraint)
    assert conv_norm_bound(found.values, (9, 7)) <= 1
    assert (found.values[..., 2] == 0).all()
    step = np.abs(kernel).max(axis=(0, 1, 2)) / 127
    assert (np.abs(found.values - kernel) <= 0.5 * step + 0.02 * np.abs(kernel) + 1e-37).all()


def test_an_operator_on_integers_is_found():
    """ONNX Runtime makes one that rounds activations to int8 of a dequantised weight's product."""
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    integers = random.integers(-127, 128, (64, 64)).astype("int8")
    scales = np.full(64, 0.01, "float32")
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 64]) for n in ("input", "y")]
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "s"], ["w"], axis=1),
        helper.make_node("MatMul", ["input", "w"], ["y"]),
    ]
    tensors = [numpy_helper.from_array(integers, "q"), numpy_helper.from_array(scales, "s")]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], tensors)
    opset = [helper.make_opsetid("", 15)]
    content = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    with pytest.raises(ValueError, match=r"float32\. Received: \['MatMulNBits'\] at .*EXTENDED"):
        run_at_every_level(content, random.random((2, 64), "float32"))


def test_the_file_belongs_to_its_certificate(path, tmp_path):
    import onnx

    model = onnx.load(path)
    (scale,) = [t for t in model.graph.initializer if t.name == "lipzoo.kernel0.scale"]
    scale.CopyFrom(onnx.numpy_helper.from_array(3 * onnx.numpy_helper.to_array(scale), scale.name))
    onnx.save(model, tmp_path / "scaled.onnx")
    with pytest.raises(AlteredFileError, match="weights were changed"):
        lipzoo.exported_certificate(tmp_path / "scaled.onnx")


def test_activations_in_int8_are_refused_with_the_reason(digits, tmp_path, capsys):
    target = tmp_path / "model"
    for quantize in ("dynamic", "int4", True):
        with pytest.raises(ValueError, match=rf"step function.* Received: quantize={quantize!r}"):
            lipzoo.export(digits, target, "onnx", quantize=quantize)
    with pytest.raises(ValueError, match=r"takes format='onnx': LiteRT .* rounds to int8"):
        lipzoo.export(digits, target, "litert", quantize="int8")
    with pytest.raises(ValueError, match="float32 variables"):
        lipzoo.export(digits, target, "saved_model", quantize="int8")
    command = ["export", "gradflow-digits", "--out", str(target), "--quantize", "int8"]
    assert lipzoo_cli.main([*command, "--format", "litert"]) == 2
    assert "step function" in capsys.readouterr().err
    assert not target.exists()


def test_a_model_without_kernels_and_one_that_is_not_finite_are_refused(tmp_path):
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.ReLU()(inputs))
    with pytest.raises(ValueError, match="without"):
        lipzoo.export(model, tmp_path / "a", "onnx", quantize="int8")
    model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    model.set_weights([np.full((2, 2), np.nan), np.zeros(2)])
    with pytest.raises(ValueError, match="finite"):
        lipzoo.export(model, tmp_path / "a", "onnx", quantize="int8")
    assert np.isnan(model.get_weights()[0]).all()
