"""The comparison with other libraries, as far as it runs without their environments."""

import doctest
import json
import subprocess
import sys

import numpy as np
import pytest

from lipzoo.data.dataset import Dataset, Split
from studies.memory import memory
from studies.peers import __main__ as peers
from studies.peers import clock, environments, measure, norms, shape
from studies.peers_table import peers_table
from tests.convolution_operators import loop_operator


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def dataset(rng):
    """A data set of a few images, all of them noise."""
    images = rng.integers(256, size=(600, 28, 28, 1), dtype="uint8")
    split = Split(images, rng.integers(10, size=600).astype("int64"))
    names = tuple("abcdefghij")
    return Dataset("noise", "image", split, split, split, names, divisor=255.0)


def result(speed=1000.0, **other):
    """What a training of a library leaves."""
    shares = {str(radius): 0.5 for radius in shape.RADII}
    return {
        "training_images_per_second": speed,
        "inference_images_per_second": 3 * speed,
        "peak_bytes": 10**9,
        "software": {"library": "1.0"},
        "norms": [0.5, 1.0000001],
        "product_of_norms": 0.50000005,
        "clean": 0.875,
        "certified": shares,
        "claimed_certified": {**shares, "0.25": 0.25},
        **other,
    }


@pytest.mark.parametrize("module", [shape, clock, norms, measure])
def test_examples_of_the_comparison(module):
    assert doctest.testmod(module).attempted
    assert not doctest.testmod(module).failed


@pytest.mark.parametrize("padding", ["zeros", "circular"])
@pytest.mark.parametrize("sizes", [(4, 5), (6, 3)])
@pytest.mark.parametrize("channels", [(2, 3), (3, 1)])
def test_the_norm_of_a_convolution_is_that_of_its_matrix(rng, padding, sizes, channels):
    kernel = rng.normal(size=(3, 3, *channels))
    operator = loop_operator(
        kernel, sizes, (1, 1), (1, 1), (1, 1), sizes, circular=padding == "circular"
    )
    expected = np.linalg.svd(operator, compute_uv=False)[0]
    assert norms.true_norm(kernel, *sizes, padding) == pytest.approx(expected, rel=1e-12)


def test_the_norm_of_a_dense_kernel_is_its_largest_singular_value(rng):
    kernel = rng.normal(size=(7, 4)).astype("float32")
    expected = np.linalg.svd(kernel.astype("float64"), compute_uv=False)[0]
    assert norms.true_norm(kernel, 1, 1, "zeros") == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("channels", [(6, 9), (9, 6)])
def test_a_large_operator_has_the_same_norm_without_an_svd(rng, channels):
    operator = norms.zero_padded_operator(rng.normal(size=(3, 3, *channels)), 5, 4)
    expected = np.linalg.svd(operator.toarray(), compute_uv=False)[0]
    assert norms.enclosed_norm(operator) == pytest.approx(expected, rel=1e-9)


def test_a_value_below_the_largest_singular_value_is_not_taken_for_it(rng, monkeypatch):
    import scipy.sparse.linalg

    monkeypatch.setattr(scipy.sparse.linalg, "svds", lambda *_, **__: [0.99 * largest])
    operator = norms.zero_padded_operator(rng.normal(size=(3, 3, 6, 9)), 5, 4)
    largest = np.linalg.norm(operator.toarray(), 2)
    with pytest.raises(ArithmeticError, match="a singular value above"):
        norms.enclosed_norm(operator)


def test_a_padding_without_a_norm_is_refused():
    with pytest.raises(ValueError, match="Received: padding='reflect'"):
        norms.true_norm(np.ones((3, 3, 1, 1)), 4, 4, "reflect")


def test_kernels_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="expected a dense kernel"):
        measure.layer_norms("dense", [np.ones((2, 2))] * 3, "zeros")


