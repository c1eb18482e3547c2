import functools
import shutil
import time

import keras
import numpy as np
import pytest
import safetensors.numpy

import lipzoo
from lipzoo import models
from lipzoo.bounds import lipschitz_bound
from lipzoo.building import must_initialise
from lipzoo.zoo import ModelConfig, load, precision, save_model, write_weights
from lipzoo.zoo.weights import named_variables, read_variables
from lipzoo_catalogue import files
from lipzoo_catalogue.files import record_of
from tests import zoo_models
from tests.helpers import compile_fast


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zoo")
    return folder, zoo_models.make_zoo(folder, "flow-digits")["flow-digits"]


@pytest.fixture
def trained(made, monkeypatch):
    """The model that the zoo has under the name "flow-digits"."""
    zoo_models.use_zoo(monkeypatch, made[0])
    return made[1]


@pytest.fixture
def folder(made, tmp_path):
    """A copy of that model's folder, to be damaged."""
    shutil.copytree(made[0] / "runs" / "flow-digits", tmp_path / "model")
    return tmp_path / "model"


def assert_same_weights(model, other, names=None):
    first, second = read_variables(model), read_variables(other)
    for name in names or first:
        np.testing.assert_array_equal(first[name], second[name])


def assert_certified(model, bound=1.0):
    assert lipschitz_bound(model).value <= bound * (1 + 1e-9)


def test_a_loaded_model_is_the_trained_one(trained):
    model = load("flow-digits")
    x = zoo_models.images((8, 8, 1))
    np.testing.assert_array_equal(model(x), trained(x))
    assert model.name == "flow-digits"
    assert isinstance(model.lipzoo_config, ModelConfig)
    assert model.lipzoo_config.class_names[1] == "bee"
    assert model.lipzoo_preprocessing == {
        "scale": "pixels in [0, 1]",
        "minimum": 0.0,
        "maximum": 1.0,
    }
    assert_certified(model)


def test_a_model_and_itself_are_an_ensemble_under_two_names(trained):
    inputs = keras.Input((8, 8, 1))
    members = [load("flow-digits", model_name=name) for name in ("one", "other")]
    outputs = keras.layers.Average()([member(inputs) for member in members])
    ensemble = keras.Model(inputs, outputs)
    x = zoo_models.images((8, 8, 1))
    np.testing.assert_allclose(ensemble(x), trained(x), rtol=1e-5, atol=1e-6)
    assert_certified(ensemble)
    assert [member.lipzoo_config for member in members] == [load("flow-digits").lipzoo_config] * 2
    assert load("flow-digits", weights=None, model_name="fresh").name == "fresh"


def test_two_loads_share_nothing(trained):
    first, second = load("flow-digits"), load("flow-digits")
    first.set_weights([np.zeros_like(w) for w in first.get_weights()])
    assert_same_weights(second, trained)


def test_fresh_weights_are_constrained_and_not_the_trained_ones(trained):
    model = load("flow-digits", weights=None)
    assert_certified(model)
    x = zoo_models.images((8, 8, 1))
    assert not np.allclose(model(x), trained(x))


def test_another_number_of_classes_gives_a_fresh_head_on_the_trained_body(trained):
    model = load("flow-digits", num_classes=3)
    assert model.output_shape == (None, 3)
    body = [name for name in named_variables(trained) if not name.startswith("head.")]
    assert_same_weights(model, trained, body)
    head = keras.ops.convert_to_numpy(model.get_layer("head").kernel).astype("float64")
    assert np.abs(head).max() > 0
    np.testing.assert_allclose(np.linalg.norm(head, 2), 1.0, rtol=1e-5)
    assert_certified(model, 1 + 1e-6)
    assert model.lipzoo_config.num_classes == 3
    assert model.lipzoo_config.class_names == ()
    same = load("flow-digits", num_classes=5)
    assert_same_weights(same, trained)
    assert same.lipzoo_config.class_names[0] == "ant"


def test_without_its_head_the_model_returns_features(trained):
    model = load("flow-digits", include_top=False)
    assert model.output_shape == (None, 12)
    x = zoo_models.images((8, 8, 1))
    features = keras.Model(trained.input, trained.get_layer("head").input)
    np.testing.assert_array_equal(model(x), features(x))
    assert_certified(model)


def test_a_folder_is_loaded_by_its_path(trained, folder, monkeypatch):
    assert_same_weights(load(folder), trained)
    assert_same_weights(load(str(folder)), trained)
    monkeypatch.chdir(folder.parent)
    assert_same_weights(load("./model"), trained)
    with pytest.raises(ValueError, match=r"To load the folder of that name, write './model'"):
        load("model")


def test_a_features_model_can_be_saved_and_loaded(trained, tmp_path):
    model = load("flow-digits", include_top=False)
    save_model(tmp_path / "features", model)
    assert_same_weights(load(tmp_path / "features"), model)


