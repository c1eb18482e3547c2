import datetime

import keras
import numpy as np
import pytest
import scipy.sparse

import lipzoo
from lipzoo import inverse
from lipzoo.inverse.operators.claims import check_claims

GAUSS = np.random.default_rng(0).standard_normal((6, 8))


class Guessed(inverse.Matrix):
    """A user's operator with a claim of its own."""

    share = 1.0
    least = 0.0
    factor = 1.0

    @property
    def norm_bound(self):
        return self.share * float(np.linalg.norm(self.matrix(), 2))

    @property
    def smallest_singular_value_bound(self):
        return self.least

    def adjoint(self, y):
        return self.factor * super().adjoint(y)

    def rounding(self, dtype):
        return inverse.Matrix.rounding(self, dtype)


def guessed(matrix=GAUSS, **claims):
    operator = Guessed(matrix, (matrix.shape[1], 1), (matrix.shape[0], 1))
    vars(operator).update(claims)
    return operator


@pytest.mark.parametrize("share", [0.5, 0.8, 0.99, 1 - 1e-4])
def test_a_norm_bound_below_the_norm_is_refuted_with_both_numbers(share):
    operator = guessed(share=share)
    norm = np.linalg.norm(GAUSS, 2)
    with pytest.raises(ValueError, match=r"norm_bound=.* ‖Av‖ / ‖v‖ = ") as caught:
        inverse.DataStep(operator)
    found = float(str(caught.value).split("‖v‖ = ")[1].split()[0])
    assert share * norm < found <= norm * (1 + 1e-6)


def test_true_claims_pass_and_are_tested_once():
    class Counting(Guessed):
        calls = 0

        def apply(self, x):
            type(self).calls += 1
            return super().apply(x)

    operator = Counting(GAUSS, (8, 1), (6, 1))
    check_claims(operator)
    calls = Counting.calls
    check_claims(operator)
    assert Counting.calls == calls
    # Another claim is another test.
    operator.share = 0.5
    with pytest.raises(ValueError, match="norm_bound"):
        check_claims(operator)


def test_claims_that_change_after_the_model_is_built_are_refuted():
    operator = guessed()
    data = keras.Input((6, 1))
    image = inverse.Tikhonov(operator, alpha=1.0)(data)
    model = keras.Model(data, inverse.DataStep(operator)([image, data]))
    operator.share = 0.5
    with pytest.raises(ValueError):
        lipzoo.lipschitz_bound(model)


def test_an_adjoint_of_another_operator_is_refuted():
    with pytest.raises(ValueError, match="adjoint to be the transpose"):
        inverse.DataStep(guessed(factor=1.01))


def test_a_lower_bound_above_the_smallest_singular_value_is_refuted():
    tall = GAUSS.T
    values = np.linalg.svd(tall, compute_uv=False)
    check_claims(guessed(tall, least=0.999 * values[-1]))
    with pytest.raises(ValueError, match="smallest_singular_value_bound"):
        check_claims(guessed(tall, least=1.5 * values[-1]))


@pytest.mark.parametrize(
    "operator",
    [
        inverse.Matrix(np.zeros((2, 3))),
        inverse.Matrix([[1e-20, 0.0], [0.0, 1e-30]]),
        inverse.Blur((9, 2), [0.2, 0.5, -0.3], padding="valid"),
        inverse.Blur((5, 6, 1), GAUSS[:3, :3], padding="circular"),
        inverse.Mask.random((5, 5, 2), 0.3),
        inverse.Tomography(6, 5),
    ],
    ids=repr,
)
def test_no_claim_of_ours_is_refuted(operator):
    check_claims(operator)


COMPLEX = np.ones((2, 4)) + 1j
BAD = {
    "two channels": COMPLEX,
    "masked": np.ma.masked_array(np.ones((2, 4)), mask=np.eye(2, 4)),
    "toarray": scipy.sparse.csr_matrix(np.ones((2, 4))),
    "datetime64": np.full((2, 4), datetime.datetime(2020, 1, 1), "datetime64[s]"),
    "timedelta64": np.full((2, 4), 3, "timedelta64[s]"),
    "object": np.full((2, 4), 1.0, object),
    "type": np.full((2, 4), "1.5"),
}


@pytest.mark.parametrize("hint", BAD)
def test_arrays_that_a_conversion_would_falsify_are_refused(hint):
    bad = BAD[hint]
    operator = inverse.Matrix(np.eye(4))
    entries = {
        "matrix": lambda: inverse.Matrix(bad),
        "kernel": lambda: inverse.Blur((9, 9, 1), bad),
        "mask": lambda: inverse.Mask(bad),
        "apply": lambda: operator.apply(bad),
        "adjoint": lambda: operator.adjoint(bad),
        "psnr": lambda: inverse.psnr(bad, np.ones((2, 4))),
        "reference": lambda: inverse.relative_error(np.ones((2, 4)), bad),
        "tikhonov": lambda: inverse.tikhonov(operator, bad, 1.0),
        "choose_alpha": lambda: inverse.choose_alpha(operator, bad, np.ones((2, 4))),
    }
    for name, entry in entries.items():
        with pytest.raises(ValueError, match=hint):
            pytest.fail(f"{name} took it: {entry()!r}")
    model = keras.Sequential([keras.Input((4,)), keras.layers.ReLU()])
    for certify in (lipzoo.certify, lambda *a: inverse.certify_reconstruction(*a, 0.1)):
        with pytest.raises((TypeError, ValueError), match="Expected x"):
            certify(model, bad)


def test_a_complex_tensor_is_refused_by_an_operator():
    with pytest.raises(ValueError, match="two channels"):
        inverse.Matrix(np.eye(4)).apply(keras.ops.convert_to_tensor(COMPLEX))


def test_a_mask_without_masked_entries_and_lists_are_taken():
    y = np.ma.masked_array(np.ones((2, 4)), mask=False)
    assert np.isinf(inverse.psnr(y, [[1, 1, 1, 1]] * 2)).all()
    assert inverse.Mask([[True, False]]).mask.tolist() == [[1.0, 0.0]]
