"""Undersampled Fourier transforms, as magnetic resonance imaging measures them."""

import math

import keras
import numpy as np
from keras import ops

from lipzoo.inverse.operators.arguments import as_batch
from lipzoo.inverse.operators.base import LinearOperator
from lipzoo.rounding import div_up, inflated
from lipzoo.validation import positive_number, real_array


@keras.saving.register_keras_serializable(package="lipzoo")
class Fourier(LinearOperator):
    """Samples of the Fourier transform of complex images: `y_c = M F (S_c x)`.

    F is the unitary discrete Fourier transform in two dimensions (divided by the root of the number
    of pixels, zero frequency in the corner), M sets to zero what is not measured, and S_c is the
    sensitivity of coil c; without coils there is one of sensitivity 1.

    Input: images `(batch, height, width, 2)`, real and imaginary part; or complex ones,
    `(batch, height, width)`. Output: `(batch, height, width, 2)`, with coils
    `(batch, coils, height, width, 2)`.

    Args:
        mask: 1 for a measured and 0 for a missing frequency, an array `(height, width)`.
        coils: complex array `(coils, height, width)`, or real and imaginary part as the last axis
            of size 2; None for none.

    Raises:
        ValueError: if the mask has other values than 0 and 1, or the coils do not fit.

    Guarantee: without coils the norm is 1, and Tikhonov's reconstruction is `Aᵀy / (1 + α)`. With
    coils the bound is the largest `√(Σ_c |S_c|²)` of a pixel, which is reached where all is
    measured. The rounding of fast Fourier transforms is proven for textbook algorithms only and not
    for what the backends call: certificates need `rounding=False`.

    Example:

    >>> operator = Fourier([[1, 0], [1, 1]])
    >>> ops.convert_to_numpy(operator.apply(np.ones((1, 2, 2)) + 0j))[0, 0, 0].tolist()
    [2.0, 0.0]
    >>> operator.norm_bound
    1.0
    """

    def __init__(self, mask, coils=None):
        mask = np.array(real_array(mask, "mask", booleans=True), "float64")
        if mask.ndim != 2 or not np.isin(mask, (0.0, 1.0)).all() or not mask.any():
            raise ValueError(
                "mask must be an array (height, width) of zeros (missing) and ones (measured), "
                f"with at least one of those. Received: mask of shape {mask.shape}"
            )
        self.mask, self.coils = mask, None
        image = measured = (*mask.shape, 2)
        if coils is not None:
            maps = _coils(coils, mask.shape)
            self.coils, measured = maps, (len(maps), *image)
            maps.flags.writeable = False
        mask.flags.writeable = False
        super().__init__(image, measured)

    def apply(self, x):
        real, imaginary = self._parts(x, self.input_shape)
        if self.coils is not None:
            real, imaginary = _times(self.coils, real[:, None], imaginary[:, None], 1.0)
        real, imaginary = ops.fft2((real, imaginary))
        return self._masked(real, imaginary, self._scale)

    def adjoint(self, y):
        real, imaginary = self._parts(y, self.output_shape)
        measured = self._masked(real, imaginary, 1.0)
        # The unitary transform's adjoint is its inverse, the conjugate of that of the conjugate.
        real, imaginary = ops.fft2((measured[..., 0], -measured[..., 1]))
        real, imaginary = real * self._scale, -imaginary * self._scale
        if self.coils is not None:
            real, imaginary = _times(self.coils, real, imaginary, -1.0)
            real, imaginary = ops.sum(real, axis=1), ops.sum(imaginary, axis=1)
        return ops.stack([real, imaginary], axis=-1)

    @property
    def norm_bound(self) -> float:
        if self.coils is None:
            return 1.0
        squares = np.sum(self.coils**2, axis=(0, -1))
        return float(inflated(math.sqrt(squares.max()), 2 * self.coils.shape[0] + 2))

    def regularised_inverse(self, alpha: float) -> LinearOperator:
        if self.coils is not None:
            return super().regularised_inverse(alpha)
        return _ScaledAdjoint(self, positive_number(alpha, "alpha"))

    def get_config(self):
        coils = None if self.coils is None else self.coils.tolist()
        return {"mask": self.mask.astype(int).tolist(), "coils": coils}

    @property
    def _scale(self):
        return 1.0 / math.sqrt(self.mask.size)

    def _parts(self, values, shape):
        """Real and imaginary part of a batch; complex arrays and tensors are taken apart."""
        if not ops.is_tensor(values):
            values = np.asarray(values)
        if keras.backend.standardize_dtype(values.dtype).startswith("complex"):
            values = ops.stack([ops.real(values), ops.imag(values)], axis=-1)
        values = as_batch(values, shape)
        return values[..., 0], values[..., 1]

    def _masked(self, real, imaginary, scale):
        known = ops.convert_to_tensor(self.mask * scale, dtype=real.dtype)
        return ops.stack([real * known, imaginary * known], axis=-1)


def _times(coils, real, imaginary, sign):
    """The product with the coils, or with their conjugates for sign -1."""
    a = ops.convert_to_tensor(coils[..., 0], dtype=real.dtype)
    b = ops.convert_to_tensor(sign * coils[..., 1], dtype=real.dtype)
    return real * a - imaginary * b, real * b + imaginary * a


class _ScaledAdjoint(LinearOperator):
    """`y ↦ Aᵀy / (1 + α)`, Tikhonov's reconstruction where `AAᵀ` is a projection."""

    def __init__(self, operator, alpha):
        super().__init__(operator.output_shape, operator.input_shape)
        self._operator, self._alpha = operator, alpha

    def apply(self, y):
        return self._operator.adjoint(y) / (1.0 + self._alpha)

    def adjoint(self, x):
        return self._operator.apply(x) / (1.0 + self._alpha)

    @property
    def norm_bound(self) -> float:
        return div_up(1.0, float(np.nextafter(1.0 + self._alpha, 0.0)))


def _coils(coils, shape):
    array = np.asarray(coils)
    if array.dtype.kind == "c":
        array = np.stack([np.real(array), np.imag(array)], axis=-1)
    array = np.array(real_array(array, "coils"), "float64")
    if array.ndim != 4 or array.shape[1:] != (*shape, 2) or not np.isfinite(array).all():
        raise ValueError(
            f"coils must be a finite complex array of shape (coils, {shape[0]}, {shape[1]}), or "
            f"its real and imaginary part along a last axis. Received: shape {np.shape(coils)}"
        )
    return array
