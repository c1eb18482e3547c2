"""Data sets in the layouts that the library `datasets` reads: Parquet, folders of images, CSV."""

import contextlib
import dataclasses
import io
import tempfile
from pathlib import Path

import numpy as np

from lipzoo.data.settings import DataSettings
from lipzoo.data.sources.arrays import flat_labels
from lipzoo.data.sources.layout import SPLIT_NAMES
from lipzoo.data.sources.raw import DataError, RawData, RawSplit
from lipzoo.data.sources.stacks import read_each, stacked
from lipzoo.data.sources.table_cells import Missing, check_float32, labels_of
from lipzoo.data.sources.table_columns import check_rows_not_counted, chosen_columns
from lipzoo.data.sources.table_layout import Layout
from lipzoo.data.sources.table_rows import complete_rows
from lipzoo_catalogue.installing import how_to_install

# Those of which nothing is run and nothing unpickled.
_BUILDERS = ("parquet", "imagefolder", "csv", "json", "arrow")
_LABEL_NAMES = ("label", "labels", "class")


def read_data_set(
    path: Path, configuration: str | None, source: str, settings: DataSettings
) -> RawData:
    """Reads a folder, or a single Parquet file, as `datasets.load_dataset` does.

    Images, one column of them, follow the rules of `read_pixels`. Without images, numbers are the
    features of a table, and a column of lists of one length holds signals. The label is the column
    that `label` names, else the only column of class labels, else one that is called `label`.

    Args:
        path: the folder or the file.
        configuration: which of several.
        source: name of the source.
        settings: the `[data]` table of a recipe.

    Raises:
        DataError: if `datasets` is missing or cannot read it, or what is an example is not clear.
    """
    try:
        import datasets
    except ImportError as error:
        raise DataError(f"{source} needs datasets: {how_to_install('data')} ({error})") from None
    with tempfile.TemporaryDirectory(prefix="lipzoo-") as cache, _quiet(datasets):
        try:
            if path.is_dir():
                builder = datasets.load_dataset_builder(str(path), configuration, cache_dir=cache)
            else:
                builder = datasets.load_dataset_builder(
                    "parquet", data_files=str(path), cache_dir=cache
                )
            if builder.name not in _BUILDERS:
                raise DataError(f"expected one of {', '.join(_BUILDERS)}. Received: {builder.name}")
            builder.download_and_prepare()
            stored = builder.as_dataset()
        except Exception as error:
            # Its errors are of every kind, and a cause may say more than what it ends with.
            text = " ".join(str(error.__cause__ or error).split()) or type(error).__name__
            raise DataError(f"{source}: datasets cannot read it: {text[:300]}") from None
        return _read_splits(stored, path, source, settings)


def is_data_set(path: Path) -> bool:
    """Whether a folder holds a data set in Parquet files, or a Parquet file is of one.

    Parquet files that `datasets` has written say what their columns are; others are tables.
    """
    if path.is_dir():
        return any(path.glob("*.parquet")) or any(path.glob("*/*.parquet"))
    if path.suffix.lower() != ".parquet":
        return False
    try:
        from pyarrow import ArrowInvalid, parquet

        return b"huggingface" in (parquet.read_schema(path).metadata or {})
    except (ImportError, ArrowInvalid, OSError):
        return False


@contextlib.contextmanager
def _quiet(datasets):
    """Without the progress bars of `datasets`, which are on or off for the whole process."""
    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


def _read_splits(stored, root, source, settings) -> RawData:
    named, notes = {}, []
    for name, split in stored.items():
        # A data set that has one split only may call it as it likes.
        meant = "train" if len(stored) == 1 else SPLIT_NAMES.get(name.casefold())
        if meant is None:
            notes.append(f"split {name!r} was not read")
        elif meant in named:
            raise DataError(f"{source}: expected one {meant} split. Received: {', '.join(stored)}")
        else:
            named[meant] = split
    features = next(iter(stored.values())).features
    label = _label_column(features, source, settings)
    images = [name for name, feature in features.items() if _kind_of(feature) == "Image"]
    if len(images) > 1:
        raise DataError(f"{source}: expected one column of images. Received: {', '.join(images)}")
    if images:
        others = [name for name in features if name not in (images[0], label)]
        if others:
            notes.append(f"columns that were not read: {', '.join(others)}")
        read = {
            name: _read_images(split, images[0], root, f"{source}, {name}", settings)
            for name, split in named.items()
        }
        x, more = stacked({name: pixels for name, (pixels, *_) in read.items()})
        notes += more
    parts = {}
    for name, split in named.items():
        where = f"{source}, {name}"
        if images:
            _, records, origin, left_out = read[name]
            labels = _labels(split.select(records), label, where, settings.label_names)
            parts[name] = RawSplit(x[name], labels, origin, left_out)
        else:
            parts[name] = _read_table(split, label, where, settings)
    names = () if label is None else tuple(getattr(features[label], "names", None) or ())
    kind = "image" if images else "auto"
    parts = {"train": None, **parts}
    return RawData(source, **parts, class_names=names, notes=tuple(notes), kind=kind)


