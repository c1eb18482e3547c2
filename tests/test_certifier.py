"""One callable in many processes: the answers of `certify`, tied to weights; counts that add up."""

import dataclasses
import json
import pickle
import shutil

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo.certifying import beam, process_models
from lipzoo.zoo.saving import save_model
from lipzoo_catalogue.certified.certificate_summary import CertificateSummary
from lipzoo_catalogue.certified.part_digest import digest_of
from lipzoo_catalogue.certified.radius_histogram import RadiusHistogram
from lipzoo_catalogue.model_config import ModelConfig
from tests.onnx_files import constants_from, content, node
from tests.processes import fresh

EPSILONS = (0.001, 0.01, 0.05)


def _saved(folder, seed):
    arguments = {"input_shape": (8, 8, 1), "num_classes": 3, "depth": 1, "width": 8}
    pixels = {"scale": "pixels in [0, 1]", "minimum": 0.0, "maximum": 1.0}
    keras.utils.set_random_seed(seed)
    save_model(folder, lipzoo.MLP(**arguments), ModelConfig("MLP", arguments, pixels))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return _saved(tmp_path_factory.mktemp("models") / "small", seed=0)


@pytest.fixture(scope="module")
def data():
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (40, 8, 8), "uint8"), generator.integers(0, 3, 40)


@pytest.fixture(scope="module")
def answers(folder, data):
    """A certifier with its answers of two batches."""
    certifier = lipzoo.Certifier(folder, EPSILONS, norm="linf")
    x, y = data
    batches = ({"x": x[rows], "y": y[rows], "id": np.arange(40)[rows]} for rows in _halves())
    return certifier, [certifier(batch) for batch in batches]


def _halves():
    return slice(0, 16), slice(16, 40)


def test_answers_are_those_of_certify_in_the_order_of_the_batch(folder, data, answers):
    _, parts = answers
    x, y = data
    pixels = (x / np.float32(255)).astype("float32")[..., None]
    model = lipzoo.load(folder)
    for rows, part in zip(_halves(), parts, strict=True):
        expected = lipzoo.certify(model, pixels[rows], y[rows], verbose=0).in_norm("linf")
        for name in ("prediction", "radius", "rival"):
            assert np.array_equal(part[name], getattr(expected, name)), name
        assert part["y"].tolist() == y[rows].tolist()
        assert part["id"].tolist() == np.arange(40)[rows].tolist()
        assert "x" not in part


def test_rows_may_be_arrays_or_lists_and_blocks_empty(data, answers):
    certifier, parts = answers
    x, _ = data
    rows = np.empty(16, object)
    rows[:] = list(x[:16])
    for column in (
        rows,
        list(x[:16]),
        x[:16, ..., None],
        x[:16].reshape(16, 64),
        (x[:16] / 255).astype("float32"),
    ):
        assert np.array_equal(certifier({"x": column})["radius"], parts[0]["radius"])
    nothing = certifier({"x": x[:0], "y": np.empty(0, int)})
    assert {name: len(column) for name, column in nothing.items()} == dict.fromkeys(
        ("y", "prediction", "rival", "fingerprint", "radius"), 0
    )
    reserved = {f"a column {name!r}; rename": {"x": x, name: x} for name in ("rival", "radius")}
    cases = reserved | {
        "Expected a batch with a column 'x'": {"image": x},
        "expected a row for each example": {"x": x[0]},
        "expected examples of shape": {"x": x[:, :4]},
        "Expected examples of one shape": {"x": [x[0], x[0, :4]]},
    }
    for message, batch in cases.items():
        with pytest.raises(ValueError, match=message):
            certifier(batch)


def test_a_pickle_names_the_weights_and_holds_none(folder, data, answers, tmp_path):
    """Another process loads the model by it, and answers the same."""
    certifier, parts = answers
    pickled = pickle.dumps(certifier)
    assert len(pickled) < 3_000
    assert certifier.settings["weights"].encode() in pickled
    (tmp_path / "certifier.pickle").write_bytes(pickled)
    np.save(tmp_path / "x.npy", data[0][:16])
    program = (
        "import pickle, numpy as np\n"
        "certifier = pickle.load(open('certifier.pickle', 'rb'))\n"
        "answers = certifier({'x': np.load('x.npy')})\n"
        "print(answers['fingerprint'][0], answers['radius'].tobytes().hex())\n"
    )
    fingerprint, radius = fresh(program, cwd=tmp_path).split()
    assert int(fingerprint) == certifier.fingerprint
    assert radius == parts[0]["radius"].tobytes().hex()


def test_a_process_loads_once_and_refuses_other_weights(folder, data, tmp_path, monkeypatch):
    monkeypatch.setattr(process_models, "_loaded", {})
    place = shutil.copytree(folder, tmp_path / "small")
    certifier = lipzoo.Certifier(place)
    copies = [pickle.loads(pickle.dumps(certifier)) for _ in range(2)]
    assert copies[0].load() is copies[1].load()
    monkeypatch.setattr(process_models, "_loaded", {})
    shutil.rmtree(place)
    with pytest.raises(FileNotFoundError, match="small"):
        copies[0]({"x": data[0]})
    _saved(place, seed=1)
    with pytest.raises(ValueError, match="altered: expected SHA-256"):
        copies[0]({"x": data[0]})


