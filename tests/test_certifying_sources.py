"""What a user hands to `lipzoo certify`: layouts, labels by name, one image, no labels."""

import csv

import keras
import numpy as np
import pytest

import lipzoo
import lipzoo_cli
from lipzoo.data.examples import read_examples
from lipzoo.data.settings import DataSettings
from lipzoo.training import DataError
from lipzoo.zoo.saving import save_model
from lipzoo_catalogue.model_config import ModelConfig
from tests.image_files import big_endian, png, saved

RANDOM = np.random.default_rng(0)
X = RANDOM.integers(0, 256, (9, 4, 5), "uint8")
Y = np.array([0, 1, 1, 0, 1, 0, 1, 1, 0])
NAMES = ("normal", "pneumonia")
WORDS = np.array(NAMES)[Y]
UNITS = {"scale": "pixels in [0, 1]", "minimum": 0.0, "maximum": 1.0}
ARGUMENTS = {"input_shape": (4, 5, 1), "num_classes": 2, "depth": 1, "width": 8}
NAMED = ModelConfig("MLP", ARGUMENTS, UNITS, class_names=NAMES)


def read(path, config=NAMED, **arguments):
    x, y = read_examples(str(path), config, **arguments)
    return x, None if y is None else np.asarray(y[:]).tolist()


def assert_pixels(x, stored):
    np.testing.assert_array_equal(x[:][..., 0], (stored / np.float32(255)).astype("float32"))


LAYOUTS = {
    "x": ({"x": X}, None),
    "x, y": ({"x": X, "y": Y}, None),
    "words": ({"x": X, "y": WORDS}, None),
    "names": ({"x": X, "y": 1 - Y, "class_names": np.array(NAMES[::-1])}, None),
    "one-hot": ({"x": X, "y": np.eye(2)[Y]}, None),
    "Keras": ({"x_train": X[:3], "y_train": Y[:3], "x_test": X, "y_test": Y}, "train"),
    "MedMNIST": (
        {
            **{f"{part}_images": X for part in ("train", "val", "test")},
            **{f"{part}_labels": Y[:, None] for part in ("train", "val", "test")},
        },
        "train and validation",
    ),
    "test alone": ({"x_test": X, "y_test": WORDS}, None),
    "test with labels": ({"x_train": X[:3], "x_test": X, "y_test": Y}, "train"),
    "train alone": ({"x_train": X, "y_train": Y}, None),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_that_is_trained_on_is_certified(name, tmp_path):
    arrays, others = LAYOUTS[name]
    np.savez(tmp_path / "a.npz", **arrays)
    x, y = read(tmp_path / "a.npz")
    assert_pixels(x, X)
    assert y == (None if name == "x" else Y.tolist())
    note = f"of a.npz the test split is read, {others} is not"
    assert x.notes == ((note,) if others else ())


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_train": X, "x_val": X}, "expected a test split, or one split. Received: train, val"),
        ({"x": X, "x_test": X}, r"expected arrays x_train.*Received: x, x_test"),
        ({"x": X, "y": np.array(["normal", "flu"])[Y]}, r"among \['normal', 'pneumonia'\].*flu"),
        ({"x": X, "y": 2 * Y}, r"labels from 0 to 1 or \['normal', 'pneumonia'\].*'2'"),
        ({"y": Y}, r"expected arrays x_train.*Received: y"),
        ({"x_test": X, "y_train": Y}, "expected an array 'x_train' beside 'y_train'"),
    ],
)
def test_layouts_and_labels_that_leave_a_doubt(arrays, message, tmp_path):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=message):
        read(tmp_path / "a.npz")


def test_numbers_are_names_where_the_classes_of_the_model_are_called_by_numbers(tmp_path):
    """A recipe on labels 1 and 2 makes a model of classes "1" and "2"."""
    config = ModelConfig("MLP", ARGUMENTS, UNITS, class_names=("1", "2"))
    np.savez(tmp_path / "a.npz", x=X, y=Y + 1)
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y + 1)
    assert read(tmp_path / "a.npz", config)[1] == Y.tolist()
    assert read(tmp_path / "x.npy", config, labels=str(tmp_path / "y.npy"))[1] == Y.tolist()
    np.savez(tmp_path / "b.npz", x=X, y=Y)
    with pytest.raises(DataError, match=r"among \['1', '2'\].*'0'"):
        read(tmp_path / "b.npz", config)


