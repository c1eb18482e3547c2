"""The comparison of optimizers, on a network and data that take a second."""

import json

import numpy as np
import pytest

import lipzoo
from studies import optimizers
from studies.optimizers_table import optimizers_table
from tests.test_studies import tiny_dataset


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(optimizers, "BATCH_SIZE", 8)
    smaller = {**optimizers.NETWORK, "features": 12, "dense_depth": 1}
    monkeypatch.setattr(optimizers, "NETWORK", smaller)
    monkeypatch.setattr(optimizers, "RATES", dict.fromkeys(optimizers.RATES, (1e-06, 0.02)))
    return tiny_dataset()


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_every_optimizer_trains_within_the_constraint(small, name):
    model = optimizers.train("half rank", name, 0.02, 0, small, epochs=1)
    before = optimizers.train("half rank", name, 1e-9, 0, small, epochs=1)
    assert model.get_layer("dense_flow1").kernel.shape == (12, 6)
    assert lipzoo.lipschitz_bound(model).value <= 1.0
    x = small.inputs(small.test)
    assert np.abs(model.predict(x, verbose=0) - before.predict(x, verbose=0)).max() > 1e-3


def test_the_rate_is_chosen_on_validation_data_and_seeds_are_trained_anew(small, tmp_path):
    found = optimizers.row(tmp_path, small, "full rank", "Adam", seeds=2, epochs=1)
    runs = {path.stem: json.loads(path.read_text()) for path in tmp_path.iterdir()}
    by_rate = {
        rate: runs[f"full-rank-Adam-{rate:g}-0-1"]["result"]["validation"]["certified"]["0.5"]
        for rate in (1e-6, 0.02)
    }
    assert found["learning_rate"] == max(by_rate, key=by_rate.get)
    rate = found["learning_rate"]
    tests = [runs[f"full-rank-Adam-{rate:g}-{seed}-1"]["result"]["test"] for seed in (0, 1)]
    assert found["clean"]["values"] == [table["clean"] for table in tests]
    assert len(runs) == 3


def test_the_table_shows_what_was_found(tmp_path):
    share = {"mean": 0.875, "half_width": 0.0125}
    row = {"network": "half rank", "optimizer": "Adam", "learning_rate": 0.006}
    results = {
        "rows": [{**row, "clean": share, "certified": {"0.5": share}}],
        "steps": [{**row, "ratio": 1.25}],
        "epochs": 2,
        "examples": 10_000,
        "batch_size": 256,
        "seeds": 3,
    }
    path = tmp_path / "optimizers.json"
    path.write_text(json.dumps(results))
    text = optimizers_table(path)
    assert "| half rank | Adam | 0.006 | 87.5 ± 1.2 | 87.5 ± 1.2 | 1.25 × |" in text
    assert "2 epochs of 10,000 images, batch size 256, 3 seeds." in text


def test_costs_are_measured_for_every_optimizer_and_rank(small):
    rows = optimizers.step_costs(rounds=2)
    assert len(rows) == len(optimizers.UNITS) * len(optimizers.OPTIMIZERS)
    assert all(row["ratio"] == 1 for row in rows if row["optimizer"] == "Adam")
