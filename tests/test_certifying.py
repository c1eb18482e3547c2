"""Certification from disk and in parts: the same answers and the same bytes as from memory."""

import base64
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import keras
import matplotlib.image
import numpy as np
import pytest

import lipzoo
import lipzoo_cli
from lipzoo.zoo.saving import save_model
from lipzoo_catalogue.certified import certified as certified_module
from lipzoo_catalogue.certified.certified import Certified, columns_of, joined
from lipzoo_catalogue.certified.parts import Part, PartError, join, read_part
from lipzoo_catalogue.certified.shards import Shard
from lipzoo_catalogue.certified.summary import SHOWN_EPSILONS
from lipzoo_catalogue.certified.terms import Terms
from lipzoo_catalogue.certified.writing import write_certified
from lipzoo_catalogue.model_config import ModelConfig
from lipzoo_cli import engine
from lipzoo_cli.part_marks import sha256_of_labels
from tests.helpers import default_backend_only

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Folder of a small model of pixels in [0, 1]."""
    arguments = {"input_shape": (8, 8, 1), "num_classes": 10, "depth": 1, "width": 64}
    pixels = {"scale": "pixels in [0, 1]", "minimum": 0.0, "maximum": 1.0}
    folder = tmp_path_factory.mktemp("zoo") / "small"
    keras.utils.set_random_seed(0)
    save_model(folder, lipzoo.MLP(**arguments), ModelConfig("MLP", arguments, pixels))
    return folder


@pytest.fixture
def run(capsys):
    """Runs a command; returns what it prints, or the line that it says of an error."""

    def run(*arguments, code=0):
        capsys.readouterr()
        assert lipzoo_cli.main([str(argument) for argument in arguments]) == code
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return printed.err.strip().splitlines()[-1] if code else printed.out

    return run


@pytest.fixture
def data(tmp_path):
    """Bytes and labels in .npy files, and in one .npz file."""
    generator = np.random.default_rng(0)
    x, y = generator.integers(0, 256, (23, 8, 8), "uint8"), generator.integers(0, 10, 23)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "fortran.npy", np.asfortranarray(x))
    np.save(tmp_path / "y.npy", y)
    np.savez(tmp_path / "xy.npz", x=x, y=y)
    return tmp_path


@pytest.fixture
def small_pieces(monkeypatch):
    """Reports are written two rows at a time."""
    monkeypatch.setattr(certified_module, "ROWS", 2)


def _certificates():
    """A certificate with infinite radii and without labels; two of a table, with labels."""
    generator = np.random.default_rng(1)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.set_weights([np.ones((2, 2)), np.array([0.0, -1.0])])
    plain = lipzoo.certify(model, generator.normal(size=(7, 2)), rounding=False, verbose=0)
    table = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Normalization(mean=[0.0, 0.0], variance=[1.0, 100.0]),
            keras.layers.Dense(1),
        ]
    )
    x = generator.normal(size=(7, 2))
    standardized = lipzoo.certify(table, x, np.arange(7) % 2, standardized=True, verbose=0)
    return plain, standardized, standardized.in_norm("linf")


@pytest.mark.parametrize("number", [0, 1, 2])
def test_piece_by_piece_everything_is_as_at_once(tmp_path, small_pieces, number):
    certificate = _certificates()[number]
    threshold = float(np.median(np.minimum(certificate.radius, 1e3)))
    pieces = [
        {name: column[rows] for name, column in columns_of(certificate).items()}
        for rows in (slice(0, 3), slice(3, 4), slice(4, 7))
    ]
    certified = Certified(Terms.of(certificate), joined(pieces))
    assert certified.summary() == str(certificate)
    report = certificate.report(threshold)
    assert certified.coverage(threshold) == certificate.coverage(threshold)
    if certificate.labels is not None:
        for epsilon in SHOWN_EPSILONS[certificate.norm]:
            expected = certificate.certified_accuracy(epsilon)
            assert certified.certified_accuracy(epsilon) == expected
        expected = certificate.selective_accuracy(threshold)
        assert certified.selective_accuracy(threshold) == expected
    texts = {"csv": report.to_csv(), "json": f"{report.to_json()}\n"}
    for ending, text in texts.items():
        path = tmp_path / f"radii.{ending}"
        write_certified(path, certified, threshold)
        assert path.read_text() == text


@default_backend_only
def test_a_page_shows_the_examples_and_whose_they_are(run, model, data, monkeypatch):
    monkeypatch.setattr("lipzoo_cli.certify._CHUNK", 10)
    page, radii = data / "page.html", data / "radii.npz"
    printed = run("certify", model, data / "xy.npz", "--html", page, "--out", radii)
    assert f"page: {page}" in printed
    text = page.read_text(encoding="utf-8")
    images = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    assert len(images) == 23
    stored = np.load(data / "xy.npz")
    for image, pixels in zip(images, stored["x"], strict=True):
        read = matplotlib.image.imread(io.BytesIO(base64.b64decode(image)), format="png")
        np.testing.assert_array_equal(np.rint(255 * read), pixels)
    given = (stored["x"].astype("float32") / np.float32(255))[..., None]
    for content in (
        (model / "model.safetensors").read_bytes(),
        (model / "config.json").read_bytes(),
        given.tobytes(),
        np.load(radii)["radius"].tobytes(),
        stored["y"].astype("<i8").tobytes(),
    ):
        assert hashlib.sha256(content).hexdigest() in text


@pytest.mark.parametrize(
    ("file", "ending"),
    [("x.npy", "csv"), ("fortran.npy", "npz"), ("xy.npz", "json"), ("x.npy", "parquet")],
)
def test_joined_parts_are_the_whole(run, model, data, monkeypatch, file, ending):
    monkeypatch.setattr("lipzoo_cli.certify._CHUNK", 4)
    labels = [] if file == "xy.npz" else ["--labels", data / "y.npy"]
    common = ["certify", model, data / file, *labels, "--norm", "linf"]
    whole, joined = data / f"whole.{ending}", data / f"joined.{ending}"
    counting = ["--abstain-below", "0.01", "--epsilon", "1/255"]
    printed = run(*common, *counting, "--out", whole)
    parts = []
    for number in (3, 1, 2):
        parts.append(data / f"part-{number}.{'parquet' if ending == 'parquet' else 'npz'}")
        text = run(*common, "--shard", f"{number}/3", "--out", parts[-1])
        first, stop = (23 * (number - 1)) // 3, (23 * number) // 3
        assert f"part {number}/3: examples {first} to {stop - 1} of 23" in text
        numbers = [int(i) for i in re.findall(r"^ +(\d+)  ", text, re.MULTILINE)]
        assert numbers == [*range(first, stop)]
    assert run("join", joined, *parts, *counting) == printed.replace("whole.", "joined.")
    if ending == "npz":
        arrays = [np.load(path) for path in (whole, joined)]
        assert arrays[0].files == arrays[1].files
        for name in arrays[0].files:
            one, other = (stored[name] for stored in arrays)
            if name == "radius":
                # A batch of another size may be summed in another order.
                np.testing.assert_allclose(one, other, rtol=1e-4)
            else:
                assert np.array_equal(one, other), name
    values = json.loads(run("join", joined, *parts, "--json"))
    assert (values["examples"], values["parts"], values["model"]) == (23, 3, "small")
    assert sorted(path.name for path in data.iterdir() if path.name.startswith(".")) == []


@default_backend_only
def test_what_is_no_whole_is_refused(run, model, data):
    common = ["certify", model, data / "x.npy"]

    def part(name, shard, *options):
        run(*common, "--shard", shard, "--out", data / f"{name}.npz", *options)
        return data / f"{name}.npz"

    one, two = part("one", "1/2"), part("two", "2/2")
    out = data / "joined.csv"
    out.write_text("old")
    np.save(data / "other.npy", np.load(data / "x.npy")[::-1])
    run("certify", model, data / "other.npy", "--shard", "2/2", "--out", data / "data.npz")
    cut = data / "cut.npz"
    cut.write_bytes(two.read_bytes()[:-200])
    altered = data / "altered.npz"
    content = bytearray(two.read_bytes())
    with zipfile.ZipFile(two) as archive:
        content[archive.getinfo("radius.npy").header_offset + 200] ^= 1
    altered.write_bytes(content)
    run(*common, "--out", data / "no-part.npz")
    cases = {
        "Received: 1, without part 2": [one],
        "expected every part once. Received: part 1/2": [one, two, one],
        "expected one of 2 parts": [one, part("third", "3/3")],
        "with the terms of": [one, part("cube", "2/2", "--norm", "linf")],
        "with the examples of": [one, part("fewer", "2/2", "--examples", "20")],
        "with the data of": [one, data / "data.npz"],
        "no such file": [one, data / "nowhere.npz"],
        "cut.npz: expected a part": [one, cut],
        "altered.npz: expected a part": [one, altered],
        "no-part.npz: expected a part": [one, data / "no-part.npz"],
        "x.npy: expected a part": [one, data / "x.npy"],
    }
    if keras.backend.backend() != "torch":  # which does not compute in float64
        cases["with the dtype of"] = [one, part("double", "2/2", "--dtype", "float64")]
    for message, parts in cases.items():
        line = run("join", out, *parts, code=2)
        assert message in line, line
    assert out.read_text() == "old"
    assert "OUT: expected a .csv" in run("join", data / "joined.txt", one, two, code=2)
    assert "folder that exists" in run("join", data / "none" / "x.csv", one, two, code=2)


@default_backend_only
def test_parts_with_other_labels_are_refused(run, model, data):
    """Also if these differ in the other part's examples alone; their type makes no difference."""

    def part(name, shard, *options):
        out = data / f"{name}.npz"
        run("certify", model, data / "x.npy", "--shard", shard, "--out", out, *options)
        return out

    y = np.load(data / "y.npy")
    other = np.where(np.arange(23) == 0, (y + 1) % 10, y)
    np.save(data / "other.npy", other)
    np.save(data / "one-hot.npy", np.eye(10, dtype="float32")[y])
    one = part("one", "1/2", "--labels", data / "y.npy")
    mixed = part("mixed", "2/2", "--labels", data / "other.npy")
    plain = part("plain", "2/2")
    hashes = {path: read_part(path).settings["labels"] for path in (one, mixed, plain)}
    assert hashes[plain] is None
    for path in (mixed, plain):
        line = run("join", data / "joined.csv", one, path, code=2)
        assert f"{path}: expected a part with the labels of {one}." in line, line
        assert f"Received: labels={hashes[path]} instead of labels={hashes[one]}" in line, line
    line = run("join", data / "joined.csv", plain, one, code=2)
    assert f"{one}: expected a part with the labels of {plain}." in line, line
    assert not (data / "joined.csv").exists()
    run("join", data / "joined.csv", one, part("same", "2/2", "--labels", data / "one-hot.npy"))
    assert (data / "joined.csv").exists()


