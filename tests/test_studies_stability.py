"""What the benchmark of stability compares, and how it reads its own numbers."""

import numpy as np
import pytest

from studies import stability, stability_tables
from studies.memory import memory
from studies.stability_networks import KINDS, NETWORKS, layer_flops, network


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_has_the_products_that_are_counted(kind, name):
    depth, width = 2, 8
    entries = {
        layers: sum(
            np.prod(weight.shape)
            for weight in network(name, kind, layers, width).weights
            if weight.name.startswith("kernel")
        )
        for layers in (1, 1 + depth)
    }
    added = entries[1 + depth] - entries[1]
    # A flow and a Hamiltonian layer use each kernel twice, as an operator and as its adjoint.
    uses = 1 if name in ("ResNet", "bare operators") else 2
    positions = stability.SIDE**2 if kind == "conv" else 1
    assert 2 * positions * uses * added == depth * layer_flops(kind, width)


def test_only_the_networks_with_structure_are_constrained():
    for name in NETWORKS:
        model = network(name, "dense", 2, 8)
        constrained = any(weight.constraint is not None for weight in model.weights)
        assert constrained == (name in ("gradient flow", "HamNet"))


def test_seconds_are_measured_at_every_depth_and_drawn(monkeypatch, tmp_path):
    monkeypatch.setattr(stability, "WIDTHS", {"conv": 4, "dense": 4})
    results = {kind: stability.over_depth(kind, 2, (1, 2), (2,)) for kind in KINDS}
    rows = [row for kind in KINDS for row in results[kind]]
    assert len(rows) == len(KINDS) * len(NETWORKS) * 2 * 2
    assert all(row["seconds"] > 0 for row in rows)
    by_depth = {
        (row["kind"], row["network"], row["work"], row["depth"]): row["flops"] for row in rows
    }
    for kind, name, work, depth in by_depth:
        assert by_depth[kind, name, work, depth] == depth * by_depth[kind, name, work, 1]
    stability.figure(results, tmp_path / "depth.png")
    assert (tmp_path / "depth.png").stat().st_size > 10_000


def test_the_exponent_is_that_of_a_power_law():
    rows = [{"depth": depth, "seconds": 0.3 * depth**1.5} for depth in (6, 12, 24, 48)]
    assert stability_tables.exponent(rows) == pytest.approx(1.5)


def test_peak_memory_counts_what_was_held():
    before = memory("VmHWM")
    held = np.ones(before // 8 + 2**23)
    assert memory("VmHWM") - before >= 0.9 * 2**26
    assert held[-1] == 1


def test_an_unknown_part_is_refused(capsys):
    with pytest.raises(SystemExit):
        stability.main(["--only", "speed"])
    assert "expected overhead, conv, dense, memory. Received: speed" in capsys.readouterr().err
