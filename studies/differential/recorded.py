"""Recorded `keras.ops`, with constants of all kinds and shapes."""

import keras
import numpy as np
from keras import ops


def constant(draw, x):
    """A constant that broadcasts against a tensor, or nearly so."""
    shape = tuple(x.shape[1:])
    kind = draw.integer(0, 9)
    draw.note("captured constant")
    if kind <= 2:
        return draw.pick(2, 0.1, -3.5, np.float32(0.3), np.float64(0.7), np.int32(2))
    shapes = [shape[-1:], (1, *shape), (1,), ()]
    odd = [shape, (2, *shape), (1, 1, *shape), (shape[-1] + 1,), (1, *shape[:-1], 3), (3, 1)]
    odd += [(1, *(1 for _ in shape)), (*shape[:-1], 1)]
    chosen = draw.pick(*odd) if kind >= 8 else draw.pick(*shapes)
    if kind >= 8:
        draw.note("constant of an odd shape")
    array = draw.values(chosen).astype("float32").astype("float64")
    how = draw.integer(0, 5)
    if how == 0:
        return ops.convert_to_tensor(array, draw.float_type("float32"))
    if how == 1 and draw.maybe(0.3):
        draw.note("captured variable")
        return keras.Variable(array, dtype=draw.float_type("float32"))
    if how == 2:
        draw.note("constant of float64")
    array = array if how == 2 else array.astype(draw.float_type("float32"))
    draw.constants.append(array)
    return array


def with_constant(draw, x):
    value = constant(draw, x)
    name = draw.pick("add", "subtract", "multiply", "divide", "maximum", "minimum", "from", "under")
    draw.note(f"operation {name}")
    if name == "from":
        return value - x
    if name == "under":
        return value / x if draw.maybe(0.2) else ops.minimum(value, x)
    if name == "divide" and draw.maybe(0.9) and isinstance(value, np.ndarray):
        value = np.where(np.abs(value) < 0.1, 0.5, value).astype(value.dtype)
    return getattr(ops, name)(x, value)


def unary(draw, x):
    """An operation that a bound is known of."""
    rank = len(x.shape)
    axis = draw.integer(1, rank - 1)
    options = {
        "negative": lambda: -x,
        "abs": lambda: ops.abs(x),
        "relu": lambda: ops.relu(x),
        "relu6": lambda: ops.relu6(x),
        "leaky_relu": lambda: ops.leaky_relu(x, draw.pick(0.2, 0.2, 0.5)),
        "tanh": lambda: ops.tanh(x),
        "sigmoid": lambda: ops.sigmoid(x),
        "softplus": lambda: ops.softplus(x),
        "softsign": lambda: ops.softsign(x),
        "silu": lambda: ops.silu(x),
        "gelu": lambda: ops.gelu(x, approximate=draw.maybe(0.3)),
        "elu": lambda: ops.elu(x, draw.pick(1.0, 1.0, 2.0)),
        "softmax": lambda: ops.softmax(x, axis=axis),
        "clip": lambda: ops.clip(x, *draw.pick((-1.0, 1.0), (0.1, 0.3), (2, 5), (1.0, -1.0))),
        "flip": lambda: ops.flip(x, axis=axis),
        "roll": lambda: ops.roll(x, draw.integer(-2, 2), axis=axis),
        "sort": lambda: ops.sort(x, axis=axis),
        "mean": lambda: ops.mean(x, axis=axis, keepdims=True),
        "sum": lambda: ops.sum(x, axis=axis, keepdims=True),
        "max": lambda: ops.max(x, axis=axis, keepdims=True),
        "amin": lambda: ops.amin(x, axis=axis, keepdims=True),
        "expand": lambda: ops.expand_dims(x, axis=axis) if rank < 4 else x,
        "transpose": lambda: ops.transpose(x, (0, *(draw.random.permutation(rank - 1) + 1))),
        "moveaxis": lambda: ops.moveaxis(x, 1, -1),
        "pad": lambda: ops.pad(x, [(0, 0)] + [(0, draw.integer(0, 1))] * (rank - 1)),
        "take the first": lambda: x[:, :1],
        "take every other": lambda: x[..., ::2],
        "reverse": lambda: x[..., ::-1],
        "stop_gradient": lambda: ops.stop_gradient(x),
        "hard_tanh": lambda: ops.hard_tanh(x),
    }
    name = draw.pick(*options)
    draw.note(f"operation {name}")
    return options[name]()