def test_hash_of_labels_is_that_of_all_of_them(monkeypatch):
    y = np.array([3, 1, 0, 2, 2])
    whole = sha256_of_labels(y, 5, 4)
    monkeypatch.setattr("lipzoo_cli.part_marks.ROWS", 2)
    assert sha256_of_labels(y, 5, 4) == whole
    assert sha256_of_labels(y.astype(">i2"), 5, 4) == whole
    for i in range(5):
        assert sha256_of_labels(np.where(np.arange(5) == i, (y + 1) % 4, y), 5, 4) != whole
    assert sha256_of_labels(y, 4, 4) != whole


@default_backend_only
def test_a_part_with_other_columns_is_named(run, model, data):
    """As after labels were taken out of a part that states them."""
    paths = [data / "one.npz", data / "two.npz"]
    for number, path in enumerate(paths, start=1):
        labels = ["--labels", data / "y.npy"]
        shard = ["--shard", f"{number}/2", "--out", path]
        run("certify", model, data / "x.npy", *labels, *shard)
    arrays = dict(np.load(paths[1]))
    del arrays["labels"]
    np.savez(paths[1], **arrays)
    parts = [read_part(path) for path in paths]
    with pytest.raises(PartError, match=f"^{re.escape(str(paths[1]))}: Expected columns"):
        join(paths, parts)


