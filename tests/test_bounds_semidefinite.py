"""Ellipsoids: against matrices, Jacobians, pairs, and a semidefinite recursion written out."""

import warnings

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, ops

import lipzoo
from lipzoo.bounds import lipschitz_bound, register_bound_rule
from lipzoo.bounds.semidefinite import sharpening, verified
from lipzoo.bounds.semidefinite.ellipsoid import Ball, Ellipsoid, summed
from lipzoo.bounds.semidefinite.operators import affine_part
from tests.truths import dense_jacobian, jacobian_norms, materialise, randomise_freely

few = settings(max_examples=30, deadline=None, derandomize=True)

AFFINE = [
    (layers.Dense(4), (3, 5)),
    (lipzoo.layers.SpectralDense(4), (5,)),
    (layers.Conv2D(3, 3, strides=2, padding="same"), (6, 5, 2)),
    (layers.Conv2D(4, (2, 3), dilation_rate=(1, 2), groups=2), (6, 7, 2)),
    (layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"), (4, 5, 3)),
    (layers.Conv1D(3, 3, padding="causal", dilation_rate=2), (6, 2)),
    (layers.AveragePooling1D(3, strides=2, padding="same"), (5, 2)),
    (layers.AveragePooling2D((2, 3)), (5, 6, 2)),
    (layers.GlobalAveragePooling2D(data_format="channels_first"), (2, 3, 4)),
    (layers.BatchNormalization(), (3, 2)),
    (layers.BatchNormalization(axis=1, scale=False), (3, 2)),
    (layers.Normalization(mean=[1.0, 2.0], variance=[4.0, 0.25]), (3, 2)),
    (layers.Normalization(axis=1, mean=[0.0] * 3, variance=[4.0, 0.0, 9.0], invert=True), (3, 2)),
    (layers.Normalization(axis=None, mean=1.0, variance=4.0), (3,)),
    (layers.Permute((2, 1)), (3, 2)),
    (layers.ZeroPadding2D(((1, 0), (2, 1))), (3, 2, 1)),
    (layers.Cropping1D(1), (4, 3)),
    (layers.Flatten(data_format="channels_first"), (2, 3, 2)),
]


@pytest.mark.parametrize(("layer", "shape"), AFFINE, ids=[type(a).__name__ for a, _ in AFFINE])
def test_operators_are_the_matrices_of_the_layers(layer, shape):
    if not layer.built:
        layer.build((None, *shape))
    randomise_freely(layer)
    output_shape = (None, *layer.compute_output_shape((None, *shape))[1:])
    operator = affine_part(layer, (None, *shape), output_shape)
    exact = materialise(layer, shape)
    assert operator.times(np.eye(operator.inputs)) == pytest.approx(exact, abs=1e-5)
    assert operator.gram() == pytest.approx(exact @ exact.T, abs=1e-4)
    assert operator.absolute_norm >= np.linalg.norm(np.abs(exact), 2) * (1 - 1e-5)
    assert operator.summands >= (exact != 0).sum(axis=1).max()


@few
@given(st.integers(0, 10**6), st.integers(1, 30), st.floats(-6, 6))
def test_dominating_diagonals_and_inverses_are_above(seed, side, log_scale):
    random = np.random.default_rng(seed)
    factor = random.normal(size=(side, side + random.integers(-side + 1, 3))) * 10.0**log_scale
    matrix = factor @ factor.T
    matrix = (matrix + matrix.T) / 2
    shape = random.uniform(0.1, 10, size=side)
    above = verified.dominating_diagonal(matrix, shape)
    largest = np.linalg.eigvalsh(matrix)[-1]
    assert np.linalg.eigvalsh(np.diag(above) - matrix)[0] >= -1e-12 * largest
    root = np.sqrt(shape)
    needed = np.linalg.eigvalsh(matrix / np.outer(root, root))[-1]
    assert np.all(above <= needed * shape * (1 + 1e-9) + 1e-9 * largest)

    positive = 2 * np.diag(above) - matrix
    inverse, error = verified.inverse_above(positive, 0.0)
    exact = np.linalg.inv(positive)
    assert np.linalg.norm(inverse - exact, 2) <= error + 1e-15 * np.linalg.norm(exact, 2)
    assert error <= 1e-6 * np.linalg.norm(exact, 2)


def test_what_cannot_be_verified_is_no_bound():
    with pytest.raises(verified.Unverified):
        verified.dominating_diagonal(np.array([[1.0, np.nan], [np.nan, 1.0]]), np.ones(2))
    with pytest.raises(verified.Unverified):
        verified.inverse_above(np.zeros((2, 2)), 0.0)
    with pytest.raises(verified.Unverified):
        verified.inverse_above(np.eye(2), 10.0)


def chain(widths, activation="relu", seed=0, gain=2.0):
    x = keras.Input((widths[0],))
    y = x
    for width in widths[1:-1]:
        y = layers.Dense(width, activation)(y)
    model = keras.Model(x, layers.Dense(widths[-1])(y))
    random = np.random.default_rng(seed)
    for weight in model.trainable_variables:
        scale = (gain / weight.shape[0]) ** 0.5 if len(weight.shape) > 1 else 0.1
        weight.assign(random.normal(size=weight.shape) * scale)
    return model


def by_hand(model, slope=1.0):
    """ECLipsE-Fast in plain floating point: `M <- 2cI - c^2 S`, `S = W M^-1 W^T`, `c = 1/|S|`."""
    kernels = [w.numpy().T.astype("float64") for w in model.trainable_variables if w.ndim == 2]
    inverse = np.eye(kernels[0].shape[1])
    for kernel in kernels[:-1]:
        spread = slope**2 * kernel @ inverse @ kernel.T
        c = 1 / np.linalg.norm(spread, 2)
        inverse = np.linalg.inv(2 * c * np.eye(len(spread)) - c**2 * spread)
    return np.linalg.norm(kernels[-1] @ inverse @ kernels[-1].T, 2) ** 0.5


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="weights as NumPy arrays")
@pytest.mark.parametrize(("activation", "slope"), [("relu", 1.0), ("sigmoid", 0.25)])
@pytest.mark.parametrize("widths", [(6, 8, 3), (5, 30, 30, 30, 4), (20, 10, 10, 10, 10, 10, 2)])
def test_the_bound_is_at_most_that_of_the_closed_form_and_above_jacobians(
    widths, activation, slope
):
    model = chain(widths, activation)
    product, sharp = lipschitz_bound(model), lipschitz_bound(model, "semidefinite")
    closed = by_hand(model, slope)
    assert sharp.value <= closed * (1 + 1e-9) < product.value
    points = np.random.default_rng(1).normal(size=(300, widths[0])).astype("float32")
    assert jacobian_norms(model, points).max() <= sharp.value
    assert sharp.method == "semidefinite"
    for row, before in zip(sharp.layers, product.layers, strict=True):
        assert row.cumulative <= before.cumulative
        assert row.bound == before.bound


