"""How much of a proven Lipschitz bound a search can reach: an estimate from below."""

import math
from dataclasses import dataclass, field

import keras
import numpy as np

from lipzoo.bounds import lipschitz_bound
from lipzoo.certificates.inputs import check_inputs
from lipzoo.certificates.prediction import check_runs_as_recorded
from lipzoo.evaluation.ratio_search import search_ratios
from lipzoo.validation import finite_number, integer


@dataclass(frozen=True, eq=False)
class Tightness:
    """A proven bound, and what was found below it.

    Attributes:
        bound: the proven Lipschitz bound L, for all inputs.
        local: `‖∂f/∂x‖` at each example, float64; shape `(examples,)`.
        ratio: the largest `‖f(a) - f(b)‖ / ‖a - b‖` that the search found from each example.
        pairs: those pairs, shape `(examples, 2, ...)`.
        exact: whether `local` are norms of Jacobians written down, or power iteration's estimates
            of them from below.
    """

    bound: float
    local: np.ndarray
    ratio: np.ndarray
    pairs: np.ndarray = field(repr=False)
    exact: bool

    @property
    def found(self) -> float:
        """The largest number found, a lower estimate of the Lipschitz constant."""
        return float(max(self.local.max(), self.ratio.max()))

    @property
    def share(self) -> float:
        """`found / bound`: the bound is loose by no more than the inverse of this."""
        return self.found / self.bound if self.bound > 0 else math.nan

    def __str__(self) -> str:
        """Two lines: the bound, and what came near it."""
        return (
            f"proven bound {self.bound:.6g}, largest ratio found {self.found:.6g}: "
            f"{100 * self.share:.3g} % of it\n"
            f"Jacobian norms at {len(self.local):,} examples from {self.local.min():.4g} to "
            f"{self.local.max():.4g}, ratios of pairs up to {self.ratio.max():.6g}"
        )


def tightness(
    model: keras.Model,
    x,
    *,
    distance: float = 1.0,
    steps: int = 100,
    seed: int = 0,
    batch_size: int = 256,
) -> Tightness:
    """Compares the proven bound of a model with what its inputs really do: an estimate from below.

    The Lipschitz constant is the supremum of the norms of all Jacobians, and of all ratios
    `‖f(a) - f(b)‖ / ‖a - b‖`. Looked at are

    1. the Jacobian's norm at every example;
    2. from each example on, the ratio of a pair at a fixed distance, which starts in the direction
       that the Jacobian stretches most and climbs the gradient of the ratio's logarithm, wherever
       that leads.

    The truth lies between what is found and the bound. A large share says that the bound is tight;
    a small one says that it is loose or that the search is weak.

    Args:
        model: built `keras.Model` with one input and one output.
        x: inputs, of shape `(examples, ...)`.
        distance: of a pair, in the units of x. Ratios of float32 computations err by about 1e-6 of
            the outputs' norm over this distance; those of a model in float64 by next to nothing.
        steps: of the search; 0 for none.
        seed: seed of the power iteration's start.
        batch_size: examples at once.

    Returns:
        A `Tightness`.

    Raises:
        UncertifiedLayerError: if a layer has no proven bound.
        ValueError: if the inputs do not fit, or a setting is out of range.

    Example: a linear map is as tight as its norm.

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, use_bias=False)])
    >>> model.set_weights([np.diag([3.0, 1.0])])
    >>> found = tightness(model, np.zeros((1, 2)), steps=5)
    >>> round(found.bound, 6), round(found.found, 4), round(found.share, 4)
    (3.0, 3.0, 1.0)
    """
    check_runs_as_recorded(model)
    arrays = check_inputs(model, x)
    if len(arrays) != 1:
        raise ValueError(f"Expected a model with one input. Received: {len(arrays)} inputs")
    batch_size = integer(batch_size, "batch_size")
    distance = finite_number(distance, "distance", positive=True)
    steps = integer(steps, "steps", minimum=0)
    x = arrays[0].astype(model.inputs[0].dtype)
    bound = lipschitz_bound(model).value
    found = search_ratios(model, x, distance, steps, seed, batch_size)
    return Tightness(bound, found.local, found.ratio, found.pairs, found.exact)
