import numpy as np
import pytest
import scipy.optimize
from skimage.restoration import denoise_tv_chambolle

from lipzoo.inverse import Blur, Mask, Matrix, Tomography, gaussian_kernel
from lipzoo.inverse.total_variation.reconstruction import total_variation


def identity(*shape):
    return Matrix(np.eye(int(np.prod(shape))), shape, shape)


def total_variation_of(image):
    """Isotropic, forward differences, channels separately: written out once more."""
    total = 0.0
    for channel in np.moveaxis(image, -1, 0):
        squares = np.zeros(channel.shape)
        for axis in range(channel.ndim):
            inner = tuple(slice(0, n - (a == axis)) for a, n in enumerate(channel.shape))
            squares[inner] += np.diff(channel, axis=axis) ** 2
        total += np.sqrt(squares).sum()
    return total


def objective(operator, image, y, weight):
    residual = operator.matrix() @ image.reshape(-1) - y.reshape(-1)
    return 0.5 * residual @ residual + weight * total_variation_of(image)


def noisy_problem(operator, examples=3, noise=0.05, seed=0):
    """Piecewise constant images of values in [0, 1], and what is measured of them."""
    generator = np.random.default_rng(seed)
    x = np.repeat(generator.random((examples, *operator.input_shape)), 3, axis=1)
    x = x[:, : operator.input_shape[0]]
    y = x.reshape(examples, -1) @ operator.matrix().T
    y += noise * generator.standard_normal(y.shape)
    return x, y.reshape(examples, *operator.output_shape)


OPERATORS = {
    "blur": Blur((24, 1), gaussian_kernel(1.0)),
    "blur-channels": Blur((6, 7, 2), gaussian_kernel(0.7, rank=2)),
    "mask": Mask.random((8, 8, 1), missing=0.4),
    "tomography": Tomography(8, 6),
}
each_operator = pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS)


@pytest.mark.parametrize("weight", [0.01, 0.3, 1.0])
def test_a_step_shrinks_by_weight_over_length_on_both_sides(weight):
    step = np.repeat([0.2, 0.9], [5, 10]).reshape(1, 15, 1)
    result = total_variation(identity(15, 1), step, weight, tolerance=1e-8)
    expected = np.repeat([0.2 + weight / 5, 0.9 - weight / 10], [5, 10])
    np.testing.assert_allclose(result.images[0, :, 0], expected, atol=1e-4)


def test_a_large_weight_leaves_the_mean():
    y = np.random.default_rng(0).random((2, 12, 1))
    result = total_variation(identity(12, 1), y, 100.0, tolerance=1e-8)
    expected = np.broadcast_to(y.mean(axis=1, keepdims=True), y.shape)
    np.testing.assert_allclose(result.images, expected, atol=1e-4)


@pytest.mark.parametrize("shape", [(9, 1), (4, 5, 1), (4, 5, 3)])
def test_constant_images_stay_as_they_are(shape):
    y = np.broadcast_to(np.reshape([0.0, 0.3, 1.0], (3, *(1,) * len(shape))), (3, *shape))
    result = total_variation(identity(*shape), y, 0.1)
    np.testing.assert_allclose(result.images, y, atol=1e-12)
    assert (result.iterations == 0).all()


def test_the_box_cuts_off():
    y = np.repeat([-1.0, 3.0], 4).reshape(1, 8, 1)
    result = total_variation(identity(8, 1), y, 0.1, tolerance=1e-7)
    np.testing.assert_allclose(result.images[0, :, 0], np.repeat([0.0, 1.0], 4), atol=1e-6)
    wide = total_variation(identity(8, 1), y, 0.1, bounds=(-5, 5), tolerance=1e-7)
    np.testing.assert_allclose(wide.images[0, :, 0], np.repeat([-0.975, 2.975], 4), atol=1e-3)


