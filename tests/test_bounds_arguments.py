"""Arguments, masks, constants and batch sizes that a rule has to know."""

import keras
import numpy as np
import pytest
from keras import ops

from lipzoo.bounds import LayerBound, UncertifiedLayerError, lipschitz_bound, register_bound_rule
from lipzoo.layers import HamiltonianDense
from tests.graphs import on

layers = keras.layers
pytestmark = pytest.mark.usefixtures("own_rules")


def constant(*shape):
    return ops.ones(shape)


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