def test_names_and_the_labels_that_stand_for_them(tmp_path):
    """The recipe knows "0" and "1"; a file may have the names already, or both."""
    recipe = DataSettings("x", label_names=dict(zip("01", NAMES, strict=True)), kind="image")
    mixed = np.where(np.arange(9) < 4, Y.astype(str), WORDS)
    for labels in (Y, WORDS, mixed):
        np.savez(tmp_path / "a.npz", x=X, y=labels)
        assert read(tmp_path / "a.npz", recipe=recipe)[1] == Y.tolist()
        np.save(tmp_path / "y.npy", labels)
        np.save(tmp_path / "x.npy", X)
        y = read(tmp_path / "x.npy", recipe=recipe, labels=str(tmp_path / "y.npy"))[1]
        assert y == Y.tolist()
    np.save(tmp_path / "y.npy", np.full(9, "flu"))
    with pytest.raises(DataError, match=r"label_names.*Received: \['flu'\]"):
        read(tmp_path / "x.npy", recipe=recipe, labels=str(tmp_path / "y.npy"))


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (1, 4, 5), (1, 4, 5, 1)])
def test_one_example_needs_no_axis_of_examples(shape, tmp_path):
    np.save(tmp_path / "x.npy", X[0].reshape(shape))
    x, y = read(tmp_path / "x.npy")
    assert y is None
    assert_pixels(x, X[:1])


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Folder of a small model of grey images."""
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("zoo") / "small"
    save_model(folder, lipzoo.MLP(**ARGUMENTS), NAMED)
    return folder


def certified(capsys, model, data, out):
    """Rows of the report, and what is printed."""
    assert lipzoo_cli.main(["certify", str(model), str(data), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    return list(csv.DictReader(out.read_text().splitlines())), printed


def test_a_folder_is_certified_as_its_pixels_are(capsys, model, tmp_path):
    """Test split of a folder, labels by the model's names, one file that is no image."""
    np.savez(tmp_path / "array.npz", x=X, y=Y)
    for number, image in enumerate(X):
        folder = tmp_path / "xray" / ("test" if number < 7 else "train") / WORDS[number]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.png").write_bytes(saved(image, "PNG"))
    (tmp_path / "xray" / "test" / "normal" / "scan.dcm").write_bytes(b"")
    expected, _ = certified(capsys, model, tmp_path / "array.npz", tmp_path / "a.csv")
    rows, printed = certified(capsys, model, tmp_path / "xray", tmp_path / "b.csv")
    assert "note: of xray the test split is read, train is not" in printed
    assert "scan.dcm" in printed
    kept = [row for row in rows if row["radius"]]
    assert [row["file"] for row in rows if not row["radius"]] == ["test/normal/scan.dcm"]
    assert [row["file"] for row in kept] == [
        f"test/{WORDS[number]}/{number}.png" for number in (0, 3, 5, 1, 2, 4, 6)
    ]
    for row in kept:
        number = int(row["file"].split("/")[-1].removesuffix(".png"))
        for key in ("prediction", "label"):
            assert row[key] == expected[number][key], key
        # The order of the batch is another, and so is that of some sums.
        assert float(row["radius"]) == pytest.approx(float(expected[number]["radius"]), rel=1e-9)


def test_one_image_and_a_flat_folder(capsys, model, tmp_path):
    deep = X[0].astype("uint16") * 257
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "a.png").write_bytes(saved(X[0], "PNG"))
    (tmp_path / "flat" / "b.png").write_bytes(png(big_endian(deep), 16, 0))
    rows, printed = certified(capsys, model, tmp_path / "flat", tmp_path / "a.csv")
    assert [row["file"] for row in rows] == ["a.png", "b.png"]
    # The same grey values, of 8 and of 16 bits.
    assert float(rows[0]["radius"]) == pytest.approx(float(rows[1]["radius"]), rel=1e-9)
    assert "note: 16 bits a pixel, 1 of 2 images: divided by 65535" in printed
    alone, _ = certified(capsys, model, tmp_path / "flat" / "b.png", tmp_path / "b.csv")
    assert [row["file"] for row in alone] == ["b.png"]
    assert float(alone[0]["radius"]) == pytest.approx(float(rows[0]["radius"]), rel=1e-9)
    assert "label" not in alone[0]


def test_a_doubt_says_how_it_is_settled_here(capsys, model, tmp_path):
    rows = [
        f"{','.join(map(str, x.ravel() / 255))},{word}" for x, word in zip(X, WORDS, strict=True)
    ]
    (tmp_path / "a.csv").write_text("\n".join([*rows, "," + rows[0].partition(",")[2]]))
    assert lipzoo_cli.main(["certify", str(model), str(tmp_path / "a.csv")]) == 2
    error = capsys.readouterr().err
    assert 'Set missing = "drop" in [data]' in error
    assert error.endswith("here by --read KEY=VALUE\n")
    (tmp_path / "b.csv").write_text("\n".join(row.rpartition(",")[0] for row in rows))
    assert lipzoo_cli.main(["certify", str(model), str(tmp_path / "b.csv")]) == 2
    assert 'label = "none" says that there is none; here by --read' in capsys.readouterr().err


def test_what_can_be_read_is_named_where_a_file_cannot_be(tmp_path):
    (tmp_path / "a.docx").write_bytes(b"")
    with pytest.raises(DataError, match=r"\.png.*\.npz.*\.tsv.*\.parquet.*ends in '\.docx'"):
        read(tmp_path / "a.docx")
