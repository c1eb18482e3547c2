"""Own rules, the layer's own method, and a cache that is never stale."""

import time

import keras
import numpy as np
import pytest
from keras import ops

from lipzoo import activations
from lipzoo.activations import Activation
from lipzoo.bounds import LayerBound, UncertifiedLayerError, lipschitz_bound, register_bound_rule
from lipzoo.bounds.bound_cache import BoundCache, fingerprint
from lipzoo.bounds.linear_head import linear_weights
from lipzoo.layers import GradientFlowDense, SpectralDense

layers = keras.layers
pytestmark = pytest.mark.usefixtures("own_rules")


class Gain(keras.layers.Layer):
    """Multiplies by an attribute that its configuration does not know."""

    def __init__(self, gain, **kwargs):
        super().__init__(**kwargs)
        self.gain = gain

    def call(self, inputs):
        return self.gain * inputs


class StatedGain(Gain):
    def lipschitz_bound(self, input_shape):
        return LayerBound.exact(abs(self.gain), "gain")


class Both(keras.layers.Layer):
    def call(self, first, second):
        return first + 2 * second


def model_of(*stack, shape=(3,)):
    return keras.Sequential([keras.Input(shape), *stack])


def test_a_rule_can_be_registered_for_an_own_layer():
    model = model_of(Gain(-3.0), layers.ReLU())
    with pytest.raises(UncertifiedLayerError, match="register_bound_rule\\(Gain\\)"):
        lipschitz_bound(model)

    @register_bound_rule(Gain)
    def bound_of_gain(layer, input_shape):
        assert input_shape == (None, 3)
        return LayerBound.exact(abs(layer.gain), "gain")

    assert float(lipschitz_bound(model)) == 3.0
    model.layers[0].gain = 5.0
    assert float(lipschitz_bound(model)) == 5.0


def test_a_plain_number_says_nothing_about_rounding():
    register_bound_rule(Gain, lambda layer, input_shape: 3)
    bound = lipschitz_bound(model_of(Gain(3.0, name="amplifier")))
    assert float(bound) == 3.0
    assert bound.output.bound.rounding_slope is None
    assert bound.output.unknown == ("amplifier",)


def test_a_layer_may_state_its_own_bound():
    model = model_of(StatedGain(2.0))
    assert float(lipschitz_bound(model)) == 2.0
    model.layers[0].gain = 7.0
    assert float(lipschitz_bound(model)) == 7.0


def test_a_rule_holds_for_its_class_only():
    class Louder(Gain):
        def call(self, inputs):
            return 2 * super().call(inputs)

    register_bound_rule(Gain, lambda layer, input_shape: LayerBound.exact(layer.gain, "gain"))
    with pytest.raises(UncertifiedLayerError, match="Louder"):
        lipschitz_bound(model_of(Louder(1.0)))


class Loud(SpectralDense):
    def call(self, inputs):
        return 7 * super().call(inputs)


class LoudOperator(SpectralDense):
    def _forward(self, inputs):
        return 7 * super()._forward(inputs)


class Negated:
    def call(self, inputs):
        return -super().call(inputs)


class NegatedFlow(Negated, GradientFlowDense):
    pass


@pytest.mark.parametrize(
    ("layer", "kind"),
    [(Loud(3), "Loud"), (LoudOperator(3), "LoudOperator"), (NegatedFlow(), "Negated")],
)
def test_a_subclass_with_another_map_does_not_inherit_the_bound(layer, kind):
    model = model_of(layer)
    with pytest.raises(UncertifiedLayerError, match=f"{kind} changes what.*`lipschitz_bound` too"):
        lipschitz_bound(model)
    register_bound_rule(type(layer), lambda layer, input_shape: LayerBound(7.0, "7 times 1"))
    assert float(lipschitz_bound(model)) == 7.0


