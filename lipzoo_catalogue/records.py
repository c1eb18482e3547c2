"""What is stated about a model: the bound in certificate.json and the tests in metrics.json."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lipzoo_catalogue import checks
from lipzoo_catalogue.files import CONFIG, WEIGHTS, FileRecord

FORMAT_VERSION = 1
_VOUCHED = (CONFIG, WEIGHTS)

_METRICS_EXAMPLE = (
    '{"format_version": 1, "test": {"examples": 10000, "clean": 0.89, '
    '"certified": {"36/255": 0.85}}}'
)


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
    """

    lipschitz_bound: float
    files: Mapping[str, FileRecord]
    layers: tuple[Mapping, ...] = ()
    lipzoo_version: str = ""

    def to_dict(self) -> dict:
        """The claim as JSON values."""
        return {
            "format_version": FORMAT_VERSION,
            "lipschitz_bound": self.lipschitz_bound,
            "norm": "l2",
            "layers": [dict(row) for row in self.layers],
            "files": {name: vars(record) for name, record in self.files.items()},
            "lipzoo_version": self.lipzoo_version,
        }

    @classmethod
    def from_dict(cls, values: Mapping, where: str | Path = "certificate") -> "Claim":
        """Reads what `to_dict` wrote.

        Raises:
            ValueError: if a key is wrong; the message names the file and the key.
        """
        checks.check_version(values, FORMAT_VERSION, where)
        known = ("format_version", "lipschitz_bound", "norm", "layers", "files", "lipzoo_version")
        checks.check_keys(values, known, ("lipschitz_bound", "norm", "files"), where)
        bound = values["lipschitz_bound"]
        if not checks.is_number(bound) or bound < 0:
            error = checks.expected("lipschitz_bound", "a finite non-negative number", bound)
            raise ValueError(f"{where}: {error}")
        if values["norm"] != "l2":
            raise ValueError(f"{where}: {checks.expected('norm', repr('l2'), values['norm'])}")
        layers = values.get("layers", [])
        if not isinstance(layers, list) or not all(isinstance(row, dict) for row in layers):
            raise ValueError(f"{where}: {checks.expected('layers', 'a list of objects', layers)}")
        files = read_records(values["files"], where, "files.")
        checks.check_keys(files, _VOUCHED, _VOUCHED, where, "files.")
        return cls(
            lipschitz_bound=float(bound),
            files=files,
            layers=tuple(layers),
            lipzoo_version=str(values.get("lipzoo_version", "")),
        )


@dataclass(frozen=True)
class Accuracies:
    """Clean and certified accuracy on some examples, in one arithmetic.

    Args:
        examples: number of examples.
        clean: share of them that is classified correctly.
        certified: triples `(name, radius, accuracy)`, by increasing radius.
    """

    examples: int
    clean: float
    certified: tuple[tuple[str, float, float], ...] = ()


@dataclass(frozen=True)
class Metrics(Accuracies):
    """The test results of a model: the part of `metrics.json` that the zoo reads.

    The file is `{"format_version": 1, "test": {"examples": 10000, "clean": 0.89, "certified":
    {"36/255": 0.85, ...}}, "test_float64": {...}, ...}` with accuracies as fractions and radii in
    the units of the input; `test` is of the network evaluated in float32 and `test_float64`, which
    older files do not have, of the same network evaluated in float64. A table may say in which
    arithmetic the margins at the examples were computed, `"margins": "float64"`. Further keys
    (seed, versions, time, data) are kept and not interpreted.

    Args:
        examples: number of test examples.
        clean: share of them that is classified correctly in float32.
        certified: triples `(name, radius, accuracy)`, by increasing radius, in float32.
        float64: the same in float64, or `None`.

    Raises:
        ValueError: if an accuracy is no fraction, a certified one exceeds the clean one, or one
            increases with the radius.
    """

    float64: Accuracies | None = None

    @classmethod
    def from_dict(cls, values: Mapping, where: str | Path = "metrics") -> "Metrics":
        """Reads and checks the content of `metrics.json`.

        >>> values = {"examples": 100, "clean": 0.9, "certified": {"36/255": 0.85, "0.5": 0.7}}
        >>> Metrics.from_dict({"format_version": 1, "test": values}).certified[1]
        ('0.5', 0.5, 0.7)
        """
        checks.check_version(values, FORMAT_VERSION, where)
        test = _read_accuracies(values.get("test"), "test", where)
        if "test_float64" not in values:
            return cls(**vars(test))
        float64 = _read_accuracies(values["test_float64"], "test_float64", where)
        if float64.examples != test.examples:
            what = f"{test.examples}, the examples of 'test'"
            error = checks.expected("test_float64.examples", what, float64.examples)
            raise ValueError(f"{where}: {error}")
        return cls(**vars(test), float64=float64)


