"""Examples that are read a block at a time: Parquet files of lists, and Zarr folders."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lipzoo.data import blocks, stored_parquet
from lipzoo.data.dataset import DataError
from lipzoo.data.examples import read_examples
from lipzoo.data.settings import DataSettings
from lipzoo_catalogue.model_config import UNIT_PIXELS, ModelConfig

CONFIG = ModelConfig("MLP", {"input_shape": [4, 3, 1], "num_classes": 3}, UNIT_PIXELS)
X = np.random.default_rng(0).integers(0, 256, (23, 4, 3), "uint8")
Y = np.arange(23) % 3
PIXELS = (X / np.float32(255)).astype("float32")[..., None]
FLAT = pa.array(X.ravel())
COLUMNS = {
    "lists": pa.array(X.reshape(23, 12).tolist(), pa.list_(pa.uint8())),
    "large lists": pa.array(X.reshape(23, 12).tolist(), pa.large_list(pa.uint8())),
    "lists of lists": pa.array(X.tolist(), pa.list_(pa.list_(pa.uint8()))),
    "fixed sizes": pa.FixedSizeListArray.from_arrays(FLAT, 12),
    "tensors": pa.FixedShapeTensorArray.from_numpy_ndarray(X),
    # Stored with rows last, and said to be.
    "permuted": pa.ExtensionArray.from_storage(
        pa.fixed_shape_tensor(pa.uint8(), [3, 4], permutation=[1, 0]),
        pa.FixedSizeListArray.from_arrays(pa.array(X.transpose(0, 2, 1).ravel()), 12),
    ),
    "floats": pa.array(PIXELS.reshape(23, 12).tolist(), pa.list_(pa.float32())),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "images.parquet"


def _write(path, column, **more):
    pq.write_table(pa.table({"x": column, **more}), path, row_group_size=5)
    return str(path)


@pytest.mark.parametrize("kind", COLUMNS)
def test_lists_of_parquet_are_examples(path, kind):
    data = _write(path, COLUMNS[kind], id=np.arange(23), label=Y)
    x, y = read_examples(data, CONFIG)
    assert isinstance(x.stored, blocks.StoredBlocks)
    assert y.tolist() == Y.tolist()
    assert x.origin.tolist() == list(range(1, 24))
    assert np.array_equal(x[:], PIXELS)
    for rows in (slice(0, 3), slice(3, 12), slice(12, 13), slice(20, 23), slice(4, 6)):
        assert np.array_equal(x[rows], PIXELS[rows])


def test_a_block_is_read_once_by_whoever_goes_through(path):
    data = _write(path, COLUMNS["fixed sizes"])
    x, y = read_examples(data, CONFIG)
    read, numbers = x.stored._read, []
    x.stored._read = lambda number: numbers.append(number) or read(number)
    assert y is None
    found = np.concatenate([x[i : i + 2] for i in range(0, 23, 2)])
    assert np.array_equal(found, PIXELS)
    assert numbers == [0, 1, 2, 3, 4]


def test_row_groups_are_read_in_pieces_and_again(path, monkeypatch):
    monkeypatch.setattr(stored_parquet, "ROWS", 2)
    x, _ = read_examples(_write(path, COLUMNS["lists"]), CONFIG)
    for rows in (slice(0, 9), slice(7, 8), slice(22, 23), slice(3, 23), slice(0, 1)):
        assert np.array_equal(x[rows], PIXELS[rows])


def test_labels_are_those_of_the_model_by_number_or_name(path):
    named = ModelConfig("MLP", CONFIG.arguments, UNIT_PIXELS, class_names=("a", "b", "c"))
    words = np.array(["c", "a", "b"])[Y]
    data = _write(path, COLUMNS["lists"], y=words.tolist(), other=Y)
    assert read_examples(data, named)[1].tolist() == ((Y + 2) % 3).tolist()
    chosen = DataSettings(data, label="other")
    assert read_examples(data, CONFIG, chosen)[1].tolist() == Y.tolist()
    assert read_examples(data, CONFIG, DataSettings(data, label="none"))[1] is None
    with pytest.raises(DataError, match=r"one column of labels; .*Received: y, label"):
        read_examples(_write(path, COLUMNS["lists"], y=Y, label=Y), CONFIG)


def test_lists_that_are_no_examples_are_refused(path):
    lists = X.reshape(23, 12).tolist()
    cases = {
        "lists of 12 numbers. Received: lists of 11 from row 21 on": [
            *lists[:20],
            *(row[:11] for row in lists[20:]),
        ],
        "lists of one length, none missing, from row 6 on": [*lists[:7], None, *lists[8:]],
        "lengths from 2 to 12": [*lists[:7], [1, 2], *lists[8:]],
        "expected numbers from row 6 on. Received: 1 missing": [
            *lists[:7],
            [None, *lists[7][1:]],
            *lists[8:],
        ],
    }
    for message, column in cases.items():
        data = _write(path, pa.array(column, pa.list_(pa.uint8())))
        with pytest.raises(DataError, match=message):
            read_examples(data, CONFIG)[0][:]
    with pytest.raises(DataError, match=r"expected examples of shape \(4, 3, 1\)"):
        read_examples(_write(path, pa.array([[1, 2]], pa.list_(pa.uint8()))), CONFIG)
    other_axes = {
        "channels first": pa.array(X[:, None].tolist(), pa.list_(pa.list_(pa.list_(pa.uint8())))),
        "transposed": pa.array(X.transpose(0, 2, 1).tolist(), pa.list_(pa.list_(pa.uint8()))),
        "tensors": pa.FixedShapeTensorArray.from_numpy_ndarray(
            np.ascontiguousarray(X.transpose(0, 2, 1))
        ),
    }
    for column in other_axes.values():
        with pytest.raises(DataError, match=r"expected examples of shape \(4, 3, 1\)"):
            read_examples(_write(path, column), CONFIG)
    one = pa.array(X[0].tolist(), pa.list_(pa.uint8()))
    with pytest.raises(DataError, match=r"a row for each example\. Received: one example of 4"):
        read_examples(_write(path, one), CONFIG)
    data = _write(path, COLUMNS["lists"], label=[None, *Y[1:].tolist()])
    with pytest.raises(DataError, match=r"a label for every example\. Received: 1 without"):
        read_examples(data, CONFIG)


def test_zarr_folders_are_examples(tmp_path):
    zarr = pytest.importorskip("zarr")
    path = tmp_path / "images.zarr"
    group = zarr.open_group(str(path), mode="w")
    group.create_array("x", data=X, chunks=(5, 4, 3))
    group.create_array("y", data=Y)
    x, y = read_examples(str(path), CONFIG)
    assert np.array_equal(x[:], PIXELS)
    assert np.array_equal(x[3:12], PIXELS[3:12])
    assert y.tolist() == Y.tolist()
    alone = tmp_path / "alone.zarr"
    zarr.save_array(str(alone), X)
    x, y = read_examples(str(alone), CONFIG)
    assert np.array_equal(x[:], PIXELS)
    assert y is None
    zarr.open_group(str(tmp_path / "other.zarr"), mode="w").create_array("images", data=X)
    with pytest.raises(DataError, match=r"arrays x and y, or x\. Received: images"):
        read_examples(str(tmp_path / "other.zarr"), CONFIG)
