"""Radii from slopes within the ball itself, grown to the largest that they prove.

In a ball of radius s the slopes are at most those of `lipzoo.bounds.local`; they prove a radius
r(s), for perturbations of up to s. So min(r(s), s) is proven for every s, and a bisection looks for
the s at which both agree, since r falls with s. Whatever it finds is a proof.
"""

from collections.abc import Callable

import numpy as np

from lipzoo.bounds.local import Chain, local_slopes
from lipzoo.bounds.local.slopes import arguments_of

# Halvings of the interval between the radius of the whole network and that of the derivative at x.
STEPS = 8

Radii = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def grown_radius(
    chain: Chain,
    x: np.ndarray,
    prediction: np.ndarray,
    known: tuple[np.ndarray, np.ndarray],
    radii: Radii,
) -> tuple[np.ndarray, np.ndarray]:
    """The largest radii, and the rivals, that slopes within their own balls prove.

    Args:
        chain: the network.
        x: inputs, shape `(examples, entries)`.
        prediction: their classes.
        known: radii that are proven already, and their rivals.
        radii: the radii, and the rivals, that slopes prove where they hold in given balls:
            a function of the slopes, shape `(examples, outputs)`, and of the balls.
    """
    arguments = arguments_of(chain, x.astype("float64"))
    best, rival = (np.array(each) for each in known)
    low = np.where(np.isfinite(best), best, 0.0)
    active = np.isfinite(best)

    def step(balls, active):
        slopes = local_slopes(chain, arguments, balls, prediction, active)
        found, nearest = radii(slopes, balls)
        proven = np.where(active, np.minimum(found, balls), 0.0)
        better = proven > best
        best[better], rival[better] = proven[better], nearest[better]
        return found

    # No ball proves more than the point alone.
    high = step(np.zeros_like(low), active)
    active &= np.isfinite(high) & (high > low)
    high = np.where(active, high, 0.0)
    low = np.where(active, np.maximum(low, np.minimum(step(high, active), high)), low)
    active &= high > low
    for _ in range(STEPS):
        if not active.any():
            break
        middle = np.where(active, (low + high) / 2, 0.0)
        found = step(middle, active)
        holds = found >= middle
        low = np.where(active & holds, middle, np.where(active, np.maximum(low, found), low))
        high = np.where(active & holds, np.minimum(high, found), np.where(active, middle, high))
        low = np.minimum(low, high)
    return best, rival
