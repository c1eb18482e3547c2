"""Convex sums and channel factors: their bounds, their rounding, what they refuse."""

import keras
import numpy as np
import pytest
from keras import ops

import lipzoo
from lipzoo.bounds import LayerBound
from lipzoo.constraints import GroupedSpectralBound, MaxModulus
from lipzoo.layers import ChannelScale, ConvexSum
from lipzoo.spectral import conv_norm_bound
from tests.helpers import half_precision
from tests.truths import exact_norm, linear_operator


def draw(*shape, seed=0, scale=1.0):
    return (np.random.default_rng(seed).normal(size=shape) * scale).astype("float32")


def convex_sum(roots, dtype="float32"):
    layer = ConvexSum(dtype=dtype)
    layer.build([(None, 40)] * len(roots))
    layer.roots.assign(roots)
    return layer


@pytest.mark.parametrize("roots", [[1.0, 1.0], [0.3, -2.0, 5.0], [1e-6, 1.0], [1e25, 1e24]])
def test_the_bound_of_a_convex_sum_is_its_norm(roots):
    layer = convex_sum(roots)
    roots = np.array(roots, "float32").astype("float64")
    weights = np.square(roots / np.max(np.abs(roots)))
    weights /= weights.sum()
    shapes = [(None, 40)] * len(roots)
    norm = np.linalg.norm(weights)
    assert norm <= layer.lipschitz_bound(shapes).value <= min(1.0, norm * (1 + 1e-6))
    branches = [LayerBound.exact(float(i + 1), "", 0.5) for i in range(len(roots))]
    mean = np.dot(weights, np.arange(1, len(roots) + 1))
    bound = layer.bound_from(shapes, branches)
    assert mean * (1 - 1e-6) <= bound.value <= mean * (1 + 1e-6)
    assert bound.offset <= 0.5
    ones = layer.bound_from(shapes, [LayerBound.exact(1.0, "")] * len(roots))
    assert ones.value <= 1.0


@pytest.mark.parametrize(
    "dtype",
    ["float32", pytest.param("float16", marks=half_precision), "mixed_bfloat16"],
)
def test_the_rounding_of_a_convex_sum_is_covered(dtype):
    for seed in range(20):
        k = 2 + seed % 3
        layer = convex_sum(draw(k, seed=seed), dtype)
        x = [ops.cast(draw(1, 40, seed=seed + i, scale=3.0), layer.compute_dtype) for i in range(k)]
        roots = ops.convert_to_numpy(ops.cast(layer.roots.value, "float32")).astype("float64")
        weights = roots**2 / np.sum(roots**2)
        exact_x = [ops.convert_to_numpy(ops.cast(part, "float32")).astype("float64") for part in x]
        exact = sum(w * part for w, part in zip(weights, exact_x, strict=True))
        computed = ops.convert_to_numpy(ops.cast(layer(x), "float32"))
        bound = layer.lipschitz_bound([(None, 40)] * k)
        allowed = bound.rounding_slope * np.linalg.norm(np.concatenate(exact_x))
        assert 0 < np.linalg.norm(computed - exact) <= allowed


def test_convex_sums_refuse_what_they_cannot_sum():
    for shapes in ([(None, 3)], [(None, 3), (None, 1)], (None, 3)):
        with pytest.raises(ValueError, match=r"two or more tensors of one shape.*Received"):
            ConvexSum().build(shapes)
    with pytest.raises(ValueError, match=r"not all of them zero. Received"):
        convex_sum([0.0, 0.0]).lipschitz_bound([(None, 40)] * 2)


@pytest.mark.parametrize(("shape", "axis"), [((5,), -1), ((4, 3), 1), ((2, 3, 4), 3)])
def test_channel_factors_have_their_largest_as_bound(shape, axis):
    layer = ChannelScale(axis)
    layer.build((None, *shape))
    channels = (None, *shape)[axis]
    layer.set_weights([draw(channels), draw(channels, seed=1)])
    bound = layer.lipschitz_bound((None, *shape))
    assert bound.value == pytest.approx(exact_norm(layer, shape), rel=1e-6)
    at_zero = np.linalg.norm(ops.convert_to_numpy(layer(np.zeros((1, *shape), "float32"))))
    assert bound.offset == pytest.approx(at_zero, rel=1e-6)
    lipzoo.project(layer)
    assert layer.lipschitz_bound((None, *shape)).value <= 1.0


def test_channel_factors_refuse_bad_arguments():
    with pytest.raises(ValueError, match=r"must be a lipzoo.constraints.MaxModulus. Received"):
        ChannelScale(scale_constraint=keras.constraints.NonNeg())
    for axis, shape in ((0, (None, 3)), (2, (None, 3)), (-1, (None, None))):
        with pytest.raises(ValueError, match=r"known number of channels.*Received"):
            ChannelScale(axis).build(shape)
    with pytest.raises(ValueError, match=r"bound must be a number in.*Received"):
        MaxModulus(0.0)


def grouped(kernel, groups, strides):
    """The norm of every group on a map of 6 or 6 x 6, by SVD, and that of the whole operator."""
    kernel = np.asarray(kernel, "float32")
    parts = np.split(kernel, groups, axis=-1)
    shape = ((6,) * (kernel.ndim - 2)) + (kernel.shape[-2],)

    def norm(part):
        def apply(x):
            return ops.conv(x, part, strides, "same", data_format="channels_last")

        return np.linalg.norm(linear_operator(apply, shape).astype("float64"), 2)

    return np.array([norm(part) for part in parts])


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize(
    ("shape", "groups"), [((3, 3, 2, 6), 2), ((3, 3, 1, 4), 4), ((3, 4, 4), 2), ((2, 1, 6), 3)]
)
def test_every_group_is_brought_within_the_bound(shape, groups, strides):
    kernel = draw(*shape)
    kernel[..., : shape[-1] // groups] *= 1e-3
    projected = ops.convert_to_numpy(GroupedSpectralBound(0.7, groups, strides)(kernel))
    norms = grouped(projected, groups, strides)
    assert np.all(norms[1:] > 0.5)
    assert np.all(norms <= 0.7)
    assert np.array_equal(projected[..., : shape[-1] // groups], kernel[..., : shape[-1] // groups])
    assert conv_norm_bound(projected, strides=strides, groups=groups) <= 0.7
    if shape[-2] == 1:
        depthwise = kernel.reshape(*shape[:-2], groups, -1)
        same = ops.convert_to_numpy(GroupedSpectralBound(0.7, strides=strides)(depthwise))
        assert np.array_equal(same.reshape(shape), projected)


def test_bad_groups_are_refused():
    for kernel in (np.ones((3, 4)), np.ones((3, 2, 5))):
        with pytest.raises(ValueError, match=r"rank 3 and 4, with filters for 2 groups. Received"):
            GroupedSpectralBound(groups=2)(kernel)
    with pytest.raises(ValueError, match=r"groups must be a positive integer. Received"):
        GroupedSpectralBound(groups=0)
