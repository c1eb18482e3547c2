"""The optimizer on the manifold, beside NumPy's singular values and Keras' own Adam."""

import keras
import numpy as np
import pytest
from keras import ops

import lipzoo
from lipzoo.constraints import SpectralBound
from lipzoo.optimizers import StiefelMuon
from lipzoo.optimizers.newton_schulz import MAX_STEPS, approximate_polar
from lipzoo.optimizers.stiefel_muon import _tangent


def kernel_of(shape, bound=1.0, seed=0, **settings):
    """A variable with orthonormal columns (or rows) and an orthogonal constraint."""
    rows = int(np.prod(shape[:-1]))
    matrix = np.random.default_rng(seed).normal(size=(rows, shape[-1]))
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    value = bound * (left @ right).reshape(shape)
    constraint = SpectralBound(bound, **settings)
    variable = keras.Variable(value.astype("float32"), name="kernel")
    variable.constraint = constraint
    return variable


def after(optimizer, variables, *gradients):
    for gradient in gradients:
        optimizer.apply([ops.convert_to_tensor(g) for g in gradient], variables)
    return [ops.convert_to_numpy(variable) for variable in variables]


def gradient_like(variable, seed=1):
    return np.random.default_rng(seed).normal(size=variable.shape).astype("float32")


def tangent_part(point, update):
    point, update = (ops.convert_to_tensor(array, "float32") for array in (point, update))
    return ops.convert_to_numpy(_tangent(point, update))


@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e25])
def test_singular_values_come_near_one_and_vectors_stay(scale):
    rng = np.random.default_rng(0)
    left, _ = np.linalg.qr(rng.normal(size=(12, 5)))
    right, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    values = np.array([3.0, 1.0, 0.5, 0.2, 0.05])
    matrix = (scale * (left * values) @ right).astype("float32")
    found = ops.convert_to_numpy(approximate_polar(matrix, 5)).astype("float64")
    inner = left.T @ found @ right.T
    assert np.all((np.diag(inner) > 0.6) & (np.diag(inner) < 1.25))
    np.testing.assert_allclose(inner - np.diag(np.diag(inner)), 0, atol=1e-4)
    assert not ops.convert_to_numpy(approximate_polar(np.zeros((3, 2), "float32"), 5)).any()


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_steps_on_the_gram_matrix_are_those_on_the_matrix(steps):
    matrix = np.random.default_rng(1).normal(size=(30, 12))
    iterate = matrix / np.sum(np.linalg.svd(matrix, compute_uv=False) ** 8) ** (1 / 8)
    for _ in range(steps):
        gram = iterate.T @ iterate
        iterate = iterate @ (3.4445 * np.eye(12) - 4.7750 * gram + 2.0315 * gram @ gram)
    found = approximate_polar(matrix.astype("float32"), steps)
    np.testing.assert_allclose(ops.convert_to_numpy(found), iterate, atol=1e-4)


@pytest.mark.parametrize("rank", [1, 8, 40])
def test_gradients_of_low_rank_stay_of_that_size_at_the_most_steps(rank):
    rng = np.random.default_rng(rank)
    matrix = (rng.normal(size=(256, rank)) @ rng.normal(size=(rank, 128))).astype("float32")
    found = ops.convert_to_numpy(approximate_polar(matrix, MAX_STEPS)).astype("float64")
    values = np.linalg.svd(found, compute_uv=False)
    assert np.all((values[:rank] > 0.6) & (values[:rank] < 1.25))
    assert np.all(values[rank:] < 0.1)


def test_the_tangent_part_is_the_orthogonal_projection():
    """Tangent at W is what keeps WᵀT skew; what is taken away is orthogonal to all of that."""
    rng = np.random.default_rng(0)
    point, _ = np.linalg.qr(rng.normal(size=(7, 4)))
    update, other = rng.normal(size=(2, 7, 4))
    tangent = tangent_part(point, update)
    skew = point.T @ tangent
    np.testing.assert_allclose(skew + skew.T, 0, atol=1e-5)
    assert abs(np.sum((update - tangent) * tangent_part(point, other))) < 1e-4


