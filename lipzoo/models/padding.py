"""Zero padding to sizes that can be halved."""

import keras

_ZERO_PADDING = {1: keras.layers.ZeroPadding1D, 2: keras.layers.ZeroPadding2D}


def pad_to_multiple(x, multiple, name):
    """Appends zeros on both sides of each spatial axis up to a multiple (an isometry)."""
    missing = [-size % multiple for size in x.shape[1:-1]]
    if not any(missing):
        return x
    margins = [(gap // 2, gap - gap // 2) for gap in missing]
    padding = margins[0] if len(margins) == 1 else tuple(margins)
    return _ZERO_PADDING[len(margins)](padding, name=name)(x)
