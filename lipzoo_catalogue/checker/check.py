"""Checks the certificate of a model from its files."""

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from lipzoo_catalogue.checker.architectures import ARCHITECTURES
from lipzoo_catalogue.checker.network import Network
from lipzoo_catalogue.checker.report import Report, compare
from lipzoo_catalogue.checker.tensors import Tensors, parse_tensors
from lipzoo_catalogue.checker.threads import single_threaded


def check_certificate(
    name: str,
    config: Mapping[str, Any],
    weights: bytes,
    certificate: Mapping[str, Any],
    others: Mapping[str, object] | None = None,
) -> Report:
    """Derives the bound of a model again, without the code that its certificate was made with.

    Weights are read with NumPy, the architecture's own definition says what they are weights of,
    and the norm of every operator is enclosed in float64 by its singular values, see
    `lipzoo_catalogue.checker.singular`. Neither Keras nor `lipzoo` is imported.

    Args:
        name: the model, for the report.
        config: the content of `config.json`.
        weights: the bytes of `model.safetensors`.
        certificate: the content of `certificate.json`.
        others: bounds that further files state of the whole model, by what to call them.

    Returns:
        A `Report`.

    Raises:
        ValueError: if the checker does not know the architecture or an argument, a tensor is
            missing, superfluous, of another shape or not finite, a stated bound is no number, or
            the certificate states its layers in another form.
    """
    architecture = config.get("architecture")
    if architecture not in ARCHITECTURES:
        raise ValueError(
            f"{name}: expected an architecture that the checker knows: "
            f"{', '.join(sorted(ARCHITECTURES))}. Received: architecture={architecture!r}"
        )
    walk: Callable[..., Network] = ARCHITECTURES[architecture]
    arguments = {key: value for key, value in config.get("arguments", {}).items() if key != "name"}
    _check_names(name, walk, arguments)
    tensors = Tensors(parse_tensors(weights, f"{name}: model.safetensors"), name)
    with single_threaded():
        network = walk(tensors, **arguments)
    tensors.finish()
    return compare(
        name, architecture, network.bounds, network.total, certificate, dict(others or {})
    )


def _check_names(name: str, walk: Callable[..., Network], arguments: Mapping[str, object]) -> None:
    parameters = inspect.signature(walk).parameters.values()
    known = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    for key in arguments:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            advice = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
            raise ValueError(f"{name}: config.json has an unknown argument {key!r}. {advice}")
    for parameter in parameters:
        required = parameter.default is inspect.Parameter.empty and parameter.name in known
        if required and parameter.name not in arguments:
            raise ValueError(f"{name}: config.json has no argument {parameter.name!r}")
        value = arguments.get(parameter.name, parameter.default)
        if isinstance(parameter.default, bool) and not isinstance(value, bool):
            raise ValueError(
                f"{name}: expected {parameter.name} to be true or false. "
                f"Received: {parameter.name}={value!r:.80}"
            )
