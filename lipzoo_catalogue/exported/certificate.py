"""The certificate of an exported network: what is proven, for which inputs, and what is not."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lipzoo_catalogue.exported.digest import BLANK
from lipzoo_catalogue.formatting import format_up
from lipzoo_catalogue.json_validation import (
    check_keys,
    check_version,
    expect,
    is_list,
    is_nonnegative,
    mismatch,
)

FORMAT_VERSION = 2
# What version 1 does not have.
_SINCE_2 = ("quantization", "computation_sha256", "statement_sha256")
FORMATS = ("onnx", "litert", "saved_model")

PROVEN = (
    "The map from input to output that the network's weights define, in exact arithmetic, is "
    "Lipschitz with the stated constant, in the Euclidean norm of flattened inputs and outputs. "
    "Derived in float64 from the weights with the stated SHA-256, before they were exported."
)
PROVEN_OF_INT8 = (
    "These weights are the float32 products of the int8 numbers and scales that the file stores: "
    "the bound is that of the quantised network. Activations are not quantised, and nothing is "
    "said of a runtime that does that."
)
NOT_PROVEN = (
    "How far this file's outputs, as a runtime computes them, lie from that map. The runtime "
    "rounds, in an order of its own, and an exporter may have folded constants, which rounds the "
    "weights. So a radius counts no rounding, at the input or elsewhere in the ball: radii that do "
    "are those of lipzoo.certify, for the network as lipzoo computes it. The agreement stated here "
    "was measured at a few inputs."
)
RADIUS = (
    "r = min over j != y of (f_y - f_j) / difference_bounds[y][j], y the largest output: no input "
    "within Euclidean distance r is classified differently, in exact arithmetic"
)
SIGN_RADIUS = (
    "r = |f| / lipschitz_bound: no input within Euclidean distance r gives an output of the other "
    "sign, in exact arithmetic"
)
MOVEMENT = (
    "two inputs at Euclidean distance d have outputs at distance lipschitz_bound * d at most, in "
    "exact arithmetic"
)
# Covers the float64 rounding of a difference and a quotient.
_DOWN = 1 - 1e-12


@dataclass(frozen=True, eq=False)
class ExportedCertificate:
    """The certificate that `lipzoo.export` writes into a file.

    Attributes:
        name: name of the network.
        lipschitz_bound: L, `||f(x) - f(x')|| <= L ||x - x'||` in exact arithmetic.
        input_shape, output_shape: shapes without the batch axis.
        units: units of the input, and so of radii, in words; empty where they are not known.
        minimum, maximum: range of values that the network is meant for; `None` for no limit. The
            bound holds outside of it, too.
        class_names: names of the classes, empty where there are none.
        difference_bounds: for a classifier with several outputs, a bound on the Lipschitz constant
            of `f_i - f_j` for each pair, shape `(classes, classes)`; else `None`.
        rule: how a bound turns into a radius, in words.
        weights_sha256: SHA-256 of the weights that the bound was derived from, as a safetensors
            file: that of the zoo's own file for a model of the zoo.
        agreement: `runtime`, `examples` and `largest_difference` between its outputs and the
            network's own, measured when the file was written.
        lipzoo_version: the version that derived the bound.
        quantization: for a network with quantised weights what `weights`, `scales` and
            `activations` are, the number of `kernels`, and `from_sha256`, that of the weights
            before; else empty.
        computation_sha256: SHA-256 of the file without its metadata, see `exported_certificate`;
            zeros until it is in a file, empty in files of lipzoo's first format.
        statement_sha256: SHA-256 of this certificate's text, with zeros in these places.
        norm: `"l2"`.
        proven, not_proven: what is proven of the file, and what is not.
    """

    name: str
    lipschitz_bound: float
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    units: str = ""
    minimum: float | None = None
    maximum: float | None = None
    class_names: tuple[str, ...] = ()
    difference_bounds: np.ndarray | None = field(default=None, repr=False)
    rule: str = field(default=MOVEMENT, repr=False)
    weights_sha256: str = ""
    agreement: Mapping[str, Any] = field(default_factory=dict[str, Any])
    quantization: Mapping[str, Any] = field(default_factory=dict[str, Any])
    computation_sha256: str = field(default=BLANK, repr=False)
    statement_sha256: str = field(default=BLANK, repr=False)
    lipzoo_version: str = ""
    norm: str = "l2"
    proven: str = field(default=PROVEN, repr=False)
    not_proven: str = field(default=NOT_PROVEN, repr=False)

    def radius(self, outputs: npt.ArrayLike) -> np.ndarray:
        """Certified radii from the file's outputs, which are taken for the exact ones.

            r = min_j (f_y - f_j) / difference_bounds[y, j],    |f| / L for a single output

        No input within Euclidean distance r, in the units of the input, is classified differently
        *in exact arithmetic*: rounding is not part of it, see `not_proven`.

        Args:
            outputs: logits that a runtime computed, shape `(examples, classes)`.

        Returns:
            The radii, shape `(examples,)`, float64; 0 for a tie.

        Raises:
            ValueError: if the network is no classifier, or the outputs are not finite numbers of
                its shape.

        Example:
            >>> certificate = ExportedCertificate(
            ...     "tiny", 1.0, (2,), (2,), difference_bounds=np.array([[0.0, 1.25], [1.25, 0.0]])
            ... )
            >>> certificate.radius([[1.0, 0.5]]).round(6).tolist()
            [0.4]
        """
        if self.rule == SIGN_RADIUS:
            logits = self._checked(outputs)
            return np.abs(logits[:, 0]) / self.lipschitz_bound * _DOWN
        if self.difference_bounds is None:
            raise ValueError(f"Expected a classifier. Received: {self.name!r}: {self.rule}")
        logits = self._checked(outputs)
        prediction = logits.argmax(axis=1)
        margins = logits.max(axis=1, keepdims=True) - logits
        bounds = self.difference_bounds[prediction]
        with np.errstate(divide="ignore", invalid="ignore"):
            # Two logits that never differ by anything else than they do here.
            pairs = np.where(bounds > 0, margins / bounds, np.where(margins > 0, np.inf, 0.0))
        pairs[np.arange(len(pairs)), prediction] = np.inf
        return pairs.min(axis=1) * _DOWN

    def to_dict(self) -> dict[str, Any]:
        """The certificate as JSON values, `format_version` first."""
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        bounds = self.difference_bounds
        values["difference_bounds"] = None if bounds is None else bounds.tolist()
        for key in ("input_shape", "output_shape", "class_names"):
            values[key] = list(values[key])
        for key in ("agreement", "quantization"):
            values[key] = dict(values[key])
        return {"format_version": FORMAT_VERSION, **values}

    @classmethod
    def from_dict(
        cls, values: Mapping[str, Any], where: str | Path = "certificate"
    ) -> "ExportedCertificate":
        """Reads what `to_dict` wrote; `where` names the file in errors.

        Raises:
            ValueError: if the version is newer, a key is unknown or missing, or a value is wrong.
        """
        check_version(values, FORMAT_VERSION, where)
        names = [f.name for f in dataclasses.fields(cls)]
        if values["format_version"] == 1:
            names = [name for name in names if name not in _SINCE_2]
        check_keys(values, ("format_version", *names), names, where)
        what = "a finite non-negative number"
        expect(values["lipschitz_bound"], is_nonnegative, what, "lipschitz_bound", where)
        known = {key: values[key] for key in names}
        for key in ("input_shape", "output_shape", "class_names"):
            known[key] = tuple(expect(known[key], is_list, "a list", key, where))
        if known["difference_bounds"] is not None:
            known["difference_bounds"] = _square(known["difference_bounds"], where)
        if values["format_version"] == 1:
            known |= {"computation_sha256": "", "statement_sha256": ""}
        return cls(**known)

    def __str__(self) -> str:
        bound = format_up(self.lipschitz_bound)
        return "\n".join(
            [
                f"{self.name}: proven Lipschitz bound {bound} ({self.norm})",
                f"input: {self.input_shape}{', ' + self.units if self.units else ''}",
                f"radius: {self.rule}" if self.rule != MOVEMENT else f"movement: {self.rule}",
                f"proven: {self.proven}",
                f"not proven: {self.not_proven}",
            ]
        )

    def _checked(self, outputs: npt.ArrayLike) -> np.ndarray:
        logits = np.asarray(outputs, dtype="float64")
        if logits.ndim != 2 or logits.shape[1:] != self.output_shape:
            raise ValueError(
                f"Expected outputs of shape (examples, {self.output_shape[0]}). "
                f"Received: shape={logits.shape}"
            )
        if not np.isfinite(logits).all():
            raise ValueError("Expected finite outputs. Received: NaN or infinity")
        return logits


def _square(rows: object, where: str | Path) -> np.ndarray:
    wrong = mismatch("difference_bounds", "a square table of numbers of at least 0", rows)
    try:
        bounds = np.array(rows, dtype="float64")
    except (TypeError, ValueError):
        raise ValueError(f"{where}: {wrong}") from None
    if bounds.ndim != 2 or len(set(bounds.shape)) != 1 or not (bounds >= 0).all():
        raise ValueError(f"{where}: {wrong}")
    return bounds
