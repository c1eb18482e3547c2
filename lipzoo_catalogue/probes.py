"""Outputs of a model at a few inputs, stored with its certificate: what function it is."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from lipzoo_catalogue.json_validation import (
    check_keys,
    expect,
    is_integer,
    is_list,
    is_number,
    mismatch,
)


@dataclass(frozen=True)
class Probes:
    """What a model returned at inputs that follow from a seed.

    Args:
        seed: seed of the inputs, see `lipzoo.zoo.probing.probe_inputs`.
        outputs: per input, the outputs in float64, or evenly spaced ones of many.
        errors: per input, an upper bound of the Euclidean norm of their rounding error.

    >>> Probes.from_dict({"seed": 0, "outputs": [[1.0, 2.0]], "errors": [1e-12]}).outputs
    ((1.0, 2.0),)
    """

    seed: int
    outputs: tuple[tuple[float, ...], ...]
    errors: tuple[float, ...]

    def to_dict(self) -> dict[str, object]:
        """The probes as JSON values."""
        return {
            "seed": self.seed,
            "outputs": [list(row) for row in self.outputs],
            "errors": list(self.errors),
        }

    @classmethod
    def from_dict(cls, values: object, where: str | Path = "certificate") -> "Probes":
        """Reads what `to_dict` wrote.

        Raises:
            ValueError: if a key is wrong; the message names the file and the key.
        """
        keys = ("seed", "outputs", "errors")
        known = check_keys(values, keys, keys, where, "probes.")
        seed = expect(known["seed"], _is_seed, "a seed", "probes.seed", where)
        outputs, errors = known["outputs"], known["errors"]
        rows = [_numbers(row) for row in outputs] if is_list(outputs) else []
        if not rows or not all(rows):
            what = "lists of finite numbers"
            raise ValueError(f"{where}: {mismatch('probes.outputs', what, outputs)}")
        limits = _numbers(errors)
        if len(limits) != len(rows) or min(limits) < 0:
            what = f"{len(rows)} finite numbers of at least 0"
            raise ValueError(f"{where}: {mismatch('probes.errors', what, errors)}")
        return cls(seed, tuple(rows), limits)


def _is_seed(value: object) -> TypeGuard[int]:
    return is_integer(value) and 0 <= value < 2**32


def _numbers(row: object) -> tuple[float, ...]:
    """The numbers of a list; none for anything but a list of finite numbers."""
    found = tuple(value for value in row if is_number(value)) if is_list(row) else ()
    return found if is_list(row) and len(found) == len(row) else ()
