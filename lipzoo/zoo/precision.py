"""The arithmetic in which a model is built, and so evaluated."""

import contextlib
from collections.abc import Iterator

import keras

from lipzoo.float64 import FLOAT64_ADVICE, computes_in_float64

DTYPES = ("float32", "float64")


@contextlib.contextmanager
def building_in(dtype: str | None) -> Iterator[None]:
    """Within this context, new layers have the dtype policy `dtype`; the one before is restored.

    Args:
        dtype: `"float32"`, `"float64"`, or `None` for Keras' current policy.

    Raises:
        ValueError: if `dtype` is something else, or the backend does not compute in it.

    Example:

    >>> with building_in("float64"):
    ...     layer = keras.layers.Dense(2)
    >>> layer.compute_dtype, keras.layers.Dense(2).compute_dtype
    ('float64', 'float32')
    """
    if dtype is None:
        yield
        return
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ValueError(f"dtype must be 'float32', 'float64' or None. Received: dtype={dtype!r}")
    if dtype == "float64" and not computes_in_float64():
        raise ValueError(
            f"Expected a dtype that the backend {keras.backend.backend()!r} computes in. "
            f"Received: dtype='float64' ({FLOAT64_ADVICE})"
        )
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous)
