import keras
import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from keras import ops
from skimage.transform import radon

from lipzoo.bounds import lipschitz_bound
from lipzoo.inverse import (
    Blur,
    DataStep,
    LinearOperator,
    Mask,
    Matrix,
    Tomography,
    check_adjoint,
    gaussian_kernel,
)
from lipzoo.spectral.threads import single_threaded_blas

draw = np.random.default_rng(0).normal

OPERATORS = {
    "blur-signal": Blur((12, 1), gaussian_kernel(1.0)),
    "blur-circular": Blur((9, 2), draw(size=4), padding="circular"),
    "blur-image": Blur((7, 6, 3), draw(size=(3, 4))),
    "blur-valid": Blur((7, 6, 1), draw(size=(3, 2)), padding="valid"),
    "mask": Mask.random((6, 5, 2), missing=0.4),
    "matrix": Matrix(draw(size=(6, 12)), (4, 3, 1), (6,)),
    "tomography": Tomography(6, 5),
    "tomography-angles": Tomography(5, [0.0, 37.5, 100.0], bins=4),
}


@pytest.fixture
def rng():
    return np.random.default_rng(1)


@pytest.fixture(params=OPERATORS)
def operator(request):
    return OPERATORS[request.param]


def applied(function, values, shape, dtype="float64"):
    """A method of an operator on flattened vectors, in `dtype`; a float64 array comes back."""
    batch = ops.convert_to_tensor(values.reshape(-1, *shape), dtype=dtype)
    result = ops.convert_to_numpy(function(batch))
    assert result.dtype == dtype
    return result.astype("float64").reshape(len(batch), -1)


