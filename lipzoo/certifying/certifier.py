"""Certification as one callable that engines copy into their processes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lipzoo.bounds import METHODS
from lipzoo.certificates import certify
from lipzoo.certificates.certify import MAX, MIN
from lipzoo.certificates.norms import check_norm
from lipzoo.certifying.columns import ANSWERS, example_array, hand_on
from lipzoo.certifying.counting import Described, counted
from lipzoo.certifying.pinned_model import PinnedModel
from lipzoo.certifying.pinned_onnx import PinnedOnnx
from lipzoo.certifying.process_models import ProcessModel, process_model
from lipzoo.data.examples import in_model_units
from lipzoo.validation import integer
from lipzoo_catalogue.certified.certificate_summary import CertificateSummary
from lipzoo_catalogue.certified.common_settings import check_epsilons
from lipzoo_catalogue.files import sha256_of
from lipzoo_catalogue.onnx_file import SUFFIX
from lipzoo_catalogue.version import __version__

_REFERENCES = ("auto", "float64", None)


class Certifier:
    """Certifies batches of columns, in any process that it is copied into.

        {"x": (n, ...), "y": (n,)}  ->  {"prediction", "radius", "rival", "fingerprint", "y"}

    with n numbers each, in the order of the batch, as `lipzoo.certify` computes them. Any other
    column of a batch, such as a name of each example, is handed on.

    A pickle of it holds the model's name, its revision and the SHA-256 of its configuration and its
    weights, and never weights. In every process the model is loaded once, on the first batch, from
    where the name leads there, and refused if its files have other hashes. That makes it what Ray
    Data, Spark, Beam and `datasets` take; see the page "Large data".

    Examples may lack axes of length 1 that the model has, such as channels, or be rows of numbers,
    the last axis varying first; bytes (uint8) are divided by 255 for a model whose input is pixels
    in [0, 1], as `lipzoo certify` does.

    Args:
        name: a name of the zoo, the path of a folder or of an ONNX file (`lipzoo.from_onnx` reads
            it), or `"hf://owner/repo"`; a branch or a tag is resolved here, and the other processes
            load that very commit.
        epsilons: the radii that `summary` counts at; default: those that a certificate prints.
        reference: `"auto"`, `"float64"` or `None`, see `lipzoo.certify`.
        norm: `"l1"`, `"l2"` or `"linf"`, see `Certificate.in_norm`.
        x: name of the column of examples.
        y: name of the column of labels, which a batch may have or not.
        standardized, decision, method: see `lipzoo.certify`.
        dtype: arithmetic of the network, `"float32"` or `"float64"`.
        batch_size: examples that the model is called on at a time.
        revision, cache_dir, local_files_only: see `lipzoo.load`. A token is none of the arguments:
            it would be in the pickle. Set `HF_TOKEN` where the processes run.

    Attributes:
        settings: what a certificate of it rests on, by name: the model, its revision and hashes,
            norm, reference, arithmetic, backend, lipzoo's version. `"fingerprint"` in the answers
            is a hash of them, so that rows of other weights or settings are told apart anywhere.

    Raises:
        FileNotFoundError, ValueError, HubError: see `lipzoo.load`; ValueError also for a model that
            is no classifier, and for arguments that are none of those above.

    Example:
        >>> import pickle, numpy as np, lipzoo
        >>> images, labels = lipzoo.samples("fmnist")
        >>> certifier = lipzoo.Certifier("gradflow-fmnist", epsilons=[0.25], reference=None)
        >>> copy = pickle.loads(pickle.dumps(certifier))
        >>> answers = copy({"x": images[:4], "y": labels[:4], "id": np.arange(4)})
        >>> sorted(answers)
        ['fingerprint', 'id', 'prediction', 'radius', 'rival', 'y']
        >>> certifier.summary([answers]).examples
        4
    """

    def __init__(
        self,
        name: str | Path,
        epsilons: Sequence[float] | None = None,
        reference: str | None = "auto",
        norm: str = "l2",
        *,
        x: str = "x",
        y: str = "y",
        standardized: bool = False,
        decision: str = "max",
        method: str = "product",
        dtype: str = "float32",
        batch_size: int = 256,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
    ):
        _check_choice("reference", reference, _REFERENCES)
        _check_choice("decision", decision, (MAX, MIN))
        _check_choice("method", method, METHODS)
        _check_choice("dtype", dtype, ("float32", "float64"))
        if x == y or y in ANSWERS:
            raise ValueError(
                "Expected a column of labels that is neither that of the examples nor one of the "
                f"answers, {', '.join(ANSWERS)}. Received: x={x!r}, y={y!r}"
            )
        self.x, self.y = x, y
        self.epsilons = check_epsilons(epsilons, check_norm(norm))
        self.standardized, self.batch_size = standardized, integer(batch_size, "batch_size")
        self._pinned: PinnedModel | PinnedOnnx
        if Path(name).suffix.lower() == SUFFIX:
            if revision is not None:
                raise ValueError(
                    "Expected revision=None: an ONNX file has none. "
                    f"Received: revision={revision!r}"
                )
            self._pinned = PinnedOnnx.find(Path(name))
        else:
            self._pinned = PinnedModel.find(name, revision, cache_dir, local_files_only)
        if self._pinned.config.num_classes is None:
            raise ValueError(
                "Expected a classifier: radii are certified for predictions of a class. "
                f"Received: {name}, which has no classes"
            )
        self._settings: dict[str, Any] = {
            "model": self._pinned.name,
            "revision": self._pinned.revision,
            "configuration": self._pinned.configuration.sha256,
            "weights": self._pinned.weights.sha256,
            "norm": norm,
            "standardized": standardized,
            "decision": decision,
            "method": method,
            "reference": reference,
            "dtype": dtype,
        }

    @property
    def settings(self) -> dict[str, Any]:
        """What a certificate of this process rests on; see the class."""
        return self._settings | {"backend": keras.backend.backend(), "lipzoo": __version__}

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Certifies a batch.

        Args:
            batch: columns of equal length, arrays or lists, by name; not changed.

        Returns:
            `"prediction"` and `"rival"` (int64, -1 for no rival), `"radius"` (float64),
            `"fingerprint"` (int64, the same in every row), labels as int64, and every other column
            of the batch but that of the examples.

        Raises:
            ValueError: if there is no column of examples, or they do not fit the model; if another
                column has the name of an answer; if the model's files are not those that this was
                made of.
            RuntimeError: in a process that was forked when the model had been loaded.
        """
        if self.x not in batch:
            raise ValueError(
                f"Expected a batch with a column {self.x!r}. Received: {sorted(map(str, batch))}"
            )
        answers = hand_on(batch, self.x)
        stored = example_array(batch[self.x], self.x)
        if len(stored) == 0:
            # Engines have empty blocks.
            whole = {name: np.empty(0, "int64") for name in ("prediction", "rival", "fingerprint")}
            if self.y in answers:
                whole[self.y] = np.empty(0, "int64")
            return answers | whole | {"radius": np.empty(0)}
        where = f"column {self.x!r}"
        examples = in_model_units(stored, self._pinned.config, where, flat=True)
        if len(examples) != len(stored):
            raise ValueError(
                f"{where}: expected a row for each example. Received: one example of {len(stored)} "
                "rows"
            )
        found = self._loaded()
        settings = self.settings
        with found.lock:
            certificate = certify(
                found.model,
                examples[:],
                answers.get(self.y),
                standardized=self.standardized,
                decision=settings["decision"],
                reference=settings["reference"],
                batch_size=self.batch_size,
                method=settings["method"],
                verbose=0,
            ).in_norm(settings["norm"])
        if certificate.labels is not None:
            answers[self.y] = certificate.labels
        return answers | {
            "prediction": certificate.prediction,
            "radius": certificate.radius,
            "rival": certificate.rival,
            "fingerprint": np.full(len(stored), self.fingerprint),
        }

    @property
    def fingerprint(self) -> int:
        """The first 63 bits of the SHA-256 of all settings, in this process."""
        return int(sha256_of(repr(sorted(self.settings.items())).encode())[:16], 16) >> 1

    def load(self) -> keras.Model:
        """The model, loaded in this process if it is not yet.

        Raises:
            ValueError: if its files are not those that this was made of.
        """
        return self._loaded().model

    def make_predict_fn(self) -> Callable[..., dict[str, np.ndarray]]:
        """What Spark's `predict_batch_udf` calls once in every process.

            return_type = pyspark.sql.types.DataType.fromDDL(certifier.spark_type)
            predict_batch_udf(certifier.make_predict_fn, return_type=return_type, ...)

        Returns:
            A function of an array of examples and, if there are any, one of labels; it returns
            prediction, radius, rival and fingerprint by name.
        """
        self.load()

        def predict(x: np.ndarray, y: np.ndarray | None = None) -> dict[str, np.ndarray]:
            answers = self({self.x: x} if y is None else {self.x: x, self.y: y})
            return {name: answers[name] for name in ANSWERS}

        return predict

    spark_type = "prediction bigint, radius double, rival bigint, fingerprint bigint"

    def model_handler(self, **batching: int) -> Any:
        """A `ModelHandler` for Beam's `RunInference`, of elements that are rows of a batch.

        An element is a mapping with an example, and perhaps a label and other values, by the names
        of the columns; or an example alone. The inference is a dict of the same with
        prediction, radius, rival and fingerprint in place of the example.

        Args:
            **batching: arguments of Beam's `BatchElements`, such as `max_batch_size`.

        Raises:
            ImportError: if Apache Beam is not installed.
        """
        from lipzoo.certifying.beam import CertifierHandler

        return CertifierHandler(self, **batching)

    def summary(
        self,
        parts: Iterable[Mapping[str, Any] | CertificateSummary],
        part: str | None = None,
    ) -> CertificateSummary:
        """Counts the answers of a data set, part by part; memory does not grow with the examples.

        Args:
            parts: what calls returned, as columns, or summaries of such; an iterator is read once.
            part: a name for all of them together, in place of the identities of the parts: of
                many small ones the identities alone would take memory.

        Returns:
            A `CertificateSummary`, which can be added to others.

        Raises:
            ValueError: if there are none, a part is of other weights or settings, or one comes
                twice. Two parts that have the same answers in every column, of a single example
                each for instance, are taken for one that comes twice: hand on a column that tells
                the examples apart.
        """
        described = Described(
            self.settings,
            self.fingerprint,
            self.epsilons,
            self._pinned.config,
            self.y,
        )
        several: Any = [parts] if isinstance(parts, Mapping) else parts
        return counted(described, several, part)

    def _loaded(self) -> ProcessModel:
        dtype = self._settings["dtype"]
        pinned = self._pinned
        identity = (pinned.address, pinned.configuration, pinned.weights, dtype)
        return process_model(identity, lambda: pinned.load(dtype))

    def __repr__(self) -> str:
        return f"Certifier({self._pinned.address!r}, weights={self.settings['weights'][:12]}...)"


def _check_choice(name: str, value: object, choices: Sequence[object]) -> None:
    if value not in choices:
        known = ", ".join(map(repr, choices))
        raise ValueError(f"Expected {name} to be one of {known}. Received: {name}={value!r}")
