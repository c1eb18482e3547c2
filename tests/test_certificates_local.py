"""Radii from slopes within the ball itself."""

import keras
import numpy as np
import pytest
from keras import layers
from keras.ops import convert_to_numpy

import lipzoo
from lipzoo.bounds import UncertifiedLayerError
from lipzoo.bounds.local import chain_of, local_slopes
from lipzoo.bounds.local.slopes import _slopes, _spectral, arguments_of
from tests.truths import randomise_freely

RANDOM = np.random.default_rng(0)


def plain(inputs, *hidden, outputs=3):
    """A ReLU network with weights as Keras draws them, and biases."""
    parts = [layers.Dense(units, "relu") for units in hidden]
    model = keras.Sequential([keras.Input((inputs,)), *parts, layers.Dense(outputs)])
    for layer in model.layers:
        layer.bias.assign(0.3 * RANDOM.normal(size=layer.bias.shape))
    return model


def every_layer():
    """All that a chain may have, with slopes on both sides of 1."""
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Rescaling(0.5, offset=-0.1),
            layers.Normalization(mean=[0.1, 0.2], variance=[0.5, 2.0]),
            layers.ZeroPadding2D(1),
            layers.Conv2D(3, 3, strides=2, activation="relu"),
            layers.Dropout(0.5),
            layers.DepthwiseConv2D(2, padding="same"),
            layers.BatchNormalization(),
            layers.LeakyReLU(negative_slope=0.3),
            layers.AveragePooling2D(2, padding="same"),
            layers.ReLU(negative_slope=1.5),
            keras.Sequential([keras.Input((2, 2, 3)), layers.Flatten(), layers.Dense(7)]),
            layers.Activation("relu"),
            layers.Dense(6, "leaky_relu"),
            layers.Dense(3),
            layers.Identity(),
        ]
    )
    return randomise_freely(model, scale=0.5)


def attacked(model, x, radius, tries=60):
    """Classes at points just within the radii: at random, and along the gradient of the margin."""
    steps = RANDOM.normal(size=(tries, *x.shape))
    steps /= np.linalg.norm(steps.reshape(tries, len(x), -1), axis=2).reshape(
        tries, len(x), *[1] * (x.ndim - 1)
    )
    steps *= radius.reshape(-1, *[1] * (x.ndim - 1)) * (1 - 1e-6)
    points = (x + steps).astype("float32").reshape(-1, *x.shape[1:])
    return convert_to_numpy(model(points)), points


@pytest.mark.parametrize("make", [lambda: plain(8, 16, 16), lambda: plain(6, 9, 8, 7), every_layer])
def test_no_point_within_the_slopes_and_the_radius_contradicts_them(make):
    model = make()
    x = RANDOM.normal(size=(6, *model.input_shape[1:])).astype("float32")
    bound = lipzoo.lipschitz_bound(model)
    chain = chain_of(model, bound)
    logits = convert_to_numpy(model(x)).astype("float64")
    prediction = logits.argmax(1)
    flat = x.reshape(len(x), -1).astype("float64")
    arguments = arguments_of(chain, flat)
    rows = np.arange(len(x))
    for size in (1e-3, 0.3, 3.0):
        balls = np.full(len(x), size)
        slopes = local_slopes(chain, arguments, balls, prediction, np.ones(len(x), bool))
        found, points = attacked(model, x, balls)
        found = found.reshape(-1, len(x), 3).astype("float64")
        margins = found[:, rows, prediction][..., None] - found
        before = logits[rows, prediction][:, None] - logits
        moved = np.linalg.norm(points.reshape(-1, len(x), flat.shape[1]) - flat, axis=2)
        noise = 1e-5 * np.abs(logits).max() / size
        assert (np.abs(margins - before) / moved[..., None] <= slopes + noise).all()
    # Small balls have the slope of the derivative, large ones no more than twice that of norms.
    head = chain.head[prediction[0]] - chain.head
    whole = np.linalg.norm(head, axis=1) * bound.head.features.bound.value
    assert (slopes[0] <= 3 * whole + 1e-9).all()
    plainly = lipzoo.certify(model, x, verbose=0)
    local = lipzoo.certify(model, x, local=True, verbose=0)
    assert (local.radius >= plainly.radius).all()
    assert np.median(local.radius / plainly.radius) > 1.2
    found, _ = attacked(model, x, local.radius)
    assert (found.argmax(1).reshape(-1, len(x)) == local.prediction).all()
    assert local.local
    assert "slopes within each ball" in str(local)


