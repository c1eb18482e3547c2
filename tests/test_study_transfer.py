"""The transfer study: predictors and shifts against closed forms, and its file."""

import json

import keras
import numpy as np
import pytest

import lipzoo
from studies import transfer
from studies.predictors import (
    Radii,
    as_on_source,
    calibrated,
    floor,
    predictions,
    share_above,
    thresholded,
)
from studies.shifts import SEVERITIES, displacement, shifted
from studies.small_classifiers import small_recipe


def _images(count, seed=0):
    return np.random.default_rng(seed).random((count, 28, 28, 1)).astype("float32")


def _sample(generator, count, scale):
    """Radii of which `P(correct | r) = 1 - exp(-3r) / 2`, whatever their distribution."""
    radius = generator.exponential(scale, count)
    return Radii(radius, generator.random(count) < 1 - np.exp(-3 * radius) / 2)


def test_predictors_where_what_they_assume_holds():
    generator = np.random.default_rng(0)
    source, target = _sample(generator, 40_000, 0.6), _sample(generator, 40_000, 0.3)
    for epsilon in (0.1, 0.25, 0.5):
        measured = target.certified_accuracy(epsilon)
        # P(correct | r) is the same in both: calibration is right, the others are off.
        assert calibrated(source, target.radius, epsilon) == pytest.approx(measured, abs=0.01)
        assert as_on_source(source, target.radius, epsilon) > measured + 0.1
        assert share_above(source, target.radius, epsilon) > measured + 0.005
    for name, shares in predictions(source, source.radius, (0.25,)).items():
        if name != "share above":
            measured = source.certified_accuracy(0.25)
            assert shares["0.25"] == pytest.approx(measured, abs=1e-3), name


def test_thresholds_are_those_of_the_source():
    source = Radii(np.array([0.1, 0.2, 0.3, 0.4, 0.5]), np.array([True, False, True, True, True]))
    # Three of five are certified at 0.2, and three of five radii exceed 0.2.
    assert source.certified_accuracy(0.15) == 0.6
    assert thresholded(source, np.array([0.2, 0.21, 0.3, 0.0]), 0.15) == 0.5


def test_the_floor_is_a_theorem_for_the_shifted_examples():
    keras.utils.set_random_seed(0)
    model = lipzoo.GradFlowNet((28, 28, 1), 3, width=4, axial_units=8, features=8)
    x = _images(64)
    y = model.predict(x, verbose=0).argmax(axis=1)
    source = transfer.radii(model, x, y)
    for kind, severities in SEVERITIES.items():
        moved = shifted(x, kind, severities[0] / 50, seed=3) if kind != "contrast" else 0.999 * x
        distance = displacement(x, moved)
        certificate = lipzoo.certify(model, moved, y, rounding=False, verbose=0)
        for epsilon in np.quantile(source.radius, (0.1, 0.5)):
            certified = np.mean((certificate.prediction == y) & (certificate.radius > epsilon))
            assert floor(source, distance, epsilon) <= certified


@pytest.mark.parametrize("kind", SEVERITIES)
def test_shifts_keep_images_images_and_grow_with_the_severity(kind):
    x = _images(8)
    order = SEVERITIES[kind]
    sizes = [displacement(x, shifted(x, kind, severity)).mean() for severity in order]
    assert sizes == sorted(sizes)
    assert sizes[0] > 0
    moved = shifted(x, kind, order[-1])
    assert moved.dtype == np.float32
    assert moved.shape == x.shape
    assert moved.min() >= 0
    assert moved.max() <= 1
    np.testing.assert_array_equal(moved, shifted(x, kind, order[-1]))


def test_an_unknown_shift_is_refused():
    with pytest.raises(ValueError, match=r"kind must be one of rotation, blur, .*'fog'"):
        shifted(_images(1), "fog", 1.0)


def test_a_quarter_turn_and_no_contrast_have_closed_forms():
    x = _images(4)
    turned = shifted(x, "rotation", 90.0)
    for image, after in zip(x, turned, strict=True):
        error = min(np.abs(np.rot90(image, k) - after).max() for k in (1, 3))
        assert error < 1e-5
    flat = shifted(x, "contrast", 0.0)
    np.testing.assert_allclose(flat, np.broadcast_to(x.mean((1, 2, 3), keepdims=True), x.shape))


def test_joining_seeds_and_their_errors():
    rows = [
        {
            "blur 1.0": {
                "measured": {"0.5": measured},
                "predicted": {"share above": {"0.5": measured + error}},
            }
        }
        for measured, error in ((0.5, 0.1), (0.6, -0.2))
    ]
    joined = transfer.over_seeds(rows)
    assert joined["blur 1.0"]["measured"]["0.5"]["mean"] == pytest.approx(0.55)
    errors = transfer.mean_errors({"small": joined})
    assert errors["blur"]["share above"]["0.5"] == pytest.approx(0.15)


def test_the_file_is_that_of_the_study():
    found = json.loads((transfer.HERE / "transfer.json").read_text())
    assert found["recipe_sha256"] == small_recipe({}, found["epochs"]).sha256()
    assert found["mean_absolute_error"] == transfer.mean_errors(found["networks"])
