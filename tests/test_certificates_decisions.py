"""What a certificate says about decisions, against scikit-learn, closed forms and loops."""

import csv
import io
import json
from fractions import Fraction

import keras
import numpy as np
import pytest
from sklearn.metrics import recall_score

from lipzoo.certificates import certify
from lipzoo.evaluation import pgd_attack
from tests.truths import randomise_freely

layers = keras.layers


def linear(kernel, bias=None):
    kernel = np.asarray(kernel, "float64")
    model = keras.Sequential([keras.Input((len(kernel),)), layers.Dense(kernel.shape[1])])
    model.set_weights([kernel, np.zeros(kernel.shape[1]) if bias is None else np.asarray(bias)])
    return model


def small_network(outputs=2):
    inputs = keras.Input((4,))
    x = layers.Dense(outputs)(layers.Dense(8, activation="relu")(inputs))
    return randomise_freely(keras.Model(inputs, x), scale=0.6)


@pytest.fixture
def binary():
    generator = np.random.default_rng(0)
    model, x = small_network(), generator.normal(size=(80, 4)).astype("float32")
    # Labels that the model mostly, but not always, agrees with.
    y = model.predict(x, verbose=0).argmax(axis=1) ^ (generator.random(80) < 0.2)
    return model, x, y, certify(model, x, y, verbose=0)


def test_the_rival_is_the_class_behind_the_nearest_boundary():
    generator = np.random.default_rng(1)
    kernel, bias = generator.normal(size=(3, 5)), generator.normal(size=5)
    model, x = linear(kernel, bias), generator.normal(size=(60, 3)).astype("float32")
    certificate = certify(model, x, verbose=0)
    for point, y, rival, radius in zip(
        x, certificate.prediction, certificate.rival, certificate.radius, strict=True
    ):
        away = kernel[:, rival] - kernel[:, y]
        # One step across the boundary of that pair is decided for the rival.
        beyond = point + 1.001 * radius * away / np.linalg.norm(away)
        assert (beyond @ kernel + bias).argmax() == rival


def test_rivals_of_other_heads():
    inputs = keras.Input((4,))
    general = keras.Model(inputs, layers.Activation("leaky_relu")(small_network(3)(inputs)))
    x = np.random.default_rng(2).normal(size=(20, 4)).astype("float32")
    certificate = certify(general, x, verbose=0)
    second = np.argsort(certificate.logits, axis=1)[:, -2]
    assert np.array_equal(certificate.rival, second)
    single = certify(linear([[1.0], [0.0]]), np.array([[2.0, 0.0], [-1.0, 0.0]]), verbose=0)
    assert single.rival.tolist() == [0, 1]
    unreachable = certify(linear([[1.0, 1.0]], [1.0, 0.0]), np.array([[2.0]]), verbose=0)
    assert unreachable.rival.tolist() == [-1]


def test_coverage_and_selective_accuracy_are_counts(binary):
    _, _, y, certificate = binary
    threshold = float(np.median(certificate.radius))
    kept = [i for i in range(80) if certificate.radius[i] > threshold]
    right = sum(certificate.prediction[i] == y[i] for i in kept)
    assert certificate.coverage(threshold) == len(kept) / 80
    assert certificate.selective_accuracy(threshold) == pytest.approx(right / len(kept))
    shares = certificate.coverage([0.0, threshold, 1e9])
    assert shares.tolist() == [certificate.coverage(0.0), certificate.coverage(threshold), 0.0]
    assert np.isnan(certificate.selective_accuracy(1e9))
    assert np.isnan(certificate.selective_accuracy([0.0, 1e9])).tolist() == [False, True]


