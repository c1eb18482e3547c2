"""Where a model's files are, by name, folder or address, and what vouches for them."""

import contextlib
import functools
import os
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lipzoo_catalogue import registry
from lipzoo_catalogue.certificate_claim import Claim
from lipzoo_catalogue.files import (
    CERTIFICATE,
    CONFIG,
    MODEL_FILES,
    WEIGHTS,
    FileRecord,
    parse_json,
    read_file,
)
from lipzoo_catalogue.hub.client import HubSettings
from lipzoo_catalogue.hub.download import check_blob, download
from lipzoo_catalogue.hub.location import PREFIX, HubLocation, parse_location

_NEEDED = (CONFIG, CERTIFICATE, WEIGHTS)


@dataclass(frozen=True)
class Source:
    """A folder with the files of a model, and what is known of them before they are read.

    Args:
        name: the model's name: that in the zoo, or that of the folder or repository.
        folder: the folder.
        records: hash and size of each file that the registry vouches for; empty elsewhere.
        origin: `"zoo"`, `"folder"` or `"Hub"`.
        location: repository and full commit id, for files in the Hub's cache.
        entry: the registry's entry, for a model of the zoo.
    """

    name: str
    folder: Path
    records: Mapping[str, FileRecord] = field(default_factory=dict[str, FileRecord])
    origin: str = "folder"
    location: HubLocation | None = None
    entry: registry.RegistryEntry | None = None

    def has(self, file: str) -> bool:
        """Whether there is a file of that name."""
        return file in self.records or (self.folder / file).exists()

    def path(self, file: str) -> Path:
        """Path of a file."""
        return self.folder / file

    @functools.cached_property
    def claim(self) -> Claim | None:
        """What `certificate.json` states; `None` in a folder that has none."""
        if not self.has(CERTIFICATE) and self.origin == "folder":
            return None
        return Claim.from_dict(self.read_json(CERTIFICATE), self.path(CERTIFICATE))

    def record_of(self, file: str) -> FileRecord | None:
        """What the registry, or else the certificate, states of a file."""
        if file in self.records or file == CERTIFICATE or self.claim is None:
            return self.records.get(file)
        return self.claim.files.get(file)

    def read(self, file: str) -> bytes:
        """Reads a file once, its hash checked.

        Raises:
            FileNotFoundError: if it is missing.
            ValueError: if it differs from what is stated of it; for a file in the Hub's cache the
                message says how to replace it.
        """
        record = self.record_of(file)
        with self.named_in_errors():
            content = read_file(self.path(file), record)
            if record is None and self.location is not None:
                check_blob(self.path(file), content)
            return content

    def read_json(self, file: str) -> dict[str, Any]:
        """Reads a JSON object, its hash checked; see `read`."""
        return self.parse_json(file, self.read(file))

    def parse_json(self, file: str, content: bytes) -> dict[str, Any]:
        """Parses the content of a file that was read; see `read_json`."""
        with self.named_in_errors():
            return parse_json(content, self.path(file))

    @contextlib.contextmanager
    def named_in_errors(self) -> Generator[None]:
        """Within this context, errors about files in the Hub's cache say how to replace them."""
        try:
            yield
        except (ValueError, FileNotFoundError) as error:
            if self.location is None or "Hub's cache" in str(error):
                raise
            kind = FileNotFoundError if isinstance(error, FileNotFoundError) else ValueError
            raise kind(
                f"{error}. It is in the Hub's cache, in {str(self.folder)!r}; to download it "
                f"again: lipzoo download {self.location} --force"
            ) from error


def find(
    name: str | Path,
    *,
    revision: str | None = None,
    settings: HubSettings | None = None,
    want: str = "network",
    force: bool = False,
) -> Source:
    """Finds a model: a folder, the bundled weights, the Hub's cache, the Hub, in this order.

    Args:
        name: a name of the zoo; the path of a folder, with a separator or as a `Path`; or
            `"hf://owner/repo"`, with `"@revision"` behind it or not.
        revision: full commit id, tag or branch on the Hub.
        settings: how the Hub is reached.
        want: what to download of a model on the Hub: `"network"` for the files that load it,
            `"description"` for those that say what is known of it, or `"everything"`.
        force: whether to download files again that are in the Hub's cache.

    Returns:
        A `Source`.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if the name is unknown (the nearest ones are suggested), or the revision is
            one of a model that is not on the Hub.
        HubError: if it cannot be downloaded.
    """
    # Not every caller has a type checker.
    is_name = isinstance(name, str | Path)  # pyright: ignore[reportUnnecessaryIsInstance]
    text = os.fspath(name) if is_name else None
    if not text:
        raise ValueError(f"Expected a name or the path of a folder. Received: name={name!r}")
    if isinstance(name, str) and name.startswith(PREFIX):
        location = parse_location(name)
        if None not in (revision, location.revision) and revision != location.revision:
            raise ValueError(
                f"Expected one revision. Received: name={name!r}, revision={revision!r}"
            )
        location = location.at(location.revision or revision)
        return _find_on_hub(location, None, settings, want, force)
    if isinstance(name, Path) or "/" in text or os.sep in text or text.startswith("."):
        if revision is not None:
            raise ValueError(
                "Expected revision only for a model on the Hub. "
                f"Received: name={text!r}, revision={revision!r}"
            )
        return _find_folder(Path(name).expanduser())
    return _find_in_zoo(text, revision, settings, want, force)


def _find_in_zoo(
    name: str, revision: str | None, settings: HubSettings | None, want: str, force: bool
) -> Source:
    weights = registry.weights_folder()
    try:
        entry = registry.find_entry(name, registry.read_registry(weights))
    except ValueError as error:
        if Path(name).is_dir():
            advice = f"To load the folder of that name, write {os.path.join('.', name)!r}"
            raise ValueError(f"{error}. {advice}") from None
        raise
    folder = weights / entry.name
    if revision is None and folder.is_dir() and not force:
        return Source(entry.name, folder, dict(entry.files), "zoo", None, entry)
    if entry.repo is None:
        raise ValueError(
            f"{entry.name} is bundled with lipzoo and has not been published on the Hub, so it has "
            f"no other revisions. Received: revision={revision!r}"
        )
    location = HubLocation(entry.repo, revision or entry.revision)
    return _find_on_hub(location, entry, settings, want, force)


def _find_folder(folder: Path) -> Source:
    if not folder.is_dir():
        raise FileNotFoundError(
            "Expected a name from lipzoo.list_models(), or a folder with config.json and "
            f"model.safetensors. Received: {str(folder)!r}, which is not a folder"
        )
    return Source(folder.resolve().name, folder)


def _find_on_hub(
    location: HubLocation,
    entry: registry.RegistryEntry | None,
    settings: HubSettings | None,
    want: str,
    force: bool,
) -> Source:
    known = entry if entry is not None and location.revision == entry.revision else None
    needed = _NEEDED
    if want == "description" and known is not None:
        # The registry knows the parameters; without it they are counted in the weights.
        needed = (CONFIG, CERTIFICATE)
    optional = [] if want == "network" else [f for f in MODEL_FILES if f not in _NEEDED]
    if known is not None:
        optional = [file for file in optional if file in known.files]
    snapshot = download(location, needed, optional, settings=settings, force=force)
    name = location.name if entry is None else entry.name
    records = {} if known is None else dict(known.files)
    return Source(name, snapshot.folder, records, "Hub", snapshot.location, entry)
