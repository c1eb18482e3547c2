"""Operators of a user's own, of which two products are known."""

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo import inverse
from lipzoo.inverse.operators import base
from tests.inverse_problems import Difference


def test_an_operator_of_two_products_works_from_end_to_end(tmp_path):
    operator = Difference()
    exact = np.linalg.norm(np.diff(np.eye(8), axis=0), 2)
    assert exact * (1 - 1e-14) <= operator.norm_bound <= exact * (1 + 1e-9)
    model = lipzoo.InvNet(operator, alpha=0.1, steps=2, flows=1, width=2, filters=2, bounds=None)
    y = np.random.default_rng(7).normal(size=(2, 7, 1)).astype("float32")
    certificate = lipzoo.certify_reconstruction(model, y, 0.1, verbose=0)
    found = lipzoo.worst_movement(model, y, 0.1, steps=10)
    assert (found.movement <= certificate.radius).all()
    with pytest.raises(NotImplementedError, match=r"get_config.*Received: Difference"):
        model.save(tmp_path / "model.keras")


def test_above_the_limit_an_operator_has_to_say_what_is_proven(monkeypatch):
    monkeypatch.setattr(base, "MAX_ENTRIES", 50)
    with pytest.raises(ValueError, match=r"(?s)norm_bound.*rounding.*from_scipy.*Received"):
        inverse.DataStep(Difference())

    class Stated(Difference):
        norm_bound = 2.0

    step = inverse.DataStep(Stated())
    assert step.lipschitz_bound([(None, 8, 1), (None, 7, 1)]).rounding_slope is None


@pytest.mark.parametrize("kind", ["data", "plug and play"])
def test_a_stated_rounding_counts_where_the_class_is_multiplied_with(kind):
    class Rounded(Difference):
        def rounding(self, dtype):
            return 0.0, 0.0

    class Certain(Rounded):
        norm_bound = 2.0

    def slope(operator):
        if kind == "data":
            layer = inverse.DataStep(operator, step_size=0.2)
        else:
            denoiser = keras.Sequential([keras.Input((8, 1)), keras.layers.Rescaling(1.0)])
            layer = inverse.PlugAndPlay(operator, denoiser, contraction=0.5, step_size=0.2)
        return layer.lipschitz_bound([(None, 8, 1), (None, 7, 1)]).rounding_slope

    rounded = Rounded()
    dense = inverse.Matrix(rounded.matrix(), (8, 1), (7, 1))
    assert slope(rounded) == slope(dense) > slope(Certain())


def test_a_map_that_is_not_linear_is_not_written_out():
    class Shifted(Difference):
        def apply(self, x):
            return super().apply(x) + 1.0

    with pytest.raises(ValueError, match=r"expected apply to be linear.*Received"):
        Shifted().matrix()