def test_the_chain_computes_what_the_model_does():
    model = every_layer()
    x = RANDOM.normal(size=(5, 6, 6, 2)).astype("float32")
    chain = chain_of(model, lipzoo.lipschitz_bound(model))
    flat = x.reshape(5, -1).astype("float64")
    (z, off), last = arguments_of(chain, flat)[-1], chain.steps[-1]
    hidden = np.maximum(z, 0) + np.mean(last.slope) * np.minimum(z, 0)
    logits = hidden @ chain.head.T + convert_to_numpy(model.layers[-2].bias)
    np.testing.assert_allclose(logits, convert_to_numpy(model(x)), rtol=2e-4, atol=2e-5)
    assert (off < 1e-4 * (1 + np.abs(z))).all()
    # One step for every affine layer, its activation with it: batch normalisation apart.
    assert [step.slope is None for step in chain.steps] == [
        *(True, True, True, False, True, False, False, True, False, False)
    ]


def test_the_argument_is_within_its_error():
    model = plain(20, 30, 20)
    x = RANDOM.normal(size=(4, 20))
    chain = chain_of(model, lipzoo.lipschitz_bound(model))
    values = x.astype("longdouble")
    for step, (z, off) in zip(chain.steps, arguments_of(chain, x), strict=True):
        exact = values @ step.matrix.T.astype("longdouble") + step.bias
        assert (np.abs(exact - z) <= off).all()
        assert (off <= 1e-12 * (1 + np.abs(z))).all()
        values = np.maximum(exact, 0)


@pytest.mark.parametrize("slope", [(0.0, 0.0), (0.2, 0.2), (1.5, 1.5)])
def test_the_slope_of_a_relu_from_a_point_is_within_its_ends_and_reaches_them(slope):
    z, moves = RANDOM.normal(size=400), np.abs(RANDOM.normal(size=400))
    low, high = _slopes(slope, z, np.zeros(400), moves)

    def function(t):
        return np.maximum(t, 0) + slope[0] * np.minimum(t, 0)

    ways = np.linspace(-1, 1, 401)[None] * moves[:, None]
    ways = np.where(ways == 0, 1e-3 * moves[:, None], ways)
    secants = (function(z[:, None] + ways) - function(z)[:, None]) / ways
    least, most = secants.min(1), secants.max(1)
    assert (low <= least + 1e-9).all()
    assert (most <= high + 1e-9).all()
    np.testing.assert_allclose(np.minimum(low, high), least, atol=1e-6)
    np.testing.assert_allclose(np.maximum(low, high), most, atol=1e-6)
    stays = np.abs(z) > moves
    assert (low == high)[stays].all()
    unknown = _slopes(slope, np.array([0.1, -0.1]), np.array([0.2, 0.2]), np.zeros(2))
    assert np.allclose(unknown[1] - unknown[0], abs(1 - slope[0]))


def test_norms_are_bounded_tightly():
    for shape in [(1, 5), (7, 3), (30, 200), (40, 40)]:
        matrix = RANDOM.normal(size=shape) * 1e-5
        exact = np.linalg.norm(matrix, 2)
        assert exact <= _spectral(matrix) <= 1.25 * exact
    assert _spectral(np.zeros((3, 2))) == _spectral(np.zeros((0, 4))) == 0.0
    assert 1.0 <= _spectral(np.eye(4)) <= 4 ** (1 / 16) + 1e-12


def test_where_every_relu_stays_the_radius_is_that_of_the_linear_map():
    model = plain(5, 12, 10, outputs=4)
    for layer, bias in zip(model.layers, (1e2, 1e3), strict=False):
        layer.bias.assign(np.full(layer.bias.shape, bias))
    x = RANDOM.normal(size=(6, 5)).astype("float32")
    # Margins are as small as the differences between the examples.
    model.layers[-1].bias.assign_sub(convert_to_numpy(model(x))[0])
    kernels = [convert_to_numpy(layer.kernel).astype("float64") for layer in model.layers]
    matrix = np.linalg.multi_dot(kernels)
    certificate = lipzoo.certify(model, x, local=True, rounding=False, verbose=0)
    logits = certificate.logits.astype("float64")
    rows, best = np.arange(6), certificate.prediction
    margins = logits[rows, best][:, None] - logits
    norms = np.linalg.norm(matrix[:, best].T[:, None] - matrix.T[None], axis=2)
    norms[rows, best] = np.inf
    margins[rows, best] = 1.0
    exact = (margins / np.where(np.isinf(norms), 1e-30, norms)).min(1)
    np.testing.assert_allclose(certificate.radius, exact, rtol=1e-9)


