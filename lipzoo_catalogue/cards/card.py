"""Putting a card together, and telling ours from one that a person edited."""

import re
from collections.abc import Iterable

from lipzoo_catalogue.cards.front_matter import front_matter
from lipzoo_catalogue.cards.sections import sections
from lipzoo_catalogue.files import sha256_of
from lipzoo_catalogue.model_info import ModelInfo

_MARK = re.compile(r"<!-- written by lipzoo; sha256 of what stands above: ([0-9a-f]{64}) -->\s*")

_INTRODUCTION = """\
# Model cards

One section for each model of the zoo, written by `python -m studies.render` from the model's \
files: configuration, certificate, test results, recipe and texts. `lipzoo card NAME` prints one.
"""


def hub_card(info: ModelInfo, repo: str) -> str:
    """The README of a repository on the Hub, front matter included.

    Its last line holds a hash of everything above, by which `is_untouched` knows it again.

    Args:
        info: the model.
        repo: `owner/name`.
    """
    name = repo.partition("/")[2]
    body = front_matter(info, name) + "\n" + _body(info, name, f"hf://{repo}", "", level=1)
    return f"{body}\n<!-- written by lipzoo; sha256 of what stands above: {_hash(body)} -->\n"


def plain_card(
    info: ModelInfo, address: str | None = None, pictures: str = "", level: int = 1
) -> str:
    """The card as Markdown without front matter.

    Args:
        info: the model.
        address: what `lipzoo.load` is called with in the program. Default: the model's name.
        pictures: folder of the figures, with a slash at its end, as seen from the card.
        level: level of its heading.
    """
    return _body(info, info.name, address or info.name, pictures, level)


def model_cards(models: Iterable[ModelInfo]) -> str:
    """The content of MODEL_CARDS.md."""
    cards = [plain_card(info, pictures=f"weights/{info.name}/", level=2) for info in models]
    return "\n".join([_INTRODUCTION, *cards])


def is_untouched(card: str) -> bool:
    """Whether a README is as lipzoo wrote it: its last line is the hash of what stands above.

    >>> is_untouched("# A card that someone wrote")
    False
    """
    text = card.replace("\r\n", "\n")
    mark = _MARK.search(text)
    return (
        mark is not None
        and mark.end() == len(text)
        and mark[1] == _hash(text[: mark.start()].removesuffix("\n"))
    )


def _body(info: ModelInfo, name: str, address: str, pictures: str, level: int) -> str:
    heading = "#" * level
    parts = [f"{heading} {name}\n\n{info.description or info.architecture}\n"]
    parts += [
        f"{heading}# {title}\n\n{text.strip()}\n"
        for title, text in sections(info, address, pictures)
        if text.strip()
    ]
    return "\n".join(parts)


def _hash(text: str) -> str:
    return sha256_of(text.encode())
