"""What an operator claims of itself, put to a test that can only refute it."""

import weakref

import keras
import numpy as np

from lipzoo.inverse.operators.base import MAX_ENTRIES, LinearOperator
from lipzoo.rounding import unit_roundoff

_STEPS = 15
_VECTORS = 2
# For operators too large to be written out, and the type that their products are made in.
_FEW_STEPS, _SHORT_TYPE = 3, "float32"
# Beyond the sums' own rounding, for operators that compute in float32 whatever they are given.
_TOLERANCE = 1e-5

# The claims that passed, by operator.
_passed = weakref.WeakKeyDictionary()


def check_claims(operator: LinearOperator) -> None:
    """Refutes a norm bound that is too low, and an adjoint that is another operator's.

    A few power iterations `v ← AᵀAv` give vectors for which `‖Av‖ / ‖v‖`, a lower bound of ‖A‖
    whatever v is, comes near to it; the same with `cI - AᵀA` for the smallest singular value; and
    `⟨Av, w⟩ = ⟨v, Aᵀw⟩` on random vectors. A claim counts as refuted if it is off by more than
    `1e-5 + 2 (inputs + outputs) u` of itself, u the unit roundoff of what `apply` returns.

    To pass is no proof: `norm_bound` has to be proven by who writes the operator. The test is made
    once for each operator and its claims.

    Args:
        operator: a `LinearOperator`.

    Raises:
        ValueError: if a claim is refuted, with what is claimed and what was found.

    Example:

    >>> from lipzoo.inverse import Matrix
    >>> check_claims(Matrix([[2.0, 0.0], [0.0, 1.0]]))
    >>> class Guessed(Matrix):
    ...     norm_bound = 1.0
    >>> check_claims(Guessed([[2.0, 0.0], [0.0, 1.0]]))
    Traceback (most recent call last):
    ValueError: ... norm_bound=1.0, and ‖Av‖ / ‖v‖ = 2...
    """
    claims = float(operator.norm_bound), float(operator.smallest_singular_value_bound)
    if _passed.get(operator) == claims:
        return
    generator = np.random.default_rng(0)
    v = generator.standard_normal((_VECTORS, *operator.input_shape))
    w = generator.standard_normal((_VECTORS, *operator.output_shape))
    forward, unit = _product(operator, "apply", v)
    backward, _ = _product(operator, "adjoint", w)
    tolerance = _TOLERANCE + 2 * (operator.inputs + operator.outputs) * unit
    _check_adjoint(operator, (v, w, forward, backward), tolerance)
    claimed, least = claims
    largest = _extreme_ratio(operator, v, 0.0)
    if not largest <= claimed * (1 + tolerance):
        raise ValueError(
            f"{operator!r}: expected norm_bound to be an upper bound of the operator's norm. "
            f"Received: norm_bound={claimed!r}, and ‖Av‖ / ‖v‖ = {largest:.9g} for a vector v. "
            "An estimate is no bound: prove one, or state the norm of the matrix, which "
            "lipzoo.inverse.Matrix does"
        )
    if least > 0:
        smallest = _extreme_ratio(operator, v, claimed**2)
        if not smallest >= least * (1 - tolerance):
            raise ValueError(
                f"{operator!r}: expected smallest_singular_value_bound to be a lower bound of "
                f"‖Av‖ / ‖v‖. Received: {least!r}, and {smallest:.9g} for a vector v"
            )
    _passed[operator] = claims


def _extreme_ratio(operator, v, shift):
    """Largest `‖Av‖ / ‖v‖` on the way of a power iteration; the smallest one with a shift."""
    ratios = []
    for _ in range(_FEW_STEPS if _is_large(operator) else _STEPS):
        v = v / np.maximum(_norms(v), np.finfo(float).tiny)
        forward, _ = _product(operator, "apply", v)
        ratios.extend((_norms(forward) / np.maximum(_norms(v), 0.5)).ravel().tolist())
        gram, _ = _product(operator, "adjoint", forward)
        v = gram if shift == 0 else shift * v - gram
        if not _norms(v).any():
            break
    return min(ratios) if shift else max(ratios)


def _check_adjoint(operator, products, tolerance):
    v, w, forward, backward = (array.reshape(_VECTORS, -1) for array in products)
    first, second = np.sum(forward * w, axis=1), np.sum(v * backward, axis=1)
    scale = _norms(forward) * _norms(w) + _norms(v) * _norms(backward)
    if not (np.abs(first - second) <= tolerance * scale.ravel()).all():
        worst = int(np.argmax(np.abs(first - second)))
        raise ValueError(
            f"{operator!r}: expected adjoint to be the transpose of apply, <Av, w> = <v, A'w>. "
            f"Received: {first[worst]:.9g} and {second[worst]:.9g} for random vectors"
        )


def _product(operator, name, array):
    """A product as float64, and the unit roundoff of the type it came in."""
    dtype = _SHORT_TYPE if _is_large(operator) else "float64"
    result = getattr(operator, name)(keras.ops.convert_to_tensor(array, dtype))
    shape = operator.output_shape if name == "apply" else operator.input_shape
    unit = unit_roundoff(keras.backend.standardize_dtype(result.dtype))
    values = np.asarray(keras.ops.convert_to_numpy(result)).astype("float64")
    if values.shape != (_VECTORS, *shape):
        raise ValueError(
            f"{operator!r}: expected {name} to return a batch of shape {(_VECTORS, *shape)}. "
            f"Received: {values.shape}"
        )
    return values, unit


def _is_large(operator):
    return operator.inputs * operator.outputs > MAX_ENTRIES


def _norms(arrays):
    axes = tuple(range(1, arrays.ndim))
    return np.sqrt(np.sum(arrays**2, axis=axes, keepdims=True))
