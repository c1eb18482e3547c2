"""What is known about one tensor of a model, as a function of the model's input."""

import itertools
import math
from dataclasses import dataclass, field, replace

import keras

from lipzoo.bounds.domain import Range
from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.rounding import add_up, gamma, hypot_up, mul_up, unit_roundoff

# Types whose values the wider type represents exactly.
_EXACT_CASTS = {
    ("float16", "float32"),
    ("bfloat16", "float32"),
    ("float16", "float64"),
    ("bfloat16", "float64"),
    ("float32", "float64"),
}


@dataclass(frozen=True)
class TensorBound:
    """Bounds of the map from the model's joint input x to one tensor t.

    Attributes:
        bound: `LayerBound` of that map: its Lipschitz bound, `||t|| <= offset + value ||x||`, and
            the accumulated rounding error `rounding_slope ||x|| + rounding_offset`.
        inputs: positions of the model inputs that t depends on. In all these bounds ||x|| may be
            taken over these inputs only.
        unknown: names of layers on the way whose rounding error is not known.
        range: where the entries of t lie, where the inputs are known to lie in a box.
    """

    bound: LayerBound
    inputs: frozenset[int]
    unknown: tuple[str, ...] = ()
    range: Range | None = field(default=None, compare=False, repr=False)

    def through(self, name: str, layer: LayerBound) -> "TensorBound":
        """The tensor after a layer with one input."""
        unknown = self.unknown
        if layer.rounding_slope is None and name not in unknown:
            unknown = (*unknown, name)
        return TensorBound(self.bound.then(layer), self.inputs, unknown)


def input_tensor(position: int, *dtypes: str) -> TensorBound:
    """The model's input number `position`, rounded to the types in which the model takes it.

    `keras.Model.predict` also rounds NumPy arrays to `keras.config.floatx()` on their way.

    Args:
        position: the number.
        dtypes: the types, one after the other.
    """
    first = keras.config.floatx()
    bound = LayerBound(1.0, "input", 0.0, unit_roundoff(first), 0.0)
    return cast_through(TensorBound(bound, frozenset([position])), first, *dtypes)


def casts_exactly(source: str, target: str) -> bool:
    """Whether every value of one floating point type is a value of the other."""
    return source == target or (source, target) in _EXACT_CASTS


def cast_through(tensor: TensorBound, source: str, *targets: str) -> TensorBound:
    """A tensor of type `source` after casts to floating point types, one after the other."""
    for target in targets:
        if not casts_exactly(source, target):
            cast = LayerBound(1.0, "cast", 0.0, unit_roundoff(target), 0.0)
            tensor = replace(tensor.through("cast", cast), range=tensor.range)
        source = target
    return tensor


def joined(tensors: list[TensorBound]) -> TensorBound:
    """Several tensors as one vector, as `Concatenate` makes it: `sqrt(L_1^2 + ... + L_k^2)`.

    Tensors that depend on different inputs of the model do not add up: there the largest counts.
    """
    combine = _largest if _independent(tensors) else hypot_up
    return _combined(tensors, combine, hypot_up)


def summed(tensors: list[TensorBound], dtype: str) -> TensorBound:
    """Sum (or difference) of tensors of equal shape: `L_1 + ... + L_k`, computed in `dtype`.

    For tensors that depend on different inputs, `sqrt(L_1^2 + ... + L_k^2)` by Cauchy-Schwarz. The
    k - 1 additions of each entry err by at most `gamma_(k-1)` times the sum of absolute values.
    """
    exact = _combined(tensors, hypot_up if _independent(tensors) else add_up, add_up)
    carried = exact.bound.rounding
    if carried is None:
        return exact
    bounds = [tensor.bound for tensor in tensors]
    known = [bound.rounding or (math.inf, math.inf) for bound in bounds]
    unit = gamma(len(tensors) - 1, dtype)
    sizes = add_up(
        *(add_up(b.offset, offset) for b, (_, offset) in zip(bounds, known, strict=True))
    )
    slopes = add_up(*(add_up(b.value, slope) for b, (slope, _) in zip(bounds, known, strict=True)))
    return TensorBound(
        LayerBound(
            exact.bound.value,
            exact.bound.derivation,
            exact.bound.offset,
            add_up(carried[0], mul_up(unit, slopes)),
            add_up(carried[1], mul_up(unit, sizes)),
        ),
        exact.inputs,
        exact.unknown,
    )


def _independent(tensors) -> bool:
    return all(a.inputs.isdisjoint(b.inputs) for a, b in itertools.combinations(tensors, 2))


def _largest(*values: float) -> float:
    return max(values)


def _combined(tensors, combine_slopes, combine_offsets) -> TensorBound:
    bounds = [tensor.bound for tensor in tensors]
    known = all(bound.rounding_slope is not None for bound in bounds)
    bound = LayerBound(
        combine_slopes(*(bound.value for bound in bounds)) if bounds else 0.0,
        "",
        combine_offsets(*(bound.offset for bound in bounds)),
        combine_slopes(*(bound.rounding_slope for bound in bounds)) if known else None,
        combine_offsets(*(bound.rounding_offset for bound in bounds)) if known else None,
    )
    inputs = frozenset().union(*(tensor.inputs for tensor in tensors))
    unknown = dict.fromkeys(name for tensor in tensors for name in tensor.unknown)
    return TensorBound(bound, inputs, tuple(unknown))


def broadcast_copies(shape, output_shape) -> int | None:
    """How often each entry of an example is copied when `shape` is broadcast to `output_shape`.

    `None` when this depends on unknown sizes or mixes examples.
    """
    if len(shape) != len(output_shape) or shape[0] != output_shape[0]:
        return None
    copies = []
    for size, target in zip(shape[1:], output_shape[1:], strict=True):
        if size == target:
            copies.append(1)
        elif size == 1 and target is not None:
            copies.append(target)
        else:
            return None
    return math.prod(copies)
