"""`lipzoo audit`: a claimed Lipschitz constant, held against proof and search."""

import argparse
from pathlib import Path

import keras
import numpy as np

from lipzoo.evaluation.audit import CONFIRMED, AuditContradiction
from lipzoo.evaluation.audit import audit as audit_model
from lipzoo.float64 import computes_in_float64
from lipzoo.importing import from_onnx
from lipzoo_catalogue.files import sha256_of
from lipzoo_cli.arguments import is_keras_file, is_onnx, print_json
from lipzoo_cli.exit_codes import CheckFailed
from lipzoo_cli.named_model import named_model


def audit(arguments: argparse.Namespace) -> None:
    """`lipzoo audit MODEL --claim L [--data FILE] [--out FILE] [--json] ...`."""
    model = _load(arguments)
    x = None if arguments.data is None else _inputs(arguments.data, arguments.examples)
    contradiction = None
    try:
        found = audit_model(
            model, arguments.claim, x, method=arguments.method, steps=arguments.steps
        )
    except AuditContradiction as error:
        found, contradiction = error.audit, error
    if arguments.out is not None:
        found.save(arguments.out)
    path = Path(arguments.model).expanduser()
    about = {"sha256": sha256_of(path.read_bytes())} if path.is_file() else {}
    if arguments.json:
        print_json({"model": arguments.model, **about, **found.to_dict()})
    else:
        print(found)
    if contradiction is not None:
        raise CheckFailed(str(contradiction))
    if found.verdict != CONFIRMED:
        raise CheckFailed(f"{arguments.model}: the claim of {arguments.claim!r} is {found.verdict}")


def _load(arguments: argparse.Namespace) -> keras.Model:
    path = Path(arguments.model).expanduser()
    if is_onnx(arguments.model):
        double = "float64" if computes_in_float64() else "float32"
        return from_onnx(path, arguments.dtype or double)
    if is_keras_file(arguments.model):
        model = keras.saving.load_model(path, compile=False)
        if not isinstance(model, keras.Model):
            raise ValueError(f"Expected a file of a keras.Model. Received: {arguments.model}")
        return model
    # What the search finds is measured in float64 all the same.
    return named_model(arguments.model, arguments, arguments.dtype or "float32")


def _inputs(file: str, examples: int) -> np.ndarray:
    """The first inputs of an .npy file, which may be larger than memory."""
    return np.load(Path(file).expanduser(), mmap_mode="r", allow_pickle=False)[:examples]
