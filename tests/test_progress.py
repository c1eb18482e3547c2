"""One bar: on a terminal, one line elsewhere where it is asked for, and otherwise nothing."""

import io
import sys

import pytest

from lipzoo_catalogue.progress import Progress


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def _shown(stream, shows, monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream)
    progress = Progress(shows)
    progress.begin("search", 1000)
    progress.advance(500)
    progress.advance(500)
    progress.end()
    return stream.getvalue()


def test_a_terminal_has_a_bar_that_fills(monkeypatch):
    lines = _shown(_Terminal(), "auto", monkeypatch).split("\r")
    assert [line.count("=") for line in lines] == [0, 0, 15, 30]
    assert lines[-1].endswith("1,000 of 1,000\n")


@pytest.mark.parametrize("shows", ["auto", False, 0])
def test_without_a_terminal_it_is_silent(shows, monkeypatch):
    assert _shown(io.StringIO(), shows, monkeypatch) == ""


def test_a_line_without_a_terminal_where_it_is_asked_for(monkeypatch):
    assert _shown(io.StringIO(), True, monkeypatch) == "search: 1,000 examples\n"
