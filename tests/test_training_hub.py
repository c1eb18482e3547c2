"""Data sets of the Hugging Face Hub, by the real client and reader, from a Hub on loopback."""

import io

import numpy as np
import pytest

from lipzoo.data.dataset import load_data
from lipzoo.data.settings import DataSettings
from lipzoo.data.sources import DataError, read_source
from tests.hub_client import hub
from tests.image_files import saved

__all__ = ["hub"]
datasets = pytest.importorskip("datasets")
pandas = pytest.importorskip("pandas")
# It leaves that file open.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*metadata.csv:pytest.PytestUnraisableExceptionWarning"
)

GREYS = np.random.default_rng(0).integers(0, 256, (30, 5, 6), "uint8")
LABELS = np.arange(30) % 3
NAMES = ["ash", "birch", "cedar"]
CLASSES = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=NAMES)})
SPLITS = {"train": slice(0, 20), "validation": slice(20, 24), "test": slice(24, 30)}


def parquet(columns, features=None):
    """A Parquet file as `datasets` writes it."""
    stream = io.BytesIO()
    datasets.Dataset.from_dict(columns, features=features).to_parquet(stream)
    return stream.getvalue()


def images(rows, labels=LABELS):
    return {
        "image": [{"bytes": saved(x, "PNG"), "path": None} for x in GREYS[rows]],
        "label": labels[rows].tolist(),
    }


def image_files():
    return {
        f"data/{name}-00000-of-00001.parquet": parquet(images(rows), CLASSES)
        for name, rows in SPLITS.items()
    }


def read(source, **settings):
    return read_source(source, DataSettings(source, **settings))


def write(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def assert_splits(data):
    for name, rows in SPLITS.items():
        split = getattr(data, name)
        np.testing.assert_array_equal(split.x, GREYS[rows])
        np.testing.assert_array_equal(split.labels, LABELS[rows])
        np.testing.assert_array_equal(split.origin, np.arange(1, len(split) + 1))
    assert data.class_names == tuple(NAMES)


def test_a_data_set_is_read_at_the_commit_that_its_branch_has(hub):
    commit = hub.add("someone/trees", image_files())
    data = read("hf:someone/trees")
    assert data.source == f"hf:someone/trees@{commit}"
    assert_splits(data)
    # What is pushed later does not change what is pinned, and asks for nothing that is there.
    hub.add("someone/trees", {"README.md": b"gone"})
    before = load_data(DataSettings(data.source)).fingerprint()
    hub.requests.clear()
    again = load_data(DataSettings(data.source))
    assert (again.fingerprint(), again.source) == (before, data.source)
    assert not [line for line in hub.requests if line.startswith("GET /datasets")]
    with pytest.raises(DataError, match="datasets cannot read it"):
        read("hf:someone/trees")


def test_a_pinned_data_set_is_read_without_the_network(hub, monkeypatch):
    commit = hub.add("someone/trees", image_files())
    read(f"hf:someone/trees@{commit}")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub.requests.clear()
    assert_splits(read(f"hf:someone/trees@{commit}"))
    assert hub.requests == []
    with pytest.raises(DataError, match=r"not in the cache"):
        read("hf:someone/others")


def test_code_is_never_run_and_not_even_downloaded(hub):
    hub.add("someone/trees", {**image_files(), "trees.py": b"raise SystemExit('run')"})
    with pytest.raises(DataError, match=r"needs its own code, trees\.py, which is not run"):
        read("hf:someone/trees")
    assert not [line for line in hub.requests if "resolve" in line]
    hub.add("someone/others", {**image_files(), "tools.py": b"raise SystemExit('run')"})
    assert_splits(read("hf:someone/others"))


def test_one_of_several_configurations(hub):
    entries = [f"- {{config_name: {name}, data_files: {name}.csv}}" for name in "ab"]
    head = "\n".join(["---", "configs:", *entries, "---", ""])
    files = {"README.md": head.encode(), "a.csv": b"u,v,label\n1,2,x\n3,4,y\n"}
    hub.add("someone/tables", {**files, "b.csv": b"u,v,label\n5,6,x\n"})
    data = read("hf:someone/tables/b")
    np.testing.assert_array_equal(data.train.x, [[5, 6]])
    assert data.train.labels.tolist() == ["x"]
    assert data.source.startswith("hf:someone/tables/b@")
    with pytest.raises(DataError, match=r"available configs: \['a', 'b'\]"):
        read("hf:someone/tables")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("trees", "expected 'hf:owner/name'"),
        ("someone/nothing", "does not exist, or it is private"),
        ("someone/trees@v9", "no such revision"),
        ("someone/empty", "datasets cannot read it"),
    ],
)
def test_what_is_not_there(hub, name, message):
    hub.add("someone/trees", image_files())
    hub.add("someone/empty", {"README.md": b"nothing"})
    with pytest.raises(DataError, match=message):
        read(f"hf:{name}")


def test_a_folder_and_a_file_on_disk(tmp_path):
    write(tmp_path / "trees", image_files())
    for source in (tmp_path / "trees", f"hf:{tmp_path / 'trees'}"):
        assert_splits(read(str(source)))
    data = read(str(tmp_path / "trees" / "data" / "test-00000-of-00001.parquet"))
    np.testing.assert_array_equal(data.train.x, GREYS[SPLITS["test"]])
    assert data.class_names == tuple(NAMES)


