"""Jacobian norms against materialised products, finite differences and closed forms."""

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo.autodiff.jacobian_products import (
    jacobian_vector_product,
    vector_jacobian_product,
    weight_gradients,
)
from lipzoo.evaluation.jacobians import StateJacobians, jacobian_norms

# On JAX and torch Keras computes products of float64 tensors in float32.
TIGHT = 1e-10 if keras.backend.backend() == "tensorflow" else 1e-5


def chain(sizes, dtype="float64", activation=None, seed=0):
    """A chain of dense layers without biases, and its kernels as float64 arrays."""
    random = np.random.default_rng(seed)
    layers = [
        keras.layers.Dense(
            size, activation=activation, use_bias=False, dtype=dtype, name=f"dense{k}"
        )
        for k, size in enumerate(sizes[1:], start=1)
    ]
    model = keras.Sequential([keras.Input(sizes[:1], dtype=dtype), *layers])
    model.set_weights([random.standard_normal(weight.shape) for weight in model.weights])
    return model, [weight.astype("float64") for weight in model.get_weights()]


def residual(width, depth, seed=0):
    """Blocks `s + tanh(s W + b)` in float64: the model, and the blocks as NumPy functions."""
    random = np.random.default_rng(seed)
    inputs = keras.Input((width,), dtype="float64")
    state = inputs
    for k in range(1, depth + 1):
        branch = keras.layers.Dense(width, activation="tanh", dtype="float64")(state)
        state = keras.layers.Add(dtype="float64", name=f"sum{k}")([state, branch])
    model = keras.Model(inputs, keras.layers.Dense(2, dtype="float64", name="head")(state))
    model.set_weights([random.standard_normal(weight.shape) for weight in model.weights])
    pairs = zip(model.get_weights()[:-2:2], model.get_weights()[1:-2:2], strict=True)
    return model, [lambda s, w=w, b=b: s + np.tanh(s @ w + b) for w, b in pairs]


def composed(functions):
    def run(state):
        for function in functions:
            state = function(state)
        return state

    return run


def difference_norm(function, point):
    """Spectral norm of the Jacobian of a function of one vector, by central differences."""
    step = 1e-6 * np.eye(point.size)
    columns = [
        (function((point.ravel() + e).reshape(point.shape))
         - function((point.ravel() - e).reshape(point.shape))).ravel() / 2e-6
        for e in step
    ]  # fmt: skip
    return np.linalg.norm(np.stack(columns, axis=1), 2)


def test_a_linear_chain_has_the_norms_of_the_products_of_its_kernels():
    model, kernels = chain((7, 5, 9, 4, 6))
    norms = jacobian_norms(model, np.ones((2, 7)))
    assert norms.exact
    assert norms.names == ("dense1", "dense2", "dense3", "dense4")
    for k in range(1, 5):
        forward = np.linalg.norm(np.linalg.multi_dot([np.eye(7), *kernels[:k]]), 2)
        backward = np.linalg.norm(np.linalg.multi_dot([*kernels[k:], np.eye(6), np.eye(6)]), 2)
        np.testing.assert_allclose(norms.forward[k - 1], forward, rtol=TIGHT)
        np.testing.assert_allclose(norms.backward[k - 1], backward, rtol=TIGHT)
    assert np.all(norms.backward[-1] == 1)


def test_a_residual_model_has_the_norms_of_finite_differences():
    model, blocks = residual(width=5, depth=4)
    x = np.random.default_rng(1).standard_normal((3, 5))
    norms = jacobian_norms(model, x)
    assert norms.names == ("sum1", "sum2", "sum3", "sum4")
    for example, point in enumerate(x):
        for k in range(1, 5):
            forward = difference_norm(composed(blocks[:k]), point)
            backward = difference_norm(composed(blocks[k:]), composed(blocks[:k])(point))
            assert norms.forward[k - 1, example] == pytest.approx(forward, rel=1e-5)
            assert norms.backward[k - 1, example] == pytest.approx(backward, rel=1e-5)


