import keras
import numpy as np
import pytest

import lipzoo
from lipzoo.autodiff.input_gradients import value_and_input_gradient
from lipzoo.evaluation import pgd_attack
from tests.helpers import compile_fast


def linear_model(shape=(12,), classes=3, seed=0):
    model = keras.Sequential(
        [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(classes)]
    )
    random = np.random.default_rng(seed)
    model.set_weights([random.standard_normal(weight.shape) for weight in model.weights])
    return model


def minimal_distance(model, x):
    """Label and l2 distance to the nearest boundary: min_j (f_y - f_j) / ‖w_y - w_j‖."""
    kernel, bias = (weight.astype("float64") for weight in model.get_weights())
    logits = x.reshape(len(x), -1).astype("float64") @ kernel + bias
    label = logits.argmax(1)
    gaps = logits[np.arange(len(x)), label][:, None] - logits
    norms = np.linalg.norm(kernel[:, label].T[:, :, None] - kernel[None], axis=1)
    with np.errstate(invalid="ignore"):
        return label, np.nanmin(gaps / norms, axis=1)


def test_linear_model_falls_exactly_beyond_its_minimal_distance():
    model = linear_model()
    x = np.random.default_rng(1).standard_normal((64, 12)).astype("float32")
    label, distance = minimal_distance(model, x)
    assert not pgd_attack(model, x, label, 0.999 * distance, restarts=3, clip=None).success.any()
    attacked = pgd_attack(model, x, label, 1.001 * distance, restarts=3, clip=None)
    # Ascent on the margin may follow a class whose boundary is not the nearest.
    assert attacked.success.mean() > 0.9
    two = linear_model(classes=2)
    label, distance = minimal_distance(two, x)
    assert pgd_attack(two, x, label, 1.001 * distance, clip=None).success.all()


@pytest.mark.parametrize("clip", [None, (0.0, 1.0)])
@pytest.mark.parametrize("epsilon", [0.0, 1e-6, 0.3, 10.0])
def test_the_inputs_found_stay_in_the_ball_and_in_the_box(clip, epsilon):
    model = linear_model((4, 4, 1))
    x = np.random.default_rng(2).random((20, 4, 4, 1)).astype("float32")
    x[0], x[1] = 0.0, 1.0
    result = pgd_attack(model, x, np.zeros(20, int), epsilon, steps=7, restarts=3, clip=clip)
    distance = np.linalg.norm((result.inputs.astype(float) - x).reshape(20, -1), axis=1)
    assert np.all(distance <= epsilon)
    assert np.array_equal(distance, result.distance)
    if clip:
        assert result.inputs.min() >= 0
        assert result.inputs.max() <= 1


def test_margins_and_success_are_those_of_the_returned_inputs():
    model = linear_model()
    x = np.random.default_rng(3).standard_normal((50, 12)).astype("float32")
    label, distance = minimal_distance(model, x)
    result = pgd_attack(model, x, label, 1.2 * distance, steps=10, batch_size=16, clip=None)
    logits = model.predict(result.inputs, verbose=0)
    own = logits[np.arange(50), label]
    logits[np.arange(50), label] = -np.inf
    np.testing.assert_allclose(result.margin, own - logits.max(1), atol=1e-4)
    assert np.array_equal(result.success, result.margin <= 0)
    assert result.accuracy == 1 - result.success.mean()
    assert str(result).startswith(f"{result.success.sum()} of 50 examples lost their label")


def test_a_wrong_input_counts_as_lost_without_any_step():
    model = linear_model()
    x = np.random.default_rng(4).standard_normal((30, 12)).astype("float32")
    label, _ = minimal_distance(model, x)
    result = pgd_attack(model, x, (label + 1) % 3, 0.0, steps=1, clip=None)
    assert result.success.all()
    assert np.array_equal(result.inputs, x)


def test_the_same_seed_finds_the_same_inputs():
    model = linear_model()
    x = np.random.default_rng(5).standard_normal((10, 12)).astype("float32")
    label, distance = minimal_distance(model, x)
    arguments = {"steps": 5, "restarts": 2, "clip": None}
    first = pgd_attack(model, x, label, distance, seed=7, **arguments)
    again = pgd_attack(model, x, label, distance, seed=7, **arguments)
    assert np.array_equal(first.inputs, again.inputs)


