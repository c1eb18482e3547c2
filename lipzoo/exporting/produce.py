"""Writes an exported network, runs it, and puts the certificate inside; under TensorFlow."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lipzoo.exporting.conversion import (
    CONVERTERS,
    add_certificate,
    to_onnx,
    with_certificate,
    write_saved_model,
)
from lipzoo.exporting.int8_graph import run_at_every_level
from lipzoo.exporting.quantisation import QuantisedKernel
from lipzoo.exporting.running import run_exported, runtime_of
from lipzoo_catalogue.exported.certificate import ExportedCertificate
from lipzoo_catalogue.exported.reading import exported_certificate
from lipzoo_catalogue.exported.target import SAVED_MODEL
from lipzoo_catalogue.files import write_file

# In float32 the sums of a runtime, in an order of its own, differ by some 1e-6 of the outputs.
TOLERANCE = 1e-5


def produce(
    model: keras.Model,
    format: str,
    certificate: ExportedCertificate,
    inputs: np.ndarray,
    outputs: np.ndarray,
    target: Path,
    kernels: Sequence[QuantisedKernel] = (),
) -> ExportedCertificate:
    """Writes `target`, after running what is written on some inputs.

    Args:
        model: the network.
        format: one of `FORMATS`.
        certificate: what is stated of the network.
        inputs: a few inputs.
        outputs: what the network, on the backend that it was made on, returns for them.
        target: path of a file, or of a folder, that does not exist.
        kernels: kernels that are stored in int8, whose products are in the network (ONNX).

    Returns:
        The certificate with the agreement that was found, as it is read back from the file.

    Raises:
        ValueError: if the format cannot express a layer, or the outputs are others.
    """
    exported: Any
    if format == SAVED_MODEL:
        write_saved_model(model, target)
        exported = target
    else:
        exported = to_onnx(model, kernels) if kernels else CONVERTERS[format](model)
    # One example and the rest: the batch size is free.
    parts = [run_exported(exported, format, part) for part in (inputs[:1], inputs[1:])]
    found = [np.concatenate(parts)]
    if kernels:
        found += run_at_every_level(exported, inputs).values()
    difference = float(np.abs(np.stack(found) - outputs).max())
    limit = TOLERANCE * max(1.0, float(np.abs(outputs).max()))
    if not difference <= limit:
        raise ValueError(
            f"Expected outputs in {format!r} within {limit:.3g} of the network's own. Received: "
            f"{model.name!r}, whose outputs differ by {difference:.3g}; nothing was written"
        )
    agreement = {
        "runtime": runtime_of(format),
        "examples": len(inputs),
        "largest_difference": difference,
    }
    certificate = dataclasses.replace(certificate, agreement=agreement)
    if format == SAVED_MODEL:
        add_certificate(target, certificate)
    else:
        write_file(target, with_certificate(exported, format, certificate))
    return exported_certificate(target)
