"""Frequency responses of strided, dilated convolutions along each spatial axis."""

import math
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class PolyphaseAxis:
    """One spatial axis of a convolution, seen in the frequency domain.

    A convolution with stride s is one with stride 1 that maps s times as many channels: input
    position `i s + r` becomes position i of phase r. Its frequency response is the block matrix

        K^(ω)[r] = sum over the taps t with phase[t] = r of K[t] exp(-2πi ω position[t])

    of shape (s inputs, outputs); here ω runs through the multiples of 1/grid.

    Attributes:
        phase: phase of each tap.
        position: position of each tap, after division by the stride.
        phases: number of phases, the stride.
        grid: number of frequencies.
        factor: by how much the supremum over all frequencies may exceed the maximum over the grid
            (1 where the grid is that of the operator itself).
    """

    phase: tuple[int, ...]
    position: tuple[int, ...]
    phases: int
    grid: int
    factor: float = 1.0

    @property
    def degree(self) -> int:
        """Degree of the response as a trigonometric polynomial."""
        return max(self.position) - min(self.position)


def exact_axis(taps, stride, dilation, grid) -> PolyphaseAxis:
    """The axis on a cycle of `grid * stride` input positions: nothing is lost.

    Example:
        >>> exact_axis(taps=range(3), stride=2, dilation=1, grid=4).position
        (0, 0, 1)
    """
    positions = [tap * dilation for tap in taps]
    return PolyphaseAxis(
        phase=tuple(position % stride for position in positions),
        position=tuple(position // stride for position in positions),
        phases=stride,
        grid=grid,
    )


def unbounded_axis(taps, stride, dilation, factor) -> PolyphaseAxis:
    """The axis of infinite length, on a grid fine enough for `factor`.

    Common divisors of stride and dilation drop out (only a sublattice of the input is read), and
    then the dilation does: the phases are permuted, each phase is shifted by itself (both
    isometries), and what remains is a dilation of the positions, which leaves the supremum over
    all frequencies as it is. So tap t has phase `t mod s` and position `t div s`.

    `||K^(ω) v||^2` is a trigonometric polynomial of degree d, the number of positions less one,
    between 0 and its maximum P. By the inequality of Bernstein and Szego it is at least
    `P cos(d δ / 2)^2` at distance δ <= π / d from where it is P, and some frequency of a grid of M
    points is at a distance of at most π / M:

        sup σ_max(K^) <= max over the grid of σ_max(K^) / cos(π d / 2M),      M > d.

    With two axes this is applied to one after the other, and the factors are multiplied; the other
    axis may be one of a cycle, with its own frequencies and factor 1.

    Args:
        taps: indices of the taps, in increasing order.
        stride, dilation: positive integers.
        factor: the largest `1 / cos(π d / 2M)` wanted.

    Example:
        >>> unbounded_axis(taps=range(3), stride=1, dilation=5, factor=1.005).grid
        32
    """
    stride //= math.gcd(stride, dilation)
    phase = [tap % stride for tap in taps]
    first = {r: min(tap // stride for tap in taps if tap % stride == r) for r in phase}
    position = tuple(tap // stride - first[tap % stride] for tap in taps)
    degree = max(position)
    grid = 1
    if degree > 0:
        grid = 2 * math.ceil(math.pi * degree / (4.0 * math.acos(1.0 / factor)))
    return PolyphaseAxis(tuple(phase), position, stride, grid, bernstein_factor(degree, grid))


def gram_grid(taps: int, least: int = 16) -> int:
    """Number of frequencies at which `gram_norm_bound` looks along an axis of so many positions.

    Example:
        >>> gram_grid(1), gram_grid(3), gram_grid(7)
        (1, 16, 48)
    """
    return 1 if taps == 1 else max(least, 8 * (taps - 1))


def constraint_axis(axis: PolyphaseAxis, taps: int) -> PolyphaseAxis:
    """The axis of infinite length on the grid of `gram_norm_bound` for kernels of `taps` positions.

    Example:
        >>> constraint_axis(unbounded_axis(range(2), 1, 1, 1.01), taps=2).grid
        16
    """
    # A dilation that shares a divisor with the stride spreads the taps over more positions.
    grid = gram_grid(max(taps, axis.degree + 1))
    return replace(axis, grid=grid, factor=bernstein_factor(axis.degree, grid))


def bernstein_factor(degree: int, grid: int) -> float:
    """`1 / cos(π degree / (2 grid))`, rounded upwards.

    Example:
        >>> round(bernstein_factor(2, 16) ** 2, 3)
        1.04
    """
    if degree == 0:
        return 1.0
    if grid <= degree:
        raise ValueError(
            f"grid must exceed the degree {degree} of the frequency response. Received: grid={grid}"
        )
    # The argument and the cosine are accurate to a few units; near π/2, relative to 1/cos.
    return (1.0 + 16.0 * grid * 2.0**-53) / math.cos(0.5 * math.pi * degree / grid)


def half_grid(sizes) -> np.ndarray:
    """One of each pair ±ω of the frequencies of a grid, as integers of shape `(count, axes)`.

    A real kernel's responses at ω and -ω are complex conjugates, with the same singular values.

    Example:
        >>> len(half_grid((16, 16))), len(half_grid((1, 5)))
        (130, 3)
    """
    points = np.indices(sizes).reshape(len(sizes), -1).T
    mirrored = -points % np.array(sizes)
    weights = np.cumprod([1, *sizes[:0:-1]])[::-1]
    return points[points @ weights <= mirrored @ weights]


def fourier_matrix(points: np.ndarray, positions: np.ndarray, sizes) -> np.ndarray:
    """`exp(-2πi Σ_a points[f, a] positions[q, a] / sizes[a])`, of shape `(f, q)`, complex128.

    The phase is reduced in integers, so that each entry is off by at most `16 u`, u = 2^-53, for
    sines and cosines accurate to `2 u`.

    Example:
        >>> fourier_matrix(np.array([[1]]), np.array([[0], [2]]), (4,)).round(15).real
        array([[ 1., -1.]])
    """
    cycle = math.lcm(*sizes)
    turns = sum(
        np.outer(points[:, axis], positions[:, axis]) * (cycle // size)
        for axis, size in enumerate(sizes)
    )
    # The argument in [-π, π) carries three roundings: 3πu. Sine and cosine add 2u each.
    table = np.exp(((np.arange(cycle) + cycle // 2) % cycle - cycle // 2) * (-2j * math.pi / cycle))
    return table[turns % cycle]
