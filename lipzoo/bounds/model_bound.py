"""The proven bound of a model, and how it is shown."""

from dataclasses import dataclass, field

import numpy as np

from lipzoo.bounds.domain import Domain
from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.bounds.tensor_bound import TensorBound
from lipzoo.rounding import inflated, norm_up, unit_roundoff
from lipzoo_catalogue.formatting import format_up
from lipzoo_catalogue.markup import paragraph, table

_HEADER = ("Layer", "Type", "Bound", "Cumulative", "Derivation")


@dataclass(frozen=True)
class LayerRow:
    """One application of one layer.

    Attributes:
        name: the layer's name, with the names of the models that it is nested in.
        type: its class.
        bound: `LayerBound` of the layer alone, as a map of all its inputs together.
        cumulative: Lipschitz bound of the layer's output with respect to the model's input.
    """

    name: str
    type: str
    bound: LayerBound
    cumulative: float


@dataclass(frozen=True)
class LinearHead:
    """A last layer `h -> W^T h + b` and what is known about its input h.

    Attributes:
        name: name of the layer's row in the table.
        kernel: W, of shape `(features, classes)`, float64.
        bias: b, float64; zeros without bias.
        features: bounds of h with respect to the model's input.
        dtype: the type in which the layer computes.
        ellipsoids: what more is known of how far h moves in each direction; each is a proof.
    """

    name: str
    kernel: np.ndarray
    bias: np.ndarray
    features: TensorBound
    dtype: str
    ellipsoids: tuple = ()

    def movement(self, directions: np.ndarray) -> np.ndarray:
        """Upper bounds of `|v . (h(x) - h(x'))| / ||x - x'||` for the columns v of an array.

        Every entry may be off by one rounding, as that of a difference of two columns of W is.
        """
        norms = inflated(norm_up(directions, axis=0), operations=1)
        smallest = inflated(norms * self.features.bound.value, operations=1)
        rounding = smallest * unit_roundoff("float64")
        for ellipsoid in self.ellipsoids:
            along = inflated(ellipsoid.along(directions) + rounding, operations=2)
            smallest = np.minimum(smallest, along)
        return smallest


@dataclass(frozen=True)
class LipschitzBound:
    """Proven upper bound of a model's Lipschitz constant, from its weights as they were.

    `float(bound)` and `bound.value` are the number; printing shows the table. Numbers in the table
    are rounded upwards, so that the table, too, is a bound.

    Attributes:
        name: name of the model.
        value: `||f(x) - f(x')|| <= value ||x - x'||` for all x, x' at inference, in exact
            arithmetic, in the Euclidean norm of all inputs and outputs flattened together.
        layers: a tuple of `LayerRow`, in the order of computation; a shared layer appears once per
            application.
        output: `TensorBound` of all outputs together: norm and rounding error as well.
        head: `LinearHead` when the model ends in a linear layer, otherwise `None`.
        input_roundoff: relative error of rounding the inputs to the types the model takes.
        method: `"product"` or `"semidefinite"`.
        domain: the box that x and x' lie in, where the bound is one for that alone; else `None`.
    """

    name: str
    value: float
    layers: tuple[LayerRow, ...]
    output: TensorBound = field(repr=False)
    head: LinearHead | None = field(default=None, repr=False)
    input_roundoff: float = field(default=0.0, repr=False)
    method: str = "product"
    domain: Domain | None = field(default=None, repr=False)

    def loosest(self) -> LayerRow:
        """The layer that costs most: the one with the largest bound of its own.

        Example:
            >>> import keras, lipzoo
            >>> model = keras.Sequential([
            ...     keras.Input((2,)), keras.layers.Rescaling(3.0, name="a"), keras.layers.ReLU()
            ... ])
            >>> lipzoo.lipschitz_bound(model).loosest().name
            'a'
        """
        return max(self.layers, key=lambda row: row.bound.value)

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        rows = self._rows()
        widths = [max(map(len, column)) for column in zip(_HEADER, *rows, strict=True)]
        lines = [_line(row, widths) for row in (_HEADER, *rows)]
        rule = "─" * max(map(len, lines))
        return "\n".join([lines[0], rule, *lines[1:], rule, self._total()])

    def _repr_html_(self) -> str:
        return table(_HEADER, self._rows(), numbers=(2, 3)) + paragraph(self._total())

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (
                row.name,
                row.type,
                format_up(row.bound.value),
                format_up(row.cumulative),
                row.bound.derivation,
            )
            for row in self.layers
        ]

    def _total(self) -> str:
        method = "" if self.method == "product" else f" ({self.method})"
        where = "" if self.domain is None else f" for inputs in {self.domain}"
        return f"Lipschitz bound of '{self.name}'{method}{where}: {format_up(self.value)}"

    def __repr__(self) -> str:
        where = "" if self.domain is None else f" for inputs in {self.domain}"
        layers = f"{len(self.layers)} layers"
        return f"<LipschitzBound {self.value!r} of '{self.name}'{where}, {layers}>"


def _line(cells, widths) -> str:
    name, kind, bound, cumulative, derivation = (
        cell.rjust(width) if 2 <= i <= 3 else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return f"{name}  {kind}  {bound}  {cumulative}  {derivation}".rstrip()