def _kind_of(feature) -> str:
    return type(feature).__name__


def _label_column(features, source, settings) -> str | None:
    if settings.label == "none":
        return None
    # The first and the last column are the label of a CSV file; here columns say what they are.
    if settings.label not in ("first", "last"):
        columns = {**dict(enumerate(features, start=1)), **{name: name for name in features}}
        if settings.label not in columns:
            raise DataError(
                f"{source}: expected label to be one of {', '.join(features)}. "
                f"Received: label = {settings.label!r}"
            )
        return columns[settings.label]
    classes = [name for name, feature in features.items() if _kind_of(feature) == "ClassLabel"]
    named = [name for name in features if name.casefold() in _LABEL_NAMES]
    for found in (classes, named):
        if len(found) > 1:
            raise DataError(
                f"{source}: expected one column of labels; set label in [data] to its name. "
                f"Received: {', '.join(found)}"
            )
        if found:
            return found[0]
    return None


def _read_images(split, column, root, where, settings):
    """Pixels, numbers of the records, origins and what is left out."""
    import datasets

    # A file that is not stored in the record has a name, under the folder.
    names = {}

    def entries():
        encoded = split.cast_column(column, datasets.Image(decode=False))[column]
        for number, entry in enumerate(encoded):
            content, path = (entry or {}).get("bytes"), (entry or {}).get("path")
            names[number] = number + 1
            if content is None and path is not None:
                names[number] = Path(path).relative_to(root).as_posix()
                yield Path(path), path, number
            else:
                yield io.BytesIO(content or b""), f"{where}, record {number + 1}", number

    pixels, records, left_out = read_each(entries(), settings)
    if not pixels:
        raise DataError(f"{where}: expected images. Received: none")
    left_out = tuple(entry._replace(origin=names[entry.origin]) for entry in left_out)
    return pixels, records, np.array([names[number] for number in records]), left_out


def _read_table(split, label, where, settings) -> RawSplit:
    """Records of numbers, with the keys of `[data]` about columns and missing entries."""
    names = tuple(split.column_names)
    layout = Layout("", ".", len(names), names, 0, None if label is None else names.index(label))
    features = chosen_columns(where, settings, names, len(names), layout.label)
    x = _numbers(split, [names[j] for j in features], where)
    labels = _labels(split, label, where, settings.label_names)
    rows = np.arange(1, len(split) + 1)
    if x.ndim > 2 or x.shape[1] != len(features):
        # Signals, one list a record.
        return RawSplit(x, labels, rows)
    missing = Missing(settings.missing_values)
    table = complete_rows(where, settings, layout, features, x, None, rows, missing)
    if labels is not None and table.origin is not None:
        table = dataclasses.replace(table, labels=labels[table.origin - 1])
    check_rows_not_counted(where, settings, table, features, layout)
    return table


def _numbers(split, columns, source) -> np.ndarray:
    """Columns of numbers as a table, or one column of lists of one length, or of arrays."""
    arrays = []
    for name in columns:
        try:
            values = np.asarray(split.with_format("numpy")[name])
        except ValueError:
            # Lists of several lengths.
            values = np.empty(0, "O")
        if values.dtype.kind not in "iuf":
            raise DataError(
                f"{source}: expected an image, or numbers in every column but the label's, "
                f"which label in [data] names. "
                f"Received: column {name!r} of {split.features[name]}"
            )
        if values.dtype.kind in "iu":
            _check_whole(values, f"{source}, column {name!r}")
        arrays.append(values)
    if len(arrays) == 1 and arrays[0].ndim > 1:
        return arrays[0]
    if not arrays or any(array.ndim > 1 for array in arrays):
        raise DataError(
            f"{source}: expected an image, numbers, or one column of lists of one length. "
            f"Received: columns {', '.join(columns)}"
        )
    return np.column_stack(arrays).astype("float32")


def _check_whole(values, where):
    """Refuses whole numbers that float32 changes, as identifiers are."""
    for value in values[values != values.astype("float32")].tolist():
        check_float32(float(value), value, where)


def _labels(split, label, where, names) -> np.ndarray | None:
    if label is None:
        return None
    values = split[label]
    # Where labels of a test split are kept back, it is usual to write -1.
    classes = _kind_of(split.features[label]) == "ClassLabel"
    absent = sum(value is None or (classes and value == -1) for value in values)
    if absent == len(values):
        return None
    if absent:
        raise DataError(f"{where}: expected a label for every example. Received: {absent} without")
    where = f"{where}: {label}"
    if classes or np.ndim(values[0]):
        return flat_labels(np.array(values), where)
    # As in a table: truth values are called True and False, and 1.0 is 1.
    return labels_of(np.array([str(value) for value in values], "U"), names, where)
