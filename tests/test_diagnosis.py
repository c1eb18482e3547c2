"""Diagnoses of networks whose trouble is known."""

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo.evaluation.diagnosis import EXPLODING_GROWTH, VANISHING_SENSITIVITY, diagnose

X = np.random.default_rng(0).standard_normal((5, 6))


def signatures(model, **settings):
    return [finding.signature for finding in diagnose(model, X, **settings).findings]


def sequential(layers):
    return keras.Sequential([keras.Input((6,)), *layers])


def euler(step, depth=8):
    """Explicit Euler steps `x - h Aᵀ relu(Ax)` with an orthogonal A, written with plain layers."""
    inputs = keras.Input((6,))
    state = inputs
    for k in range(depth):
        matrix = np.linalg.qr(np.random.default_rng(k).standard_normal((6, 6)))[0]
        into = keras.layers.Dense(6, "relu", use_bias=False)
        back = keras.layers.Dense(6, use_bias=False)
        force = keras.layers.Rescaling(-step)(back(into(state)))
        into.set_weights([matrix])
        back.set_weights([matrix.T])
        state = keras.layers.Add(name=f"step{k + 1}")([state, force])
    return keras.Model(inputs, state)


def test_gradients_vanish_in_a_deep_sigmoid_network():
    model = sequential([keras.layers.Dense(6, "sigmoid", name=f"layer{k}") for k in range(12)])
    diagnosis = diagnose(model, X)
    assert not diagnosis.healthy
    (finding,) = diagnosis.findings
    assert finding.signature == "vanishing gradients"
    low = np.median(diagnosis.norms.backward, axis=1) < VANISHING_SENSITIVITY
    assert finding.layers == tuple(f"layer{k}" for k in range(12) if low[k])
    assert "layer0" in finding.layers
    assert "Hamiltonian" in finding.advice


def test_euler_steps_beyond_the_bound_explode():
    diagnosis = diagnose(euler(step=8.0), X)
    (finding,) = diagnosis.findings
    assert finding.signature == "exploding activations"
    growth = np.median(diagnosis.norms.forward, axis=1)
    grown = growth > EXPLODING_GROWTH * growth[0]
    assert {f"step{k + 1}" for k in range(8) if grown[k]} <= set(finding.layers)
    assert "step1" not in finding.layers
    assert "smaller steps" in finding.advice


@pytest.mark.parametrize("step", [0.5, 2.0])
def test_euler_steps_within_the_bound_are_healthy(step):
    diagnosis = diagnose(euler(step), X)
    assert diagnosis.healthy
    assert diagnosis.findings == ()
    assert str(diagnosis) == "No signature of trouble in 8 layers at 5 examples"


def test_states_that_explode_where_the_jacobian_does_not():
    class Shift(keras.layers.Layer):
        def call(self, inputs):
            return inputs + 1e4

    (finding,) = diagnose(sequential([keras.layers.ReLU(), Shift(name="shift")]), X).findings
    assert finding.layers == ("shift",)
    assert "norm of a state" in finding.evidence
    assert "Jacobian" not in finding.evidence


@pytest.mark.parametrize("method", ["exact", "power_iteration"])
def test_what_overflows_explodes(method):
    model = sequential([keras.layers.Rescaling(1e3, name=f"layer{k}") for k in range(15)])
    diagnosis = diagnose(model, X, method=method)
    finding = diagnosis.findings[0]
    assert finding.signature == "exploding activations"
    assert finding.layers == tuple(f"layer{k}" for k in range(1, 15))
    assert "to inf" in finding.evidence


def flow(bound=1.0, time=None, **settings):
    constraint = lipzoo.SpectralBound(bound)
    return lipzoo.layers.GradientFlowDense(time=time, kernel_constraint=constraint, **settings)


@pytest.mark.parametrize(
    ("bound", "time", "stiff"),
    [
        (1.0, None, False),
        (1.0, 0.001, False),
        (1.0, 17.9, False),
        (1.0, 18.1, True),
        (3.1, 2.0, True),
        (2.9, 2.0, False),
        (14.0, None, False),
        (15.0, None, True),
    ],
)
def test_a_bound_that_makes_steps_tiny_is_stiff(bound, time, stiff):
    model = sequential([flow(bound, time, name="flow")])
    assert signatures(model) == ["stiff convergence"] * stiff


def test_stiff_layers_are_found_in_nested_models_too():
    inner = sequential([flow(1.0, 30.0, name="inner_flow"), flow(name="other")])
    (finding,) = diagnose(sequential([inner]), X).findings
    assert finding.layers == ("inner_flow",)
    assert "'inner_flow' takes 15 steps of 2" in finding.evidence


def test_several_signatures_are_told_apart():
    layers = [keras.layers.Dense(6, "sigmoid") for _ in range(12)]
    diagnosis = diagnose(sequential([flow(1.0, 30.0), *layers]), X)
    found = [finding.signature for finding in diagnosis.findings]
    assert found == ["vanishing gradients", "stiff convergence"]
    text = str(diagnosis)
    assert all(
        finding.evidence in text and finding.advice in text for finding in diagnosis.findings
    )


def test_a_fresh_gradient_flow_network_is_healthy():
    model = lipzoo.GradFlowNet((6,), 3, features=8, dense_depth=12)
    assert diagnose(model, X).healthy


def test_settings_reach_the_norms():
    diagnosis = diagnose(euler(1.0), X, layers=["step1", "step8"], method="power_iteration")
    assert diagnosis.norms.names == ("step1", "step8")
    assert diagnosis.norms.method == "power_iteration"


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"shape.*Received"):
        diagnose(euler(1.0), X[:, :3])


def test_the_first_layer_is_judged_too():
    strong = lipzoo.layers.HamiltonianDense(
        3, steps=32, time=400.0, kernel_constraint=lipzoo.SpectralBound(2.0)
    )
    assert signatures(sequential([strong])) == ["exploding activations"]
    weak = keras.layers.Dense(6, use_bias=False)
    model = sequential([weak, keras.layers.ReLU()])
    weak.set_weights([1e-4 * np.eye(6)])
    assert signatures(model) == ["vanishing gradients"]
    assert signatures(sequential([keras.layers.Rescaling(1 / 255)])) == []


def test_weights_that_are_no_numbers_are_refused():
    model = sequential([keras.layers.Dense(6, name="broken")])
    model.set_weights([np.full((6, 6), np.nan), np.zeros(6)])
    with pytest.raises(ValueError, match=r"finite weights.*broken/kernel"):
        diagnose(model, X)
