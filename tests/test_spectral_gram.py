from itertools import pairwise

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from lipzoo.spectral import conv_norm_bound, gram_norm_bound
from lipzoo.spectral.gram_iteration import norm_bound_of_gram, smaller_gram
from tests.convolution_operators import fine_supremum, keras_operator, norm
from tests.derivatives import pulled_back
from tests.helpers import examples

# float32 rounding of the evaluation, which the bound does not cover.
ROUNDING = 1 + 3e-6


def bound_of(kernel, dtype="float32", **arguments):
    return float(gram_norm_bound(np.asarray(kernel, dtype), **arguments))


def orthogonal(rows, columns, seed=0):
    matrix = np.random.default_rng(seed).normal(size=(max(rows, columns), min(rows, columns)))
    matrix = np.linalg.qr(matrix)[0]
    return matrix if rows >= columns else matrix.T


@examples(40)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 6), st.integers(0, 1000))
def test_dense_bounds_from_above(rows, columns, iterations, seed):
    kernel = np.random.default_rng(seed).normal(size=(rows, columns)).astype("float32")
    exact = np.linalg.norm(kernel.astype("float64"), 2)
    assert exact <= bound_of(kernel, iterations=iterations) * ROUNDING


@examples(40)
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=2),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.integers(1, 3),
    st.sampled_from(["same", "valid"]),
    st.integers(0, 1000),
)
def test_convolutions_are_bounded_on_every_size(spatial, channels, stride, padding, seed):
    kernel = np.random.default_rng(seed).normal(size=(*spatial, *channels)).astype("float32")
    bound = bound_of(kernel, strides=stride) * ROUNDING
    sizes = tuple(max(6, size) for size in spatial)
    assert norm(keras_operator(kernel.astype("float64"), sizes, stride, padding)) <= bound
    circular = tuple(6 * stride for _ in spatial)
    assert conv_norm_bound(kernel, circular, strides=stride, padding="circular") <= bound


@pytest.mark.parametrize("shape", [(20, 30), (5, 4, 3), (3, 3, 6, 4)])
def test_more_iterations_are_tighter(shape):
    kernel = np.random.default_rng(0).normal(size=shape)
    bounds = [bound_of(kernel, "float64", iterations=t) for t in range(12)]
    assert all(later <= earlier * (1 + 1e-12) for earlier, later in pairwise(bounds))
    limit = np.linalg.norm(kernel, 2) if len(shape) == 2 else fine_supremum(kernel, points=49)
    assert limit <= bounds[-1] * (1 + 1e-12)
    assert bounds[-1] <= limit * (1.0005 if len(shape) == 2 else 1.041)


@pytest.mark.parametrize("shape", [(60, 60), (200, 40), (40, 200)])
def test_orthogonal_matrices_are_tight_without_iterations(shape):
    assert bound_of(orthogonal(*shape), iterations=0) == pytest.approx(1.0, abs=1e-5)


@examples(40)
@given(st.integers(1, 12), st.integers(1, 12), st.floats(0.5, 3.0), st.integers(0, 1000))
def test_squaring_stops_where_the_bound_is_good_enough(rows, columns, looseness, seed):
    kernel = np.random.default_rng(seed).normal(size=(rows, columns))
    exact = np.linalg.norm(kernel, 2)
    gram = smaller_gram(kernel)
    steps = [float(norm_bound_of_gram(gram, t)) for t in range(7)]
    enough = looseness * exact
    first = next((bound for bound in steps if bound <= enough), steps[-1])
    assert float(norm_bound_of_gram(gram, 6, enough)) == pytest.approx(first, rel=1e-12)


@examples(40)
@given(
    st.sampled_from([(7, 5), (5, 3, 4), (3, 3, 4, 2), (2, 3, 2, 4)]),
    st.sampled_from([1, 2]),
    st.floats(0.3, 3.0),
    st.integers(0, 1000),
)
def test_a_threshold_only_spares_work(shape, strides, looseness, seed):
    kernel = np.random.default_rng(seed).normal(size=shape)
    bound = bound_of(kernel, "float64", strides=strides)
    threshold = looseness * bound
    spared = bound_of(kernel, "float64", strides=strides, threshold=threshold)
    assert spared >= bound * (1 - 1e-12)
    assert (spared <= threshold) == (bound <= threshold)


def test_multiplicity_halves_the_logarithm_of_the_excess():
    # Half of the singular values are 1: the norms of G_t tend to it from above.
    kernel = orthogonal(64, 64) * np.repeat([1.0, 0.5], 32) @ orthogonal(64, 64, seed=1)
    excess = [np.log(bound_of(kernel, "float64", iterations=t)) for t in range(6)]
    assert excess[5] == pytest.approx(excess[4] / 2, rel=0.05)
    assert 1.0 <= np.exp(excess[5]) <= 1.03


@pytest.mark.parametrize(
    "shape", [(3, 8, 8), (5, 3, 3), (3, 3, 16, 16), (5, 5, 4, 8), (7, 7, 3, 2)]
)
@pytest.mark.parametrize("stride", [1, 2])
def test_tightness_of_the_default(shape, stride):
    kernel = np.random.default_rng(0).normal(size=shape)
    exact = conv_norm_bound(kernel, strides=stride)
    assert exact / 1.0102 <= bound_of(kernel, strides=stride) <= exact * 1.06