@pytest.mark.parametrize("positive", [0, 1])
def test_certified_rates_are_recalls_with_the_uncertified_counted_as_wrong(binary, positive):
    _, _, y, certificate = binary
    for epsilon in (0.0, 0.05, 0.2):
        proven = np.where(certificate.radius > epsilon, certificate.prediction, 1 - y)
        sensitivity = certificate.certified_sensitivity(epsilon, positive=positive)
        assert sensitivity == pytest.approx(recall_score(y, proven, pos_label=positive))
        specificity = certificate.certified_specificity(epsilon, positive=positive)
        assert specificity == pytest.approx(recall_score(y, proven, pos_label=1 - positive))
    clean = recall_score(y, certificate.prediction, pos_label=positive)
    assert certificate.sensitivity(positive) == pytest.approx(clean)
    assert certificate.specificity(1 - positive) == certificate.sensitivity(positive)


def test_no_attack_takes_a_rate_below_the_certified_one(binary):
    model, x, y, certificate = binary
    for epsilon in (0.05, 0.2):
        found = pgd_attack(model, x, y, epsilon, clip=None)
        left = np.where(found.success, 1 - y, y)
        for positive in (0, 1):
            under_attack = recall_score(y, left, pos_label=positive)
            assert certificate.certified_sensitivity(epsilon, positive=positive) <= under_attack


def test_what_rates_refuse(binary):
    model, x, y, certificate = binary
    for positive in (2, -1, True, 0.5, "ill", None):
        with pytest.raises(ValueError, match=r"positive to be a number from 0 to 1. Received"):
            certificate.certified_sensitivity(0.1, positive=positive)
    with pytest.raises(ValueError, match=r"with at least one positive example. Received: 80"):
        certify(model, x, np.zeros(80), verbose=0).sensitivity()
    with pytest.raises(ValueError, match="with at least one negative example"):
        certify(model, x, np.ones(80), verbose=0).certified_specificity(0.1)
    with pytest.raises(ValueError, match="y=None"):
        certify(model, x, verbose=0).specificity()
    with pytest.raises(ValueError, match=r"with two classes.*Received: 3 classes"):
        certify(small_network(3), x, y, verbose=0).sensitivity()


@pytest.mark.parametrize("radius", [-1.0, np.nan, np.inf, "a", [0.1, -0.1]])
def test_radii_of_decisions_are_finite_and_not_negative(binary, radius):
    *_, certificate = binary
    for decide in (certificate.coverage, certificate.selective_accuracy):
        with pytest.raises(ValueError, match="radius to be one or several finite numbers"):
            decide(radius)
    for rate in (certificate.certified_sensitivity, certificate.certified_specificity):
        with pytest.raises(ValueError, match="epsilon to be one or several finite numbers"):
            rate(radius)
    with pytest.raises(ValueError, match="abstain_below to be one"):
        certificate.report(radius)


@pytest.fixture
def three():
    """Three decisions: one that nothing changes, one to abstain from, one that is wrong."""
    model = linear([[0.0, 0.0, 4.0]], [3.0, 0.0, -1e3])
    x = np.array([[1.0], [250.5], [0.0]])
    certificate = certify(model, x, [0, 0, 2], verbose=0, rounding=False)
    names = ("benign", 'the "other", or so', "malignant")
    object.__setattr__(certificate, "class_names", names)
    object.__setattr__(certificate, "radius", np.array([np.inf, *certificate.radius[1:]]))
    object.__setattr__(certificate, "rival", np.array([-1, *certificate.rival[1:]]))
    return certificate


def test_a_report_is_the_same_as_csv_as_json_and_in_print(three):
    report = three.report(abstain_below=1.0)
    rows = list(csv.DictReader(io.StringIO(report.to_csv())))
    values = json.loads(report.to_json())
    assert [row["class"] for row in rows] == ["benign", "benign", "benign"]
    assert [row["rival_class"] for row in rows] == ["", "malignant", "malignant"]
    assert [row["abstains"] for row in rows] == ["0", "1", "0"]
    assert [row["correct"] for row in rows] == ["1", "1", "0"]
    assert np.array_equal([float(row["radius"]) for row in rows], three.radius)
    assert [example["radius"] for example in values["examples"]] == [None, *three.radius[1:]]
    assert [example["rival"] for example in values["examples"]] == [None, 2, 2]
    assert values["coverage"] == pytest.approx(2 / 3)
    assert values["abstain_below"] == 1.0
    header, first, second, _, last = str(report).splitlines()
    assert header.split() == ["example", "prediction", "radius", "rival", "label", "abstains"]
    assert first.split() == ["0", "benign", "inf", "none", "benign"]
    assert second.endswith("abstains")
    assert last == "covered: 2 of 3 (66.67 %), radius above 1"


