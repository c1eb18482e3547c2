import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipzoo.inverse import Blur, Mask, Matrix, Tomography, gaussian_kernel
from lipzoo.inverse.parameter_choice import choose_alpha, choose_weight
from lipzoo.inverse.tikhonov_reconstruction import alpha_for_bound, tikhonov, tikhonov_norm_bound
from lipzoo.inverse.total_variation.reconstruction import total_variation

OPERATORS = {
    "blur": Blur((20, 1), gaussian_kernel(1.0)),
    "blur-channels": Blur((5, 6, 2), gaussian_kernel(0.7, 2, truncate=2.0), padding="circular"),
    "mask": Mask.random((6, 6, 1), missing=0.4),
    "tomography": Tomography(6, 4),
    "wide": Matrix(np.random.default_rng(0).normal(size=(5, 9)), (9, 1), (5,)),
}
each_operator = pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS)


def closed_form(operator, alpha):
    matrix = operator.matrix()
    return np.linalg.solve(matrix.T @ matrix + alpha * np.eye(operator.inputs), matrix.T)


def pairs(operator, examples=6, noise=0.05):
    generator = np.random.default_rng(0)
    x = np.sort(generator.random((examples, *operator.input_shape)), axis=1)
    y = x.reshape(examples, -1) @ operator.matrix().T
    y += noise * generator.standard_normal(y.shape)
    return y.reshape(examples, *operator.output_shape), x


@each_operator
@pytest.mark.parametrize("alpha", [1e-3, 0.1, 10.0])
def test_reconstructions_are_the_closed_form_in_float64(operator, alpha):
    y, x = pairs(operator)
    images = tikhonov(operator, y, alpha)
    assert images.dtype == "float64"
    assert images.shape == x.shape
    expected = y.reshape(len(y), -1) @ closed_form(operator, alpha).T
    np.testing.assert_allclose(images.reshape(len(y), -1), expected, rtol=1e-10, atol=1e-12)


def test_tensors_are_measurements_too():
    y, _ = pairs(OPERATORS["blur"])
    tensor = keras.ops.convert_to_tensor(y.astype("float32"))
    images = tikhonov(OPERATORS["blur"], tensor, 0.1)
    np.testing.assert_allclose(images, tikhonov(OPERATORS["blur"], y, 0.1), atol=1e-6)


def test_masks_too_large_for_a_matrix():
    mask = Mask.random((80, 80, 1))
    y = np.random.default_rng(0).random((2, 80, 80, 1)) * mask.mask
    np.testing.assert_allclose(tikhonov(mask, y, 0.25), y / 1.25, rtol=1e-12)


@each_operator
@pytest.mark.parametrize("alpha", [1e-6, 1e-3, 0.1, 10.0])
def test_norm_bound_is_just_above_the_norm(operator, alpha):
    bound = tikhonov_norm_bound(operator, alpha)
    exact = np.linalg.norm(closed_form(operator, alpha), 2)
    values = np.linalg.svd(operator.matrix(), compute_uv=False)
    assert exact == pytest.approx(np.max(values / (values**2 + alpha)), rel=1e-6)
    assert np.max(values / (values**2 + alpha)) * (1 - 1e-12) <= bound <= exact * (1 + 1e-6)
    assert bound <= 0.5 / np.sqrt(alpha) * (1 + 1e-9)


@each_operator
def test_no_perturbation_moves_a_reconstruction_further(operator):
    y, _ = pairs(operator)
    noise = np.random.default_rng(1).standard_normal(y.shape)
    moved = tikhonov(operator, y + noise, 0.01) - tikhonov(operator, y, 0.01)
    lengths = [np.linalg.norm(v.reshape(len(v), -1), axis=1) for v in (moved, noise)]
    assert (lengths[0] <= tikhonov_norm_bound(operator, 0.01) * lengths[1]).all()


@each_operator
@pytest.mark.parametrize("bound", [0.05, 0.3, 0.9, 4.0, 30.0])
def test_the_least_alpha_for_a_bound(operator, bound):
    alpha = alpha_for_bound(operator, bound)
    assert tikhonov_norm_bound(operator, alpha) <= bound
    if alpha > 1.1e-12 * operator.norm_bound**2:
        assert tikhonov_norm_bound(operator, alpha * (1 - 2e-6)) > bound


@settings(max_examples=30, deadline=None)
@given(st.floats(1e-3, 1e3), st.lists(st.floats(0.01, 10), min_size=1, max_size=4))
def test_the_least_alpha_in_closed_form(bound, values):
    alpha = alpha_for_bound(Matrix(np.diag(values)), bound)
    least = max(max(s / bound - s * s for s in values), 1e-12 * max(values) ** 2)
    assert least * (1 - 1e-12) <= alpha <= least * (1 + 2e-6) + 1e-12 * max(values) ** 2


def test_bounds_below_the_norm_need_an_alpha_above_its_square():
    # s / (s² + α) with s = 1: α = 1/L - 1.
    assert alpha_for_bound(Matrix([[1.0]]), 0.1) == pytest.approx(9.0, rel=1e-6)


def test_a_bound_that_any_alpha_meets():
    mask = OPERATORS["mask"]
    assert alpha_for_bound(mask, 1.5) == pytest.approx(1e-12)
    assert alpha_for_bound(Matrix([[0.0]]), 1.0) > 0.0