def test_a_subclass_may_state_its_bound_or_leave_the_map_alone():
    class StatedLoud(Loud):
        def lipschitz_bound(self, input_shape):
            return LayerBound(7 * super().lipschitz_bound(input_shape).value, "7 times as loud")

    class Renamed(SpectralDense):
        def get_config(self):
            return {**super().get_config(), "renamed": True}

    assert float(lipschitz_bound(model_of(StatedLoud(3)))) == pytest.approx(7.0, rel=1e-3)
    assert float(lipschitz_bound(model_of(Renamed(3)))) == pytest.approx(1.0, rel=1e-3)


def test_a_subclass_with_another_map_does_not_inherit_the_linear_head():
    class Head(StatedGain):
        def linear_weights(self):
            return self.gain * np.eye(3), None

    class Doubled(Head):
        def call(self, inputs):
            return 2 * super().call(inputs)

        def lipschitz_bound(self, input_shape):
            return LayerBound.exact(2 * abs(self.gain), "twice the gain")

    assert linear_weights(Head(2.0)) is not None
    assert linear_weights(Doubled(2.0)) is None


def test_a_rule_replaces_the_built_in_one():
    model = model_of(layers.Dense(3))
    before = float(lipschitz_bound(model))
    register_bound_rule(layers.Dense, lambda layer, input_shape: LayerBound(before + 1, "cautious"))
    assert float(lipschitz_bound(model)) == before + 1


def test_a_layer_with_several_inputs_is_a_map_of_all_of_them():
    x = keras.Input((3,))
    model = keras.Model(x, Both()(x, layers.Rescaling(2.0)(x)))
    shapes = []

    @register_bound_rule(Both)
    def bound_of_both(layer, input_shape):
        shapes.append(input_shape)
        return LayerBound.exact(5.0**0.5, "norm of [I, 2I]")

    assert float(lipschitz_bound(model)) == pytest.approx(5.0)
    assert shapes == [[(None, 3), (None, 3)]]


def test_subclassed_models_can_be_given_a_rule():
    class Doubling(keras.Model):
        def call(self, inputs):
            return 2 * inputs

    model = Doubling()
    model(np.zeros((1, 2), "float32"))
    register_bound_rule(Doubling, lambda layer, input_shape: LayerBound.exact(2.0, "doubling"))
    assert float(lipschitz_bound(model)) == 2.0


def test_wrong_registrations_are_refused():
    with pytest.raises(TypeError, match="Received: layer_class="):
        register_bound_rule(Gain(1.0))
    with pytest.raises(TypeError, match="Received: rule=3"):
        register_bound_rule(Gain, 3)
    register_bound_rule(Gain, lambda layer, input_shape: "one")
    with pytest.raises(TypeError, match="Received: 'one'"):
        lipschitz_bound(model_of(Gain(1.0)))
    register_bound_rule(Gain, lambda layer, input_shape: float("nan"))
    with pytest.raises(ValueError, match="Received: value=nan"):
        lipschitz_bound(model_of(Gain(1.0)))


def test_every_change_that_matters_changes_the_fingerprint():
    layer = layers.Dense(4)
    layer.build((None, 4))
    seen = {fingerprint(layer, (None, 4)), fingerprint(layer, (None, 2, 4))}
    layer.kernel.assign(ops.copy(layer.kernel))
    assert fingerprint(layer, (None, 4)) in seen
    changes = [
        lambda: layer.kernel.assign(layer.kernel + 1e-6),
        lambda: layer.bias.assign(layer.bias + 1.0),
        lambda: setattr(layer, "activation", keras.activations.tanh),
    ]
    for change in changes:
        change()
        key = fingerprint(layer, (None, 4))
        assert key not in seen
        seen.add(key)


def test_an_own_function_with_a_known_name_is_not_taken_for_the_known_one():
    layer = layers.Dense(4, activation="relu")
    model = model_of(layer)
    lipschitz_bound(model)

    def relu(x):
        return 5 * x

    layer.activation = relu
    with pytest.raises(UncertifiedLayerError, match="relu"):
        lipschitz_bound(model)