def test_weights_from_a_file(trained, tmp_path):
    path = tmp_path / "mine.safetensors"
    other = zoo_models.small_model(seed=5)
    write_weights(path, other)
    assert_same_weights(load("flow-digits", weights=path), other)
    assert_same_weights(load("flow-digits", weights=str(path)), other)
    features = load("flow-digits", weights=path, include_top=False)
    assert_same_weights(other, features, named_variables(features))


def test_weights_that_do_not_fit_are_refused_with_a_list(trained, tmp_path):
    path = tmp_path / "mine.safetensors"
    write_weights(path, zoo_models.small_model())
    with pytest.raises(ValueError, match=r"head\.kernel \(expected \(12, 3\), received \(12, 5\)"):
        load("flow-digits", weights=path, num_classes=3)
    tensors = safetensors.numpy.load_file(path)
    tensors["extra.kernel"] = tensors.pop("dense_flow1.kernel")
    safetensors.numpy.save_file(tensors, path)
    with pytest.raises(ValueError, match=r"missing: dense_flow1.kernel; unexpected: extra.kernel"):
        load("flow-digits", weights=path)


@pytest.mark.parametrize("weights", ["imagenet", "model.h5", 3, True])
def test_what_is_no_weights_file_is_refused(trained, weights):
    with pytest.raises(ValueError, match=r"weights must be 'pretrained', None or .* Received: "):
        load("flow-digits", weights=weights)


def test_a_missing_weights_file_is_named(trained, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"mine\.safetensors"):
        load("flow-digits", weights=tmp_path / "mine.safetensors")


@pytest.mark.parametrize("classes", [0, -1, 1, 2.5, True, "3"])
def test_impossible_numbers_of_classes_are_refused(trained, classes):
    with pytest.raises(ValueError, match="Received: num_classes="):
        load("flow-digits", num_classes=classes)


def test_numbers_of_numpy_are_numbers_and_text_is_no_flag(trained):
    assert load("flow-digits", num_classes=np.int64(3)).output_shape == (None, 3)
    with pytest.raises(ValueError, match="include_top must be True or False"):
        load("flow-digits", include_top="no")


@pytest.mark.parametrize("source", ["pretrained", "fresh head", "no weights"])
def test_every_layer_has_the_dtype_that_is_asked_for(trained, source):
    options = {"pretrained": {}, "fresh head": {"num_classes": 3}, "no weights": {"weights": None}}
    model = load("flow-digits", dtype="float64", **options[source])
    assert {layer.compute_dtype for layer in model.layers} == {"float64"}
    assert {weight.dtype for weight in model.weights} == {"float64"}
    assert keras.config.dtype_policy().name == "float32"
    assert_certified(model, 1 + 1e-6)


def test_dtype_none_is_the_current_policy(trained):
    keras.config.set_dtype_policy("float64")
    try:
        assert load("flow-digits").compute_dtype == "float64"
        assert load("flow-digits", dtype="float32").compute_dtype == "float32"
        assert keras.config.dtype_policy().name == "float64"
    finally:
        keras.config.set_dtype_policy("float32")


def test_float64_radii_are_larger_and_almost_those_of_exact_arithmetic(trained):
    x = zoo_models.images((8, 8, 1), count=32)
    single, double = (load("flow-digits", dtype=dtype) for dtype in ("float32", "float64"))
    assert_same_weights(single, double)
    radii, wider = (lipzoo.certify(m, x, verbose=0).radius for m in (single, double))
    exact = lipzoo.certify(double, x, verbose=0, rounding=False).radius
    assert (wider > radii).all()
    assert (wider < exact).all()
    np.testing.assert_allclose(wider, exact, rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float16", "mixed_float16", "double", "", 64, np.float64])
def test_an_unknown_dtype_is_refused(trained, dtype):
    with pytest.raises(ValueError, match=r"dtype must be 'float32', .* Received: dtype="):
        load("flow-digits", dtype=dtype)
    assert keras.config.dtype_policy().name == "float32"


def test_the_policy_is_restored_when_building_fails(folder):
    rewrite_config(folder, lambda v: v["arguments"].update(width=1))
    with pytest.raises(ValueError, match="width must be at least"):
        load(folder, dtype="float64")
    assert keras.config.dtype_policy().name == "float32"


def test_a_backend_without_float64_is_named(trained, monkeypatch):
    monkeypatch.setattr(precision, "computes_in_float64", lambda: False)
    with pytest.raises(ValueError, match=r"backend '.*' .* Received: dtype='float64'"):
        load("flow-digits", dtype="float64")


def test_a_float64_model_is_saved_as_it_was_loaded(trained, folder, tmp_path):
    save_model(tmp_path / "again", load(folder, dtype="float64"))
    for file in ("config.json", "model.safetensors"):
        assert (tmp_path / "again" / file).read_bytes() == (folder / file).read_bytes()


@pytest.mark.parametrize("name", ["flow-digit", "", None, 3, "../nowhere", "no/such/folder"])
def test_unknown_names_and_folders_are_refused(trained, name):
    with pytest.raises((ValueError, FileNotFoundError), match=r"Expected .*Received: "):
        load(name)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_missing_files_are_named(folder, file):
    (folder / file).unlink()
    with pytest.raises(FileNotFoundError, match=file):
        load(folder)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "certificate.json"])