def test_a_process_that_was_forked_too_late_is_told_so(data, answers, monkeypatch):
    """It would wait for ever otherwise."""
    certifier, _ = answers
    monkeypatch.setattr(process_models.os, "getpid", lambda: 0)
    with pytest.raises(RuntimeError, match="forked from a process in which it was loaded"):
        certifier({"x": data[0]})


def test_counts_of_parts_are_those_of_the_whole(folder, data, answers):
    certifier, parts = answers
    prediction, radius, labels = (
        np.concatenate([part[name] for part in parts]) for name in ("prediction", "radius", "y")
    )
    one, two = (certifier.summary([part]) for part in parts)
    ways = [certifier.summary(parts), one + two, two + one, certifier.summary(iter([two, one]))]
    ways.append(CertificateSummary.from_json(ways[0].to_json()))
    assert len({way.to_json() for way in ways}) == 1
    summary = ways[0]
    assert summary.examples == 40
    assert summary.accuracy == np.mean(prediction == labels)
    for number, epsilon in enumerate(EPSILONS):
        assert summary.coverage(epsilon) == np.mean(radius > epsilon)
        kept = (prediction == labels) & (radius > epsilon)
        assert summary.certified_accuracy(epsilon) == np.mean(kept)
        of_classes = [np.sum(kept & (labels == i)) for i in range(3)]
        assert summary.above[number].tolist() == of_classes
    assert summary.total.tolist() == np.bincount(labels, minlength=3).tolist()
    assert "certified accuracy" in str(summary)


def test_blocks_without_rows_change_no_counts(answers):
    certifier, parts = answers
    empty = [certifier({"x": [], "y": []}), certifier({"x": []})]
    assert empty[0]["y"].dtype == "int64"
    lists = {name: [] for name in parts[0]}
    whole = certifier.summary([*empty, parts[0], *empty, lists, parts[1]])
    assert whole.to_json() == certifier.summary(parts).to_json()
    nothing = certifier.summary([*empty, lists])
    assert str(nothing).startswith("0 examples in 0 parts, model")
    assert (nothing.accuracy, nothing.parts) == (None, frozenset())
    assert CertificateSummary.from_json(nothing.to_json()).examples == 0
    with pytest.raises(ValueError, match="Received: a summary of none"):
        nothing.coverage(EPSILONS[0])
    shorter = parts[0] | {"radius": parts[0]["radius"][:1]}
    with pytest.raises(ValueError, match="Expected columns of one length"):
        certifier.summary([shorter])


def test_json_that_no_examples_can_have_is_refused(answers):
    certifier, parts = answers
    values = json.loads(certifier.summary(parts).to_json())
    changed = {
        "total": [[40, 0], [1.5, 20, 18.5], [-1, 21, 20], [41, 0, 0]],
        "correct": [[40, 40, 40]],
        "covered": [[0, 0, 0], [9, 9]],
        "above": [values["above"][::-1]],
        "epsilons": [[0.05, 0.01, 0.001], [-1.0, 0.0, 1.0]],
        "radii": [{"bins": [2, 1], "counts": [20, 20]}, {"bins": [1], "counts": [39]}],
    }
    for name, others in changed.items():
        for other in others:
            with pytest.raises(ValueError, match="Expected a summary, as"):
                CertificateSummary.from_json(json.dumps(values | {name: other}))
    columns = {name: parts[0][name] for name in ("prediction", "radius", "rival")}
    none = CertificateSummary.of(columns, {}, [], classes=3)
    assert CertificateSummary.from_json(none.to_json()).to_json() == none.to_json()


def test_parts_are_told_apart_by_all_that_is_in_them():
    """NumPy shortens the text of long arrays."""
    columns = [np.empty(2, object) for _ in range(3)]
    for column, entry in zip(columns, (5.0, 6.0, 5.0), strict=True):
        long = np.zeros(2_000)
        long[1_000] = entry
        column[:] = [long, {"array": [long]}]
    one, other, same = (digest_of({"x": column}) for column in columns)
    assert one == same != other
    phases = [digest_of({"x": np.array([1 + i * 1j])}) for i in range(2)]
    assert phases[0] != phases[1]


def test_what_is_handed_on_outlives_the_batch(data, answers):
    certifier, parts = answers
    numbers = np.arange(16)
    found = certifier({"x": data[0][:16], "id": numbers})
    numbers[:] = 0
    assert found["id"].tolist() == parts[0]["id"].tolist()


