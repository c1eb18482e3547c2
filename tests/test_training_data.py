"""Sources of data: every layout that is documented, and a clear word about the others."""

import os

import numpy as np
import pytest
from PIL import Image

from lipzoo.data.dataset import DataError, load_data, load_examples
from lipzoo.data.settings import DataSettings
from lipzoo.data.sources import catalogues
from tests.tiny_runs import blobs


def _load(source, **settings):
    return load_data(DataSettings(source=str(source), **settings))


def _pixels(n, seed=0, shape=(6, 6)):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype="uint8")


def _pairs(split):
    """The examples of a split with their labels, as a set."""
    return {(row.tobytes(), int(label)) for row, label in zip(split.x, split.y, strict=True)}


def test_npz_without_splits_is_cut_into_disjoint_stratified_parts(tmp_path):
    x, y = blobs(300)
    np.savez(tmp_path / "a.npz", x=x, y=y)
    data = _load(tmp_path / "a.npz", validation=0.25, test_size=60)
    assert (len(data.train), len(data.validation), len(data.test)) == (180, 60, 60)
    parts = [_pairs(split) for split in (data.train, data.validation, data.test)]
    assert set.union(*parts) == {(row.tobytes(), int(k)) for row, k in zip(x, y, strict=True)}
    assert sum(map(len, parts)) == 300
    for split in (data.validation, data.test):
        share = np.bincount(split.y) / len(split)
        np.testing.assert_allclose(share, np.bincount(y) / 300, atol=0.02)
    assert any("no test split" in note for note in data.notes)
    again = _load(tmp_path / "a.npz", validation=0.25, test_size=60)
    assert again.fingerprint() == data.fingerprint()
    assert (data.kind, data.input_shape, data.num_classes) == ("table", (5,), 3)


def test_splits_by_content_are_the_same_in_any_order(tmp_path):
    x, y = _pixels(100), np.arange(100) % 4
    order = np.random.default_rng(1).permutation(100)
    np.savez(tmp_path / "a.npz", x=x, y=y)
    np.savez(tmp_path / "b.npz", x=x[order], y=y[order])
    sizes = {"validation": 20, "test_size": 30}
    first, second = (
        _load(tmp_path / name, split_by="content", **sizes) for name in ("a.npz", "b.npz")
    )
    by_order = _load(tmp_path / "b.npz", **sizes)
    for name, count in (("train", 50), ("validation", 20), ("test", 30)):
        parts = [_pairs(getattr(data, name)) for data in (first, second, by_order)]
        assert len(parts[0]) == count
        assert parts[0] == parts[1] != parts[2]


def test_npz_with_keras_names_and_bytes(tmp_path):
    x = _pixels(100)
    y = np.arange(100) % 4
    np.savez(tmp_path / "a.npz", x_train=x[:80], y_train=y[:80], x_test=x[80:], y_test=y[80:])
    data = _load(tmp_path / "a.npz", validation=20)
    assert (data.kind, data.input_shape, data.divisor) == ("image", (6, 6, 1), 255.0)
    assert data.train.x.dtype == np.uint8
    np.testing.assert_allclose(data.inputs(data.test)[..., 0], x[80:] / 255, atol=1e-7)
    np.testing.assert_array_equal(data.test.y, y[80:])


def test_npz_with_medmnist_names_keeps_its_validation_split(tmp_path):
    x = _pixels(60, shape=(6, 6, 3))
    y = (np.arange(60) % 2)[:, None].astype("uint8")
    names = ("train", "val", "test")
    arrays = {f"{name}_images": x[20 * i : 20 * i + 20] for i, name in enumerate(names)}
    arrays |= {f"{name}_labels": y[20 * i : 20 * i + 20] for i, name in enumerate(names)}
    arrays["val_images"][0] = arrays["train_images"][3]
    np.savez(tmp_path / "a.npz", **arrays)
    data = _load(tmp_path / "a.npz")
    np.testing.assert_array_equal(data.validation.x, arrays["val_images"])
    assert data.input_shape == (6, 6, 3)
    assert data.notes == ("1 of the validation examples also stand in train",)