@default_backend_only
@pytest.mark.parametrize("shard", ["5/4", "0/4", "-1/4", "1.5/4", "1/0", "true/4", "null/4"])
def test_a_part_that_is_none_of_its_whole_is_refused(run, model, data, shard):
    path = data / "part.npz"
    run("certify", model, data / "x.npy", "--shard", "1/4", "--out", path)
    arrays = dict(np.load(path))
    values = json.loads(str(arrays["part"]))
    values["shard"] = dict(zip(("number", "count"), map(json.loads, shard.split("/")), strict=True))
    with pytest.raises(ValueError, match="1 <= k <= K"):
        Part.parse(json.dumps(values))
    np.savez(path, **arrays | {"part": json.dumps(values)})
    assert f"{path}: expected a part" in run("join", data / "joined.csv", path, code=2)


def test_a_file_that_cannot_be_written_is_refused_before_any_work(run, model, data, monkeypatch):
    for name in ("lipzoo_cli.certify.read_examples", "lipzoo_cli.join.read_part"):
        monkeypatch.setattr(name, lambda *_, **__: pytest.fail("read"))
    folder, closed = data / "folder.npz", data / "closed"
    folder.mkdir()
    closed.mkdir(mode=0o500)
    # Root may write everywhere; to everyone else the mode says whether they may.
    monkeypatch.setattr(os, "access", lambda path, mode: bool(os.stat(path).st_mode & 0o200))
    reasons = {
        folder: f"expected a file. Received: {folder}, which is a folder",
        closed / "radii.csv": "expected a folder that may be written into. Received: "
        f"{closed / 'radii.csv'}, in {closed}",
    }
    for out, reason in reasons.items():
        line = run("certify", model, data / "x.npy", "--out", out, code=2)
        assert f"--out: {reason}" in line, line
        line = run("join", out, data / "one.npz", code=2)
        assert f"OUT: {reason}" in line, line


