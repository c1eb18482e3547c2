"""What certificates assume of the backend's arithmetic, on the backend at hand."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import lipzoo
from lipzoo.rounding import ORDERS
from studies import arithmetic_probes as probes

STATISTICS = {
    "normalization": layers.BatchNormalization,
    "pooling": layers.GlobalAveragePooling1D,
    "mean": lambda dtype: lambda x: ops.mean(x, axis=1),
}


@pytest.mark.parametrize("kind", STATISTICS)
def test_float64_is_kept_or_refused_by_name(kind):
    inputs = keras.Input((4, 3), dtype="float64")
    layer = STATISTICS[kind](dtype="float64")
    outputs = layer(inputs)
    model = keras.Model(inputs, layers.Dense(2, dtype="float64")(layers.Flatten()(outputs)))
    # Two inputs that are one in float32.
    x = np.ones((2, 4, 3))
    x[1] += 2.0**-30
    computed = ops.convert_to_numpy(layer(ops.convert_to_tensor(x, dtype="float64")))
    if (computed[0] != computed[1]).all() and keras.backend.backend() != "torch":
        assert lipzoo.certify(model, x, verbose=0).rounding
    else:
        with pytest.raises(ValueError, match=r"Received: layer .* of dtype float64"):
            lipzoo.certify(model, x, verbose=0)


@pytest.mark.parametrize("name", probes.EXACT)
def test_activations_err_by_no_more_than_is_claimed(name):
    assert 0 < probes.share_of_claim(name, step=256) <= 1


@pytest.mark.parametrize("name", probes.ELEMENTARY)
def test_elementary_functions_err_by_no_more_than_is_claimed(name):
    assert probes.units_of_elementary(name, step=256) <= probes.ELEMENTARY_UNITS[name]


def test_outputs_have_no_more_orders_of_summation_than_is_assumed():
    assert 1 <= probes.orders_of_summation() <= ORDERS


def test_single_products_and_sums_are_rounded_once():
    assert probes.products_round_once()
