"""SpectralBound in and out of training, against SVDs of the materialised operators."""

import json

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from lipzoo.constraints import METHODS, SpectralBound, project
from lipzoo.spectral import conv_norm_bound
from tests.helpers import COMPILES, compiled, examples
from tests.truths import linear_operator

SHAPES = [(7, 4), (4, 7), (5, 5), (3, 2, 4), (2, 6, 3), (3, 3, 2, 3), (2, 2, 3, 4), (4, 3, 1, 2)]


def operator_norm(kernel, strides=1, size=9):
    """The norm of the convolution with zero padding on a map of the given size, by SVD."""
    kernel = np.asarray(kernel, "float32")
    if kernel.ndim == 2:
        return np.linalg.norm(kernel.astype("float64"), 2)
    shape = (size,) * (kernel.ndim - 2) + (kernel.shape[-2],)
    matrix = linear_operator(
        lambda x: ops.conv(x, kernel, strides, "same", data_format="channels_last"), shape
    )
    return np.linalg.norm(matrix.astype("float64"), 2)


def draw(shape, seed, scale=1.0):
    return (np.random.default_rng(seed).normal(size=shape) * scale).astype("float32")


@examples(60)
@given(
    shape=st.sampled_from(SHAPES),
    method=st.sampled_from(METHODS),
    stride=st.integers(1, 2),
    bound=st.sampled_from([0.3, 1.0, 2.5]),
    scale=st.sampled_from([1e-3, 0.3, 1.0, 30.0]),
    seed=st.integers(0, 2**16),
)
def test_projected_kernel_is_within_the_bound(shape, method, stride, bound, scale, seed):
    kernel = draw(shape, seed, scale)
    constraint = SpectralBound(bound, method=method, strides=stride)
    projected = ops.convert_to_numpy(constraint(kernel))
    assert projected.dtype == np.float32
    assert operator_norm(projected, stride) <= bound * (1 + 1e-6)
    again = ops.convert_to_numpy(constraint(projected))
    assert operator_norm(again, stride) <= bound * (1 + 1e-6)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_kernel_within_the_bound_is_left_alone(method, shape):
    kernel = draw(shape, 0, 1e-3)
    assert np.array_equal(ops.convert_to_numpy(SpectralBound(1.0, method)(kernel)), kernel)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", SHAPES)
def test_zero_kernels_stay_zero(method, shape):
    kernel = np.zeros(shape, "float32")
    assert np.array_equal(ops.convert_to_numpy(SpectralBound(1.0, method)(kernel)), kernel)


def test_orthogonal_raises_the_small_singular_values():
    kernel = draw((40, 20), 1)
    constraint = SpectralBound(1.0, steps=12)
    singular = np.linalg.svd(ops.convert_to_numpy(constraint(kernel)), compute_uv=False)
    assert singular.min() > 0.99
    assert singular.max() <= 1.0
    scaled = ops.convert_to_numpy(SpectralBound(1.0, "scale")(kernel))
    assert np.linalg.svd(scaled, compute_uv=False).min() < 0.5


@pytest.mark.parametrize("shape", [(30, 20), (20, 30), (24, 24)])
@pytest.mark.parametrize("step", [1e-4, 3e-3, 0.1, 10.0])
def test_a_training_step_is_followed_by_one_newton_schulz_step(shape, step):
    # Kernels that a step takes off the orthonormal ones: a little, and far off.
    rows, columns = max(shape), min(shape)
    kernel = np.linalg.qr(draw((rows, columns), 6))[0]
    kernel = (kernel if shape == (rows, columns) else kernel.T) + step * draw(shape, 7)
    left, values, right = np.linalg.svd(kernel, full_matrices=False)
    projected = ops.convert_to_numpy(SpectralBound(1.0)(kernel.astype("float32")))
    if values.max() <= 1.4:
        expected = left * (values * (3 - values**2) / 2) @ right
        np.testing.assert_allclose(projected, expected, atol=5e-5)
    assert 0.8 < np.linalg.norm(projected, 2) <= 1.0


def test_rows_of_orthogonal_kernels_reach_the_bound():
    orthogonal, _ = np.linalg.qr(draw((12, 6), 2))
    projected = ops.convert_to_numpy(SpectralBound(1.0, "rows")(3 * orthogonal))
    assert np.linalg.norm(projected, 2) == pytest.approx(1.0, abs=1e-4)


def test_patch_kernels_are_bounded_as_matrices():
    kernel = draw((2, 2, 3, 12), 3)
    projected = ops.convert_to_numpy(SpectralBound(1.0, strides=2, steps=12)(kernel))
    singular = np.linalg.svd(projected.reshape(12, 12), compute_uv=False)
    # The operator's norm is the matrix's, so nothing is lost to a looser bound.
    assert singular.max() == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(60, 30), (3, 3, 4, 6)])
def test_storage_rounding_is_covered(dtype, shape):
    for seed in range(10):
        kernel = ops.cast(draw(shape, seed), dtype)
        projected = SpectralBound(1.0)(kernel)
        assert keras.backend.standardize_dtype(projected.dtype) == dtype
        values = ops.convert_to_numpy(ops.cast(projected, "float32"))
        assert operator_norm(values) <= 1.0 + 1e-7