@each_operator
def test_choose_alpha_finds_the_best_of_a_fine_grid(operator):
    y, x = pairs(operator)
    chosen = choose_alpha(operator, y, x)
    grid = np.geomspace(1e-7, 1e3, 120)
    errors = [np.mean((tikhonov(operator, y, alpha) - x) ** 2) for alpha in grid]
    assert chosen.mean_squared_error <= min(errors) * (1 + 2e-3)
    again = np.mean((tikhonov(operator, y, chosen.value) - x) ** 2)
    assert chosen.mean_squared_error == pytest.approx(again, rel=1e-9)
    assert (chosen.value, chosen.mean_squared_error) in chosen.tries
    assert min(error for _, error in chosen.tries) == chosen.mean_squared_error
    assert list(chosen.tries) == sorted(chosen.tries)


def test_choose_alpha_goes_beyond_its_grid():
    operator = OPERATORS["blur"]
    _, x = pairs(operator)
    exact = (x.reshape(len(x), -1) @ operator.matrix().T).reshape(x.shape)
    assert choose_alpha(operator, exact, x).value < 1e-8
    noise = np.random.default_rng(3).standard_normal(exact.shape)
    large = choose_alpha(Matrix(np.eye(20), (20, 1), (20, 1)), x + 100 * noise, x)
    assert large.value > 10.0


@each_operator
def test_choose_alpha_among_given_values(operator):
    y, x = pairs(operator)
    chosen = choose_alpha(operator, y, x, alphas=[1.0, 1e-4, 0.01])
    assert [value for value, _ in chosen.tries] == [1e-4, 0.01, 1.0]
    for alpha, error in chosen.tries:
        expected = np.mean((tikhonov(operator, y, alpha) - x) ** 2)
        assert error == pytest.approx(expected, rel=1e-9)


def test_choose_weight_finds_the_best_of_a_fine_grid():
    operator = OPERATORS["blur"]
    y, x = pairs(operator)
    chosen = choose_weight(operator, y, x)
    grid = np.geomspace(1e-5, 1.0, 30)
    errors = [np.mean((total_variation(operator, y, weight).images - x) ** 2) for weight in grid]
    assert chosen.mean_squared_error <= min(errors) * 1.02
    again = np.mean((total_variation(operator, y, chosen.value).images - x) ** 2)
    assert chosen.mean_squared_error == pytest.approx(again, rel=1e-9)
    assert list(chosen.tries) == sorted(chosen.tries)


def test_choose_weight_goes_beyond_its_grid():
    operator = Matrix(np.eye(20), (20, 1), (20, 1))
    _, x = pairs(operator)
    flat = np.full_like(x, 0.5)
    noise = 0.4 * np.random.default_rng(0).standard_normal(x.shape)
    chosen = choose_weight(operator, flat + noise, flat)
    assert chosen.value > 0.1 * np.sqrt(np.mean((flat + noise) ** 2))


def test_choose_weight_among_given_values_within_bounds():
    operator = OPERATORS["mask"]
    y, x = pairs(operator)
    chosen = choose_weight(operator, 10 * y, 10 * x, weights=[0.3, 0.03], bounds=(0, 10))
    assert [value for value, _ in chosen.tries] == [0.03, 0.3]
    expected = total_variation(operator, 10 * y, chosen.value, bounds=(0, 10)).images
    assert chosen.mean_squared_error == pytest.approx(np.mean((expected - 10 * x) ** 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a, y, x: tikhonov(a, y[0], 0.1), "batch axis is missing"),
        (lambda a, y, x: tikhonov(a, x[:, :-1], 0.1), "Expected y of shape"),
        (lambda a, y, x: tikhonov(a, y * np.nan, 0.1), "finite values in y"),
        (lambda a, y, x: tikhonov(a, 3.0, 0.1), "Expected y of shape"),
        (lambda a, y, x: tikhonov(a, "text", 0.1), "array of numbers"),
        (lambda a, y, x: tikhonov(a, y, 0.0), "alpha must be"),
        (lambda a, y, x: tikhonov_norm_bound(a, -1.0), "alpha must be"),
        (lambda a, y, x: alpha_for_bound(a, 0.0), "bound"),
        (lambda a, y, x: alpha_for_bound(a, -1.0), "bound"),
        (lambda a, y, x: alpha_for_bound(a, np.nan), "bound"),
        (lambda a, y, x: alpha_for_bound(a, np.inf), "bound"),
        (lambda a, y, x: choose_alpha(a, y, x[:-1]), "as many images"),
        (lambda a, y, x: choose_alpha(a, y, x[:, :-1]), "Expected x of shape"),
        (lambda a, y, x: choose_alpha(a, y, x, alphas=[]), "alphas must be"),
        (lambda a, y, x: choose_alpha(a, y, x, alphas=[1.0, 0.0]), "alphas must be"),
        (lambda a, y, x: choose_alpha(a, y, x, alphas=1.0), "alphas must be"),
        (lambda a, y, x: choose_weight(a, y, x, weights=[np.inf]), "weights must be"),
        (lambda a, y, x: choose_weight(a, y, x, bounds=(1, 0)), "bounds must be"),
        (lambda a, y, x: choose_weight(a, y, x[:-1]), "as many images"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    operator = OPERATORS["blur"]
    with pytest.raises(ValueError, match=f"(?s){message}.*Received"):
        call(operator, *pairs(operator))


@pytest.mark.parametrize("bound", [0.4, 1.0])
def test_an_alpha_without_singular_values_keeps_the_bound_for_all_there_may_be(bound):
    operator = Mask(np.ones((6000, 1)))
    alpha = alpha_for_bound(operator, bound)
    values = np.linspace(0.0, operator.norm_bound, 10_001)
    largest = (values / (values**2 + alpha)).max()
    assert (1 - 1e-5) * bound <= largest <= bound * (1 + 1e-15)
    assert tikhonov_norm_bound(operator, alpha) <= bound
