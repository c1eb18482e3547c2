"""A class or an object that may compute something else has no bound of what it is made of."""

import keras
import numpy as np
import pytest
from keras import ops

from lipzoo.bounds import LayerBound, UncertifiedLayerError, lipschitz_bound, register_bound_rule
from lipzoo.inverse import Blur, Matrix
from lipzoo.inverse.layers import DataStep, PlugAndPlay, Tikhonov
from lipzoo.layers import GradientFlowDense, SpectralConv1D, SpectralDense
from tests.graphs import on

layers = keras.layers
pytestmark = pytest.mark.usefixtures("own_rules")


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
