"""The function that is certified is the one that runs: replaced methods and stale traces."""

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo.certificates.prediction import model_state, predict
from lipzoo.evaluation import edge_attack, jacobian_norms, pgd_attack, tightness, worst_movement

X = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
Y = np.arange(6) % 2


def tensors(branches=True):
    """Input and logits of a small network, by default of one that is no chain."""
    inputs = keras.Input((3,))
    hidden = keras.layers.Dense(4, activation="relu")(inputs)
    if branches:
        hidden = keras.layers.Concatenate()([hidden, keras.layers.Dense(2)(inputs)])
    return inputs, keras.layers.Dense(2)(hidden)


class OwnTraining(keras.Model):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.steps = 0

    def train_step(self, data):
        return super().train_step(data)

    def test_step(self, data):
        return super().test_step(data)

    def compile(self, *args, **kwargs):
        super().compile(*args, **kwargs)

    def features(self, x):
        return x


class LoudStep(keras.Model):
    def predict_step(self, *arguments):
        return 10 * super().predict_step(*arguments)


class LoudPredict(keras.Model):
    def predict(self, *args, **kwargs):
        return 10 * super().predict(*args, **kwargs)


class LoudBatch(keras.Model):
    def predict_on_batch(self, x):
        return 10 * super().predict_on_batch(x)


class LoudCall(keras.Model):
    def call(self, inputs, training=None, mask=None):
        return 10 * super().call(inputs)


class LoudGraph(keras.Model):
    def _run_through_graph(self, *args, **kwargs):
        return super()._run_through_graph(*args, **kwargs)


class Mixin(keras.Model):
    def make_predict_function(self, force=False):
        return super().make_predict_function(force)


class WithMixin(OwnTraining, Mixin):
    pass


RUNS = [
    lambda model: lipzoo.certify(model, X, verbose=0),
    lambda model: lipzoo.evaluate_robustness(model, X, Y, [0.1], "pgd", clip=None),
    lambda model: pgd_attack(model, X, Y, 0.1, steps=1, clip=None),
    lambda model: edge_attack(model, X, np.full(6, 0.1), tries=1, steps=1),
    lambda model: tightness(model, X, steps=0),
    lambda model: jacobian_norms(model, X),
    lambda model: worst_movement(model, X, 0.1, steps=1),
    lambda model: lipzoo.certify_reconstruction(model, X, 0.1, verbose=0),
    lambda model: lipzoo.certify_regression(model, X, 0.1, verbose=0),
]


@pytest.mark.parametrize("run", RUNS)
def test_a_prediction_of_its_own_is_refused_with_the_way_out(run):
    model = LoudStep(*tensors())
    with pytest.raises(ValueError, match=r"predict_step.*keras.Model\(model.inputs, model.outputs"):
        run(model)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (LoudPredict, "predict"),
        (LoudBatch, "predict_on_batch"),
        (LoudCall, "call"),
        (LoudGraph, "_run_through_graph"),
        (WithMixin, "make_predict_function"),
    ],
)
def test_whatever_takes_part_in_a_prediction_may_not_be_replaced(kind, name):
    model = kind(*tensors())
    with pytest.raises(ValueError, match=f"replaces {name} of"):
        lipzoo.certify(model, X, verbose=0)
    plain = keras.Model(model.inputs, model.outputs)
    assert len(lipzoo.certify(plain, X, verbose=0)) == 6


@pytest.mark.parametrize(
    "name", ["predict", "predict_step", "predict_on_batch", "make_predict_function", "call"]
)
@pytest.mark.parametrize("sequential", [False, True])
def test_nor_on_the_instance(name, sequential):
    model = keras.Model(*tensors())
    if sequential:
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    method = getattr(model, name)
    setattr(model, name, lambda *args, **kwargs: method(*args, **kwargs))
    with pytest.raises(ValueError, match=f"replaces {name} of"):
        lipzoo.certify(model, X, verbose=0)


@pytest.mark.parametrize("branches", [False, True])
def test_own_training_does_no_harm(branches):
    model = OwnTraining(*tensors(branches))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(X, Y, verbose=0)
    plain = keras.Model(model.inputs, model.outputs)
    expected = lipzoo.certify(plain, X, verbose=0)
    found = lipzoo.certify(model, X, verbose=0)
    assert found.radius == pytest.approx(expected.radius)
    model.train_step = model.train_step
    assert lipzoo.certify(model, X, verbose=0).radius == pytest.approx(expected.radius)


def test_a_prediction_function_that_was_set_by_hand_is_not_run():
    model = keras.Model(*tensors())
    expected = lipzoo.certify(model, X, verbose=0)
    model.make_predict_function()
    function = model.predict_function
    model.predict_function = lambda *arguments: 10 * function(*arguments)
    certificate = lipzoo.certify(model, X, verbose=0)
    assert certificate.logits == pytest.approx(expected.logits)
    assert certificate.radius == pytest.approx(expected.radius)


