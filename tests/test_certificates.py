"""Radii against closed forms, attacks and counterexamples; accuracies against each other."""

import builtins

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from lipzoo.bounds import LayerBound, UncertifiedLayerError, lipschitz_bound
from lipzoo.certificates import certify
from lipzoo.layers import GradientFlowDense, SpectralDense, UnitNormDense
from lipzoo_catalogue.certified.radii import count_above
from tests.derivatives import pulled_back
from tests.truths import randomise_freely

layers = keras.layers


def linear_classifier(kernel, bias, dtype="float32", scale=None):
    """A model with logits `W^T x + b`, behind a rescaling if there is one."""
    model = keras.Sequential([keras.Input((len(kernel),), dtype=dtype)])
    if scale is not None:
        model.add(layers.Rescaling(scale, dtype=dtype))
    model.add(layers.Dense(len(bias), dtype=dtype))
    model.layers[-1].set_weights([np.asarray(kernel), np.asarray(bias)])
    return model


def examples(count, *shape, seed=0):
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype("float32")


def network(head=None):
    """A small classifier with weights of moderate size."""
    inputs = keras.Input((6,))
    x = layers.Dense(12, activation="relu")(inputs)
    x = layers.Concatenate()([x, layers.Dense(5, activation="tanh")(x)])
    x = layers.Dense(4)(x) if head is None else head(x)
    return randomise_freely(keras.Model(inputs, x), scale=0.4)


@pytest.fixture
def double_precision(float64):
    """Keras rounds NumPy inputs to its float type, whatever the model's is."""
    keras.config.set_floatx("float64")


@pytest.mark.usefixtures("double_precision")
def test_linear_classifiers_have_the_distance_to_the_decision_boundary_as_radius():
    generator = np.random.default_rng(0)
    kernel, bias = generator.normal(size=(5, 4)), generator.normal(size=4)
    model = linear_classifier(kernel, bias, dtype="float64")
    x = generator.normal(size=(100, 5))
    certificate = certify(model, x, verbose=0)
    logits = x @ kernel + bias
    y = logits.argmax(axis=1)
    distances = [
        min(
            (logits[i, y[i]] - logits[i, j]) / np.linalg.norm(kernel[:, y[i]] - kernel[:, j])
            for j in range(4)
            if j != y[i]
        )
        for i in range(100)
    ]
    assert np.array_equal(certificate.prediction, y)
    np.testing.assert_allclose(certificate.radius, distances, rtol=1e-9)
    assert np.all(certificate.radius <= distances)


@pytest.mark.parametrize("scale", [1 / 255, 4.0])
def test_radii_are_in_the_units_of_the_input(scale):
    generator = np.random.default_rng(1)
    kernel, bias = generator.normal(size=(5, 3)), generator.normal(size=3)
    x = generator.normal(size=(20, 5))
    plain = certify(linear_classifier(kernel, bias), x, verbose=0, rounding=False)
    scaled = certify(
        linear_classifier(kernel, bias, scale=scale), x / scale, verbose=0, rounding=False
    )
    np.testing.assert_allclose(scaled.radius, plain.radius / scale, rtol=2e-4)


def test_the_pairs_of_a_head_tighten_the_general_formula():
    model = network()
    x = examples(50, 6)
    pairs = certify(model, x, verbose=0, rounding=False)
    inputs = keras.Input((6,))
    hidden = keras.Model(inputs, layers.Activation("leaky_relu")(model(inputs) + 1000.0))
    general = certify(hidden, x, verbose=0, rounding=False)
    assert pairs.bound.head is not None
    assert general.bound.head is None
    logits = np.sort(convert_to_numpy(hidden(x)).astype("float64"), axis=1)
    expected = (logits[:, -1] - logits[:, -2]) / (np.sqrt(2) * float(lipschitz_bound(hidden)))
    np.testing.assert_allclose(general.radius, expected, rtol=1e-6)
    assert np.all(general.radius <= pairs.radius * (1 + 1e-4) + 1e-4)


