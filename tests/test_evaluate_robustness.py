"""Clean, certified and attacked accuracy: what holds for every example, and what is refused."""

import sys

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo.data.stratification import stratified_sample
from lipzoo.evaluation.adversarial_search import Search
from lipzoo.evaluation.attacks import Attack, ProjectedGradient
from tests.attack_cases import linear, small_case


@pytest.fixture(scope="module")
def case():
    return small_case()


class Planted(Attack):
    """Returns what it was given, whatever that is."""

    name = "planted"
    restarts = 1

    def __init__(self, inputs, minimises=True):
        self.inputs, self.minimises, self.asked = inputs, minimises, []

    def check(self, target):
        pass

    def prepare(self, target):
        def run(x, y, epsilon, random, restart):
            self.asked.append((epsilon, len(x)))
            # The examples are told apart by their first entry.
            rows = [np.flatnonzero(target.x[:, 0] == first)[0] for first in x[:, 0]]
            return self.inputs[rows]

        return run

    def __str__(self):
        return "planted"


def test_the_sandwich_holds_at_every_example_and_agrees_with_certify(case):
    model, x, y, grid = case
    found = lipzoo.evaluate_robustness(model, x, y, grid, ProjectedGradient(steps=20, restarts=2))
    certificate = lipzoo.certify(model, x, y, verbose=0)
    np.testing.assert_array_equal(found.radius, certificate.radius)
    radii = list(found.epsilons.values())
    np.testing.assert_allclose(found.certified, certificate.certified_accuracy(radii))
    assert found.clean == certificate.accuracy
    for epsilon in radii:
        certified = found.correct & (found.radius > epsilon)
        attacked = found.correct & (found.distance > epsilon)
        assert not np.any(certified & ~attacked)
        assert not np.any(attacked & ~found.correct)
    assert list(found.violations) == []
    # What is said of the inputs is true of them.
    broken = np.flatnonzero(np.isfinite(found.distance) & found.correct)
    assert len(broken) > 5
    prediction = model.predict(found.inputs, verbose=0).argmax(1)
    assert np.all(prediction[broken] != y[broken])
    offset = found.inputs.astype("float64") - x.astype("float64")
    exact = np.linalg.norm(offset.reshape(len(x), -1), axis=1)
    np.testing.assert_allclose(found.distance[broken], exact[broken], rtol=1e-12)
    assert np.all(found.distance[broken] >= exact[broken])
    assert found.inputs.min() >= 0
    assert found.inputs.max() <= 1
    assert np.all(found.distance[~found.correct] == 0)


def test_distances_of_a_linear_model_are_those_of_its_hyperplanes():
    kernel = np.random.default_rng(0).standard_normal((6, 2))
    model = linear(kernel)
    x = np.random.default_rng(1).standard_normal((12, 6)).astype("float32")
    y = (x @ kernel).argmax(1)
    difference = kernel[:, 0] - kernel[:, 1]
    exact = np.abs(x @ difference) / np.linalg.norm(difference)
    grid = [0.25, 0.5, 0.75, 1.0]
    found = lipzoo.evaluate_robustness(
        model, x, y, grid, ProjectedGradient(steps=40, restarts=1), clip=None
    )
    expected = [np.mean(exact > epsilon) for epsilon in grid]
    np.testing.assert_allclose(found.attacked, expected)
    np.testing.assert_allclose(found.certified, expected)


def test_only_open_examples_are_attacked():
    """0.05 is lost at once, 0.3 and 0.6 are certified up to 0.3 and 0.6, and -1 is wrong."""
    model = linear([[1.0, 0.0]])
    x, y = np.array([[0.05], [0.3], [0.6], [-1.0]]), [0, 0, 0, 0]
    attack = Planted(np.array([[-0.01], [-0.05], [-0.01], [-1.0]], "float32"), minimises=False)
    found = lipzoo.evaluate_robustness(model, x, y, [0.1, 0.2, 0.4, 0.7], attack, clip=None)
    # At 0.7 the second one is known to fall, and the third one does.
    assert attack.asked == [(0.1, 1), (0.4, 1), (0.7, 1)]
    np.testing.assert_allclose(found.attacked, [0.5, 0.5, 0.25, 0.0])
    np.testing.assert_allclose(found.distance, [0.06, 0.35, 0.61, 0.0], rtol=1e-6)


