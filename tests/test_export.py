import importlib.util
import json
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import lipzoo
import lipzoo_cli
from lipzoo.exporting.running import run_exported
from lipzoo_catalogue.files import read_file, sha256_of
from lipzoo_catalogue.registry import model_folder
from tests.checked_models import build
from tests.helpers import in_float64, tensorflow_only

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tf2onnx") is None, reason="lipzoo[export] is not installed"
)
FORMATS = ("onnx", "litert", "saved_model")
# Of ONNX and LiteRT: products, sums, elementary functions, rearrangements.
PLAIN_ONNX = """
    Add Cast Clip Concat ConcatFromSequence ConstantOfShape Conv ConvTranspose Div Erf
    Expand Exp Gather GatherND Gemm GlobalAveragePool Identity Log LeakyRelu MatMul Max Min
    Mul Neg Pad Pow Range ReduceMean ReduceProd ReduceSum Relu Reshape Shape Sigmoid Slice
    Softplus Split Sqrt Squeeze Sub Tanh Transpose Unsqueeze Where
"""
PLAIN_LITERT = """
    ADD BATCH_MATMUL BROADCAST_TO CAST CONCATENATION CONV_2D DELEGATE DEPTHWISE_CONV_2D DIV EXP
    EXPAND_DIMS FULLY_CONNECTED GATHER GELU LOG LOGISTIC MAXIMUM MEAN MINIMUM MUL NEG PACK
    PAD PADV2 POW RELU REDUCE_PROD RESHAPE SELECT_V2 SHAPE SLICE SPLIT SPLIT_V SQUEEZE
    STRIDED_SLICE SUB SUM TANH TRANSPOSE TRANSPOSE_CONV
"""


@pytest.fixture(scope="module")
def digits():
    return lipzoo.load("gradflow-digits")


@pytest.fixture(scope="module")
def exported(digits, tmp_path_factory):
    """Paths of gradflow-digits in every format."""
    folder = tmp_path_factory.mktemp("exported")
    paths = {format: folder / format for format in FORMATS}
    for format, path in paths.items():
        lipzoo.export(digits, path, format)
    return paths


def digit_images():
    from sklearn.datasets import load_digits

    return (load_digits().images[:300, :, :, None] / 16).astype("float32")


def content(path):
    """What `run_exported` takes."""
    return path if path.is_dir() else path.read_bytes()


def outputs(model, x):
    return keras.ops.convert_to_numpy(model(x, training=False))


def files_below(folder):
    return sorted(folder.rglob("*"))


@pytest.mark.parametrize("format", FORMATS)
def test_outputs_on_real_images_are_the_networks_own(digits, exported, format):
    x = digit_images()
    logits = run_exported(content(exported[format]), format, x)
    np.testing.assert_allclose(logits, outputs(digits, x), atol=1e-5)


@pytest.mark.parametrize("format", FORMATS)
def test_the_certificate_is_read_back(digits, exported, format):
    certificate = lipzoo.exported_certificate(exported[format])
    assert certificate.name == "gradflow-digits"
    assert certificate.lipschitz_bound == lipzoo.lipschitz_bound(digits).value
    assert certificate.norm == "l2"
    assert certificate.input_shape == (8, 8, 1)
    assert certificate.class_names == digits.lipzoo_config.class_names
    assert certificate.units == digits.lipzoo_preprocessing["scale"]
    assert certificate.lipzoo_version == lipzoo.__version__
    weights = read_file(model_folder("gradflow-digits") / "model.safetensors")
    assert certificate.weights_sha256 == sha256_of(weights)
    assert certificate.agreement["largest_difference"] < 1e-5
    assert "rounds" in certificate.not_proven
    assert "exact arithmetic" in certificate.proven


def test_the_certificate_needs_only_the_runtime(exported):
    import onnxruntime

    session = onnxruntime.InferenceSession(exported["onnx"])
    entry = session.get_modelmeta().custom_metadata_map["lipzoo.certificate"]
    expected = lipzoo.exported_certificate(exported["onnx"]).to_dict()
    assert json.loads(entry) == expected
    # As these tools read the other two.
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(exported["litert"]))
    buffers = {entry.name: model.buffers[entry.buffer].data for entry in model.metadata}
    text = bytes(buffers.get("lipzoo.certificate") or buffers.get(b"lipzoo.certificate"))
    assert json.loads(text)["weights_sha256"] == expected["weights_sha256"]
    side = exported["saved_model"] / "assets.extra" / "lipzoo.certificate.json"
    assert json.loads(side.read_text())["lipschitz_bound"] == expected["lipschitz_bound"]


def test_radii_of_exported_logits_are_those_of_certify_without_rounding(digits, exported):
    x = digit_images()
    logits = run_exported(content(exported["onnx"]), "onnx", x)
    radius = lipzoo.exported_certificate(exported["onnx"]).radius(logits)
    expected = lipzoo.certify(digits, x, rounding=False, verbose=0).radius
    np.testing.assert_allclose(radius, expected, rtol=1e-4, atol=1e-6)
    assert radius.max() > 0.5


