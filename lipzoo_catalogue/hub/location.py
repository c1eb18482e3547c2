"""Where a model is on the Hugging Face Hub: `hf://owner/repo@revision`."""

import re
from dataclasses import dataclass, replace

PREFIX = "hf://"
DEFAULT_REVISION = "main"

_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_REVISION = re.compile(r"[\w.-]+(/[\w.-]+)*")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class HubLocation:
    """A repository and a revision of it.

    Args:
        repo: `owner/name`.
        revision: full commit id, tag or branch; `None` for the newest commit.

    Raises:
        ValueError: if either cannot be one.

    >>> HubLocation("someone/their-model", "v1")
    HubLocation(repo='someone/their-model', revision='v1')
    """

    repo: str
    revision: str | None = None

    def __post_init__(self) -> None:
        repo, revision = self.repo, self.revision
        # Not every caller has a type checker.
        is_text = isinstance(repo, str)  # pyright: ignore[reportUnnecessaryIsInstance]
        if not is_text or not _REPO.fullmatch(repo) or ".." in repo or "--" in repo:
            raise ValueError(f"Expected a repository 'owner/name'. Received: repo={repo!r}")
        fits = isinstance(revision, str) and _REVISION.fullmatch(revision) and ".." not in revision
        if revision is not None and not fits:
            raise ValueError(
                "Expected a full commit id, a tag or a branch, or None. "
                f"Received: revision={revision!r}"
            )

    @property
    def name(self) -> str:
        """The repository's name, without its owner."""
        return self.repo.partition("/")[2]

    @property
    def is_pinned(self) -> bool:
        """Whether the revision is a full commit id, which always means the same files."""
        return self.revision is not None and _COMMIT.fullmatch(self.revision) is not None

    def at(self, revision: str | None) -> "HubLocation":
        """The same repository at another revision."""
        return replace(self, revision=revision)

    def __str__(self) -> str:
        return f"{PREFIX}{self.repo}" + (f"@{self.revision}" if self.revision else "")


def parse_location(text: str) -> HubLocation:
    """Reads `hf://owner/repo` or `hf://owner/repo@revision`.

    Raises:
        ValueError: if the text is neither.

    >>> parse_location("hf://someone/their-model@v1").revision
    'v1'
    """
    repo, at, revision = text.removeprefix(PREFIX).partition("@")
    try:
        if not text.startswith(PREFIX):
            raise ValueError(f"Expected {PREFIX} at the beginning. Received: {text!r}")
        return HubLocation(repo, revision if at else None)
    except ValueError as error:
        raise ValueError(
            f"Expected 'hf://owner/repo' or 'hf://owner/repo@revision': {error}"
        ) from None
