"""Between a bound and the function that Keras runs: casts, overrides, arguments, shapes."""

import keras
import numpy as np
import pytest
from keras import ops

import lipzoo
from lipzoo.bounds import (
    LayerBound,
    UncertifiedLayerError,
    lipschitz_bound,
    register_bound_rule,
    rule_registry,
)
from lipzoo.bounds.bound_cache import BoundCache
from lipzoo.inverse import Blur, Matrix
from lipzoo.inverse.layers import DataStep, PlugAndPlay, Tikhonov
from lipzoo.layers import GradientFlowDense, HamiltonianDense, SpectralConv1D, SpectralDense

layers = keras.layers


@pytest.fixture(autouse=True)
def _rules_of_this_test_only(monkeypatch):
    monkeypatch.setattr(rule_registry, "_registered", {})
    monkeypatch.setattr(rule_registry, "_cache", BoundCache())


def on(shape, function, **arguments):
    """A functional model of one input."""
    inputs = keras.Input(shape, **arguments)
    return keras.Model(inputs, function(inputs))


def constant(*shape):
    return ops.ones(shape)


# Nested models.


def nested(levels, **arguments):
    inner = keras.Sequential([keras.Input((2,), **arguments), layers.ReLU(dtype="float32")])
    for _ in range(levels):
        inner = on((2,), inner)
    return inner


@pytest.mark.parametrize("levels", [0, 1, 2])
def test_integer_inputs_are_refused_at_every_depth(levels):
    with pytest.raises(UncertifiedLayerError, match="int32: converting to it is not continuous"):
        lipschitz_bound(nested(levels, dtype="int32"))
    functional = on((2,), on((2,), layers.ReLU(dtype="float32"), dtype="int32"))
    with pytest.raises(UncertifiedLayerError, match="not continuous") as caught:
        lipschitz_bound(functional)
    # That would be a rule for all functional models.
    assert "register" not in str(caught.value)


@pytest.mark.parametrize("levels", [1, 2])
def test_the_rounding_of_a_narrower_nested_input_counts(levels):
    model = nested(levels, dtype="float16")
    bound = lipschitz_bound(model).output.bound
    # Halfway between two neighbours in float16.
    x = np.full((1, 2), 1 + 2.0**-11, "float32")
    error = np.linalg.norm(model.predict(x, verbose=0) - x) / np.linalg.norm(x)
    assert 0.9 * 2.0**-11 < error <= bound.rounding_slope < 1.01 * 2.0**-11


def test_a_nested_model_for_another_size_is_refused():
    inner = on((8, 1), layers.GlobalAveragePooling1D())
    assert float(lipschitz_bound(on((8, 1), inner))) == pytest.approx(8**-0.5)
    with pytest.raises(UncertifiedLayerError, match="called on shape"):
        lipschitz_bound(on((None, 1), inner))
    anywhere = on((None, 1), layers.ReLU())
    assert float(lipschitz_bound(on((8, 1), anywhere))) == 1.0


def test_a_last_axis_that_keras_drops_is_followed_or_refused():
    inner = on((4,), layers.ReLU())
    # Keras records the shape (None, 4, 1) and returns (None, 4).
    with pytest.raises(UncertifiedLayerError, match="recorded is"):
        lipschitz_bound(on((4, 1), inner))
    inner = on((4, 1), lambda x: layers.GlobalAveragePooling1D()(x))
    assert float(lipschitz_bound(on((4, 1), inner))) == 0.5


# Overrides.


class Sevenfold(GradientFlowDense):
    def _gradient(self, *arguments):
        return 7 * super()._gradient(*arguments)


class Spoofed(SpectralDense):
    __module__ = SpectralDense.__module__

    def call(self, inputs):
        return 7 * super().call(inputs)


class LoudMixin:
    def __call__(self, *arguments, **keywords):
        return 7 * super().__call__(*arguments, **keywords)


class Mixed(SpectralDense, LoudMixin, layers.Layer):
    pass


class Weightless(SpectralDense):
    @property
    def kernel(self):
        return 0 * self._kernel

    @kernel.setter
    def kernel(self, value):
        self._kernel = value


