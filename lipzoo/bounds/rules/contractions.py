"""Matrix products of two tensors, which have a bound where the model's inputs stay in a box.

    ||A B - A' B'||_F <= ||A||_2 ||B - B'||_F + ||B'||_2 ||A - A'||_F

The spectral norm of any A in its range is at most that of the matrix of sup |A|, and Frobenius' of
A itself; of a stack of matrices, as attention has one for each head, the largest counts.
"""

import math

import keras
import numpy as np

from lipzoo.bounds.domain import Range
from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.bounds.rules.products import NEEDS_DOMAIN, bilinear
from lipzoo.bounds.tensor_bound import TensorBound
from lipzoo.rounding import Interval, gamma, hypot_up, mul_up, sqrt_up
from lipzoo.spectral import dense_norm_bound

# Entries of a stack of matrices whose norms are computed; of more, one number bounds all entries.
_LARGEST = 2**20
# Axes of an example: of the stack, those that stay, the one that is summed over.
Layout = tuple[tuple[int, ...], tuple[int, ...], int]


def contracted(operation, tensors, shapes, output_shape, dtype) -> tuple[LayerBound, TensorBound]:
    """A matrix product, and its bound as a map of both tensors together in their ranges.

    Raises:
        UncertifiedLayerError: without a box, where a range has no end, or where examples would mix.
    """
    if any(tensor.range is None for tensor in tensors):
        raise UncertifiedLayerError(operation, NEEDS_DOMAIN)
    sizes = [tuple(shape[1:]) for shape in shapes]
    layouts = _layouts(operation, shapes)
    if any(shape[0] != output_shape[0] for shape in shapes):
        raise UncertifiedLayerError(operation, "It copies along the batch axis.")
    first, second = tensors
    with_first, with_second = (
        _matrix_norm(tensor.range, own, layout)
        for tensor, own, layout in zip(tensors, sizes, layouts, strict=True)
    )
    if not (math.isfinite(with_first) and math.isfinite(with_second)):
        raise UncertifiedLayerError(
            operation, "What it multiplies is not known to be bounded, even on the domain."
        )
    summands = sizes[0][layouts[0][2]]
    bound = bilinear(first, second, with_first, with_second, gamma(summands, dtype))
    ends = (float(tensor.range.values.largest().max(initial=0.0)) for tensor in tensors)
    size = min(
        mul_up(float(summands), *ends),
        mul_up(with_first, second.range.norm),
        mul_up(with_second, first.range.norm),
    )
    largest = np.full((1,) * (len(output_shape) - 1), size)
    known = Range(Interval(-largest, largest), first.range.input_norm)
    unknown = tuple(dict.fromkeys((*first.unknown, *second.unknown)))
    joint = LayerBound(hypot_up(with_first, with_second), "matrix product on the box")
    return joint, TensorBound(bound, first.inputs | second.inputs, unknown, known)


def _layouts(operation, shapes) -> tuple[Layout, Layout]:
    """How the entries of both tensors make matrices."""
    if any(size is None for shape in shapes for size in shape[1:]):
        raise UncertifiedLayerError(
            operation, "It multiplies matrices of an unknown size: build it with a fixed one."
        )
    if isinstance(operation, keras.layers.Dot):
        return _layouts_of_dot(operation, shapes)
    ranks = {len(shape) for shape in shapes}
    (rank,) = ranks if len(ranks) == 1 else (0,)
    if rank < 3 or shapes[0][1:-2] != shapes[1][1:-2]:
        raise UncertifiedLayerError(
            operation,
            f"It multiplies shapes {' and '.join(map(str, shapes))}: expected a matrix for each "
            "example, or as many for each.",
        )
    stack = tuple(range(rank - 3))
    return (stack, (rank - 3,), rank - 2), (stack, (rank - 2,), rank - 3)


def _layouts_of_dot(layer, shapes) -> tuple[Layout, Layout]:
    if layer.normalize:
        raise UncertifiedLayerError(
            layer, "With normalize=True it divides by a norm, which may be 0."
        )
    axes = [layer.axes] * 2 if isinstance(layer.axes, int) else layer.axes
    layouts = []
    for axis, shape in zip(axes, shapes, strict=True):
        rank, summed = len(shape), axis % len(shape)
        if rank > 3 or summed == 0:
            raise UncertifiedLayerError(layer, f"It takes the axis {axis} of shape {shape}.")
        layouts.append(((), tuple(i - 1 for i in range(1, rank) if i != summed), summed - 1))
    return layouts[0], layouts[1]


def _matrix_norm(known: Range, sizes: tuple[int, ...], layout: Layout) -> float:
    """Upper bound of the spectral norms of all matrices of a stack in a range."""
    stack, stays, summed = layout
    rows, columns = math.prod(sizes[i] for i in stays), sizes[summed]
    entries = known.values.largest()
    largest = float(entries.max(initial=0.0))
    if entries.size == 1 or math.prod(sizes) > _LARGEST or not math.isfinite(largest):
        return min(known.norm, mul_up(largest, sqrt_up(float(rows * columns))))
    whole = [entries.shape[i] if i in stack else size for i, size in enumerate(sizes)]
    matrices = np.broadcast_to(entries, whole).transpose((*stack, *stays, summed))
    matrices = matrices.reshape(-1, rows, columns)
    return min(known.norm, max(dense_norm_bound(matrix) for matrix in matrices))
