"""Rules for layers that move, copy, drop or append entries, or do nothing at inference."""

import keras

from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.layer_bound import LayerBound
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


def _center_crop(layer, input_shape):
    """Drops margins; where the image is smaller, Keras resizes it instead."""
    sizes = input_shape[2:] if layer.data_format == "channels_first" else input_shape[1:-1]
    for size, wanted in zip(sizes, (layer.height, layer.width), strict=True):
        if size is None or size < wanted:
            raise UncertifiedLayerError(
                layer, f"Images of size {sizes} may be smaller than the crop, and are then resized."
            )
    return LayerBound.exact(1.0, "drops entries")


def copies(times: int) -> LayerBound:
    """Bound of a layer that puts out every entry `times` times."""
    return LayerBound.exact(sqrt_up(float(times)), f"{times} copies")


def _repeat_vector(layer, input_shape):
    return copies(layer.n)


IDENTITIES_AT_INFERENCE = (
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.AlphaDropout,
    # Augmentation. keras.layers.RandomCrop is none: it may resize at inference.
    keras.layers.RandomBrightness,
    keras.layers.RandomColorDegeneration,
    keras.layers.RandomColorJitter,
    keras.layers.RandomContrast,
    keras.layers.RandomErasing,
    keras.layers.RandomFlip,
    keras.layers.RandomGaussianBlur,
    keras.layers.RandomGrayscale,
    keras.layers.RandomHue,
    keras.layers.RandomInvert,
    keras.layers.RandomPerspective,
    keras.layers.RandomPosterization,
    keras.layers.RandomRotation,
    keras.layers.RandomSaturation,
    keras.layers.RandomSharpness,
    keras.layers.RandomShear,
    keras.layers.RandomTranslation,
    keras.layers.RandomZoom,
)

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
    keras.layers.RepeatVector: _repeat_vector,
    keras.layers.ActivityRegularization: _identity,
    keras.layers.CenterCrop: _center_crop,
    **dict.fromkeys(IDENTITIES_AT_INFERENCE, _identity_at_inference),
}