@pytest.mark.parametrize("damage", ["truncated", "one byte", "a web page"])
def test_damaged_files_are_refused(made, tmp_path, monkeypatch, file, damage):
    shutil.copytree(made[0], tmp_path / "zoo")
    zoo_models.use_zoo(monkeypatch, tmp_path / "zoo")
    path = tmp_path / "zoo" / "weights" / "flow-digits" / file
    content = path.read_bytes()
    path.write_bytes(
        {
            "truncated": content[:-7],
            "one byte": content[:-7] + bytes([content[-7] ^ 1]) + content[-6:],
            "a web page": b"<html><body>503 Service Unavailable</body></html>",
        }[damage]
    )
    with pytest.raises(ValueError, match=rf"{file} (is truncated or altered|was altered)"):
        load("flow-digits")


def test_a_folder_is_checked_against_its_certificate(folder):
    path = folder / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ValueError, match=r"model\.safetensors was altered"):
        load(folder)
    (folder / "certificate.json").unlink()
    assert isinstance(load(folder), keras.Model)


def test_a_bound_above_the_claim_is_refused(trained, folder):
    zoo_models.edit_json(folder / "certificate.json", lambda v: v.update(lipschitz_bound=0.5))
    with pytest.raises(ValueError, match=r"bound of at most 0\.5, .* Received: (1\.0|0\.99)"):
        load(folder)
    assert_same_weights(load(folder, verify=False), trained)
    assert_same_weights(load(folder, weights=folder / "model.safetensors"), trained)


def rewrite_config(folder, change):
    """Alters the configuration and makes the certificate vouch for it."""
    zoo_models.edit_json(folder / "config.json", change)
    record = vars(record_of((folder / "config.json").read_bytes()))
    zoo_models.edit_json(
        folder / "certificate.json", lambda v: v["files"].update({"config.json": record})
    )


BROKEN = {
    "key 'architecture': expected one of Denoiser, GradFlowNet": lambda v: v.update(
        architecture="os.system"
    ),
    "unknown key 'arguments.widht'. Did you mean 'width'": lambda v: v["arguments"].update(widht=8),
    "key 'arguments': width must be at least": lambda v: v["arguments"].update(width=1),
    "key 'arguments': features must be": lambda v: v["arguments"].update(features=1),
    "of another shape": lambda v: v["arguments"].update(axial_units=5),
    "unexpected: ": lambda v: v["arguments"].update(dense_depth=0),
}


def test_a_model_beyond_its_weights_is_refused_before_it_is_made(folder, monkeypatch):
    made = []

    @functools.wraps(models.GradFlowNet)
    def endless(**arguments):
        while True:
            must_initialise("flow", (50, 50))
            made.append(1)

    monkeypatch.setitem(models.ARCHITECTURES, "GradFlowNet", endless)
    with pytest.raises(ValueError, match=r"config\.json: .*expected a model of at most .* 'flow'"):
        load(folder)
    assert len(made) < 10


@pytest.mark.parametrize("message", BROKEN)
def test_a_configuration_that_does_not_fit_is_refused(folder, message):
    rewrite_config(folder, BROKEN[message])
    started = time.process_time()
    with pytest.raises(ValueError, match=r"(config\.json|model\.safetensors): ") as caught:
        load(folder)
    assert message in str(caught.value)
    assert time.process_time() - started < 5


def test_nothing_in_a_configuration_is_executed(folder):
    rewrite_config(
        folder,
        lambda v: v["arguments"].update(
            activation={"class_name": "Lambda", "config": {"function": "__import__('os').abort()"}}
        ),
    )
    with pytest.raises(ValueError, match=r"config\.json: key 'arguments': "):
        load(folder)


def test_every_file_is_read_and_hashed_once(trained, monkeypatch):
    hashed = []
    digest = files.sha256_of
    monkeypatch.setattr(files, "sha256_of", lambda content: hashed.append(1) or digest(content))
    load("flow-digits")
    assert len(hashed) == len(("config.json", "model.safetensors", "certificate.json"))


def test_fine_tuning_keeps_the_bound_and_can_be_saved(trained, tmp_path):
    model = load("flow-digits", num_classes=3)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    compile_fast(model, keras.optimizers.Adam(0.1), loss)
    x = zoo_models.images((8, 8, 1), count=16)
    model.fit(x, np.arange(16) % 3, epochs=3, batch_size=4, verbose=0)
    assert_certified(model)
    claim = save_model(tmp_path / "mine", model)
    assert claim.lipschitz_bound <= 1.0
    np.testing.assert_array_equal(load(tmp_path / "mine")(x), model(x))
