"""Executed notebooks as pages of the site, their pictures as files beside them."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "docs" / "notebooks"
_COLAB = "https://colab.research.google.com/github/"
_GITHUB = "https://github.com/"


def pages(repository: str | None = None) -> tuple[dict[str, str], dict[str, bytes]]:
    """The pages as Markdown and the pictures, by their names in the site.

    Args:
        repository: address of the repository; on GitHub, each page gets a link that opens the
            notebook in Colab.
    """
    texts, pictures = {}, {}
    for path in sorted(FOLDER.glob("*.ipynb")):
        text, found = page(json.loads(path.read_text("utf-8")), path.stem)
        first, _, rest = text.partition("\n")
        texts[f"notebooks/{path.stem}.md"] = f"{first}\n\n{_links(path.stem, repository)}\n{rest}"
        pictures |= {f"notebooks/{name}": content for name, content in found.items()}
    return texts, pictures


def page(notebook: dict, stem: str) -> tuple[str, dict[str, bytes]]:
    """One notebook as Markdown, and its pictures by their names."""
    parts, pictures = [], {}
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(_fenced(source, "python"))
        for output in cell["outputs"]:
            parts += _output(output, f"{stem}-{len(pictures)}.png", pictures)
    return "\n\n".join(parts) + "\n", pictures


def _output(output: dict, name: str, pictures: dict[str, bytes]) -> Iterator[str]:
    if output["output_type"] == "stream":
        yield _fenced("".join(output["text"]), "text")
        return
    data = output["data"]
    if "image/png" in data:
        pictures[name] = base64.b64decode("".join(data["image/png"]))
        yield f"![Output of the program above]({name})"
    elif "text/html" in data:
        # A blank line would end it.
        yield "".join(data["text/html"]).replace("\n\n", "\n")
    else:
        yield _fenced("".join(data["text/plain"]), "text")


def _fenced(text: str, language: str) -> str:
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _links(stem: str, repository: str | None) -> str:
    links = [f"[the notebook]({stem}.ipynb)", f"[as a program]({stem}.py)"]
    if repository and repository.startswith(_GITHUB):
        path = repository.removeprefix(_GITHUB).strip("/")
        address = f"{_COLAB}{path}/blob/main/docs/notebooks/{stem}.ipynb"
        links.insert(0, f"[open in Colab]({address})")
    return "Executed by `make notebooks`: " + ", ".join(links) + "."
