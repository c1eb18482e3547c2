"""Parts of a certified data set, and what must be the same for them to be joined."""

import contextlib
import json
import zipfile
import zlib
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lipzoo_catalogue.certified import parquet
from lipzoo_catalogue.certified.certified import Certified, check_alike
from lipzoo_catalogue.certified.origin import LeftOut
from lipzoo_catalogue.certified.shards import Shard, parse_shard
from lipzoo_catalogue.certified.terms import Terms

_ERRORS = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)
_COLUMNS = ("radius", "prediction", "rival", "labels", "feature_radii", "row", "file")


class PartError(ValueError):
    """Files that are no parts of one certified data set."""


@dataclass(frozen=True)
class Part:
    """What a part states of itself.

    Args:
        shard: which part it is.
        settings: what all parts of a data set have in common: the model, the hashes of its
            configuration and weights, number and `marks` of the examples, `sha256_of_labels` or
            `None` without labels, what is left out of the data, arithmetic, backend, and lipzoo's
            version.
        terms: what holds for all examples, such as norm and units; all parts have all but the bound
            in common.
    """

    shard: Shard
    settings: dict[str, Any]
    terms: Terms

    def to_json(self) -> str:
        """As text, which `parse` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> "Part":
        """Reads what `to_json` wrote.

        Raises:
            ValueError, KeyError, TypeError: if it is anything else.
        """
        values: dict[str, Any] = json.loads(text)
        stated: dict[str, Any] = values["terms"]
        for key in ("class_names", "feature_names"):
            stated[key] = tuple(stated[key])
        terms = Terms(**stated)
        shard = parse_shard("{number}/{count}".format_map(values["shard"]))
        part = cls(shard, dict(values["settings"]), terms)
        part.shard.of(part.settings["examples"])
        return part


def read_part(path: str | Path) -> Part:
    """Reads what a part states of itself.

    Raises:
        PartError: if the file is no part, or damaged.
    """
    with _named(path):
        if parquet.is_parquet(path):
            stated = parquet.read_about(path)["part"]
            if stated is None:
                raise ValueError("no part, but a whole")
            return Part.parse(json.dumps(stated))
        with zipfile.ZipFile(path) as archive, archive.open("part.npy") as member:
            return Part.parse(str(np.lib.format.read_array(member)))


def check_parts(paths: Sequence[str | Path], parts: Sequence[Part]) -> None:
    """Refuses parts that are not all the parts of one data set, each once.

    Raises:
        PartError: saying which file does not fit, or which part is missing.
    """
    one = parts[0]
    seen: dict[Shard, str | Path] = {}
    for path, part in zip(paths, parts, strict=True):
        differing = [
            key
            for key in one.settings.keys() | part.settings.keys()
            if one.settings.get(key) != part.settings.get(key)
        ]
        if replace(part.terms, bound=one.terms.bound, arithmetic=one.terms.arithmetic) != one.terms:
            differing.append("terms")
        if differing:
            raise PartError(
                f"{path}: expected a part with the {', '.join(sorted(differing))} of {paths[0]}. "
                f"Received: {_shown(part, differing)} instead of {_shown(one, differing)}"
            )
        if part.shard.count != one.shard.count:
            raise PartError(
                f"{path}: expected one of {one.shard.count} parts, as {paths[0]} is. "
                f"Received: part {part.shard}"
            )
        if part.shard in seen:
            raise PartError(
                f"{path}: expected every part once. Received: part {part.shard}, "
                f"which {seen[part.shard]} is"
            )
        seen[part.shard] = path
    numbers = {shard.number for shard in seen}
    missing = [n for n in range(1, one.shard.count + 1) if n not in numbers]
    if missing:
        shown = ", ".join(map(str, missing[:10])) + (", ..." if len(missing) > 10 else "")
        raise PartError(
            f"expected all {one.shard.count} parts. Received: {len(seen)}, without part {shown}"
        )


def join(paths: Sequence[str | Path], parts: Sequence[Part]) -> Certified:
    """Puts the columns of all parts one behind the other, in their order.

    Raises:
        PartError: if the parts do not fit together, or one is damaged.
    """
    check_parts(paths, parts)
    examples: int = parts[0].settings["examples"]
    whole: dict[str, np.ndarray] = {}
    first: dict[str, np.ndarray] = {}
    # Names of files, whose longest is not known yet.
    texts: dict[str, list[np.ndarray]] = {}
    for path, part in sorted(zip(paths, parts, strict=True), key=lambda pair: pair[1].shard.number):
        rows = part.shard.of(examples)
        columns = _columns(path, part, len(rows))
        first = first or columns
        try:
            check_alike(first, columns)
        except ValueError as error:
            raise PartError(f"{path}: {error}") from None
        for name, column in columns.items():
            if column.dtype.kind == "U":
                texts.setdefault(name, []).append(column)
            else:
                if name not in whole:
                    whole[name] = np.empty((examples, *column.shape[1:]), column.dtype)
                whole[name][rows.start : rows.stop] = column
    whole |= {name: np.concatenate(columns) for name, columns in texts.items()}
    # Each part's bound is proven; on another processor it may have been rounded otherwise.
    terms = replace(parts[0].terms, bound=max(p.terms.bound for p in parts))
    left_out = tuple(LeftOut(*entry) for entry in parts[0].settings.get("left_out", ()))
    return Certified(terms, {name: whole[name] for name in first}, left_out=left_out)


def join_certificates(parts: Sequence[str | Path]) -> Certified:
    """Puts the files of all parts of a data set together.

    They are what `lipzoo certify MODEL DATA --shard k/K --out FILE` writes, `.npz` or Parquet, also
    by earlier versions; joined are parts of one version.

    Args:
        parts: paths of the files, in any order.

    Returns:
        A `Certified`, with the columns of all examples in their order.

    Raises:
        PartError: a `ValueError`, if a file is no part or damaged, is of other weights, data or
            settings, comes twice, or is missing.
        TypeError: for one path in place of several.

    Example:
        >>> join_certificates(["nowhere.npz"])
        Traceback (most recent call last):
        ...
        lipzoo_catalogue.certified.parts.PartError: nowhere.npz: no such file
    """
    if isinstance(parts, str | Path):
        raise TypeError(f"Expected the paths of all parts. Received: {parts!r} alone")
    paths = [*parts]
    if not paths:
        raise PartError("expected at least one part. Received: none")
    return join(paths, [read_part(path) for path in paths])


def _columns(path: str | Path, part: Part, rows: int) -> dict[str, np.ndarray]:
    """The columns of a part, their checksums checked."""
    with _named(path):
        if parquet.is_parquet(path):
            found = parquet.read_columns(path, part.terms)
        else:
            with np.load(path, allow_pickle=False) as archive:
                found = {name: archive[name] for name in _COLUMNS if name in archive}
        columns = {name: found[name] for name in _COLUMNS if name in found}
        for name, column in columns.items():
            if column.shape[:1] != (rows,):
                raise ValueError(f"column {name} of shape {column.shape}, expected {rows} rows")
    return columns


@contextlib.contextmanager
def _named(path: str | Path) -> Generator[None]:
    try:
        yield
    except PartError:
        raise
    except FileNotFoundError:
        raise PartError(f"{path}: no such file") from None
    except _ERRORS as error:
        raise PartError(
            f"{path}: expected a part, as `lipzoo certify ... --shard` writes it. Received: {error}"
        ) from None


def _shown(part: Part, keys: list[str]) -> str:
    values = {key: part.terms if key == "terms" else part.settings.get(key) for key in keys}
    return ", ".join(f"{key}={values[key]}" for key in sorted(values))
