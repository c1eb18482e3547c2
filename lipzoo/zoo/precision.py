"""The arithmetic in which a model is built, and so evaluated."""

import contextlib
import warnings
from collections.abc import Iterator

import keras

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
            f"Expected a dtype that the backend {keras.backend.backend()!r} computes in as it is "
            "set up (JAX needs JAX_ENABLE_X64=1). Received: dtype='float64'"
        )
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous)


def computes_in_float64() -> bool:
    """Whether the backend keeps float64 numbers; JAX makes them float32 unless told not to."""
    with warnings.catch_warnings():
        # JAX warns of the very truncation that is looked for.
        warnings.simplefilter("ignore")
        number = keras.ops.zeros((), dtype="float64")
    return keras.backend.standardize_dtype(number.dtype) == "float64"