def rare(draw, x):
    """An operation without a bound, or one that mixes the examples of a batch."""
    draw.note("rare operation")
    rank = len(x.shape)
    size = x.shape[-1]
    options = {
        "square": lambda: ops.square(x),
        "exp": lambda: ops.exp(x),
        "round": lambda: ops.round(x),
        "floor": lambda: ops.floor(x),
        "sign": lambda: ops.sign(x),
        "cast": lambda: ops.cast(ops.cast(x, "int32"), draw.float_type("float32")),
        "half": lambda: ops.cast(
            ops.cast(x, draw.float_type("float16")), draw.float_type("float32")
        ),
        "matmul": lambda: ops.matmul(x, draw.values((size, 2)).astype("float32")),
        "product": lambda: x * x,
        "twice": lambda: x + x,
        "where": lambda: ops.where(x > 0, x, 2 * x),
        "cumsum": lambda: ops.cumsum(x, axis=-1),
        "norm": lambda: ops.norm(x, axis=-1, keepdims=True),
        "flip batch": lambda: ops.flip(x, axis=0),
        "flip all": lambda: ops.flip(x),
        "mean over batch": lambda: x - ops.mean(x, axis=0, keepdims=True),
        "roll all": lambda: ops.roll(x, 1),
        "take": lambda: ops.take(x, [0, 0, size - 1], axis=-1),
        "repeat": lambda: ops.repeat(x, 2, axis=-1),
        "tile": lambda: ops.tile(x, [1] * (rank - 1) + [2]),
        "dot": lambda: ops.dot(x, draw.values((size, 2)).astype("float32")),
        "normalize": lambda: ops.normalize(x),
        "index": lambda: x[..., np.array([0, 0])],
        "negative index": lambda: x[:, -1:],
        "squareplus": lambda: ops.squareplus(x, draw.pick(4, 1)),
        "hard_sigmoid": lambda: ops.hard_sigmoid(x),
        "log_softmax": lambda: ops.log_softmax(x),
        "logsumexp": lambda: ops.logsumexp(x, axis=-1, keepdims=True),
        "broadcast": lambda: ops.broadcast_to(x[..., :1], (1, *x.shape[1:])),
        "split": lambda: ops.split(x, 2, axis=-1)[1] if size % 2 == 0 else x,
        "uneven split": lambda: _uneven(x, size),
        "outer": lambda: ops.expand_dims(x, -1) - ops.expand_dims(x, -2) if size < 6 else x,
        "unstack": lambda: ops.unstack(ops.stack([x, 2.0 * x], axis=1), axis=1)[1],
        "swapaxes": lambda: ops.swapaxes(x, 1, -1),
        "nan_to_num": lambda: ops.nan_to_num(x),
        "argmax": lambda: ops.one_hot(ops.argmax(x, axis=-1), size, dtype=x.dtype),
        "initial": lambda: ops.max(x, axis=-1, keepdims=True, initial=0.5),
        "clip one side": lambda: ops.clip(x, None, 1.0),
        "pad reflect": lambda: ops.pad(x, [(0, 0)] * (rank - 1) + [(0, 1)], mode="symmetric"),
        "pad ones": lambda: ops.pad(x, [(0, 0)] * (rank - 1) + [(0, 1)], constant_values=1.0),
        "einsum": lambda: ops.einsum("...a,ab->...b", x, np.ones((size, 2), "float32")),
    }
    name = draw.pick(*options)
    draw.note(f"operation {name}")
    return options[name]()


def _uneven(x, size):
    """The last entry taken off all others."""
    if size < 2:
        return x
    others, last = ops.split(x, [size - 1], axis=-1)
    return others - last
