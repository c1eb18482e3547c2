"""What a run ran on: versions, backend and hardware, for the metrics file."""

import importlib.metadata
import os
import platform

import keras

from lipzoo_catalogue.version import __version__


def describe_environment() -> dict:
    """Returns versions, backend and hardware as JSON values.

    Example:

    >>> sorted(describe_environment())
    ['backend', 'hardware', 'versions']
    """
    packages = ["keras", "numpy", keras.backend.backend()]
    # An installation that is edited in place keeps the version that it was installed under.
    versions = {"python": platform.python_version(), "lipzoo": __version__}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = _source_version(package)
    return {
        "backend": keras.backend.backend(),
        "versions": versions,
        "hardware": _hardware(),
    }


def _source_version(package: str) -> str:
    """Version of a package that has another name on the index."""
    return getattr(importlib.import_module(package), "__version__", "unknown")


def _hardware() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    text = f"{_processor()}, {cores} cores"
    accelerators = _accelerators()
    return f"{text}, {accelerators} GPU" if accelerators else text


def _accelerators() -> int:
    if keras.backend.backend() == "torch":
        # Keras has no list of devices for this backend.
        import torch

        return torch.cuda.device_count()
    try:
        return len(keras.distribution.list_devices("gpu"))
    except RuntimeError:
        # JAX without a GPU raises instead of returning none.
        return 0


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
