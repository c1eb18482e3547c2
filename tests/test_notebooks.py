"""Notebooks: what is shown is what the programs print, and the pages stay small.

`make notebooks` executes them; here nothing is executed.
"""

import base64
import json
import re
from pathlib import Path

import pytest

from documentation.notebook_pages import FOLDER, page, pages

ROOT = Path(__file__).parents[1]
PROGRAMS = sorted(FOLDER.glob("*.py"))
NAMES = [path.stem for path in PROGRAMS]


def _cells(program):
    """The cells of a program as the format `percent` of jupytext has them."""
    head, *cells = re.split(r"^# %%(.*)\n", program, flags=re.MULTILINE)
    assert head.startswith("# ---\n")
    for kind, text in zip(cells[::2], cells[1::2], strict=True):
        if kind.strip() == "[markdown]":
            yield "markdown", re.sub(r"^# ?", "", text, flags=re.MULTILINE).strip()
        else:
            yield "code", text.strip()


def _notebook(name):
    return json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_has_the_cells_of_its_program(name):
    cells = _notebook(name)["cells"]
    program = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    found = [(cell["cell_type"], "".join(cell["source"]).strip()) for cell in cells]
    assert found == [*_cells(program)], "run `make notebooks`"


@pytest.mark.parametrize("name", NAMES)
def test_it_was_executed_from_top_to_bottom_without_an_error(name):
    code = [cell for cell in _notebook(name)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == [*range(1, len(code) + 1)]
    outputs = [output for cell in code for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {
        *("stream", "display_data", "execute_result")
    }
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 2


def test_every_notebook_has_a_row_and_a_page():
    index = (ROOT / "docs" / "notebooks.md").read_text(encoding="utf-8")
    assert re.findall(r"\]\(notebooks/(.+?)\.ipynb\)", index) == NAMES
    texts, pictures = pages()
    assert sorted(texts) == [f"notebooks/{name}.md" for name in NAMES]
    for name in NAMES:
        own = [content for key, content in pictures.items() if f"/{name}-" in key]
        assert len(texts[f"notebooks/{name}.md"].encode()) + sum(map(len, own)) < 10**6
        assert all(content.startswith(b"\x89PNG") for content in own)


def test_a_page_shows_text_tables_and_pictures():
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": ["```\n", "x"]},
        {"output_type": "execute_result", "data": {"text/html": "<p>a</p>\n\n<p>b</p>"}},
        {"output_type": "display_data", "data": {"image/png": base64.b64encode(b"png").decode()}},
        {"output_type": "execute_result", "data": {"text/plain": ["1"]}},
    ]
    cells = [
        {"cell_type": "markdown", "source": ["# Title"]},
        {"cell_type": "code", "source": ["1"], "outputs": outputs},
    ]
    text, pictures = page({"cells": cells}, "some")
    assert pictures == {"some-0.png": b"png"}
    assert text == (
        "# Title\n\n```python\n1\n```\n\n````text\n```\nx\n````\n\n<p>a</p>\n<p>b</p>\n\n"
        "![Output of the program above](some-0.png)\n\n```text\n1\n```\n"
    )


def test_colab_is_linked_where_the_repository_is_on_github():
    elsewhere, _ = pages("https://example.org/lipzoo")
    there, _ = pages("https://github.com/someone/lipzoo")
    name = f"notebooks/{NAMES[0]}.md"
    assert "colab" not in elsewhere[name]
    address = f"github/someone/lipzoo/blob/main/docs/notebooks/{NAMES[0]}.ipynb)"
    assert f"(https://colab.research.google.com/{address}" in there[name]
