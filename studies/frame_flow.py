"""Denoisers as they are trained: orthonormal kernels, and a slope and a threshold for each filter.

The flow `x ← x - 2 Aᵀ S clip(Ax + b, -t, t)` with `A = W P / k`, P the patches of k × k blocks of
pixels, `PᵀP <= k²`, W orthonormal and slopes S in [0, 1] is one of `lipzoo.models.Denoiser` with
the kernel `√S W / k`, the bias `√S b` and the gains `1 / (√S t)`. W stays on the Stiefel manifold,
which trains much faster. States are float32, products bfloat16. For TensorFlow.
"""

import math

import keras
import numpy as np
import tensorflow as tf

from lipzoo.constraints import SpectralBound
from lipzoo.models import Denoiser

# The largest gain that GradientFlowConv2D lets a weight have, less a little.
_LARGEST_GAIN = 2040.0
# Thresholds are `_THRESHOLD exp(weight)` and biases `_BIAS weight`, so that equal steps suit all.
_THRESHOLD, _BIAS, _SLOPE = 0.02, 0.05, 0.3


class FrameFlow(keras.layers.Layer):
    """One flow, see above."""

    def __init__(self, filters=72, kernel_size=3, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.kernel_size = filters, kernel_size

    def build(self, input_shape):
        k, constant = self.kernel_size, keras.initializers.Constant
        self.kernel = self.add_weight(
            name="kernel",
            shape=(k, k, input_shape[-1], self.filters),
            initializer="orthogonal",
            constraint=SpectralBound(strides=k),
        )
        self.kernel.assign(self.kernel.constraint(self.kernel))
        shape = (self.filters,)
        self.bias = self.add_weight(name="bias", shape=shape, initializer="zeros")
        self.thresholds = self.add_weight(name="thresholds", shape=shape, initializer="zeros")
        self.slopes = self.add_weight(name="slopes", shape=shape, initializer=constant(_SLOPE))

    def call(self, inputs):
        half = tf.bfloat16
        kernel = tf.cast(self.kernel, half) / self.kernel_size
        response = tf.nn.conv2d(tf.cast(inputs, half), kernel, 1, "SAME")
        threshold = tf.cast(_THRESHOLD * tf.exp(self.thresholds), half)
        slope = tf.cast(tf.clip_by_value(self.slopes, 0.0, 1.0), half)
        response = slope * tf.clip_by_value(
            response + tf.cast(_BIAS * self.bias, half), -threshold, threshold
        )
        gradient = tf.nn.conv2d_transpose(response, kernel, tf.shape(inputs), 1, "SAME")
        return inputs - 2.0 * tf.cast(gradient, tf.float32)

    def to_flow(self, flow) -> None:
        """Writes the weights of the same map into a `GradientFlowConv2D`."""
        kernel, bias, thresholds, slopes = (
            np.asarray(weight, "float64") for weight in self.get_weights()
        )
        root, threshold = np.sqrt(np.clip(slopes, 0, 1)), _THRESHOLD * np.exp(thresholds)
        # What is cut to nothing, or has no slope, does nothing.
        root = np.where(root * threshold < 1 / _LARGEST_GAIN, 0.0, root)
        gains = 1 / np.maximum(root * threshold, 1 / _LARGEST_GAIN)
        flow.kernel.assign(kernel / self.kernel_size * root)
        flow.bias.assign(_BIAS * bias * root)
        flow.gains.assign(gains)


def build(width: int, depth: int) -> keras.Model:
    """The denoiser that is trained, on images of any even size."""
    inputs = keras.Input((None, None, 1))
    x = keras.layers.Lambda(
        lambda x: tf.pad(tf.nn.space_to_depth(x - 0.5, 2), [[0, 0]] * 3 + [[0, width - 4]]),
        (None, None, width),
    )(inputs)
    for i in range(1, depth + 1):
        x = FrameFlow(name=f"flow{i}")(x)
    outputs = keras.layers.Lambda(
        lambda x: tf.nn.depth_to_space(x[..., :4], 2) + 0.5, (None, None, 1)
    )(x)
    return keras.Model(inputs, outputs)


def rescaled(model: keras.Model, factor: float) -> None:
    """Makes of the denoiser D the denoiser `factor · D(x / factor)`, about grey, as a start."""
    for layer in model.layers:
        if isinstance(layer, FrameFlow):
            layer.bias.assign(layer.bias * factor)
            layer.thresholds.assign(layer.thresholds + math.log(factor))


def to_denoiser(model: keras.Model, arguments: dict) -> keras.Model:
    """The same map as a `lipzoo.models.Denoiser`."""
    denoiser = Denoiser(**arguments)
    for layer in model.layers:
        if isinstance(layer, FrameFlow):
            layer.to_flow(denoiser.get_layer(layer.name))
    return denoiser
