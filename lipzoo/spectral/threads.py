"""One thread for linear algebra on small matrices."""

import contextlib
import functools


@functools.cache
def _controller():
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    return ThreadpoolController()


def single_threaded_blas():
    """Context in which NumPy's BLAS uses one thread, if `threadpoolctl` is installed.

    Many products and factorisations of small matrices gain nothing from more threads, and
    OpenBLAS' threads wait for each other spinning: on a busy machine that takes a hundred times
    longer.

    Example:
        >>> with single_threaded_blas():
        ...     pass
    """
    controller = _controller()
    if controller is None:
        return contextlib.nullcontext()
    return controller.limit(limits=1, user_api="blas")