@few
@given(
    seed=st.integers(0, 10**6),
    activation=st.sampled_from(["relu", "leaky_relu", "gelu", "tanh", "softplus", "selu", "silu"]),
)
def test_no_pair_moves_further(seed, activation):
    random = np.random.default_rng(seed)
    widths = [int(width) for width in random.integers(1, 8, size=random.integers(3, 6))]
    model = chain(widths, activation, seed, gain=random.uniform(0.1, 30))
    bound = lipschitz_bound(model, "semidefinite")
    x = random.normal(size=(200, widths[0])) * 10.0 ** random.uniform(-2, 2, size=(200, 1))
    step = random.normal(size=x.shape) * 10.0 ** random.uniform(-3, 1, size=(200, 1))
    at, moved = (
        ops.convert_to_numpy(model(points.astype("float32"))).astype("float64")
        for points in (x, x + step)
    )
    sizes = np.linalg.norm((x + step).astype("float32") - x.astype("float32").astype(float), axis=1)
    allowed = bound.value * sizes + 1e-5 * (1 + np.abs(at).max(axis=1))
    assert (np.linalg.norm(moved - at, axis=1) <= allowed).all()


def convolutional():
    return keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            layers.Conv2D(4, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.AveragePooling2D(2),
            layers.Conv2D(4, 3, strides=2, activation="tanh"),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(6, "relu"),
            layers.Dense(3),
        ]
    )