def blurred(image, kernel, padding):
    """`Σ_t k[t] x[i + t - p]` of one channel, by SciPy; Keras' p is `(size - 1) // 2`."""
    if padding == "valid":
        return scipy.signal.correlate(image, kernel, mode="valid", method="direct")
    mode = {"same": "constant", "circular": "wrap"}[padding]
    # SciPy centres a kernel of even size on the entry after the middle.
    origin = [(size - 1) // 2 - size // 2 for size in kernel.shape]
    return scipy.ndimage.correlate(image, kernel, mode=mode, origin=origin)


@pytest.mark.usefixtures("float64")
def test_apply_and_adjoint_agree_with_the_matrix(operator, rng):
    matrix = operator.matrix()
    assert matrix.dtype == "float64"
    assert matrix.shape == (operator.outputs, operator.inputs)
    x, y = rng.normal(size=(3, operator.inputs)), rng.normal(size=(3, operator.outputs))
    forward = applied(operator.apply, x, operator.input_shape)
    backward = applied(operator.adjoint, y, operator.output_shape)
    np.testing.assert_allclose(forward, x @ matrix.T, atol=1e-12)
    np.testing.assert_allclose(backward, y @ matrix, atol=1e-12)


def test_shapes_of_batches(operator):
    x = ops.zeros((2, *operator.input_shape))
    y = operator.apply(x)
    assert tuple(y.shape) == (2, *operator.output_shape)
    assert tuple(operator.adjoint(y).shape) == tuple(x.shape)


def test_adjoint_passes_its_check(operator):
    check_adjoint(operator, tolerance=1e-6)


def test_norm_bound_is_just_above_the_largest_singular_value(operator):
    exact = np.linalg.norm(operator.matrix(), 2)
    # A convolution with zero padding is bounded by that on a larger torus.
    slack = 0.3 if isinstance(operator, Blur) and operator.padding != "circular" else 1e-9
    assert exact * (1 - 1e-14) <= operator.norm_bound <= exact * (1 + slack)


def test_smallest_singular_value_bound(operator):
    tall = operator.outputs >= operator.inputs
    exact = np.linalg.svd(operator.matrix(), compute_uv=False)[-1] if tall else 0.0
    assert 0.0 <= operator.smallest_singular_value_bound <= exact * (1 + 1e-14)


def test_regularised_inverse_is_the_closed_form(operator):
    matrix, alpha = operator.matrix(), 0.05
    inverse = operator.regularised_inverse(alpha)
    assert (inverse.input_shape, inverse.output_shape) == (
        operator.output_shape,
        operator.input_shape,
    )
    expected = np.linalg.solve(matrix.T @ matrix + alpha * np.eye(operator.inputs), matrix.T)
    np.testing.assert_allclose(inverse.matrix(), expected, atol=1e-12)
    check_adjoint(inverse)
    exact = np.linalg.norm(expected, 2)
    assert exact * (1 - 1e-14) <= inverse.norm_bound <= exact * (1 + 1e-9)
    assert inverse.norm_bound <= 0.5 / np.sqrt(alpha) * (1 + 1e-9)


@pytest.mark.parametrize("inverse", [False, True], ids=["forward", "inverse"])
def test_float32_stays_within_the_rounding_slopes(operator, inverse, rng):
    operator = operator.regularised_inverse(0.01) if inverse else operator
    matrix = operator.matrix()
    slopes = operator.rounding("float32")
    cases = [
        (operator.apply, matrix.T, operator.input_shape, slopes[0]),
        (operator.adjoint, matrix, operator.output_shape, slopes[1]),
    ]
    for function, transposed, shape, slope in cases:
        # Drawn in float32, so that the inputs themselves are exact.
        x = rng.normal(size=(50, len(transposed))).astype("float32").astype("float64")
        error = applied(function, x, shape, "float32") - x @ transposed
        assert (np.linalg.norm(error, axis=1) <= slope * np.linalg.norm(x, axis=1)).all()
        assert slope <= 1e-4 * operator.norm_bound


def test_the_rounding_of_a_blur_counts_sums_that_are_larger_than_the_blur(rng):
    # Signs that cancel in a whole sum and in none of its parts: all of the taps with one sign come
    # first. What is rounded there is (x + Dx) / 2 in the blur, D the signs.
    kernel = np.sign(rng.normal(size=31))
    blur, same = (Blur((64, 1), k, padding="circular") for k in (kernel, np.abs(kernel)))
    exact, parts = (np.linalg.norm(operator.matrix(), 2) for operator in (blur, same))
    assert parts > 2 * exact
    assert min(blur.rounding("float32")) >= 31 * 2.0**-24 * (exact + parts) / 2


class Dimmed(Blur):
    """Sets another kernel than the one that its base was given."""

    def __init__(self, image_shape, kernel, padding="same"):
        super().__init__(image_shape, kernel, padding)
        self.kernel = 3 * self.kernel


@pytest.mark.parametrize("padding", ["same", "circular", "valid"])
def test_the_norm_of_a_blur_is_that_of_the_kernel_it_has_now(padding):
    operator = Dimmed((8, 1), [0.25, 0.5, 0.25], padding)
    for factor in (1, 2):
        operator.kernel = factor * operator.kernel
        exact = np.linalg.norm(operator.matrix(), 2)
        assert exact * (1 - 1e-14) <= operator.norm_bound <= exact * (1 + 0.02)


def test_a_mask_that_is_set_is_checked_like_the_first():
    mask = Mask([[1.0], [0.0]])
    with pytest.raises(ValueError, match=r"zeros .* and ones"):
        mask.mask = 3 * mask.mask
    with pytest.raises(ValueError, match=r"shape of the image, \(2, 1\). Received: shape=\(3, 1\)"):
        mask.mask = np.ones((3, 1))
    mask.mask = [[0.0], [1.0]]
    assert mask.matrix().tolist() == [[0.0, 0.0], [0.0, 1.0]]


def test_configurations_survive_json_and_keras(operator):
    again = type(operator).from_config(operator.get_config())
    assert again == operator
    np.testing.assert_array_equal(again.matrix(), operator.matrix())
    stored = keras.saving.serialize_keras_object(operator)
    restored = keras.saving.deserialize_keras_object(stored)
    assert type(restored) is type(operator)
    assert restored == operator
    assert restored != OPERATORS["mask" if not isinstance(operator, Mask) else "matrix"]


@pytest.mark.usefixtures("float64")
@settings(max_examples=40, deadline=None)
@given(st.data())
def test_blur_is_a_correlation_in_scipy(data):
    rank = data.draw(st.integers(1, 2))
    kernel_shape = data.draw(st.tuples(*[st.integers(1, 4)] * rank))
    spatial = tuple(size + data.draw(st.integers(0, 5)) for size in kernel_shape)
    channels = data.draw(st.integers(1, 3))
    padding = data.draw(st.sampled_from(["same", "circular", "valid"]))
    kernel = data.draw(hnp.arrays("float64", kernel_shape, elements=st.floats(-2, 2, width=32)))
    blur = Blur((*spatial, channels), kernel, padding)
    image = np.random.default_rng(0).normal(size=(*spatial, channels))
    expected = np.stack(
        [blurred(image[..., channel], kernel, padding) for channel in range(channels)], axis=-1
    )
    assert blur.output_shape == expected.shape
    np.testing.assert_allclose(blur.matrix() @ image.reshape(-1), expected.reshape(-1), atol=1e-12)
    actual = applied(blur.apply, image, blur.input_shape)
    np.testing.assert_allclose(actual[0], expected.reshape(-1), atol=1e-12)
    check_adjoint(blur, tolerance=1e-6)
    exact = np.linalg.norm(blur.matrix(), 2)
    assert exact * (1 - 1e-13) <= blur.norm_bound <= np.abs(kernel).sum() * (1 + 1e-12)


def test_symmetric_blur_is_a_convolution_in_numpy(rng):
    kernel = gaussian_kernel(1.5)
    signal = rng.normal(size=32)
    expected = np.convolve(signal, kernel, mode="same")
    np.testing.assert_allclose(Blur((32, 1), kernel).matrix() @ signal, expected, atol=1e-13)


def test_circular_blur_has_the_norm_of_its_fourier_transform(rng):
    kernel = rng.normal(size=(3, 3))
    blur = Blur((8, 10, 1), kernel, padding="circular")
    exact = np.abs(np.fft.fft2(kernel, (8, 10))).max()
    assert exact * (1 - 1e-14) <= blur.norm_bound <= exact * (1 + 1e-9)


@pytest.mark.parametrize("rank", [1, 2])
def test_gaussian_kernels_have_their_moments(rank):
    kernel = gaussian_kernel(2.0, rank=rank, truncate=5.0)
    assert kernel.sum() == pytest.approx(1.0, abs=1e-14)
    line = kernel if rank == 1 else kernel.sum(axis=0)
    offsets = np.arange(len(line)) - len(line) // 2
    assert line @ offsets == pytest.approx(0.0, abs=1e-14)
    assert np.sqrt(line @ offsets**2) == pytest.approx(2.0, rel=1e-4)


def test_mask_keeps_what_is_known(rng):
    mask = Mask.random((28, 28, 3), missing=0.3, seed=1)
    assert mask.mask[..., 0].sum() == 28 * 28 - int(0.3 * 28 * 28)
    assert (mask.mask == mask.mask[..., :1]).all()
    x = rng.normal(size=(2, 28, 28, 3)).astype("float32")
    np.testing.assert_array_equal(ops.convert_to_numpy(mask.apply(x)), x * (mask.mask == 1))
    assert mask == Mask.random((28, 28, 3), missing=0.3, seed=1)
    assert mask != Mask.random((28, 28, 3), missing=0.3, seed=2)


def test_projections_of_a_disc_are_its_chords():
    """A ray at distance s from the centre of a disc of radius r cuts a chord of 2√(r² - s²).

    Pixels at the rim hold their share of the disc, so that only where in them it lies is lost: an
    error that rays that run along the rim see most of.
    """
    size, radius = 128, 0.35
    fine = (np.arange(8 * size) + 0.5) / (8 * size) - 0.5
    disc = (fine[:, None] ** 2 + fine**2 <= radius**2).astype(float)
    disc = disc.reshape(size, 8, size, 8).mean(axis=(1, 3))
    scanner = Tomography(size, [0.0, 17.0, 45.0, 90.0, 121.0], bins=size)
    sinogram = (scanner.matrix() @ disc.reshape(-1)).reshape(scanner.output_shape)

    # Averages over the bins: differences of the area of the disc left of s.
    edges = np.clip(np.arange(size + 1) / size - 0.5, -radius, radius)
    area = edges * np.sqrt(radius**2 - edges**2) + radius**2 * np.arcsin(edges / radius)
    errors = np.abs(sinogram - np.diff(area) * size)
    inner = np.abs(edges[:-1]) < 0.3
    assert errors[:, inner].max() <= 2e-3
    assert errors.max() <= 2e-2


def test_an_off_centre_point_moves_as_a_sine():
    size = 64
    image = np.zeros((size, size))
    image[10, 50] = 1.0
    x, y = (50.5 / size) - 0.5, 0.5 - (10.5 / size)
    scanner = Tomography(size, 12)
    bins = scanner.output_shape[1]
    sinogram = (scanner.matrix() @ image.reshape(-1)).reshape(scanner.output_shape)
    centres = (np.arange(bins) + 0.5 - bins / 2) / size
    angles = np.deg2rad(15.0 * np.arange(12))
    mean = sinogram @ centres / sinogram.sum(axis=1)
    np.testing.assert_allclose(mean, x * np.cos(angles) + y * np.sin(angles), atol=0.5 / size)


def test_projections_at_right_angles_are_sums_of_columns_and_rows(rng):
    image = rng.random((10, 10))
    scanner = Tomography(10, [0.0, 90.0, 180.0], bins=10)
    sinogram = (scanner.matrix() @ image.reshape(-1)).reshape(3, 10)
    np.testing.assert_allclose(sinogram[0], image.sum(axis=0) / 10, atol=1e-12)
    # At 90 degrees s points upwards, against the order of the rows.
    np.testing.assert_allclose(sinogram[1], image.sum(axis=1)[::-1] / 10, atol=1e-12)
    np.testing.assert_allclose(sinogram[2], sinogram[0][::-1], atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 12), st.lists(st.floats(-360, 360), min_size=1, max_size=4))
