"""What a measurement ran on, as its file states it."""

import os
import platform
from importlib.metadata import version

import keras


def machine() -> dict:
    """Processors, backend, and the versions of Keras and of the backend, as JSON values."""
    backend = keras.backend.backend()
    return {
        "cpus": os.cpu_count(),
        "processor": platform.machine(),
        "backend": backend,
        "keras": keras.__version__,
        backend: version(backend),
    }