def test_an_image_folder_with_labels_in_a_table(tmp_path):
    files = {f"train/{i}.png": saved(GREYS[i], "PNG") for i in range(3)}
    table = "file_name,label\n" + "".join(f"{i}.png,{NAMES[i]}\n" for i in range(3))
    write(tmp_path, {**files, "train/metadata.csv": table.encode()})
    data = read(f"hf:{tmp_path}").train
    assert data.origin.tolist() == [f"train/{i}.png" for i in range(3)]
    assert data.labels.tolist() == NAMES
    np.testing.assert_array_equal(data.x, GREYS[:3])


TABLES = {
    "numbers": ({"u": [1, 2], "v": [0.5, 0.25], "label": ["a", "b"]}, [[1, 0.5], [2, 0.25]]),
    "signals": ({"label": ["a", "b"], "wave": [[1.0, 2.0], [3.0, 4.0]]}, [[1, 2], [3, 4]]),
}


@pytest.mark.parametrize("name", TABLES)
def test_data_sets_without_images(name, tmp_path):
    columns, expected = TABLES[name]
    write(tmp_path, {"train.parquet": parquet(columns)})
    data = read(f"hf:{tmp_path}").train
    np.testing.assert_array_equal(data.x, expected)
    assert data.labels.tolist() == ["a", "b"]


LABELLINGS = {
    "truth values": [True, False],
    "whole numbers in floating point": [1.0, 2.0],
    "whole numbers as text": ["1.0", "2"],
    "leading zeros": ["01", "02"],
    "words": ["ill", "well"],
}


@pytest.mark.parametrize("name", LABELLINGS)
def test_labels_are_those_that_the_reader_of_tables_has(name, tmp_path):
    columns = {"u": [0.5, 0.25], "label": LABELLINGS[name]}
    write(tmp_path, {"hub/train.parquet": parquet(columns)})
    pandas.DataFrame(columns).to_parquet(tmp_path / "table.parquet")
    pandas.DataFrame(columns).to_csv(tmp_path / "table.csv", index=False)
    labels = [
        read(source).train.labels.tolist()
        for source in (f"hf:{tmp_path / 'hub'}", f"{tmp_path}/table.parquet")
    ]
    # What CSV does not have is a type: text "2" and the number are written alike.
    written = read(f"{tmp_path}/table.csv").train.labels.tolist()
    assert labels == [written, written]


REFUSED = {
    "truth values": ({"u": [True, False], "label": [0, 1]}, {}, "column 'u'"),
    "identifiers": ({"u": [2**24 + 1, 2], "label": [0, 1]}, {}, "16777217, which becomes"),
    "text": ({"u": ["x", "y"], "label": [0, 1]}, {}, "numbers in every column.*column 'u'"),
    "uneven lists": ({"u": [[1], [1, 2]], "label": [0, 1]}, {}, "column 'u'"),
    "two label columns": ({"u": [1], "label": [0], "class": [0]}, {}, "label, class"),
    "no such label": ({"u": [1], "label": [0]}, {"label": "kind"}, r"label = 'kind'"),
    "half labelled": ({"u": [1, 2], "label": ["a", None]}, {}, "Received: 1 without"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_doubts_are_refused(name, tmp_path):
    columns, settings, message = REFUSED[name]
    write(tmp_path, {"train.parquet": parquet(columns)})
    with pytest.raises(DataError, match=message):
        read(f"hf:{tmp_path}", **settings)


def test_unlabelled_and_unreadable_records(tmp_path):
    content = images(slice(0, 4), np.full(30, -1))
    content["image"][2] = {"bytes": b"no image", "path": None}
    write(tmp_path, {"test.parquet": parquet(content, CLASSES)})
    with pytest.raises(DataError, match=r"record 3: not a readable image"):
        read(f"hf:{tmp_path}")
    data = read(f"hf:{tmp_path}", missing="drop").train
    assert (data.labels, data.origin.tolist()) == (None, [1, 2, 4])
    assert data.left_out[0][:2] == (2, 3)


def test_columns_and_missing_entries_of_a_table_are_as_the_recipe_says(tmp_path):
    ages = [0.5, None, 2.5, 3.5, 1.5]
    columns = {"patient": [5, 7, 8, 9, 6], "age": ages, "dose": [1.0, 2.0, 3.0, 4.0, 5.0]}
    columns["label"] = ["a", "b", "b", "a", "b"]
    write(tmp_path, {"data/train-00000-of-00001.parquet": parquet(columns)})
    source = str(tmp_path)
    chosen = read(source, columns=("dose", "age"), missing="drop").train
    np.testing.assert_array_equal(chosen.x, [[1.0, 0.5], [3.0, 2.5], [4.0, 3.5], [5.0, 1.5]])
    assert chosen.feature_names == ("dose", "age")
    assert chosen.labels.tolist() == ["a", "b", "a", "b"]
    assert chosen.origin.tolist() == [1, 3, 4, 5]
    assert [(entry.position, entry.origin) for entry in chosen.left_out] == [(1, 2)]
    others = read(source, ignore=("patient", "age")).train
    np.testing.assert_array_equal(others.x[:, 0], columns["dose"])
    with pytest.raises(DataError, match=r"train, row 2: an entry is missing.*'age'"):
        read(source, ignore=("patient",))
