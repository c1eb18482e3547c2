"""Products of tensors, which have a bound where the model's inputs stay in a box.

    ||a b - a' b'|| <= ||a (b - b')|| + ||(a - a') b'|| <= (W_a L_b + W_b L_a) ||x - x'||

W_a is the norm of multiplying with a, entry by entry behind broadcasting: an entry of b that is
copied counts the root of the sum of the squares of sup |a| over its copies.
"""

import math
from functools import reduce

import numpy as np

from lipzoo.bounds.domain import Range
from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.bounds.tensor_bound import TensorBound, broadcast_copies
from lipzoo.rounding import Interval, add_up, gamma, hypot_up, inflated, mul_up

NEEDS_DOMAIN = (
    "A product of two tensors is as steep as they are large, so it has no bound for all inputs: "
    "with domain=(low, high), for instance (0, 1), there is one for inputs in that box."
)


def multiplied(operation, tensors, shapes, output_shape, dtype) -> tuple[LayerBound, TensorBound]:
    """A product of tensors, and its bound as a map of all of them together in their ranges.

    Raises:
        UncertifiedLayerError: without a box, where a range has no end, or where shapes do not fit.
    """
    if any(tensor.range is None for tensor in tensors):
        raise UncertifiedLayerError(operation, NEEDS_DOMAIN)
    for shape in shapes:
        if broadcast_copies(shape, output_shape) is None:
            unknown = None in output_shape[1:]
            hint = " Build the model with a fixed input shape." if unknown else ""
            raise UncertifiedLayerError(
                operation, f"It copies shape {tuple(shape)} to {tuple(output_shape)}.{hint}"
            )
    parts = [(tensor, shape[1:]) for tensor, shape in zip(tensors, shapes, strict=True)]
    apart = [
        (TensorBound(LayerBound.exact(1.0, ""), frozenset([i]), range=tensor.range), sizes)
        for i, (tensor, sizes) in enumerate(parts)
    ]

    def fold(factors):
        return reduce(lambda one, two: _product(operation, one, two, dtype), factors)[0]

    joint = fold(apart).bound.value
    return LayerBound(joint, "product of tensors on the box"), fold(parts)


def _product(operation, first, second, dtype) -> tuple[TensorBound, tuple]:
    (a, sizes_a), (b, sizes_b) = first, second
    sizes = tuple(one if two == 1 else two for one, two in zip(sizes_a, sizes_b, strict=True))
    with_a = weight(a.range.values, sizes_b, sizes)
    with_b = weight(b.range.values, sizes_a, sizes)
    if not (math.isfinite(with_a) and math.isfinite(with_b)):
        raise UncertifiedLayerError(
            operation, "What it multiplies is not known to be bounded, even on the domain."
        )
    known = Range(a.range.values * b.range.values, a.range.input_norm)
    unknown = tuple(dict.fromkeys((*a.unknown, *b.unknown)))
    bound = bilinear(a, b, with_a, with_b, gamma(1, dtype))
    return TensorBound(bound, a.inputs | b.inputs, unknown, known), sizes


def bilinear(a: TensorBound, b: TensorBound, with_a: float, with_b: float, unit: float):
    """The `LayerBound` of a product of two tensors, as a function of the model's input.

    Args:
        a, b: the tensors, in their ranges.
        with_a, with_b: norms of multiplying with any a, and any b, and with their absolute values.
        unit: by how much rounding may move the product, relative to that of the absolute values.
    """
    assert a.range is not None
    add = hypot_up if a.inputs.isdisjoint(b.inputs) else add_up
    value = add(mul_up(with_a, b.bound.value), mul_up(with_b, a.bound.value))
    offset = min(mul_up(with_a, b.bound.offset), mul_up(with_b, a.bound.offset))
    rounding = _rounding(a, b, with_a, with_b, a.range.input_norm, unit)
    return LayerBound(value, "", offset, *rounding)


def weight(values: Interval, sizes, output_sizes) -> float:
    """Norm of multiplying a tensor with another one in intervals, entry by entry.

    Args:
        values: of the other one.
        sizes: of the tensor, without batch axis.
        output_sizes: of the product, to which both are broadcast.

    Example:
        >>> round(weight(Interval.between(np.zeros((1, 1, 3)), 0.5), (1, 1, 3), (4, 4, 3)), 12)
        2.0
    """
    squares, terms = values.largest(), 1
    scale = float(squares.max(initial=0.0))
    if scale in (0.0, math.inf):
        return scale
    # No square overflows, and none that counts underflows.
    squares = (squares / scale) ** 2
    for axis, (own, size) in enumerate(zip(sizes, output_sizes, strict=True)):
        if own == 1 and size != 1:
            squares = squares.sum(axis=axis, keepdims=True) * (size / squares.shape[axis])
            terms += size
    if terms == 1:
        return scale
    # A quotient, a square, sums and products of the axes, the root and the scale.
    return float(inflated(np.sqrt(squares.max()) * scale, operations=terms + 3 * squares.ndim + 6))


def _rounding(a: TensorBound, b: TensorBound, with_a, with_b, input_norm, unit) -> tuple:
    """What rounding can do to the product.

    With errors e_a, e_b of the factors, and roundings d of each product, |d| <= u,

        (a + e_a)(b + e_b)(1 + d) - a b = (a e_b + e_a b + e_a e_b)(1 + d) + d a b

    where `||e_a e_b|| <= ||e_a|| ||e_b||`, and `||e_b||` is bounded in the box. In a sum of
    products every one has roundings of its own, and absolute values count.
    """
    if a.bound.rounding is None or b.bound.rounding is None:
        return None, None
    (slope_a, constant_a), (slope_b, constant_b) = a.bound.rounding, b.bound.rounding
    largest_error = add_up(mul_up(slope_b, input_norm), constant_b)
    factor_a = add_up(with_b, largest_error)
    grown = add_up(1.0, unit)
    slope = add_up(
        mul_up(grown, with_a, slope_b),
        mul_up(grown, factor_a, slope_a),
        mul_up(unit, with_a, b.bound.value),
    )
    constant = add_up(
        mul_up(grown, with_a, constant_b),
        mul_up(grown, factor_a, constant_a),
        mul_up(unit, with_a, b.bound.offset),
    )
    return slope, constant