@pytest.mark.parametrize("head", [SpectralDense, UnitNormDense])
def test_heads_of_lipzoo_are_recognised(head):
    model = keras.Sequential(
        [keras.Input((6,)), GradientFlowDense(8), head(3), layers.Dropout(0.5)]
    )
    x = examples(20, 6)
    certificate = certify(model, x, verbose=0, rounding=False)
    kernel = convert_to_numpy(model.layers[1].kernel).astype("float64")
    np.testing.assert_allclose(certificate.logits, convert_to_numpy(model(x)), atol=1e-5)
    logits = certificate.logits.astype("float64")
    y = logits.argmax(axis=1)
    features = certificate.bound.head.features.bound.value
    distances = np.linalg.norm(kernel[:, :, None] - kernel[:, None, :], axis=0)
    gaps = logits[np.arange(20), y][:, None] - logits
    with np.errstate(invalid="ignore"):
        radii = gaps / (features * distances[y])
    radii[np.arange(20), y] = np.inf
    np.testing.assert_allclose(certificate.radius, radii.min(axis=1), rtol=1e-9)


def attack(model, x, labels, radius, steps=40):
    """Follows the gradient of the smallest margin on the sphere of each example's radius."""
    others = keras.ops.convert_to_tensor(1 - np.eye(model.output_shape[-1])[labels], x.dtype)

    def margin(point):
        logits = model(point)
        other = keras.ops.max(logits - 1e9 * (1 - others), axis=1)
        return keras.ops.sum(logits * (1 - others), axis=1) - other

    delta, radius = np.zeros_like(x), radius[:, None]
    for _ in range(steps):
        gradient = pulled_back(margin, x + delta)
        delta -= 0.2 * radius * gradient / (norms(gradient) + 1e-30)
        delta *= np.minimum(1.0, radius / (norms(delta) + 1e-30))
    return x + delta


def norms(rows):
    return np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("rounding", [True, False])
def test_attacks_within_the_radius_do_not_change_the_prediction(rounding):
    model = network()
    x = examples(200, 6)
    certificate = certify(model, x, verbose=0, rounding=rounding)
    attacked = attack(model, x, certificate.prediction, 0.999 * certificate.radius)
    moved = np.linalg.norm(attacked - x, axis=1)
    assert np.all(moved <= certificate.radius)
    assert np.array_equal(convert_to_numpy(model(attacked)).argmax(axis=1), certificate.prediction)
    far = attack(model, x, certificate.prediction, 30 * certificate.radius + 0.1)
    assert np.mean(convert_to_numpy(model(far)).argmax(axis=1) != certificate.prediction) > 0.5


def test_certified_accuracy_is_below_accuracy_under_attack_below_clean_accuracy():
    model = network()
    x = examples(300, 6)
    y = np.where(
        np.random.default_rng(0).random(300) < 0.8,
        convert_to_numpy(model(x)).argmax(1),
        0,
    )
    certificate = certify(model, x, y, verbose=0)
    for epsilon in (0.01, 0.05, 0.2):
        attacked = attack(model, x, y, np.full(300, epsilon))
        tries = [convert_to_numpy(model(z)).argmax(axis=1) == y for z in (x, attacked)]
        robust = np.mean(np.all(tries, axis=0))
        assert certificate.certified_accuracy(epsilon) <= robust <= certificate.accuracy
    assert certificate.certified_accuracy(0.01) > 0


@pytest.mark.usefixtures("float64")
def test_rounding_takes_a_little_away_and_double_precision_almost_nothing():
    single = network()
    double = keras.models.clone_model(
        single,
        clone_function=lambda layer: type(layer).from_config(
            {**layer.get_config(), "dtype": "float64"}
        ),
    )
    double.set_weights(single.get_weights())
    x = examples(50, 6)
    exact = certify(single, x, verbose=0, rounding=False).radius
    rounded = certify(single, x, verbose=0).radius
    assert np.all(rounded <= exact)
    assert 0 < np.mean(exact - rounded) < 1e-4
    keras.config.set_floatx("float64")
    precise = certify(double, x, verbose=0).radius
    keras.config.set_floatx("float32")
    assert np.abs(precise - exact).max() < 1e-6
    big = certify(single, 1e6 * x, verbose=0)
    assert np.mean(big.radius) < np.mean(certify(single, 1e6 * x, verbose=0, rounding=False).radius)


def test_a_margin_within_the_rounding_error_certifies_nothing():
    kernel = [[1.0, 1.0], [1.0, -1.0]]
    model = linear_classifier(kernel, [0.0, 0.0])
    x = np.array([[1e3, 2e-4]])
    assert certify(model, x, verbose=0).radius[0] == 0
    assert certify(model, x, verbose=0, rounding=False).radius[0] > 0


def test_half_precision_with_long_sums_certifies_nothing():
    policy = keras.mixed_precision.DTypePolicy("mixed_float16")
    model = keras.Sequential([keras.Input((2048,)), layers.Dense(2, dtype=policy)])
    with pytest.warns(UserWarning, match="No radius .* computes in float16"):
        certificate = certify(model, examples(3, 2048), verbose=0)
    assert np.array_equal(certificate.radius, np.zeros(3))


