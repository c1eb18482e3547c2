"""How `lipzoo audit` is called."""

import argparse

from lipzoo_cli.usage.options import MODEL
from lipzoo_cli.usage.usage import Usage


def _audit(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", help=f"{MODEL}; or an .onnx or .keras file")
    command.add_argument(
        "--claim",
        metavar="L",
        type=float,
        required=True,
        help="the Lipschitz constant that is claimed, in the Euclidean norms of input and output",
    )
    command.add_argument(
        "--data",
        metavar="FILE",
        help="an .npy file of inputs that the search starts from (default: 64 random ones)",
    )
    command.add_argument(
        "--examples",
        metavar="N",
        type=int,
        default=64,
        help="start from the first N of them (default: 64)",
    )
    command.add_argument(
        "--steps",
        metavar="N",
        type=int,
        default=100,
        help="of the search, at each of two distances (default: 100)",
    )
    command.add_argument(
        "--method",
        choices=("product", "semidefinite"),
        default="product",
        help="of the bound, as in lipzoo certify (default: product)",
    )
    command.add_argument(
        "--dtype",
        choices=("float32", "float64"),
        help="arithmetic of the network in the search (default: float64 for an .onnx file where "
        "the backend computes in it, float32 for a model of the zoo, which is measured in float64 "
        "all the same; a .keras file keeps its own)",
    )
    command.add_argument(
        "--out", metavar="FILE", help="write the pair with the largest ratio to an .npz file"
    )


AUDIT = Usage(
    name="audit",
    summary="Hold a claimed Lipschitz constant against proof and search; exit code 0 if it is "
    "confirmed, 1 if it is refuted or neither.",
    example="lipzoo audit gradflow-fmnist --claim 1.0 --out pair.npz",
    add_arguments=_audit,
    run="audit:audit",
    hub=True,
)
