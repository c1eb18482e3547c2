"""What the studies of small classifiers share, and the frontier: closed forms, and its file."""

import json

import numpy as np
import pytest
from scipy import stats

from lipzoo.data.dataset import Dataset, Split
from lipzoo.zoo import info
from studies import frontier
from studies.small_classifiers import finished_or, mean_and_interval, small_recipe, train_small


def tiny_dataset():
    """Bright tops and bright bottoms, as stored bytes."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 96)
    x = rng.integers(0, 120, (96, 28, 28, 1))
    x[y == 0, :14] += 100
    x[y == 1, 14:] += 100
    splits = [Split(x[i::3].astype("uint8"), y[i::3]) for i in range(3)]
    return Dataset("made up", "image", *splits, ("top", "bottom"), divisor=255.0)


def test_intervals_are_those_of_scipy():
    values = [0.7, 0.72, 0.69, 0.74, 0.71]
    interval = mean_and_interval(values)
    low, high = stats.t.interval(0.95, 4, loc=np.mean(values), scale=stats.sem(values))
    assert interval["mean"] - interval["half_width"] == pytest.approx(low)
    assert interval["mean"] + interval["half_width"] == pytest.approx(high)


def test_finished_runs_are_kept_unless_their_settings_changed(tmp_path):
    path, calls = tmp_path / "study" / "run.json", []

    def run():
        calls.append(1)
        return {"number": len(calls)}

    assert finished_or(path, {"seed": 0, "radii": (0.5,)}, run) == {"number": 1}
    assert finished_or(path, {"seed": 0, "radii": (0.5,)}, run) == {"number": 1}
    assert finished_or(path, {"seed": 1, "radii": (0.5,)}, run) == {"number": 2}


def test_a_small_network_is_the_recipes_and_repeats_itself():
    tiny = {"width": 4, "axial_units": 8, "features": 8, "dense_depth": 0}
    recipe = small_recipe(
        {**tiny, "patch_depths": (1,), "axial_depth": 1}, 2, batch_size=8, epsilon=0.1
    )
    assert recipe.training.loss.epsilon == 0.1
    assert recipe.model.arguments["width"] == 4
    dataset = tiny_dataset()
    first, again, other = (train_small(recipe, dataset, seed) for seed in (0, 0, 1))
    x = dataset.inputs(dataset.test)
    expected = first.predict(x, verbose=0)
    np.testing.assert_allclose(again.predict(x, verbose=0), expected, atol=1e-5)
    assert np.abs(other.predict(x, verbose=0) - expected).max() > 1e-2


def test_the_frontier_is_that_of_its_recipe_and_reaches_what_it_shows():
    found = json.loads((frontier.HERE / "frontier.json").read_text())
    assert found["recipe_sha256"] == small_recipe(frontier.SMALL, found["epochs"]).sha256()
    assert [point["epsilon"] for point in found["small"]] == list(frontier.EPSILONS)
    for name, point in found["shipped"].items():
        metrics = info(name).metrics
        assert point["test"]["clean"] == metrics.clean
        shares = {radius: share for radius, _, share in metrics.certified}
        assert point["test"]["certified"] == shares
    # The ladder: the robust model certifies more where it was trained to.
    lower, upper = (point["test"] for point in found["shipped"].values())
    assert upper["certified"]["1.0"] >= max(0.47, lower["certified"]["1.0"])
    assert upper["clean"] < lower["clean"]
