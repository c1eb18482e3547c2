"""Whether an ONNX file can be read at all, checked before Keras is imported."""

import importlib.util
from pathlib import Path

from lipzoo_catalogue.installing import how_to_install

SUFFIX = ".onnx"
_PACKAGES = ("onnx", "onnxruntime")


def check_onnx_file(path: Path) -> None:
    """Raises what `lipzoo.from_onnx` does of a path that is no file, or a package that is missing.

    Raises:
        FileNotFoundError: if there is no such file.
        ImportError: if a package is missing, with the way to install it.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected the path of an ONNX file. Received: {str(path)!r}")
    for package in _PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise ImportError(f"Reading ONNX needs {package}: {how_to_install('export')}")
