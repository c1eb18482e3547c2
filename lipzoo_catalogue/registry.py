"""The models that come with lipzoo: `weights/registry.json`, read into frozen dataclasses."""

import fnmatch
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lipzoo_catalogue.certificate_claim import read_records
from lipzoo_catalogue.files import (
    CERTIFICATE,
    CONFIG,
    METRICS,
    MODEL_FILES,
    WEIGHTS,
    FileRecord,
    dump_json,
    parse_json,
    read_file,
    write_file,
)
from lipzoo_catalogue.json_validation import (
    check_keys,
    check_version,
    expect,
    is_count,
    is_object,
    mismatch,
)
from lipzoo_catalogue.near_names import did_you_mean

REGISTRY = "registry.json"
FORMAT_VERSION = 1

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_MAX_NAME_LENGTH = 64


@dataclass(frozen=True)
class RegistryEntry:
    """One model of the registry.

    Args:
        name: `architecture-dataset[-variant]`, which means the newest version of a model; `name@1`
            for an earlier version that is kept.
        files: hash and size of every file of the model.
        parameters: number of parameters.
        repo: `owner/name` on the Hugging Face Hub, or `None` until published.
        revision: full commit id there, or `None` until published.
        version: number of the weights, 1 for the first that had the name.
    """

    name: str
    files: Mapping[str, FileRecord]
    parameters: int
    repo: str | None = None
    revision: str | None = None
    version: int = 1

    def to_dict(self) -> dict[str, object]:
        """The entry as JSON values."""
        return {
            "version": self.version,
            "repo": self.repo,
            "revision": self.revision,
            "parameters": self.parameters,
            "files": {name: vars(record) for name, record in self.files.items()},
        }

    def is_version(self, number: str) -> bool:
        """Whether a text is the entry's version, written as a number."""
        return number == str(self.version)


def weights_folder() -> Path:
    """Returns the folder of the bundled weights: the installed package's, else the checkout's.

    Raises:
        FileNotFoundError: if there is neither.
    """
    root = Path(__file__).resolve().parents[1]
    candidates = [root / "lipzoo" / "_bundled" / "weights", root / "weights"]
    for folder in candidates:
        if (folder / REGISTRY).is_file():
            return folder
    raise FileNotFoundError(
        f"Expected {REGISTRY} in {' or '.join(map(str, candidates))}: the installation is "
        "incomplete. Install it again: pip install --force-reinstall . in a clone of lipzoo's "
        "repository"
    )


def read_registry(folder: str | Path | None = None) -> dict[str, RegistryEntry]:
    """Reads and validates `registry.json`.

    Args:
        folder: the folder that holds it. Default: `weights_folder()`.

    Returns:
        The entries by name, in natural order.

    Raises:
        ValueError: if the file is wrong; the message names the file and the key.
    """
    path = Path(folder or weights_folder()) / REGISTRY
    values = parse_json(read_file(path), path)
    check_version(values, FORMAT_VERSION, path)
    check_keys(values, ("format_version", "models"), ("models",), path)
    models = expect(values["models"], is_object, "an object", "models", path)
    entries = {name: _read_entry(name, entry, path) for name, entry in models.items()}
    for name, entry in entries.items():
        newest = entries.get(name.partition("@")[0])
        if newest is None or entry.version > newest.version:
            what = "a newer version under the plain name"
            raise ValueError(f"{path}: {mismatch('models', what, name)}")
    return dict(sorted(entries.items(), key=lambda item: natural_key(item[0])))


def write_registry(folder: str | Path, entries: Mapping[str, RegistryEntry]) -> None:
    """Writes `registry.json` atomically, in natural order."""
    names = sorted(entries, key=natural_key)
    models = {name: entries[name].to_dict() for name in names}
    write_file(
        Path(folder) / REGISTRY, dump_json({"format_version": FORMAT_VERSION, "models": models})
    )


def list_models(pattern: str = "*") -> list[str]:
    """Returns the names of the models that match `pattern`, in natural order.

    Args:
        pattern: a name with wildcards: `*` for any text, `?` for any character, `[ab]` for a or b.
            One with an `@` matches the names of earlier versions, such as `*@1`.

    Raises:
        ValueError: if `pattern` is not text.

    Example:

    >>> list_models("no-such-family-*")
    []
    """
    # Not every caller has a type checker.
    if not isinstance(pattern, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"pattern must be text such as 'gradflow*'. Received: pattern={pattern!r}")
    return [
        name
        for name in read_registry()
        if fnmatch.fnmatchcase(name, pattern) and ("@" in name) == ("@" in pattern)
    ]


def is_known(name: str) -> bool:
    """Whether a text is the name of a model of the zoo, with a version that it has or without."""
    try:
        return bool(find_entry(name, read_registry()))
    except ValueError:
        return False


