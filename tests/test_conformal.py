"""Conformal sets and intervals: the quantile by enumeration, scores and attacks in closed form."""

import csv
import json
from fractions import Fraction

import keras
import numpy as np
import pytest

import lipzoo
import lipzoo_cli
from lipzoo.conformal import PredictionSets, calibrate, calibrate_regression
from lipzoo.conformal.quantile import conformal_quantile, exact_level, examples_needed
from lipzoo.conformal.scores import pair_slopes, score_bounds
from lipzoo.evaluation.pgd import pgd_attack
from lipzoo_cli.conformal_output import SetsReport, write_sets
from tests.checked_models import save

layers = keras.layers


def built(*stack, features=4, seed=0, dtype="float32"):
    """A sequential model with random weights."""
    with_input = [keras.Input((features,), dtype=dtype), *stack]
    model = keras.Sequential(with_input)
    random = np.random.default_rng(seed)
    model.set_weights([random.normal(size=w.shape) for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def linear():
    return built(layers.Dense(3))


@pytest.fixture(scope="module")
def chain():
    return built(layers.Dense(8, "relu"), layers.Dense(3))


# All batches have one size, so that predictions are compiled once.
COUNT = 200


def blobs(count=COUNT, seed=1, features=4, classes=3):
    """Overlapping classes."""
    random = np.random.default_rng(seed)
    y = random.integers(0, classes, count)
    centres = 2 * np.random.default_rng(99).normal(size=(classes, features))
    return (centres[y] + random.normal(size=(count, features))).astype("float32"), y


def exact_scores(model, x):
    """The score of every class from float64 logits and norms of columns, entry by entry."""
    *hidden, kernel, bias = (w.astype("float64") for w in model.get_weights())
    features, bound = x.astype("float64"), 1.0
    if hidden:
        features = np.maximum(features @ hidden[0] + hidden[1], 0)
        bound = np.linalg.norm(hidden[0], 2)
    logits = features @ kernel + bias
    scores = np.empty_like(logits)
    for y in range(logits.shape[1]):
        scores[:, y] = np.max(
            [
                (logits[:, j] - logits[:, y])
                / (bound * np.linalg.norm(kernel[:, j] - kernel[:, y]))
                for j in range(logits.shape[1])
                if j != y
            ],
            axis=0,
        )
    return scores


@pytest.mark.parametrize("alpha", [0.1, 0.3, 0.05, Fraction(1, 3)])
@pytest.mark.parametrize("examples", [19, 20, 39, 59])
def test_each_of_exchangeable_scores_is_covered_as_often_as_promised(examples, alpha):
    level = exact_level(alpha)
    scores = np.random.default_rng(0).permutation(examples + 1).astype("float64")
    for tied in (scores, scores // 3, np.zeros_like(scores)):
        # Whichever of n + 1 is the last: all are equally likely.
        covered = [
            tied[i] <= conformal_quantile(np.delete(tied, i), level) for i in range(examples + 1)
        ]
        share = Fraction(int(np.sum(covered)), examples + 1)
        assert share >= 1 - level
        assert tied is not scores or share < 1 - level + Fraction(1, examples + 1)


def test_the_fewest_examples():
    for alpha in (0.1, 0.01, 0.3, 0.9, Fraction(1, 3)):
        level = exact_level(alpha)
        needed = examples_needed(level)
        assert conformal_quantile(np.arange(float(needed)), level) == needed - 1
        if needed > 1:
            with pytest.raises(ValueError, match=f"at least {needed} calibration examples"):
                conformal_quantile(np.zeros(needed - 1), level)
    # A tenth, of which ten examples hold one, although the float 0.3 is below three tenths.
    assert conformal_quantile(np.arange(9.0), exact_level(0.3)) == 6.0


@pytest.mark.parametrize("alpha", [0, 1, -0.1, 1.5, np.nan, "0.1", True, None])
def test_alpha_out_of_range(linear, alpha):
    with pytest.raises(ValueError, match="alpha, the share"):
        calibrate(linear, *blobs(30), alpha)


@pytest.mark.parametrize("name", ["linear", "chain"])
def test_scores_hold_those_in_closed_form(name, request):
    from lipzoo.certificates.forward_pass import evaluate

    model = request.getfixturevalue(name)
    x, _ = blobs()
    found = evaluate(model, [x], False, 256, True, 0)
    slopes = pair_slopes(found.bound, 3)
    low, high = score_bounds(found, slopes, rounding=True)
    exact = exact_scores(model, x)
    # The product of norms is above the norm of the first layer by a rounding or two.
    near = 1e-6 * (1 + np.abs(exact))
    assert np.all(low <= exact + near)
    assert np.all(exact <= high + near)
    np.testing.assert_allclose(low, high, atol=1e-4)
    without = score_bounds(found, slopes, rounding=False)
    assert np.all(low <= without[0])
    assert np.all(without[1] <= high)
    # Of the predicted class it is the certified radius, with a minus.
    radius = lipzoo.certify(model, x, rounding=False, verbose=0).radius
    predicted = found.logits.argmax(axis=1)
    np.testing.assert_allclose(-without[1][np.arange(COUNT), predicted], radius, rtol=1e-9)


def test_the_threshold_is_the_quantile_of_the_scores(chain):
    x, y = blobs()
    conformal = calibrate(chain, x, y, 0.1, verbose=0)
    scores = np.sort(exact_scores(chain, x)[np.arange(200), y])
    np.testing.assert_allclose(conformal.thresholds, scores[180], atol=1e-4)
    assert (conformal.examples, conformal.guaranteed_coverage) == (200, 0.9)
    assert "probability at least 90 %, calibrated with 200 examples" in str(conformal)


def test_the_worst_attack_on_a_linear_model_is_withstood_and_no_more(linear):
    x, y = blobs(seed=2)
    conformal = calibrate(linear, *blobs(), 0.2, verbose=0)
    kernel = linear.get_weights()[0].astype("float64")
    # Towards the class that decides the score, along the difference of the columns.
    exact, attacked, epsilon = exact_scores(linear, x), x.astype("float64"), 1.0
    for i, label in enumerate(y):
        others = [j for j in range(3) if j != label]
        moves = [kernel[:, j] - kernel[:, label] for j in others]
        ends = [x[i] + epsilon * move / np.linalg.norm(move) for move in moves]
        worst = np.argmax([exact_scores(linear, end[None])[0, label] for end in ends])
        attacked[i] = ends[worst]
    clean = conformal.predict_set(x, verbose=0)
    np.testing.assert_allclose(
        exact_scores(linear, attacked)[np.arange(COUNT), y],
        exact[np.arange(COUNT), y] + epsilon,
        atol=1e-9,
    )
    under = conformal.predict_set(attacked, epsilon, verbose=0)
    # In closed form the attack adds ε to the score of the true class, and so does the threshold.
    near = np.abs(exact[np.arange(COUNT), y] - conformal.thresholds[0]) < 1e-4
    assert np.array_equal(under.contains(y)[~near], clean.contains(y)[~near])
    assert under.empirical_coverage(y) >= 0.8 - 0.06
    vanilla = conformal.predict_set(attacked, 0.0, verbose=0)
    assert vanilla.empirical_coverage(y) < clean.empirical_coverage(y) - 0.05
    for given in (0.0, 0.9 * epsilon):
        fewer = conformal.predict_set(attacked, given, verbose=0)
        assert fewer.empirical_coverage(y) < under.empirical_coverage(y)
        assert np.all(fewer.members <= under.members)


@pytest.mark.parametrize("class_conditional", [False, True])
def test_what_is_covered_stays_covered_under_a_gradient_attack(chain, class_conditional):
    x, y = blobs(seed=3)
    conformal = calibrate(chain, *blobs(), 0.15, class_conditional=class_conditional, verbose=0)
    clean = conformal.predict_set(x, verbose=0).contains(y)
    epsilon = np.where(np.arange(COUNT) % 2, 0.3, 0.8)
    found = pgd_attack(chain, x, y, epsilon, steps=10, clip=None)
    under = conformal.predict_set(found.inputs, epsilon, verbose=0)
    assert under.contains(y)[clean].all()
    # The attack is one: without ε the coverage is lost.
    assert conformal.predict_set(found.inputs, verbose=0).empirical_coverage(y) < clean.mean()


def test_every_class_alone(chain):
    x, y = blobs()
    conformal = calibrate(chain, x, y, 0.1, class_conditional=True, verbose=0)
    exact = exact_scores(chain, x)
    for label in range(3):
        scores = np.sort(exact[y == label, label])
        rank = int(np.ceil(Fraction(9, 10) * (len(scores) + 1)))
        np.testing.assert_allclose(conformal.thresholds[label], scores[rank - 1], atol=1e-4)
    assert conformal.examples.tolist() == np.bincount(y).tolist()
    assert "of every class" in str(conformal)
    few = np.concatenate([np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:3]])
    with pytest.raises(ValueError, match=r"at least 9 .*Received: 3 of class 1, 0 of class 2"):
        calibrate(chain, x[few], y[few], 0.1, class_conditional=True, verbose=0)


@pytest.mark.parametrize(
    "stack",
    [
        # A single logit, no linear head, and two classes that nothing tells apart.
        (layers.Dense(5, "relu"), layers.Dense(1)),
        (layers.Dense(3), layers.ReLU()),
        (layers.Dense(3),),
    ],
)
def test_other_endings(stack):
    model = built(*stack)
    outputs = model.output_shape[1]
    if len(stack) == 1:
        kernel, bias = model.get_weights()
        kernel[:, 2] = kernel[:, 1]
        model.set_weights([kernel, bias])
    classes = max(outputs, 2)
    x, y = blobs(classes=classes)
    conformal = calibrate(model, x, y, 0.1, verbose=0)
    sets = conformal.predict_set(x, verbose=0)
    assert sets.members.shape == (COUNT, classes)
    assert sets.empirical_coverage(y) >= 0.9
    # The score is 1-Lipschitz: a covered class stays in the sets of all inputs nearby.
    random = np.random.default_rng(0)
    for length in (0.1, 1.0, 5.0):
        step = random.normal(size=x.shape)
        moved = x + length * step / np.linalg.norm(step, axis=1, keepdims=True)
        assert np.all(sets.members <= conformal.predict_set(moved, 1.001 * length).members)


def test_standard_deviations():
    deviation = np.array([1.0, 10.0, 0.1, 1.0])
    model = built(layers.Normalization(mean=np.zeros(4), variance=deviation**2), layers.Dense(3))
    x, y = blobs()
    x = x * deviation
    inner = built(layers.Dense(3))
    inner.set_weights(model.get_weights()[-2:])
    own = calibrate(model, x, y, 0.1, standardized=True, verbose=0)
    same = calibrate(inner, x / deviation, y, 0.1, verbose=0)
    np.testing.assert_allclose(own.thresholds, same.thresholds, atol=1e-4)
    sets = own.predict_set(x, 0.5, verbose=0)
    assert sets.units == own.units == "standard deviations of the training data"
    assert sets.members.sum() == same.predict_set(x / deviation, 0.5, verbose=0).members.sum()


def test_data_that_do_not_fit(chain):
    x, y = blobs(30)
    with pytest.raises(ValueError, match="at least 99 calibration examples for alpha"):
        calibrate(chain, x, y, 0.01, verbose=0)
    with pytest.raises(ValueError, match="NaN"):
        calibrate(chain, np.where(x > 2, np.nan, x), y, 0.1, verbose=0)
    with pytest.raises(ValueError, match="labels from 0 to 2"):
        calibrate(chain, x, y + 1, 0.1, verbose=0)
    conformal = calibrate(chain, x, y, 0.1, verbose=0)
    with pytest.raises(ValueError, match="epsilon must be"):
        conformal.predict_set(x, -0.1)
    weights = chain.get_weights()
    try:
        chain.set_weights([2 * w for w in weights])
        with pytest.raises(ValueError, match="weights or layers were changed since"):
            conformal.predict_set(x)
    finally:
        chain.set_weights(weights)


def test_a_calibration_is_of_the_layers_too():
    model = built(layers.Dense(5, activation="tanh"), layers.Dense(3))
    x, y = blobs(30)
    conformal = calibrate(model, x, y, 0.1, verbose=0)
    conformal.predict_set(x, 0.1, verbose=0)
    model.predict(x, verbose=0)
    conformal.predict_set(x, 0.1, verbose=0)
    model.layers[-2].activation = keras.activations.sigmoid
    with pytest.raises(ValueError, match="weights or layers were changed since"):
        conformal.predict_set(x)


def test_sets_are_shown():
    members = np.array([[True, True, False], [False, False, False]])
    sets = PredictionSets(members, np.array([0, 1]), np.full(2, 0.25), 0.9, False, ("a", "b", "c"))
    assert sets.classes() == [["a", "b"], []]
    assert sets.size.tolist() == [2, 0]
    assert "at least 90 % while the input moves by at most 0.25 (l2)" in str(sets)
    assert "1.00 classes on average (0: 1, 1: 0, 2: 1)" in str(sets)
    each = PredictionSets(members, np.array([0, 1]), np.array([0.0, 0.25]), 0.9, True)
    assert "contain the true class, whichever it is, with probability" in str(each)
    assert "while each input moves by its own ε, 0 to 0.25 (l2)" in str(each)


def test_intervals_of_a_linear_model_are_those_in_closed_form():
    model = built(layers.Dense(2))
    kernel, bias = (w.astype("float64") for w in model.get_weights())
    random = np.random.default_rng(4)
    x = random.normal(size=(99, 4)).astype("float32")
    y = x @ kernel + bias + random.normal(size=(99, 2))
    conformal = calibrate_regression(model, x, y, 0.1, verbose=0)
    errors = np.sort(np.abs(y - x @ kernel - bias).max(axis=1))
    np.testing.assert_allclose(conformal.threshold, errors[89], atol=1e-4)
    assert "at least 90 %, calibrated with 99 examples" in str(conformal)
    norms, epsilon = np.linalg.norm(kernel, axis=0), 1.0
    clean = conformal.predict_interval(x, verbose=0)
    wide = conformal.predict_interval(x, epsilon, verbose=0)
    np.testing.assert_allclose(wide.width / 2, conformal.threshold + epsilon * norms + 0 * y, 1e-4)
    assert clean.empirical_coverage(y) >= 0.9
    for j in range(2):
        for sign in (-1, 1):
            attacked = x + sign * epsilon * kernel[:, j] / norms[j]
            under = conformal.predict_interval(attacked, epsilon * (1 + 1e-6), verbose=0)
            assert under.contains(y)[clean.contains(y)].all()
            vanilla = conformal.predict_interval(attacked, verbose=0)
            assert vanilla.empirical_coverage(y) < clean.empirical_coverage(y) - 0.02
    assert "90 % while the input moves by at most 1 (l2)" in str(wide)


def test_regression_data_that_do_not_fit():
    model = built(layers.Dense(1))
    x, y = blobs(30)
    with pytest.raises(ValueError, match="at least 99 calibration examples"):
        calibrate_regression(model, x, y, 0.01, verbose=0)
    with pytest.raises(ValueError, match="finite numbers in y"):
        calibrate_regression(model, x, np.where(y == 1, np.nan, y), 0.1, verbose=0)
    conformal = calibrate_regression(model, x, y, 0.1, verbose=0)
    model.set_weights([2 * w for w in model.get_weights()])
    with pytest.raises(ValueError, match="weights or layers were changed since"):
        conformal.predict_interval(x)


def test_command(tmp_path, capsys):
    model, folder = save(tmp_path / "model", "gradflow-table"), str(tmp_path / "model")
    x, y = blobs(features=5)
    # The range that the model documents.
    x = (x - x.min()) / (x.max() - x.min())
    for name, chosen in (("calibration", slice(0, 100)), ("table", slice(100, 200))):
        np.savez(tmp_path / f"{name}.npz", x=x[chosen], y=y[chosen])
    np.savez(tmp_path / "bare.npz", x=x)
    out = tmp_path / "sets.npz"
    command = ["conformal", folder, str(tmp_path / "calibration.npz")]
    command += [str(tmp_path / "table.npz"), "--alpha", "0.2", "--epsilon", "1/4"]
    assert lipzoo_cli.main([*command, "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "probability at least 80 %" in text
    assert "measured coverage: " in text
    expected = calibrate(model, x[:100], y[:100], 0.2, verbose=0)
    sets = expected.predict_set(x[100:], 0.25, verbose=0)
    assert np.array_equal(np.load(out)["members"], sets.members)
    command[2] = str(tmp_path / "bare.npz")
    assert lipzoo_cli.main(command) == 2
    assert "Expected labelled examples to calibrate with" in capsys.readouterr().err


def test_files_of_sets(tmp_path):
    members = np.array([[True, True, False], [False, False, False]])
    about = {"alpha": 0.1, "epsilon": 0.5, "thresholds": [1.0] * 3}
    report = SetsReport(about, members, np.array([0, 2]), "abc", np.array(["x.png", "y.png"]))
    for suffix in ("csv", "json", "npz"):
        write_sets(tmp_path / f"sets.{suffix}", report)
    rows = list(csv.reader((tmp_path / "sets.csv").read_text().splitlines()))
    assert rows[0] == ["example", "file", "prediction", "size", "in a", "in b", "in c"]
    assert rows[1:] == [
        ["0", "x.png", "a", "2", "1", "1", "0"],
        ["1", "y.png", "c", "0", "0", "0", "0"],
    ]
    values = json.loads((tmp_path / "sets.json").read_text())
    assert [row["set"] for row in values["examples"]] == [["a", "b"], []]
    assert values["epsilon"] == 0.5
    stored = np.load(tmp_path / "sets.npz")
    assert np.array_equal(stored["members"], members)
    assert stored["origin"].tolist() == ["x.png", "y.png"]
    assert report.text().splitlines()[1] == "  1  (empty)"