@pytest.mark.parametrize(
    ("value", "reason"),
    [(np.nan, "1 values that are NaN or infinite"), (2.0, "values from 0 to 2")],
)
def test_an_error_says_which_examples_do_not_fit(run, model, data, monkeypatch, value, reason):
    monkeypatch.setattr("lipzoo_cli.certify._CHUNK", 4)
    x = np.zeros((23, 8, 8))
    x[13, 0, 0] = value
    np.save(data / "broken.npy", x)
    line = run("certify", model, data / "broken.npy", code=2)
    assert f"{data / 'broken.npy'}, examples 12 to 15: Expected" in line, line
    assert reason in line, line


def test_options_are_refused_before_any_work(run, model, data, monkeypatch):
    monkeypatch.setattr(
        "lipzoo_cli.certified_model.load_from", lambda *_, **__: pytest.fail("loaded")
    )
    np.save(data / "short.npy", np.zeros(5, int))
    np.save(data / "large.npy", np.full(23, 10))
    np.save(data / "last.npy", np.where(np.arange(23) == 22, 10, 0))
    out = ["--out", data / "part.npz"]
    cases = {
        "such as 2/4": [["--shard", text, *out] for text in ("0/4", "5/4", "x", "2", "1/0")],
        "expected --out with an .npz or .parquet file": [
            ["--shard", "1/2"],
            ["--shard", "1/2", "--out", data / "part.csv"],
        ],
        "expected at most as many parts as examples, 23": [["--shard", "1/24", *out]],
        "short.npy: expected one label per example": [["--labels", data / "short.npy"]],
        "Expected labels from 0 to 9": [
            ["--labels", data / "large.npy"],
            ["--labels", data / "last.npy", "--shard", "1/2", *out],
        ],
        "nowhere.npy: no such file": [["--labels", data / "nowhere.npy"]],
    }
    for message, options in cases.items():
        for option in options:
            assert message in run("certify", model, data / "x.npy", *option, code=2)
    line = run("certify", model, data / "xy.npz", "--labels", data / "y.npy", code=2)
    assert "--labels: expected examples in an .npy file" in line


@pytest.mark.parametrize("examples", [1, 2, 7, 10, 1000])
def test_parts_follow_each_other_and_differ_by_one_example_at_most(examples):
    for count in range(1, min(examples, 9) + 1):
        parts = [Shard(number, count).of(examples) for number in range(1, count + 1)]
        assert [i for part in parts for i in part] == list(range(examples))
        sizes = {len(part) for part in parts}
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from /proc")
def test_memory_does_not_grow_with_the_examples(model, tmp_path):
    """The examples take 50 MB more, which may not show in the peak; the answers take 1 MB."""
    # The peak of resource.getrusage would be that of the process that starts it, if it is larger.
    program = (
        "import sys, lipzoo_cli\n"
        "for path in sys.argv[1:3]:\n"
        "    code = lipzoo_cli.main(['certify', sys.argv[3], path, *sys.argv[4:]])\n"
        "    peak = open('/proc/self/status').read().split('VmHWM:')[1].split()[0]\n"
        "    print('peak', code, peak)\n"
    )
    paths = []
    for examples in (1_000, 26_000):
        paths.append(tmp_path / f"{examples}.npy")
        shape = (examples, 8, 8)
        x = np.lib.format.open_memmap(paths[-1], "w+", "float64", shape)
        x[:] = np.random.default_rng(0).random((1, 8, 8))
        x.flush()
    result = subprocess.run(
        [sys.executable, "-c", program, *paths, model, "--out", tmp_path / "radii.csv"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    printed = re.findall(r"^peak (\d+) (\d+)$", result.stdout, re.MULTILINE)
    assert [code for code, _ in printed] == ["0", "0"]
    peaks = [int(peak) / 1024 for _, peak in printed]
    assert peaks[1] < peaks[0] + 25


def test_a_piece_that_kills_its_worker_is_not_repeated_for_ever(monkeypatch):
    """What Ray is asked for, on a stand-in: it repeats without an end if these are -1."""
    asked = {}

    def remote(**options):
        asked.update(options)
        return lambda worker: SimpleNamespace(remote=lambda *arguments: worker)

    ray = SimpleNamespace(
        is_initialized=lambda: True, cluster_resources=lambda: {"CPU": 1}, remote=remote
    )
    monkeypatch.setitem(sys.modules, "ray", ray)
    subject = SimpleNamespace(configuration="", weights="")
    assert [*engine.through_ray([], subject, None)] == []
    assert 0 < asked["max_restarts"] < 10
    assert 0 < asked["max_task_retries"] < 10
