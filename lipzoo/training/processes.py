"""One training in several processes, each with devices of its own (JAX)."""

import os
import re
import secrets
import time
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from lipzoo.training.model import TrainingError

# Keras' own variables, which `keras.distribution.initialize` reads.
ADDRESSES = "KERAS_DISTRIBUTION_JOB_ADDRESSES"
NUMBER = "KERAS_DISTRIBUTION_NUM_PROCESSES"
INDEX = "KERAS_DISTRIBUTION_PROCESS_ID"


def join_job(environment: Mapping[str, str] = os.environ) -> None:
    """Joins the other processes of a job, if Keras' environment variables name one.

    `KERAS_DISTRIBUTION_JOB_ADDRESSES` has the address of process 0, `host:port`,
    `KERAS_DISTRIBUTION_NUM_PROCESSES` the number of processes and
    `KERAS_DISTRIBUTION_PROCESS_ID` that of this one, from 0. It has to be called before the
    backend computes anything, and waits until all processes have called it.

    Raises:
        TrainingError: if one of the variables is missing or makes no sense, or the backend is
            another than JAX.
    """
    given = {key: environment[key] for key in (ADDRESSES, NUMBER, INDEX) if environment.get(key)}
    if not given:
        return
    missing = [key for key in (ADDRESSES, NUMBER, INDEX) if key not in given]
    if missing:
        raise TrainingError(
            f"expected {', '.join(missing)} beside {', '.join(given)}. Received: nothing"
        )
    for key in (NUMBER, INDEX):
        if not re.fullmatch("[0-9]{1,6}", given[key]):
            raise TrainingError(f"{key}: expected a whole number. Received: {given[key]}")
    first = given[ADDRESSES].split(",")[0]
    address = re.fullmatch(r"[^\s:]+:([0-9]{1,5})", first)
    if address is None or not 0 < int(address[1]) < 2**16:
        raise TrainingError(
            f"{ADDRESSES}: expected the address of process 0 as host:port. Received: {first!r}"
        )
    number, own = int(given[NUMBER]), int(given[INDEX])
    if number < 1:
        raise TrainingError(f"{NUMBER}: expected a number of at least 1. Received: {number}")
    if own >= number:
        raise TrainingError(
            f"{INDEX}: expected a number from 0 to {NUMBER} - 1 = {number - 1}. Received: {own}"
        )
    if keras.backend.backend() != "jax":
        raise TrainingError(
            "expected the backend jax to train in several processes. "
            f"Received: {NUMBER}={number}, backend={keras.backend.backend()}"
        )
    keras.distribution.initialize(given[ADDRESSES], number, own)


def process_count() -> int:
    """Number of processes that train together."""
    if keras.backend.backend() != "jax":
        return 1
    import jax

    return jax.process_count()


def process_index() -> int:
    """Number of this process; the one with number 0 writes the files."""
    if keras.backend.backend() != "jax":
        return 0
    import jax

    return jax.process_index()


def wait_for_all(name: str) -> None:
    """Returns when every process has come here."""
    if process_count() > 1:
        from jax.experimental.multihost_utils import sync_global_devices

        sync_global_devices(name)


def check_shared(folder: Path, patience: float = 10.0) -> None:
    """Says before any work whether all processes of a job see the same folder.

    Process 0 writes a file of a random name, for which the others look.

    Args:
        folder: folder that exists in the eyes of each process.
        patience: seconds until a file system shows the file.

    Raises:
        TrainingError: in every process, if one of them does not see it.
    """
    if process_count() == 1:
        return
    from jax.experimental.multihost_utils import broadcast_one_to_all, process_allgather

    number = int(broadcast_one_to_all(np.uint32(secrets.randbits(32))))
    sign = folder / f".job-{number}"
    if process_index() == 0:
        sign.touch()
    wait_for_all(f"{number} written")
    deadline = time.monotonic() + patience
    while not (seen := sign.exists()) and time.monotonic() < deadline:
        time.sleep(0.1)
    blind = np.flatnonzero(~np.ravel(process_allgather(np.array(seen))))
    if process_index() == 0:
        sign.unlink()
    if len(blind):
        raise TrainingError(
            f"{folder}: expected a run folder that all processes share. Received: one that process "
            f"{blind[0]} does not see"
        )


def own_share(values, processes: int, index: int):
    """The rows of arrays, in nested tuples, that are those of one of several processes.

    Example:

    >>> import numpy as np
    >>> own_share((np.arange(6), np.arange(6) + 10), 2, 1)
    (array([3, 4, 5]), array([13, 14, 15]))
    """
    if isinstance(values, tuple):
        return tuple(own_share(value, processes, index) for value in values)
    rows = len(values) // processes
    return values[index * rows : (index + 1) * rows]
