"""Hamiltonian layers against autodiff, closed forms and scipy's integrator."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

import lipzoo
from lipzoo.constraints import SpectralBound
from lipzoo.layers import (
    CanonicalLift,
    CanonicalSpaceToDepth,
    HamiltonianConv1D,
    HamiltonianConv2D,
    HamiltonianDense,
)
from lipzoo.layers.hamiltonian import shear_norm
from tests.helpers import compile_fast, examples
from tests.processes import fresh
from tests.truths import dense_jacobian, randomise


def omega(half):
    """The canonical symplectic matrix in the order (q, p)."""
    zero, one = np.zeros((half, half)), np.eye(half)
    return np.block([[zero, one], [-one, zero]])


def canonical_order(shape):
    """Positions of a flattened tensor of `shape` with all of q first and all of p after it."""
    positions = np.arange(np.prod(shape)).reshape(shape)
    return np.concatenate([half.ravel() for half in np.split(positions, 2, axis=-1)])


def symplectic_defect(jacobian, shape):
    order = canonical_order(shape)
    jacobian = jacobian[np.ix_(order, order)].astype("float64")
    matrix = omega(len(order) // 2)
    return np.abs(jacobian.T @ matrix @ jacobian - matrix).max()


KINDS = {
    "dense": (HamiltonianDense, {"units": 5}, (6,)),
    "conv1d": (HamiltonianConv1D, {"kernel_size": 3}, (5, 4)),
    "conv2d": (HamiltonianConv2D, {"kernel_size": 3}, (3, 4, 2)),
    "patches": (
        HamiltonianConv2D,
        {"kernel_size": 2, "strides": 2, "padding": "circular", "shift": 1},
        (4, 4, 2),
    ),
}


@pytest.mark.usefixtures("float64")
@examples(30)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    method=st.sampled_from(["symplectic_euler", "verlet"]),
    activation=st.sampled_from(["tanh", "relu", "softplus", "sigmoid"]),
    steps=st.integers(1, 3),
    share=st.booleans(),
    time=st.floats(0.1, 3.0),
    seed=st.integers(0, 2**16),
)
def test_jacobians_are_symplectic_and_within_both_bounds(
    kind, method, activation, steps, share, time, seed
):
    cls, arguments, shape = KINDS[kind]
    layer = cls(
        **arguments,
        time=time,
        steps=steps,
        method=method,
        share_weights=share,
        activation=activation,
        dtype="float64",
    )
    layer.build((None, *shape))
    randomise(layer, seed)
    jacobian = dense_jacobian(layer, np.random.default_rng(seed).normal(size=shape))
    norm = np.linalg.norm(jacobian, 2)
    assert symplectic_defect(jacobian, shape) <= 1e-12 * max(1.0, norm**2)
    singular = np.linalg.svd(jacobian, compute_uv=False)
    assert np.allclose(singular * singular[::-1], 1.0, rtol=1e-9)
    bound = layer.lipschitz_bound((None, *shape)).value
    assert layer.jacobian_norm_lower_bound() <= norm * (1 + 1e-12)
    assert norm <= bound * (1 + 1e-12)


@settings(max_examples=50, deadline=None)
@given(m=st.floats(0.0, 1e6))
def test_shear_norm_is_the_closed_form(m):
    exact = np.linalg.svd(np.array([[1.0, m], [0.0, 1.0]]), compute_uv=False)[0]
    assert shear_norm(m) == pytest.approx(exact, rel=1e-9)


def test_bound_is_reached_by_a_linear_scalar_system():
    layer = HamiltonianDense(1, time=0.7, activation="linear", use_bias=False, dtype="float64")
    layer.build((None, 2))
    layer.set_weights([np.ones((1, 1)), np.ones((1, 1))])
    h = 0.7
    matrix = np.array([[1, 0], [-h, 1]]) @ np.array([[1, h], [0, 1]])
    assert np.allclose(dense_jacobian(layer, np.zeros(2)), matrix)
    bound = layer.lipschitz_bound((None, 2)).value
    assert bound == pytest.approx(shear_norm(h) ** 2)
    assert np.linalg.norm(matrix, 2) <= bound


def _pendulum(steps, method, time=1.0):
    layer = HamiltonianDense(
        3,
        time=time,
        steps=steps,
        method=method,
        share_weights=True,
        kernel_constraint=SpectralBound(10.0, method="scale"),
        dtype="float64",
    )
    layer.build((None, 4))
    rng = np.random.default_rng(5)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])
    return layer


@pytest.mark.parametrize(("method", "order"), [("symplectic_euler", 1), ("verlet", 2)])
def test_order_of_convergence_to_the_flow(method, order):
    from scipy.integrate import solve_ivp

    kernel_p, bias_p, kernel_q, bias_q = _pendulum(1, method).get_weights()

    def field(_, state):
        q, p = np.split(state, 2)
        q_rate = kernel_p @ np.tanh(kernel_p.T @ p + bias_p)
        return np.concatenate([q_rate, -kernel_q @ np.tanh(kernel_q.T @ q + bias_q)])

    start = np.random.default_rng(1).normal(size=4)
    end = solve_ivp(field, (0, 1), start, rtol=1e-12, atol=1e-12).y[:, -1]
    errors = [
        np.linalg.norm(ops.convert_to_numpy(_pendulum(n, method)(start[None]))[0] - end)
        for n in (40, 80, 160)
    ]
    rates = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.allclose(rates, order, atol=0.15)


@pytest.mark.parametrize("method", ["symplectic_euler", "verlet"])
def test_energy_stays_near_where_explicit_euler_drifts(method):
    layer = _pendulum(1, method, time=0.02)
    kernel_p, bias_p, kernel_q, bias_q = layer.get_weights()

    def energy(state):
        q, p = np.split(state, 2)
        kinetic = np.log(np.cosh(kernel_p.T @ p + bias_p)).sum()
        return kinetic + np.log(np.cosh(kernel_q.T @ q + bias_q)).sum()

    def explicit(state):
        q, p = np.split(state, 2)
        q_rate = kernel_p @ np.tanh(kernel_p.T @ p + bias_p)
        return state + 0.02 * np.concatenate([q_rate, -kernel_q @ np.tanh(kernel_q.T @ q + bias_q)])

    # A loop in the graph: the layer is traced once, not a hundred times.
    class Hundred(keras.layers.Layer):
        def call(self, state):
            return keras.ops.fori_loop(0, 100, lambda _, before: layer(before), state)

    inputs = keras.Input((4,), dtype=layer.compute_dtype)
    hundred = keras.Model(inputs, Hundred(dtype=layer.dtype_policy)(inputs))
    start = np.random.default_rng(1).normal(size=4)
    symplectic, euler, drifts = start[None], start, []
    for _ in range(100):
        symplectic = hundred.predict_on_batch(symplectic)
        drifts.append(abs(energy(symplectic[0]) - energy(start)))
        for _ in range(100):
            euler = explicit(euler)
    assert max(drifts) < 0.1 * energy(start)
    assert max(drifts[50:]) < 2 * max(drifts[:50])
    assert abs(energy(euler) - energy(start)) > 3 * max(drifts)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("float64", 1e-12)])
def test_inverse_undoes_the_layer(kind, dtype, tolerance):
    cls, arguments, shape = KINDS[kind]
    layer = cls(**arguments, steps=4, method="verlet", dtype=dtype)
    layer.build((None, *shape))
    randomise(layer, 3)
    x = np.random.default_rng(0).normal(size=(5, *shape)).astype(dtype)
    assert np.abs(ops.convert_to_numpy(layer.inverse(layer(x))) - x).max() < tolerance
    assert np.abs(ops.convert_to_numpy(layer(layer.inverse(x))) - x).max() < tolerance


def test_inverse_in_mixed_precision():
    layer = HamiltonianConv2D(time=0.5, dtype="mixed_bfloat16")
    x = np.random.default_rng(0).random((2, 4, 4, 2)).astype("float32")
    returned = ops.convert_to_numpy(ops.cast(layer.inverse(layer(x)), "float32"))
    assert np.abs(returned - x).max() < 0.1


def test_a_model_of_inverses_has_a_bound():
    layer = HamiltonianDense(3, time=2.0, steps=2)
    inputs = keras.Input((4,))
    forward = keras.Model(inputs, layer(inputs))
    backward = keras.Model(inputs, layer.inverse(inputs))
    randomise(layer, 1)
    bound = lipzoo.lipschitz_bound(backward)
    assert bound.value == lipzoo.lipschitz_bound(forward).value
    at_zero = np.linalg.norm(backward.predict(np.zeros((1, 4)), verbose=0))
    assert 0 < at_zero <= bound.output.bound.offset


def test_half_steps_of_verlet_with_shared_weights_are_merged():
    layer = HamiltonianDense(2, time=3.0, steps=3, method="verlet", share_weights=True)
    layer.build((None, 4))
    assert [size for _, _, size in layer._shears()] == [0.5, -1, 1.0, -1, 1.0, -1, 0.5]
    once = HamiltonianDense(2, time=1.0, method="verlet")
    once.build((None, 4))
    once.set_weights(layer.get_weights())
    x = np.random.default_rng(0).normal(size=(2, 4)).astype("float32")
    repeated = once(once(once(x)))
    assert np.allclose(ops.convert_to_numpy(layer(x)), ops.convert_to_numpy(repeated), atol=1e-5)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_rounding_and_offset_hold_against_float64(kind):
    cls, arguments, shape = KINDS[kind]
    rng = np.random.default_rng(0)
    single = cls(**arguments, steps=2, time=2.0)
    double = cls(**arguments, steps=2, time=2.0, dtype="float64")
    for layer in (single, double):
        layer.build((None, *shape))
    randomise(single, seed=4)
    double.set_weights([w.astype("float64") for w in single.get_weights()])
    bound = single.lipschitz_bound((None, *shape))
    for size in (0.01, 1.0, 100.0):
        x = (rng.normal(size=(30, *shape)) * size).astype("float32")
        error = ops.convert_to_numpy(single(x)) - ops.convert_to_numpy(double(x.astype("float64")))
        error = np.linalg.norm(error.reshape(30, -1), axis=1)
        norm = np.linalg.norm(x.reshape(30, -1), axis=1)
        assert np.all(error <= bound.rounding_slope * norm + bound.rounding_offset)
        assert bound.rounding_slope < 1e-3
    at_zero = np.linalg.norm(ops.convert_to_numpy(double(np.zeros((1, *shape)))))
    assert at_zero <= bound.offset


def test_canonical_lift_pairs_the_coordinates_and_keeps_norms_at_least_one():
    x = np.random.default_rng(0).normal(size=(3, 2))
    lifted = ops.convert_to_numpy(CanonicalLift(4)(x))
    assert np.array_equal(lifted[:, [0, 2]], x.astype("float32"))
    assert not lifted[:, [1, 3]].any()
    odd = ops.convert_to_numpy(CanonicalLift(6)(np.ones((1, 3))))
    assert odd.tolist() == [[1, 1, 0, 1, 0, 0]]


@pytest.mark.parametrize("shape", [(4, 2), (4, 6, 6)])
def test_canonical_space_to_depth_is_symplectic(shape):
    layer = CanonicalSpaceToDepth(2)
    x = np.random.default_rng(0).normal(size=shape)
    jacobian = dense_jacobian(layer, x)
    rows = canonical_order(layer.compute_output_shape((None, *shape))[1:])
    columns = canonical_order(shape)
    jacobian = jacobian[np.ix_(rows, columns)]
    matrix = omega(len(rows) // 2)
    assert np.array_equal(jacobian.T @ matrix @ jacobian, matrix)


def test_reload_in_a_fresh_process(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            lipzoo.layers.SpaceToDepth(2),
            CanonicalLift(8),
            HamiltonianConv2D(3, time=0.5, steps=2, method="verlet"),
            CanonicalSpaceToDepth(2),
            HamiltonianConv2D(kernel_size=1, share_weights=True, steps=3, gain=2.0),
            keras.layers.Flatten(),
            HamiltonianDense(3, activation="softplus", use_bias=False),
        ]
    )
    for layer in model.layers:
        randomise(layer, 1)
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 1)).astype("float32")
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", x)
    code = (
        "import sys, numpy as np, keras, lipzoo;"
        "model = keras.saving.load_model(sys.argv[1] + '/model.keras');"
        "np.save(sys.argv[1] + '/y.npy', model.predict(np.load(sys.argv[1] + '/x.npy')));"
        "print(repr(float(lipzoo.lipschitz_bound(model))))"
    )
    printed = fresh(code, tmp_path)
    assert np.array_equal(np.load(tmp_path / "y.npy"), model.predict(x, verbose=0))
    assert float(printed.split()[-1]) == float(lipzoo.lipschitz_bound(model))


def test_training_keeps_the_bound():
    layers = [HamiltonianDense(8, time=0.25, name=f"flow{i}") for i in range(4)]
    model = keras.Sequential([keras.Input((6,)), *layers, keras.layers.Dense(3, name="head")])
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(256, 6)).astype("float32"), rng.integers(0, 3, 256)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    compile_fast(model, keras.optimizers.Adam(0.1), loss)
    model.fit(x, y, epochs=10, batch_size=32, verbose=0)
    for layer in layers:
        for weight in layer.weights:
            if weight.constraint is not None:
                kernel = ops.convert_to_numpy(weight).astype("float64")
                assert np.linalg.svd(kernel, compute_uv=False)[0] <= 1.0
        assert layer.lipschitz_bound((None, 6)).value <= shear_norm(0.25) ** 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "leapfrog"}, "method must be one of.*Received: method='leapfrog'"),
        ({"steps": 0}, "steps must be a positive integer.*Received: steps=0"),
        ({"time": -1.0}, "time must be.*Received: time=-1.0"),
        ({"time": 1e200, "steps": 4}, "finite Lipschitz bound.*smaller time"),
        ({"time": 1e308, "kernel_constraint": SpectralBound(1e3)}, "finite Lipschitz bound"),
        ({"activation": "gelu"}, "non-decreasing.*Received: activation='gelu'"),
        ({"activation": "tahn"}, "Did you mean 'tanh'"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        HamiltonianDense(3, **arguments)


def test_odd_states_and_shapes_that_do_not_split_are_refused():
    with pytest.raises(ValueError, match=r"even size.*Received: input_shape=\(None, 5\)"):
        HamiltonianDense(3).build((None, 5))
    with pytest.raises(ValueError, match=r"even size.*Received"):
        HamiltonianConv2D(3).build((None, 8, 8, 1))
    with pytest.raises(ValueError, match=r"even, for two halves.*channels=3"):
        CanonicalLift(3)
    with pytest.raises(ValueError, match=r"at most 4 channels"):
        CanonicalLift(4).build((None, 5))
    with pytest.raises(ValueError, match=r"even number of channels"):
        CanonicalSpaceToDepth(2).build((None, 4, 4, 3))
    with pytest.raises(ValueError, match=r"not built"):
        HamiltonianDense(3, name="flow").inverse(np.zeros((1, 4)))
    layer = HamiltonianDense(3)
    layer.build((None, 4))
    for wrong in (np.zeros((1, 6)), np.zeros(4)):
        with pytest.raises(ValueError, match="incompatible with the layer"):
            layer.inverse(wrong)