@example(4, [0.015625])
@example(4, [1e-9])
def test_every_angle_sees_all_of_the_mass(size, angles):
    scanner = Tomography(size, angles)
    image = np.random.default_rng(0).random((size, size))
    sinogram = (scanner.matrix() @ image.reshape(-1)).reshape(scanner.output_shape)
    # Bins are 1/size wide, pixels 1/size² large.
    np.testing.assert_allclose(sinogram.sum(axis=1) / size, image.mean(), atol=1e-9)
    assert (scanner.matrix() >= -1e-14).all()


def test_projections_resemble_those_of_scikit_image():
    """Which interpolates: a smooth image, and a loose tolerance."""
    # Its centre of rotation is pixel size // 2: the centre of images of odd sizes only.
    size = 65
    grid = (np.arange(size) + 0.5) / size - 0.5
    x, y = np.meshgrid(grid, -grid)
    image = np.exp(-(((x - 0.1) / 0.12) ** 2) - ((y - 0.05) / 0.07) ** 2)
    image[x**2 + y**2 > 0.45**2] = 0.0
    degrees = np.arange(0.0, 180.0, 20.0)
    scanner = Tomography(size, degrees, bins=size)
    sinogram = (scanner.matrix() @ image.reshape(-1)).reshape(scanner.output_shape)
    theirs = radon(image, theta=degrees, circle=True).T / size
    assert np.abs(sinogram - theirs).max() <= 0.01 * sinogram.max()