def test_a_convolutional_model_has_the_norms_of_finite_differences():
    inputs = keras.Input((5, 5, 2))
    x = keras.layers.Conv2D(3, 3, padding="same", activation="tanh", name="conv")(inputs)
    x = keras.layers.AveragePooling2D(2, name="pool")(x)
    x = keras.layers.Dropout(0.5)(keras.layers.Flatten()(x))
    model = keras.Model(inputs, keras.layers.Dense(3)(x))
    point = np.random.default_rng(2).standard_normal((5, 5, 2))
    norms = jacobian_norms(model, point[None], layers=["pool"])
    conv = model.get_layer("conv")
    kernel, bias = (weight.astype("float64") for weight in conv.get_weights())

    def pooled(image):
        padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
        features = np.tanh(np.einsum("hwcij,ijcf->hwf", windows, kernel) + bias)
        return features[:4, :4].reshape(2, 2, 2, 2, 3).mean(axis=(1, 3))

    assert norms.forward[0, 0] == pytest.approx(difference_norm(pooled, point), rel=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_orthogonal_layers_have_norm_one_everywhere(dtype):
    model, kernels = chain((6,) * 9, dtype=dtype)
    model.set_weights([np.linalg.qr(kernel)[0] for kernel in kernels])
    for method in ("exact", "power_iteration"):
        norms = jacobian_norms(model, np.ones((2, 6)), method=method)
        tolerance = 1e-5 if dtype == "float32" else TIGHT
        np.testing.assert_allclose(norms.forward, 1.0, rtol=tolerance)
        np.testing.assert_allclose(norms.backward, 1.0, rtol=tolerance)


def test_the_norm_of_a_deep_chain_is_followed_below_the_range_of_float32():
    model, _ = chain((2,) * 51, dtype="float32")
    model.set_weights([0.1 * np.eye(2)] * 50)
    norms = jacobian_norms(model, np.ones((1, 2)))
    np.testing.assert_allclose(norms.forward[:, 0], 0.1 ** np.arange(1, 51), rtol=1e-5)
    np.testing.assert_allclose(norms.backward[:, 0], 0.1 ** np.arange(49, -1, -1), rtol=1e-5)


def test_power_iteration_estimates_from_below():
    model, _ = residual(width=6, depth=3)
    x = np.random.default_rng(3).standard_normal((4, 6))
    exact = jacobian_norms(model, x, method="exact")
    gaps = []
    for iterations in (1, 5, 100):
        estimate = jacobian_norms(model, x, method="power_iteration", iterations=iterations)
        assert not estimate.exact
        assert np.all(estimate.forward <= exact.forward * (1 + TIGHT))
        assert np.all(estimate.backward <= exact.backward * (1 + TIGHT))
        gaps.append(max(np.max(1 - estimate.forward / exact.forward),
                        np.max(1 - estimate.backward / exact.backward)))  # fmt: skip
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 1e-3


@pytest.mark.parametrize("method", ["exact", "power_iteration"])
def test_the_result_does_not_depend_on_the_batches(method):
    model, _ = residual(width=3, depth=2)
    x = np.random.default_rng(4).standard_normal((5, 3))
    settings = {"method": method, "iterations": 4, "seed": 5}
    whole = jacobian_norms(model, x, **settings)
    parts = jacobian_norms(model, x, batch_size=7, **settings)
    np.testing.assert_allclose(whole.forward, parts.forward, rtol=TIGHT)
    np.testing.assert_allclose(whole.backward, parts.backward, rtol=TIGHT)


def test_auto_is_exact_for_small_states_and_an_estimate_for_large_ones():
    x = np.ones((1, 4))
    assert jacobian_norms(chain((4, 256), "float32")[0], x, iterations=1).method == "exact"
    large = chain((4, 257), "float32")[0]
    assert jacobian_norms(large, x, iterations=1).method == "power_iteration"


def test_norms_follow_the_weights():
    model, kernels = chain((4, 4, 4))
    jacobians = StateJacobians(model, np.ones((1, 4)))
    before = jacobians.norms()
    model.set_weights([3 * kernel for kernel in kernels])
    after = jacobians.norms()
    np.testing.assert_allclose(after.forward, before.forward * [[3], [9]], rtol=TIGHT)


def test_states_are_the_outputs_that_every_path_crosses():
    inputs = keras.Input((4,))
    shared = keras.layers.Dense(4, name="shared")
    x = shared(shared(inputs))
    left = keras.layers.Dense(4, name="left")(x)
    right = keras.layers.Dense(4, name="right")(keras.layers.ReLU(name="relu")(x))
    x = keras.layers.Concatenate(name="joined")([left, right])
    keras.layers.Dense(2, name="unused")(left)
    inner = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3), keras.layers.ReLU()])
    inner.name = "inner"
    model = keras.Model(inputs, keras.layers.Dense(2, name="head")(inner(x)))
    assert StateJacobians(model, np.ones((1, 4))).names == (
        "shared", "shared#2", "joined", "inner",
    )  # fmt: skip
    chosen = jacobian_norms(model, np.ones((1, 4)), layers=["shared#2", "head"])
    assert chosen.names == ("shared#2", "head")
    with pytest.raises(ValueError, match=r"out of \['shared', .*Received: layers=\['left'\]"):
        jacobian_norms(model, np.ones((1, 4)), layers=["left"])


