import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipzoo.spectral import (
    conv_norm_bound,
    convolution_bound,
    dense_norm_bound,
    materialised_operator,
    tap_norm_sum,
)
from tests.convolution_operators import fine_supremum, keras_operator, loop_operator, norm

SECOND_DIFFERENCE = np.array([-1.0, 2.0, -1.0])
COUNTEREXAMPLE = np.multiply.outer(SECOND_DIFFERENCE, SECOND_DIFFERENCE).reshape(3, 3, 1, 1)
ROUNDING = 1 + 1e-11


def both_bounds(kernel, size, **arguments):
    """The bound as it is, and as it would be if the input were too large to write out."""
    yield conv_norm_bound(kernel, size, **arguments)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(materialised_operator, "_LARGEST_SIDE", 0)
        yield conv_norm_bound(kernel, size, **arguments)


@st.composite
def problems(draw, rank=None):
    rank = rank or draw(st.sampled_from([1, 2]))
    top = 9 if rank == 1 else 5
    axes = st.tuples(*[st.integers(1, top)] * rank)
    small = st.tuples(*[st.integers(1, 3)] * rank)
    seed = draw(st.integers(0, 2**20))
    channels = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    shape = (*draw(axes), *channels)
    kernel = np.random.default_rng(seed).normal(size=shape)
    kind = draw(st.sampled_from(["normal", "signs", "sparse", "oscillating"]))
    if kind == "signs":
        kernel = np.sign(kernel)
    elif kind == "sparse":
        kernel *= np.random.default_rng(seed + 1).random(size=(*shape[:-2], 1, 1)) < 0.4
    elif kind == "oscillating":
        checkers = np.indices(shape[:-2]).sum(axis=0) % 2 * 2.0 - 1.0
        kernel = np.abs(kernel) * checkers[..., None, None]
    return kernel, draw(axes), draw(small), draw(small)


def extents(kernel, dilations):
    return [(size - 1) * d + 1 for size, d in zip(kernel.shape[:-2], dilations, strict=True)]


@settings(max_examples=100, deadline=None)
@given(problems(), st.sampled_from(["same", "valid"]), st.booleans())
def test_zero_padding_bounds_the_operator_of_keras(problem, padding, dilate):
    kernel, sizes, strides, dilations = problem
    # Keras refuses strides and dilation together.
    strides, dilations = ((1,) * len(sizes), dilations) if dilate else (strides, (1,) * len(sizes))
    if padding == "valid":
        sizes = tuple(map(max, sizes, extents(kernel, dilations)))
    exact = norm(keras_operator(kernel, sizes, strides, padding, dilations))
    arguments = {"strides": strides, "padding": padding, "dilation_rate": dilations}
    tight, grid = both_bounds(kernel, sizes, **arguments)
    every = conv_norm_bound(kernel, **arguments)
    assert exact <= tight * ROUNDING
    assert tight <= exact * ROUNDING
    assert exact <= grid * ROUNDING
    assert grid <= every * ROUNDING
    assert tight <= every * ROUNDING


@settings(max_examples=100, deadline=None)
@given(problems(), st.tuples(*[st.integers(0, 6)] * 4))
def test_explicit_padding_strides_and_dilation_together(problem, margins):
    kernel, sizes, strides, dilations = problem
    pads = tuple(zip(margins[:2], margins[2:], strict=True))[: len(sizes)]
    spans = extents(kernel, dilations)
    sizes = tuple(max(n, span - sum(pad)) for n, span, pad in zip(sizes, spans, pads, strict=True))
    outputs = [
        (n + sum(p) - e) // s + 1 for n, p, e, s in zip(sizes, pads, spans, strides, strict=True)
    ]
    befores = [before for before, _ in pads]
    exact = norm(loop_operator(kernel, sizes, strides, dilations, befores, outputs))
    arguments = {"strides": strides, "padding": pads, "dilation_rate": dilations}
    tight, grid = both_bounds(kernel, sizes, **arguments)
    every = conv_norm_bound(kernel, **arguments)
    assert exact <= tight * ROUNDING
    assert tight <= exact * ROUNDING
    assert exact <= grid * ROUNDING
    assert grid <= every * ROUNDING


