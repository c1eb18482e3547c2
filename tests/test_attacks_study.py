"""The study of attacks: what its file says holds together and is about the zoo's models."""

import json

import numpy as np
from sklearn.datasets import load_digits

from lipzoo.evaluation.attacks import Boundary, ProjectedGradient
from lipzoo.zoo import info
from lipzoo_catalogue.files import WEIGHTS
from lipzoo_catalogue.formatting import parse_fraction
from studies import attack_tables, attacks

RESULTS = json.loads(attacks.RESULTS.read_text())


def test_every_row_is_about_the_weights_in_the_zoo_and_holds_the_sandwich():
    assert {"resnet-fmnist", "gradflow-fmnist"} <= set(RESULTS["models"])
    for name, row in RESULTS["models"].items():
        assert row["weights_sha256"] == info(name).files[WEIGHTS].sha256
        assert row["examples"] == RESULTS["examples"]
        assert row["violations"] == []
        assert list(row["attacked"]) == list(attacks.EPSILONS)
        for radius, share in row["attacked"].items():
            assert row["certified"][radius] <= share <= row["clean"]


def test_the_flow_keeps_more_accuracy_than_the_plain_network_from_a_tenth_on():
    flow, plain = (RESULTS["models"][n]["attacked"] for n in ("gradflow-fmnist", "resnet-fmnist"))
    assert all(flow[name] > plain[name] for name in flow if parse_fraction(name) >= 0.1)


def test_the_cards_show_what_the_study_found():
    for name, row in RESULTS["models"].items():
        sample = info(name).metrics.sample
        assert {key: share for key, _, share in sample.attacked} == row["attacked"]
        assert sample.examples == row["examples"]


def test_a_model_is_measured_and_drawn(tmp_path):
    digits = load_digits()
    x = (digits.images[:40, ..., None] / 16).astype("float32")
    chosen = (ProjectedGradient(steps=10, restarts=2), Boundary(steps=50))
    row = attacks.measure("gradflow-digits", x, digits.target[:40], 10, chosen)
    assert row["examples"] == 10
    assert row["of"] == 40
    assert row["violations"] == []
    attacks.draw({"examples": 10, "models": {"gradflow-fmnist": row}}, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_the_table_has_two_rows_for_what_is_certified():
    lines = attack_tables.attacks_table().splitlines()[2:]
    certified = [
        row for row in RESULTS["models"].values() if np.any(list(row["certified"].values()))
    ]
    assert len(lines) == len(RESULTS["models"]) + len(certified)
