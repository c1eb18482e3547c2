"""How `lipzoo export` is called."""

import argparse

from lipzoo_cli.usage.options import MODEL
from lipzoo_cli.usage.usage import Usage


def _export(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", help=MODEL)
    command.add_argument(
        "--format",
        metavar="F",
        required=True,
        help="onnx, litert (formerly TensorFlow Lite), or saved_model (TensorFlow)",
    )
    command.add_argument(
        "--out",
        metavar="PATH",
        required=True,
        help="the file, or the folder of a saved_model; one that is there is replaced",
    )
    command.add_argument(
        "--quantize",
        metavar="Q",
        help="int8: weights as int8 numbers with float32 scales, certified as they are stored, "
        "activations in float32 (onnx)",
    )


EXPORT = Usage(
    name="export",
    summary="Write a model, with its certificate, in a format that runs without Keras.",
    example="lipzoo export gradflow-fmnist --format onnx --out fmnist.onnx",
    add_arguments=_export,
    run="export:export",
    hub=True,
)
