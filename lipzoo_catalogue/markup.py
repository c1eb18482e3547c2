"""HTML, in which every text that is not ours is escaped."""

import html
from collections.abc import Iterable, Sequence


def escaped(text: object) -> str:
    """A text as HTML shows it, in an element or in a quoted attribute.

    >>> escaped('<a href="x">&')
    '&lt;a href=&quot;x&quot;&gt;&amp;'
    """
    return html.escape(str(text), quote=True)


def paragraph(text: object) -> str:
    """A paragraph of one text."""
    return f"<p>{escaped(text)}</p>"


def table(
    header: Sequence[object], rows: Iterable[Sequence[object]], numbers: Iterable[int] = ()
) -> str:
    """A table of texts.

    Args:
        header: the names of the columns; none for a table of names and values.
        rows: the cells of every row.
        numbers: the columns that are aligned to the right.

    Example:

    >>> table(["a"], [["<b>"]])
    '<table><thead><tr><th>a</th></tr></thead><tbody><tr><td>&lt;b&gt;</td></tr></tbody></table>'
    """
    right = set(numbers)
    head = ""
    if header:
        cells = "".join(f"<th{_side(i in right)}>{escaped(c)}</th>" for i, c in enumerate(header))
        head = f"<thead><tr>{cells}</tr></thead>"
    lines: list[str] = []
    for row in rows:
        cells = "".join(f"<td{_side(i in right)}>{escaped(c)}</td>" for i, c in enumerate(row))
        lines.append(f"<tr>{cells}</tr>")
    return f"<table>{head}<tbody>{''.join(lines)}</tbody></table>"


def _side(right: bool) -> str:
    return ' style="text-align:right"' if right else ""