@pytest.mark.parametrize("bound", [1.0, 0.5])
@pytest.mark.parametrize("shape", [(8, 3), (3, 8), (5, 5), (2, 2, 3, 6), (2, 2, 3, 20)])
def test_a_step_stays_on_the_manifold_and_has_the_length_of_the_rate(shape, bound):
    strides = 2 if len(shape) == 4 else 1
    kernel = kernel_of(shape, bound, strides=strides)
    before = ops.convert_to_numpy(kernel).reshape(-1, shape[-1])
    optimizer = StiefelMuon(0.05, momentum=0.0)
    (stepped,) = after(optimizer, [kernel], [gradient_like(kernel)])
    stepped = stepped.reshape(-1, shape[-1]).astype("float64")
    values = np.linalg.svd(stepped, compute_uv=False)
    assert np.all(values <= bound)
    np.testing.assert_allclose(values, bound, rtol=2e-3)
    length = np.linalg.norm(stepped - before, 2)
    assert 0.6 * 0.05 * bound < length < 1.25 * 0.05 * bound


def test_overlapping_convolutions_move_along_their_manifold():
    """Their kernels are a multiple of an orthonormal matrix: what scales it is no direction."""
    kernel = kernel_of((3, 3, 4, 6))
    kernel.assign(kernel.constraint(kernel))
    before = ops.convert_to_numpy(kernel).reshape(36, 6).astype("float64")
    left, values, right = np.linalg.svd(before, full_matrices=True)
    np.testing.assert_allclose(values, values[0], rtol=1e-4)
    assert values[0] < 0.7
    symmetric = np.diag([3.0, 2.0, 1.0, -1.0, -2.0, -3.0])
    gradient = left[:, :6] @ right @ symmetric + 0.5 * left[:, 6:12]
    optimizer = StiefelMuon(0.1, momentum=0.0)
    optimizer.build([kernel])
    optimizer.update_step(gradient.reshape(kernel.shape).astype("float32"), kernel, 0.1)
    moved = ops.convert_to_numpy(kernel).reshape(36, 6) - before
    np.testing.assert_allclose(before.T @ moved, 0, atol=1e-5)
    lengths = np.linalg.svd(moved, compute_uv=False) / (0.1 * values[0])
    assert np.all((lengths > 0.6) & (lengths < 1.25))


def test_the_step_is_that_of_the_formula():
    kernel, gradients = kernel_of((6, 4)), [np.eye(6, 4, dtype="float32")] * 2
    point = ops.convert_to_numpy(kernel).astype("float64")
    momentum = np.zeros((6, 4))
    # Without its constraint, so that nothing is retracted between the steps.
    optimizer = StiefelMuon(0.1, newton_schulz_steps=5)
    optimizer.build([kernel])
    for gradient in gradients:
        optimizer.update_step(gradient, kernel, 0.1)
        momentum = 0.95 * momentum + gradient
        update = gradient + 0.95 * momentum
        orthonormal = point / np.sqrt(np.sum(point**2) / 4)
        product = orthonormal.T @ update
        tangent = update - orthonormal @ (product + product.T) / 2
        left, values, right = np.linalg.svd(tangent, full_matrices=False)
        assert values.min() > 1e-3
        moved = ops.convert_to_numpy(kernel) - point
        aligned = left.T @ moved @ right.T
        np.testing.assert_allclose(aligned - np.diag(np.diag(aligned)), 0, atol=1e-5)
        assert np.all((np.diag(aligned) > -0.125) & (np.diag(aligned) < -0.06))
        point = ops.convert_to_numpy(kernel).astype("float64")


def test_all_else_moves_as_with_adamw():
    kernel = kernel_of((4, 4))
    values = np.random.default_rng(2).normal(size=5).astype("float32")
    ours, theirs = keras.Variable(values), keras.Variable(values)
    gradients = [np.random.default_rng(s).normal(size=5).astype("float32") for s in range(4)]
    optimizer = StiefelMuon(0.05, adam_lr_ratio=0.2, adam_weight_decay=0.1)
    reference = keras.optimizers.AdamW(0.01, weight_decay=0.1)
    for gradient in gradients:
        after(optimizer, [kernel, ours], [gradient_like(kernel), gradient])
        after(reference, [theirs], [gradient])
    expected = ops.convert_to_numpy(theirs)
    np.testing.assert_allclose(ops.convert_to_numpy(ours), expected, rtol=1e-5)


