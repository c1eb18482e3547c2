"""Convolutions with stride 1 on maps of a given size, as the operators that they are.

    y[i] = Σ_t x[i + t - p] K_t,    x = 0 outside of the map ("zero"), or x periodic ("circular")

with p pixels before and p' = k - 1 - p after ("same": p = ⌊(k - 1)/2⌋; "valid": p = p' = 0).
"""

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from lipzoo_catalogue.checker.intervals import Interval
from lipzoo_catalogue.checker.singular import singular_values

_UNIT = 2.0**-53


def same_margins(size: int) -> tuple[int, int]:
    """Pixels before and after with "same" padding.

    >>> same_margins(3), same_margins(4)
    ((1, 1), (1, 2))
    """
    return (size - 1) // 2, size // 2


def pairs_of_pixels(
    taps: Sequence[int],
    spatial: Sequence[int],
    margins: Sequence[tuple[int, int]],
    circular: bool = False,
) -> Iterator[tuple[tuple[int, ...], np.ndarray, np.ndarray]]:
    """For each tap t the flat indices of outputs and inputs that it connects.

    Args:
        taps: size of the kernel along each axis.
        spatial: size of the map along each axis.
        margins: pixels `(before, after)` along each axis.
        circular: whether the map is periodic.

    Yields:
        `(tap, outputs, inputs)`, the tap as a tuple.
    """
    outputs = [n + sum(margin) - k + 1 for n, margin, k in zip(spatial, margins, taps, strict=True)]
    positions = np.indices(outputs).reshape(len(outputs), -1)
    sizes = np.array(spatial)[:, None]
    for tap in itertools.product(*map(range, taps)):
        source = (
            positions
            + np.array([t - before for t, (before, _) in zip(tap, margins, strict=True)])[:, None]
        )
        if circular:
            inside = np.ones(positions.shape[1], bool)
            source = source % sizes
        else:
            inside = ((source >= 0) & (source < sizes)).all(axis=0)
        rows = np.flatnonzero(inside)
        yield tap, rows, np.asarray(np.ravel_multi_index(tuple(source[:, inside]), spatial))


def written_down(
    kernel: np.ndarray,
    spatial: Sequence[int],
    margins: Sequence[tuple[int, int]],
    circular: bool = False,
) -> np.ndarray:
    """The matrix of the convolution, shape `(outputs · filters, inputs · channels)`.

    Args:
        kernel: float64 array `(*taps, channels, filters)`.
        spatial, margins, circular: as in `pairs_of_pixels`.

    >>> written_down(np.array([1.0, 2.0, 3.0]).reshape(3, 1, 1), (3,), [(1, 1)])
    array([[2., 3., 0.],
           [1., 2., 3.],
           [0., 1., 2.]])
    """
    *taps, channels, filters = kernel.shape
    outputs = [n + sum(margin) - k + 1 for n, margin, k in zip(spatial, margins, taps, strict=True)]
    matrix = np.zeros((math.prod(outputs), filters, math.prod(spatial), channels))
    for tap, rows, columns in pairs_of_pixels(taps, spatial, margins, circular):
        # A periodic map smaller than the kernel meets a pixel with several taps.
        matrix[rows, :, columns, :] += kernel[tap].T
    return matrix.reshape(math.prod(outputs) * filters, -1)


def torus_norm(kernel: np.ndarray, sizes: Sequence[int]) -> Interval:
    """Encloses the norm of the *periodic* convolution on a map of the given sizes.

    There the Fourier transform block-diagonalises the operator: its norm is the largest singular
    value of the matrices `K̂(ω) = Σ_t K_t e^{-iω·t}` over the frequencies `ω = 2πf/N` of the map.

    It is an upper bound for the convolution with zeros around a map of n pixels when
    `N >= n + max(p, p')`: let E put the map on the torus, with zeros in the other N - n places, and
    R take the outputs at the first n places off it. Both have norm 1, and R C E is the zero-padded
    convolution: an output i < n looks at the places i - p, ..., i + p'; those from -p to -1 are, on
    the torus, N - p to N - 1 and those from n to n + p' - 1 are themselves, all of them at least n
    and below N, where E put zeros. (With N < n + p opposite borders would meet, and the statement
    is false.)
    """
    *taps, channels, filters = kernel.shape
    frequencies = np.indices((*sizes[:-1], sizes[-1] // 2 + 1)).reshape(len(sizes), -1).T
    # The kernel is real, so K̂(-ω) is the conjugate of K̂(ω): half of the frequencies will do.
    places = np.indices(taps).reshape(len(taps), -1)
    phases = np.ones((len(frequencies), places.shape[1]), complex)
    for axis, size in enumerate(sizes):
        turns = frequencies[:, axis, None] * places[axis] % size
        phases *= np.exp(-2j * np.pi * turns / size)
    flat = kernel.reshape(-1, channels * filters)
    symbols = (phases @ flat).reshape(-1, channels, filters)
    # A phase errs by at most 30 units for each axis, and the sum by four for each of its terms.
    error = (4 * len(flat) + 30 * len(sizes)) * _UNIT
    error *= 1.001 * np.sum(np.linalg.norm(flat, axis=1))
    return singular_values(symbols, error).largest


class ZeroPaddedConvolution:
    """The convolution with zeros around the map, applied by explicit loops over its taps.

    Args:
        kernel: float64 array `(*taps, channels, filters)`.
        spatial: size of the map along each axis.
    """

    def __init__(self, kernel: np.ndarray, spatial: Sequence[int]):
        self.kernel, self.spatial = kernel, tuple(spatial)
        self.margins = [same_margins(size) for size in kernel.shape[:-2]]

    def pairs(self) -> Iterator[tuple[tuple[int, ...], np.ndarray, np.ndarray]]:
        """See `pairs_of_pixels`."""
        return pairs_of_pixels(self.kernel.shape[:-2], self.spatial, self.margins)

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Returns `A x`, shape `(pixels, filters)`, for x of shape `(pixels, channels)`."""
        y = np.zeros((len(x), self.kernel.shape[-1]))
        for tap, rows, columns in self.pairs():
            y[rows] += x[columns] @ self.kernel[tap]
        return y

    def adjoint(self, y: np.ndarray) -> np.ndarray:
        """Returns `Aᵀ y`."""
        x = np.zeros((len(y), self.kernel.shape[-2]))
        for tap, rows, columns in self.pairs():
            x[columns] += y[rows] @ self.kernel[tap].T
        return x

    def error(self) -> float:
        """A bound on `‖fl(A x) - A x‖ / ‖x‖`."""
        terms = math.prod(self.kernel.shape[:-1]) + 2
        taps = self.kernel.reshape(-1, *self.kernel.shape[-2:])
        absolute = np.sqrt(np.sum(taps**2, axis=(1, 2))).sum()
        return float(1.001 * terms * _UNIT / (1 - terms * _UNIT) * absolute)

    def top(self, iterations: int = 30) -> np.ndarray:
        """An input that is stretched nearly as far as any, by power iteration."""
        x = np.random.default_rng(0).standard_normal(
            (math.prod(self.spatial), self.kernel.shape[-2])
        )
        for _ in range(iterations):
            image = self.adjoint(self.apply(x / math.sqrt(np.sum(x * x))))
            if not image.any():
                break
            x = image
        return x / math.sqrt(np.sum(x * x))
