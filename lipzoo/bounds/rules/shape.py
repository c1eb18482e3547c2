"""Rules for layers that move, copy, drop or append entries, or do nothing at inference."""

import math

import keras

from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.layer_bound import LayerBound
from lipzoo.rounding import sqrt_up


def _permutation(layer, input_shape):
    return LayerBound.exact(1.0, "moves entries")


def _padding(layer, input_shape):
    mode = getattr(layer, "mode", "constant")
    if mode != "constant":
        raise UncertifiedLayerError(layer, f"Padding with mode={mode!r} copies entries.")
    return LayerBound.exact(1.0, "appends zeros")


def _cropping(layer, input_shape):
    return LayerBound.exact(1.0, "drops entries")


def _identity_at_inference(layer, input_shape):
    return LayerBound.exact(1.0, "identity at inference")


def _identity(layer, input_shape):
    return LayerBound.exact(1.0, "identity")


def _copies(times: int) -> LayerBound:
    return LayerBound.exact(sqrt_up(float(times)), f"{times} copies")


def _repeat_vector(layer, input_shape):
    return _copies(layer.n)


def _up_sampling(layer, input_shape):
    if getattr(layer, "interpolation", "nearest") != "nearest":
        raise UncertifiedLayerError(
            layer, f"Interpolation {layer.interpolation!r} is not analysed; 'nearest' is."
        )
    size = layer.size if isinstance(layer.size, list | tuple) else (layer.size,)
    return _copies(math.prod(size))


RULES = {
    keras.layers.InputLayer: _identity,
    keras.layers.Identity: _identity,
    keras.layers.Flatten: _permutation,
    keras.layers.Reshape: _permutation,
    keras.layers.Permute: _permutation,
    keras.layers.ZeroPadding1D: _padding,
    keras.layers.ZeroPadding2D: _padding,
    keras.layers.Cropping1D: _cropping,
    keras.layers.Cropping2D: _cropping,
    keras.layers.UpSampling1D: _up_sampling,
    keras.layers.UpSampling2D: _up_sampling,
    keras.layers.RepeatVector: _repeat_vector,
    keras.layers.ActivityRegularization: _identity,
    keras.layers.Dropout: _identity_at_inference,
    keras.layers.SpatialDropout1D: _identity_at_inference,
    keras.layers.SpatialDropout2D: _identity_at_inference,
    keras.layers.GaussianDropout: _identity_at_inference,
    keras.layers.GaussianNoise: _identity_at_inference,
    keras.layers.AlphaDropout: _identity_at_inference,
}
