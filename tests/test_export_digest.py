"""A certificate that does not belong to the bytes that it lies in is refused, in every format."""

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import lipzoo
import lipzoo_cli
from lipzoo_catalogue.exported import AlteredFileError
from lipzoo_catalogue.exported.digest import BLANK, SIDE_FILE, sealed, sealed_text
from lipzoo_catalogue.files import dump_json

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tf2onnx") is None, reason="lipzoo[export] is not installed"
)
FORMATS = ("onnx", "litert", "saved_model")
COMPUTATION = "graph, operators or weights were changed"
STATEMENT = "certificate's text was changed"


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """Paths of gradflow-digits in every format."""
    folder = tmp_path_factory.mktemp("originals")
    model = lipzoo.load("gradflow-digits")
    for format in FORMATS:
        lipzoo.export(model, folder / format, format)
    return folder


@pytest.fixture
def onnx_file(originals, tmp_path):
    return shutil.copy(originals / "onnx", tmp_path / "digits.onnx")


@pytest.fixture
def saved_model(originals, tmp_path):
    return shutil.copytree(originals / "saved_model", tmp_path / "digits")


def refused(path, reason):
    with pytest.raises(AlteredFileError, match=reason) as error:
        lipzoo.exported_certificate(path)
    assert "Received: " in str(error.value)
    assert "Export the model again with lipzoo.export" in str(error.value)


@pytest.mark.parametrize("weights_only", ["QInt8", "QUInt8"])
def test_a_file_that_onnx_runtime_quantised_is_refused(onnx_file, tmp_path, weights_only):
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantised = tmp_path / "int8.onnx"
    quantize_dynamic(onnx_file, quantised, weight_type=QuantType[weights_only])
    kept = {entry.key for entry in onnx.load(quantised).metadata_props}
    assert "lipzoo.certificate" in kept
    refused(quantised, COMPUTATION)


def test_scaled_weights_are_refused(onnx_file):
    import onnx

    model = onnx.load(onnx_file)
    for entry in model.graph.initializer:
        values = onnx.numpy_helper.to_array(entry)
        if values.dtype == "float32":
            entry.CopyFrom(onnx.numpy_helper.from_array(3 * values, entry.name))
    onnx.save(model, onnx_file)
    refused(onnx_file, COMPUTATION)


@pytest.mark.parametrize("text", ["0.0099", "9"])
@pytest.mark.parametrize("format", FORMATS)
def test_an_edited_bound_is_refused(originals, tmp_path, format, text):
    """Whether the tool that edits keeps the length, or writes the file anew."""
    path, bound = (
        originals / format,
        lipzoo.exported_certificate(originals / format).lipschitz_bound,
    )
    old = f'"lipschitz_bound": {bound}'.encode()
    new = f'"lipschitz_bound": {text}'.encode().ljust(len(old))
    edited = tmp_path / "edited"
    if format == "saved_model":
        shutil.copytree(path, edited)
        side = edited / SIDE_FILE
        side.write_bytes(side.read_bytes().replace(old, new.strip()))
    else:
        content = path.read_bytes()
        assert content.count(old) == 1
        edited.write_bytes(content.replace(old, new))
    refused(edited, STATEMENT)


def test_a_bound_edited_through_onnx_is_refused(onnx_file):
    import onnx

    model = onnx.load(onnx_file)
    (entry,) = model.metadata_props
    values = json.loads(entry.value)
    entry.value = json.dumps(values | {"lipschitz_bound": 0.0099}, indent=2) + "\n"
    onnx.save(model, onnx_file)
    refused(onnx_file, STATEMENT)


@pytest.mark.parametrize("level", ["ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED"])
def test_a_file_that_a_runtime_optimised_is_refused_and_the_original_stays(
    onnx_file, tmp_path, level
):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(onnx_file, options, providers=["CPUExecutionProvider"])
    with pytest.raises(ValueError, match=rf"{COMPUTATION}|no entries"):
        lipzoo.exported_certificate(tmp_path / "optimised.onnx")
    assert lipzoo.exported_certificate(onnx_file).name == "gradflow-digits"


def test_other_metadata_is_the_users(onnx_file, saved_model):
    import onnx

    model = onnx.load(onnx_file)
    model.metadata_props.add(key="owner", value="me")
    model.metadata_props.insert(0, model.metadata_props.pop())
    onnx.save(model, onnx_file)
    (saved_model / "assets.extra" / "warmup").write_bytes(b"requests")
    for path in (onnx_file, saved_model):
        assert lipzoo.exported_certificate(path).name == "gradflow-digits"
    model.metadata_props.add(key="lipzoo.certificate", value="{}")
    onnx.save(model, onnx_file)
    with pytest.raises(ValueError, match="2 entries"):
        lipzoo.exported_certificate(onnx_file)