def test_subclassed_models_are_explained():
    class Own(keras.Model):
        def call(self, x):
            return x

    model = Own()
    model(X)
    for run in RUNS[:5]:
        with pytest.raises(ValueError, match=r"subclassed.*keras.Model\(inputs, outputs\)"):
            run(model)


# -- what a compiled prediction remembers ------------------------------------------------------


class Scales:
    """Numbers that a model of every kind holds somewhere, to be changed after it was compiled."""

    def __init__(self):
        self.constant = np.ones((1, 2), "float32")

    def attribute(self):
        layer = keras.layers.Rescaling(1.0)
        return layer, lambda: setattr(layer, "scale", 3.0)

    def nested(self):
        layer = keras.layers.Rescaling(1.0)
        inner = keras.Sequential([keras.Input((2,)), keras.layers.ReLU(), layer])
        return inner, lambda: setattr(layer, "scale", 3.0)

    def constant_of_an_operation(self):
        def change():
            self.constant[:] = 3.0

        return lambda x: keras.ops.multiply(x, self.constant), change

    def attribute_of_an_operation(self):
        return lambda x: keras.ops.clip(x, -0.1, 0.1), self._clip_wider

    def _clip_wider(self):
        for operation in self.model._operations:
            if type(operation).__name__ == "Clip":
                operation.x_min, operation.x_max = -3.0, 3.0

    def activation(self):
        layer = keras.layers.Activation("linear")
        return layer, lambda: setattr(layer, "activation", keras.activations.tanh)

    def activation_of_a_layer_that_is_one(self):
        inner = keras.layers.LeakyReLU(negative_slope=0.5)
        layer = keras.layers.Activation(inner)
        return layer, lambda: setattr(inner, "negative_slope", 0.1)

    def weight_object(self):
        layer = keras.layers.Dense(2, use_bias=False)

        def change():
            # Keras locks a built layer against what belongs to its state.
            object.__setattr__(layer, "_kernel", keras.Variable(np.diag([3.0, 1.0])))

        return layer, change

    def epsilon(self):
        layer = keras.layers.Normalization(mean=[0.0, 0.0], variance=[1e-9, 1.0])
        return layer, lambda: keras.config.set_epsilon(1e-3)


@pytest.fixture
def _epsilon():
    before = keras.config.epsilon()
    yield
    keras.config.set_epsilon(before)


@pytest.mark.usefixtures("_epsilon")
@pytest.mark.parametrize("kind", [name for name in vars(Scales) if not name.startswith("_")])
@pytest.mark.parametrize("branches", [False, True])
def test_nothing_that_a_trace_captured_goes_stale(kind, branches):
    scales = Scales()
    layer, change = getattr(scales, kind)()
    inputs, logits = tensors(branches)
    model = scales.model = keras.Model(inputs, layer(logits))
    before = predict(model, X, 6)
    assert predict(model, X, 6).tolist() == before.tolist()
    state_before = model_state(model)
    change()
    # What the layers compute now, one call after the other and nothing compiled.
    eager = keras.ops.convert_to_numpy(model(X, training=False))
    assert not np.allclose(eager, before)
    assert predict(model, X, 6) == pytest.approx(eager, rel=1e-5, abs=1e-6)
    assert model_state(model) != state_before
    if kind not in ("weight_object", "epsilon", "activation_of_a_layer_that_is_one"):
        found = lipzoo.certify(model, X, verbose=0)
        assert found.logits == pytest.approx(eager, rel=1e-5, abs=1e-6)


def test_a_trace_that_was_made_in_between_is_not_run():
    layer = keras.layers.Rescaling(1.0)
    inputs, logits = tensors()
    model = keras.Model(inputs, layer(logits))
    before = predict(model, X, 6)
    layer.scale = 5.0
    model.predict(X[:5], verbose=0)
    layer.scale = 1.0
    assert predict(model, X[:5], 6) == pytest.approx(before[:5], rel=1e-5, abs=1e-6)


def test_a_known_model_is_compiled_once_and_a_custom_layer_each_time(monkeypatch):
    class Own(keras.layers.Layer):
        def call(self, x):
            return FACTOR[0] * x

        def lipschitz_bound(self, input_shape):
            return lipzoo.LayerBound.exact(abs(FACTOR[0]), "factor")

    FACTOR = [1.0]
    known, own = (
        keras.Model(i, layer(o))
        for (i, o), layer in ((tensors(), keras.layers.ReLU()), (tensors(), Own()))
    )
    for model, times in ((known, 1), (own, 3)):
        made = []
        for _ in range(3):
            predict(model, X, 6)
            made.append(model._lipzoo_prediction[1])
        assert len({id(function) for function in made}) == times
    FACTOR[0] = 2.0
    before = lipzoo.certify(own, X, verbose=0)
    FACTOR[0] = 4.0
    after = lipzoo.certify(own, X, verbose=0)
    assert after.logits == pytest.approx(2 * before.logits)
    assert after.radius == pytest.approx(before.radius, rel=1e-3)


