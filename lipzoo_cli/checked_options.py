"""Options of a command, in range and fitting together, known before Keras is imported."""

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from lipzoo_catalogue.attack_names import check_attack
from lipzoo_catalogue.formatting import parse_fraction
from lipzoo_cli.arguments import domain_of
from lipzoo_cli.checked_outputs import check_html, check_matplotlib, check_parent

if TYPE_CHECKING:
    from lipzoo_catalogue.certified.shards import Shard

_NEED_ATTACK = ("samples", "figure", "out", "record", "attack_certified")


def check_attack_options(arguments: argparse.Namespace) -> None:
    """Refuses options of `lipzoo evaluate` that do not fit together.

    Raises:
        ValueError: naming the option.
    """
    if not arguments.attack:
        given = [name for name in _NEED_ATTACK if getattr(arguments, name)]
        if given:
            option = given[0].replace("_", "-")
            raise ValueError(f"--{option} goes with --attack. Received: no --attack")
        return
    for name in arguments.attack:
        check_attack(name)
    if arguments.out is not None and Path(arguments.out).suffix not in (".csv", ".npz"):
        raise ValueError(f"--out: expected a .csv or .npz file. Received: {arguments.out}")
    if arguments.figure is not None and Path(arguments.figure).suffix != ".png":
        raise ValueError(f"--figure: expected a .png file. Received: {arguments.figure}")
    for option in ("out", "figure"):
        check_parent(getattr(arguments, option), f"--{option}")
    if arguments.figure is not None:
        check_matplotlib("--figure needs Matplotlib")
    if arguments.record and (arguments.data is not None or arguments.dtype != "float32"):
        raise ValueError(
            "--record is about the model's own test split in float32. "
            f"Received: --data {arguments.data}, --dtype {arguments.dtype}"
        )


def check_certify_options(arguments: argparse.Namespace) -> "tuple[Path | None, Shard | None]":
    """Refuses options of `lipzoo certify` that do not fit together.

    Returns:
        The file of `--out`, or `None`, and the `Shard`, or `None`.

    Raises:
        ValueError: naming the option.
    """
    from lipzoo_catalogue.certified.shards import parse_shard
    from lipzoo_catalogue.certified.writing import PARTS, check_out

    if arguments.examples is not None and arguments.examples < 1:
        raise ValueError(f"--examples: expected a positive number. Received: {arguments.examples}")
    if domain_of(arguments) is not None:
        _refuse_beside(arguments, "--domain", "standardized", "method", "local")
    if arguments.local:
        _refuse_beside(arguments, "--local", "standardized")
    out = None if arguments.out is None else Path(arguments.out)
    if out is not None:
        check_out(out, "--out")
    shard = None if arguments.shard is None else parse_shard(arguments.shard)
    check_html(arguments.html, "--html")
    if shard is not None and arguments.html is not None:
        raise ValueError(
            "--html: expected no --shard, since a page is of all examples. "
            f"Received: --shard {arguments.shard}"
        )
    if shard is not None and (out is None or out.suffix not in PARTS):
        raise ValueError(
            "--shard: expected --out with an .npz or .parquet file, of which `lipzoo join` makes "
            f"the whole. Received: --out {arguments.out}"
        )
    return out, shard


def check_conformal_options(arguments: argparse.Namespace) -> tuple[float, float]:
    """Refuses options of `lipzoo conformal` that are out of range.

    Returns:
        The numbers of `--alpha` and `--epsilon`.

    Raises:
        ValueError: naming the option.
    """
    alpha = parse_fraction(arguments.alpha)
    if not 0 < alpha < 1:
        raise ValueError(f"--alpha: expected a number between 0 and 1. Received: {arguments.alpha}")
    epsilon = _not_negative(arguments.epsilon, "--epsilon")
    _check_out(arguments.out)
    return alpha, epsilon


def check_reconstruct_options(arguments: argparse.Namespace) -> tuple[float | None, float | None]:
    """Refuses options of `lipzoo reconstruct` that are out of range.

    Returns:
        The numbers of `--noise-norm` and `--noise`, one of which is `None`.

    Raises:
        ValueError: naming the option.
    """
    norm = noise = None
    if arguments.noise_norm is not None:
        norm = _not_negative(arguments.noise_norm, "--noise-norm")
    else:
        noise = _not_negative(arguments.noise, "--noise")
        if noise == 0.0:
            raise ValueError("--noise: expected a positive number. Received: 0")
    for option, endings in (("out", (".npy", ".npz", ".png")), ("figure", (".png",))):
        path = getattr(arguments, option)
        if path is not None and Path(path).suffix.lower() not in endings:
            raise ValueError(f"--{option}: expected {' or '.join(endings)}. Received: {path}")
        check_parent(path, f"--{option}")
    if arguments.figure is not None:
        check_matplotlib("--figure needs Matplotlib")
    return norm, noise


def _refuse_beside(arguments: argparse.Namespace, option: str, *names: str) -> None:
    """Refuses other options of `lipzoo certify` than their defaults beside one."""
    usual: dict[str, object] = {"standardized": False, "method": "product", "local": False}
    for name in names:
        value: object = getattr(arguments, name)
        if value != usual[name]:
            given = f"--{name}" if value is True else f"--{name} {value}"
            raise ValueError(f"{option}: expected no {given} beside it. Received: both")


def _not_negative(text: str, option: str) -> float:
    value = parse_fraction(text)
    if not 0 <= value < math.inf:
        raise ValueError(f"{option}: expected a finite number of at least 0. Received: {text}")
    return value


def _check_out(path: str | None) -> None:
    # NumPy is a tenth of a second that the help need not wait for.
    from lipzoo_catalogue.certified.writing import check_out

    if path is not None:
        check_out(Path(path), "--out")