def test_training_stops_when_the_budget_is_spent_and_does_not_count_its_first_steps(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(clock.time, "perf_counter", lambda: now[0])
    rates = []

    def step(images, labels, rate):
        assert images.shape == (shape.BATCH_SIZE, 28, 28, 1)
        assert images.max() <= 1.0
        now[0] += 100.0 if len(rates) < shape.UNTIMED_STEPS else 2.0
        rates.append(rate)

    x = np.full((600, 28, 28, 1), 255, "uint8")
    timing = clock.train(step, x, np.zeros(600, "int64"), rate=0.1, budget=20.0, seed=0)
    assert timing["steps"] == 10
    assert timing["training_seconds"] == 20.0
    assert timing["training_images_per_second"] == 10 * shape.BATCH_SIZE / 20.0
    assert max(rates) <= 0.1
    assert rates[-1] < 0.01


def test_the_memory_of_a_process_is_not_that_of_the_one_that_started_it():
    code = "from studies.memory import memory; print(memory('VmHWM'), memory('VmRSS'))"
    command = [sys.executable, "-c", code]
    output = subprocess.run(command, capture_output=True, check=True, cwd=measure.ROOT).stdout
    peak, now = map(int, output.split())
    # Read at two moments, so that either may be a page above the other.
    assert 0 < now < memory("VmRSS") / 2
    assert 0 < peak < memory("VmRSS") / 2


def test_a_training_of_lipzoo_is_measured_in_a_process_of_its_own(dataset):
    library = measure.Library("lipzoo", sys.executable)
    request = {"network": "dense", "rate": 1e-3, "budget": 0.2, "seed": 0}
    row = measure.measure(library, request, dataset, "validation")
    assert row["steps"] >= 1
    assert row["parameters"] == 785 * 1024 + 1025 * 1024 + 1025 * 10
    assert len(row["norms"]) == 3
    assert row["product_of_norms"] <= row["claimed_bound"] <= 1.0
    for certified in (row["certified"], row["claimed_certified"]):
        assert 0.0 <= certified["1.0"] <= certified["0.1"] <= row["clean"]


def test_the_learning_rate_is_chosen_on_validation_data_and_test_data_are_read_once(
    dataset, monkeypatch, tmp_path
):
    requests = []

    def recorded(library, request, _, split):
        requests.append((split, request["rate"], request["budget"]))
        best = request["rate"] == shape.LEARNING_RATES[1]
        return result(certified={str(radius): 0.5 + 0.1 * best for radius in shape.RADII})

    monkeypatch.setattr(peers, "measure", recorded)
    library = measure.Library("lipzoo", sys.executable)
    row = peers.compare(library, "dense", 100.0, dataset, tmp_path)
    assert row["learning_rate"] == shape.LEARNING_RATES[1]
    assert requests[-1] == ("test", shape.LEARNING_RATES[1], 100.0)
    selection = [("validation", rate, 25.0) for rate in shape.LEARNING_RATES]
    assert requests[:-1] == selection
    # Finished trainings are kept.
    assert peers.compare(library, "dense", 100.0, dataset, tmp_path) == row
    assert len(requests) == len(selection) + 1


def run_main(dataset, monkeypatch, tmp_path, *options):
    """The comparison with environments that cannot be installed, and without training."""
    impossible = environments.Peer("deel-lip", ("lipzoo-no-such-file.whl",), "deel", "")
    monkeypatch.setattr(peers, "PEERS", (impossible,))
    monkeypatch.setattr(peers, "load_data", lambda _: dataset)
    monkeypatch.setattr(peers, "measure", lambda *_: result())
    folders = ["--environments", tmp_path / "environments", "--runs", tmp_path / "runs"]
    output = ["--output", tmp_path / "peers.json"]
    return peers.main([str(option) for option in (*folders, *output, *options)])


def test_a_library_that_cannot_be_installed_leaves_the_rows_of_the_others(
    dataset, monkeypatch, tmp_path, capsys
):
    assert run_main(dataset, monkeypatch, tmp_path) == 1
    message = capsys.readouterr().err
    assert "deel-lip: `" in message
    assert "lipzoo-no-such-file.whl" in message
    written = json.loads((tmp_path / "peers.json").read_text(encoding="utf-8"))
    assert {network: list(rows) for network, rows in written["networks"].items()} == {
        "convolutional": ["lipzoo"],
        "dense": ["lipzoo"],
    }


def test_rows_that_are_not_asked_for_are_kept(dataset, monkeypatch, tmp_path):
    def refuse(*_):
        raise environments.PeerError("no environment")

    monkeypatch.setattr(peers, "prepare", refuse)
    assert run_main(dataset, monkeypatch, tmp_path, "--only", "lipzoo") == 0
    path = tmp_path / "peers.json"
    written = json.loads(path.read_text(encoding="utf-8"))
    written["networks"]["dense"]["deel-lip"] = result(speed=7.0)
    path.write_text(json.dumps(written), encoding="utf-8")
    assert run_main(dataset, monkeypatch, tmp_path, "--network", "convolutional") == 1
    assert json.loads(path.read_text(encoding="utf-8")) == written
    # Rows with another budget would not be comparable.
    run_main(dataset, monkeypatch, tmp_path, "--budget", "7", "--only", "lipzoo")
    rows = json.loads(path.read_text(encoding="utf-8"))["networks"]
    assert list(rows["dense"]) == ["lipzoo"]


@pytest.mark.parametrize(
    "options",
    [["--budget", "0"], ["--budget", "nan"], ["--only", "other"], ["--network", "other"]],
)
def test_bad_options_are_refused(options, capsys):
    with pytest.raises(SystemExit):
        peers.main(options)
    assert options[0] in capsys.readouterr().err


def test_an_environment_that_is_complete_is_used_again(tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr(environments, "run", lambda _, command: commands.append(command))
    peer = environments.PEERS[0]
    home = tmp_path / peer.name
    monkeypatch.setattr(environments.shutil, "rmtree", lambda *_, **__: home.mkdir())
    first = environments.prepare(peer, tmp_path, sys.executable)
    assert first == home / "bin" / "python"
    assert len(commands) == 3
    assert environments.prepare(peer, tmp_path, sys.executable) == first
    assert len(commands) == 3


def test_the_table_has_a_row_for_each_library_and_never_rounds_a_norm_down(tmp_path):
    path = tmp_path / "peers.json"
    networks = {"dense": {"lipzoo": result(), "deel-lip": result(speed=500.0)}}
    found = {"settings": {"budget_seconds": 60.0}, "networks": networks}
    path.write_text(json.dumps(found), encoding="utf-8")
    header, _, first, second = peers_table(path).splitlines()
    assert header.startswith("| shape, trained for 60 s |")
    cells = "dense | library 1.0 | 1,000 | 3,000 | 1,000 | 1.000001 | 0.5000001 | 87.5 | 50.0"
    assert first.startswith(f"| {cells} ")
    assert first.endswith("| 25.0 |")
    assert second.startswith("|  | library 1.0 | 500 |")
