"""Exports a network, with its certificate, to a format that runs without Keras."""

import os
import tempfile
from pathlib import Path

import keras
import numpy as np

from lipzoo.exporting.child import produce_elsewhere
from lipzoo.exporting.conversion import SAVED_MODEL, check_packages
from lipzoo.exporting.produce import produce
from lipzoo.exporting.statement import statement_of
from lipzoo_catalogue.exported.certificate import FORMATS, ExportedCertificate

_EXAMPLES = 8


def export(model: keras.Model, path: str | Path, format: str) -> ExportedCertificate:
    """Writes a network in a format that runs without Keras, with its certificate inside.

    The exported network takes a batch of any size and consists of the format's own operations:
    products, convolutions, elementary functions and rearrangements of tensors; no custom ones and
    no Python. Before it is put at `path` it is run in its runtime on a few inputs and compared with
    the model. `lipzoo.exported_certificate(path)` reads the certificate back.

    What is proven: the Lipschitz bound of the map that the weights define, in exact arithmetic,
    derived anew from the weights as they are. What is not: anything about the rounding of the
    runtime that executes the file. `lipzoo.certify` accounts for rounding, as lipzoo computes the
    network; its radii are not those of the file.

    On another backend than TensorFlow the conversion runs in a child process with TensorFlow, whose
    outputs are compared with the model's own on its backend.

    Args:
        model: a `keras.Model` with one input of known shape, one output, and a proven bound.
        path: path of the file, or of the folder of a SavedModel; its parent must exist. An existing
            file is replaced, an existing folder only if it is a SavedModel.
        format: `"onnx"` for ONNX Runtime and others, `"litert"` for LiteRT (formerly TensorFlow
            Lite), or `"saved_model"` for TensorFlow. The first two take float32 networks.

    Returns:
        The `ExportedCertificate` that was written.

    Raises:
        TypeError: for anything but a Keras model.
        ValueError: if the format is unknown or cannot express a layer, which is named; if the model
            has several inputs or outputs; or if the exported network computes something else.
        UncertifiedLayerError: if a layer has no rule for its bound.
        ImportError: if a package is missing; `pip install 'lipzoo[export]'` installs it.
        OSError: if `path` cannot be written.
        ExportError: if the child process fails for another reason. Whatever is raised, `path` is
            as it was before.

    Example:

    >>> import tempfile, lipzoo
    >>> model = lipzoo.MLP((2,), 2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     certificate = lipzoo.export(model, f"{folder}/mlp", format="saved_model")
    ...     again = lipzoo.exported_certificate(f"{folder}/mlp")
    >>> again.lipschitz_bound == lipzoo.lipschitz_bound(model).value
    True
    """
    path = Path(path).expanduser()
    check_target(path, format)
    _check_model(model, format)
    certificate = statement_of(model)
    inputs = _examples(model, certificate)
    outputs = model(inputs, training=False)
    if isinstance(outputs, dict):
        raise ValueError(
            "Expected a model whose output is a tensor. "
            f"Received: model {model.name!r}, whose output is a dict of {sorted(outputs)}"
        )
    outputs = keras.ops.convert_to_numpy(outputs)
    on_tensorflow = keras.backend.backend() == "tensorflow"
    # Beside the target, so that it can be put in place in one step.
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as staging:
        staged = Path(staging) / "exported"
        make = produce if on_tensorflow else produce_elsewhere
        certificate = make(model, format, certificate, inputs, outputs, staged)
        _put(staged, path, Path(staging) / "old")
    return certificate


def check_target(path: Path, format: str) -> None:
    """Raises what `export` does of a path, a format, or a package that is missing."""
    if format not in FORMATS:
        raise ValueError(f"format must be one of {FORMATS}. Received: format={format!r}")
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
    check_packages(format)


def _check_model(model, format):
    if not isinstance(model, keras.Model):
        raise TypeError(f"Expected a keras.Model. Received: model={model!r}")
    ends = [getattr(model, name, None) for name in ("inputs", "outputs")]
    if any(end is None or len(end) != 1 for end in ends):
        counts = ["none" if end is None else len(end) for end in ends]
        raise ValueError(
            "Expected a functional or sequential model with one input and one output. "
            f"Received: model {model.name!r}, inputs: {counts[0]}, outputs: {counts[1]}"
        )
    if None in model.input_shape[1:]:
        raise ValueError(
            f"Expected an input of known shape. Received: input_shape={model.input_shape}"
        )
    if format == SAVED_MODEL:
        return
    for layer in (*model.layers, *model.inputs):
        dtype = getattr(layer, "compute_dtype", None) or layer.dtype
        if dtype != "float32":
            raise ValueError(
                f"Format {format!r} takes networks in float32. Received: {layer.name!r} in {dtype} "
                f"in model {model.name!r}"
            )


def _examples(model, certificate):
    """Inputs from the range that the model is meant for, always the same ones."""
    random = np.random.default_rng(0)
    shape = (_EXAMPLES, *certificate.input_shape)
    low, high = certificate.minimum, certificate.maximum
    values = random.normal(size=shape) if None in (low, high) else random.uniform(low, high, shape)
    return values.astype(model.inputs[0].dtype)


def _put(staged, path, old):
    """Puts a staged file or folder in place; what stood there is kept aside until it is."""
    if not path.is_dir():
        os.replace(staged, path)
        return
    os.replace(path, old)
    try:
        os.replace(staged, path)
    except BaseException:
        os.replace(old, path)
        raise
