"""The name that `lipzoo.data.sources` had up to 0.1."""

import warnings

from lipzoo.data import sources

_NAMES = ("DataError", "RawData", "RawSplit", "read_source", "swiss_roll")


def __getattr__(name):
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(
        "lipzoo.training.sources is called lipzoo.data.sources since 0.2; the old name will go.",
        DeprecationWarning,
        stacklevel=2,
    )
    return getattr(sources, name)
