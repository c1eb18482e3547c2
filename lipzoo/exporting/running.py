"""Runs an exported network in its own runtime."""

import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np

from lipzoo_catalogue.exported.certificate import FORMATS


def runtime_of(format: str) -> str:
    """Name and version of the runtime that `run_exported` takes."""
    package = "onnxruntime" if format == "onnx" else "tensorflow"
    name = {"onnx": "ONNX Runtime", "litert": "LiteRT of TensorFlow"}.get(format, "TensorFlow")
    return f"{name} {version(package)}"


def run_exported(exported: bytes | Path, format: str, inputs: np.ndarray) -> np.ndarray:
    """Returns the outputs of an exported network, as its runtime computes them.

    Args:
        exported: content of the file; for a SavedModel, path of the folder.
        format: `"onnx"`, `"litert"` or `"saved_model"`.
        inputs: a batch.

    Raises:
        ValueError: for another format.
    """
    if format not in FORMATS:
        raise ValueError(f"format must be one of {FORMATS}. Received: format={format!r}")
    return {"onnx": _run_onnx, "litert": _run_litert}.get(format, _run_saved)(exported, inputs)


def _run_onnx(content, inputs):
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(None, {"input": inputs})[0]


def _run_litert(content, inputs):
    import tensorflow as tf

    with warnings.catch_warnings():
        # TensorFlow would have its users install the interpreter as a package of its own.
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(model_content=content)
    (entry,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(entry["index"], inputs.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(entry["index"], inputs)
    interpreter.invoke()
    return interpreter.get_tensor(result["index"])


def _run_saved(folder, inputs):
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    (outputs,) = loaded.signatures["serving_default"](tf.constant(inputs)).values()
    return outputs.numpy()
