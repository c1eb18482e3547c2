"""A model of the zoo keeps what it knows, and builds its own float64 reference."""

import copy
import pickle

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo.zoo.pretrained import ZooModel

NAME = "gradflow-breastcancer"


def inputs(model, count=20):
    documented = model.lipzoo_preprocessing
    low = 0.0 if documented["minimum"] is None else documented["minimum"]
    high = 1.0 if documented["maximum"] is None else documented["maximum"]
    random = np.random.default_rng(0)
    return (low + (high - low) * random.random((count, *model.input_shape[1:]))).astype("float32")


@pytest.fixture(scope="module")
def model():
    return lipzoo.load(NAME)


def saved(model, folder):
    model.save(folder / "model.keras")
    return keras.models.load_model(folder / "model.keras")


COPIES = {
    "deepcopy": lambda model, _: copy.deepcopy(model),
    "pickle": lambda model, _: pickle.loads(pickle.dumps(model)),
    "clone": lambda model, _: keras.models.clone_model(model),
    "clone of a clone": lambda m, _: keras.models.clone_model(keras.models.clone_model(m)),
    "config": lambda model, _: type(model).from_config(model.get_config()),
    "keras": saved,
}


@pytest.mark.parametrize("how", COPIES)
def test_copies_keep_units_class_names_and_range_check(model, how, tmp_path):
    found = COPIES[how](model, tmp_path)
    if "clone" in how or how == "config":
        found.set_weights(model.get_weights())
    x = inputs(model)
    assert found.lipzoo_config == model.lipzoo_config
    one, other = (lipzoo.certify(m, x, verbose=0) for m in (model, found))
    assert other.class_names == one.class_names
    assert other.class_names
    assert other.units == one.units
    assert other.feature_names == one.feature_names
    assert other.radius.tolist() == one.radius.tolist()
    assert other.arithmetic == one.arithmetic
    if model.lipzoo_preprocessing["maximum"] is not None:
        with pytest.raises(ValueError, match="the range that model"):
            lipzoo.certify(found, 1000 + x, verbose=0)


def test_images_keep_their_range_check():
    model = copy.deepcopy(lipzoo.load("gradflow-digits"))
    with pytest.raises(ValueError, match=r"the range that model|documents"):
        lipzoo.certify(model, 1000 * np.ones((1, *model.input_shape[1:])), verbose=0)


def test_it_is_an_ordinary_functional_model(model):
    assert isinstance(model, keras.Model)
    assert isinstance(model, ZooModel)
    assert model.name == NAME
    assert model.input.shape == (None, *model.input_shape[1:])


@pytest.mark.usefixtures("float64")
def test_the_default_reference_is_the_network_in_float64(model):
    x = inputs(model)
    explicit = lipzoo.certify(model, x, reference=lipzoo.load(NAME, dtype="float64"), verbose=0)
    default, none = (lipzoo.certify(model, x, verbose=0, reference=r) for r in ("auto", None))
    assert default.radius.tolist() == explicit.radius.tolist()
    assert np.all(default.radius >= none.radius)
    assert np.any(default.radius > none.radius)
    assert default.arithmetic == "float32, margins at x in float64"
    assert none.arithmetic == "float32"
    assert f"computed in {default.arithmetic}" in str(default)
    double = lipzoo.load(NAME, dtype="float64")
    assert lipzoo.certify(double, x, verbose=0).arithmetic == "float64"
    assert model.float64_reference() is model.float64_reference()


@pytest.mark.usefixtures("float64")
def test_the_reference_has_the_weights_as_they_are():
    model = lipzoo.load(NAME)
    x = inputs(model)
    lipzoo.certify(model, x, verbose=0)
    model.set_weights([0.5 * weight for weight in model.get_weights()])
    certificate = lipzoo.certify(model, x, verbose=0)
    assert "float64" in certificate.arithmetic
    expected = lipzoo.certify(model, x, verbose=0, reference=None)
    assert certificate.logits.tolist() == expected.logits.tolist()
    assert certificate.radius == pytest.approx(expected.radius, rel=1e-2, abs=1e-4)
    exact = model.float64_reference().predict(x.astype("float64"), verbose=0)
    assert exact == pytest.approx(expected.logits, abs=1e-5)


@pytest.mark.usefixtures("float64")
def test_a_changed_network_has_no_reference_and_says_so():
    model = lipzoo.load(NAME)
    x = inputs(model)
    for layer in model.layers:
        if hasattr(layer, "step_size"):
            layer.step_size *= 0.5
    certificate = lipzoo.certify(model, x, verbose=0)
    assert certificate.arithmetic == "float32"
    none = lipzoo.certify(model, x, verbose=0, reference=None)
    assert certificate.radius.tolist() == none.radius.tolist()
    with pytest.raises(ValueError, match=r"reference='float64'.*which was changed"):
        lipzoo.certify(model, x, verbose=0, reference="float64")


def test_where_there_is_no_reference_the_demand_is_refused(model):
    other = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    x = np.zeros((1, 2))
    assert lipzoo.certify(other, x, verbose=0).arithmetic == "float32"
    with pytest.raises(ValueError, match=r"Received: model 'sequential.*not of the zoo"):
        lipzoo.certify(other, x, verbose=0, reference="float64")
    with pytest.raises(ValueError, match="Received: rounding=False"):
        lipzoo.certify(model, inputs(model), verbose=0, rounding=False, reference="float64")
    with pytest.raises(TypeError, match="reference='double'"):
        lipzoo.certify(other, x, verbose=0, reference="double")
