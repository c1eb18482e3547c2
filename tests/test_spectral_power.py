import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipzoo.spectral import conv_norm_bound, gram_norm_bound, power_iteration
from tests.convolution_operators import keras_operator, loop_operator, norm
from tests.helpers import examples

ROUNDING = 1 + 1e-5


def estimate_of(kernel, *arguments, **options):
    estimate, vector = power_iteration(np.asarray(kernel, "float32"), *arguments, **options)
    return float(estimate), keras.ops.convert_to_numpy(vector)


@examples(25)
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=2),
    st.integers(1, 3),
    st.sampled_from(["same", "valid", "circular", (2, 1)]),
    st.integers(0, 1000),
)
def test_estimate_exact_norm_and_bound_are_in_order(spatial, stride, padding, seed):
    kernel = np.random.default_rng(seed).normal(size=(*spatial, 2, 3)).astype("float32")
    sizes = (2 * stride + (stride if padding == "circular" else 3),) * len(spatial)
    strides, ones = (stride,) * len(spatial), (1,) * len(spatial)
    if padding == "circular":
        outputs = [n // stride for n in sizes]
        befores = [(size - stride) // 2 for size in spatial]
        operator = loop_operator(kernel, sizes, strides, ones, befores, outputs, circular=True)
    else:
        explicit = None if isinstance(padding, str) else [padding] * len(spatial)
        operator = keras_operator(
            kernel.astype("float64"), sizes, strides, padding, explicit=explicit
        )
    exact = norm(operator)
    estimate, vector = estimate_of(
        kernel, sizes, strides=stride, padding=padding, iterations=30, seed=seed
    )
    bound = conv_norm_bound(kernel, sizes, strides=stride, padding=padding)
    assert estimate <= exact * ROUNDING <= bound * ROUNDING**2
    assert estimate >= 0.9 * exact
    # The estimate is what the operator does to the vector.
    assert vector.shape == (1, *sizes, 2)
    assert np.linalg.norm(vector) == pytest.approx(1.0, rel=1e-5)
    assert np.linalg.norm(operator @ vector.ravel()) == pytest.approx(estimate, rel=1e-4)


@pytest.mark.parametrize("strides", [(1, 2), (3, 1), (2, 3)])
def test_strides_may_differ_between_the_axes(strides):
    kernel = np.random.default_rng(0).normal(size=(3, 3, 2, 3)).astype("float32")
    operator = loop_operator(kernel, (6, 6), strides, (1, 1), (0, 0), [6 // s for s in strides])
    pads = [(0, 3 - stride) for stride in strides]
    estimate, _ = estimate_of(kernel, (6, 6), strides=strides, padding=pads, iterations=300)
    assert estimate == pytest.approx(norm(operator), rel=1e-3)


def test_dense_estimate_and_warm_start():
    kernel = np.random.default_rng(0).normal(size=(30, 20))
    exact = np.linalg.norm(kernel, 2)
    cold, vector = estimate_of(kernel, iterations=5)
    warm, _ = estimate_of(kernel, iterations=5, vector=vector)
    at_once, _ = estimate_of(kernel, iterations=10)
    assert cold <= warm <= exact * ROUNDING <= float(gram_norm_bound(kernel)) * ROUNDING
    assert warm == pytest.approx(at_once, rel=1e-5)
    assert estimate_of(kernel, iterations=200)[0] == pytest.approx(exact, rel=1e-5)


def test_estimate_without_iterations_is_still_from_below():
    kernel = np.random.default_rng(0).normal(size=(30, 20))
    assert estimate_of(kernel, iterations=0)[0] <= np.linalg.norm(kernel, 2)


def test_same_seed_same_estimate():
    kernel = np.random.default_rng(0).normal(size=(30, 20))
    first, second, other = (estimate_of(kernel, iterations=1, seed=s)[0] for s in (3, 3, 4))
    assert first == second != other


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_scales(scale):
    kernel = np.random.default_rng(0).normal(size=(3, 3, 2, 2))
    expected = estimate_of(kernel, 5)[0] * scale
    assert estimate_of(kernel * scale, 5)[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shape", [(5, 4), (3, 2, 2), (3, 3, 2, 2)])
def test_zero_kernel_gives_zero_and_a_vector_to_go_on_with(shape):
    estimate, vector = estimate_of(np.zeros(shape), 5)
    assert estimate == 0.0
    assert np.linalg.norm(vector) == pytest.approx(1.0, rel=1e-5)
    assert estimate_of(np.ones(shape), 5, vector=vector)[0] > 0.0


@pytest.mark.parametrize(
    ("shape", "arguments", "message"),
    [
        ((3,), {}, "rank"),
        ((3, 2, 2), {}, "input_size"),
        ((3, 2, 2), {"input_size": 0}, "input_size must be"),
        ((3, 2, 2), {"input_size": 2, "padding": "valid"}, "cover the kernel"),
        ((3, 2, 2), {"input_size": 5, "padding": "reflect"}, "padding must be"),
        ((3, 2, 2), {"input_size": 5, "strides": 0}, "strides must be"),
        ((4, 2), {"iterations": -1}, "iterations must be"),
        ((4, 2), {"vector": np.ones((1, 2), "float32")}, "vector must be of shape"),
    ],
)
def test_bad_arguments_are_refused(shape, arguments, message):
    with pytest.raises(ValueError, match=f"{message}.*Received"):
        power_iteration(np.ones(shape, "float32"), **arguments)