def read_records(values, where, prefix) -> dict[str, FileRecord]:
    """Reads an object of `{"sha256": …, "bytes": …}` by file name.

    Raises:
        ValueError: if a key is wrong; the message names the file and the key.
    """
    if not isinstance(values, dict):
        raise ValueError(f"{where}: {checks.expected(prefix.rstrip('.'), 'an object', values)}")
    records = {}
    for name, entry in values.items():
        key = f"{prefix}{name}"
        checks.check_keys(entry, ("sha256", "bytes"), ("sha256", "bytes"), where, f"{key}.")
        if not checks.is_sha256(entry["sha256"]):
            error = checks.expected(f"{key}.sha256", "64 hexadecimal digits", entry["sha256"])
            raise ValueError(f"{where}: {error}")
        if not checks.is_count(entry["bytes"]):
            error = checks.expected(f"{key}.bytes", "a positive integer", entry["bytes"])
            raise ValueError(f"{where}: {error}")
        records[name] = FileRecord(entry["sha256"], entry["bytes"])
    return records


def _read_accuracies(table, key, where):
    """Reads and checks `{"examples": …, "clean": …, "certified": {…}}`, the value of `key`."""
    if not isinstance(table, dict):
        error = checks.expected(key, f"test results, as in {_METRICS_EXAMPLE}", table)
        raise ValueError(f"{where}: {error}")
    missing = [name for name in ("examples", "clean", "certified") if name not in table]
    if missing:
        raise ValueError(f"{where}: missing key '{key}.{missing[0]}'")
    if not checks.is_count(table["examples"]):
        error = checks.expected(f"{key}.examples", "a positive integer", table["examples"])
        raise ValueError(f"{where}: {error}")
    if not isinstance(table["certified"], dict):
        error = checks.expected(f"{key}.certified", "an object", table["certified"])
        raise ValueError(f"{where}: {error}")
    rows = sorted(
        ((name, _radius(name, key, where), value) for name, value in table["certified"].items()),
        key=lambda row: row[1],
    )
    previous, limit = "clean", _fraction(table["clean"], f"{key}.clean", where)
    for name, _, value in rows:
        row_key = f"{key}.certified.{name}"
        if _fraction(value, row_key, where) > limit:
            what = f"at most the accuracy at {previous}, {limit}"
            raise ValueError(f"{where}: {checks.expected(row_key, what, value)}")
        previous, limit = name, value
    return Accuracies(table["examples"], float(table["clean"]), tuple(rows))


def _radius(name, key, where):
    """Reads a radius written as `"0.25"` or `"36/255"`."""
    above, _, below = name.partition("/")
    try:
        radius = float(above) / float(below or 1)
    except (ValueError, ZeroDivisionError):
        radius = -1.0
    if not checks.is_number(radius) or radius < 0:
        what = 'radii such as "0.25" or "36/255"'
        raise ValueError(f"{where}: {checks.expected(f'{key}.certified', what, name)}")
    return radius


def _fraction(value, key, where):
    if not checks.is_number(value) or not 0 <= value <= 1:
        raise ValueError(f"{where}: {checks.expected(key, 'a fraction from 0 to 1', value)}")
    return value