def test_a_long_report_is_cut_in_print_only(binary):
    *_, certificate = binary
    report = certificate.report()
    assert "... 60 more" in str(report)
    rows = list(csv.DictReader(io.StringIO(report.to_csv())))
    assert len(rows) == len(report) == 80
    assert [float(row["radius"]) for row in rows] == certificate.radius.tolist()
    assert "class" not in rows[0]
    shown = [float(line.split()[2]) for line in str(report).splitlines()[1:21]]
    assert all(text <= radius for text, radius in zip(shown, certificate.radius[:20], strict=True))


@pytest.mark.parametrize("size", [1, 2, 7, 784, 150_528])
def test_radii_in_other_norms_are_proven(size):
    generator = np.random.default_rng(size)
    radius = np.concatenate([generator.exponential(size=50), [0.0, 5e-324, 1.7e308, np.inf]])
    certificate = certify(linear(np.eye(2)), np.zeros((1, 2)), verbose=0)
    object.__setattr__(certificate, "radius", radius)
    object.__setattr__(certificate, "input_size", size)
    assert np.array_equal(certificate.in_norm("l1").radius, radius)
    for small, large in zip(certificate.in_norm("linf").radius, radius, strict=True):
        if np.isinf(large):
            assert small == np.inf
        else:
            # In exact arithmetic: the cube of half width `small` lies in the ball.
            assert Fraction(small) ** 2 * size <= Fraction(large) ** 2
            assert small >= (1 - 1e-15) * large / np.sqrt(size) - 5e-324


def test_other_norms_are_exact_where_the_inequalities_are():
    generator = np.random.default_rng(3)
    kernel = generator.normal(size=(6, 2))
    x = generator.normal(size=(30, 6)).astype("float32")
    certificate = certify(linear(kernel), x, verbose=0, rounding=False)
    difference = kernel[:, 1] - kernel[:, 0]
    gap = np.abs(x.astype("float64") @ difference)
    # By duality the exact radius in a norm is the margin over the dual norm of the difference.
    exact = {"l1": gap / np.abs(difference).max(), "linf": gap / np.abs(difference).sum()}
    for norm, radii in exact.items():
        assert np.all(certificate.in_norm(norm).radius <= radii * (1 + 1e-5))
    equal = certify(linear(np.outer([1, -1, 1, 1], [0.5, -0.5])), x[:, :4], verbose=0)
    sharp = np.abs(x[:, :4].astype("float64") @ [1, -1, 1, 1]) / 4
    np.testing.assert_allclose(equal.in_norm("linf").radius, sharp, rtol=1e-4, atol=1e-6)


def test_a_certificate_in_another_norm_counts_and_shows_it(binary):
    *_, certificate = binary
    cube = certificate.in_norm("linf")
    # sqrt(4) = 2 is exact, so shares at half the radius are those of the ball.
    assert cube.certified_accuracy(0.1) == certificate.certified_accuracy(0.2)
    assert "norm linf" in str(cube)
    assert cube.plot().get_xlabel() == "ε, the l-infinity norm of the perturbation"
    with pytest.raises(ValueError, match=r"one of l1, l2, linf. Received: norm='l3'"):
        certificate.in_norm("l3")
    with pytest.raises(ValueError, match=r"in norm l2. Received: norm linf"):
        cube.in_norm("l2")
