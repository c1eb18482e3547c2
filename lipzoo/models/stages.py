"""What builders with a stem and several stages share."""

import keras

from lipzoo.layers import SpaceToDepth

# What a builder makes computes the same function whatever `keras.config.image_data_format()` says.
DATA_FORMAT = "channels_last"
_ZERO_PADDING = {1: keras.layers.ZeroPadding1D, 2: keras.layers.ZeroPadding2D}


def pixels_to_channels(x, stem, halvings):
    """Makes channels of blocks of `stem` pixels a side, sizes that can then be halved so often.

    Zeros are appended on both sides where a size does not divide. All of it is an isometry.
    """
    x = _padded(x, stem * 2**halvings)
    return x if stem == 1 else SpaceToDepth(stem, name="stem_space_to_depth")(x)


def layers_of_stage(stage, depth, stages):
    """Number of layers of a stage, counted from 1; what does not divide goes to the first ones."""
    return depth // stages + (stage <= depth % stages)


def one_axis(spatial, axis):
    """Size of a window that spans one axis and nothing of the others."""
    return tuple(length if i == axis else 1 for i, length in enumerate(spatial))


def _padded(x, multiple):
    missing = [-size % multiple for size in x.shape[1:-1]]
    if not any(missing):
        return x
    margins = [(gap // 2, gap - gap // 2) for gap in missing]
    padding = margins[0] if len(margins) == 1 else tuple(margins)
    layer = _ZERO_PADDING[len(margins)]
    return layer(padding, data_format=DATA_FORMAT, name="stem_padding")(x)