@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_no_byte_can_be_changed(originals, tmp_path, format):
    content = bytearray((originals / format).read_bytes())
    random = np.random.default_rng(0)
    path = tmp_path / "changed"
    places = {0, len(content) - 1, *random.integers(len(content), size=150).tolist()}
    for place in places:
        content[place] ^= 1 << int(random.integers(8))
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"expected|Expected"):
            lipzoo.exported_certificate(path)
        content[:] = (originals / format).read_bytes()


def test_no_file_of_a_saved_model_can_be_changed_added_or_removed(saved_model):
    data = saved_model / "variables" / "variables.data-00000-of-00001"
    for path in (data, saved_model / "saved_model.pb"):
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        refused(saved_model, COMPUTATION)
        path.unlink()
        refused(saved_model, COMPUTATION)
        path.write_bytes(whole)
    (saved_model / "assets" / "table.txt").parent.mkdir(exist_ok=True)
    (saved_model / "assets" / "table.txt").write_text("new")
    refused(saved_model, COMPUTATION)
    (saved_model / "assets" / "table.txt").unlink()
    assert lipzoo.exported_certificate(saved_model).name == "gradflow-digits"


def test_a_file_of_the_first_format_says_how_to_export_it_again(saved_model):
    side = saved_model / SIDE_FILE
    values = json.loads(side.read_text())
    for key in ("quantization", "computation_sha256", "statement_sha256"):
        del values[key]
    side.write_text(json.dumps(values | {"format_version": 1}))
    refused(saved_model, "one without, as lipzoo 0.1.0 wrote it")
    old = lipzoo.ExportedCertificate.from_dict(json.loads(side.read_text()))
    assert old.computation_sha256 == ""


@pytest.mark.parametrize("name", ['quotes " and ümläute', f'"computation_sha256": "{BLANK}"'])
def test_any_class_name_is_sealed(tmp_path, name):
    certificate = lipzoo.ExportedCertificate("tiny", 1.0, (2,), (1,), class_names=(name, "other"))
    (tmp_path / SIDE_FILE).parent.mkdir()
    text = sealed_text(dump_json(certificate.to_dict()), tmp_path)
    (tmp_path / SIDE_FILE).write_bytes(text)
    assert lipzoo.exported_certificate(tmp_path).class_names == (name, "other")


@pytest.mark.parametrize("format", FORMATS)
def test_verify_compares_the_file_with_its_certificate_and_with_a_model(
    originals, tmp_path, capsys, format
):
    path = str(originals / format)
    assert lipzoo_cli.main(["verify", path]) == 0
    assert "unchanged since its export" in capsys.readouterr().out
    assert lipzoo_cli.main(["verify", path, "--model", "gradflow-digits", "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["same"], values["missing"], values["strange"]) == (True, 0, 0)
    assert lipzoo_cli.main(["verify", path, "--model", "gradflow-phoneme"]) == 1
    assert "is not what gradflow-phoneme exports to" in capsys.readouterr().err
    if format == "saved_model":
        path = str(shutil.copytree(path, tmp_path / "altered"))
        (tmp_path / "altered" / "variables" / "more").write_bytes(b"")
    else:
        (tmp_path / "altered").write_bytes((originals / format).read_bytes() + b"\x18\x00")
        path = str(tmp_path / "altered")
    for against in ([], ["--model", "gradflow-digits"]):
        assert lipzoo_cli.main(["verify", path, *against]) == 1
        assert COMPUTATION in capsys.readouterr().err


def test_who_seals_a_file_again_is_found_by_the_model_alone(onnx_file, capsys):
    """The digests are no signature: three times the weights, with digests to match, read."""
    import onnx

    model = onnx.load(onnx_file)
    for entry in model.graph.initializer:
        values = onnx.numpy_helper.to_array(entry)
        if values.dtype == "float32":
            entry.CopyFrom(onnx.numpy_helper.from_array(3 * values, entry.name))
    (entry,) = model.metadata_props
    values = json.loads(entry.value)
    values |= {"computation_sha256": BLANK, "statement_sha256": BLANK}
    entry.value = dump_json(values).decode()
    Path(onnx_file).write_bytes(sealed(model.SerializeToString()))
    assert lipzoo_cli.main(["verify", str(onnx_file)]) == 0
    assert lipzoo_cli.main(["verify", str(onnx_file), "--model", "gradflow-digits"]) == 1
    assert "is not what gradflow-digits exports to" in capsys.readouterr().err
