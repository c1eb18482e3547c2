"""Checkpoints of a run: written whole or not at all, and enough to continue exactly."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from lipzoo.data.npz import read_arrays
from lipzoo_catalogue.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be written, read or used for this run."""


def write_atomically(path: Path, write) -> None:
    """Calls `write(file)` on a temporary file and puts it in place of `path` when it is complete.

    A failure (a full disk, a kill) leaves what stood at `path` before.

    Args:
        path: path of the file.
        write: function that writes to an open binary file.

    Raises:
        CheckpointError: if the file cannot be written; the message has the system's reason.
    """
    try:
        with replacing(path) as file:
            write(file)
    except OSError as error:
        raise CheckpointError(error.strerror or str(error)) from error


def write_json(path: Path, value: object) -> None:
    """Writes indented JSON atomically."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))


def write_figure(path: Path, figure: "Figure", dpi: int = 120) -> None:
    """Writes a Matplotlib figure as PNG atomically."""
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=dpi))


def save_checkpoint(path: Path, model: keras.Model, state: dict) -> None:
    """Saves all variables of the model and its optimizer, and `state` (JSON values), atomically."""
    arrays = {f"model/{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(model.variables)}
    arrays |= {
        f"optimizer/{i}": keras.ops.convert_to_numpy(v)
        for i, v in enumerate(model.optimizer.variables)
    }
    arrays["state"] = np.array(json.dumps(state))
    write_atomically(path, lambda file: np.savez(file, **arrays))


def read_checkpoint(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """Reads a checkpoint's state and arrays.

    Raises:
        CheckpointError: if the file is damaged.
    """
    try:
        arrays = read_arrays(path)
        return json.loads(str(arrays.pop("state"))), arrays
    except (KeyError, ValueError) as error:
        raise CheckpointError(
            f"{path}: not a readable checkpoint ({error}); delete the run folder to start anew"
        ) from None


def restore_variables(path: Path, model: keras.Model, arrays: dict[str, np.ndarray]) -> None:
    """Puts a checkpoint's arrays into the model and its (built) optimizer.

    Raises:
        CheckpointError: if they do not fit; the model is then unchanged.
    """
    pairs = []
    for part, variables in (("model", model.variables), ("optimizer", model.optimizer.variables)):
        for index, variable in enumerate(variables):
            array = arrays.get(f"{part}/{index}")
            if array is None or array.shape != tuple(variable.shape):
                raise CheckpointError(
                    f"{path}: expected {variable.path} of shape {tuple(variable.shape)}. "
                    f"Received: {'nothing' if array is None else array.shape}"
                )
            pairs.append((variable, array))
    if len(pairs) != len(arrays):
        raise CheckpointError(f"{path}: expected {len(pairs)} variables. Received: {len(arrays)}")
    for variable, array in pairs:
        variable.assign(array)
