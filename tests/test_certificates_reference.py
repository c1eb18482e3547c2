"""A float64 reference halves the slack for rounding, and must be the same network."""

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.models import GradFlowNet
from tests.test_certificates_measured import build
from tests.truths import randomise


@pytest.fixture
def networks():
    """The same network with random weights in float32 and in float64."""
    single, double = build("float32", "relu", 3), build("float64", "relu", 3)
    for i, layer in enumerate(single.layers):
        randomise(layer, seed=i)
    double.set_weights([weight.astype("float64") for weight in single.get_weights()])
    return single, double


@pytest.fixture
def x():
    return np.random.default_rng(0).random((40, 8, 8, 1)).astype("float32")


@pytest.mark.usefixtures("float64")
def test_radii_lie_halfway_between_the_two_arithmetics(networks, x):
    single, double = networks
    own = lipzoo.certify(single, x, verbose=0)
    with_reference = lipzoo.certify(single, x, reference=double, verbose=0)
    precise = lipzoo.certify(double, x, verbose=0)
    assert with_reference.prediction.tolist() == own.prediction.tolist()
    assert np.array_equal(with_reference.logits, own.logits)
    certified = own.radius > 0
    assert certified.sum() > 10
    lost, less_lost = (precise.radius - c.radius for c in (own, with_reference))
    assert np.all(less_lost[certified] > 0.3 * lost[certified])
    assert np.all(less_lost[certified] < 0.7 * lost[certified])


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_casts_of_the_network_count_where_the_reference_has_none(dtype):
    """The two largest entries, rounded to half precision, are equal before they are in truth."""
    models = []
    for policy in (dtype, "float64"):
        inputs = keras.Input((3,), dtype="float32" if policy == dtype else "float64")
        models.append(keras.Model(inputs, keras.layers.Permute((1,), dtype=policy)(inputs)))
    model, reference = models
    x, other = np.array([[-2.0, 2.0, 4.5]]), np.array([[-2.0, 3.2495, 3.2505]])
    certificate = lipzoo.certify(model, x, reference=reference, verbose=0)
    logits = keras.ops.convert_to_numpy(keras.ops.cast(model(other.astype("float32")), "float32"))
    assert (certificate.prediction[0], logits[0].argmax()) == (2, 1)
    assert 0 < certificate.radius[0] < np.linalg.norm(other - x)


@pytest.mark.usefixtures("float64")
def test_no_computed_prediction_changes_inside_the_radius():
    """A linear network: the worst direction is known, and 2,000 points sit at the very edge."""
    size, count = 4096, 2000
    rng = np.random.default_rng(1)
    kernel = rng.normal(size=(size, 2)).astype("float32")
    models = []
    for dtype in ("float32", "float64"):
        dense = keras.layers.Dense(2, use_bias=False, dtype=dtype)
        models.append(keras.Sequential([keras.Input((size,)), dense]))
        models[-1].set_weights([kernel])
    difference = kernel[:, 0].astype("float64") - kernel[:, 1]
    direction = difference / np.linalg.norm(difference)
    x = rng.normal(size=(count, size))
    margins = rng.uniform(0.0, 0.1, size=count)
    x = (x + np.outer(margins - x @ direction, direction)).astype("float32")
    certificate = lipzoo.certify(models[0], x, reference=models[1], verbose=0)
    own = lipzoo.certify(models[0], x, verbose=0)
    assert np.all(certificate.radius >= own.radius)
    assert np.mean(certificate.radius > 0) > np.mean(own.radius > 0) > 0
    sign = np.where(certificate.prediction == 0, -1.0, 1.0)[:, None]
    moved = (x + sign * certificate.radius[:, None] * direction).astype("float32")
    inside = np.linalg.norm(moved - x.astype("float64"), axis=1) < certificate.radius
    assert inside.sum() > count / 10
    again = models[0].predict(moved, verbose=0).argmax(axis=1)
    assert np.array_equal(again[inside], certificate.prediction[inside])


def other_weights(double):
    weights = double.get_weights()
    weights[0] = weights[0] * 0.99
    double.set_weights(weights)
    return double


def other_attribute(double):
    double.layers[3].step_size *= 1.001
    return double


def other_depth(_):
    return GradFlowNet((8, 8, 1), 3, width=4, patch_depths=(1,), axial_units=4, features=4)


REFUSED = {
    "with the weights of the model. Received: 1 of": other_weights,
    "with the layers of the model. Received: 1 that are": other_attribute,
    "with inputs of shape .* Received: .*9, 8": lambda _: GradFlowNet((9, 8, 1), 3, width=4),
    r"with \d+ layers. Received: ": other_depth,
}


@pytest.mark.parametrize("message", REFUSED)
def test_another_network_is_refused(networks, x, message):
    single, double = networks
    with pytest.raises(ValueError, match=f"Expected a reference {message}"):
        lipzoo.certify(single, x, reference=REFUSED[message](double), verbose=0)


@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="there the mean is a view of the weight"
)
@pytest.mark.usefixtures("float64")
def test_hidden_state_is_not_overlooked():
    """`set_weights` leaves a Normalization layer as it was."""
    data = np.random.default_rng(2).normal(3.0, 2.0, size=(50, 4))

    def network(dtype):
        normalise = keras.layers.Normalization(dtype=dtype)
        layers = [keras.Input((4,)), normalise, keras.layers.Dense(2, dtype=dtype)]
        return keras.Sequential(layers), normalise

    (single, normalise), (double, other) = network("float32"), network("float64")
    normalise.adapt(data)
    double.set_weights(single.get_weights())
    with pytest.raises(ValueError, match="set up differently, 'normalization"):
        lipzoo.certify(single, data, reference=double, verbose=0)
    other.finalize_state()
    certificate = lipzoo.certify(single, data, reference=double, verbose=0)
    assert np.all(certificate.radius >= lipzoo.certify(single, data, verbose=0).radius)


def test_layers_that_do_not_state_their_configuration_cannot_be_compared(networks, x):
    single, double = networks
    flow = next(layer for layer in single.layers if hasattr(layer, "activation"))
    flow.activation = keras.ops.relu
    with pytest.raises(ValueError, match=f"their configuration.* Received: '{flow.name}', whose"):
        lipzoo.certify(single, x, reference=double, verbose=0)


def test_logits_that_cannot_be_of_the_same_network_are_refused():
    class Scaled(keras.layers.Layer):
        """A scale that nothing but the logits tells."""

        def call(self, inputs):
            return inputs * self._scale

        def lipschitz_bound(self, input_shape):
            return LayerBound(self._scale, "scaled", rounding_slope=1e-6, rounding_offset=0.0)

    models = []
    for scale in (1.0, 1.5):
        layer = Scaled()
        layer._scale = scale
        models.append(keras.Sequential([keras.Input((2,)), layer]))
    with pytest.raises(ValueError, match=r"no further apart than .* Received: 1.58 for example 0"):
        lipzoo.certify(models[0], np.array([[3.0, 1.0]]), reference=models[1], verbose=0)


def test_a_reference_makes_no_sense_in_exact_arithmetic(networks, x):
    single, double = networks
    with pytest.raises(ValueError, match="rounding=True with a reference"):
        lipzoo.certify(single, x, reference=double, rounding=False, verbose=0)
    with pytest.raises(
        TypeError, match=r"'auto', 'float64', None or a keras.Model. Received: reference='double'"
    ):
        lipzoo.certify(single, x, reference="double", verbose=0)