def test_names_and_the_free_batch_axis_of_the_onnx_graph(exported):
    import onnxruntime

    session = onnxruntime.InferenceSession(exported["onnx"])
    ends = [(end.name, end.shape) for end in (*session.get_inputs(), *session.get_outputs())]
    assert ends == [("input", ["batch", 8, 8, 1]), ("output", ["batch", 10])]


MODELS = (
    "gradflow-image",
    "gradflow-sequence",
    "gradflow-table",
    "hamnet-verlet",
    "mlp",
    "resnet-image",
    "invnet-scanner",
)


@pytest.mark.parametrize("name", MODELS)
def test_every_architecture_becomes_plain_operations(name, tmp_path):
    model, _ = build(name)
    x = np.random.default_rng(3).random((5, *model.input_shape[1:]), "float32")
    expected = outputs(model, x)
    scale = max(1.0, np.abs(expected).max())
    for format in ("onnx", "litert"):
        path = tmp_path / format
        lipzoo.export(model, path, format)
        actual = run_exported(content(path), format, x)
        np.testing.assert_allclose(actual / scale, expected / scale, atol=1e-5)
        assert lipzoo.exported_certificate(path).lipschitz_bound == float(
            lipzoo.lipschitz_bound(model)
        )
    assert operations_of_onnx(tmp_path / "onnx") <= set(PLAIN_ONNX.split())
    assert operations_of_litert(tmp_path / "litert") <= set(PLAIN_LITERT.split())


def operations_of_onnx(path):
    import onnx

    graph = onnx.load(path).graph
    assert {node.domain for node in graph.node} <= {"", "ai.onnx"}
    return {node.op_type for node in graph.node}


def operations_of_litert(path):
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    codes = {value: name for name, value in vars(schema.BuiltinOperator).items()}
    model = flatbuffer_utils.read_model(str(path))
    return {codes[max(c.builtinCode, c.deprecatedBuiltinCode)] for c in model.operatorCodes}


def test_a_saved_model_holds_no_python(exported):
    import tensorflow as tf

    saved = tf.saved_model.load(str(exported["saved_model"]))
    graph = saved.signatures["serving_default"].graph.as_graph_def()
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    kinds = {node.op for node in nodes}
    assert "MatMul" in kinds
    assert not [kind for kind in kinds if "Py" in kind]


def test_reconstructions_and_features_have_a_movement_and_no_radius(tmp_path):
    model, _ = build("invnet-blur")
    certificate = lipzoo.export(model, tmp_path / "blur", "onnx")
    assert certificate.rule.startswith("two inputs at Euclidean distance")
    with pytest.raises(ValueError, match="Expected a classifier"):
        certificate.radius(np.zeros((1, 12, 1)))


def test_a_single_logit_has_the_radius_of_its_sign(tmp_path):
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    model.set_weights([np.array([[3.0], [4.0]]), np.zeros(1)])
    certificate = lipzoo.export(model, tmp_path / "sign", "onnx")
    assert certificate.radius([[10.0], [-5.0]]).round(5).tolist() == [2.0, 1.0]


def test_radii_refuse_other_outputs(exported):
    certificate = lipzoo.exported_certificate(exported["onnx"])
    with pytest.raises(ValueError, match=r"shape \(examples, 10\)\. Received: shape=\(3, 4\)"):
        certificate.radius(np.zeros((3, 4)))
    with pytest.raises(ValueError, match="finite outputs"):
        certificate.radius(np.full((1, 10), np.nan))
    assert certificate.radius(np.zeros((1, 10))).tolist() == [0.0]


@keras.saving.register_keras_serializable(package="lipzoo_tests")
class Roll(keras.layers.Layer):
    """Uses an operation that LiteRT does not have."""

    def call(self, inputs):
        return keras.ops.roll(inputs, 1, 1)

    def lipschitz_bound(self, input_shape):
        return lipzoo.LayerBound.exact(1.0, "a permutation")


def turning_model():
    inputs = keras.Input((4, 4), name="input")
    return keras.Model(inputs, Roll(name="roller")(inputs), name="turning")


@tensorflow_only
def test_a_layer_that_a_format_cannot_express_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"'litert' cannot express Roll.*'roller' \(Roll\)"):
        lipzoo.export(turning_model(), tmp_path / "turning", "litert")
    assert files_below(tmp_path) == []
    lipzoo.export(turning_model(), tmp_path / "turning", "saved_model")


