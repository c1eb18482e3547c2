"""One training of one library in a process of its own, and what its logits and kernels say."""

import dataclasses
import json
import math
import os
import tempfile
from pathlib import Path

import numpy as np

from lipzoo.data.dataset import Dataset
from studies.peers.environments import run
from studies.peers.exchange import ARRAYS, DATA, REQUEST, RESULT
from studies.peers.norms import true_norm
from studies.peers.shape import RADII, with_sizes

ROOT = Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True)
class Library:
    """A library to measure: name, the interpreter of its environment, and what is installed."""

    name: str
    interpreter: Path
    requirements: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """The module that trains it."""
        return f"studies.peers.train_{self.name.replace('-', '_')}"


def measure(library: Library, request: dict, dataset: Dataset, split: str) -> dict:
    """Trains as requested, and evaluates on one split: `"validation"` or `"test"`.

    Args:
        library: the library.
        request: `network`, `rate`, `budget` in seconds and `seed`.
        dataset: images as bytes.
        split: which examples to evaluate.

    Raises:
        PeerError: if the library's process fails.
    """
    examples = getattr(dataset, split)
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arrays = {"x": dataset.train.x, "y": dataset.train.y, "images": examples.x}
        np.savez(folder / DATA, labels=examples.y, **arrays)
        (folder / REQUEST).write_text(json.dumps(request), encoding="utf-8")
        command = [str(library.interpreter), "-m", library.module, name]
        run(library.name, command, cwd=ROOT, env=environment)
        said = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        with np.load(folder / ARRAYS) as arrays:
            kernels = [arrays[f"kernel{place}"] for place in range(len(arrays) - 1)]
            logits = arrays["logits"]
    norms = layer_norms(request["network"], kernels, said["padding"])
    bound = math.prod(norms)
    claimed = certified(logits, examples.y, said["claimed_bound"])
    return {
        "claimed_certified": claimed,
        **said,
        "norms": norms,
        "product_of_norms": bound,
        "clean": float(np.mean(logits.argmax(axis=1) == examples.y)),
        "certified": certified(logits, examples.y, bound),
    }


def layer_norms(network: str, kernels: list[np.ndarray], padding: str) -> list[float]:
    """The true norm of every product of a network, in order."""
    places = [place for place in with_sizes(network) if place[0] != "space_to_depth"]
    norms = []
    for (kind, units, height, width, channels), kernel in zip(places, kernels, strict=True):
        if kernel.shape[-2:] != (channels, units):
            raise ValueError(
                f"expected a {kind} kernel {channels, units}. Received: {kernel.shape}"
            )
        norms.append(true_norm(kernel, height, width, padding))
    return norms


def certified(logits: np.ndarray, labels: np.ndarray, bound: float) -> dict[str, float]:
    """Shares of examples that are right and whose radius `margin / (√2 bound)` exceeds each radius.

    Example:

    >>> certified(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 0]), bound=1.0)
    {'0.1': 0.5, '0.25': 0.5, '0.5': 0.5, '1.0': 0.0}
    """
    logits = logits.astype("float64")
    ordered = np.sort(logits, axis=1)
    radii = (ordered[:, -1] - ordered[:, -2]) / (math.sqrt(2) * bound)
    right = logits.argmax(axis=1) == labels
    return {str(radius): float(np.mean(right & (radii > radius))) for radius in RADII}