def residual():
    x = keras.Input((6,))
    y = x
    for _ in range(2):
        branch = layers.Dense(6)(layers.Dense(9, "relu")(y))
        y = layers.ReLU()(layers.Add()([y, branch]))
    return keras.Model(x, layers.Dense(3)(y))


def nested():
    inner = keras.Sequential([keras.Input((5,)), layers.Dense(7, "relu"), layers.Dense(4)])
    x = keras.Input((5,))
    return keras.Model(x, layers.Dense(3)(keras.ops.relu(inner(x))))


@pytest.mark.parametrize("build", [convolutional, residual, nested])
def test_convolutions_branches_and_nested_models_gain_too(build):
    model = randomise_freely(build(), scale=0.4)
    product, sharp = lipschitz_bound(model).value, lipschitz_bound(model, "semidefinite").value
    points = np.random.default_rng(0).normal(size=(100, *model.input_shape[1:])).astype("float32")
    assert jacobian_norms(model, points).max() <= sharp < 0.9 * product


def test_what_is_not_affine_is_passed_by_its_own_bound(monkeypatch):
    x = keras.Input((4, 4, 1))
    y = layers.MaxPooling2D(3, 1)(layers.Conv2D(3, 2, activation="relu")(x))
    model = randomise_freely(keras.Model(x, layers.Dense(2)(layers.Flatten()(y))))
    product, sharp = lipschitz_bound(model), lipschitz_bound(model, "semidefinite")
    assert sharp.value <= product.value
    # Nothing but the layers' own bounds is left where every tensor is too large.
    sharpening._last.clear()
    monkeypatch.setattr("lipzoo.bounds.semidefinite.propagation.LARGEST", 1)
    assert lipschitz_bound(model, "semidefinite").value == product.value


def test_moves_that_half_precision_cannot_number_are_no_operator():
    layer = layers.Permute((2, 1), dtype="bfloat16")
    layer.build((None, 20, 20))
    assert affine_part(layer, (None, 20, 20), (None, 20, 20)) is None
    layer.build((None, 5, 5))
    assert affine_part(layer, (None, 5, 5), (None, 5, 5)).entries == 625


def test_a_slope_counts_as_float32_may_round_it():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2), layers.LeakyReLU(1.1)])
    model.layers[0].set_weights([np.eye(2), np.zeros(2)])
    assert lipschitz_bound(model, "semidefinite").value >= float(np.float32(1.1)) > 1.1


def split_and_added():
    """A sum of tensors of different sizes: copies, whose number the bound has to count."""
    x = keras.Input((4,))
    first, last = keras.ops.split(x, [3], axis=1)
    wide = layers.Dense(3, name="wide")(x)
    model = keras.Model(x, [layers.Add()([last, wide]), layers.Dense(2)(first)])
    model.get_layer("wide").set_weights([np.zeros((4, 3)), np.zeros(3)])
    return model


def outer_sum():
    """A row plus a column, of equally many entries."""
    x = keras.Input((4,))
    y = layers.Dense(4, use_bias=False, name="own")(x)
    column, row = layers.Reshape((4, 1))(x), layers.Reshape((1, 4))(y)
    model = keras.Model(x, layers.Subtract()([column, row]))
    model.get_layer("own").set_weights([-np.eye(4)])
    return model


@pytest.mark.parametrize(("build", "norm"), [(split_and_added, 3**0.5), (outer_sum, 4.0)])
def test_sums_that_copy_entries_count_the_copies(build, norm):
    model = build()
    sharp = lipschitz_bound(model, "semidefinite").value
    assert jacobian_norms(model, np.ones((2, 4), "float32")).max() <= sharp * (1 + 1e-6)
    assert norm <= sharp <= lipschitz_bound(model).value


def test_a_rule_that_is_registered_counts_and_is_asked_again():
    class Own(layers.Dense):
        pass

    x = keras.Input((3,))
    model = keras.Model(x, layers.Dense(2)(Own(3)(x)))
    for value in (5.0, 50.0):
        register_bound_rule(Own, lambda layer, shape, value=value: value)
        product = lipschitz_bound(model)
        sharp = lipschitz_bound(model, "semidefinite")
        assert sharp.layers[0].cumulative == value
        assert sharp.value == pytest.approx(product.value, rel=1e-6)


