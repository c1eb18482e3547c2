"""Radii counted in bins that are fixed once for all, so that counts add up exactly."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lipzoo_catalogue.certified.counts import read_counts

# Bits of a float64 that a bin does not look at: 52 of the mantissa but the first 8.
_DROPPED = 44


def _empty() -> np.ndarray:
    return np.empty(0, "int64")


@dataclass(frozen=True, eq=False)
class RadiusHistogram:
    """How many radii there are in each bin `[a, b)`, a bin being 1/256 of a power of two.

        a = 2^e (1 + k/256),  b = 2^e (1 + (k + 1)/256)

    so that `b <= a · 257/256`; the numbers below 2^-1022 and infinity have bins of their own. A
    bin is the sign, the exponent and the first 8 bits of the mantissa of a float64, which are in
    the order of the numbers; there are at most 524,033, whatever the number of radii.

    Args:
        bins: numbers of the bins that have radii, ascending.
        counts: how many radii are in each.

    Example:
        >>> one, other = (RadiusHistogram.of(np.array(r)) for r in ([0.1, 0.3], [0.2]))
        >>> low, high = (one + other).quantile(0.5)
        >>> low <= 0.2 <= high
        True
    """

    bins: np.ndarray = field(default_factory=_empty)
    counts: np.ndarray = field(default_factory=_empty)

    @classmethod
    def of(cls, radii: np.ndarray) -> "RadiusHistogram":
        """Counts radii.

        Raises:
            ValueError: if one is negative or NaN.
        """
        radii = np.asarray(radii, "float64")
        if not np.all(radii >= 0):
            raise ValueError(f"Expected radii of at least 0. Received: radius={radii.min()!r}")
        # Of -0, which is 0, the sign goes.
        return cls(*np.unique(np.abs(radii).view("int64") >> _DROPPED, return_counts=True))

    def __add__(self, other: "RadiusHistogram") -> "RadiusHistogram":
        bins = np.union1d(self.bins, other.bins)
        counts = np.zeros(len(bins), "int64")
        for one in (self, other):
            counts[np.searchsorted(bins, one.bins)] += one.counts
        return RadiusHistogram(bins, counts)

    def __len__(self) -> int:
        return int(self.counts.sum())

    def quantile(self, share: float) -> tuple[float, float]:
        """Two numbers that the quantile lies between: the edges of its bin.

        The quantile is `numpy.quantile(radii, share, method="lower")`, the radius of rank
        `floor(share (n - 1))` from 0.

        Raises:
            ValueError: for a share outside of [0, 1], or without radii.
        """
        if not (0 <= share <= 1 and len(self)):
            raise ValueError(
                f"Expected a share from 0 to 1, of at least one radius. Received: {share!r} of "
                f"{len(self)}"
            )
        rank = math.floor(share * (len(self) - 1))
        found = int(self.bins[np.searchsorted(np.cumsum(self.counts), rank, side="right")])
        low, high = np.array([found, found + 1], "int64").__lshift__(_DROPPED).view("float64")
        return float(low), math.inf if math.isnan(high) else float(high)

    def to_json(self) -> dict[str, list[int]]:
        """As JSON values, which `from_json` reads."""
        return {"bins": self.bins.tolist(), "counts": self.counts.tolist()}

    @classmethod
    def from_json(cls, values: Mapping[str, list[int]]) -> "RadiusHistogram":
        """Reads what `to_json` wrote.

        Raises:
            ValueError: for bins that do not ascend from 0, or without a count each.
        """
        bins = read_counts(values["bins"], (len(values["bins"]),), "bins")
        if np.any(np.diff(bins) <= 0):
            raise ValueError("bins that do not ascend")
        return cls(bins, read_counts(values["counts"], bins.shape, "counts"))