def test_rank_deficient_kernel():
    generator = np.random.default_rng(0)
    kernel = generator.normal(size=(3, 3, 8, 1)) * generator.normal(size=8)
    exact = conv_norm_bound(kernel)
    assert exact / 1.0102 <= bound_of(kernel) <= exact * 1.1


@pytest.mark.parametrize("stride", [2, 3])
def test_patches_are_their_matrix(stride):
    kernel = np.random.default_rng(0).normal(size=(stride, 2, 4, 5)).astype("float32")
    matrix = bound_of(kernel.reshape(-1, 5))
    assert bound_of(kernel, strides=(stride, 2)) == pytest.approx(matrix, rel=1e-6)


def test_counterexample_to_the_cycle_of_the_input_size():
    second_difference = np.array([-1.0, 2.0, -1.0])
    kernel = np.multiply.outer(second_difference, second_difference).reshape(3, 3, 1, 1)
    assert 11.657 <= 16.0 <= bound_of(kernel) <= 16.0 * 1.041


@pytest.mark.parametrize("shape", [(5, 4), (3, 2, 2), (3, 3, 2, 2)])
@pytest.mark.parametrize("scale", [1e-36, 1e-30, 1.0, 1e30, 1e36])
def test_scales(shape, scale):
    kernel = np.random.default_rng(0).normal(size=shape)
    assert bound_of(kernel * scale) == pytest.approx(bound_of(kernel) * scale, rel=1e-5)


@pytest.mark.parametrize("shape", [(5, 4), (3, 2, 2), (3, 3, 2, 2)])
@pytest.mark.parametrize("iterations", [0, 4])
def test_zero_kernel_gives_zero(shape, iterations):
    assert bound_of(np.zeros(shape), iterations=iterations) == 0.0


def test_nan_and_overflow_are_not_hidden():
    assert np.isnan(bound_of([[np.nan, 1.0]]))
    assert not np.isfinite(bound_of([[np.inf, 1.0]]))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("shape", [(30, 20), (3, 3, 4, 4)])
def test_half_precision_rounds_upwards(dtype, shape):
    kernel = ops.cast(np.random.default_rng(0).normal(size=shape), dtype)
    result = gram_norm_bound(kernel)
    assert keras.backend.standardize_dtype(result.dtype) == dtype
    exact = bound_of(ops.convert_to_numpy(ops.cast(kernel, "float32")))
    assert exact <= float(ops.cast(result, "float32")) <= exact * (1 + 2.0**-5)


def gradient(kernel, **arguments):
    return pulled_back(lambda kernel: gram_norm_bound(kernel, **arguments), kernel)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("shape", [(5, 4), (3, 2, 2), (3, 3, 2, 3)])
@pytest.mark.parametrize("iterations", [0, 3])
def test_gradient_agrees_with_finite_differences(shape, iterations):
    generator = np.random.default_rng(0)
    kernel, direction = generator.normal(size=shape), generator.normal(size=shape)
    step = 1e-6
    ahead = bound_of(kernel + step * direction, "float64", iterations=iterations)
    behind = bound_of(kernel - step * direction, "float64", iterations=iterations)
    slope = np.sum(gradient(kernel, iterations=iterations) * direction)
    assert slope == pytest.approx((ahead - behind) / (2 * step), rel=1e-5)


@pytest.mark.parametrize("shape", [(5, 4), (3, 3, 2, 2)])
def test_gradient_of_zero_and_sparse_kernels_is_finite(shape):
    kernel = np.zeros(shape, "float32")
    assert np.isfinite(gradient(kernel)).all()
    kernel.flat[0] = 1.0
    assert np.isfinite(gradient(kernel)).all()


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="Keras compiles none of it")
@pytest.mark.parametrize("shape", [(6, 4), (3, 3, 2, 3)])
def test_compiled_agrees_with_eager(shape):
    kernel = np.random.default_rng(0).normal(size=shape).astype("float32")
    for compiled in compilations(gram_norm_bound):
        assert float(compiled(kernel)) == pytest.approx(bound_of(kernel), rel=1e-5)


def compilations(function):
    if keras.backend.backend() == "jax":
        import jax

        return [jax.jit(function)]
    import tensorflow as tf

    return [tf.function(function, jit_compile=jit_compile) for jit_compile in (False, True)]


@pytest.mark.parametrize(
    ("kernel", "arguments", "message"),
    [
        (np.ones(3), {}, "rank"),
        (np.ones((1, 1, 1, 1, 1)), {}, "rank"),
        (np.ones((2, 2)), {"iterations": -1}, "iterations must be"),
        (np.ones((2, 2)), {"iterations": 1.5}, "iterations must be"),
        (np.ones((3, 2, 2)), {"grid_size": 0}, "grid_size must be"),
        (np.ones((3, 2, 2)), {"strides": (1, 1)}, "strides must be"),
    ],
)
def test_bad_arguments_are_refused(kernel, arguments, message):
    with pytest.raises(ValueError, match=f"{message}.*Received"):
        gram_norm_bound(kernel.astype("float32"), **arguments)


def test_integer_kernels_are_not_rounded_to_integers():
    bound = gram_norm_bound(np.array([[1, 1], [1, 0]]))
    assert (1 + np.sqrt(5)) / 2 <= float(bound) * ROUNDING < 1.62
