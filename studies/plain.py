"""The flagship's forward pass written by hand in `keras.ops`, without a single lipzoo layer."""

import keras
from keras import ops


class PlainNetwork(keras.layers.Layer):
    """Computes what a GradFlowNet computes, from a copy of its weights.

    Args:
        model: a GradFlowNet with square images, patches and axial flows, ReLU.
    """

    def __init__(self, model):
        super().__init__(name="plain")
        self.steps = [self._step(layer) for layer in model.layers]

    def call(self, inputs):
        """The logits."""
        for step in self.steps:
            inputs = step(inputs)
        return inputs

    def _step(self, layer):
        kind = type(layer).__name__
        if kind in ("InputLayer", "Dropout"):
            return lambda x: x
        if kind == "Flatten":
            return lambda x: ops.reshape(x, (-1, x.shape[1] * x.shape[2] * x.shape[3]))
        if kind == "ZeroPadding2D":
            return lambda x: ops.pad(x, ((0, 0), *layer.padding, (0, 0)))
        if kind == "Lift":
            return lambda x: ops.pad(
                x, [(0, 0)] * (x.ndim - 1) + [(0, layer.channels - x.shape[-1])]
            )
        if kind == "SpaceToDepth":
            block = (layer.block_size, layer.block_size)
            return lambda x: _patches(x, *block)
        if kind == "SpectralDense":
            kernel, bias = self._copies(layer)
            return lambda x: ops.matmul(x, kernel) + bias
        if kind == "SpectralConv2D" and layer.kernel_size == layer.strides:
            kernel, bias = self._copies(layer)
            size = layer.kernel_size
            return lambda x: ops.matmul(_patches(x, *size), kernel) + bias
        if kind == "GradientFlowDense":
            kernel, bias = self._copies(layer)
            return lambda x: _flow(x, kernel, bias)
        if kind == "GradientFlowConv2D" and layer.kernel_size == layer.strides:
            kernel, bias = self._copies(layer)
            size, shift = layer.kernel_size, layer.shift

            def flow(x):
                shape = x.shape
                x = _shifted(x, shift)
                x = _unpatched(_flow(_patches(x, *size), kernel, bias), *size, shape)
                return _shifted(x, [-step for step in shift])

            return flow
        raise NotImplementedError(f"no plain equivalent of {kind} is written down")

    def _copies(self, layer):
        """The layer's kernel as a matrix, and its bias, as variables of this one."""
        copies = []
        for name in ("kernel", "bias"):
            value = getattr(layer, name, None)
            if value is None:
                copies.append(0.0)
                continue
            value = ops.convert_to_numpy(value)
            if name == "kernel":
                value = value.reshape(-1, value.shape[-1])
            copies.append(self.add_weight(shape=value.shape, initializer="zeros", trainable=False))
            copies[-1].assign(value)
        return copies


def plain_model(model: keras.Model) -> keras.Model:
    """Returns a `keras.Model` around a `PlainNetwork` of the model's weights."""
    inputs = keras.Input(model.input_shape[1:])
    return keras.Model(inputs, PlainNetwork(model)(inputs))


def _flow(x, kernel, bias):
    response = ops.relu(ops.matmul(x, kernel) + bias)
    return x - 2.0 * ops.matmul(response, ops.transpose(kernel))


def _shifted(x, shift):
    # As fast as ops.roll, and faster where it is exported to.
    for axis, step in enumerate(shift, start=1):
        if step:
            first, last = ops.split(x, [-step % x.shape[axis]], axis=axis)
            x = ops.concatenate([last, first], axis=axis)
    return x


def _patches(x, high, wide):
    _, height, width, channels = x.shape
    x = ops.reshape(x, (-1, height // high, high, width // wide, wide, channels))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, height // high, width // wide, high * wide * channels))


def _unpatched(x, high, wide, shape):
    _, height, width, channels = shape
    x = ops.reshape(x, (-1, height // high, width // wide, high, wide, channels))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, height, width, channels))
