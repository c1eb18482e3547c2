"""Outputs of a model at a few inputs, stored with its certificate: what function it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lipzoo_catalogue.json_validation import check_keys, is_number, mismatch


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

    def to_dict(self) -> dict:
        """The probes as JSON values."""
        return {
            "seed": self.seed,
            "outputs": [list(row) for row in self.outputs],
            "errors": list(self.errors),
        }

    @classmethod
    def from_dict(cls, values: Mapping, where: str | Path = "certificate") -> "Probes":
        """Reads what `to_dict` wrote.

        Raises:
            ValueError: if a key is wrong; the message names the file and the key.
        """
        keys = ("seed", "outputs", "errors")
        check_keys(values, keys, keys, where, "probes.")
        seed, outputs, errors = (values[key] for key in keys)
        if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**32:
            raise ValueError(f"{where}: {mismatch('probes.seed', 'a seed', seed)}")
        rows = outputs if isinstance(outputs, list) and outputs else [None]
        if not all(isinstance(row, list) and row and all(map(is_number, row)) for row in rows):
            what = "lists of finite numbers"
            raise ValueError(f"{where}: {mismatch('probes.outputs', what, outputs)}")
        valid = isinstance(errors, list) and len(errors) == len(outputs)
        if not valid or not all(is_number(error) and error >= 0 for error in errors):
            what = f"{len(outputs)} finite numbers of at least 0"
            raise ValueError(f"{where}: {mismatch('probes.errors', what, errors)}")
        return cls(seed, tuple(map(tuple, outputs)), tuple(errors))
