"""Exports a network of another backend in a child process that runs TensorFlow."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from lipzoo.data.npz import read_arrays, write_arrays
from lipzoo.exporting.produce import produce
from lipzoo.exporting.quantisation import QuantisedKernel
from lipzoo_catalogue.exported.certificate import ExportedCertificate
from lipzoo_catalogue.files import dump_json

_MODEL, _ARRAYS, _REQUEST, _RESULT = "model.keras", "arrays.npz", "request.json", "result.json"


class ExportError(RuntimeError):
    """A process that was to convert a network and failed."""


def produce_elsewhere(
    model: keras.Model,
    format: str,
    certificate: ExportedCertificate,
    inputs: np.ndarray,
    outputs: np.ndarray,
    target: Path,
    kernels: Sequence[QuantisedKernel] = (),
) -> ExportedCertificate:
    """As `produce`, on any backend: the network travels as a `.keras` file, in `target`'s folder.

    Raises:
        ValueError: as `produce` does, or if a class of the network is not known in a fresh process
            after `import lipzoo`.
        ExportError: if the process fails without such an answer.
    """
    folder = target.parent
    model.save(folder / _MODEL)
    arrays = {}
    for number, kernel in enumerate(kernels):
        arrays |= {f"int8.{number}": kernel.integers, f"scale.{number}": kernel.scales}
    write_arrays(folder / _ARRAYS, inputs=inputs, outputs=outputs, **arrays)
    request = {
        "format": format,
        "target": target.name,
        "certificate": certificate.to_dict(),
        "kernels": [kernel.path for kernel in kernels],
    }
    (folder / _REQUEST).write_bytes(dump_json(request))
    # The process finds the same lipzoo, installed or not.
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]
    environment = {
        **os.environ,
        "KERAS_BACKEND": "tensorflow",
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
    }
    command = [sys.executable, "-m", "lipzoo.exporting.child", str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    try:
        result = json.loads((folder / _RESULT).read_bytes())
    except FileNotFoundError:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise ExportError(f"Export in a process with TensorFlow failed: {last[0]}") from None
    if "error" in result:
        raise ValueError(result["error"])
    return ExportedCertificate.from_dict(result)


def main(folder: Path) -> None:
    """What the child process does with the files in `folder`."""
    request = json.loads((folder / _REQUEST).read_bytes())
    arrays = read_arrays(folder / _ARRAYS)
    try:
        model = keras.saving.load_model(folder / _MODEL, compile=False)
        certificate = produce(
            model,
            request["format"],
            ExportedCertificate.from_dict(request["certificate"]),
            arrays["inputs"],
            arrays["outputs"],
            folder / request["target"],
            [
                QuantisedKernel(path, arrays[f"int8.{number}"], arrays[f"scale.{number}"])
                for number, path in enumerate(request["kernels"])
            ],
        )
        result = certificate.to_dict()
    except (TypeError, ValueError) as error:
        result = {"error": str(error)}
    (folder / _RESULT).write_bytes(dump_json(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