class OtherOperator(SpectralDense):
    def _operator(self, shape, kernel):
        return super()._operator(shape, 7 * kernel)


class Dispatching(SpectralDense):
    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        return (lambda x: 7 * found(x)) if name == "call" else found


@pytest.mark.parametrize(
    "kind", [Sevenfold, Spoofed, Mixed, Weightless, OtherOperator, Dispatching]
)
def test_a_class_that_may_change_the_map_does_not_inherit_the_bound(kind):
    with pytest.raises(UncertifiedLayerError, match="override `lipschitz_bound` too"):
        lipschitz_bound(on((2,), kind(2)))


def test_harmless_definitions_keep_the_bound():
    class Named(SpectralDense):
        """A class with a constructor and a configuration of its own."""

        def __init__(self, units, label="", **kwargs):
            super().__init__(units, **kwargs)
            self.label = label

        def build(self, input_shape):
            super().build(input_shape)

        def get_config(self):
            return {**super().get_config(), "label": self.label}

        def compute_output_shape(self, input_shape):
            return super().compute_output_shape(input_shape)

    assert float(lipschitz_bound(on((2,), Named(2)))) == pytest.approx(1.0, rel=1e-3)


def test_a_shape_that_is_not_so_is_found():
    class Longer(SpectralConv1D):
        def compute_output_shape(self, input_shape):
            return (input_shape[0], 100, self.filters)

    model = on((4, 1), lambda x: layers.GlobalAveragePooling1D()(Longer(1, 1)(x)))
    with pytest.raises(UncertifiedLayerError, match="returns shape"):
        lipschitz_bound(model)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: GradientFlowDense(2), "_gradient"),
        (lambda: SpectralDense(2), "_operator"),
        (lambda: layers.Dense(2), "call"),
        (lambda: layers.Conv1D(2, 1), "_compute_causal_padding"),
        (lambda: layers.ReLU(), "compute_output_shape"),
    ],
)
def test_a_method_that_is_replaced_on_the_object_is_refused(make, name):
    layer = make()
    model = on((3, 2), layer)
    assert float(lipschitz_bound(model)) > 0
    setattr(layer, name, lambda *arguments: arguments)
    with pytest.raises(UncertifiedLayerError, match=f"`{name}` was replaced"):
        lipschitz_bound(model)


def test_replaced_methods_of_merges_operations_and_policies_are_refused():
    add = layers.Add()
    model = on((2,), lambda x: add([x, x]))
    add._merge_function = lambda tensors: 100 * tensors[0]
    with pytest.raises(UncertifiedLayerError, match="`_merge_function` was replaced"):
        lipschitz_bound(model)
    model = on((2,), ops.relu)
    model.operations[1].call = lambda x: 100 * x
    with pytest.raises(UncertifiedLayerError, match="`call` was replaced"):
        lipschitz_bound(model)

    class Doubling(keras.dtype_policies.DTypePolicy):
        def convert_input(self, x, autocast, dtype):
            return 2 * super().convert_input(x, autocast, dtype)

    model = on((2,), layers.ReLU(dtype=Doubling("float32")))
    with pytest.raises(UncertifiedLayerError, match="a dtype policy of Keras"):
        lipschitz_bound(model)


def test_an_operation_is_known_by_its_class_and_not_by_its_name():
    class Relu(keras.Operation):
        __module__ = "keras.src.ops.nn"

        def call(self, x):
            return 10 * x

        def compute_output_spec(self, x):
            return keras.KerasTensor(x.shape, x.dtype)

    with pytest.raises(UncertifiedLayerError, match="no rule"):
        lipschitz_bound(on((2,), Relu()))
    register_bound_rule(Relu, lambda operation, shape: LayerBound.exact(10.0, "ten times"))
    assert float(lipschitz_bound(on((2,), Relu()))) == 10.0