def test_denoising_agrees_with_scikit_image():
    image = np.zeros((16, 16))
    image[4:11, 5:13] = 0.8
    image += 0.1 * np.random.default_rng(0).standard_normal(image.shape)
    weight = 0.15
    y = image[None, :, :, None]
    ours = total_variation(identity(16, 16, 1), y, weight, bounds=(-9, 9), tolerance=1e-7)
    # It minimises ½‖x - y‖² + weight TV(x) too, and stops when little changes.
    theirs = denoise_tv_chambolle(image, weight=weight, eps=1e-12, max_num_iter=20000)
    np.testing.assert_allclose(ours.images[0, :, :, 0], theirs, atol=5e-3)
    operator = identity(16, 16, 1)
    lowest = objective(operator, ours.images[0], y, weight)
    assert lowest <= objective(operator, theirs[:, :, None], y, weight) * (1 + 1e-6)


def test_deblurring_agrees_with_quadratic_programming():
    """In one dimension the problem is a smooth one in x and the absolute differences t."""
    length, weight = 10, 0.02
    operator = Blur((length, 1), gaussian_kernel(0.8))
    _, y = noisy_problem(operator, examples=1)
    matrix, target = operator.matrix(), y.reshape(-1)
    differences = np.diff(np.eye(length), axis=0)

    def value(z):
        residual = matrix @ z[:length] - target
        gradient = np.r_[matrix.T @ residual, np.full(length - 1, weight)]
        return 0.5 * residual @ residual + weight * z[length:].sum(), gradient

    eye = np.eye(length - 1)
    rows = np.block([[differences, eye], [-differences, eye]])
    solution = scipy.optimize.minimize(
        value,
        np.r_[np.full(length, 0.5), np.ones(length - 1)],
        jac=True,
        bounds=[(0, 1)] * length + [(0, None)] * (length - 1),
        constraints={"type": "ineq", "fun": lambda z: rows @ z, "jac": lambda z: rows},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    assert solution.success
    result = total_variation(operator, y, weight, tolerance=1e-8)
    assert objective(operator, result.images[0], y, weight) == pytest.approx(solution.fun, rel=1e-7)
    np.testing.assert_allclose(result.images.reshape(-1), solution.x[:length], atol=1e-3)


@each_operator
def test_the_gap_bounds_how_far_from_the_minimum(operator):
    _, y = noisy_problem(operator)
    weight = 0.02 * operator.norm_bound
    best = total_variation(operator, y, weight, tolerance=1e-9, max_iterations=50000)
    for tolerance in (0.3, 1e-2, 1e-4):
        result = total_variation(operator, y, weight, tolerance=tolerance)
        assert (result.gap <= tolerance).all()
        for i, image in enumerate(result.images):
            reached = objective(operator, image, y[i], weight)
            lowest = objective(operator, best.images[i], y[i], weight)
            # The minimum lies between what was found best and that less its own gap.
            assert reached - lowest <= result.gap[i] * reached * (1 + 1e-9)
            assert reached >= lowest * (1 - 1e-9)


@each_operator
def test_no_image_nearby_is_better(operator):
    x, y = noisy_problem(operator)
    weight = 0.02 * operator.norm_bound
    result = total_variation(operator, y, weight, tolerance=1e-6)
    generator = np.random.default_rng(0)
    for i, image in enumerate(result.images):
        reached = objective(operator, image, y[i], weight)
        others = [x[i]] + [
            np.clip(image + size * generator.standard_normal(image.shape), 0, 1)
            for size in (1e-4, 1e-3, 1e-2, 1e-1)
            for _ in range(10)
        ]
        for other in others:
            assert reached <= objective(operator, other, y[i], weight) * (1 + 1e-6)


@each_operator
def test_images_lie_in_the_box(operator):
    x, y = noisy_problem(operator)
    result = total_variation(operator, y, 0.02, bounds=(0.1, 0.7))
    assert result.images.dtype == "float64"
    assert result.images.shape == x.shape
    assert result.images.min() >= 0.1
    assert result.images.max() <= 0.7


@each_operator
def test_a_batch_is_many_single_examples(operator):
    _, y = noisy_problem(operator, examples=5)
    weights = np.geomspace(0.003, 0.1, 5)
    batch = total_variation(operator, y, weights)
    for i in range(5):
        single = total_variation(operator, y[i : i + 1], weights[i])
        np.testing.assert_allclose(single.images[0], batch.images[i], atol=1e-9)
        assert single.iterations[0] == batch.iterations[i]
        assert single.gap[0] == pytest.approx(batch.gap[i], rel=1e-6)


def test_more_examples_than_are_solved_at_once():
    operator = identity(4, 1)
    y = np.random.default_rng(0).random((300, 4, 1))
    result = total_variation(operator, y, 0.1)
    assert len(result.images) == len(result.gap) == len(result.iterations) == 300
    last = total_variation(operator, y[-3:], 0.1)
    np.testing.assert_allclose(result.images[-3:], last.images, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-3, 255.0])
