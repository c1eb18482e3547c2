"""What an export asks for, checked before Keras or anything else that takes time is imported."""

import importlib.util
from pathlib import Path

from lipzoo_catalogue.exported.certificate import FORMATS
from lipzoo_catalogue.installing import how_to_install

SAVED_MODEL = "saved_model"
PACKAGES = {"onnx": ("tf2onnx", "onnx", "onnxruntime"), "litert": (), SAVED_MODEL: ()}
"""Optional packages that a format needs."""

_FLOAT_ONLY = {
    "litert": "LiteRT multiplies int8 weights with activations that it rounds to int8 at run time, "
    "and a step function has no Lipschitz bound",
    SAVED_MODEL: "a SavedModel keeps its weights as float32 variables",
}


def check_target(path: Path, format: str, quantize: str | None = None) -> None:
    """Raises what `lipzoo.export` does of a path, a format, or a package that is missing.

    Raises:
        ValueError: for an unknown format or quantisation, or one that a format does not have.
        OSError: if there is no such folder, or something else than what is to be written.
        ImportError: if a package is missing, with the way to install it.
    """
    if format not in FORMATS:
        raise ValueError(f"format must be one of {FORMATS}. Received: format={format!r}")
    _check_quantize(quantize, format)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"Expected an existing folder. Received: {str(path.parent)!r}")
    is_folder = path.is_dir()
    if is_folder and format != SAVED_MODEL:
        raise IsADirectoryError(f"Expected the path of a file. Received: folder {str(path)!r}")
    if path.exists() and not is_folder and format == SAVED_MODEL:
        raise NotADirectoryError(f"Expected the path of a folder. Received: file {str(path)!r}")
    if is_folder and any(path.iterdir()) and not (path / "saved_model.pb").exists():
        raise FileExistsError(
            f"Expected a new folder, or one with a SavedModel to replace. Received: {str(path)!r}, "
            "which holds something else"
        )
    for package in PACKAGES[format]:
        if importlib.util.find_spec(package) is None:
            raise ImportError(f"Export to {format!r} needs {package}: {how_to_install('export')}")


def _check_quantize(quantize: str | None, format: str) -> None:
    if quantize is None:
        return
    if quantize != "int8":
        raise ValueError(
            "quantize must be None or 'int8', which means the weights alone: activations in int8 "
            "are a step function of the input, which has no Lipschitz bound, and where their scale "
            "is taken from the batch, one example changes the predictions of others. "
            f"Received: quantize={quantize!r}"
        )
    if format != "onnx":
        raise ValueError(
            f"quantize='int8' takes format='onnx': {_FLOAT_ONLY[format]}. "
            f"Received: format={format!r}"
        )
