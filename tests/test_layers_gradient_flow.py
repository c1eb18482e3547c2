"""Gradient-flow layers against autodiff, materialised operators and the closed form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from lipzoo import activations
from lipzoo.constraints import SpectralBound
from lipzoo.layers import (
    GradientFlowConv1D,
    GradientFlowConv2D,
    GradientFlowDense,
    HamiltonianConv2D,
    HamiltonianDense,
)
from lipzoo.operators import ConvolutionGeometry, ConvolutionOperator
from tests.helpers import examples
from tests.truths import dense_jacobian, linear_operator, randomise

MONOTONE = [name for name in activations.known() if activations.get(name).lower >= 0]


@pytest.mark.parametrize("name", MONOTONE)
def test_jacobian_norm_is_at_most_one_for_every_activation(name):
    layer = GradientFlowDense(7, activation=name)
    layer.build((None, 5))
    randomise(layer, seed=1)
    points = np.random.default_rng(2).normal(size=(20, 5)) * 3
    for point in points:
        jacobian = dense_jacobian(layer, point.astype("float32"))
        assert np.linalg.norm(jacobian, 2) <= 1 + 1e-5


def test_relu_flow_with_orthonormal_rows_keeps_gradients_exactly():
    layer = GradientFlowDense(4)
    layer.build((None, 9))
    jacobian = dense_jacobian(layer, np.random.default_rng(0).normal(size=9).astype("float32"))
    assert np.allclose(np.linalg.svd(jacobian, compute_uv=False), 1.0, atol=1e-3)


def test_half_as_many_neurons_turn_half_of_the_space_at_most():
    """Where all neurons are active the Jacobian is a reflection: -1 on their span, 1 elsewhere."""
    layer = GradientFlowDense("half")
    layer.build((None, 8))
    assert layer.kernel.shape == (8, 4)
    layer.bias.assign([100.0] * 4)
    jacobian = dense_jacobian(layer, np.random.default_rng(0).normal(size=8).astype("float32"))
    eigenvalues = np.sort(np.linalg.eigvalsh((jacobian + jacobian.T) / 2))
    np.testing.assert_allclose(eigenvalues, [-1] * 4 + [1] * 4, atol=1e-3)


def test_sorting_pairs_is_a_step_of_half_rank():
    flow = GradientFlowDense("half", use_bias=False)
    flow.build((None, 6))
    flow.kernel.assign(np.kron(np.eye(3), [[1.0], [-1.0]]) / np.sqrt(2))
    x = np.random.default_rng(0).normal(size=(50, 6)).astype("float32")
    pairs = np.sort(x.reshape(50, 3, 2), axis=2).reshape(50, 6)
    np.testing.assert_allclose(ops.convert_to_numpy(flow(x)), pairs, atol=1e-6)


@pytest.mark.parametrize(
    ("layer", "shape", "kernel_shape"),
    [
        (GradientFlowDense("half"), (None, 7), (7, 3)),
        (GradientFlowDense("half"), (None, 1), (1, 1)),
        (GradientFlowConv2D("half", 2, 2, "circular"), (None, 4, 4, 3), (2, 2, 3, 6)),
        (GradientFlowConv1D("half", 3), (None, 4, 6), (3, 6, 3)),
        (HamiltonianDense("half"), (None, 8), (4, 2)),
        (HamiltonianConv2D("half", 3), (None, 4, 4, 8), (3, 3, 4, 2)),
    ],
)
def test_half_is_half_of_the_operators_inputs(layer, shape, kernel_shape):
    layer.build(shape)
    kernels = [weight for weight in layer.weights if "kernel" in weight.name]
    assert {tuple(kernel.shape) for kernel in kernels} == {kernel_shape}
    again = type(layer).from_config(layer.get_config())
    again.build(shape)
    assert [w.shape for w in again.weights] == [w.shape for w in layer.weights]


@pytest.mark.parametrize("units", ["third", 0, 1.5, True, np.array(["half"])])
def test_other_numbers_of_neurons_are_refused(units):
    with pytest.raises(ValueError, match=r"positive integer, None or 'half'\. Received: units="):
        GradientFlowDense(units)
    with pytest.raises(ValueError, match=r"positive integer, None or 'half'\. Received: filters="):
        GradientFlowConv2D(units)


@pytest.mark.parametrize(
    ("time", "activation", "substeps"),
    [(None, "relu", 1), (2.0, "relu", 1), (2.1, "relu", 2), (5.0, "tanh", 3), (8.0, "sigmoid", 1)],
)
def test_substeps_are_the_smallest_number_of_non_expansive_steps(time, activation, substeps):
    layer = GradientFlowDense(3, time=time, activation=activation)
    assert layer.substeps == substeps
    assert layer.step_size * substeps == pytest.approx(layer.time)
    assert layer.step_size * activations.get(activation).upper <= 2


def test_a_looser_bound_takes_more_substeps():
    layer = GradientFlowDense(3, time=2.0, kernel_constraint=SpectralBound(2.0))
    assert layer.substeps == 4


def test_many_substeps_follow_the_differential_equation():
    from scipy.integrate import solve_ivp

    layer = GradientFlowDense(
        4, time=1.0, activation="tanh", kernel_constraint=SpectralBound(20.0, method="scale")
    )
    layer.build((None, 4))
    rng = np.random.default_rng(3)
    kernel, bias = rng.normal(size=(4, 4)) * 0.5, rng.normal(size=4)
    layer.set_weights([kernel.astype("float32"), bias.astype("float32")])
    start = rng.normal(size=4)
    flow = solve_ivp(
        lambda _, x: -kernel @ np.tanh(kernel.T @ x + bias), (0, 1), start, rtol=1e-9, atol=1e-9
    )
    end = ops.convert_to_numpy(layer(start[None].astype("float32")))[0]
    # Explicit Euler is of first order; the layer takes 200 steps.
    assert layer.substeps == 200
    assert np.linalg.norm(end - flow.y[:, -1]) < 0.01 * np.linalg.norm(start - flow.y[:, -1])


@examples(40)
@given(
    rank=st.sampled_from([1, 2]),
    size=st.integers(1, 4),
    stride=st.integers(1, 3),
    unequal=st.booleans(),
    padding=st.sampled_from(["same", "valid", "circular"]),
    shifted=st.booleans(),
    channels=st.integers(1, 3),
    filters=st.integers(1, 4),
    seed=st.integers(0, 2**16),
)
def test_adjoint_and_norm_of_every_convolution(
    rank, size, stride, unequal, padding, shifted, channels, filters, seed
):
    stride = min(stride, size)
    length = 2 * stride * max(1, -(-size // stride)) if padding == "circular" else 5
    shape = (length,) * rank
    geometry = ConvolutionGeometry(
        (size,) * rank,
        (1, stride) if unequal and rank == 2 else (stride,) * rank,
        padding,
        (int(shifted and padding == "circular"),) * rank,
        shape,
    )
    rng = np.random.default_rng(seed)
    kernel = rng.normal(size=(size,) * rank + (channels, filters)).astype("float32")
    operator = ConvolutionOperator(ops.convert_to_tensor(kernel), geometry)
    forward = linear_operator(operator.apply, (*shape, channels))
    spatial = geometry.output_spatial
    adjoint = linear_operator(operator.adjoint, (*spatial, filters))
    assert np.allclose(forward.T, adjoint, atol=1e-5)
    exact = np.linalg.norm(forward.astype("float64"), 2)
    stored = ConvolutionOperator(kernel, geometry)
    partial = stored.summation.partial_norm or stored.norm_bound
    assert exact <= stored.norm_bound * (1 + 1e-6)
    assert stored.norm_bound <= partial * (1 + 1e-9)
    # The matrix is exact, each entry being one of the kernel's: what differs is rounding.
    for apply, matrix, slope in zip(
        (operator.apply, operator.adjoint),
        (forward, forward.T),
        stored.rounding("float32"),
        strict=True,
    ):
        x = rng.normal(size=matrix.shape[1]).astype("float32")
        start = (*shape, channels) if matrix is forward else (*spatial, filters)
        computed = ops.convert_to_numpy(apply(x.reshape(1, *start))).reshape(-1)
        error = computed - matrix.astype("float64") @ x.astype("float64")
        assert np.linalg.norm(error) <= slope * np.linalg.norm(x.astype("float64"))
    rows = rng.integers(0, 2, size=(size,) * rank + (channels, 1))
    masked = ConvolutionOperator(ops.convert_to_tensor(kernel * rows.astype("float32")), geometry)
    masked = linear_operator(masked.apply, (*shape, channels))
    assert np.linalg.norm(masked, 2) <= partial * (1 + 1e-5)


@examples(25)
@given(scale=st.floats(0.1, 4.0), time=st.floats(0.2, 3.0), seed=st.integers(0, 2**16))
def test_bound_holds_for_weights_that_left_the_constraint(scale, time, seed):
    layer = GradientFlowDense(6, time=time, activation="leaky_relu")
    layer.build((None, 5))
    rng = np.random.default_rng(seed)
    kernel = rng.normal(size=(5, 6))
    kernel *= scale / np.linalg.norm(kernel, 2)
    layer.set_weights([kernel.astype("float32"), rng.normal(size=6).astype("float32")])
    bound = layer.lipschitz_bound((None, 5)).value
    kernel, bias = (weight.astype("float64") for weight in layer.get_weights())
    x = rng.normal(size=(20, 5)).astype("float32")
    norms, ends = [], []
    for state in x.astype("float64"):
        jacobian = np.eye(5)
        for _ in range(layer.substeps):
            z = kernel.T @ state + bias
            slopes = np.where(z > 0, 1.0, layer.activation.lower)
            jacobian = jacobian - layer.step_size * kernel @ (slopes[:, None] * kernel.T) @ jacobian
            state = state - layer.step_size * kernel @ (slopes * z)
        norms.append(np.linalg.norm(jacobian, 2))
        ends.append(state)
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), ends, rtol=1e-3, atol=1e-3)
    assert max(norms) <= bound * (1 + 1e-9)
    stretch = layer.step_size * np.linalg.norm(kernel, 2) ** 2 - 1
    assert bound == pytest.approx(max(1.0, stretch) ** layer.substeps, rel=1e-9)
    # One step reaches it where every neuron is active.
    active = np.eye(5) - layer.step_size * kernel @ kernel.T
    assert stretch <= 1 or np.linalg.norm(active, 2) == pytest.approx(stretch, rel=1e-9)


@pytest.mark.parametrize("gain", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("name", MONOTONE)
def test_rounding_of_every_activation(name, gain):
    rng = np.random.default_rng(0)

    def make(dtype):
        layer = GradientFlowDense(8, activation=name, gain=gain, time=1.9, dtype=dtype)
        layer.build((None, 6))
        return layer

    single, double = make("float32"), make("float64")
    for bias in (0.0, 1e-3, 1.0):
        randomise(single, seed=5)
        single.bias.assign(bias * rng.normal(size=8))
        double.set_weights([w.astype("float64") for w in single.get_weights()])
        bound = single.lipschitz_bound((None, 6))
        for size in (1e-9, 1e-6, 1e-3, 1.0, 1e3):
            x = (rng.normal(size=(40, 6)) * size).astype("float32")
            exact = ops.convert_to_numpy(double(x.astype("float64")))
            error = np.linalg.norm(ops.convert_to_numpy(single(x)) - exact, axis=1)
            norm = np.linalg.norm(x, axis=1)
            assert np.all(error <= bound.rounding_slope * norm + bound.rounding_offset)


def test_one_layer_serves_images_of_several_sizes():
    layer = GradientFlowConv2D(3, kernel_size=3, strides=2)
    layer.build((None, 9, 9, 2))
    randomise(layer, seed=1)
    for size in (4, 5, 8):
        x = np.random.default_rng(0).normal(size=(3, size, size, 2)).astype("float32")
        assert layer(x).shape == x.shape
        jacobian = dense_jacobian(layer, x[0])
        assert np.linalg.norm(jacobian, 2) <= 1 + 1e-5


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("activation", ["relu", "tanh", "softplus"])
@pytest.mark.parametrize("padding", ["dense", "same", "circular"])
def test_rounding_and_offset_hold_against_float64(activation, padding):
    rng = np.random.default_rng(0)
    shape = (24,) if padding == "dense" else (6, 6, 3)

    def make(dtype):
        if padding == "dense":
            layer = GradientFlowDense(12, time=5.0, activation=activation, dtype=dtype)
        else:
            layer = GradientFlowConv2D(4, padding=padding, activation=activation, dtype=dtype)
        layer.build((None, *shape))
        return layer

    single, double = make("float32"), make("float64")
    randomise(single, seed=4)
    double.set_weights([w.astype("float64") for w in single.get_weights()])
    bound = single.lipschitz_bound((None, *shape))
    for size in (0.01, 1.0, 100.0):
        x = (rng.normal(size=(30, *shape)) * size).astype("float32")
        error = ops.convert_to_numpy(single(x)) - ops.convert_to_numpy(double(x.astype("float64")))
        error = np.linalg.norm(error.reshape(30, -1), axis=1)
        norm = np.linalg.norm(x.reshape(30, -1), axis=1)
        assert np.all(error <= bound.rounding_slope * norm + bound.rounding_offset)
        # The bound is a worst case, but not an absurd one.
        assert bound.rounding_slope < 1e-3
    at_zero = np.linalg.norm(ops.convert_to_numpy(double(np.zeros((1, *shape)))))
    assert at_zero <= bound.offset


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"activation": "gelu"}, "non-decreasing.*Received: activation='gelu'"),
        ({"activation": "rellu"}, "Did you mean 'relu'.*Received"),
        ({"time": 0.0}, "time must be.*Received: time=0.0"),
        ({"time": float("nan")}, "time must be"),
        ({"gain": -1.0}, "gain must be"),
        ({"time": True}, "time must be"),
        ({"time": 1e300}, "at most 1000 steps"),
        ({"activation": activations.Activation("own", abs, 0.0, 1.0)}, "known slope interval"),
        ({"units": 0}, "units must be"),
        ({"kernel_constraint": "max_norm"}, "SpectralBound"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        GradientFlowDense(**{"units": 3, **arguments})


@pytest.mark.parametrize(
    ("arguments", "shape", "message"),
    [
        ({"strides": 4}, (None, 8, 8, 1), "strides must not exceed"),
        ({"padding": "reflect"}, (None, 8, 8, 1), "padding must be one of"),
        ({"padding": "circular", "kernel_size": 2, "strides": 2}, (None, 7, 7, 1), "multiples"),
        ({"shift": 1}, (None, 8, 8, 1), "cyclic shift needs"),
        ({}, (None, 8, 8), "expects inputs of shape"),
        ({}, (None, None, 8, 1), "spatial shape must be known"),
    ],
)
def test_convolutions_refuse_what_they_cannot_bound(arguments, shape, message):
    with pytest.raises(ValueError, match=message):
        GradientFlowConv2D(2, **arguments).build(shape)
