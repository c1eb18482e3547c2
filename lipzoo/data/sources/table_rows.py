"""Rows of a table that are examples, and those that are left out."""

from pathlib import Path
from typing import Any

import numpy as np

from lipzoo.data.settings import DataSettings
from lipzoo.data.sources.raw import DataError, RawSplit
from lipzoo.data.sources.table_cells import Missing, check_words, labels_of
from lipzoo.data.sources.table_layout import Layout
from lipzoo_catalogue.certified.origin import LeftOut


def complete_rows(
    path: Path,
    settings: DataSettings,
    layout: Layout,
    features: list[int],
    x: np.ndarray,
    labels: np.ndarray | None,
    rows: np.ndarray,
    missing: Missing,
) -> RawSplit:
    """The split of the rows that are complete, or an error that names one that is not.

    Args:
        path: the file, for messages.
        settings: the `[data]` table of a recipe.
        layout: of the table.
        features: numbers of the columns of `x`.
        x: all rows; NaN where an entry is missing.
        labels: their labels as written, or `None`.
        rows: where each stands in the file.
        missing: what stands for a missing label.

    Raises:
        DataError: for incomplete rows, unless they are to be dropped, and for labels in doubt.
    """
    incomplete: Any = np.isnan(x).any(axis=1)
    unlabelled = np.zeros(len(rows), bool)
    if labels is not None:
        found, inverse = np.unique(labels, return_inverse=True)
        words = [str(label).strip() for label in found.tolist()]
        where = f"{path}, {layout.column(layout.label)}"
        check_words(words, missing, settings.label_names, where)
        unlabelled = np.array([word in missing.in_labels for word in words], bool)[inverse]
        labels = np.array(words, "U")[inverse]
    dropped = incomplete | unlabelled
    left_out, numbers = [], np.flatnonzero(dropped)
    for rank, i in enumerate(numbers.tolist()):
        column = layout.label
        if incomplete[i]:
            column = features[int(np.flatnonzero(np.isnan(x[i]))[0])]
        reason = f"no entry in {layout.column(column)}"
        if settings.missing == "error":
            raise DataError(
                f"{path}, row {rows[i]}: an entry is missing ({reason}). Set "
                'missing = "drop" in [data] to leave such rows out'
            )
        left_out.append(LeftOut(i - rank, int(rows[i]), reason))
    if len(numbers) == len(rows):
        raise DataError(f"{path}: expected rows without missing entries. Received: none")
    if len(numbers):
        x, rows = x[~dropped], rows[~dropped]
        labels = None if labels is None else labels[~dropped]
    if labels is not None:
        where = f"{path}, {layout.column(layout.label)}"
        labels = labels_of(labels, settings.label_names, where)
    names = tuple(layout.names[j] for j in features) if layout.names else ()
    return RawSplit(x, labels, rows, tuple(left_out), names)
