"""How `lipzoo conformal` is called."""

import argparse

from lipzoo_cli.usage.options import MODEL, add_dtype
from lipzoo_cli.usage.usage import Usage


def _conformal(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", help=f"{MODEL}; or an .onnx file that others made")
    command.add_argument(
        "calibration",
        help="labelled examples that the model has not seen: an .npz or .csv file, a folder of "
        "images, hf:OWNER/NAME, tfds:NAME or sklearn:NAME, as in lipzoo certify",
    )
    command.add_argument(
        "data", help="the examples to give sets of classes, with or without labels, likewise"
    )
    command.add_argument(
        "--alpha",
        metavar="A",
        default="0.1",
        help="share of examples whose true class sets may miss (default: 0.1)",
    )
    command.add_argument(
        "--epsilon",
        metavar="E",
        default="0",
        help="l2 norm of perturbations, such as 0.25 or 36/255, that the examples may have "
        "undergone (default: 0)",
    )
    command.add_argument(
        "--class-conditional",
        action="store_true",
        help="guarantee the coverage for every class alone",
    )
    command.add_argument(
        "--standardized",
        action="store_true",
        help="perturbations in standard deviations, for a model that begins by standardising",
    )
    command.add_argument(
        "--out", metavar="FILE", help="write the set of every example: a .csv, .json or .npz file"
    )
    command.add_argument(
        "--method",
        choices=("product", "semidefinite"),
        default="product",
        help="of the bound, as in lipzoo certify (default: product)",
    )
    add_dtype(command)


CONFORMAL = Usage(
    name="conformal",
    summary="Sets of classes that contain the true one with a guaranteed probability, even under "
    "attack (in Python: lipzoo.conformal).",
    example="lipzoo conformal gradflow-fmnist calibration.npz images.npz --alpha 0.1 "
    "--epsilon 0.25",
    add_arguments=_conformal,
    run="conformal:conformal",
    hub=True,
)
