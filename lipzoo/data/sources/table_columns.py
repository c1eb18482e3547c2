"""Which columns of a table are features, and which only count its rows."""

from pathlib import Path

import numpy as np

from lipzoo.data.settings import DataSettings
from lipzoo.data.sources.raw import DataError, RawSplit
from lipzoo.data.sources.table_layout import find_column

_COUNTING = {"", "id", "idx", "index", "no", "nr", "row", "rowid", "row_id", "rownames", "#"}
_MANY = 10


def chosen_columns(
    path: Path, settings: DataSettings, names: tuple[str, ...], width: int, label: int | None
) -> list[int]:
    """Numbers from 0 of the columns that are features, in the order of the recipe.

    Raises:
        DataError: for a column that is not there, and for the label among the features.
    """

    def numbers(columns, key):
        return [find_column(path, column, names, width, key) for column in columns]

    ignored = numbers(settings.ignore, "ignore")
    if settings.columns in ((), ("*",)):
        chosen = [j for j in range(width) if j != label and j not in ignored]
    else:
        chosen = numbers(settings.columns, "columns")
    if label in chosen or len(set(chosen)) < len(chosen):
        raise DataError(
            f"{path}: [data] columns: expected features, each once, without the label. "
            f"Received: {list(settings.columns)}"
        )
    if not chosen:
        raise DataError(f"{path}: expected a column with numbers beside the label. Received: none")
    return chosen


def check_rows_not_counted(path: Path, settings: DataSettings, split: RawSplit, features, layout):
    """Refuses a feature that may be an index of the rows, unless the recipe names the columns."""
    if settings.columns:
        return
    x, n = split.x, len(split)
    lowest, highest = x.min(axis=0), x.max(axis=0)
    for k, j in enumerate(features):
        name = layout.names[j].strip().lower() if layout.names else None
        counting = name is not None and (name in _COUNTING or name.startswith("unnamed:"))
        spread = highest[k] - lowest[k] + 1
        dense = n >= _MANY and n <= spread <= n + len(split.left_out)
        if not (dense or (counting and n > 2)):
            continue
        column = x[:, k]
        if np.array_equal(column, np.round(column)) and len(np.unique(column)) == n:
            here = f"{layout.names[j]!r}" if layout.names else j + 1
            shown = here.replace("'", '"') if isinstance(here, str) else here
            raise DataError(
                f"{path}, {layout.column(j)}: its whole numbers, all different, may count the "
                f"rows and be no feature. Set ignore = [{shown}] in [data] to leave it out, or "
                'columns = ["*"] to take every column'
            )