class WrongAdjoint(LinearOperator):
    """The adjoint of another shift."""

    def __init__(self):
        super().__init__((6, 1), (6, 1))

    def apply(self, x):
        return ops.roll(x, 1, axis=1)

    def adjoint(self, y):
        return ops.roll(y, 1, axis=1)


class WrongShape(WrongAdjoint):
    def apply(self, x):
        return x[:, 1:]


def test_a_configuration_is_asked_for_when_a_model_is_saved():
    class Plain(LinearOperator):
        """Has what its products need, and no more."""

        norm_bound = 1.0

        def apply(self, x):
            return x

        adjoint = apply

    x = keras.Input((3,))
    step = DataStep(Plain((3,), (3,)), step_size=1.0)
    assert lipschitz_bound(keras.Model(x, step([x, x]))).value >= 1.0
    with pytest.raises(NotImplementedError, match=r"get_config.*Received: Plain"):
        step.get_config()


def test_wrong_operators_are_refused():
    with pytest.raises(ValueError, match=r"expected adjoint to be the transpose.*Received"):
        check_adjoint(WrongAdjoint())
    with pytest.raises(ValueError, match=r"expected apply to return a batch of shape.*Received"):
        check_adjoint(WrongShape())
    with pytest.raises(TypeError, match="Received: operator="):
        check_adjoint(np.eye(2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Blur((8, 1), np.ones((3, 3))), "one axis for each spatial axis"),
        (lambda: Blur((8,), 1.0), "one axis for each spatial axis"),
        (lambda: Blur((8, 1), [1.0, np.nan]), "finite array"),
        (lambda: Blur((8, 0), [1.0]), "positive integers"),
        (lambda: Blur((8, 1), [1.0], padding="reflect"), "padding"),
        (lambda: Blur((2, 1), [1.0, 1.0, 1.0], padding="valid"), "must not exceed the input"),
        (lambda: Mask(np.full((2, 1), 0.5)), "zeros .missing. and ones"),
        (lambda: Mask(np.zeros((2, 1))), "at least one known"),
        (lambda: Mask(np.ones((2, 1)), (3, 1)), "shape of the image"),
        (lambda: Mask("80"), "needs image_shape"),
        (lambda: Mask("8", (2, 1)), "2 hexadecimal digits"),
        (lambda: Mask("8080", (2, 1)), "2 hexadecimal digits"),
        (lambda: Mask("zz", (2, 1)), "2 hexadecimal digits"),
        (lambda: Mask.random((4, 4, 1), missing=1.0), "between 0 and 1"),
        (lambda: Mask.random((4, 4, 1), missing=float("nan")), "between 0 and 1"),
        (lambda: Matrix([1.0, 2.0]), "finite array of shape"),
        (lambda: Matrix([[np.inf]]), "finite array of shape"),
        (lambda: Matrix(np.zeros((0, 2))), "finite array of shape"),
        (lambda: Matrix(np.eye(4), (2, 1)), "must be of shape"),
        (lambda: Matrix(np.eye(2), (2.0,)), "positive integers"),
        (lambda: Tomography(0), "size must be a positive integer"),
        (lambda: Tomography(4.0), "size must be a positive integer"),
        (lambda: Tomography(4, 0), "angles must be"),
        (lambda: Tomography(4, []), "angles must be"),
        (lambda: Tomography(4, [np.nan]), "angles must be"),
        (lambda: Tomography(4, True), "angles must be"),
        (lambda: Tomography(4, 2, bins=0), "bins must be a positive integer"),
        (lambda: gaussian_kernel(0.0), "sigma > 0"),
        (lambda: gaussian_kernel(1.0, rank=3), "rank 1 or 2"),
        (lambda: OPERATORS["matrix"].regularised_inverse(0.0), "alpha must be"),
        (lambda: OPERATORS["mask"].regularised_inverse(np.inf), "alpha must be"),
        (lambda: OPERATORS["mask"].regularised_inverse(True), "alpha must be"),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=f"(?s){message}.*Received"):
        make()


def test_the_inverse_does_not_depend_on_the_number_of_threads():
    scanner = Tomography(28, 16)
    known = scanner.regularised_inverse(2e-3)
    with single_threaded_blas():
        other = scanner.regularised_inverse(2e-3)
        bound = other.norm_bound
    np.testing.assert_array_equal(known.matrix(), other.matrix())
    assert known.norm_bound == bound


def test_an_operator_whose_products_underflow_is_not_taken_for_one_with_a_false_adjoint():
    class Halved(Matrix):
        def adjoint(self, y):
            return 0.5 * super().adjoint(y)

    tiny = float(np.finfo("float32").tiny)
    check_adjoint(Blur((1, 1), [tiny]))
    check_adjoint(Matrix([[tiny, -tiny], [0.0, tiny]]))
    # Small is not yet below the range.
    with pytest.raises(ValueError, match="the transpose of apply"):
        check_adjoint(Halved([[1e-30, 2e-30]]))
