"""Certification as Apache Beam's `RunInference` has it."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from lipzoo_catalogue.installing import how_to_install

ModelHandler: Any = object
PredictionResult: Any = None
with contextlib.suppress(ImportError):
    from apache_beam.ml.inference.base import ModelHandler, PredictionResult


class CertifierHandler(ModelHandler):
    """Loads a certifier's model once in a process, and certifies the batches that Beam makes.

    Args:
        certifier: a `Certifier`.
        **batching: arguments of Beam's `BatchElements`, such as `max_batch_size`.

    Raises:
        ImportError: if Apache Beam is not installed.
    """

    def __init__(self, certifier: Any, **batching: int):
        if PredictionResult is None:
            raise ImportError(f"A model handler needs Apache Beam: {how_to_install('engines')}")
        super().__init__()
        self._certifier, self._batching = certifier, batching

    def load_model(self) -> Any:
        """The certifier, whose model is loaded then."""
        self._certifier.load()
        return self._certifier

    def run_inference(
        self, batch: Sequence[Any], model: Any, inference_args: Any = None
    ) -> Iterable[Any]:
        """One `PredictionResult` for each element, in their order."""
        rows = [row if isinstance(row, Mapping) else {model.x: row} for row in batch]
        names = list(rows[0])
        for row in rows:
            if set(row) != set(names):
                raise ValueError(f"Expected elements with {names}. Received: one with {list(row)}")
        answers = model({name: [row[name] for row in rows] for name in names})
        columns = {name: column.tolist() for name, column in answers.items()}
        for i, element in enumerate(batch):
            inference = {name: column[i] for name, column in columns.items()}
            yield PredictionResult(element, inference, model_id=model.settings["weights"])

    def get_num_bytes(self, batch: Sequence[Any]) -> int:
        """Size of the examples."""
        name = self._certifier.x
        return sum(np.asarray(r[name] if isinstance(r, Mapping) else r).nbytes for r in batch)

    def get_metrics_namespace(self) -> str:
        """Where Beam counts."""
        return "lipzoo"

    def batch_elements_kwargs(self) -> Mapping[str, Any]:
        """How large batches are."""
        return self._batching
