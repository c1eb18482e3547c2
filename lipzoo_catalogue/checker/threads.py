"""One thread for linear algebra on small matrices."""

import contextlib


def single_threaded() -> contextlib.AbstractContextManager[object]:
    """Context in which NumPy's linear algebra uses one thread, if `threadpoolctl` is installed.

    On matrices of this size further threads mostly wait for each other, on a busy machine for ten
    times as long as the work takes.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return contextlib.nullcontext()
    return threadpool_limits(limits=1, user_api="blas")