def test_other_settings_and_double_parts_are_refused(folder, data, answers, tmp_path):
    certifier, parts = answers
    other = lipzoo.Certifier(_saved(tmp_path / "small", seed=1), EPSILONS, norm="linf")
    other_part = other({"x": data[0][:16], "y": data[1][:16]})
    summary = certifier.summary(parts)
    cases = {
        r"part \w{64} twice": [parts[0], parts[0]],
        "fingerprint": [parts[0], other_part],
        "Expected a part with .*weights=": [summary, other.summary([other_part])],
        "norm='l2'": [summary, dataclasses.replace(summary, settings={"norm": "l2"})],
        "epsilons=": [summary, dataclasses.replace(summary, epsilons=(0.5,))],
        "without fingerprint": [
            {name: parts[0][name] for name in ("prediction", "radius", "rival")}
        ],
        "at least one part": [],
    }
    for message, found in cases.items():
        with pytest.raises(ValueError, match=message):
            certifier.summary(found)
    with pytest.raises(ValueError, match="twice"):
        summary + certifier.summary([parts[1]])
    with pytest.raises(ValueError, match="counted at"):
        summary.coverage(0.3)
    names = [certifier.summary([part], part=f"half {i}") for i, part in enumerate(parts)]
    assert (names[0] + names[1]).parts == {"half 0", "half 1"}


def test_arguments_are_refused_by_name(folder):
    cases = {
        "reference": {"reference": "float32"},
        "norm": {"norm": "l3"},
        "dtype": {"dtype": "float16"},
        "epsilons": {"epsilons": [-1.0]},
        "batch_size": {"batch_size": 0},
        "method": {"method": "guess"},
        "y": {"y": "prediction"},
        "x='y', y": {"x": "y"},
    }
    for name, arguments in cases.items():
        with pytest.raises(ValueError, match=f"Received.*{name}="):
            lipzoo.Certifier(folder, **arguments)
    with pytest.raises(ValueError, match="Expected a classifier"):
        lipzoo.Certifier("invnet-deblur1d")


@pytest.mark.parametrize("shares", [(0.0, 0.25, 0.5, 0.77, 1.0)])
def test_quantiles_lie_between_the_edges_of_a_bin(shares):
    generator = np.random.default_rng(0)
    radii = generator.exponential(0.3, 5_000) * 10.0 ** generator.integers(-12, 12, 5_000)
    radii[:9] = 0.0, -0.0, 5e-324, 1e-310, 2.0**-1022, 1.0, 1.7e308, np.inf, np.inf
    histogram = RadiusHistogram()
    for piece in np.array_split(generator.permutation(radii), 7):
        histogram = histogram + RadiusHistogram.of(piece)
    assert len(histogram) == 5_000
    assert np.array_equal(histogram.counts, RadiusHistogram.of(radii).counts)
    for share in shares:
        low, high = histogram.quantile(share)
        exact = np.quantile(radii, share, method="lower")
        assert low <= exact <= high
        assert high <= max(low * 257 / 256, 2.0**-1022) or np.isinf(exact)
    with pytest.raises(ValueError, match="Expected radii of at least 0"):
        RadiusHistogram.of(np.array([np.nan]))


def test_spark_and_beam_get_the_same_answers(data, answers):
    certifier, parts = answers
    x, y = data
    predict = certifier.make_predict_fn()
    found = predict(x[:16], y[:16])
    assert sorted(found) == sorted(word.split()[0] for word in certifier.spark_type.split(","))
    for name, column in found.items():
        assert np.array_equal(column, parts[0][name]), name
    if beam.PredictionResult is None:
        with pytest.raises(ImportError, match=r"Apache Beam: .*engines"):
            certifier.model_handler()


def test_an_onnx_file_is_certified_as_the_network_that_is_read_from_it(tmp_path):
    numbers, path = constants_from(0), tmp_path / "net.onnx"
    weights = numbers(6, 3)
    path.write_bytes(content([node("Gemm", "x w")], (6,), {"w": weights}))
    certifier = lipzoo.Certifier(path, [0.1], reference=None)
    # Nothing is read where it is made: engines fork from there.
    assert not any(str(path) in str(identity) for identity in process_models._loaded)
    x, y = numbers(5, 6), np.array([0, 1, 2, 0, 1])
    answers = pickle.loads(pickle.dumps(certifier))({"x": x, "y": y})
    expected = lipzoo.certify(lipzoo.from_onnx(path), x, y, reference=None, verbose=0)
    assert np.array_equal(answers["radius"], expected.radius)
    assert np.array_equal(answers["prediction"], (x @ weights).argmax(axis=1))
    assert certifier.summary([answers]).examples == 5
    with pytest.raises(ValueError, match="an ONNX file has none"):
        lipzoo.Certifier(path, revision="main")
    later = lipzoo.Certifier(path, [0.1], reference=None)
    process_models._loaded.clear()
    path.write_bytes(content([node("Gemm", "x w")], (6,), {"w": 2 * weights}))
    with pytest.raises(ValueError, match=r"net.onnx"):
        later({"x": x})
    for shape, nodes in (((2, 3), [node("Relu", "x")]), ((6,), [node("Gemm", "x", "z")])):
        path.write_bytes(content(nodes, shape, out=["batch", *shape]))
        with pytest.raises(ValueError, match=r"net.onnx: Expected"):
            lipzoo.Certifier(path)