def test_what_is_excluded_from_weight_decay_does_not_decay():
    kernel, bias, scale = kernel_of((4, 4)), keras.Variable([1.0]), keras.Variable([1.0])
    optimizer = StiefelMuon(0.1, adam_lr_ratio=1.0, adam_weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_list=[bias])
    zeros = [np.zeros(v.shape, "float32") for v in (kernel, bias, scale)]
    _, kept, decayed = after(optimizer, [kernel, bias, scale], zeros)
    np.testing.assert_allclose([kept[0], decayed[0]], [1.0, 0.95], rtol=1e-6)


def small_model(dtype=None):
    keras.utils.set_random_seed(0)
    layers = lipzoo.layers
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.GradientFlowDense(3, dtype=dtype),
            layers.GradientFlowDense(6, activation="tanh", train_gain=True, dtype=dtype),
            layers.UnitNormDense(3, dtype=dtype),
        ]
    )


def blobs(count=96):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, count)
    return (3 * np.eye(3, 6)[y] + rng.normal(size=(count, 6))).astype("float32"), y


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"gradient_accumulation_steps": 2, "clipnorm": 1.0},
        {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 3},
    ],
)
def test_training_learns_and_keeps_the_bound(settings):
    model, (x, y) = small_model(), blobs()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rate = keras.optimizers.schedules.CosineDecay(0.1, 24)
    model.compile(StiefelMuon(rate, **settings), loss, metrics=["accuracy"])
    history = model.fit(x, y, batch_size=16, epochs=4, verbose=0).history
    assert history["loss"][-1] < 0.8 * history["loss"][0]
    flows = model.layers[:2]
    assert all(layer.lipschitz_bound((None, 6)).value <= 1.0 for layer in flows)


def test_a_saved_optimizer_goes_on_where_it_was(tmp_path):
    x, y = blobs()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = small_model()
    model.compile(StiefelMuon(0.05, momentum=0.9, nesterov=False, newton_schulz_steps=4), loss)
    model.fit(x, y, batch_size=32, verbose=0, shuffle=False)
    # Where a schedule may end.
    model.optimizer.learning_rate = 0.0
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.optimizer.get_config() == model.optimizer.get_config()
    for one in (model, again):
        one.optimizer.learning_rate = 0.05
        one.fit(x, y, batch_size=32, verbose=0, shuffle=False)
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_half_precision_trains():
    model, (x, y) = small_model("mixed_bfloat16"), blobs()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(StiefelMuon(0.1), loss)
    history = model.fit(x, y, batch_size=16, epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert all(weight.dtype == "float32" for weight in model.weights)


def test_networks_without_orthonormal_kernels_are_refused_before_the_first_step():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    model.compile(StiefelMuon(), "mse")
    with pytest.raises(ValueError, match=r"orthogonal SpectralBound.*Received: 2 variables"):
        model.fit(np.ones((4, 6)), np.ones((4, 3)), verbose=0)
    scaled = kernel_of((3, 3), method="scale")
    with pytest.raises(ValueError, match="Received: 1 variables without one"):
        StiefelMuon().build([scaled])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": -0.1}, "Expected a finite, non-negative `learning_rate`"),
        ({"learning_rate": float("nan")}, "Expected a finite, non-negative `learning_rate`"),
        ({"weight_decay": 0.1}, "by adam_weight_decay. Received: weight_decay=0.1"),
        ({"momentum": None}, "momentum must be from 0 to below 1"),
        ({"momentum": 1.0}, "momentum must be from 0 to below 1"),
        ({"momentum": float("nan")}, "momentum must be from 0 to below 1"),
        ({"newton_schulz_steps": 0}, "newton_schulz_steps must be a positive integer"),
        ({"newton_schulz_steps": 6}, "newton_schulz_steps must be at most 5"),
        ({"adam_lr_ratio": 0.0}, "adam_lr_ratio must be a positive finite number"),
        ({"adam_beta_2": "much"}, "adam_beta_2 must be from 0 to below 1"),
        ({"epsilon": float("inf")}, "epsilon must be a positive finite number"),
    ],
)
def test_arguments_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        StiefelMuon(**settings)
