"""How steep a chain of affine layers and ReLUs is within a ball.

Between x and any x' of the ball, every ReLU acts as a number in [0, 1] on the difference of its
arguments, as 0 if it stays off, as 1 if it stays on. So the network moves by `F (x' - x)` with

    F_k = D_k W_k F_(k-1),      D_k diagonal, |D_k - d_k| <= h_k

where h = 0 for what stays off or on, and h = d = 1/2 for the rest, the rows U_k. F is followed as

    F_k = J_k + sum_j B_jk X_j + Z_k,      J_k = d_k W_k J_(k-1),      B_jk = d_k W_k B_j(k-1)

with B_kk = h_k, of columns U_k alone, and X_k = T (W_k F_(k-1))[U_k], T diagonal within [-1, 1]:

    ||X_k|| <= G_k = ||(W_k J_(k-1))[U_k]|| + sum_j ||(W_k B_j(k-1))[U_k]|| G_j + ...

J and B are float64 matrices, exactly; Z is what their products round, of norm `loose`. A row v of
the next layer moves by at most `||v J|| + sum_j ||v B_j|| G_j + ||v|| loose`, times the radius,
which decides what stays there. Nothing here is sampled.
"""

from dataclasses import dataclass

import numpy as np

from lipzoo.bounds.local.chain import Chain, Step
from lipzoo.rounding import deflated, gamma, inflated, norm_up, unit_roundoff

_UNIT = unit_roundoff("float64")


@dataclass(frozen=True)
class _Source:
    """What ReLUs of an earlier layer may do: `B X` with `||X|| <= size`."""

    matrix: np.ndarray
    size: float


@dataclass(frozen=True)
class _Near:
    """What is known of F; without a matrix it is the identity."""

    matrix: np.ndarray | None
    sources: tuple[_Source, ...] = ()
    loose: float = 0.0

    def size(self) -> float:
        """Upper bound of `||J||_F + sum_j ||B_j||_F G_j + ||Z||`."""
        assert self.matrix is not None
        parts = [norm_up(source.matrix) * source.size for source in self.sources]
        return float(inflated(norm_up(self.matrix) + sum(parts) + self.loose, len(parts) + 3))