def test_subclasses_of_keras_layers_and_models_do_not_inherit_rules():
    class Loud(layers.Dense):
        def call(self, inputs):
            return 7 * super().call(inputs)

    with pytest.raises(UncertifiedLayerError, match="subclasses Dense"):
        lipschitz_bound(on((2,), Loud(2)))

    class Rewired(keras.Model):
        def _run_through_graph(self, *arguments, **keywords):
            return super()._run_through_graph(*arguments, **keywords)

    class Trained(keras.Model):
        def train_step(self, data):
            return super().train_step(data)

        def of_my_own(self):
            return 1

    inputs = keras.Input((2,))
    with pytest.raises(UncertifiedLayerError, match="subclassed"):
        lipschitz_bound(Rewired(inputs, layers.ReLU()(inputs)))
    with pytest.raises(UncertifiedLayerError, match="subclassed"):
        lipschitz_bound(on((2,), Rewired(inputs, layers.ReLU()(inputs))))
    assert float(lipschitz_bound(Trained(inputs, layers.ReLU()(inputs)))) == 1.0


class LoudBlur(Blur):
    def _per_channel(self, *arguments):
        return 7.0 * super()._per_channel(*arguments)


class QuietBlur(Blur):
    def _per_channel(self, *arguments):
        return 0.5 * super()._per_channel(*arguments)


def test_operators_that_may_compute_something_else_have_no_bound():
    shapes = [(None, 8, 1), (None, 8, 1)]
    # So much off that a test of its claims refutes it at once.
    with pytest.raises(ValueError, match="norm_bound"):
        DataStep(LoudBlur((8, 1), [0.5, 0.5]))
    step = DataStep(QuietBlur((8, 1), [0.5, 0.5]))
    with pytest.raises(UncertifiedLayerError, match="replaces _per_channel"):
        step.lipschitz_bound(shapes)
    layer = Tikhonov(Matrix(np.eye(2)), alpha=1.0)
    assert layer.lipschitz_bound((None, 2)).value == pytest.approx(0.5)
    layer.inverse.apply = lambda y: 7.0 * y
    with pytest.raises(UncertifiedLayerError, match="replaces apply"):
        layer.lipschitz_bound((None, 2))

    class Stated(Matrix):
        def apply(self, x):
            return 2.0 * super().apply(x)

        def adjoint(self, y):
            return 2.0 * super().adjoint(y)

        norm_bound = 2.0
        smallest_singular_value_bound = 0.0

        def rounding(self, dtype):
            return None

    assert DataStep(Stated(np.eye(2))).lipschitz_bound([(None, 2), (None, 2)]).value == 1.0


def test_the_parts_of_plug_and_play_are_checked():
    denoiser = keras.Sequential([keras.Input((2,)), layers.Rescaling(0.5)])
    layer = PlugAndPlay(Matrix(np.eye(2)), denoiser, contraction=0.9)
    shapes = [(None, 2), (None, 2)]
    assert layer.lipschitz_bound(shapes).value < 1.0
    layer.averaging = 3.0
    with pytest.raises(ValueError, match="averaging"):
        layer.lipschitz_bound(shapes)
    layer.averaging = 0.5
    layer._data_step._step = lambda image, data: 7 * image
    with pytest.raises(UncertifiedLayerError, match="`_step` was replaced"):
        layer.lipschitz_bound(shapes)


# Attributes that were set after the model was built.


@pytest.mark.parametrize(
    ("make", "shape", "change", "reason"),
    [
        (lambda: layers.Conv2D(1, 1), (12, 12, 1), {"strides": (6, 6)}, "returns shape"),
        (lambda: layers.MaxPooling2D(2), (12, 12, 1), {"pool_size": (3, 3)}, "returns shape"),
        (lambda: layers.AveragePooling2D(2), (4, 4, 1), {"pool_mode": "max"}, "pool_mode"),
        (lambda: layers.Conv2D(4, 1), (4, 4, 4), {"groups": 2}, "groups=2"),
        (lambda: layers.ReLU(), (2,), {"max_value": -1.0}, "max_value"),
        (lambda: layers.LeakyReLU(), (1,), {"negative_slope": np.ones(3)}, "negative_slope"),
        (lambda: layers.PReLU(), (1,), {"alpha": np.ones(3, "float32")}, "alpha"),
        (
            lambda: layers.Normalization(mean=0.0, variance=1.0),
            (1,),
            {"variance": np.ones((1, 3), "float32")},
            "would be copied",
        ),
        (lambda: layers.Concatenate(), (2,), {"axis": 1}, None),
        (lambda: layers.ReLU(), (2,), {"_convert_input_args": False}, None),
    ],
)
def test_attributes_set_later_are_read_or_refused(make, shape, change, reason):
    layer = make()
    merges = isinstance(layer, layers.Concatenate)
    model = on(shape, lambda x: layer([x, x]) if merges else layer(x))
    assert float(lipschitz_bound(model)) > 0
    for name, value in change.items():
        setattr(layer, name, value)
    if reason is None:
        assert float(lipschitz_bound(model)) > 0
    else:
        with pytest.raises(UncertifiedLayerError, match=reason):
            lipschitz_bound(model)