def test_csv_with_and_without_header_label_first_or_last(tmp_path):
    x, y = blobs(90)
    words = np.array(["ash", "birch", "cedar"])[y]
    last = "\n".join(",".join(map(str, [*row, word])) for row, word in zip(x, words, strict=True))
    first = "\n".join(";".join(map(str, [k + 1, *row])) for k, row in zip(y, x, strict=True))
    (tmp_path / "last.csv").write_text("a,b,c,d,e,tree\n" + last + "\n\n")
    (tmp_path / "first.csv").write_text(first)
    by_name = _load(tmp_path / "last.csv")
    by_number = _load(tmp_path / "first.csv", label="first")
    assert by_name.class_names == ("ash", "birch", "cedar")
    assert by_number.class_names == ("1", "2", "3")
    assert _pairs(by_name.train) == _pairs(by_number.train)
    everything = set.union(*(_pairs(s) for s in (by_name.train, by_name.validation, by_name.test)))
    assert everything == {(row.tobytes(), int(k)) for row, k in zip(x, y, strict=True)}


def test_csv_with_a_test_file_and_signals(tmp_path):
    x, y = blobs(60)
    for name, rows in (("train", slice(0, 40)), ("test", slice(40, 60))):
        table = np.column_stack([y[rows], x[rows]])
        np.savetxt(tmp_path / f"{name}.csv", table, delimiter=",")
    data = _load(
        tmp_path / "train.csv", test=str(tmp_path / "test.csv"), label="first", kind="signal"
    )
    assert data.input_shape == (5, 1)
    np.testing.assert_allclose(data.test.x[..., 0], x[40:], rtol=1e-6)
    np.testing.assert_array_equal(data.test.y, y[40:])
    assert len(data.train) + len(data.validation) == 40


def test_labels_get_names_and_a_file_is_read_in_its_order(tmp_path):
    x, y = blobs(60, classes=2)
    values = np.where(y == 1, 4, 2)
    np.savetxt(tmp_path / "a.csv", np.column_stack([x, values]), delimiter=",")
    names = {"2": "benign", "4": "malignant"}
    data = _load(tmp_path / "a.csv", label_names=names)
    assert data.class_names == ("benign", "malignant")
    settings = DataSettings(str(tmp_path / "a.csv"), label_names=names)
    read = load_examples(settings)
    np.testing.assert_allclose(read.x, x, rtol=1e-6)
    np.testing.assert_array_equal(read.y, y)
    assert read.class_names == data.class_names
    with pytest.raises(DataError, match=r"labels among \['2', '3'\].*Received: \['4'\]"):
        _load(tmp_path / "a.csv", label_names={"2": "benign", "3": "malignant"})


def test_csv_rows_with_missing_entries(tmp_path):
    (tmp_path / "a.csv").write_text("1,2,a\n?,2,b\n3,4,b\n5,,a\n6,7,a\n8,9,b\n2,2,a\n4,4,b\n")
    with pytest.raises(DataError, match=r"row 2: an entry is missing.*missing = \"drop\""):
        _load(tmp_path / "a.csv")
    data = _load(tmp_path / "a.csv", missing="drop", validation=2, test_size=2)
    assert len(data.train) == 2
    assert any(note.startswith("2 rows of a.csv left out: row 2 (no entry") for note in data.notes)


def _write_images(folder, n, mode="L", size=(6, 5), seed=0):
    generator = np.random.default_rng(seed)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for i in range(n):
            shape = size[::-1] if mode == "L" else (*size[::-1], 3)
            pixels = generator.integers(0, 256, shape, dtype="uint8")
            Image.fromarray(pixels).save(folder / name / f"{i:02}.png")


