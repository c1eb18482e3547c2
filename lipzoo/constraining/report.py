"""The table of what changed."""

import math
from dataclasses import dataclass

from lipzoo_catalogue.formatting import format_up


@dataclass(frozen=True)
class Row:
    """One layer of the original.

    Attributes:
        name: its name.
        type: its class.
        was: its bound.
        now: the bound of what stands in its place; None for nothing.
        change: what changed.
    """

    name: str
    type: str
    was: float
    now: float | None
    change: str


def table(name: str, rows: list[Row], was: float | None, now: float) -> str:
    """Shows the rows, and the bounds of the models; numbers are rounded upwards.

    Args:
        name: of the model.
        rows: one per call of a layer.
        was: bound of the original; None where there is none.
        now: bound of the new model.
    """
    header = ("Layer", "Type", "Was", "Is", "Change")
    cells = [
        (row.name, row.type, _shown(row.was), _shown(row.now), row.change or "kept") for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    lines = [_line(row, widths) for row in (header, *cells)]
    rule = "─" * max(map(len, lines))
    before = "not known" if was is None else _shown(was)
    total = f"Lipschitz bound of '{name}': was {before}, is {_shown(now)}"
    return "\n".join([lines[0], rule, *lines[1:], rule, total])


def _shown(value: float | None) -> str:
    if value is None:
        return ""
    return format_up(value, digits=4) if math.isfinite(value) else "inf"


def _line(cells, widths) -> str:
    name, kind, was, now, change = (
        cell.rjust(width) if 2 <= i <= 3 else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return f"{name}  {kind}  {was}  {now}  {change}".rstrip()