def test_the_users_own_function_stays_what_it_was():
    model = keras.Model(*tensors())
    assert model.predict_function is None
    lipzoo.certify(model, X, verbose=0)
    assert model.predict_function is None
    model.predict(X, verbose=0)
    function = model.predict_function
    lipzoo.certify(model, X, verbose=0)
    assert model.predict_function is function


@pytest.mark.parametrize("chain", [False, True])
def test_what_the_user_predicts_after_a_certificate_is_what_was_certified(chain):
    inputs = keras.Input((X.shape[1],))
    model = keras.Model(*tensors())
    if chain:
        # Its norms are measured by another model that shares its layers.
        model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Dense(4)(inputs)))
    lipzoo.certify(model, X, verbose=0)
    model.predict(X, verbose=0)
    layer = model.layers[-1]
    layer.activation = keras.activations.tanh
    certificate = lipzoo.certify(model, X, verbose=0)
    np.testing.assert_allclose(model.predict(X, verbose=0), certificate.logits, atol=1e-6)


def test_what_was_predicted_before_the_first_certificate_is_outdated_too():
    layers = [keras.layers.Dense(4), keras.layers.Dense(3), keras.layers.Rescaling(9.0)]
    model = keras.Sequential([keras.Input((X.shape[1],)), *layers])
    model.predict(X, verbose=0)
    model.pop()
    certificate = lipzoo.certify(model, X, verbose=0)
    np.testing.assert_allclose(model.predict(X, verbose=0), certificate.logits, atol=1e-6)


def test_what_evaluate_compiled_before_a_change_is_outdated_too():
    model = keras.Sequential([keras.Input((X.shape[1],)), keras.layers.Dense(3)])
    model.add(keras.layers.Rescaling(1.0))
    model.compile(metrics=["accuracy"], loss="sparse_categorical_crossentropy")
    labels = model.predict(X, verbose=0).argmax(axis=1)
    assert model.evaluate(X, labels, verbose=0)[1] == 1.0
    model.layers[-1].scale = -1.0
    certificate = lipzoo.certify(model, X, labels, verbose=0)
    assert certificate.accuracy < 1.0
    assert model.evaluate(X, labels, verbose=0)[1] == pytest.approx(certificate.accuracy)


def test_models_of_the_zoo_have_a_state():
    model = lipzoo.load("gradflow-ecg200")
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    predict(model, np.zeros((2, 96, 1)), 2)
    state = model_state(model)
    assert state is not None
    model.fit(np.zeros((2, 96, 1)), np.zeros(2), verbose=0)
    assert model_state(model) == state
    model.layers[3].step_size *= 0.5
    assert model_state(model) != state


def test_inputs_in_a_dict_are_named_by_its_keys():
    first, second = keras.Input((3,), name="first"), keras.Input((2,), name="second")
    joint = keras.layers.Concatenate()([first, second])
    with pytest.warns(UserWarning, match="all keys in the"):
        model = keras.Model({"a": second, "b": first}, keras.layers.Dense(2)(joint))
    values = np.ones((2, 2), "float32"), np.zeros((2, 3), "float32")
    found = lipzoo.certify(model, dict(zip("ab", values, strict=True)), verbose=0)
    again = lipzoo.certify(model, {"second": values[0], "first": values[1]}, verbose=0)
    kernel, _ = model.layers[-1].get_weights()
    assert found.logits == pytest.approx(values[0] @ kernel[3:], abs=1e-6)
    assert again.radius.tolist() == found.radius.tolist()
    with pytest.raises(ValueError, match=r"named \['a', 'b'\]. Received: \['a', 'c'\]"):
        lipzoo.certify(model, dict(zip("ac", values, strict=True)), verbose=0)


def test_half_precision_that_certifies_nothing_warns_once(recwarn):
    for dtype, count in (("float16", 1), ("float32", 0)):
        inputs = keras.Input((3000,))
        model = keras.Model(inputs, keras.layers.Dense(2, dtype=dtype)(inputs))
        certificate = lipzoo.certify(model, 0.01 * np.ones((2, 3000), "float32"), verbose=0)
        assert np.any(certificate.radius) == (dtype == "float32")
        found = [w for w in recwarn.list if "No radius of model" in str(w.message)]
        assert len(found) == count
        recwarn.clear()