def test_ties_have_radius_zero_and_equal_columns_never_divide_by_zero():
    tied = linear_classifier([[1.0, 1.0]], [0.0, 0.0])
    ahead = linear_classifier([[1.0, 1.0]], [1.0, 0.0])
    x = np.array([[2.0], [-3.0]])
    assert np.array_equal(certify(tied, x, verbose=0, rounding=False).radius, [0, 0])
    assert np.array_equal(certify(ahead, x, verbose=0, rounding=False).radius, [np.inf, np.inf])
    rounded = certify(ahead, x, verbose=0)
    # As far as the rounding of any x' is bounded: up to as large as x, and 1.
    assert (rounded.radius >= 1 + np.abs(x[:, 0])).all()
    assert np.allclose(rounded.radius, 1 + np.abs(x[:, 0]), rtol=1e-14)
    assert np.array_equal(rounded.prediction, [0, 0])
    assert np.array_equal(certify(tied, x, verbose=0).radius, [0, 0])
    assert str(certify(ahead, x, verbose=0, rounding=False))


@pytest.mark.usefixtures("double_precision")
def test_a_single_output_is_classified_by_its_sign():
    model = linear_classifier([[3.0], [4.0]], [1.0], dtype="float64")
    x = np.array([[1.0, 0.0], [-1.0, 0.0], [-1 / 3, 0.0]])
    certificate = certify(model, x, y=[1, 0, 1], verbose=0)
    assert certificate.prediction[:2].tolist() == [1, 0]
    np.testing.assert_allclose(certificate.radius, [4 / 5, 2 / 5, 0], atol=1e-12)
    assert certificate.accuracy >= 2 / 3


SOFTMAX = [
    lambda x: layers.Dense(3, activation="softmax")(x),
    lambda x: layers.Softmax()(layers.Dense(3)(x)),
    lambda x: layers.Activation("softmax")(layers.Dense(3)(x)),
    lambda x: keras.ops.softmax(layers.Dense(3)(x)),
    lambda x: keras.ops.log_softmax(layers.Dense(3)(x)),
    lambda x: layers.Dropout(0.1)(layers.Dense(3, activation="log_softmax")(x)),
    lambda x: keras.Sequential([layers.Dense(3), layers.Softmax()])(x),
    lambda x: layers.Dense(1, activation="sigmoid")(x),
]


@pytest.mark.parametrize("make", SOFTMAX)
def test_models_that_end_in_softmax_are_refused_with_advice(make):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, make(inputs))
    with pytest.raises(ValueError, match=r"Drop the (log_?)?(softmax|sigmoid) at its end"):
        certify(model, examples(2, 4), verbose=0)


def test_softmax_inside_a_model_is_no_obstacle_without_rounding():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layers.Dense(3)(layers.Softmax(name="gate")(inputs)))
    with pytest.raises(ValueError, match=r"'gate' is not known.*rounding=False"):
        certify(model, examples(2, 4), verbose=0)
    certificate = certify(model, examples(2, 4), verbose=0, rounding=False)
    assert np.all(certificate.radius > 0)


def test_unknown_image_sizes_need_exact_arithmetic():
    inputs = keras.Input((None, None, 1))
    x = layers.GlobalMaxPooling2D()(layers.Conv2D(4, 3, bias_initializer="ones")(inputs))
    model = keras.Model(inputs, layers.Dense(3)(x))
    x = examples(2, 8, 8, 1)
    with pytest.raises(ValueError, match="fixed input shape"):
        certify(model, x, verbose=0)
    assert np.all(certify(model, x, verbose=0, rounding=False).radius > 0)


def test_several_inputs_are_measured_together():
    a, b = keras.Input((2,), name="a"), keras.Input((3,), name="b")
    model = keras.Model([a, b], layers.Dense(3)(layers.Concatenate()([a, b])))
    kernel = model.layers[-1].get_weights()[0]
    flat = linear_classifier(kernel, np.zeros(3))
    x = examples(10, 5)
    expected = certify(flat, x, verbose=0, rounding=False).radius
    for inputs in ([x[:, :2], x[:, 2:]], {"a": x[:, :2], "b": x[:, 2:]}):
        radius = certify(model, inputs, verbose=0, rounding=False).radius
        np.testing.assert_allclose(radius, expected, rtol=1e-4)


