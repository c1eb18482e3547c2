"""How `lipzoo verify` and `publish` are called."""

import argparse

from lipzoo_cli.usage.options import MODEL
from lipzoo_cli.usage.usage import Usage


def _verify(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "model", help=f"{MODEL}; or an exported .onnx or LiteRT file, or a SavedModel's folder"
    )
    command.add_argument(
        "--model",
        dest="against",
        metavar="MODEL",
        help="for an exported file: compare its weights, operators and bound with this model's",
    )
    command.add_argument(
        "--certificate",
        action="store_true",
        help="derive the bound with NumPy alone, by code that shares nothing with the one that "
        "made the certificate, and compare layer by layer",
    )


VERIFY = Usage(
    name="verify",
    summary="Check every file of a model and derive its bound again; or whether an exported file "
    "is as it was when its certificate was written.",
    example="lipzoo verify gradflow-fmnist",
    add_arguments=_verify,
    run="hub:verify",
    hub=True,
)


def _publish(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", help="run folder, or name in the zoo")
    command.add_argument(
        "--repo",
        metavar="OWNER/NAME",
        required=True,
        help="created if it does not exist; the token is that of HF_TOKEN or `hf auth login`",
    )
    command.add_argument(
        "--dry-run", action="store_true", help="show the exact content and make no request"
    )
    command.add_argument("--private", action="store_true", help="create it as a private one")
    command.add_argument("--tag", help="tag of the commit (default: the next of v1, v2, ...)")
    command.add_argument(
        "--replace-card",
        action="store_true",
        help="replace a README that a person edited, which is otherwise left as it is",
    )


PUBLISH = Usage(
    name="publish",
    summary="Check a model and publish it on the Hugging Face Hub: one commit, with a card and "
    "a tag.",
    example="lipzoo publish runs/mine --repo owner/name --dry-run",
    add_arguments=_publish,
    run="hub:publish",
)