def test_a_recorded_operation_is_a_state():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.ops.multiply(keras.layers.ReLU()(inputs), 2.0))
    norms = jacobian_norms(model, np.array([[1.0, 2.0, 3.0], [-1.0, -1.0, -1.0]]))
    assert norms.forward[-1].tolist() == [2.0, 0.0]


def test_gradient_flows_do_not_expand():
    layers = [lipzoo.layers.GradientFlowDense(name=f"flow{k}") for k in range(6)]
    model = keras.Sequential([keras.Input((8,)), *layers])
    x = np.random.default_rng(6).standard_normal((4, 8))
    norms = jacobian_norms(model, x)
    assert max(norms.forward.max(), norms.backward.max()) <= 1 + 1e-5


def test_the_gradients_of_a_deep_sigmoid_network_vanish():
    model, kernels = chain((10,) * 13, activation="sigmoid")
    norms = jacobian_norms(model, np.random.default_rng(7).standard_normal((3, 10)))
    bound = np.prod([np.linalg.norm(kernel, 2) / 4 for kernel in kernels[1:]])
    assert np.all(norms.backward[0] <= bound * (1 + TIGHT))
    assert np.all(norms.backward[0] < 0.01)


@pytest.mark.parametrize("method", ["exact", "power_iteration"])
def test_what_overflows_is_infinite(method):
    layers = [keras.layers.Rescaling(1e30), keras.layers.Activation(lambda x: x * x * x)]
    model = keras.Sequential([keras.Input((2,)), *layers])
    norms = jacobian_norms(model, np.ones((1, 2)), method=method)
    np.testing.assert_allclose(norms.forward[:, 0], [1e30, np.inf], rtol=1e-6)
    assert norms.backward[:, 0].tolist() == [np.inf, 1.0]


def test_mixed_precision_is_measured_in_float32():
    layers = [keras.layers.Dense(6, dtype="mixed_bfloat16") for _ in range(3)]
    model = keras.Sequential([keras.Input((6,)), *layers])
    product = np.linalg.multi_dot([k.astype("float64") for k in model.get_weights()[::2]])
    norms = jacobian_norms(model, np.ones((1, 6)))
    assert norms.forward[-1, 0] == pytest.approx(np.linalg.norm(product, 2), rel=0.03)


def test_the_table_says_whether_the_norms_are_exact():
    model, _ = chain((3, 3, 3))
    x = np.ones((2, 3))
    lines = str(jacobian_norms(model, x)).splitlines()
    assert lines[0] == "Norms of Jacobians at 2 examples (exact)"
    assert [line.split()[0] for line in lines[2:]] == ["layer", "dense1", "dense2"]
    assert lines[-1].split()[4:] == ["1", "1", "1"]
    assert "estimate from below" in str(jacobian_norms(model, x, method="power_iteration"))


def test_the_figure_shows_both_norms_on_logarithmic_axes():
    norms = jacobian_norms(chain((3, 3, 3))[0], np.ones((2, 3)))
    panels = norms.plot().axes
    assert [axes.get_yscale() for axes in panels] == ["log", "log"]
    np.testing.assert_allclose(panels[0].lines[0].get_ydata(), np.median(norms.forward, axis=1))
    np.testing.assert_allclose(panels[1].lines[0].get_ydata(), np.median(norms.backward, axis=1))


