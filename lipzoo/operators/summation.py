"""How the entries of products are summed up, and what their rounding errors follow from."""

import math
from dataclasses import dataclass

from lipzoo.rounding import ORDERS, add_up, affine_rounding, mul_up, unit_roundoff


@dataclass(frozen=True)
class Summation:
    """Norms of an operator A, and numbers of summands in the entries of `Ax` and `Aᵀy`.

    Attributes:
        norm: proven bound on ‖A‖.
        absolute_norm: proven bound on the norm of A with absolute values for entries.
        fan_in, fan_out: largest number of summands in an entry of Ax and of Aᵀy.
        inputs, outputs: number of entries of x and of Ax; infinite where it is not known.
        partial_norm: proven bound on ‖AD‖ for every D that gives signs to the summands of outputs;
            `None` where that is ‖A‖, as for a matrix.
        edges: number of ways in which entries of Aᵀy are put together, besides the backend's own.
        cast_norm: proven bound on the norm of A with absolute values, or its Frobenius norm, where
            the entries are stored in float64 and first cast to the type that products come in.

    Example:
        >>> average = Summation(norm=0.5, absolute_norm=0.5, fan_in=4, fan_out=1)
        >>> ["%.2g" % slope for slope in average.rounding("float32")]
        ['1.5e-07', '6e-08']
    """

    norm: float
    absolute_norm: float
    fan_in: int
    fan_out: int
    inputs: float = math.inf
    outputs: float = math.inf
    partial_norm: float | None = None
    edges: int = 1
    cast_norm: float = 0.0

    def rounding(self, dtype: str) -> tuple[float, float]:
        """Slopes of the rounding errors of `Ax` and `Aᵀy`, see `BoundedOperator.rounding`.

        The cast changes every entry by at most u times itself, so each of the norms by at most u
        times `cast_norm`; see `lipzoo.rounding.affine_rounding` for the products.
        """
        cast = 0.0 if dtype == "float64" else mul_up(unit_roundoff(dtype), self.cast_norm)
        norm, absolute = add_up(self.norm, cast), add_up(self.absolute_norm, cast)
        partial = None if self.partial_norm is None else add_up(self.partial_norm, cast)
        sums = ((self.fan_in, self.outputs, 1), (self.fan_out, self.inputs, self.edges))
        forward, adjoint = (
            affine_rounding(
                summands,
                norm,
                partial,
                dtype=dtype,
                outputs=entries,
                absolute_norm=absolute,
                orders=ORDERS * edges,
            )[0]
            for summands, entries, edges in sums
        )
        return add_up(cast, forward), add_up(cast, adjoint)
