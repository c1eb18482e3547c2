"""Building a model whose weights come from a file: no kernel is made only to be replaced.

Drawing orthogonal kernels and projecting them is most of the time that building a model takes, and
loading overwrites them at once. It is also where a configuration that asks for absurd sizes would
take the memory, so the sizes are counted here before anything is allocated.
"""

import contextlib
import contextvars
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass


@dataclass
class _Plan:
    allowed: int
    fresh: Collection[str] | None
    planned: int = 0


_plan: contextvars.ContextVar[_Plan | None] = contextvars.ContextVar(
    "lipzoo_building_plan", default=None
)


@contextlib.contextmanager
def weights_follow(parameters: int, fresh: Collection[str] | None = ()) -> Iterator[None]:
    """Within this context, constrained kernels are zeros, to be assigned right after.

    Args:
        parameters: the most parameters that the kernels may have together; building stops at the
            first kernel beyond.
        fresh: names of layers that are initialised as ever and not counted; `None`: every layer is
            initialised, and counted.

    Example:

    >>> with weights_follow(parameters=10):
    ...     must_initialise("flow", (3, 3))
    False
    """
    token = _plan.set(_Plan(parameters, fresh))
    try:
        yield
    finally:
        _plan.reset(token)


def must_initialise(layer_name: str, shape: tuple[int, ...]) -> bool:
    """Asked by a layer before it makes a kernel: whether its values matter.

    Args:
        layer_name: name of the layer.
        shape: shape of the kernel.

    Returns:
        True unless within `weights_follow` and the layer is not fresh.

    Raises:
        ValueError: if the kernels so far have more parameters than `weights_follow` allows.

    >>> must_initialise("flow", (3, 3))
    True
    """
    plan = _plan.get()
    if plan is None or (plan.fresh is not None and layer_name in plan.fresh):
        return True
    plan.planned += math.prod(shape)
    if plan.planned > plan.allowed:
        raise ValueError(
            f"expected a model of at most {plan.allowed:,} parameters. "
            f"Received: {plan.planned:,} or more, up to the kernel {tuple(shape)} of {layer_name!r}"
        )
    return plan.fresh is None
