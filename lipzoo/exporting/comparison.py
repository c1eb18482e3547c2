"""Compares an exported file with the model that it is said to be of."""

import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from lipzoo.exporting.export import export
from lipzoo.exporting.wiring import digest_of_array, litert_operators, onnx_operators
from lipzoo_catalogue.exported.certificate import ExportedCertificate
from lipzoo_catalogue.exported.containers import is_litert
from lipzoo_catalogue.exported.reading import exported_certificate

# The bound was derived on another machine, whose eigenvalue solver may round otherwise.
_ROUNDING = 1 + 1e-9


@dataclass(frozen=True)
class Comparison:
    """What a file holds, beside what the model exports to.

    Args:
        tensors: number of the model's constants: initializers, buffers or variables.
        missing: how many of them the file has not.
        strange: how many the file has beside them.
        operators: whether the file has the same operators, each as often; in ONNX and LiteRT with
            the same attributes and the same inputs, so that nothing is wired otherwise.
        stated_bound: the file's bound.
        derived_bound: the bound that was derived again, from the model's weights.
        difference_bounds: whether those of pairs of classes are the file's, or below.
    """

    tensors: int
    missing: int
    strange: int
    operators: bool
    stated_bound: float
    derived_bound: float
    difference_bounds: bool

    @property
    def same(self) -> bool:
        """Whether the file is the model's, and states nothing that the model does not have."""
        kept = self.derived_bound <= self.stated_bound * _ROUNDING and self.difference_bounds
        return not self.missing and not self.strange and self.operators and kept

    def __str__(self) -> str:
        return (
            f"{self.tensors - self.missing} of {self.tensors} constants are the model's, "
            f"{self.strange} are not; operators: {'the same' if self.operators else 'others'}; "
            f"bound {self.stated_bound:.9g}, derived again {self.derived_bound:.9g}"
        )


def compare(path: str | Path, model: keras.Model) -> Comparison:
    """Exports a model as a file was, and compares constants, operators and bounds.

    Constants are compared bit by bit, whatever their names and their order. The file's own
    certificate is read, and so its digests are compared.

    Raises:
        AlteredFileError: if the certificate does not belong to the file.
        ValueError: as `export` does, or if there is no certificate.
    """
    path = Path(path).expanduser()
    stated = exported_certificate(path)
    format = format_of(path)
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder) / "again"
        fresh = export(model, again, format, "int8" if stated.quantization else None)
        (found, operators), (expected, own) = (_READERS[format](p) for p in (path, again))
    return Comparison(
        expected.total(),
        (expected - found).total(),
        (found - expected).total(),
        operators == own,
        stated.lipschitz_bound,
        fresh.lipschitz_bound,
        _not_above(fresh, stated),
    )


def format_of(path: Path) -> str:
    """The format of an exported file or folder."""
    if path.is_dir():
        return "saved_model"
    with open(path, "rb") as file:
        return "litert" if is_litert(file.read(8)) else "onnx"


def _not_above(fresh: ExportedCertificate, stated: ExportedCertificate) -> bool:
    derived, known = fresh.difference_bounds, stated.difference_bounds
    if derived is None or known is None:
        return known is None
    return derived.shape == known.shape and bool(np.all(derived <= known * _ROUNDING))


def _onnx_parts(path):
    import onnx

    graph = onnx.load(path).graph
    constants = {
        tensor.name: digest_of_array(onnx.numpy_helper.to_array(tensor))
        for tensor in graph.initializer
    }
    return Counter(constants.values()), onnx_operators(graph, constants)


def _litert_parts(path):
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(path))
    own = {entry.buffer for entry in model.metadata or ()}
    contents = [
        np.array(buffer.data, "uint8")
        for number, buffer in enumerate(model.buffers)
        if number not in own and buffer.data is not None
    ]
    return Counter(map(digest_of_array, contents)), litert_operators(model)


def _saved_parts(path):
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(path / "variables" / "variables"))
    arrays = [reader.get_tensor(name) for name in reader.get_variable_to_shape_map()]
    graph = tf.saved_model.load(str(path)).signatures["serving_default"].graph.as_graph_def()
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    constants = [node for node in nodes if node.op == "Const"]
    arrays += [tf.make_ndarray(node.attr["value"].tensor) for node in constants]
    # Others than numbers are names and the like, which no weight is.
    tensors = Counter(digest_of_array(a) for a in map(np.asarray, arrays) if a.dtype.kind in "fiub")
    return tensors, Counter(node.op for node in nodes)


_READERS = {"onnx": _onnx_parts, "litert": _litert_parts, "saved_model": _saved_parts}