@pytest.mark.parametrize("make", [GradientFlowDense, HamiltonianDense])
def test_steps_along_no_potential_are_refused(make):
    layer = make()
    model = on((4,), layer)
    layer.activation = lipzoo.activations.get("gelu")
    with pytest.raises(ValueError, match="non-decreasing"):
        lipschitz_bound(model)
    layer.activation = lipzoo.activations.get("tanh")
    layer.step_size = -1.0
    with pytest.raises(ValueError, match="step_size"):
        lipschitz_bound(model)


def test_a_negative_moving_variance_is_refused():
    layer = layers.BatchNormalization()
    model = on((2,), layer)
    layer.moving_variance.assign([-0.0009, 1.0])
    with pytest.raises(ValueError, match="moving_variance >= 0"):
        lipschitz_bound(model)


# Arguments.


@pytest.mark.parametrize(
    ("shape", "make", "reason"),
    [
        ((1,), layers.Rescaling([1.0, -1.0]), "would be copied"),
        ((1,), layers.Rescaling(1.0, offset=[1.0, -1.0]), "would be copied"),
        ((2,), layers.Rescaling([[1.0, 1.0], [1.0, 2.0]]), "would be copied"),
        ((None, 3), layers.Rescaling([[1.0] * 3] * 2), "would be copied"),
        ((5, 1), lambda x: layers.GlobalAveragePooling1D()(x, constant(1, 5)), "a mask"),
        ((5, 1), lambda x: layers.GlobalAveragePooling1D()(x, mask=constant(1, 5)), "a mask"),
        ((2,), lambda x: layers.Softmax()(x, constant(1, 2)), "a mask"),
        ((2,), lambda x: layers.Softmax()(x, x), "a mask"),
        ((2,), lambda x: layers.Add()([x, constant(1, 2)]), "among its tensors"),
        ((2,), lambda x: layers.Average()([x, x, constant(1, 2)]), "among its tensors"),
        ((2,), lambda x: layers.Concatenate()([x, constant(1, 2)]), "among its tensors"),
        ((2,), lambda x: ops.concatenate([x, x, constant(1, 2)], axis=-1), "among its tensors"),
        ((2,), lambda x: ops.stack([x, x, constant(1, 2)], axis=-1), "among its tensors"),
    ],
)
def test_arguments_that_a_rule_does_not_know_are_refused(shape, make, reason):
    model = on(shape, make, batch_size=1)
    with pytest.raises(UncertifiedLayerError, match=reason):
        lipschitz_bound(model)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow fuses such sums")
def test_a_constant_that_would_be_taken_for_a_bias_is_refused():
    vector = np.array([0.5], "float32")
    inner = keras.Sequential([keras.Input((5,)), layers.Dense(4)])
    for shape, make in (
        ((5,), lambda x: layers.Dense(4)(x) + vector),
        ((5,), lambda x: ops.add(vector, layers.Dense(4)(x))),
        ((5,), lambda x: inner(x) + vector[None]),
        ((3, 5), lambda x: layers.Dense(4)(x) + np.ones((3, 1), "float32")),
        ((5,), lambda x: layers.Rescaling(1.0, offset=[0.5])(layers.Dense(4)(x))),
    ):
        with pytest.raises(UncertifiedLayerError, match=r"1,?\) wrongly .* add a number"):
            lipschitz_bound(on(shape, make))
    for make in (
        lambda x: layers.Dense(4)(x) + 0.5,
        lambda x: layers.Rescaling(1.0, offset=0.5)(layers.Dense(4)(x)),
        lambda x: layers.Dense(4)(x) - vector,
        lambda x: layers.Dense(1)(x) + vector,
        lambda x: layers.Dense(4)(x) + np.full(4, 0.5, "float32"),
    ):
        model = on((5,), make)
        assert float(lipschitz_bound(model)) > 0
        data = np.random.default_rng(0).normal(size=(7, 5)).astype("float32")
        np.testing.assert_allclose(model.predict(data, verbose=0), model(data), atol=1e-5)