def test_the_bound_is_derived_anew():
    model = linear_classifier(np.eye(2), np.zeros(2))
    x = np.array([[3.0, 1.0]])
    before = certify(model, x, verbose=0).radius[0]
    model.set_weights([10 * np.eye(2), np.array([0.0, 15.0])])
    after = certify(model, x, verbose=0).radius[0]
    assert before == pytest.approx(2 / np.sqrt(2), rel=1e-5)
    assert after == pytest.approx((30 - 25) / (10 * np.sqrt(2)), rel=1e-5)


class Stretch(layers.Layer):
    """Multiplies by an attribute."""

    factor = 1.0

    def call(self, inputs):
        return self.factor * inputs

    def lipschitz_bound(self, input_shape):
        return LayerBound(abs(self.factor), "factor", 0.0, 2.0**-23 * abs(self.factor), 0.0)


def test_changed_layers_are_certified_as_they_are():
    inputs = keras.Input((2,))
    stretch, dense = Stretch(), layers.Dense(2, activation="relu", use_bias=False)
    model = keras.Sequential([inputs, stretch, dense, layers.Dense(2, use_bias=False)])
    model.set_weights([np.eye(2), np.eye(2)])
    x = np.array([[3.0, -1.0]])

    def radius():
        model.compile()
        return float(certify(model, x, verbose=0).radius[0])

    assert radius() == pytest.approx(3 / np.sqrt(2), rel=1e-4)
    dense.activation = keras.activations.linear
    assert radius() == pytest.approx(4 / np.sqrt(2), rel=1e-4)
    stretch.factor = -2.0
    assert np.array_equal(certify(model, x, verbose=0).prediction, [1])
    model.add(layers.Dense(2, use_bias=False))
    model.layers[-1].set_weights([np.array([[0.0, 1.0], [1.0, 0.0]])])
    assert np.array_equal(certify(model, x, verbose=0).prediction, [0])


def test_the_head_is_found_before_what_changes_nothing():
    inputs = keras.Input((4,))
    x = layers.Dense(8, activation="relu", bias_initializer="ones")(inputs)
    logits = layers.Dense(3, name="logits")(x)
    plain = keras.Model(inputs, logits)
    longer = keras.Model(inputs, layers.Identity()(layers.Dropout(0.5)(logits)))
    x = examples(20, 4)
    radii = [certify(model, x, verbose=0).radius for model in (plain, longer)]
    assert np.array_equal(*radii)
    assert np.all(radii[0] < certify(plain, x, verbose=0, rounding=False).radius)


def test_a_single_output_counts_the_rounding_of_its_own_layer():
    model = linear_classifier([[1.0], [1.0]], [0.0])
    x = np.array([[1e3, -1e3 + 2e-4], [1.0, 1.0]])
    assert certify(model, x, verbose=0).radius[0] == 0
    assert certify(model, x, verbose=0).radius[1] == pytest.approx(np.sqrt(2), rel=1e-5)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("kind", ["chain", "branches"])
def test_the_slack_covers_what_float32_does_over_the_ball(kind):
    """Measured norms and norms from the weights both cover the errors at x and around it."""
    single, double = (keras.Input((6,), dtype=dtype) for dtype in ("float32", "float64"))

    def build(inputs, dtype):
        x = layers.Dense(64, activation="tanh", dtype=dtype)(inputs)
        if kind == "branches":
            x = layers.Concatenate(dtype=dtype)([x, layers.ReLU(dtype=dtype)(x)])
        return keras.Model(inputs, layers.Dense(3, dtype=dtype)(x))

    single = randomise_freely(build(single, "float32"))
    double = build(double, "float64")
    double.set_weights(single.get_weights())
    x = 10 * examples(100, 6)
    certificate = certify(single, x, verbose=0)
    exact_radius = certify(single, x, verbose=0, rounding=False).radius
    slack = (exact_radius - certificate.radius) * float(certificate.bound) * np.sqrt(2)
    direction = examples(100, 6, seed=1)
    direction *= (certificate.radius / np.linalg.norm(direction, axis=1))[:, None]
    keras.config.set_floatx("float64")
    errors = [
        np.linalg.norm(
            convert_to_numpy(single(z.astype("float32"))) - convert_to_numpy(double(z)),
            axis=1,
        )
        for z in (x, x + direction)
    ]
    covered = certificate.radius > 0
    assert np.all((errors[0] + errors[1])[covered] <= slack[covered])