def test_one_output_and_the_least_output():
    model = plain(6, 12, 9, outputs=1)
    x = RANDOM.normal(size=(8, 6)).astype("float32")
    local = lipzoo.certify(model, x, local=True, verbose=0)
    assert np.median(local.radius / lipzoo.certify(model, x, verbose=0).radius) > 1.2
    found, _ = attacked(model, x, local.radius)
    assert ((found[:, 0] > 0).reshape(-1, 8) == local.prediction.astype(bool)).all()
    model = plain(6, 12, 9)
    least = lipzoo.certify(model, x, local=True, decision="min", verbose=0)
    found, _ = attacked(model, x, least.radius)
    assert (found.argmin(1).reshape(-1, 8) == least.prediction).all()
    batches = [(x[:5],), (x[5:],)]
    pieces = lipzoo.certify(model, iter(batches), local=True, decision="min")
    np.testing.assert_allclose(pieces.radius, least.radius, rtol=1e-3)
    assert "slopes within each ball" in str(pieces)
    counts = lipzoo.certify_summary(model, iter(batches), local=True, decision="min")
    assert counts.settings["local"] is True
    assert counts.examples == 8


class Affine(layers.Layer):
    """A linear layer whose bias has another name, and whose `activation` is none that it has."""

    activation = keras.activations.relu

    def build(self, input_shape):
        self.matrix = self.add_weight(shape=(input_shape[-1], input_shape[-1]), name="matrix")
        self.shift = self.add_weight(shape=(input_shape[-1],), name="shift")

    def call(self, inputs):
        return keras.ops.matmul(inputs, self.matrix) + self.shift

    def linear_weights(self):
        return self.matrix, self.shift

    def lipschitz_bound(self, input_shape):
        norms = [float(np.linalg.norm(convert_to_numpy(w))) for w in (self.matrix, self.shift)]
        return lipzoo.LayerBound(norms[0], "Frobenius' norm", norms[1], 1e-5, 1e-5)


def test_linear_layers_of_other_classes_keep_their_bias():
    model = keras.Sequential(
        [
            keras.Input((6,)),
            Affine(),
            layers.LeakyReLU(negative_slope=0.1),
            lipzoo.layers.SpectralDense(6),
            layers.Activation("relu"),
            layers.Dense(3),
        ]
    )
    randomise_freely(model)
    x = RANDOM.normal(size=(5, 6)).astype("float32")
    chain = chain_of(model, lipzoo.lipschitz_bound(model))
    z, _ = arguments_of(chain, x.astype("float64"))[-1]
    logits = np.maximum(z, 0) @ chain.head.T + convert_to_numpy(model.layers[-1].bias)
    np.testing.assert_allclose(logits, convert_to_numpy(model(x)), rtol=2e-4, atol=1e-4)


def test_what_is_no_chain_of_relus_is_refused_by_name(monkeypatch):
    x = keras.Input((4,))
    hidden = layers.Dense(4, "relu", name="a")(x)
    added = keras.Model(x, layers.Dense(2)(layers.Add(name="sum")([x, hidden])))
    points = np.zeros((1, 4))
    with pytest.raises(ValueError, match="chain of layers"):
        lipzoo.certify(added, points, local=True)
    smooth = keras.Sequential([keras.Input((4,)), layers.Dense(4, "tanh"), layers.Dense(2)])
    with pytest.raises(
        UncertifiedLayerError, match=r"slopes within balls.* and not .*tanh"
    ) as error:
        lipzoo.certify(smooth, points, local=True)
    assert "register" not in str(error.value)
    pooled = keras.Sequential(
        [keras.Input((4, 1)), layers.MaxPooling1D(2), layers.Flatten(), layers.Dense(2)]
    )
    with pytest.raises(UncertifiedLayerError, match="affine layers, ReLU"):
        lipzoo.certify(pooled, points[..., None], local=True)
    limited = keras.Sequential([keras.Input((4,)), layers.ReLU(max_value=1.0), layers.Dense(2)])
    with pytest.raises(UncertifiedLayerError, match="without max_value"):
        lipzoo.certify(limited, points, local=True)
    open_end = keras.Sequential([keras.Input((4,)), layers.Dense(2), layers.ReLU()])
    with pytest.raises(ValueError, match="linear last layer"):
        lipzoo.certify(open_end, points, local=True)
    inputs = keras.Input((4,))
    first = layers.Dense(4, "relu")(inputs)
    both = keras.Model(inputs, [first, layers.Dense(4, name="beside")(first)], name="both")
    one, _ = both(x)
    with pytest.raises(ValueError, match="'both', which does not, or has several outputs"):
        lipzoo.certify(keras.Model(x, layers.Dense(2)(one)), points, local=True)
    monkeypatch.setattr("lipzoo.bounds.local.chain.LARGEST", 11)
    with pytest.raises(UncertifiedLayerError, match=r"3 x 4, .* too many for local=True"):
        lipzoo.certify(plain(4, 3), points, local=True)
    with pytest.raises(ValueError, match="standardized=False and domain=None"):
        lipzoo.certify(plain(4, 3), points, local=True, domain=(0, 1))