def test_certified_examples_are_attacked_too_where_asked_for():
    model = linear([[1.0, 0.0]])
    x, y = np.array([[0.05], [0.3], [-1.0]]), [0, 0, 0]
    attack = Planted(np.array([[-0.01], [0.25], [-1.0]], "float32"), minimises=False)
    found = lipzoo.evaluate_robustness(
        model, x, y, [0.1, 0.2], attack, clip=None, attack_certified=True
    )
    assert attack.asked == [(0.1, 2), (0.2, 1)]
    np.testing.assert_allclose(found.certified, found.attacked)


def test_what_an_attack_claims_is_not_believed():
    model = linear([[1.0, 0.0]])
    x, y = np.array([[0.2], [0.3], [0.4], [0.5]]), [0, 0, 0, 0]
    # Not adversarial, not finite, outside of the box, and one that counts.
    inputs = np.array([[0.1], [np.nan], [-0.6], [-0.5]], "float32")
    found = lipzoo.evaluate_robustness(model, x, y, [2.0], Planted(inputs), clip=(-0.5, 0.5))
    assert found.distance.tolist()[:3] == [np.inf] * 3
    assert found.distance[3] == pytest.approx(1.0)
    assert found.found_by.tolist() == ["", "", "", "planted"]
    with pytest.raises(ValueError, match="Expected inputs of shape"):
        lipzoo.evaluate_robustness(
            model, x, y, [2.0], Planted(np.zeros((4, 2), "float32")), clip=None
        )


def test_inputs_of_an_attack_at_a_radius_are_pulled_into_its_ball():
    model = linear([[1.0, 0.0]])
    attack = Planted(np.array([[-0.7]], "float32"), minimises=False)
    found = lipzoo.evaluate_robustness(model, np.array([[0.5]]), [0], [0.6], attack, clip=None)
    assert found.attacked.tolist() == [0.0]
    assert 0.59 < found.distance[0] <= 0.6


class Understated(keras.layers.Layer):
    """Doubles its input and says that it does not."""

    def call(self, inputs):
        return 2 * inputs


def test_a_certificate_that_is_not_true_is_found_out():
    lipzoo.register_bound_rule(
        Understated, lambda layer, shape: lipzoo.LayerBound.exact(0.5, "wishful")
    )
    kernel = np.array([[1.0, 0.0]])
    model = keras.Sequential(
        [keras.Input((1,)), Understated(), keras.layers.Dense(2, use_bias=False)]
    )
    model.set_weights([kernel])
    x = np.array([[0.01], [0.2], [0.3]])
    with pytest.raises(lipzoo.CertificateViolation, match=r"refuted.*example 0") as caught:
        lipzoo.evaluate_robustness(model, x, [0, 0, 0], [0.1, 0.9], "pgd", clip=None)
    found = caught.value.robustness
    assert found.violations.tolist() == np.flatnonzero(found.distance < found.radius).tolist()
    assert "CERTIFICATES REFUTED" in str(found)


def test_a_single_logit_tells_two_classes_apart():
    model = linear(np.array([[2.0]]), bias=[-1.0])
    x = np.array([[0.1], [0.45], [0.7], [0.7]], "float32")
    found = lipzoo.evaluate_robustness(model, x, [0, 0, 1, 0], [0.1, 0.3], "pgd")
    assert found.clean == 0.75
    np.testing.assert_allclose(found.attacked, [0.5, 0.25])
    np.testing.assert_allclose(found.certified, [0.5, 0.25])


def test_a_tie_counts_as_lost():
    found = lipzoo.evaluate_robustness(
        linear(np.zeros((1, 2))), np.array([[0.5]]), [0], [0.1], "pgd"
    )
    assert (found.clean, found.attacked.tolist(), found.distance.tolist()) == (1.0, [0.0], [0.0])


def test_a_sample_has_the_classes_shares_and_repeats_itself(case):
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    chosen = stratified_sample(labels, 20, seed=1)
    assert np.bincount(labels[chosen]).tolist() == [12, 6, 2]
    np.testing.assert_array_equal(chosen, stratified_sample(labels, 20, seed=1))
    assert not np.array_equal(chosen, stratified_sample(labels, 20, seed=2))
    model, x, y, _ = case
    found = lipzoo.evaluate_robustness(
        model, x, y, [0.25], ProjectedGradient(steps=5, restarts=1), samples=20, seed=1
    )
    assert (len(found), found.total) == (20, 40)
    np.testing.assert_array_equal(found.labels, y[found.index])
    assert "20 examples of 40" in str(found)


