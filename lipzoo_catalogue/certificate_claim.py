"""What is stated about a model's bound and its files: certificate.json."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lipzoo_catalogue.files import CONFIG, WEIGHTS, FileRecord
from lipzoo_catalogue.json_validation import (
    check_keys,
    check_version,
    expect,
    is_count,
    is_nonnegative,
    is_object,
    is_objects,
    is_sha256,
    mismatch,
)
from lipzoo_catalogue.probes import Probes

FORMAT_VERSION = 1
_VOUCHED = (CONFIG, WEIGHTS)


@dataclass(frozen=True)
class Claim:
    """The bound that a model was saved with: the content of `certificate.json`.

    A claim is compared with the bound that is derived from the weights themselves and never used
    in place of it.

    Args:
        lipschitz_bound: bound on the Lipschitz constant of the input-to-logits map, Euclidean norm.
        files: hash and size of `config.json` and `model.safetensors` that the claim is about.
        layers: the rows of the bound's table: name, type, bound, derivation.
        lipzoo_version: the version that derived the bound.
        probes: outputs at a few inputs, or `None` in older files.
    """

    lipschitz_bound: float
    files: Mapping[str, FileRecord]
    layers: tuple[Mapping[str, object], ...] = ()
    lipzoo_version: str = ""
    probes: Probes | None = None

    def to_dict(self) -> dict[str, object]:
        """The claim as JSON values."""
        return {
            "format_version": FORMAT_VERSION,
            "lipschitz_bound": self.lipschitz_bound,
            "norm": "l2",
            "layers": [dict(row) for row in self.layers],
            "files": {name: vars(record) for name, record in self.files.items()},
            "lipzoo_version": self.lipzoo_version,
            **({} if self.probes is None else {"probes": self.probes.to_dict()}),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, object], where: str | Path = "certificate") -> "Claim":
        """Reads what `to_dict` wrote.

        Raises:
            ValueError: if a key is wrong; the message names the file and the key.
        """
        check_version(values, FORMAT_VERSION, where)
        known = ("format_version", "lipschitz_bound", "norm", "layers", "files", "lipzoo_version")
        check_keys(values, (*known, "probes"), ("lipschitz_bound", "norm", "files"), where)
        what, stated = "a finite non-negative number", values["lipschitz_bound"]
        bound = expect(stated, is_nonnegative, what, "lipschitz_bound", where)
        if values["norm"] != "l2":
            raise ValueError(f"{where}: {mismatch('norm', repr('l2'), values['norm'])}")
        layers = expect(values.get("layers", []), is_objects, "a list of objects", "layers", where)
        files = read_records(values["files"], where, "files.")
        check_keys(files, _VOUCHED, _VOUCHED, where, "files.")
        probes = values.get("probes")
        return cls(
            lipschitz_bound=float(bound),
            files=files,
            layers=tuple(layers),
            lipzoo_version=str(values.get("lipzoo_version", "")),
            probes=None if probes is None else Probes.from_dict(probes, where),
        )


def check_belonging(metrics: Mapping[str, object], weights: FileRecord, where: str | Path) -> None:
    """Refuses metrics that were measured with other weights than those beside them.

    Args:
        metrics: content of `metrics.json`; `weights_sha256`, which older files do not have, is the
            hash of the weights that were measured.
        weights: the record of the weights beside it.
        where: name of the file, for errors.

    Raises:
        ValueError: if the hashes differ.

    >>> check_belonging({}, FileRecord("0" * 64, 1), "metrics.json")
    """
    measured = metrics.get("weights_sha256")
    if measured is not None and measured != weights.sha256:
        raise ValueError(
            f"{where}: expected results of the weights beside it, SHA-256 {weights.sha256}. "
            f"Received: results of weights of SHA-256 {measured}"
        )


def read_records(stated: object, where: str | Path, prefix: str) -> dict[str, FileRecord]:
    """Reads an object of `{"sha256": …, "bytes": …}` by file name.

    Raises:
        ValueError: if a key is wrong; the message names the file and the key.
    """
    records: dict[str, FileRecord] = {}
    values = expect(stated, is_object, "an object", prefix.rstrip("."), where)
    for name, record in values.items():
        key = f"{prefix}{name}."
        entry = check_keys(record, ("sha256", "bytes"), ("sha256", "bytes"), where, key)
        what = "64 hexadecimal digits"
        sha256 = expect(entry["sha256"], is_sha256, what, f"{key}sha256", where)
        size = expect(entry["bytes"], is_count, "a positive integer", f"{key}bytes", where)
        records[name] = FileRecord(sha256, size)
    return records
