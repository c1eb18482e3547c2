"""Downloading a model's files into the Hub's cache: whole or not at all, sizes checked first."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lipzoo_catalogue.files import CONFIG, largest_size, sha256_of
from lipzoo_catalogue.hub.client import HubSettings, patiently
from lipzoo_catalogue.hub.errors import HubError, hub_errors
from lipzoo_catalogue.hub.location import DEFAULT_REVISION, HubLocation


@dataclass(frozen=True)
class Snapshot:
    """Files of one commit in the cache.

    Args:
        folder: the folder that holds them.
        location: the repository at the full commit id.
        files: their names.
    """

    folder: Path
    location: HubLocation
    files: tuple[str, ...]


def download(
    location: HubLocation,
    required: Iterable[str],
    optional: Iterable[str] = (),
    *,
    settings: HubSettings | None = None,
    force: bool = False,
) -> Snapshot:
    """Downloads files of a repository, all of the same commit.

    A branch or a tag is resolved once, to a full commit id. What is in the cache already is not
    asked for again: by full commit id no request is made at all. A file appears in the cache when
    it is complete; two processes may download the same one.

    Args:
        location: repository and revision.
        required: names of files that must be there; `config.json` is always one of them.
        optional: names of files that are downloaded if they are there.
        settings: cache, token, whether to use the network.
        force: whether to download files again that are in the cache.

    Returns:
        A `Snapshot`.

    Raises:
        HubError: if the Hub cannot be reached, a required file is not there, access is refused, or
            a file is larger than any of its kind.
    """
    settings = settings or HubSettings()
    first = _download_file(location, CONFIG, settings, force)
    location = location.at(first.parent.name)
    found = [CONFIG]
    for file in required:
        if file != CONFIG:
            _download_file(location, file, settings, force)
            found.append(file)
    found += [file for file in optional if _download_optional(location, file, settings, force)]
    return Snapshot(first.parent, location, tuple(found))


def check_blob(path: Path, content: bytes) -> None:
    """Compares what was read with the hash that the Hub gave the file.

    The cache keeps each file under its hash: a SHA-256 for a large one, git's for others.

    Raises:
        ValueError: if the content has another hash.
    """
    name = path.resolve().name
    if name == path.name or not set(name) <= set("0123456789abcdef"):
        return
    if len(name) == 64:
        received = sha256_of(content)
    elif len(name) == 40:
        received = git_hash(content)
    else:
        return
    if received != name:
        raise ValueError(
            f"{path} was altered: expected the hash {name} that the Hub states. "
            f"Received: {received}"
        )


def git_hash(content: bytes) -> str:
    """Returns the hash by which git, and so the Hub, knows a small file.

    >>> git_hash(b"")
    'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391'
    """
    header = f"blob {len(content)}\0".encode()
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()


def _download_file(
    location: HubLocation, file: str, settings: HubSettings, force: bool = False
) -> Path:
    # Its annotations leave the kinds of a dictionary open.
    from huggingface_hub import hf_hub_download  # pyright: ignore[reportUnknownVariableType]

    what = (location.repo, file)
    how: dict[str, Any] = {"revision": location.revision or DEFAULT_REVISION}
    how |= settings.arguments()

    with hub_errors(f"get {file} of {location}", settings.token):
        planned = patiently(lambda: hf_hub_download(*what, **how, dry_run=True))
        limit = largest_size(file)
        if planned.file_size is not None and planned.file_size > limit:
            raise HubError(
                f"{location}: {file} is too large: expected at most {limit} bytes. "
                f"Received: {planned.file_size}"
            )
        if planned.is_cached and not force and location.is_pinned:
            return Path(planned.local_path)
        return Path(
            patiently(lambda: hf_hub_download(*what, **how, force_download=force, dry_run=False))
        )


def _download_optional(
    location: HubLocation, file: str, settings: HubSettings, force: bool
) -> bool:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    arguments = settings.arguments()
    cached = try_to_load_from_cache(
        location.repo, file, cache_dir=arguments["cache_dir"], revision=location.revision
    )
    if cached is not None and not isinstance(cached, str) and not force:
        return False  # the Hub said before that this commit does not have it
    try:
        _download_file(location, file, settings, force)
    except HubError as error:
        absent = isinstance(error.__context__, EntryNotFoundError)
        unknown = isinstance(error.__context__, LocalEntryNotFoundError)
        if absent and (not unknown or arguments["local_files_only"]):
            return False
        raise
    return True