def test_the_figure_of_a_dead_network_is_drawn_too(tmp_path):
    model, _ = chain((3, 3, 3))
    model.set_weights([np.zeros((3, 3))] * 2)
    jacobian_norms(model, np.ones((1, 3))).plot().savefig(tmp_path / "dead.png")


def test_products_are_those_with_the_jacobian():
    matrix = np.random.default_rng(8).standard_normal((4, 3)).astype("float32")

    def function(x, scale):
        return keras.ops.square(keras.ops.matmul(x, matrix)) * scale

    x = np.random.default_rng(9).standard_normal((5, 4)).astype("float32")
    scale = np.arange(1.0, 6.0, dtype="float32")[:, None]
    jacobians = 2 * scale[:, :, None] * (x @ matrix)[:, :, None] * matrix.T
    u = np.random.default_rng(10).standard_normal((5, 3)).astype("float32")
    pulled = vector_jacobian_product(function)(u, x, scale)
    np.testing.assert_allclose(pulled, np.einsum("bij,bi->bj", jacobians, u), rtol=1e-4, atol=1e-5)
    v = np.random.default_rng(11).standard_normal((5, 4)).astype("float32")
    pushed = jacobian_vector_product(function)(v, x, scale)
    np.testing.assert_allclose(pushed, np.einsum("bij,bj->bi", jacobians, v), rtol=1e-4, atol=1e-5)


def test_gradients_of_weights_use_the_present_values():
    weight, other = keras.Variable([1.0, 2.0]), keras.Variable(1.0)
    unused = keras.Variable([5.0])

    def function(x):
        return other * keras.ops.sum(x * weight * weight)

    gradients = weight_gradients(function, [weight, unused], [other])
    for value in (1.0, 3.0):
        other.assign(value)
        found = gradients(np.array([1.0, -1.0], "float32"))
        assert [gradient.tolist() for gradient in found] == [[2 * value, -4 * value], [0.0]]


X = np.ones((2, 4))


@pytest.mark.parametrize(
    ("x", "settings", "message"),
    [
        (X[:, :3], {}, "shape"),
        (X[:0], {}, "at least one example"),
        (X * np.nan, {}, "finite"),
        (X, {"method": "svd"}, "method"),
        (X, {"iterations": 0}, "iterations"),
        (X, {"batch_size": 0}, "batch_size"),
        (X, {"layers": []}, "layers"),
        (X, {"layers": ["dense2", "dense1"]}, "in order"),
        (X, {"layers": ["dense3"]}, "dense1"),
    ],
)
def test_bad_arguments_are_named(x, settings, message):
    with pytest.raises(ValueError, match=f"(?s)Expected.*{message}.*Received|{message}.*Received"):
        jacobian_norms(chain((4, 4, 4))[0], x, **settings)


class _Subclassed(keras.Model):
    def call(self, inputs):
        return 2 * inputs


def _two_inputs():
    inputs = [keras.Input((4,)), keras.Input((4,))]
    return keras.Model(inputs, keras.layers.Add()(inputs))


def _masked():
    layers = [keras.layers.Masking(), keras.layers.LSTM(3)]
    return keras.Sequential([keras.Input((2, 4)), *layers])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (_Subclassed, "functional or sequential"),
        (_two_inputs, "one input and one output"),
        (_masked, "without masks"),
        (lambda: keras.Sequential([keras.layers.Dense(3)]), "built"),
        (
            lambda: keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="head")]),
            "before its head",
        ),
        (
            lambda: keras.Sequential([keras.Input((4,), dtype="int32"), keras.layers.Dense(2)]),
            "floating point",
        ),
    ],
)
def test_models_that_do_not_fit_are_named(model, message):
    with pytest.raises(ValueError, match=f"(?s)Expected.*{message}.*Received"):
        jacobian_norms(model(), np.ones((1, 2, 4)) if model is _masked else X)


def test_what_is_no_model_is_refused():
    with pytest.raises(TypeError, match=r"Expected a keras.Model.*Received"):
        jacobian_norms(keras.layers.Dense(2), X)