def test_folder_with_one_subfolder_per_class(tmp_path):
    _write_images(tmp_path, 10)
    (tmp_path / "cat" / "notes.txt").write_text("not an image")
    data = _load(tmp_path)
    assert (data.class_names, data.input_shape) == (("cat", "dog"), (5, 6, 1))
    first = np.asarray(Image.open(tmp_path / "dog" / "00.png"))
    splits = (data.train, data.validation, data.test)
    assert any((first.tobytes(), 1) in _pairs(split) for split in splits)


def test_folder_with_splits_and_colour(tmp_path):
    for i, part in enumerate(("train", "val", "test")):
        _write_images(tmp_path / part, 4, mode="RGB", seed=i)
    data = _load(tmp_path)
    assert data.input_shape == (5, 6, 3)
    assert len(data.train) == len(data.validation) == len(data.test) == 8


def test_folder_with_images_of_two_sizes(tmp_path):
    _write_images(tmp_path, 2)
    Image.fromarray(np.zeros((7, 7), "uint8")).save(tmp_path / "dog" / "odd.png")
    with pytest.raises(DataError, match=r"odd\.png: expected images of one size"):
        _load(tmp_path)
    (tmp_path / "dog" / "odd.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"odd\.png: not a readable image"):
        _load(tmp_path)


def test_generated_spirals_are_the_same_every_time():
    data = _load("generated:swissroll")
    assert data.kind == "table"
    assert data.input_shape == (2,)
    assert data.num_classes == 2
    assert data.fingerprint() == _load("generated:swissroll").fingerprint()
    radius = np.linalg.norm(data.train.x, axis=1)
    angle = np.arctan2(data.train.x[:, 1], data.train.x[:, 0])
    # Each point lies on the arm of its class.
    turned = angle - 2 * np.pi * 1.5 * radius - np.pi * data.train.y
    assert np.allclose(np.cos(turned), 1.0, atol=1e-4)
    with pytest.raises(DataError, match="expected 'generated:swissroll'"):
        _load("generated:moons")


def test_digits_of_scikit_learn():
    data = _load("sklearn:digits")
    x = data.inputs(data.train)
    assert (data.input_shape, data.num_classes, x.min(), x.max()) == ((8, 8, 1), 10, 0.0, 1.0)


def _arrays(**changes):
    x, y = blobs(30)
    return {"x": x, "y": y, **changes}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.zeros(3)}, "expected arrays x_train, y_train.*Received: a"),
        (_arrays(y=np.zeros(30)), "at least two classes"),
        (_arrays(y=np.arange(29)), "one label per example. Received: 30 examples, 29 labels"),
        (_arrays(y=np.linspace(0, 1, 30)), "whole numbers or text"),
        (_arrays(y=np.zeros((30, 4), int)), r"one label per example. Received: shape=\(30, 4\)"),
        (_arrays(x=np.full((30, 5), np.nan)), "expected finite values. Received: 150"),
        (_arrays(x=np.full((30, 4, 4, 1), 200.0)), r"numbers in \[0, 1\]. Received: .*200"),
        (_arrays(x=np.zeros((30, 4, 4))), 'kind = "image" or kind = "signal"'),
        (_arrays(x=np.zeros((30, 4), "U3")), "expected real numbers. Received: dtype=<U3"),
        (_arrays(x=np.zeros((0, 4)), y=np.zeros(0, int)), "at least two classes"),
        (_arrays(class_names=np.array(["a", "b"])), r"labels among \[0, 1\]. Received: \[2\]"),
        (
            {"x_train": np.zeros((4, 2))},
            "expected a label for every example. Received: none in train",
        ),
    ],
)
def test_malformed_npz_is_refused(arrays, message, tmp_path):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=message):
        _load(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected rows with numbers and a label"),
        ("a,b,c\n", "expected rows with numbers and a label"),
        ("1,2,a\n1,b\n", "row 2: expected 3 entries. Received: 2"),
        ("1,2,a\nx,2,b\n", "row 2, column 1: expected a number. Received: 'x'"),
        ("1,2,0.5\n1,2,0.7\n", "whole numbers or text"),
        ("1,nan,a\n1,2,b\n1,3,a\n1,4,b\n1,5,a\n1,6,b\n", "row 1: an entry is missing"),
    ],
)
def test_malformed_csv_is_refused(content, message, tmp_path):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        _load(tmp_path / "a.csv", validation=2, test_size=2)


