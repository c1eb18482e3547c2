"""Models that are loaded once in a process, however often what names them is copied into it."""

import os
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import keras


@dataclass
class ProcessModel:
    """A model with the lock that whoever calls it holds: Keras' `predict` is not thread-safe."""

    model: keras.Model
    process: int = field(default_factory=os.getpid)
    lock: threading.Lock = field(default_factory=threading.Lock)


_loaded: dict[Hashable, ProcessModel] = {}
_lock = threading.Lock()


def process_model(identity: Hashable, load: Callable[[], keras.Model]) -> ProcessModel:
    """The model of an identity, loaded on the first call in this process.

    Args:
        identity: what tells models apart.
        load: loads it.

    Raises:
        RuntimeError: in a process that was forked from one which had loaded it: the backend's
            threads do not survive a fork, and it would wait for them for ever.
    """
    if identity not in _loaded:
        with _lock:
            if identity not in _loaded:
                _loaded[identity] = ProcessModel(load())
    found = _loaded[identity]
    if found.process != os.getpid():
        raise RuntimeError(
            "Expected a process that loads the model itself. Received: one that was forked from "
            "a process in which it was loaded, where the backend would wait for threads that do "
            "not exist. Let the engine start its processes before the first call here, or start "
            "them anew (multiprocessing.set_start_method('spawn'), of `datasets` that of "
            "`multiprocess`)"
        )
    return found