class Scaled(layers.Layer):
    def call(self, inputs, factor=1.0, training=True):
        return factor * inputs


def test_own_layers_are_called_with_what_their_rule_knows():
    register_bound_rule(Scaled, lambda layer, shape: LayerBound.exact(1.0, "identity"))
    assert float(lipschitz_bound(on((2,), lambda x: Scaled()(x)))) == 1.0
    assert float(lipschitz_bound(on((2,), lambda x: Scaled()(x, factor=1.0)))) == 1.0
    for keywords in ({"factor": 5.0}, {"factor": np.float32(1.0)}):
        model = on((2,), lambda x, keywords=keywords: Scaled()(x, **keywords))
        with pytest.raises(UncertifiedLayerError, match=r"factor=.*its rule knows nothing"):
            lipschitz_bound(model)


def test_an_argument_that_a_class_names_is_known():
    layer = HamiltonianDense()
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layer(layer(inputs), backwards=True))
    assert float(lipschitz_bound(model)) >= 1.0


def test_identities_at_inference_count_as_that():
    inputs = keras.Input((6, 6, 3))
    x = layers.RandomFlip()(inputs)
    x = layers.RandomRotation(0.2)(x)
    x = layers.RandomZoom(0.2)(x)
    x = layers.RandomContrast(0.2)(x)
    x = layers.RandomTranslation(0.1, 0.1)(x)
    kept = keras.Model(inputs, x)
    model = keras.Model(inputs, layers.CenterCrop(2, 4)(x))
    assert float(lipschitz_bound(kept)) == float(lipschitz_bound(model)) == 1.0
    images = np.random.default_rng(0).normal(size=(2, 6, 6, 3)).astype("float32")
    np.testing.assert_array_equal(kept.predict(images, verbose=0), images)
    np.testing.assert_array_equal(model.predict(images, verbose=0), images[:, 2:4, 1:5])


def test_registered_rules_are_asked_first():
    model = on((4, 4, 1), layers.Resizing(4, 4))
    with pytest.raises(UncertifiedLayerError, match="no rule"):
        lipschitz_bound(model)
    register_bound_rule(layers.Resizing, lambda layer, shape: LayerBound(3.0, "my proof"))
    assert float(lipschitz_bound(model)) == 3.0
    with pytest.raises(UncertifiedLayerError, match="training=True"):
        lipschitz_bound(on((4,), lambda x: layers.Dropout(0.5)(x, training=True)))
    register_bound_rule(layers.Add, lambda layer, shapes: LayerBound(9.0, "my proof"))
    assert float(lipschitz_bound(on((2,), lambda x: layers.Add()([x, x])))) >= 9.0


def test_a_mask_counts_where_a_layer_takes_one():
    register_bound_rule(layers.Masking, lambda layer, shape: LayerBound(1.0, "a proof of mine"))
    masked = on(
        (3, 2), lambda x: layers.Dense(2, kernel_initializer="identity")(layers.Masking()(x))
    )
    assert float(lipschitz_bound(masked)) == pytest.approx(1.0)
    taken = on((3, 2), lambda x: layers.GlobalAveragePooling1D()(layers.Masking()(x)))
    with pytest.raises(UncertifiedLayerError):
        lipschitz_bound(taken)

    def merged(x):
        x = layers.Masking()(x)
        return layers.Maximum()([x, x])

    with pytest.raises(UncertifiedLayerError, match="mask"):
        lipschitz_bound(on((3, 2), merged))