def arguments_of(chain: Chain, x: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The arguments z of every step at some inputs, and how far each may be off.

    Args:
        chain: the network.
        x: shape `(examples, entries)`, float64.
    """
    found, values, errors = [], x, np.zeros_like(x)
    for step in chain.steps:
        weights = np.abs(step.matrix)
        summands = step.matrix.shape[1]
        z = values @ step.matrix.T + step.bias
        sizes = np.abs(values) @ weights.T + np.abs(step.bias)
        own = (gamma(summands + 1, "float64") + step.relative) * sizes + step.bias_error
        off = (errors * (1.0 + step.relative)) @ weights.T + own
        off = inflated(off, operations=2 * summands + 6)
        found.append((z, off))
        values, errors = z, off
        if step.slope is not None:
            least, most = step.slope
            slope = (least + most) / 2
            spread = np.abs(z) * (most - least + 2 * _UNIT * max(most, 1.0))
            values = np.maximum(z, 0.0) + slope * np.minimum(z, 0.0)
            errors = inflated(max(1.0, most) * off + spread * (most > 0), operations=4)
    return found


def local_slopes(
    chain: Chain, arguments: list, radius: np.ndarray, prediction: np.ndarray, active: np.ndarray
) -> np.ndarray:
    """Upper bounds of `|f_y(x') - f_y(x) - (f_j(x') - f_j(x))| / ||x' - x||` in balls around x.

    Args:
        chain: the network.
        arguments: of its steps at all x, from `arguments_of`.
        radius: of the balls, shape `(examples,)`.
        prediction: y.
        active: which examples are asked for, as truth values.

    Returns:
        Shape `(examples, outputs)`: for every class j, 0 for y itself; for a single output that of
        the output. Infinite where it was not asked for.
    """
    outputs = len(chain.head)
    slopes = np.full((len(radius), outputs), np.inf)
    for i in np.flatnonzero(active):
        own = [(z[i], off[i]) for z, off in arguments]
        near = _near(chain.steps, own, float(radius[i]))
        if outputs == 1:
            slopes[i] = _along(near, chain.head)
        else:
            # A difference of two columns is rounded once.
            slopes[i] = _along(near, chain.head[[prediction[i]]] - chain.head)
            slopes[i, prediction[i]] = 0.0
    return slopes


def _near(steps, arguments, radius: float) -> _Near:
    near = _Near(None)
    for step, (z, off) in zip(steps, arguments, strict=True):
        near = _after(step, near, z, off, radius)
    return near


def _after(step: Step, near: _Near, z, off, radius: float) -> _Near:
    product, images, loose = _products(step.matrix, step.frobenius, step.norm, step.relative, near)
    if step.slope is None:
        return _Near(product, images, loose)
    by_row = inflated(_row_norms(product, images) + loose, operations=1)
    low, high = _slopes(step.slope, z, off, inflated(radius * by_row, operations=1))
    middle = (low + high) / 2
    half = np.maximum(high - middle, middle - low)
    half = np.where(half > 0, np.nextafter(half, np.inf), 0.0)
    open_rows = np.flatnonzero(half)
    size = _spectral(product[open_rows]) + loose
    for image in images:
        size += _spectral(image.matrix[open_rows]) * image.size
    own = np.zeros((len(z), len(open_rows)))
    own[open_rows, np.arange(len(open_rows))] = half[open_rows]
    # Each product with d is rounded once.
    after = _Near(
        middle[:, None] * product,
        tuple(_Source(middle[:, None] * image.matrix, image.size) for image in images),
        max(1.0, step.slope[1]) * loose,
    )
    loose = float(inflated(after.loose + 2 * _UNIT * after.size(), operations=4))
    sources = after.sources
    if len(open_rows):
        size = float(inflated(size, operations=2 * len(images) + 2))
        sources = (*sources, _Source(own, size))
    return _Near(after.matrix, sources, loose)


def _slopes(slope, z, off, moves) -> tuple[np.ndarray, np.ndarray]:
    """How steep a ReLU is between its argument at x and any that is at most `moves` away.

    Let t be the share of the way between the two that is above 0. On that share the slope is 1, on
    the rest that of the negative side. Where z > 0 at x, the way below 0 is at most `moves - z` of
    it, so `t >= z / moves`; where z < 0, `t <= 1 - |z| / moves` alike.

    Args:
        slope: smallest and largest slope of the negative side.
        z: the arguments at x.
        off: how far those may be off.
        moves: see above.
    """
    inside = deflated(np.maximum(np.abs(z) - off, 0.0), operations=1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        share = deflated(inside / moves, operations=1)
    # 0 / 0: what does not move is where it is.
    share = np.where(inside >= moves, 1.0, np.minimum(share, 1.0))
    # Where it is not known on which side of 0 it is, the share is 0.
    share = np.where(inside > 0, share, 0.0)
    low = np.where(z > 0, share, 0.0)
    high = np.where(z > 0, 1.0, np.where(share >= 1.0, 0.0, inflated(1.0 - share, operations=1)))
    ends = [_at(t, other) for other in slope for t in (low, high)]
    return (
        np.minimum.reduce([under for under, _ in ends]),
        np.maximum.reduce([over for _, over in ends]),
    )


def _at(share: np.ndarray, other: float) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of `share + (1 - share) other`, exact where the share is 0 or 1."""
    value, slack = other + (1.0 - other) * share, 8 * _UNIT * (1.0 + other)
    known = np.where(share == 1.0, 1.0, other)
    exact = (share == 1.0) | (share == 0.0)
    under = np.maximum(value - slack, 0.0)
    return np.where(exact, known, under), np.where(exact, known, value + slack)


def _products(matrix, frobenius, norm, relative, near: _Near) -> tuple:
    """`W J`, `W B_j`, and the size of what is left, the rounding of both among it."""
    if near.matrix is None:
        # F is the identity.
        return matrix, (), float(inflated(relative * frobenius, operations=1))
    factor = gamma(matrix.shape[1] + 1, "float64") + relative
    left = inflated(factor * frobenius * near.size() + norm * near.loose, operations=5)
    images = [_Source(matrix @ source.matrix, source.size) for source in near.sources]
    return matrix @ near.matrix, tuple(images), float(left)


def _row_norms(product, images) -> np.ndarray:
    """`||(W J)_i|| + sum_j ||(W B_j)_i|| G_j` for every row."""
    total = norm_up(product, axis=1)
    for image in images:
        total = total + norm_up(image.matrix, axis=1) * image.size
    return inflated(total, operations=2 * len(images) + 1)


def _along(near: _Near, directions: np.ndarray) -> np.ndarray:
    """Upper bounds of `||v F||` for the rows v of a matrix that was rounded once."""
    norms = norm_up(directions, axis=1)
    if near.matrix is None:
        return inflated(norms, operations=2)
    images = [_Source(directions @ source.matrix, source.size) for source in near.sources]
    # The sums of the products, and the rounding of v.
    factor = gamma(directions.shape[1] + 4, "float64")
    left = norms * (factor * near.size() + near.loose)
    return inflated(_row_norms(directions @ near.matrix, images) + left, operations=6)


def _spectral(matrix: np.ndarray) -> float:
    """Upper bound of the norm of a matrix: `||A||^8 <= ||(A A^T)^4||` in Frobenius' norm.

    The products of Gram matrices G err by at most `gamma_n ||G||_F^2`; where the root of a sum is
    taken, errors of squares count before it. At most `rank^(1/16)` times too large.
    """
    if matrix.size == 0:
        return 0.0
    if matrix.shape[0] > matrix.shape[1]:
        matrix = matrix.T
    largest = float(np.abs(matrix).max())
    if largest == 0.0:
        return 0.0
    # Exact, and nothing that counts overflows or underflows.
    scale = 2.0 ** np.frexp(largest)[1]
    matrix = matrix / scale
    side, length = matrix.shape
    frobenius = float(norm_up(matrix))
    if side == 1:
        return frobenius * scale
    gram = matrix @ matrix.T
    gram = (gram + gram.T) / 2
    errors = [gamma(length + 4, "float64") * frobenius**2]
    for _ in range(2):
        size = float(norm_up(gram))
        gram = gram @ gram
        # The norm of a square is the square of a norm where the matrix is symmetric.
        gram = (gram + gram.T) / 2
        errors.append(gamma(side + 4, "float64") * size**2)
    # From the last square backwards: the square of a norm is that of the square, and its error.
    norm = float(norm_up(gram))
    for error in reversed(errors):
        norm = float(inflated(np.sqrt(inflated(norm + error, operations=3)), operations=2))
    return min(frobenius, norm) * scale
