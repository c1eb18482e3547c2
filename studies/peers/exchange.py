"""How the comparison and a library's process speak: files in one folder."""

import json
import sys
from pathlib import Path
from typing import Protocol

import numpy as np

from studies.memory import memory
from studies.peers import clock

REQUEST, DATA, RESULT, ARRAYS = "request.json", "data.npz", "result.json", "arrays.npz"


class Network(Protocol):
    """What each library's module brings: `Network(name, seed)` builds one of the shapes."""

    def step(self, images, labels, rate):
        """One training step at a learning rate; returns when it is done."""

    def freeze(self):
        """Ends the training: what follows is about the form that the library has for inference."""

    def logits(self, images):
        """Logits of a batch of images with values in [0, 1], shape `(batch, 28, 28, 1)`."""

    def kernels(self):
        """The kernels that `logits` uses, in order, as NumPy arrays.

        Dense: `(inputs, outputs)`; convolutions: `(height, width, inputs, outputs)`.
        """

    def facts(self, images, labels):
        """What else is to be reported, JSON values; images as bytes."""


def answer(network: type[Network]) -> None:
    """Trains and evaluates a library's network as the folder given on the command line asks."""
    folder = Path(sys.argv[1])
    request = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
    with np.load(folder / DATA) as data:
        x, y, images, labels = (data[key] for key in ("x", "y", "images", "labels"))
    before = memory("VmRSS")
    built = network(request["network"], request["seed"])
    timing = clock.train(built.step, x, y, request["rate"], request["budget"], request["seed"])
    peak = memory("VmHWM")
    built.freeze()
    logits, speed = clock.infer(built.logits, images)
    result = {
        **timing,
        "inference_images_per_second": speed,
        "peak_bytes": peak,
        "bytes_before": before,
        **built.facts(images, labels),
    }
    kernels = {f"kernel{place}": kernel for place, kernel in enumerate(built.kernels())}
    np.savez(folder / ARRAYS, logits=logits, **kernels)
    (folder / RESULT).write_text(json.dumps(result), encoding="utf-8")
