"""Models inside models: every boundary that Keras casts at, and shapes at each of them."""

import keras
import numpy as np
import pytest

from lipzoo.bounds import UncertifiedLayerError, lipschitz_bound
from tests.graphs import on

layers = keras.layers
pytestmark = pytest.mark.usefixtures("own_rules")


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