@pytest.mark.parametrize("scale", [0.0, 1e-170, 1e170])
def test_kernels_of_zeros_and_beyond_float64_are_left_to_products(scale):
    model = keras.Sequential(
        [
            keras.Input((3,), dtype="float64"),
            layers.Dense(4, "relu", dtype="float64"),
            layers.Dense(2, dtype="float64"),
        ]
    )
    model.layers[0].set_weights([np.full((3, 4), scale), np.zeros(4)])
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        sharp = lipschitz_bound(model, "semidefinite")
    assert 0 <= sharp.value <= lipschitz_bound(model).value


def test_the_table_ends_in_the_bound_and_names_the_method():
    bound = lipschitz_bound(chain((64, *(64,) * 6, 10)), "semidefinite")
    assert bound.layers[-1].cumulative == bound.value
    assert "(semidefinite)" in str(bound).splitlines()[-1]
    certificate = lipzoo.certify(
        chain((3, 4, 2)), np.zeros((1, 3)), method="semidefinite", decision="min", verbose=0
    )
    assert certificate.decision == "min"
    assert str(certificate).endswith("the least output decides\nthe bound is semidefinite")


def test_steps_that_are_not_verified_fall_back(monkeypatch):
    def fails(*_):
        raise verified.Unverified("said so")

    model = chain((5, 8, 8, 3))
    product = lipschitz_bound(model)
    monkeypatch.setattr("lipzoo.bounds.semidefinite.ellipsoid.inverse_above", fails)
    assert lipschitz_bound(model, "semidefinite").value == pytest.approx(product.value, rel=1e-12)


def test_certificates_have_larger_radii_that_hold():
    model = chain((6, 20, 20, 20, 4))
    x = np.random.default_rng(0).normal(size=(200, 6)).astype("float32")
    plain = lipzoo.certify(model, x, verbose=0)
    sharp = lipzoo.certify(model, x, method="semidefinite", verbose=0)
    assert (sharp.prediction == plain.prediction).all()
    assert np.median(sharp.radius / plain.radius) > 1.5
    assert (sharp.radius >= plain.radius * (1 - 1e-12)).all()
    # The steepest way to the rival: the gradient of the margin.
    margins = [
        lambda points, a=a, b=b: ops.take(model(points), a, 1) - ops.take(model(points), b, 1)
        for a, b in zip(sharp.prediction, sharp.rival, strict=True)
    ]
    gradients = np.array(
        [dense_jacobian(margin, point) for margin, point in zip(margins[:40], x, strict=False)]
    ).reshape(40, -1)
    directions = -gradients / np.linalg.norm(gradients, axis=1, keepdims=True)
    moved = (x[:40] + 0.999 * sharp.radius[:40, None] * directions).astype("float32")
    assert (model.predict(moved, verbose=0).argmax(axis=1) == sharp.prediction[:40]).all()


def test_a_radius_is_reached_where_the_bound_is_the_truth():
    # Both inputs move the features alike, and the head weighs their difference.
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2, "relu"), layers.Dense(2)])
    model.layers[0].set_weights([np.diag([3.0, 1.0]), np.full(2, 9.0)])
    model.layers[1].set_weights([np.array([[0.0, 0.0], [1.0, -1.0]]), np.array([-17.0, 0.0])])
    x = np.array([[0.0, 0.0]], "float32")
    radius = lipzoo.certify(model, x, method="semidefinite", verbose=0).radius[0]
    assert radius == pytest.approx(0.5, rel=1e-4)
    for factor, same in ((0.999, True), (1.001, False)):
        moved = np.array([[0.0, -factor * radius]], "float32")
        assert (model.predict(moved, verbose=0).argmax() == 0) == same


def test_a_pair_has_a_slope_of_its_own():
    # Features that move by up to 3 along the first axis and 1 along the second.
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2, "relu"), layers.Dense(3)])
    model.layers[0].set_weights([np.diag([3.0, 1.0]), np.full(2, 10.0)])
    head = np.array([[0.0, 0.0, 1.0], [1.0, -1.0, 0.0]])
    model.layers[1].set_weights([head, np.array([0.0, 0.0, -1000.0])])
    x = np.array([[0.0, 0.5]], "float32")
    radius = lipzoo.certify(model, x, method="semidefinite", rounding=False, verbose=0).radius[0]
    # The margin 21 of the first two classes has the slope 2 along the second axis.
    assert radius == pytest.approx(10.5, rel=1e-6)
    assert lipzoo.certify(model, x, rounding=False, verbose=0).radius[0] == pytest.approx(3.5)