def test_normalization_uses_the_statistics_that_the_layer_computes_with():
    layer = layers.Normalization(axis=(1, 2))
    model = model_of(layer, shape=(2, 3))
    data = np.random.default_rng(0).normal(size=(50, 2, 3)).astype("float32")
    for scale in (1.0, 4.0):
        layer.adapt(scale * data)
        exact = 1 / np.std(scale * data, axis=0).min()
        assert float(lipschitz_bound(model)) == pytest.approx(exact, rel=1e-4)


def scaled_by(factor):
    return Activation("own", lambda x: factor * x, factor, factor)


def test_a_function_that_may_compute_with_anything_is_never_remembered():
    layer = SpectralDense(3)
    layer.build((None, 3))
    for factor in (1.0, 5.0):
        layer.activation = scaled_by(factor)
        assert fingerprint(layer, (None, 3)) is None


def test_attributes_that_the_configuration_does_not_know_count():
    layer = GradientFlowDense()
    model = model_of(layer)
    assert float(lipschitz_bound(model)) == 1.0
    layer.step_size = 100.0
    assert float(lipschitz_bound(model)) == pytest.approx(99.0, rel=1e-3)


def test_using_a_layer_does_not_change_its_fingerprint():
    layer = SpectralDense(3, activation="tanh")
    model = model_of(layer)
    before = fingerprint(layer, (None, 3))
    model.predict(np.zeros((2, 3)), verbose=0)
    lipschitz_bound(model)
    layer(keras.Input((3,)))
    assert before is not None
    assert fingerprint(layer, (None, 3)) == before


def test_a_second_bound_of_ten_megabytes_is_fast():
    model = model_of(*[layers.Dense(930, use_bias=False) for _ in range(3)], shape=(930,))
    first = float(lipschitz_bound(model))
    times = []
    for _ in range(3):
        start = time.process_time()
        assert float(lipschitz_bound(model)) == first
        times.append(time.process_time() - start)
    assert min(times) < 0.3


def test_the_cache_forgets_what_was_used_longest_ago():
    cache = BoundCache(capacity=2)
    bounds = [LayerBound.exact(float(i), "number") for i in range(3)]
    cache.put(b"0", bounds[0])
    cache.put(b"1", bounds[1])
    assert cache.get(b"0") is bounds[0]
    cache.put(b"2", bounds[2])
    assert cache.get(b"1") is None
    assert cache.get(b"0") is bounds[0]
    cache.clear()
    assert cache.get(b"0") is None


def test_a_replaced_call_is_refused():
    layer = keras.layers.ReLU()
    layer.call = lambda x: 10 * x
    with pytest.raises(UncertifiedLayerError, match="`call` was replaced"):
        lipschitz_bound(keras.Sequential([keras.Input((2,)), layer]))


def test_a_model_that_changes_what_calling_it_does_is_refused():
    class Loud(keras.Sequential):
        def __call__(self, *arguments, **keywords):
            return 10 * super().__call__(*arguments, **keywords)

    with pytest.raises(UncertifiedLayerError, match="subclassed model"):
        lipschitz_bound(Loud([keras.Input((2,)), keras.layers.ReLU()]))


@pytest.mark.parametrize(
    ("activation", "is_head"),
    [(None, True), ("linear", True), (activations.get("linear"), True), ("relu", False)],
)
def test_a_dense_layer_is_a_linear_head_without_an_activation(activation, is_head):
    layer = keras.layers.Dense(3, activation=activation)
    layer.build((None, 2))
    assert (linear_weights(layer) is not None) == is_head


def test_what_only_calls_itself_linear_is_no_linear_head():
    def linear(inputs):
        return 5 * inputs

    for activation in (linear, Activation("linear", linear, 1.0, 1.0)):
        layer = keras.layers.Dense(3, activation=activation)
        layer.build((None, 2))
        assert linear_weights(layer) is None
