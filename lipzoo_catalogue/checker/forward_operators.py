"""The forward operators of inverse problems, written down from their configuration."""

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from lipzoo_catalogue.checker.arguments import choice, is_number
from lipzoo_catalogue.checker.convolutions import pairs_of_pixels, same_margins, torus_norm
from lipzoo_catalogue.checker.intervals import Interval
from lipzoo_catalogue.checker.singular import singular_values

# Entries of a matrix that is written down: 256 MiB.
LARGEST = 2**25
# By definition the default step size 1/‖A‖² of a blur up to this size rests on its exact norm, and
# beyond on that of the periodic convolution of which it is a part.
_LARGEST_EXACT_SIDE, _LARGEST_EXACT_SIZE = 512, 2**22


class ForwardOperator:
    """A forward operator A from images to measurements.

    Args:
        image_shape: of one image, channels last.
        matrix: A as an array `(measurements, pixels)`.
        error: bound on the norm of what the matrix errs by.
        step_norm: encloses the bound of ‖A‖ that a default step size rests on; None for ‖A‖.

    Attributes:
        image_shape: as given.
        norm: encloses ‖A‖.
        low, high: enclose the singular values of A, of which there are `min(measurements, pixels)`.
        has_null_space: whether A has fewer rows than columns.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        matrix: np.ndarray,
        error: float = 0.0,
        step_norm: Interval | None = None,
    ):
        self.image_shape = list(image_shape)
        values = singular_values(matrix, error)
        self.low, self.high = values.low, values.high
        self.norm = values.largest
        self._step_norm = self.norm if step_norm is None else step_norm
        self.has_null_space = matrix.shape[0] < matrix.shape[1]
        # The ‖A‖² that a default step size rests on may have been rounded up: an eigenvalue of AᵀA
        # in float64, by the a-priori bound of a sum and of a Cholesky factorisation.
        self._step_rounding = 2 * min(matrix.shape) * sum(matrix.shape) * 2.0**-53

    @property
    def smallest(self) -> float:
        """A lower bound of `‖Ax‖ / ‖x‖`."""
        return 0.0 if self.has_null_space else float(self.low.min())

    def step_size(self, step_size: object) -> Interval:
        """τ: the given one, or 1/‖A‖² as float64 may have rounded it."""
        if step_size is not None:
            if not (is_number(step_size) and 0 < step_size < math.inf):
                raise ValueError(
                    f"Expected a positive step_size. Received: step_size={step_size!r}"
                )
            return Interval.exactly(step_size)
        square = self._step_norm * self._step_norm
        inverse = Interval.exactly(1.0) / square
        return Interval(inverse.low * (1 - self._step_rounding), inverse.high)

    def tikhonov(self, alpha: float) -> Interval:
        """Encloses `‖(AᵀA + αI)⁻¹Aᵀ‖`, the largest `s / (s² + α)` over the singular values s.

        As a function of s it rises up to `s = √α` and falls from there, so over an interval of s it
        is largest at √α, if that is inside, or else at an end; and it is least at an end.
        """
        gain = [ends / (ends**2 + alpha) for ends in (self.low, self.high)]
        inside = (self.low <= math.sqrt(alpha)) & (math.sqrt(alpha) <= self.high)
        largest = np.where(inside, 0.5 / math.sqrt(alpha), np.maximum(*gain))
        return Interval(
            float(np.minimum(*gain).max()) * (1 - 1e-15), float(largest.max()) * (1 + 1e-15)
        )


def read_operator(values: object) -> ForwardOperator:
    """Makes the operator of `{"class_name": ..., "config": {...}}`.

    Raises:
        ValueError: for a class that the checker does not know, or arguments that do not fit.
    """
    known: dict[str, Callable[..., ForwardOperator]] = {
        "Matrix": _matrix,
        "Tomography": _tomography,
        "Blur": _blur,
        "Mask": _mask,
    }
    stated = cast(dict[str, Any], values) if isinstance(values, dict) else {}
    name = stated.get("class_name")
    if not isinstance(name, str) or name not in known:
        raise ValueError(
            f"Expected an operator that the checker knows: {', '.join(known)}. "
            f"Received: operator={str(cast(object, values))[:80]}"
        )
    try:
        return known[name](**stated.get("config", {}))
    except (TypeError, IndexError, ZeroDivisionError) as error:
        raise ValueError(f"The operator {name} takes other arguments: {error}") from None


def _matrix(
    matrix: npt.ArrayLike,
    input_shape: Sequence[int] | None = None,
    output_shape: Sequence[int] | None = None,
) -> ForwardOperator:
    entries = np.array(matrix, "float64")
    shape = [entries.shape[1]] if input_shape is None else input_shape
    if math.prod(shape) != entries.shape[1]:
        raise ValueError(
            f"Expected an input_shape of {entries.shape[1]} entries, one for each column of the "
            f"matrix. Received: input_shape={shape!r}"
        )
    return ForwardOperator(shape, entries)


def _mask(mask: npt.ArrayLike, image_shape: Sequence[int] | None = None) -> ForwardOperator:
    """`diag(mask)`: its singular values are 0 and 1, and both occur unless the mask is full."""
    if isinstance(mask, str):
        bits = np.unpackbits(np.frombuffer(bytes.fromhex(mask), "uint8"))
        if image_shape is None:
            raise TypeError("a mask as text needs image_shape")
        mask = bits[: math.prod(image_shape)].reshape(image_shape)
    entries = np.array(mask, "float64")
    if not np.isin(entries, (0.0, 1.0)).all() or not entries.any():
        raise ValueError(
            f"Expected a mask of zeros and ones. Received: values {np.unique(entries)[:5].tolist()}"
        )
    operator = ForwardOperator(entries.shape, np.eye(1))
    operator.has_null_space = not entries.all()
    return operator


def _blur(
    image_shape: Sequence[int], kernel: npt.ArrayLike, padding: object = "same"
) -> ForwardOperator:
    spatial = list(image_shape[:-1])
    blur = np.array(kernel, "float64")
    margins = [same_margins(size) for size in blur.shape]
    padding = choice(padding, "padding", ("same", "circular", "valid"))
    if padding == "valid":
        margins = [(0, 0)] * blur.ndim
    outputs = [
        n + sum(margin) - k + 1 for n, margin, k in zip(spatial, margins, blur.shape, strict=True)
    ]
    pixels, places = math.prod(spatial), math.prod(outputs)
    _check_size(places, pixels)
    matrix = np.zeros((places, pixels))
    circular = padding == "circular"
    for tap, rows, columns in pairs_of_pixels(blur.shape, spatial, margins, circular):
        matrix[rows, columns] += blur[tap]
    norm = None
    if min(matrix.shape) > _LARGEST_EXACT_SIDE or matrix.size > _LARGEST_EXACT_SIZE:
        sizes = [
            n + max(margin) * (not circular) for n, margin in zip(spatial, margins, strict=True)
        ]
        norm = torus_norm(blur[..., None, None], sizes)
    # Every channel alike: the singular values are those of one channel.
    return ForwardOperator(image_shape, matrix, step_norm=norm)


def _tomography(
    size: int, angles: int | list[float] = 16, bins: int | None = None
) -> ForwardOperator:
    """Averages over detector bins of line integrals through square pixels.

        A[(θ, b), pixel] = area of the pixel within the strip of bin b / width of a bin

    on a square of side 1 centred at the origin. The area of a pixel on one side of a line is
    integrated along one of its sides, see `_area_below`.
    """
    bins = math.ceil(size * math.sqrt(2)) if bins is None else bins
    degrees = np.arange(angles) * (180.0 / angles) if isinstance(angles, int) else np.array(angles)
    _check_size(len(degrees) * bins, size * size)
    pixel = 1.0 / size
    columns, rows = np.meshgrid(np.arange(size), np.arange(size))
    # The corner of a pixel with the smallest coordinates; rows of an image run downwards.
    left, bottom = columns * pixel - 0.5, 0.5 - (rows + 1) * pixel
    edges = (np.arange(bins + 1) - bins / 2) * pixel
    parts: list[np.ndarray] = []
    for angle in np.deg2rad(degrees):
        cosine, sine = math.cos(angle), math.sin(angle)
        # The corner of the pixel from which the position along the detector only grows.
        corner = cosine * (left + pixel * (cosine < 0)) + sine * (bottom + pixel * (sine < 0))
        depth = (edges[:, None] - corner.reshape(-1)) / pixel
        parts.append(np.diff(_area_below(depth, abs(cosine), abs(sine)), axis=0) * pixel)
    matrix = np.concatenate(parts)
    # A depth errs by at most 8 size units, an area of slope up to √2 by twelve, its difference by
    # twice as much, an entry by that over size; a pixel meets at most three bins of each angle.
    error = 40 * size * 2.0**-53 * pixel * math.sqrt(3 * len(degrees) * size * size)
    return ForwardOperator((size, size, 1), matrix, error)


def _area_below(depth: np.ndarray, a: float, b: float) -> np.ndarray:
    """Area of the part of the unit square with `a x + b y <= depth`, for a, b >= 0, a² + b² = 1.

    For b > 0 it is the integral over x in [0, 1] of `clip((depth - a x) / b, 0, 1)`. With the
    antiderivative G of clip and the substitution `t = (depth - a x) / b` it is
    `(G(depth / b) - G((depth - a) / b)) b / a`.
    """
    a, b = max(a, b), min(a, b)
    if b < 1e-12:
        return np.clip(depth / a, 0.0, 1.0)
    depth = np.clip(depth, 0.0, a + b)
    return (_integral_of_clip(depth / b) - _integral_of_clip((depth - a) / b)) * (b / a)


def _integral_of_clip(t: np.ndarray) -> np.ndarray:
    return np.where(t < 1, 0.5 * np.maximum(t, 0.0) ** 2, t - 0.5)


def _check_size(rows: int, columns: int) -> None:
    if rows * columns > LARGEST:
        raise ValueError(
            f"Expected an operator of at most {LARGEST:,} entries, to be written down. "
            f"Received: {rows:,} × {columns:,}"
        )
