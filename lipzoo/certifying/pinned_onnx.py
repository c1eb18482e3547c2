"""An ONNX file by path and hash: what is read elsewhere is that very one, or refused."""

from dataclasses import dataclass
from pathlib import Path

import keras

from lipzoo.importing import from_onnx
from lipzoo.importing.graph import read_graph
from lipzoo_catalogue.files import FileRecord, read_file, record_of
from lipzoo_catalogue.model_config import ModelConfig
from lipzoo_catalogue.onnx_file import check_onnx_file

# What a file says of its input: neither units nor a range.
_UNITS = {"scale": "those of the file's input", "minimum": None, "maximum": None}


@dataclass(frozen=True)
class PinnedOnnx:
    """Where an ONNX file is, and what it has to be; as `PinnedModel`.

    Args:
        name: the file's name, without its ending.
        address: its absolute path.
        configuration, weights: record of the file, which is both.
        config: its shapes, as a configuration.
    """

    name: str
    address: str
    configuration: FileRecord
    weights: FileRecord
    config: ModelConfig
    revision: None = None

    @classmethod
    def find(cls, path: Path) -> "PinnedOnnx":
        """Reads the file's shapes and hashes it; no network is made, and no backend starts.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is no ONNX file of a classifier: one input, and an output of a number
                for each class.
        """
        path = path.expanduser().resolve()
        check_onnx_file(path)
        content = path.read_bytes()
        try:
            shape, classes = _shapes(content)
        except ValueError as error:
            error.args = (f"{path}: {error}",)
            raise
        arguments = {"input_shape": list(shape), "num_classes": classes}
        config = ModelConfig("ONNX", arguments, _UNITS)
        record = record_of(content)
        return cls(path.stem, str(path), record, record, config)

    def load(self, dtype: str) -> keras.Model:
        """Reads the network, if the file is the same.

        Raises:
            ValueError: if it is another, or cannot be read, see `lipzoo.from_onnx`.
        """
        read_file(self.address, self.weights, limit=self.weights.bytes)
        return from_onnx(self.address, dtype)


def _shapes(content: bytes) -> tuple[tuple[int, ...], int]:
    """Shape of an example, and the number of classes."""
    import onnx

    inputs = read_graph(content).inputs
    inferred = onnx.shape_inference.infer_shapes(onnx.load_model_from_string(content))
    outputs = [
        [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        for value in inferred.graph.output
    ]
    if len(inputs) != 1 or len(outputs) != 1 or len(outputs[0]) != 2 or outputs[0][1] < 1:
        raise ValueError(
            "Expected a classifier, of one input, whose output is a number for each class. "
            f"Received: {len(inputs)} inputs, outputs of shape {outputs}"
        )
    return inputs[0][1][1:], outputs[0][1]
