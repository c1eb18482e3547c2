"""What is proven about one layer: its Lipschitz bound, its offset, its rounding error."""

import math
from dataclasses import dataclass
from typing import Any

from lipzoo.rounding import add_up, mul_up


@dataclass(frozen=True)
class LayerBound:
    """Proven bounds of one layer's map `T`, from its weights as they are now.

        ||T(x) - T(x')|| <= value ||x - x'||
        ||T(0)|| <= offset,                     so ||T(x)|| <= offset + value ||x||
        ||fl(T)(x) - T(x)|| <= rounding_slope ||x|| + rounding_offset

    for all x, x', in Euclidean norm on one example's flattened tensors. fl(T) is what the layer
    computes in its compute dtype. The numbers are absolute: the unit roundoff is already in.

    Args:
        value: Lipschitz bound.
        derivation: how it was derived, one short phrase.
        offset: bound of the norm of the layer's output at 0.
        rounding_slope: see above. `None`: not known, so a certificate that accounts for rounding
            is refused. 0 claims that the layer computes without error, as a permutation does.
        rounding_offset: see above; `None` exactly when `rounding_slope` is.

    Raises:
        ValueError: for a negative number or a NaN.

    Example:
        >>> LayerBound(1.0, "permutation", rounding_slope=0.0, rounding_offset=0.0).value
        1.0
    """

    value: float
    derivation: str
    offset: float = 0.0
    rounding_slope: float | None = None
    rounding_offset: float | None = None

    def __post_init__(self):
        for name in ("value", "offset", "rounding_slope", "rounding_offset"):
            number: Any = getattr(self, name)
            if number is None and name.startswith("rounding"):
                continue
            try:
                # What is no number, `None` among it, is a TypeError.
                number = float(number)  # pyright: ignore[reportArgumentType]
            except (TypeError, ValueError):
                number = math.nan
            if not number >= 0:
                raise ValueError(
                    f"Expected {name} to be a number of at least 0. "
                    f"Received: {name}={getattr(self, name)!r}"
                )
            object.__setattr__(self, name, number)
        if (self.rounding_slope is None) != (self.rounding_offset is None):
            raise ValueError(
                "Expected rounding_slope and rounding_offset to be both given or both None. "
                f"Received: rounding_slope={self.rounding_slope}, "
                f"rounding_offset={self.rounding_offset}"
            )

    @classmethod
    def exact(cls, value: float, derivation: str, offset: float = 0.0) -> "LayerBound":
        """Bound of a layer that computes without rounding: it copies, moves or compares.

        Example:
            >>> LayerBound.exact(1.0, "flatten").rounding_slope
            0.0
        """
        return cls(value, derivation, offset, 0.0, 0.0)

    @property
    def rounding(self) -> tuple[float, float] | None:
        """`(rounding_slope, rounding_offset)`, which are known together, or `None`."""
        if self.rounding_slope is None or self.rounding_offset is None:
            return None
        return self.rounding_slope, self.rounding_offset

    def then(self, following: "LayerBound") -> "LayerBound":
        """Bound of this map followed by another one (an affine map and its activation, say).

        Lipschitz bounds multiply. The first map's rounding error passes through the second map,
        which adds its own error at the computed, slightly larger, input.

        Example:
            >>> LayerBound.exact(0.5, "scale").then(LayerBound.exact(1.0, "ReLU")).derivation
            'scale, ReLU'
        """
        value = mul_up(self.value, following.value)
        offset = add_up(mul_up(following.value, self.offset), following.offset)
        derivation = f"{self.derivation}, {following.derivation}"
        own, added = self.rounding, following.rounding
        if own is None or added is None:
            return LayerBound(value, derivation, offset)
        slope = add_up(
            mul_up(following.value, own[0]), mul_up(added[0], add_up(self.value, own[0]))
        )
        rounding_offset = add_up(
            mul_up(following.value, own[1]),
            mul_up(added[0], add_up(self.offset, own[1])),
            added[1],
        )
        return LayerBound(value, derivation, offset, slope, rounding_offset)
