"""Where `lipzoo certify` computes: in this process, or in those of Ray."""

import argparse
import importlib
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np

from lipzoo.certificates import certify
from lipzoo_catalogue.certified.certified import columns_of
from lipzoo_catalogue.certified.terms import Terms
from lipzoo_cli.arguments import domain_of
from lipzoo_cli.certified_model import CertifiedModel, model_to_certify

# Pieces of the data that an actor has before it: one to go on with.
_AHEAD = 2
# How often an actor is replaced, and a piece repeated: it may be what kills its actors.
_REPEATS = 3
Piece = tuple[np.ndarray, np.ndarray | None]
Answer = tuple[Terms, dict[str, np.ndarray]]


def certified_piece(model: keras.Model, piece: Piece, arguments: argparse.Namespace) -> Answer:
    """The terms and columns of some examples."""
    certificate = certify(
        model,
        *piece,
        standardized=arguments.standardized,
        decision=arguments.decision,
        method=arguments.method,
        domain=domain_of(arguments),
        local=arguments.local,
        verbose=0,
    ).in_norm(arguments.norm)
    return Terms.of(certificate), columns_of(certificate)


class Worker:
    """What an actor does: it loads the model, and certifies what it is given.

    Args:
        arguments: those of the command.
        hashes: of the model's configuration and weights.

    Raises:
        ValueError: if the model has other hashes where the actor is.
    """

    def __init__(self, arguments: argparse.Namespace, hashes: tuple[str, str]):
        subject = model_to_certify(arguments)
        found = subject.configuration, subject.weights
        if found != hashes:
            raise ValueError(
                f"Expected the model with configuration and weights {hashes} in every process. "
                f"Received: {found}"
            )
        self._arguments, self._model = arguments, subject.load()

    def certify(self, x: np.ndarray, y: np.ndarray | None) -> Answer:
        """See `certified_piece`."""
        return certified_piece(self._model, (x, y), self._arguments)


def through_ray(
    pieces: Iterable[Piece], subject: CertifiedModel, arguments: argparse.Namespace
) -> Iterator[Answer]:
    """Answers in the order of the pieces; an actor that dies is replaced, and its pieces repeated.

    Three times each: then Ray's own error ends the command.

    There is an actor for every processor of the cluster that `RAY_ADDRESS` names, or of this
    machine.

    Raises:
        ValueError: see `certify`.
    """
    ray: Any = importlib.import_module("ray")
    own = not ray.is_initialized()
    if own:
        ray.init(log_to_driver=False, configure_logging=False)
    try:
        hashes = subject.configuration, subject.weights
        remote: Any = ray.remote(num_cpus=1, max_restarts=_REPEATS, max_task_retries=_REPEATS)(
            Worker
        )
        count = max(int(ray.cluster_resources().get("CPU", 1)), 1)
        actors = [remote.remote(arguments, hashes) for _ in range(count)]
        waiting: deque[Any] = deque()
        for number, (x, y) in enumerate(pieces):
            waiting.append(actors[number % count].certify.remote(x, y))
            if len(waiting) >= _AHEAD * count:
                yield ray.get(waiting.popleft())
        while waiting:
            yield ray.get(waiting.popleft())
    finally:
        if own:
            ray.shutdown()