def test_no_attack_succeeds_within_a_certified_radius():
    random = np.random.default_rng(8)
    prototypes = random.random((3, 8, 8, 1))
    y = random.integers(3, size=256)
    x = prototypes[y] + 0.5 * random.standard_normal((256, 8, 8, 1))
    x = np.clip(x, 0, 1).astype("float32")
    sizes = {"width": 4, "patch_depths": (2,), "axial_depth": 2, "axial_units": 8}
    model = lipzoo.GradFlowNet((8, 8, 1), 3, **sizes, features=16, dense_depth=1)
    compile_fast(model, "adam", lipzoo.OffsetCrossEntropy())
    model.fit(x, y, epochs=5, verbose=0)
    certificate = lipzoo.certify(model, x, y, verbose=0)
    radius, prediction = certificate.radius, certificate.prediction
    attacked = pgd_attack(model, x, prediction, 0.999 * radius, steps=25, restarts=2)
    assert not attacked.success[radius > 0].any()
    # And in turn: certified accuracy <= accuracy under attack <= clean accuracy.
    for epsilon in (0.0, 0.8):
        accuracy = pgd_attack(model, x, y, epsilon, steps=10).accuracy
        assert certificate.certified_accuracy(epsilon) <= accuracy <= certificate.accuracy
    beyond = pgd_attack(model, x, prediction, 3 * radius, steps=25)
    assert beyond.success.mean() > 0.5
    assert np.all(
        beyond.distance[beyond.success & (radius > 0)] >= radius[beyond.success & (radius > 0)]
    )


def test_as_strong_as_the_attack_of_another_library():
    foolbox = pytest.importorskip("foolbox")
    tensorflow = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("foolbox attacks the model through TensorFlow")
    model = keras.Sequential(
        [keras.Input((20,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(4)]
    )
    x = np.random.default_rng(6).random((100, 20)).astype("float32")
    label = model.predict(x, verbose=0).argmax(1)
    ours = pgd_attack(model, x, label, 0.4)
    attack = foolbox.attacks.L2ProjectedGradientDescentAttack(steps=50)
    _, _, lost = attack(
        foolbox.TensorFlowModel(model, bounds=(0, 1)),
        tensorflow.constant(x),
        tensorflow.constant(label),
        epsilons=0.4,
    )
    assert 0.1 < ours.success.mean() < 0.9
    assert ours.success.mean() >= lost.numpy().mean() - 0.02


def test_gradients_are_those_of_finite_differences():
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1, "tanh")])
    function = value_and_input_gradient(lambda x: model(x)[:, 0])
    x = np.random.default_rng(7).standard_normal((3, 5)).astype("float32")
    _, gradient = function(x)
    for column in range(5):
        step = np.zeros(5, "float32")
        step[column] = 1e-2
        slope = (function(x + step)[0] - function(x - step)[0]) / 2e-2
        np.testing.assert_allclose(gradient[:, column], slope, atol=1e-3)


X = np.full((2, 12), 0.5, "float32")


@pytest.mark.parametrize(
    ("x", "y", "epsilon", "settings", "message"),
    [
        (X[:, :5], [0, 1], 0.1, {}, "shape"),
        (X[:0], [], 0.1, {}, "not empty"),
        (X * np.nan, [0, 1], 0.1, {}, "finite"),
        (X + 1, [0, 1], 0.1, {}, "within clip"),
        (X, [0, 3], 0.1, {}, "labels from 0 to 2"),
        (X, [0.5, 1.0], 0.1, {}, "integer labels"),
        (X, [0], 0.1, {}, "one label per example"),
        (X, [0, 1], -0.1, {}, "epsilon"),
        (X, [0, 1], [0.1, np.inf], {}, "epsilon"),
        (X, [0, 1], [0.1] * 3, {}, "epsilon"),
        (X, [0, 1], 0.1, {"steps": 0}, "steps"),
        (X, [0, 1], 0.1, {"restarts": 0}, "restarts"),
        (X, [0, 1], 0.1, {"step_size": 0.0}, "step_size"),
    ],
)
def test_bad_input_is_named(x, y, epsilon, settings, message):
    with pytest.raises(ValueError, match=f"(?s)expected.*{message}.*Received|{message}.*Received"):
        pgd_attack(linear_model(), x, y, epsilon, **settings)


def test_one_hot_labels_are_labels():
    model = linear_model()
    rows = pgd_attack(model, X, np.eye(3)[[0, 2]], 0.1, clip=None)
    assert np.array_equal(rows.margin, pgd_attack(model, X, [0, 2], 0.1, clip=None).margin)