def test_it_prints_and_draws_itself(case):
    model, x, y, _ = case
    found = lipzoo.evaluate_robustness(
        model, x, y, [0.1, "36/255"], ProjectedGradient(steps=5, restarts=1)
    )
    lines = str(found).splitlines()
    assert lines[1].split() == ["epsilon", "certified", "attacked"]
    assert lines[4].split()[0] == "36/255"
    assert f"{100 * found.attacked[1]:.2f}" in lines[4]
    axes = found.plot()
    marks = next(line for line in axes.lines if line.get_marker() == "D")
    np.testing.assert_allclose(marks.get_ydata()[1:], 100 * found.attacked)
    values = found.to_dict()
    assert values["attacked"]["36/255"] == found.attacked[1]
    row = found.rows()[0]
    assert row["radius"] == found.radius[0]


X = np.full((4, 2), 0.5)
Y = [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epsilons": [-0.1]}, "epsilon"),
        ({"epsilons": [np.inf]}, "epsilon"),
        ({"epsilons": ["nan"]}, "epsilon"),
        ({"epsilons": ["1/0"]}, "number or a fraction"),
        ({"epsilons": []}, "at least one epsilon"),
        ({"attacks": []}, "at least one attack"),
        ({"attacks": ["pdg"]}, "Did you mean 'pgd'"),
        ({"attacks": ProjectedGradient(steps=0)}, "steps"),
        ({"attacks": ProjectedGradient(restarts=True)}, "restarts"),
        ({"attacks": ProjectedGradient(step_size=0.0)}, "step_size"),
        ({"samples": 0}, "samples"),
        ({"samples": 5}, "samples"),
        ({"samples": 2.5}, "samples"),
        ({"x": X + 0.6}, "box of the attacks"),
        ({"clip": (1, 0)}, "clip"),
        ({"clip": "none"}, "clip"),
        ({"clip": 0.5}, "clip"),
        ({"clip": (0, 1, 2)}, "clip"),
        ({"seed": -1}, "seed"),
        ({"seed": 0.5}, "seed"),
        ({"y": [0, 1, 2, 1]}, "labels from 0 to 1"),
        ({"y": [0, 1]}, "one label per example"),
        ({"x": X[:, :1]}, "x of shape"),
        ({"x": X * np.nan}, "finite"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_bad_input_is_refused_before_any_work(changes, message, monkeypatch):
    monkeypatch.setattr(Search, "run", lambda *_: pytest.fail("work was begun"))
    arguments = {"x": X, "y": Y, "epsilons": [0.1], "attacks": "pgd", **changes}
    with pytest.raises(ValueError, match=message):
        lipzoo.evaluate_robustness(linear(np.eye(2)), **arguments)


@pytest.mark.parametrize(
    ("attack", "module", "extra"), [("deepfool", "foolbox", "attacks"), ("square", "art", "art")]
)
def test_a_missing_library_is_named_before_any_work(attack, module, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"pip install '.*\[{extra}\]'"):
        lipzoo.evaluate_robustness(linear(np.eye(2)), X, Y, [0.1], ["pgd", attack])


def test_no_model_and_no_attack_are_named():
    with pytest.raises(TypeError, match=r"keras\.Model"):
        lipzoo.evaluate_robustness(lambda x: x, X, Y)
    with pytest.raises(TypeError, match="name of an attack"):
        lipzoo.evaluate_robustness(linear(np.eye(2)), X, Y, attacks=[7])
    with pytest.raises(TypeError, match="name of an attack"):
        lipzoo.evaluate_robustness(linear(np.eye(2)), X, Y, attacks=None)


def test_the_old_name_warns_and_works():
    arguments = (linear(np.eye(2)), X, Y, [0.1], "pgd")
    with pytest.warns(DeprecationWarning, match=r"lipzoo\.evaluate_robustness since 0\.2"):
        found = lipzoo.evaluate(*arguments)
    assert found.to_dict() == lipzoo.evaluate_robustness(*arguments).to_dict()