def test_the_units_of_the_image_do_not_matter(scale):
    operator = OPERATORS["blur"]
    _, y = noisy_problem(operator)
    plain = total_variation(operator, y, 0.01, tolerance=1e-6)
    scaled = total_variation(operator, scale * y, scale * 0.01, bounds=(0, scale), tolerance=1e-6)
    np.testing.assert_allclose(scaled.images / scale, plain.images, atol=1e-9)


def test_zero_measurements_give_zero_images():
    result = total_variation(OPERATORS["blur"], np.zeros((1, 24, 1)), 0.1)
    np.testing.assert_array_equal(result.images, 0.0)
    assert result.gap[0] == 0.0


def test_giving_up_is_said_and_still_certified():
    operator = OPERATORS["tomography"]
    _, y = noisy_problem(operator)
    with pytest.warns(RuntimeWarning, match=r"3 of 3 examples .* largest relative gap is"):
        result = total_variation(operator, y, 0.005, tolerance=1e-6, max_iterations=7)
    assert (result.iterations == 7).all()
    best = total_variation(operator, y, 0.005, tolerance=1e-6)
    for i in range(3):
        reached, lowest = (objective(operator, r.images[i], y[i], 0.005) for r in (result, best))
        assert reached - lowest <= result.gap[i] * reached


def test_verbose_reports_progress(capsys):
    operator = OPERATORS["blur"]
    _, y = noisy_problem(operator)
    total_variation(operator, y, 0.01)
    assert capsys.readouterr().out == ""
    total_variation(operator, y, 0.01, verbose=1)
    assert "iteration 0: 3 left, gap" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": np.zeros((24, 1))}, "batch axis is missing"),
        ({"y": np.zeros((1, 23, 1))}, "Expected y of shape"),
        ({"y": np.zeros((0, 24, 1))}, "at least one example"),
        ({"y": np.full((1, 24, 1), np.nan)}, "finite values in y"),
        ({"y": np.full((1, 24, 1), np.inf)}, "finite values in y"),
        ({"y": "text"}, "array of numbers"),
        ({"weight": 0.0}, "weight must be positive"),
        ({"weight": -1.0}, "weight must be positive"),
        ({"weight": np.inf}, "weight must be positive"),
        ({"weight": np.nan}, "weight must be positive"),
        ({"weight": [0.1, 0.2]}, "weight must be positive"),
        ({"weight": "large"}, "weight must be positive"),
        ({"bounds": (1, 0)}, "bounds must be two"),
        ({"bounds": (0, 0)}, "bounds must be two"),
        ({"bounds": (0, np.inf)}, "bounds must be two"),
        ({"bounds": (0, 1, 2)}, "bounds must be two"),
        ({"bounds": None}, "bounds must be two"),
        ({"tolerance": 0.0}, "tolerance"),
        ({"max_iterations": 0}, "max_iterations must be"),
        ({"max_iterations": 2.5}, "max_iterations must be"),
        ({"operator": Matrix(np.eye(24)), "y": np.zeros((1, 24))}, "images of shape"),
        ({"operator": Mask(np.ones((6000, 1))), "y": np.zeros((1, 6000, 1))}, "at most"),
    ],
)
def test_bad_arguments_are_refused(changes, message):
    arguments = {"operator": OPERATORS["blur"], "y": np.zeros((1, 24, 1)), "weight": 0.1}
    with pytest.raises(ValueError, match=f"(?s){message}.*Received"):
        total_variation(**(arguments | changes))


def test_only_operators_are_taken():
    with pytest.raises(TypeError, match=r"LinearOperator. Received"):
        total_variation(np.eye(3), np.zeros((1, 3)), 0.1)
