"""Operators that move, take, append or repeat entries."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from lipzoo.importing.call import Call, Operator
from lipzoo.importing.operators.windows import PADDINGS
from lipzoo.importing.tensor import Tensor, channels_last, file_order


def _passed(call: Call):
    return call.tensor()


def _cast(call: Call):
    from onnx import TensorProto

    if call.attribute("to") != TensorProto.FLOAT:
        call.refuse("float32", f"type number {call.attribute('to')}")
    return call.tensor()


def _reshaped(call: Call, tensor, target):
    """A tensor in the order of the file, reshaped; `target` begins with the size of the batch."""
    batch, *sizes = target
    known = math.prod(tensor.shape[1:])
    if not target or batch != call.graph.batch or math.prod(sizes) != known:
        shape = (call.graph.batch, *tensor.shape[1:])
        call.refuse(f"a shape that keeps the batch axis of {shape}", f"{tuple(target)}")
    if tuple(sizes) == tensor.shape[1:]:
        return tensor
    if len(sizes) == 1:
        made = call.layer(keras.layers.Flatten, tensor.keras)
    else:
        made = call.layer(keras.layers.Reshape, tensor.keras, target_shape=tuple(sizes))
    return Tensor(made, file_order(len(target)), tensor.nonnegative)


def _reshape(call: Call):
    tensor, target = call.in_file_order(), call.integers("shape", 1)
    shape = (call.graph.batch, *tensor.shape[1:])
    if target is None or target.count(-1) > 1:
        call.refuse("a shape with at most one -1", target)
    if not call.attribute("allowzero", 0):
        if any(size == 0 and place >= len(shape) for place, size in enumerate(target)):
            call.refuse(f"a 0 at one of the {len(shape)} axes", target)
        target = [shape[place] if size == 0 else size for place, size in enumerate(target)]
    rest = math.prod(size for size in target if size != -1)
    if -1 in target and (rest <= 0 or math.prod(shape) % rest):
        call.refuse(f"a shape of as many entries as {shape}", target)
    return _reshaped(
        call, tensor, [math.prod(shape) // rest if size == -1 else size for size in target]
    )


def _flatten(call: Call):
    tensor = call.in_file_order()
    axis = call.attribute("axis", 1)
    axis = axis + tensor.rank if axis < 0 else axis
    shape = (call.graph.batch, *tensor.shape[1:])
    return _reshaped(call, tensor, [math.prod(shape[:axis]), math.prod(shape[axis:])])


def _squeeze(call: Call):
    tensor, axes = call.in_file_order(), call.integers("axes", 1)
    shape = (call.graph.batch, *tensor.shape[1:])
    if axes is None:
        call.refuse("axes, since the batch axis stays", "none")
    axes = {call.axis(axis, tensor.rank) for axis in axes}
    return _reshaped(call, tensor, [size for axis, size in enumerate(shape) if axis not in axes])


def _unsqueeze(call: Call):
    tensor, axes = call.in_file_order(), call.integers("axes", 1)
    shape = [call.graph.batch, *tensor.shape[1:]]
    rank = len(shape) + len(axes or ())
    for axis in sorted(call.axis(axis, rank) for axis in axes or ()):
        shape.insert(axis, 1)
    return _reshaped(call, tensor, shape)


def _transpose(call: Call):
    """Nothing is moved before something asks for an order of axes."""
    tensor = call.tensor()
    axes = tuple(call.attribute("perm", range(tensor.rank)[::-1]))
    if sorted(axes) != [*range(tensor.rank)] or axes[0] != 0:
        call.refuse("an order of axes that begins with the batch axis", f"perm={axes}")
    return Tensor(
        tensor.keras, tuple(axes.index(axis) for axis in tensor.order), tensor.nonnegative
    )


def _concat(call: Call):
    tensors = [call.tensor(i) for i in range(len(call.inputs))]
    order, rank = tensors[0].order, tensors[0].rank
    if {tensor.rank for tensor in tensors} != {rank}:
        call.refuse("tensors of one rank", [tensor.shape for tensor in tensors])
    axis = order.index(call.axis(call.attribute("axis", 1), rank))
    parts = [call.arranged(tensor, order).keras for tensor in tensors]
    made = parts[0] if len(parts) == 1 else call.layer(keras.layers.Concatenate, parts, axis=axis)
    return tensors[0].with_keras(made, all(tensor.nonnegative for tensor in tensors))


def _split(call: Call):
    tensor = call.tensor()
    axis = call.axis(call.attribute("axis", 0), tensor.rank)
    size, parts = tensor.shape[axis], len(call.node.outputs)
    # The last of parts that do not come out even is the smaller one.
    even = -(-size // parts)
    sizes = call.integers("split", 1, [even] * (parts - 1) + [size - even * (parts - 1)])
    if len(sizes) != parts or sum(sizes) != size or min(sizes) < 1:
        call.refuse(f"{parts} sizes of together {size}", sizes)
    cuts = [int(cut) for cut in np.cumsum(sizes)[:-1]]
    if not cuts:
        return tensor
    made = ops.split(tensor.keras, cuts, axis=tensor.order.index(axis))
    return [tensor.with_keras(part, tensor.nonnegative) for part in made]


def _slice(call: Call):
    tensor = call.tensor()
    starts, ends = call.integers("starts", 1), call.integers("ends", 2)
    if starts is None or ends is None:
        call.refuse("constant starts and ends", call.node.inputs)
    axes = call.integers("axes", 3, [*range(len(starts))])
    steps = call.integers("steps", 4, [1] * len(starts))
    keys = [slice(None)] * tensor.rank
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis = call.axis(axis, tensor.rank, "axis of slices")
        size = tensor.shape[axis]
        taken = range(*slice(start, end, step).indices(size)) if step > 0 else range(0)
        if not taken:
            call.refuse(f"entries of {size}, in steps of at least 1", f"{start}:{end}:{step}")
        keys[tensor.order.index(axis)] = slice(taken[0], taken[-1] + 1, step)
    return tensor.with_keras(tensor.keras[tuple(keys)], tensor.nonnegative)


def _gather(call: Call):
    """One entry along an axis, or neighbours."""
    tensor, indices = call.tensor(), call.constant(1, "indices")
    axis = call.axis(call.attribute("axis", 0), tensor.rank)
    size, place = tensor.shape[axis], tensor.order.index(axis)
    wanted = [int(index) + (size if index < 0 else 0) for index in indices.ravel()]
    consecutive = wanted and wanted == [*range(wanted[0], wanted[0] + len(wanted))]
    if indices.ndim > 1 or not consecutive or not 0 <= wanted[0] <= wanted[-1] < size:
        call.refuse(f"one index, or neighbouring ones, of {size}", indices.tolist())
    keys: list[Any] = [slice(None)] * tensor.rank
    keys[place] = slice(wanted[0], wanted[-1] + 1) if indices.ndim else wanted[0]
    made = tensor.keras[tuple(keys)]
    if indices.ndim:
        return tensor.with_keras(made, tensor.nonnegative)
    left = [a for a in tensor.order if a != axis]
    return Tensor(made, tuple(a - (a > axis) for a in left), tensor.nonnegative)


def _pad(call: Call):
    tensor = call.tensor()
    rank, pads = tensor.rank, call.integers("pads", 1)
    axes = [axis % rank for axis in call.integers("axes", 3, [*range(rank)])]
    value = call.attribute("value", 0.0)
    if call.optional_constant(2, "the value") is not None:
        value = float(call.floats(2, "the value").reshape(()))
    if pads is None or len(pads) != 2 * len(axes) or min(pads, default=0) < 0:
        call.refuse("two pads of at least 0 for each axis", pads)
    widths = [(0, 0)] * rank
    for place, axis in enumerate(axes):
        widths[axis] = (pads[place], pads[place + len(axes)])
    if not any(pads):
        return tensor
    if call.attribute("mode", "constant") != "constant" or value != 0 or any(widths[0]):
        found = f"mode={call.attribute('mode', 'constant')!r}, value={value}, {widths}"
        call.refuse("margins of zeros, behind the batch axis", found)
    if rank in (3, 4) and not any(widths[1]):
        tensor = call.arranged(tensor, channels_last(rank))
        margins = tuple(widths[2:]) if rank == 4 else widths[2]
        made = call.layer(PADDINGS[rank - 2], tensor.keras, padding=margins)
    else:
        made = ops.pad(tensor.keras, [widths[axis] for axis in tensor.order])
    return tensor.with_keras(made, tensor.nonnegative)


OPERATORS = {
    "Identity": Operator(_passed, "all"),
    "Dropout": Operator(_passed, "at inference"),
    "Cast": Operator(_cast, "to float32"),
    "Reshape": Operator(_reshape, "to a constant shape that keeps the batch axis"),
    "Flatten": Operator(_flatten, "behind the batch axis"),
    "Squeeze": Operator(_squeeze, "axes behind the batch"),
    "Unsqueeze": Operator(_unsqueeze, "axes behind the batch"),
    "Transpose": Operator(_transpose, "of the axes behind the batch"),
    "Concat": Operator(_concat, "tensors, along an axis behind the batch"),
    "Split": Operator(_split, "constant sizes, along an axis behind the batch"),
    "Slice": Operator(_slice, "constant limits, axes behind the batch, steps of at least 1"),
    "Gather": Operator(_gather, "one constant index, or neighbouring ones, behind the batch"),
    "Pad": Operator(_pad, "with zeros"),
}