@pytest.mark.parametrize(
    ("optimizer", "jit"),
    [
        pytest.param("adam", True, marks=compiled),
        ("momentum", COMPILES),
        ("accumulation", COMPILES),
    ],
)
def test_bound_holds_through_hostile_training(optimizer, jit):
    make = {
        "adam": lambda: keras.optimizers.Adam(0.1),
        "momentum": lambda: keras.optimizers.SGD(1.0, momentum=0.9, nesterov=True),
        "accumulation": lambda: keras.optimizers.Adam(0.1, gradient_accumulation_steps=3),
    }[optimizer]
    bounded = {"kernel_constraint": SpectralBound(1.0)}
    model = keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            keras.layers.Conv2D(4, 3, padding="same", activation="relu", **bounded),
            keras.layers.Conv2D(5, 3, **bounded),
            keras.layers.Flatten(),
            keras.layers.Dense(6, **bounded),
        ]
    )
    model.compile(make(), keras.losses.SparseCategoricalCrossentropy(True), jit_compile=jit)
    # Its step is then traced and compiled once, see `compile_fast`.
    model.optimizer.build(model.trainable_variables)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(800, 8, 8, 2)), rng.integers(0, 6, 800)
    model.fit(x, y, batch_size=16, epochs=2, verbose=0)
    for layer in model.layers:
        if layer.weights:
            assert operator_norm(layer.get_weights()[0]) <= 1.0


@pytest.mark.parametrize("shape", [(77, 76), (300, 200)])
def test_the_float64_bound_of_float64_kernels_is_within_the_constraint(shape):
    from lipzoo.spectral import dense_norm_bound

    kernel = np.random.default_rng(0).normal(size=shape)
    projected = ops.convert_to_numpy(SpectralBound(1.0, "scale")(kernel))
    assert projected.dtype == np.float64
    assert dense_norm_bound(projected) <= 1.0


def test_survives_a_round_trip_through_its_config():
    constraint = SpectralBound(0.7, method="rows", strides=(2, 1), iterations=2, steps=3)
    copy = keras.constraints.deserialize(keras.constraints.serialize(constraint))
    assert copy.get_config() == constraint.get_config()


@pytest.mark.parametrize("strides", [np.int64(2), (np.int64(2), 1)])
def test_strides_may_be_integers_of_numpy(strides):
    config = SpectralBound(strides=strides).get_config()
    assert json.loads(json.dumps(config))["strides"] in (2, [2, 1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bound": 0}, "bound must be.*Received: bound=0"),
        ({"bound": float("inf")}, "bound must be"),
        ({"bound": "1"}, "bound must be"),
        ({"bound": True}, "bound must be"),
        ({"bound": 1e-200}, "bound must be"),
        ({"method": "power"}, "method must be one of"),
        ({"strides": 0}, "strides must be"),
        ({"iterations": -1}, "iterations must be"),
        ({"steps": 0}, "steps must be"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SpectralBound(**arguments)


@pytest.mark.parametrize("shape", [(3,), (1, 1, 1, 2, 2)])
def test_kernels_of_other_ranks_are_refused(shape):
    with pytest.raises(ValueError, match=r"rank 2.*Received: shape="):
        SpectralBound()(np.ones(shape, "float32"))


@examples(40)
@given(
    method=st.sampled_from(METHODS),
    shape=st.sampled_from([(3, 8, 16), (2, 3, 3), (5, 4, 6), (4, 3, 3), (3, 3, 2, 3)]),
    stride=st.integers(1, 2),
    positive=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_what_was_projected_is_certified_for_long_inputs(method, shape, stride, positive, seed):
    kernel = draw(shape, seed)
    kernel = np.abs(kernel) if positive else kernel
    projected = ops.convert_to_numpy(SpectralBound(1.0, method=method, strides=stride)(kernel))
    sizes = None if seed % 2 else (140,) * (len(shape) - 2)
    assert conv_norm_bound(projected, sizes, strides=stride) <= 1.0


def test_project_refuses_what_has_no_weights():
    with pytest.raises(TypeError, match="Received: model=None"):
        project(None)
    with pytest.raises(ValueError, match="built model"):
        project(keras.Sequential([keras.layers.Dense(2)]))


@pytest.mark.parametrize("shape", [(5, 6, 12), (3, 3, 4, 48)])
def test_orthogonal_keeps_the_singular_values_of_overlapping_convolutions_alive(shape):
    # Training that pushes one constant filter up, step after step, must not extinguish the others.
    constraint = SpectralBound(1.0, "orthogonal")
    kernel = ops.convert_to_numpy(constraint(draw(shape, 4)))
    push = np.zeros(shape, "float32")
    push[..., 0] = 0.01
    for _ in range(100):
        kernel = ops.convert_to_numpy(constraint(kernel + push))
    values = np.linalg.svd(kernel.reshape(-1, shape[-1]), compute_uv=False)
    assert values[-1] >= 0.5 * values[0]


@pytest.mark.parametrize("method", ["orthogonal", "scale"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_what_was_projected_stays_as_it_is(method, dtype):
    constraint = SpectralBound(1.0, method)
    kernel = ops.cast(3 * draw((3, 3, 4, 8), 5), dtype)
    once = constraint(kernel)
    assert ops.convert_to_numpy(ops.all(once == constraint(once)))
    assert not ops.convert_to_numpy(ops.all(once == kernel))
