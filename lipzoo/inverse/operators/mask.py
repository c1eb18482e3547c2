"""The forward operator of inpainting."""

import keras
import numpy as np
from keras import ops

from lipzoo.inverse.operators.arguments import as_batch
from lipzoo.inverse.operators.base import LinearOperator
from lipzoo.rounding import add_up, div_up, unit_roundoff
from lipzoo.validation import positive_number, real_array


@keras.saving.register_keras_serializable(package="lipzoo")
class Mask(LinearOperator):
    """Keeps the known entries of an image and sets the others to zero: `y = Mx`, `M = diag(mask)`.

    A measurement has the shape of the image. The singular values are 0 and 1, so Tikhonov's
    reconstruction is `My / (1 + α)`: it leaves the holes empty.

    Args:
        mask: 0 for a missing and 1 for a known entry, an array of shape `image_shape`; or the
            hexadecimal text that `get_config` returns, which needs `image_shape`.
        image_shape: `(height, width, channels)` or `(length, channels)`; None for the mask's shape.

    Raises:
        ValueError: if the mask has other values than 0 and 1, nothing but zeros, or another shape.

    Guarantee: the norm is exactly 1, and nothing is rounded.

    Example:

    >>> mask = Mask([[1.0], [0.0]])
    >>> keras.ops.convert_to_numpy(mask.apply(np.ones((1, 2, 1), "float32")))[0].tolist()
    [[1.0], [0.0]]
    >>> mask.get_config()
    {'mask': '80', 'image_shape': [2, 1]}
    """

    def __init__(self, mask, image_shape=None):
        if isinstance(mask, str):
            mask = _from_text(mask, image_shape)
        mask = real_array(mask, "mask", booleans=True)
        shape = mask.shape if image_shape is None else tuple(image_shape)
        super().__init__(shape, shape)
        self.mask = mask

    @property
    def mask(self) -> np.ndarray:
        """Zeros and ones, of the shape of the image; another mask that is set is checked alike."""
        return self._mask

    @mask.setter
    def mask(self, mask):
        array = np.array(real_array(mask, "mask", booleans=True), dtype="float64")
        if array.shape != self.input_shape:
            raise ValueError(
                f"mask must be of the shape of the image, {self.input_shape}. "
                f"Received: shape={array.shape}"
            )
        if not np.isin(array, (0.0, 1.0)).all() or not array.any():
            raise ValueError(
                "mask must consist of zeros (missing) and ones (known), with at least one known. "
                f"Received: values {np.unique(array)[:5].tolist()}"
            )
        array.flags.writeable = False
        self._mask = array

    @classmethod
    def random(cls, image_shape, missing: float = 0.5, seed: int = 0) -> "Mask":
        """Returns a mask with a share of the pixels missing, in all channels alike.

        Args:
            image_shape: `(height, width, channels)` or `(length, channels)`.
            missing: share of missing pixels, in (0, 1); their number is rounded down.
            seed: seed of the draw.

        Raises:
            ValueError: if the share is out of range.

        >>> float(Mask.random((4, 4, 1), missing=0.25).mask.sum())
        12.0
        """
        if not 0 < missing < 1:
            raise ValueError(f"missing must be between 0 and 1. Received: missing={missing!r}")
        *spatial, channels = image_shape
        pixels = int(np.prod(spatial))
        known = np.ones(pixels)
        known[np.random.default_rng(seed).permutation(pixels)[: int(missing * pixels)]] = 0.0
        return cls(np.repeat(known.reshape(*spatial, 1), channels, axis=-1))

    def apply(self, x):
        x = as_batch(x, self.input_shape)
        return x * ops.convert_to_tensor(self.mask, dtype=x.dtype)

    def adjoint(self, y):
        return self.apply(y)

    @property
    def norm_bound(self) -> float:
        return 1.0

    def matrix(self) -> np.ndarray:
        return np.diag(self.mask.reshape(-1))

    def rounding(self, dtype):
        return 0.0, 0.0

    def regularised_inverse(self, alpha: float) -> LinearOperator:
        return _Attenuated(self, positive_number(alpha, "alpha"))

    def get_config(self):
        packed = np.packbits(self.mask.astype(bool).reshape(-1))
        return {"mask": packed.tobytes().hex(), "image_shape": list(self.input_shape)}


class _Attenuated(LinearOperator):
    """`y ↦ My / (1 + α)`."""

    def __init__(self, mask, alpha):
        super().__init__(mask.input_shape, mask.output_shape)
        self._mask, self._alpha = mask, alpha

    def apply(self, x):
        return self._mask.apply(x) / (1.0 + self._alpha)

    def adjoint(self, y):
        return self.apply(y)

    @property
    def norm_bound(self) -> float:
        # 1 + α rounded down, at worst, to the next lower float64.
        return div_up(1.0, float(np.nextafter(1.0 + self._alpha, 0.0)))

    def matrix(self):
        return self._mask.matrix() / (1.0 + self._alpha)

    def rounding(self, dtype):
        # One rounding of 1 + α to the type, one of the quotient.
        slope = add_up(3.0 * unit_roundoff(dtype))
        return slope, slope


def _from_text(text, image_shape):
    if image_shape is None:
        raise ValueError("A mask given as text needs image_shape. Received: image_shape=None")
    size = int(np.prod(image_shape))
    try:
        packed = np.frombuffer(bytes.fromhex(text), "uint8")
    except ValueError:
        packed = np.zeros(0, "uint8")
    if len(packed) != -(-size // 8):
        raise ValueError(
            f"mask must be {2 * -(-size // 8)} hexadecimal digits for {size} entries. "
            f"Received: mask={text[:40]!r}"
        )
    return np.unpackbits(packed)[:size].reshape(image_shape).astype("float64")
