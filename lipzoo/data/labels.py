"""Labels of a source as numbers from 0, and the names of their classes."""

import numpy as np

from lipzoo.data.settings import DataSettings
from lipzoo.data.sources import DataError, RawData
from lipzoo.data.splits import Split


def check_labelled(raw: RawData) -> None:
    """Raises `DataError` if a split has no labels."""
    without = [name for name, split in raw.splits.items() if split.labels is None]
    if without:
        hint = "".join(f"; {note}" for note in raw.notes)
        raise DataError(
            f"{raw.source}: expected a label for every example. Received: none in "
            f"{', '.join(without)}{hint}"
        )


def encode_labels(raw: RawData, settings: DataSettings) -> tuple[tuple[str, ...], dict[str, Split]]:
    """Names of the classes, and splits with labels that count from 0.

    Args:
        raw: the source.
        settings: names of labels, in `label_names`.

    Returns:
        The names, in the order of the labels, and each split. Without labels there are no names,
        and all labels are 0.

    Raises:
        DataError: if a label is none of the training split's, or has no name where there are any.
    """
    labels = {name: split.labels for name, split in raw.splits.items() if split.labels is not None}
    if len(labels) < len(raw.splits):
        return (), {
            name: Split(split.x, np.zeros(len(split), "int32"), split.origin)
            for name, split in raw.splits.items()
        }
    if raw.class_names:
        values, written = np.arange(len(raw.class_names)), raw.class_names
    else:
        values = np.unique(labels["train"])
        written = tuple(str(value) for value in values.tolist())
    named = [_class_name(name, raw.source, settings) for name in written]
    # A label and its name may both stand in the data: they are one class.
    names = tuple(dict.fromkeys(named))
    numbers = np.array([names.index(name) for name in named], "int32")
    encoded = {}
    for name, split in raw.splits.items():
        unknown = np.setdiff1d(labels[name], values)
        if len(unknown):
            raise DataError(
                f"{raw.source}: expected labels among {values.tolist()[:20]}. "
                f"Received: {unknown.tolist()[:5]}"
            )
        y = numbers[np.searchsorted(values, labels[name])]
        encoded[name] = Split(split.x, y, split.origin)
    return names, encoded


def _class_name(label: str, source: str, settings: DataSettings) -> str:
    """What `label_names` calls a label; what is such a name already stays."""
    names = settings.label_names
    if not names or label in names:
        return names.get(label, label)
    if label in names.values():
        return label
    raise DataError(
        f"{source}: expected labels among {list(names)}, which [data.label_names] has. "
        f"Received: {[label]}"
    )