@settings(max_examples=100, deadline=None)
@given(problems(), st.integers(-3, 3))
def test_circular_padding_is_exact_wherever_the_windows_start(problem, offset):
    kernel, cycles, strides, dilations = problem
    sizes = tuple(n * s for n, s in zip(cycles, strides, strict=True))
    befores = [offset] * len(sizes)
    operator = loop_operator(kernel, sizes, strides, dilations, befores, cycles, circular=True)
    exact = norm(operator)
    arguments = {"strides": strides, "padding": "circular", "dilation_rate": dilations}
    bound = conv_norm_bound(kernel, sizes, **arguments)
    every = conv_norm_bound(kernel, **arguments)
    assert exact <= bound * ROUNDING
    assert bound <= every * ROUNDING
    # The rounding error is relative to the taps, not to what is left after they cancel.
    assert bound <= exact + 1e-11 * tap_norm_sum(kernel)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(1, 2),
    st.integers(1, 2),
    st.sampled_from([(3, 2), (2, 2), (1, 3)]),
)
def test_groups(groups, inputs, multiplier, spatial):
    kernel = np.random.default_rng(groups).normal(size=(*spatial, inputs, groups * multiplier))
    sizes, ones = (4, 5), (1, 1)
    before = [(size - 1) // 2 for size in spatial]
    exact = norm(loop_operator(kernel, sizes, ones, ones, before, sizes, groups=groups))
    tight, grid = both_bounds(kernel, sizes, groups=groups)
    assert exact <= tight * ROUNDING
    assert tight <= exact * ROUNDING
    assert exact <= grid * ROUNDING
    assert grid <= conv_norm_bound(kernel, groups=groups) * ROUNDING
    slices = np.split(kernel, groups, axis=-1)
    largest = max(conv_norm_bound(part) for part in slices)
    assert largest / 1.0102 <= conv_norm_bound(kernel, groups=groups) <= largest * 1.0102


def test_counterexample_to_the_cycle_of_the_input_size():
    exact = norm(keras_operator(COUNTEREXAMPLE, (3, 3)))
    assert exact == pytest.approx(11.657, abs=1e-3)
    for bound in both_bounds(COUNTEREXAMPLE, 3):
        assert bound >= exact * (1 - 1e-14)
    assert conv_norm_bound(COUNTEREXAMPLE, 3) <= exact * ROUNDING
    assert conv_norm_bound(COUNTEREXAMPLE, 3, padding="circular") == pytest.approx(9.0, rel=1e-12)
    assert 16.0 <= conv_norm_bound(COUNTEREXAMPLE) <= 16.0 * ROUNDING


@pytest.mark.parametrize("shape", [(3, 4, 5), (7, 2, 2), (3, 3, 6, 4), (5, 5, 2, 3), (4, 2, 3, 3)])
@pytest.mark.parametrize("stride", [1, 2])
def test_bound_for_every_size_is_within_five_percent_of_the_supremum(shape, stride):
    kernel = np.random.default_rng(0).normal(size=shape)
    strides = (stride,) * (len(shape) - 2)
    supremum = fine_supremum(kernel, strides, points=49)
    assert supremum <= conv_norm_bound(kernel, strides=stride) <= 1.0102 * supremum


@pytest.mark.parametrize("padding", ["same", "circular"])
def test_bound_for_every_size_is_approached_from_below(padding):
    kernel = np.random.default_rng(1).normal(size=(3, 2, 2))
    norms = [conv_norm_bound(kernel, n, padding=padding) for n in (4, 8, 16, 32, 64, 200)]
    every = conv_norm_bound(kernel)
    assert max(norms) <= every * ROUNDING
    assert norms[-1] >= every / 1.011


def test_single_taps_are_matrices_without_a_grid_factor():
    tap = np.random.default_rng(0).normal(size=(4, 3))
    kernel = np.zeros((3, 5, 4, 3))
    kernel[2, 1] = tap
    assert conv_norm_bound(kernel) == dense_norm_bound(tap)
    assert conv_norm_bound(kernel, strides=2, dilation_rate=3) == dense_norm_bound(tap)
    assert conv_norm_bound(kernel, 28) == dense_norm_bound(tap)


@pytest.mark.parametrize("padding", ["valid", "circular"])
@pytest.mark.parametrize("input_size", [None, 12])
def test_patches_are_matrices(padding, input_size):
    kernel = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    exact = np.linalg.norm(kernel.reshape(-1, 5), 2)
    bound = conv_norm_bound(kernel, input_size, strides=(2, 3), padding=padding)
    assert exact * (1 - 1e-14) <= bound <= exact * ROUNDING


def test_identity_is_not_charged_for_the_grid():
    kernel = np.zeros((3, 3, 8, 8))
    kernel[1, 1] = np.eye(8)
    assert 1.0 <= conv_norm_bound(kernel) <= 1 + 1e-13
    kernel[0, 0, 0, 0] = 1e-4
    assert conv_norm_bound(kernel) <= 1.0002


def test_orthogonal_shifts_have_norm_one():
    # Each channel is shifted by its own tap: an isometry of every cycle.
    kernel = np.zeros((3, 3, 9, 9))
    for channel in range(9):
        kernel[channel // 3, channel % 3, channel, channel] = 1.0
    assert 1.0 <= conv_norm_bound(kernel, 6, padding="circular") <= 1 + 1e-12
    assert 1.0 <= conv_norm_bound(kernel) <= 1.0102


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e300])
def test_scales(scale):
    kernel = np.random.default_rng(0).normal(size=(3, 3, 2, 2))
    for size in (None, 5, 40):
        expected = conv_norm_bound(kernel, size) * scale
        assert conv_norm_bound(kernel * scale, size) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_other_types(dtype):
    kernel = np.random.default_rng(0).normal(size=(3, 3, 2, 2)).astype(dtype)
    assert conv_norm_bound(kernel) == conv_norm_bound(kernel.astype("float64"))


