"""Random reconstructions: lipzoo's InvNet and layers with forward operators of tiny size."""

import keras
import numpy as np

import lipzoo
from lipzoo import inverse


def make(draw) -> keras.Model:
    """A model from a measurement to an image."""
    draw.note("inverse problem")
    operator = _operator(draw)
    if draw.maybe(0.3) and len(operator.input_shape) > 1:
        draw.note("InvNet")
        return _invnet(draw, operator)
    data = keras.Input(operator.output_shape, dtype=draw.float_type("float32"))
    image = draw.layer(inverse.Tikhonov, operator, alpha=draw.pick(0.05, 1.0))(data)
    for _ in range(draw.integer(0, 2)):
        kind = draw.pick("step", "monotone", "dense", "play")
        if kind == "step":
            share = draw.pick(0.5, 1.0, 1.9)
            step = share / operator.norm_bound**2
            image = draw.layer(inverse.DataStep, operator, step_size=step)([image, data])
        elif kind == "monotone":
            name = draw.pick("tanh", "softsign", "relu")
            image = draw.layer(inverse.MonotoneDataStep, operator, activation=name)([image, data])
        elif kind == "play":
            image = _plug_and_play(draw, operator)([image, data])
        else:
            image = draw.layer(lipzoo.layers.GradientFlowDense, 3)(image)
    return keras.Model(data, image, name="model")


def _invnet(draw, operator):
    """InvNet, which is made in Keras' default type."""
    default = keras.config.floatx()
    keras.config.set_floatx(draw.float_type(default))
    try:
        return lipzoo.InvNet(
            operator,
            alpha=draw.pick(0.01, 0.1, 1.0),
            steps=draw.integer(1, 3),
            flows=1,
            width=draw.pick(4, 6),
            filters=4,
            kernel_size=3,
            sensitivity=draw.maybe(0.3),
        )
    finally:
        keras.config.set_floatx(default)


def _plug_and_play(draw, operator):
    start = keras.Input(operator.input_shape, dtype=draw.float_type("float32"))
    scaled = draw.layer(keras.layers.Rescaling, draw.pick(0.5, 1.0))(start)
    return draw.layer(
        inverse.PlugAndPlay,
        operator,
        keras.Model(start, scaled),
        averaging=draw.pick(0.3, 0.7),
        contraction=draw.pick(0.8, 1.0),
        tolerance=draw.pick(None, 1e-4),
        max_steps=draw.pick(2, 20),
    )


def _operator(draw):
    length, channels = draw.integer(2, 5), draw.integer(1, 2)
    kind = draw.pick("Matrix", "Blur", "Blur2D", "Mask", "Tomography", "custom")
    draw.note(f"operator {kind}")
    if kind == "Matrix":
        rows = draw.integer(1, 5)
        return inverse.Matrix(draw.values((rows, length)) + 0.01, (length, 1), (rows, 1))
    if kind == "Blur":
        kernel = draw.values((draw.pick(1, 3),)) + 0.01
        padding = draw.pick("same", "circular", "valid")
        return inverse.Blur((length + 1, channels), kernel, padding=padding)
    if kind == "Blur2D":
        kernel = draw.values((3, 3)) + 0.01
        return inverse.Blur((4, 3, channels), kernel, padding=draw.pick("same", "circular"))
    if kind == "Mask":
        return inverse.Mask.random((length, length, channels), 0.4, seed=draw.integer(0, 9))
    if kind == "Tomography":
        return inverse.Tomography(draw.integer(2, 4), draw.integer(1, 3))
    return Claimed(draw.values((length, length)) + 0.01, draw.pick(1.0, 1.0, 0.5))


class Claimed(inverse.LinearOperator):
    """A user's operator, whose claimed norm may be a share of the true one."""

    def __init__(self, matrix, share):
        rows, columns = matrix.shape
        super().__init__((columns, 1), (rows, 1))
        self._matrix, self._share = np.array(matrix), share
        self._norm = share * float(np.linalg.norm(matrix, 2)) * (1 + 1e-12)

    def apply(self, x):
        return self._product(x, self._matrix.T, self.output_shape)

    def adjoint(self, y):
        return self._product(y, self._matrix, self.input_shape)

    @property
    def norm_bound(self):
        return self._norm

    def matrix(self):
        return self._matrix

    def rounding(self, dtype):
        return inverse.Matrix(self._matrix).rounding(dtype)

    def get_config(self):
        return {"matrix": self._matrix.tolist(), "share": self._share}

    @staticmethod
    def _product(inputs, matrix, shape):
        inputs = keras.ops.convert_to_tensor(inputs)
        flat = keras.ops.reshape(inputs, (-1, matrix.shape[0]))
        outputs = keras.ops.matmul(flat, keras.ops.convert_to_tensor(matrix, dtype=flat.dtype))
        return keras.ops.reshape(outputs, (-1, *shape))