def test_balls_ellipsoids_and_their_sums():
    ball = Ball.of(2, 2.0)
    assert ball.bound() == 2.0
    assert ball.along(np.eye(2)) == pytest.approx(np.full(2, 2.0))
    assert summed(ball, Ball.of(2, 1.0)).bound() == pytest.approx(3.0)
    ellipsoid = Ellipsoid(2, np.diag([4.0, 1.0]))
    assert summed(ellipsoid, Ball.of(2, 0.0)) is ellipsoid
    assert summed(ellipsoid, ellipsoid).bound() == pytest.approx(4.0)
    assert summed(ellipsoid, ball).bound() == pytest.approx(4.0)
    assert ellipsoid.along(np.eye(2)) == pytest.approx([2.0, 1.0])
    # A decreasing activation knows of sizes only.
    spread = ellipsoid.through_activation(-0.5, 1.0, power=1.0)
    assert spread.matrix() == pytest.approx(ellipsoid.shape)


def test_bad_arguments_are_refused():
    model = chain((3, 4, 2))
    for call in (
        lipschitz_bound,
        lambda m, method: lipzoo.certify(m, np.zeros((1, 3)), method=method),
    ):
        with pytest.raises(ValueError, match=r"product.*semidefinite.*Received: method='sdp'"):
            call(model, method="sdp")
    x = keras.Input((None, 3))
    with pytest.raises(ValueError, match="fixed sizes"):
        lipschitz_bound(keras.Model(x, layers.Dense(2)(x)), "semidefinite")


@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="layers of PyTorch have no description"
)
def test_a_second_call_remembers_and_a_change_is_seen(monkeypatch):
    model = chain((4, 6, 6, 2))
    first = lipschitz_bound(model, "semidefinite")
    walks = []
    found = sharpening._found
    monkeypatch.setattr(sharpening, "_found", lambda *a: walks.append(a) or found(*a))
    assert lipschitz_bound(model, "semidefinite").value == first.value
    assert walks == []
    model.layers[1].kernel.assign(2 * model.layers[1].kernel)
    assert lipschitz_bound(model, "semidefinite").value == pytest.approx(2 * first.value, rel=1e-6)
    model.layers[1].activation = keras.activations.sigmoid
    assert lipschitz_bound(model, "semidefinite").value < first.value
    assert len(walks) == 2


def test_the_loosest_layer_is_named():
    model = keras.Sequential(
        [keras.Input((2,)), layers.Dense(2, name="a"), layers.Dense(2, name="b"), layers.ReLU()]
    )
    model.layers[1].set_weights([np.diag([5.0, 1.0]), np.zeros(2)])
    assert lipschitz_bound(model).loosest().name == "b"


def test_a_tensor_larger_than_a_matrix_is_kept_as_factors(monkeypatch):
    model = keras.Sequential(
        [
            keras.Input((5, 5, 1)),
            layers.Conv2D(6, 2, activation="relu"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    randomise_freely(model)
    written_out = lipschitz_bound(model, "semidefinite").value
    # 96 entries behind the convolution, 25 before it.
    sharpening._last.clear()
    monkeypatch.setattr("lipzoo.bounds.semidefinite.propagation.LARGEST", 50)
    factored = lipschitz_bound(model, "semidefinite")
    points = np.random.default_rng(0).normal(size=(100, 5, 5, 1)).astype("float32")
    assert jacobian_norms(model, points).max() <= factored.value
    # Factors have a multiple of the identity as their diagonal, which is one of three otherwise.
    assert written_out <= factored.value * (1 + 1e-9)
    assert factored.value < 0.9 * lipschitz_bound(model).value
    # As written out with that diagonal alone.
    monkeypatch.undo()
    sharpening._last.clear()
    monkeypatch.setattr("lipzoo.bounds.semidefinite.sharpening.POWERS", (0.0,))
    alone = lipschitz_bound(model, "semidefinite").value
    assert factored.value == pytest.approx(alone, rel=1e-9)
