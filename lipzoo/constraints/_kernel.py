"""What the constraints on the norm of a kernel share."""

import math
import numbers
from typing import Any, cast

import keras
from keras import ops

from lipzoo.rounding import HALF_PRECISION, unit_roundoff
from lipzoo.tracing import traced_once


class KernelConstraint(keras.constraints.Constraint):
    """Base of the constraints that project a kernel: equal ones share the trace of a shape."""

    def _projected(self, w):
        """The projection of a weight, computed in float32 where it is stored in half precision."""
        kernel = ops.convert_to_tensor(w)
        storage = keras.backend.standardize_dtype(kernel.dtype)
        if storage in HALF_PRECISION:
            kernel = ops.cast(kernel, "float32")
        return ops.cast(traced_once(_project, kernel, self, storage), storage)

    def _project(self, kernel, storage):
        """The projection of a tensor in float32 or float64 that is to be stored in `storage`."""
        raise NotImplementedError

    def __eq__(self, other):
        """Whether the other one is of the same class and does the same."""
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self):
        return hash((type(self), *self.get_config().items()))


def _project(kernel, constraint, storage):
    return constraint._project(kernel, storage)


def checked_bound(bound: Any) -> float:
    """Returns the largest norm that a constraint allows as a float.

    Raises:
        ValueError: unless it is a number within the range of float32, with room to spare.
    """
    is_number = isinstance(bound, numbers.Real) and not isinstance(bound, bool)
    value = float(cast(Any, bound)) if is_number else math.nan
    if not 1e-30 <= value <= 1e30:
        raise ValueError(f"bound must be a number in [1e-30, 1e30]. Received: bound={bound!r}")
    return value


def targets(bound: float, shape, storage: str) -> tuple[float, float]:
    """The norm to project to, and the one up to which a kernel is left as it is.

    The first is `bound` less the rounding of a kernel stored in `storage`, of which a kernel that
    is not touched suffers none. What was projected by its proven bound is so not projected again;
    a matrix that Newton-Schulz steps brought below 1 may be, its bound being a little above its
    norm.

    Args:
        bound: largest norm.
        shape: of the kernel, in groups that of one group's.
        storage: type in which it is stored.
    """
    # ‖K‖_F <= √rank ‖K‖ bounds how far the stored kernel is off; the rest is the evaluation.
    rank = min(shape[-1], math.prod(shape[:-1]))
    unit = unit_roundoff("float64" if storage == "float64" else "float32")
    # What the float64 bound allows for its own rounding.
    certificate = rank * sum(shape[-2:]) * math.prod(shape[:-2]) * 2.0**-52
    stored = unit_roundoff(storage) * math.sqrt(rank)
    target = bound / (1.0 + stored + 128 * unit + certificate)
    return target, bound / (1.0 + 64 * unit + certificate)


def positive(value):
    """Guards a division: the smallest normal number instead of zero."""
    return ops.maximum(value, 1e-30)
