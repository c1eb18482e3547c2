"""Exports a network, with its certificate, to a format that runs without Keras."""

import dataclasses
import os
import tempfile
from pathlib import Path

import keras
import numpy as np

from lipzoo.exporting.child import produce_elsewhere
from lipzoo.exporting.produce import produce
from lipzoo.exporting.quantisation import description, quantised_kernels
from lipzoo.exporting.statement import sha256_of_weights, statement_of
from lipzoo_catalogue.exported.certificate import PROVEN_OF_INT8, ExportedCertificate
from lipzoo_catalogue.exported.target import SAVED_MODEL, check_target

_EXAMPLES = 8


def export(
    model: keras.Model, path: str | Path, format: str, quantize: str | None = None
) -> ExportedCertificate:
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

    With `quantize="int8"` (ONNX) kernels are stored as int8 numbers with a float32 scale per output
    channel, biases and activations stay in float32. The certificate is that *of the quantised
    network*: the bound is derived from the products `scale * int8` that the file stores, which
    a runtime computes bit by bit, before float operators only. A flow's kernel is stored
    once for both of its products, and scales shrink until a kernel is inside its `SpectralBound`,
    so that a 1-Lipschitz network stays one. Outputs are compared at every level of ONNX Runtime's
    graph optimisation, and an operator on integers in an optimised graph is refused. Nothing is
    claimed of the network before, whose weights' SHA-256 the certificate names, nor of a runtime
    that rounds activations to int8: that is a step function, and no bound holds. The model's
    weights are replaced while the file is made, and put back.

    Args:
        model: a `keras.Model` with one input of known shape, one output, and a proven bound.
        path: path of the file, or of the folder of a SavedModel; its parent must exist. An existing
            file is replaced, an existing folder only if it is a SavedModel.
        format: `"onnx"` for ONNX Runtime and others, `"litert"` for LiteRT (formerly TensorFlow
            Lite), or `"saved_model"` for TensorFlow. The first two take float32 networks.
        quantize: `None`, or `"int8"` for weights in int8, with `format="onnx"`.

    Returns:
        The `ExportedCertificate` that was written.

    Raises:
        TypeError: for anything but a Keras model.
        ValueError: if the format is unknown or cannot express a layer, which is named; if the model
            has several inputs or outputs; or if the exported network computes something else.
        UncertifiedLayerError: if a layer has no rule for its bound.
        ImportError: if a package is missing; the extra `export` installs it.
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
    check_target(path, format, quantize)
    _check_model(model, format)
    if quantize is None:
        return _write(model, path, format, statement_of(model), ())
    before = sha256_of_weights(model)
    with quantised_kernels(model) as kernels:
        certificate = statement_of(model)
        certificate = dataclasses.replace(
            certificate,
            quantization=description(kernels, before),
            proven=f"{certificate.proven} {PROVEN_OF_INT8}",
        )
        return _write(model, path, format, certificate, kernels)


def _write(model, path, format, certificate, kernels):
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
        certificate = make(model, format, certificate, inputs, outputs, staged, kernels)
        _put(staged, path, Path(staging) / "old")
    return certificate


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
