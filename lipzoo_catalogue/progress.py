"""One bar for whatever takes long: on a terminal, and silent elsewhere."""

import sys

_WIDTH = 30


class Progress:
    """A line per stage on stderr.

    Args:
        shows: whether to show anything; `"auto"` does on a terminal. Where True meets no terminal,
            each stage is one line, written when it is done.

    Example:
        >>> progress = Progress(False)
        >>> progress.begin("search", 10)
        >>> progress.advance(10)
        >>> progress.end()
    """

    def __init__(self, shows: int | str = "auto"):
        self._terminal = sys.stderr.isatty()
        self._shows = self._terminal if shows == "auto" else bool(shows)
        self._title, self._total, self._done, self._what = "", 0, 0, ""

    def begin(self, title: str, total: int, what: str = "examples") -> None:
        """Begins a stage.

        Args:
            title: what is done.
            total: how much there is to do.
            what: what is counted.
        """
        self._title, self._total, self._done, self._what = title, total, 0, what
        self._draw()

    def advance(self, count: int) -> None:
        """Counts what was done."""
        self._done += count
        self._draw()

    def end(self) -> None:
        """Ends the stage and its line."""
        if self._shows:
            done = f"{self._title}: {self._total:,} {self._what}\n"
            sys.stderr.write("\n" if self._terminal else done)
            sys.stderr.flush()

    def _draw(self) -> None:
        if self._shows and self._terminal:
            full = _WIDTH * self._done // max(self._total, 1)
            bar = "=" * full + " " * (_WIDTH - full)
            sys.stderr.write(f"\r{self._title:32} [{bar}] {self._done:,} of {self._total:,}")
            sys.stderr.flush()