def test_zero_and_empty_kernels():
    for shape in [(3, 2, 2), (3, 3, 2, 2), (3, 3, 0, 2), (0, 3, 2, 2)]:
        assert conv_norm_bound(np.zeros(shape)) == 0.0
        assert conv_norm_bound(np.zeros(shape), 7, padding="circular") == 0.0


def test_batches_of_frequencies_do_not_change_the_bound(monkeypatch):
    kernel = np.random.default_rng(0).normal(size=(3, 3, 5, 4))
    whole = conv_norm_bound(kernel)
    monkeypatch.setattr(convolution_bound, "_BATCH_BYTES", 1)
    assert conv_norm_bound(kernel) == pytest.approx(whole, rel=1e-13)


@settings(max_examples=40, deadline=None)
@given(problems(), st.integers(0, 2**20))
def test_tap_norm_sum_bounds_every_part_of_the_kernel(problem, seed):
    kernel, sizes, strides, _ = problem
    generator = np.random.default_rng(seed)
    taps_and_channels = generator.random(kernel.shape[:-1]) < 0.5
    part = kernel * taps_and_channels[..., np.newaxis]
    exact = norm(keras_operator(part, sizes, strides))
    assert exact <= tap_norm_sum(kernel) * ROUNDING
    assert conv_norm_bound(part, strides=strides) <= tap_norm_sum(kernel) * ROUNDING


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strides": 0}, "strides must be"),
        ({"strides": (1, 1, 1)}, "strides must be"),
        ({"strides": 1.5}, "strides must be"),
        ({"dilation_rate": 0}, "dilation_rate must be"),
        ({"groups": 0}, "groups must be"),
        ({"groups": 3}, "groups must divide"),
        ({"padding": "reflect"}, "padding must be"),
        ({"padding": "symmetric"}, "padding must be"),
        ({"padding": 1}, "padding must be"),
        ({"padding": (1, -1)}, "padding must be"),
        ({"padding": ((1, 1),)}, "padding must be"),
        ({"padding": (0.5, 1)}, "padding must be"),
        ({"input_size": 0}, "input_size must be"),
        ({"input_size": (5, 5, 5)}, "input_size must be"),
        ({"input_size": 2, "padding": "valid"}, "cover the kernel"),
        ({"input_size": 5, "strides": 2, "padding": "circular"}, "multiple of the strides"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=f"(?s){message}.*Received"):
        conv_norm_bound(np.ones((3, 3, 2, 4)), **arguments)


@pytest.mark.parametrize(
    "kernel", [np.ones((3, 3)), np.ones((3, 3, 3, 2, 2)), np.full((3, 2, 2), np.nan), [[["a"]]]]
)
def test_bad_kernels_are_refused(kernel):
    with pytest.raises(ValueError, match="Received"):
        conv_norm_bound(kernel)