def test_unknown_formats_paths_and_models_are_refused(digits, tmp_path):
    with pytest.raises(ValueError, match=r"format must be one of .*Received: format='tflite'"):
        lipzoo.export(digits, tmp_path / "a", "tflite")
    with pytest.raises(FileNotFoundError, match="existing folder"):
        lipzoo.export(digits, tmp_path / "none" / "a", "onnx")
    with pytest.raises(IsADirectoryError, match="path of a file"):
        lipzoo.export(digits, tmp_path, "onnx")
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(FileExistsError, match="holds something else"):
        lipzoo.export(digits, tmp_path, "saved_model")
    with pytest.raises(NotADirectoryError, match="path of a folder"):
        lipzoo.export(digits, tmp_path / "notes", "saved_model")
    with pytest.raises(TypeError, match=r"Expected a keras\.Model"):
        lipzoo.export("gradflow-digits", tmp_path / "a", "onnx")
    pair = [keras.Input((2,)), keras.Input((2,))]
    two = keras.Model(pair, keras.layers.Add()(pair))
    with pytest.raises(ValueError, match="inputs: 2, outputs: 1"):
        lipzoo.export(two, tmp_path / "a", "onnx")
    inputs = keras.Input((2,))
    named = keras.Model(inputs, {"y": keras.layers.ReLU()(inputs)})
    with pytest.raises(ValueError, match=r"is a tensor.* whose output is a dict of \['y'\]"):
        lipzoo.export(named, tmp_path / "a", "onnx")
    assert files_below(tmp_path) == [tmp_path / "notes"]
    assert (tmp_path / "notes").read_text() == "mine"


@in_float64
def test_formats_in_float32_refuse_float64(tmp_path):
    double = lipzoo.load("gradflow-digits", dtype="float64")
    with pytest.raises(ValueError, match=r"in float32\. Received: .* in float64"):
        lipzoo.export(double, tmp_path / "a", "onnx")
    assert files_below(tmp_path) == []


def test_a_layer_without_a_bound_is_refused(tmp_path):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.BatchNormalization(axis=-1)(inputs) ** 2)
    with pytest.raises(lipzoo.UncertifiedLayerError):
        lipzoo.export(model, tmp_path / "a", "onnx")
    assert files_below(tmp_path) == []


@tensorflow_only
def test_a_failed_export_leaves_what_was_there(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(b"earlier")
    with pytest.raises(ValueError, match="cannot express"):
        lipzoo.export(turning_model(), path, "litert")
    assert path.read_bytes() == b"earlier"
    lipzoo.export(build("mlp")[0], path, "onnx")
    assert lipzoo.exported_certificate(path).name == "mlp"
    assert files_below(tmp_path) == [path]


def test_a_saved_model_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "model"
    for name in ("mlp", "hamnet-table"):
        lipzoo.export(build(name)[0], path, "saved_model")
    assert lipzoo.exported_certificate(path).name == "hamnet"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_package_says_how_to_install_it(digits, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ImportError, match=r"pip install '.*\[export\]'"):
        lipzoo.export(digits, tmp_path / "a", "onnx")
    assert files_below(tmp_path) == []


@pytest.mark.parametrize("text", [b"", b"no model", b"\x08\x08", b"\x00\x00\x00\x00TFL3\x01"])
def test_other_files_hold_no_certificate(tmp_path, text):
    path = tmp_path / "file"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=r"that lipzoo\.export wrote"):
        lipzoo.exported_certificate(path)
    with pytest.raises(ValueError, match="Expected a SavedModel"):
        lipzoo.exported_certificate(tmp_path)
    with pytest.raises(FileNotFoundError):
        lipzoo.exported_certificate(tmp_path / "none")


@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_truncated_files_are_refused(exported, tmp_path, format):
    whole = exported[format].read_bytes()
    for length in (9, len(whole) // 2):
        path = tmp_path / "short"
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"lipzoo\.export wrote"):
            lipzoo.exported_certificate(path)


def test_the_command_writes_and_reports(tmp_path, capsys):
    path = tmp_path / "digits.onnx"
    command = ["export", "gradflow-digits", "--format", "onnx", "--out", str(path)]
    assert lipzoo_cli.main([*command, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    certificate = lipzoo.exported_certificate(path)
    assert Path(printed["path"]) == path
    assert printed["lipschitz_bound"] == certificate.lipschitz_bound
    assert lipzoo_cli.main([*command[:3], "tflite", *command[4:]]) == 2
    assert "format must be one of" in capsys.readouterr().err


@tensorflow_only
def test_the_benchmark_compares_the_same_products(tmp_path, capsys):
    from studies import export

    export.main(["--quick", "--model", "gradflow-digits", "--output", str(tmp_path / "a.json")])
    found = json.loads((tmp_path / "a.json").read_text())
    kept = json.loads(export.RESULTS.read_text())
    assert set(found) == set(kept)
    operations = found["models"]["gradflow-digits"]["operations"]
    assert operations == kept["models"]["gradflow-digits"]["operations"]
    assert operations["lipzoo"]["MatMul"] == operations["plain"]["MatMul"]
    assert sum(operations["lipzoo"].values()) <= sum(operations["plain"].values())
    ratios = [row["ratio"] for m in kept["models"].values() for row in m["batch_sizes"].values()]
    assert max(ratios) < 1.05
