"""Total variation: the classical reconstruction that keeps edges."""

import warnings
from dataclasses import dataclass

import numpy as np

from lipzoo.inverse.operators.base import LinearOperator
from lipzoo.inverse.tikhonov_reconstruction import check_batch, check_matrix_size
from lipzoo.inverse.total_variation.iteration import solve
from lipzoo.inverse.total_variation.objective import VariationModel
from lipzoo.validation import check_bounds, finite_number, integer, real_array

# Examples that are iterated at once.
_CHUNK = 256


@dataclass(frozen=True)
class TotalVariationResult:
    """Reconstructions with a certificate of their optimality.

    Attributes:
        images: the reconstructions within the box, float64, shape `(examples, *input_shape)`.
        gap: relative duality gap, shape `(examples,)`: the objective at `images` exceeds the
            minimum by at most `gap` times itself (or times 1e-9·½‖y‖², if it is below that).
        iterations: how many iterations each example took, shape `(examples,)`.
    """

    images: np.ndarray
    gap: np.ndarray
    iterations: np.ndarray


def total_variation(
    operator: LinearOperator,
    y,
    weight,
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
    tolerance: float = 1e-3,
    max_iterations: int = 5000,
    verbose: int = 0,
) -> TotalVariationResult:
    """Reconstructs images by total variation, each to a certified accuracy.

        min over x in [lo, hi]ⁿ of  P(x) = ½‖Ax - y‖² + λ Σ_i ‖(∇x)_i‖₂

    where ∇ takes forward differences along the spatial axes (0 beyond the border), so that the sum
    is the isotropic total variation of images and the sum of absolute differences of signals;
    channels count separately.

    *Method.* The alternating direction method of multipliers, over-relaxed, on the split
    `z = (∇x, x)`: the step in x solves `AᵀA + ρ(∇ᵀ∇ + I)` exactly, for any penalty ρ by one
    generalised eigendecomposition; the steps in z shrink the gradients and clip to the box. Each
    example has its own ρ, balanced between primal and dual residuals during the first 500
    iterations and fixed from then on, so the method converges.

    *Certificate.* With multipliers p of `Ax` and q of `∇x`, `‖q_i‖₂ <= λ`, Fenchel's dual is

        D(p, q) = -½‖p‖² - ⟨p, y⟩ + Σ_j min(lo g_j, hi g_j),   g = Aᵀp + ∇ᵀq

    since the minimum of ⟨g, x⟩ over the box is taken entry by entry: finite for *every* p and q.
    `P(x) >= min P >= D(p, q)` for any x in the box, so with `p = Ax - y` and the q of the
    iteration, scaled into the balls of radius λ, the gap `P(x) - D(p, q)` bounds the distance from
    the optimum, whatever the method did. An example is finished once

        gap = (P(x) - D(p, q)) / P(x) <= tolerance.

    Args:
        operator: A, a `LinearOperator` on `(length, channels)` or `(height, width, channels)`.
        y: measurements, of shape `(examples, *operator.output_shape)`.
        weight: λ, positive: a number, or one per example. In the units of ‖A‖ times those of y.
        bounds: lo and hi, the range of the image's values.
        tolerance: largest relative duality gap.
        max_iterations: iterations after which an example is given up.
        verbose: 1 prints a line every 100 iterations.

    Returns:
        A `TotalVariationResult`.

    Guarantee: `gap`, up to the rounding of its evaluation in float64.

    Warns:
        RuntimeWarning: if an example did not reach the tolerance; `gap` says what it did reach.

    Raises:
        TypeError: if the operator is no `LinearOperator`.
        ValueError: if an argument has a wrong shape or is out of range, y is not finite, or the
            operator is too large for a dense eigendecomposition (2²⁵ entries).

    References: Rudin, Osher and Fatemi, doi:10.1016/0167-2789(92)90242-F (the model); Boyd et al.,
    doi:10.1561/2200000016, and Eckstein and Bertsekas, doi:10.1007/BF01581204 (the method and its
    over-relaxation); Chambolle and Pock, doi:10.1007/s10851-010-0251-1 (the dual and its gap).

    Example: a step from 0 to 1 without blur. Each half of length 2 moves by λ/2 towards the other.

    >>> from lipzoo.inverse.operators import Matrix
    >>> identity = Matrix(np.eye(4), (4, 1), (4, 1))
    >>> step = np.array([0.0, 0.0, 1.0, 1.0]).reshape(1, 4, 1)
    >>> result = total_variation(identity, step, weight=0.2, tolerance=1e-6)
    >>> result.images[0, :, 0].round(3).tolist()
    [0.1, 0.1, 0.9, 0.9]
    >>> bool(result.gap[0] <= 1e-6)
    True
    """
    check_matrix_size(operator)
    if len(operator.input_shape) not in (2, 3):
        raise ValueError(
            "Expected an operator on images of shape (length, channels) or (height, width, "
            f"channels). Received: input_shape={operator.input_shape}"
        )
    y = check_batch(y, operator.output_shape, "y").reshape(-1, operator.outputs)
    weight = _checked_weight(weight, len(y))
    bounds = check_bounds(bounds)
    tolerance = finite_number(tolerance, "tolerance", positive=True)
    max_iterations = integer(max_iterations, "max_iterations")
    model = VariationModel(operator.matrix(), operator.input_shape, bounds)
    parts = [
        solve(model, y[part], weight[part], tolerance, max_iterations, verbose)
        for part in (slice(first, first + _CHUNK) for first in range(0, len(y), _CHUNK))
    ]
    images, gap, iterations = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    if (missed := gap > tolerance).any():
        warnings.warn(
            f"{missed.sum()} of {len(y)} examples did not reach tolerance={tolerance:g} within "
            f"max_iterations={max_iterations}; their largest relative gap is {gap.max():.3g}",
            RuntimeWarning,
            stacklevel=2,
        )
    return TotalVariationResult(images.reshape(-1, *operator.input_shape), gap, iterations)


def _checked_weight(weight, examples):
    try:
        array = real_array(weight, "weight").astype("float64")
    except ValueError:
        array = np.array(np.nan)
    if array.shape not in ((), (examples,)) or not (np.isfinite(array) & (array > 0)).all():
        raise ValueError(
            f"weight must be positive and finite, one number or {examples} of them. "
            f"Received: weight={weight!r}"
        )
    return np.broadcast_to(array, (examples,))