def test_models_without_a_bound_are_refused():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layers.Dense(2)(layers.UnitNormalization()(inputs)))
    with pytest.raises(UncertifiedLayerError, match="UnitNormalization"):
        certify(model, examples(2, 4))


@pytest.fixture
def certificate(double_precision):
    model = linear_classifier(np.eye(3), np.zeros(3), dtype="float64")
    x = np.array([[2.0, 0, 0], [0, 1.0, 0], [0, 0, 0.1], [5.0, 0, 0]])
    return certify(model, x, [0, 1, 2, 1], verbose=0)


def test_accuracies_are_counted_strictly_above_the_radius(certificate):
    assert certificate.accuracy == 0.75
    assert certificate.certified_accuracy(0) == 0.75
    assert certificate.certified_accuracy(0.1) == 0.5
    assert certificate.certified_accuracy(certificate.radius[1]) == 0.25
    assert isinstance(certificate.certified_accuracy(0.1), float)
    accuracies = certificate.certified_accuracy([0.0, 0.1, 9.0])
    assert accuracies.tolist() == [0.75, 0.5, 0.0]
    for bad in (-0.1, np.nan, [0.1, -1]):
        with pytest.raises(ValueError, match="Received: epsilon="):
            certificate.certified_accuracy(bad)


@pytest.mark.parametrize("given", [0.1, np.float64(0.1), [0.1]])
def test_radii_are_compared_in_float64_and_nan_is_above_none(given):
    radii = np.array([0.1, np.nan, np.inf, 0.3], "float32")
    # The first one is the float32 number next to 0.1, which is above it.
    assert np.all(count_above(radii, given) == 3)


def test_the_summary_shows_accuracies(certificate):
    lines = str(certificate).splitlines()
    assert lines[0].startswith("Certificate of 4 examples, model")
    assert "rounding included" in lines[0]
    assert lines[1] == "computed in float64"
    assert lines[3].split() == ["clean", "75.00", "%"]
    assert "radius quartiles" in lines[-1]


def test_accuracies_need_labels():
    certificate = certify(linear_classifier(np.eye(2), [0.0, 0.0]), [[1.0, 0.0]], verbose=0)
    for call in (lambda: certificate.accuracy, lambda: certificate.certified_accuracy(0.1)):
        with pytest.raises(ValueError, match="Received: y=None"):
            call()
    assert "predictions" in str(certificate)


def test_the_plot_is_the_curve_of_certified_accuracy(certificate):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    axes = certificate.plot()
    line = axes.lines[0]
    for epsilon, share in zip(line.get_xdata(), line.get_ydata(), strict=True):
        assert share == pytest.approx(100 * certificate.certified_accuracy(epsilon))
    assert certificate.plot(ax=axes) is axes
    pyplot.close(axes.figure)


def test_a_missing_matplotlib_is_explained(certificate, monkeypatch):
    original = builtins.__import__

    def without_matplotlib(name, *arguments, **keywords):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return original(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without_matplotlib)
    with pytest.raises(ImportError, match=r"pip install '.*\[plots\]'"):
        certificate.plot()


def test_changed_layers_are_not_predicted_with_what_was_compiled_before():
    inputs = keras.Input((2,))
    rescaling, head = layers.Rescaling(255.0), layers.Dense(2, use_bias=False)
    hidden = rescaling(inputs)
    model = keras.Model(inputs, head(layers.Add()([hidden, hidden])))
    head.set_weights([np.eye(2)])
    x = np.array([[1.0, 0.5]], "float32")
    model.predict(x, verbose=0)
    for scale in (1.0, 3.0):
        rescaling.scale = scale
        for rounding in (True, False):
            certificate = certify(model, x, rounding=rounding, verbose=0)
            assert np.allclose(certificate.logits, scale * 2 * x)
            assert certificate.radius[0] == pytest.approx(0.5 / np.sqrt(2), rel=1e-4)


@pytest.mark.parametrize(
    "last",
    [
        lambda: layers.Dropout(0.1, dtype="mixed_float16"),
        lambda: layers.Identity(dtype="mixed_bfloat16"),
        lambda: layers.Activation("linear", dtype="float16"),
    ],
)
def test_a_cast_behind_the_head_counts_as_rounding(last):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2, dtype="float32"), last()])
    model.layers[0].set_weights([np.eye(2), np.array([1000.0, 1000.0])])
    # In half precision the logits of both points are equal.
    with pytest.warns(UserWarning, match="No radius .* computes in .*float32"):
        assert certify(model, np.array([[0.26, 0.24]], "float32"), verbose=0).radius[0] == 0.0
