"""Operators as JSON values, for recipes and the configurations of models."""

import difflib

from lipzoo.inverse.operators.base import LinearOperator, Matrix
from lipzoo.inverse.operators.blur import Blur
from lipzoo.inverse.operators.fourier import Fourier
from lipzoo.inverse.operators.mask import Mask
from lipzoo.inverse.operators.sparse_matrix import SparseMatrix
from lipzoo.inverse.operators.tomography import Tomography

_KINDS = (Blur, Fourier, Mask, Matrix, SparseMatrix, Tomography)
_BY_NAME = {kind.__name__: kind for kind in _KINDS}


def serialize(operator: LinearOperator) -> dict:
    """Returns `{"class_name": ..., "config": {...}}`, which `get` reads.

    Raises:
        ValueError: for an operator of a class that is not lipzoo's own.

    >>> serialize(Tomography(4, 2))
    {'class_name': 'Tomography', 'config': {'size': 4, 'angles': 2, 'bins': None}}
    """
    name = type(operator).__name__
    if _BY_NAME.get(name) is not type(operator):
        raise ValueError(
            f"Expected an operator of one of lipzoo's classes, {', '.join(_BY_NAME)}: others exist "
            f"in code only. Received: operator={operator!r}"
        )
    return {"class_name": name, "config": operator.get_config()}


def get(identifier) -> LinearOperator:
    """Returns an operator: the given one, or one of lipzoo's own made from JSON values.

    Args:
        identifier: a `LinearOperator`, or `{"class_name": "Tomography", "config": {...}}`.

    Raises:
        ValueError: for an unknown class, or arguments that it refuses.
        TypeError: for anything else.

    >>> get({"class_name": "Tomography", "config": {"size": 4, "angles": 2}}).output_shape
    (2, 6)
    """
    if isinstance(identifier, LinearOperator):
        return identifier
    if not isinstance(identifier, dict) or not set(identifier) <= {"class_name", "config"}:
        raise TypeError(
            "operator must be a lipzoo.inverse.LinearOperator, or a dict with the keys "
            f"'class_name' and 'config'. Received: operator={identifier!r}"
        )
    name, config = identifier.get("class_name"), identifier.get("config", {})
    if name not in _BY_NAME:
        near = difflib.get_close_matches(str(name), _BY_NAME, n=1)
        advice = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(_BY_NAME)}."
        raise ValueError(f"operator: unknown class_name {name!r}. {advice}")
    try:
        return _BY_NAME[name].from_config(config)
    except TypeError as error:
        raise ValueError(f"operator: {name} takes other arguments: {error}") from None