def test_clips_with_one_limit_or_none():
    x = np.linspace(-3, 3, 6).reshape(3, 2).astype("float32")
    for low, high in ((None, 1.0), (-1.0, None)):
        model = on((2,), lambda x, low=low, high=high: ops.clip(x, low, high))
        if keras.backend.backend() == "tensorflow":
            with pytest.raises(UncertifiedLayerError, match="'clip"):
                lipschitz_bound(model)
        else:
            assert float(lipschitz_bound(model)) == 1.0
            np.testing.assert_array_equal(model.predict(x, verbose=0), np.clip(x, low, high))
    with pytest.raises(UncertifiedLayerError, match="no interval"):
        lipschitz_bound(on((2,), lambda x: ops.clip(x, 2.0, 1.0)))


def set_on(shape, layer, **weights):
    """A model whose layer, once built, is given other arrays for weights."""
    model = on(shape, lambda x: ops.sum(layer(x), axis=-1, keepdims=True))
    for name, weight in weights.items():
        setattr(layer, name, np.ones(weight, "float32"))
    return model


@pytest.mark.parametrize(
    ("shape", "make", "weights"),
    [
        ((2,), lambda: layers.Dense(4), {"_kernel": (2, 400)}),
        ((2,), lambda: layers.Dense(1), {"bias": (400,)}),
        ((5, 2), lambda: layers.Conv1D(3, 1), {"_kernel": (1, 2, 400), "bias": (400,)}),
        ((5, 2), lambda: layers.DepthwiseConv1D(1, use_bias=False), {"kernel": (1, 2, 200)}),
        ((5, 2), lambda: layers.SeparableConv1D(2, 1), {"pointwise_kernel": (1, 2, 200)}),
        ((5, 2), lambda: layers.Conv1DTranspose(2, 1, use_bias=False), {"kernel": (1, 99, 2)}),
        ((2,), lambda: SpectralDense(1), {"bias": (400,)}),
        ((2,), lambda: SpectralDense(2, use_bias=False), {"kernel": (2, 400)}),
        ((5, 2), lambda: SpectralConv1D(2, 1, use_bias=False), {"kernel": (1, 2, 400)}),
        ((2,), lambda: lipzoo.layers.UnitNormDense(1), {"bias": (400,)}),
        ((1,), lambda: GradientFlowDense(1), {"bias": (400,)}),
        ((1,), lambda: GradientFlowDense(1, activation="tanh", train_gain=True), {"gains": (400,)}),
    ],
)
def test_weights_of_other_shapes_are_refused(shape, make, weights):
    lipschitz_bound(set_on(shape, make()))
    with pytest.raises((UncertifiedLayerError, ValueError), match="shape"):
        lipschitz_bound(set_on(shape, make(), **weights))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x - ops.max(ops.reshape(x, (1, -1)), axis=-1, keepdims=True),
        lambda x: x - ops.max(ops.expand_dims(x, 0), axis=(1, 2)),
        lambda x: ops.squeeze(ops.expand_dims(x, 1)),
        lambda x: ops.squeeze(ops.expand_dims(x, 1), axis=(0, 1)),
    ],
)
def test_a_batch_size_that_is_stated_does_not_mix_other_batches(function):
    model = on(None, function, batch_shape=(1, 4))
    with pytest.raises(UncertifiedLayerError, match=r"batch|-1"):
        lipschitz_bound(model)


def test_rearrangements_that_keep_examples_apart_keep_their_bound():
    def rearranged(x):
        x = ops.squeeze(ops.expand_dims(ops.reshape(x, (-1, 2, 2)), 1), axis=1)
        return ops.reshape(ops.expand_dims(x, -1), (-1, 4))

    for arguments in ({"batch_shape": (1, 4)}, {"shape": (4,)}):
        inputs = keras.Input(**arguments)
        assert float(lipschitz_bound(keras.Model(inputs, rearranged(inputs)))) == 1.0


def test_what_a_sequential_model_hands_its_inputs_to_is_looked_at():
    model = keras.Sequential([keras.Input((2,)), layers.ReLU()])
    around = on((2,), model)
    model._functional._run_through_graph = lambda *args, **kwargs: 7
    for changed in (model, around):
        with pytest.raises(UncertifiedLayerError):
            lipschitz_bound(changed)