def model_folder(name: str) -> Path:
    """Returns the folder with the files of a model of the zoo, which may be read but not changed.

    Raises:
        ValueError: if there is no such model; the nearest names are suggested.
    """
    folder = weights_folder()
    return folder / find_entry(name, read_registry(folder)).name


def find_entry(name: str, entries: Mapping[str, RegistryEntry]) -> RegistryEntry:
    """Returns the entry of a name, or of a version: `name@1`.

    Raises:
        ValueError: if there is none; the nearest names, or the versions, are suggested.
    """
    # Not every caller has a type checker.
    is_text = isinstance(name, str)  # pyright: ignore[reportUnnecessaryIsInstance]
    base, at, number = name.partition("@") if is_text else (name, "", "")
    check_name(base)
    if at and base in entries:
        return _find_version(base, number, entries)
    if base not in entries:
        advice = did_you_mean(base, entries) or "lipzoo.list_models() lists them."
        raise ValueError(
            f"Expected the name of a model of the zoo. {advice} Received: name={name!r}"
        )
    return entries[name]


def _find_version(name: str, number: str, entries: Mapping[str, RegistryEntry]) -> RegistryEntry:
    newest = entries[name]
    if newest.is_version(number):
        return newest
    earlier = {key: entry for key, entry in entries.items() if key.startswith(f"{name}@")}
    if f"{name}@{number}" not in earlier:
        known = sorted(entry.version for entry in (*earlier.values(), newest))
        raise ValueError(
            f"Expected a version of {name} that is there: {', '.join(map(str, known))}. "
            f"Received: name={f'{name}@{number}'!r}"
        )
    return earlier[f"{name}@{number}"]


def check_name(name: str) -> str:
    """Returns `name` if it is fit to be a model's name and so a folder's.

    Raises:
        ValueError: unless it is lower-case words and digits joined by hyphens.

    >>> check_name("gradflow-fmnist")
    'gradflow-fmnist'
    """
    # Not every caller has a type checker.
    is_text = isinstance(name, str)  # pyright: ignore[reportUnnecessaryIsInstance]
    if not (is_text and len(name) <= _MAX_NAME_LENGTH and _NAME.fullmatch(name)):
        raise ValueError(
            "A model's name is lower-case words and digits joined by hyphens, such as "
            f"'gradflow-fmnist'. Received: name={name!r}"
        )
    return name


def natural_key(name: str) -> list[tuple[bool, Any]]:
    """Returns a sorting key in which numbers count as numbers.

    >>> sorted(["net10", "net9"], key=natural_key)
    ['net9', 'net10']
    """
    return [
        (part.isdigit(), int(part) if part.isdigit() else part) for part in re.split(r"(\d+)", name)
    ]


def _read_entry(name: str, stated: object, path: Path) -> RegistryEntry:
    base, at, number = name.partition("@")
    try:
        check_name(base)
    except ValueError as error:
        raise ValueError(f"{path}: key 'models': {error}") from None
    prefix = f"models.{name}."
    keys = ("repo", "revision", "parameters", "files")
    values = check_keys(stated, ("version", *keys), keys, path, prefix)
    version = values.get("version", 1)
    if not is_count(version) or (at and number != str(version)):
        what = "a positive integer, and that of the name"
        raise ValueError(f"{path}: {mismatch(f'{prefix}version', what, version)}")
    files = read_records(values["files"], path, f"{prefix}files.")
    for file in files:
        if file not in MODEL_FILES:
            what = f"files among {', '.join(MODEL_FILES)}"
            raise ValueError(f"{path}: {mismatch(f'{prefix}files', what, file)}")
    for file in (CONFIG, WEIGHTS, CERTIFICATE, METRICS):
        if file not in files:
            raise ValueError(f"{path}: missing key '{prefix}files.{file}'")
    count, key = values["parameters"], f"{prefix}parameters"
    parameters = expect(count, is_count, "a positive integer", key, path)
    repo, revision = values["repo"], values["revision"]
    if repo is not None and not (isinstance(repo, str) and re.fullmatch(r"[\w.-]+/[\w.-]+", repo)):
        error = mismatch(f"{prefix}repo", "null or 'owner/name'", repo)
        raise ValueError(f"{path}: {error}")
    commit = revision if isinstance(revision, str) and _COMMIT.fullmatch(revision) else None
    if (repo is None) != (revision is None) or revision != commit:
        what = "a full commit id where repo is set, and null where it is null"
        raise ValueError(f"{path}: {mismatch(f'{prefix}revision', what, revision)}")
    return RegistryEntry(name, files, parameters, repo, commit, version)
