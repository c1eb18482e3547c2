"""Attacks of other libraries: as strong as ours, and no stronger than certificates."""

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo.evaluation.attacks import ATTACKS, ProjectedGradient, Target
from lipzoo.evaluation.attacks.base import lengths, nearest_of_other_classes
from tests.attack_cases import linear, small_case
from tests.helpers import in_float64


@pytest.fixture(scope="module")
def case():
    model, x, y, grid = small_case()
    ours = lipzoo.evaluate_robustness(model, x, y, grid, ProjectedGradient(steps=40, restarts=1))
    return model, x, y, grid, ours


def check(theirs, ours, name, sees_gradients):
    assert np.any(theirs.found_by == name)
    assert np.all(theirs.attacked >= theirs.certified)
    assert len(theirs.violations) == 0
    assert theirs.attacked[-1] < theirs.clean
    if sees_gradients:
        np.testing.assert_allclose(theirs.attacked, ours.attacked, atol=0.1)


on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="that is where these attacks can be seeded"
)


@on_tensorflow
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("foolbox-pgd", {"steps": 40, "restarts": 1}),
        ("deepfool", {}),
        ("carlini-wagner", {"steps": 200, "searches": 4}),
        ("boundary", {"steps": 100}),
    ],
)
def test_attacks_of_foolbox_agree_with_ours(name, settings, case):
    pytest.importorskip("foolbox")
    *arguments, ours = case
    theirs = lipzoo.evaluate_robustness(*arguments, ATTACKS[name](**settings))
    check(theirs, ours, name, sees_gradients=name != "boundary")
    if name == "boundary":
        again = lipzoo.evaluate_robustness(*arguments, ATTACKS[name](**settings))
        np.testing.assert_array_equal(again.distance, theirs.distance)


@on_tensorflow
@pytest.mark.parametrize("name", ["auto-pgd", "square"])
def test_attacks_of_the_toolbox_agree_with_ours(name, case):
    pytest.importorskip("art", reason="pip install 'lipzoo[art]'")
    *arguments, ours = case
    theirs = lipzoo.evaluate_robustness(*arguments, ATTACKS[name](steps=40))
    check(theirs, ours, name, sees_gradients=name != "square")


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="foolbox is not offered there")
def test_small_logits_do_not_blunt_the_attacks_of_others(case):
    """Cross-entropy is nearly linear in small logits, and ascending it leads to no class."""
    pytest.importorskip("foolbox")
    model, x, y, grid, ours = case
    attack = ATTACKS["foolbox-pgd"](steps=40, restarts=1)
    small = keras.Sequential([*model.layers, keras.layers.Rescaling(1e-3)])
    small.build((None, 8, 8, 1))
    theirs = lipzoo.evaluate_robustness(small, x, y, grid, attack)
    np.testing.assert_allclose(theirs.attacked, ours.attacked, atol=0.1)


def test_starting_points_are_on_the_other_side_of_the_boundary_and_close_to_it():
    model = linear([[1.0, 0.0], [0.0, 0.0]])
    x = np.array([[0.4, 0.0], [0.9, 1.0], [-0.6, 0.0]], "float32")
    prediction = np.array([0, 0, 1])
    target = Target(model, x, prediction, None, 8)
    points, found = nearest_of_other_classes(target, x[:2], prediction[:2])
    assert found.all()
    assert np.all((points[:, 0] <= 0) & (points[:, 0] > -1e-3))
    np.testing.assert_allclose(points[1], [0, 0.4], atol=1e-3)
    alone = Target(model, x[:2], prediction[:2], None, 8)
    assert not nearest_of_other_classes(alone, x[:2], prediction[:2])[1].any()


def test_lengths_are_upper_bounds():
    from fractions import Fraction

    x = np.random.default_rng(0).random((20, 50)).astype("float32")
    z = x + np.float32(0.1) * np.random.default_rng(1).random((20, 50)).astype("float32")
    for bound, first, second in zip(lengths(z, x), z, x, strict=True):
        square = sum(
            (Fraction(float(a)) - Fraction(float(b))) ** 2
            for a, b in zip(first, second, strict=True)
        )
        assert Fraction(float(bound)) ** 2 >= square
        assert float(bound) == pytest.approx(float(square) ** 0.5, rel=1e-12)


@in_float64
@pytest.mark.parametrize("size", [1, 3, 100])
def test_what_is_found_on_the_sphere_itself_counts(size):
    # The boundary of f(x) = (Σx/√d, 0) is at distance x·1/√d, just below the radius.
    inputs = keras.Input((size,), dtype="float64")
    head = keras.layers.Dense(2, use_bias=False, dtype="float64")
    model = keras.Model(inputs, head(inputs))
    direction = np.full(size, size**-0.5)
    head.set_weights([np.stack([direction, 0 * direction], axis=1)])
    distances = np.linspace(0.45, 0.4995, 60)
    x = distances[:, None] * direction
    found = lipzoo.evaluate_robustness(model, x, np.zeros(60, int), [0.5], "pgd", clip=None)
    assert found.attacked.tolist() == [0.0]
    assert np.all(found.distance <= 0.5)