def test_sources_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match="no such file or folder"):
        _load(tmp_path / "none.npz")
    with pytest.raises(DataError, match=r"expected one of breast_cancer, digits, iris, wine"):
        _load("sklearn:digit")
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 truncated")
    with pytest.raises(DataError, match=r"not an \.npz file"):
        _load(tmp_path / "broken.npz")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="expected one subfolder per class"):
        _load(tmp_path / "empty")
    (tmp_path / "a.xlsx").write_bytes(b"")
    with pytest.raises(DataError, match=r"\.npz.*Received: a file that ends in '\.xlsx'"):
        _load(tmp_path / "a.xlsx")


def test_splits_that_do_not_fit(tmp_path):
    x, y = blobs(40)
    np.savez(tmp_path / "a.npz", x=x, y=y)
    with pytest.raises(DataError, match=r"\[data\] validation: .*Received: 5000"):
        _load(tmp_path / "a.npz", validation=5000)
    np.savez(tmp_path / "b.npz", x_train=x, y_train=y, x_test=x[:, :3], y_test=y)
    with pytest.raises(DataError, match=r"expected test examples of shape \(5,\)"):
        _load(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", x_train=x[y < 2], y_train=y[y < 2], x_test=x, y_test=y)
    with pytest.raises(DataError, match=r"expected labels among \[0, 1\]. Received: \[2\]"):
        _load(tmp_path / "c.npz")


def test_test_examples_that_stand_in_other_splits_are_known_one_by_one(tmp_path):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(60, 4)).astype("float32")
    y = np.arange(60) % 2
    x[0, 0], x[50, 0] = 0.0, -0.0
    x[50, 1:] = x[0, 1:]
    x[[51, 52, 53]] = x[[1, 41, 1]]
    names = ("train", "val", "test")
    parts = {f"x_{k}": a for k, a in zip(names, np.split(x, [40, 45]), strict=True)}
    labels = {f"y_{k}": a for k, a in zip(names, np.split(y, [40, 45]), strict=True)}
    np.savez(tmp_path / "a.npz", **parts, **labels)
    data = _load(tmp_path / "a.npz")
    # Another way: comparisons of all pairs.
    others = np.concatenate([data.train.x, data.validation.x])
    expected = (data.test.x[:, None] == others[None]).all(axis=2).any(axis=1)
    assert data.seen.tolist() == expected.tolist()
    assert np.flatnonzero(data.seen).tolist() == [5, 6, 7, 8]
    assert "3 of the test examples also stand in train" in data.notes
    assert "1 of the test examples also stand in validation" in data.notes


def test_tfds_without_data_and_network_says_what_to_do(monkeypatch, tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")

    def no_network():
        raise OSError("Name or service not known")

    def builder(name):
        return tfds.testing.DummyDataset(data_dir=tmp_path)

    monkeypatch.setattr(catalogues, "_check_network", no_network)
    monkeypatch.setattr(tfds, "builder", builder)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(DataError, match=r"neither under .* TFDS_DATA_DIR .*Name or service"):
        _load("tfds:fashion_mnist")


@pytest.mark.skipif("TFDS_DATA_DIR" not in os.environ, reason="needs TFDS_DATA_DIR")
def test_fashion_mnist_validation_is_the_last_twelfth():
    data = _load("tfds:fashion_mnist", validation="1/12")
    assert (len(data.train), len(data.validation), len(data.test)) == (55_000, 5_000, 10_000)
    assert data.class_names[-1] == "Ankle boot"
    assert (data.input_shape, data.divisor) == ((28, 28, 1), 255.0)
