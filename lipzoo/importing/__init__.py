"""Networks that others made, from ONNX files, as Keras models of layers whose bounds are known."""

from lipzoo.importing.from_onnx import from_onnx

__all__ = ["from_onnx"]
