"""Folders of images: which files are examples, what they are called, and what is left out."""

import io

import numpy as np
import pytest
from PIL import Image

from lipzoo.data.settings import DataSettings
from lipzoo.data.sources import DataError, read_source
from tests.image_files import big_endian, frames, png, saved

GREYS = np.random.default_rng(1).integers(0, 256, (40, 4, 5), "uint8")
COLOUR = np.random.default_rng(2).integers(0, 256, (4, 5, 3), "uint8")


def write(folder, files):
    """Writes files: bytes as they are, numbers as grey images in the format of the name."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, int):
            kind = {"jpg": "JPEG", "tif": "TIFF"}.get(path.suffix[1:], path.suffix[1:].upper())
            options = {"lossless": True} if kind == "WEBP" else {}
            content = saved(GREYS[content], kind, **options)
        path.write_bytes(content)


def read(source, **settings):
    return read_source(str(source), DataSettings(str(source), **settings))


def described(split):
    """File, label and pixels of each example, by the grey images that they are."""
    labels = [None] * len(split) if split.labels is None else split.labels.tolist()
    which = [int(np.flatnonzero((x == GREYS).all((1, 2)))[0]) for x in split.x]
    return list(zip(split.origin.tolist(), labels, which, strict=True))


# Files by their content, and the examples of each split with what is left out.
FOLDERS = {
    "classes": (
        {"cat/2.png": 0, "cat/10.png": 1, "dog/a.bmp": 2},
        {"train": [("cat/10.png", "cat", 1), ("cat/2.png", "cat", 0), ("dog/a.bmp", "dog", 2)]},
        [],
    ),
    "every format": (
        {"a/1.PNG": 0, "a/2.tif": 1, "a/3.TIFF": 2, "a/4.gif": 3, "b/5.bmp": 4},
        {
            "train": [
                ("a/1.PNG", "a", 0),
                ("a/2.tif", "a", 1),
                ("a/3.TIFF", "a", 2),
                ("a/4.gif", "a", 3),
                ("b/5.bmp", "b", 4),
            ]
        },
        [],
    ),
    "hidden ones": (
        {
            "a/1.png": 0,
            "b/1.png": 1,
            "a/._1.png": b"resource fork",
            "a/.DS_Store": b"",
            "b/Thumbs.db": b"",
            ".ipynb_checkpoints/1.png": 5,
            "a/.ipynb_checkpoints/1.png": 5,
            "__MACOSX/a/._1.png": b"",
            "__MACOSX/a/1.png": 6,
        },
        {"train": [("a/1.png", "a", 0), ("b/1.png", "b", 1)]},
        [],
    ),
    "other files": (
        {"a/1.png": 0, "a/notes.txt": b"hello", "b/2.png": 1, "b/3.heic": b"", "labels.csv": b""},
        {"train": [("a/1.png", "a", 0), ("b/2.png", "b", 1)]},
        [(1, "a/notes.txt"), (2, "b/3.heic"), (2, "labels.csv")],
    ),
    "train, val, test": (
        {"train/a/1.png": 0, "train/b/1.png": 1, "val/a/1.png": 2, "test/b/1.png": 3},
        {
            "train": [("train/a/1.png", "a", 0), ("train/b/1.png", "b", 1)],
            "validation": [("val/a/1.png", "a", 2)],
            "test": [("test/b/1.png", "b", 3)],
        },
        [],
    ),
    "train, valid, test": (
        {"train/a/1.png": 0, "valid/a/1.png": 2, "test/b/1.png": 3, "README.md": b"about"},
        {
            "train": [("train/a/1.png", "a", 0)],
            "validation": [("valid/a/1.png", "a", 2)],
            "test": [("test/b/1.png", "b", 3)],
        },
        [],
    ),
    "Training and Testing": (
        {"Training/a/1.png": 0, "Testing/a/1.png": 2},
        {"train": [("Training/a/1.png", "a", 0)], "test": [("Testing/a/1.png", "a", 2)]},
        [],
    ),
    "test alone": (
        {"test/a/1.png": 0},
        {"train": None, "test": [("test/a/1.png", "a", 0)]},
        [],
    ),
    "images alone": (
        {"1.png": 0, "2.tif": 1},
        {"train": [("1.png", None, 0), ("2.tif", None, 1)]},
        [],
    ),
    "splits of images alone": (
        {"train/1.png": 0, "test/1.png": 1},
        {"train": [("train/1.png", None, 0)], "test": [("test/1.png", None, 1)]},
        [],
    ),
    "a folder per patient": (
        {"normal/p1/1.png": 0, "normal/p2/1.png": 1, "pneumonia/p3/x/1.png": 2},
        {
            "train": [
                ("normal/p1/1.png", "normal", 0),
                ("normal/p2/1.png", "normal", 1),
                ("pneumonia/p3/x/1.png", "pneumonia", 2),
            ]
        },
        [],
    ),
    "a class that is called train": (
        {"bus/1.png": 0, "train/1.png": 1},
        {"train": [("bus/1.png", "bus", 0), ("train/1.png", "train", 1)]},
        [],
    ),
    "an empty class": (
        {"a/1.png": 0, "b/1.png": 1, "c/notes.txt": b""},
        {"train": [("a/1.png", "a", 0), ("b/1.png", "b", 1)]},
        [(2, "c/notes.txt")],
    ),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_the_files_of_a_folder_are_the_examples_that_they_look_like(name, tmp_path):
    files, splits, left_out = FOLDERS[name]
    write(tmp_path, files)
    data = read(tmp_path)
    for split in ("train", "validation", "test"):
        part, expected = getattr(data, split), splits.get(split)
        assert (part is None) == (expected is None), split
        if part is not None:
            assert described(part) == expected
    parts = [part for part in (data.train, data.validation, data.test) if part is not None]
    found = [(entry.position, entry.origin) for part in parts for entry in part.left_out]
    assert found == left_out


REFUSED_FOLDERS = {
    "nothing": ({"a/notes.txt": b""}, r"one subfolder per class.*none, but a/notes\.txt \("),
    "no files": ({}, "one subfolder per class.*Received: none"),
    "images beside classes": ({"a/1.png": 0, "2.png": 1}, r"1 images beside .* 2\.png"),
    "splits beside classes": ({"train/a/1.png": 0, "more/b/1.png": 1}, "train beside more"),
    "images beside splits": ({"train/a/1.png": 0, "2.png": 1}, r"splits alone.*1 images.* 2\.png"),
    "two folders of a split": ({"val/a/1.png": 0, "valid/a/1.png": 1}, "val and valid"),
    "no image inside": ({"a/1.png": b"no image", "b/2.png": 0}, r"1\.png: not a readable image"),
    "an animation": ({"a/1.gif": frames(GREYS[0], "GIF")}, r"1\.gif: .*3 of them"),
    "two sizes": (
        {"a/1.png": 0, "b/2.png": png([b"\0"], 8, 0)},
        r"2\.png: expected images of one size, 5 x 4 .*Received: 1 x 1",
    ),
}


@pytest.mark.parametrize("name", REFUSED_FOLDERS)
def test_folders_that_leave_a_doubt_are_refused(name, tmp_path):
    files, message = REFUSED_FOLDERS[name]
    write(tmp_path, files)
    with pytest.raises(DataError, match=message):
        read(tmp_path)


def test_images_that_cannot_be_read_are_left_out_on_request_and_named(tmp_path):
    write(tmp_path, {"a/1.png": 0, "a/2.png": b"no image", "a/3.png": 1, "b/4.png": 2})
    with pytest.raises(DataError, match=r"2\.png: not a readable image.*missing = \"drop\""):
        read(tmp_path)
    data = read(tmp_path, missing="drop").train
    assert data.origin.tolist() == ["a/1.png", "a/3.png", "b/4.png"]
    (entry,) = data.left_out
    assert entry[:2] == (1, "a/2.png")
    assert entry.reason.startswith("not a readable image")


def test_deep_images_are_scaled_by_the_range_of_their_mode_and_that_is_said(tmp_path):
    deep = np.array([[0, 1, 4095, 7, 8]] * 4, "uint16")
    write(tmp_path, {"a/1.png": png(big_endian(deep), 16, 0), "b/2.png": 0})
    data = read(tmp_path)
    assert data.train.x.dtype == np.float32
    np.testing.assert_array_equal(data.train.x[0], (deep / 65_535).astype("float32"))
    np.testing.assert_array_equal(data.train.x[1], (GREYS[0] / 255).astype("float32"))
    assert data.notes[1] == (
        "16 bits a pixel, 1 of 2 images: divided by 65535, the largest value that they could have; "
        "the largest that they have is 4095"
    )
    assert data.notes[0] == "8 bits a pixel, 1 of 2 images: divided by 255"


def test_grey_images_among_coloured_ones_get_three_equal_channels(tmp_path):
    write(tmp_path, {"a/1.png": 0, "b/2.png": saved(COLOUR, "PNG")})
    data = read(tmp_path)
    np.testing.assert_array_equal(data.train.x[0], np.dstack([GREYS[0]] * 3))
    np.testing.assert_array_equal(data.train.x[1], COLOUR)
    assert data.notes == ("grey, 1 of 2 images: given three equal channels",)


def test_files_beside_the_splits_are_named(tmp_path):
    write(tmp_path, {"train/a/1.png": 0, "test/a/1.png": 1, "README.md": b"", ".git": b""})
    assert read(tmp_path).notes == ("beside the splits, not read: README.md",)


def test_one_image(tmp_path):
    write(tmp_path, {"x.tif": 3})
    data = read(tmp_path / "x.tif")
    assert described(data.train) == [("x.tif", None, 3)]


def test_a_link_to_a_folder_above_does_not_lead_round_for_ever(tmp_path):
    write(tmp_path, {"a/1.png": 0, "b/2.png": 1})
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "b").symlink_to(tmp_path / "b")
    names = read(tmp_path).train.origin.tolist()
    assert names == ["a/1.png", "a/b/2.png", "b/2.png"]


def test_the_reader_is_not_fooled_by_an_ending(tmp_path):
    """What a file is says its content: a JPEG that is called .png."""
    stream = io.BytesIO()
    Image.fromarray(COLOUR).save(stream, "JPEG")
    write(tmp_path, {"a/1.png": stream.getvalue()})
    expected = np.asarray(Image.open(stream))
    np.testing.assert_array_equal(read(tmp_path).train.x[0], expected)
