"""Blur: convolution with a known kernel."""

import functools
import itertools

import keras
import numpy as np
from keras import ops

from lipzoo.inverse.operators.arguments import as_batch
from lipzoo.inverse.operators.base import LinearOperator
from lipzoo.operators import ConvolutionGeometry, ConvolutionOperator, Summation, named_padding
from lipzoo.spectral import tap_norm_sum
from lipzoo.validation import real_array


@keras.saving.register_keras_serializable(package="lipzoo")
class Blur(LinearOperator):
    """Blurs signals or images with a kernel: `y[i] = Σ_t k[t] x[i + t - p]`, each channel alike.

    As everywhere in Keras the kernel is not mirrored; blur kernels are mostly symmetric.

    Args:
        image_shape: `(length, channels)` or `(height, width, channels)`.
        kernel: array of shape `(size,)` or `(height, width)`, odd sizes centred on the pixel.
        padding: `"same"` (zeros outside), `"circular"` (periodic) or `"valid"` (the measurement
            holds only what the kernel sees completely).

    Raises:
        ValueError: if the kernel does not fit the image, or an argument is out of range.

    Guarantee: `norm_bound` is `lipzoo.spectral.conv_norm_bound` of this operator at this size.

    Example:

    >>> blur = Blur((8, 1), [0.25, 0.5, 0.25], padding="circular")
    >>> blur.norm_bound
    1.0000000000000...
    >>> blur.output_shape
    (8, 1)
    """

    def __init__(self, image_shape, kernel, padding="same"):
        array = np.array(real_array(kernel, "kernel"), dtype="float64")
        rank = len(tuple(image_shape)) - 1
        if rank not in (1, 2) or array.ndim != rank or not np.isfinite(array).all():
            raise ValueError(
                "kernel must be a finite array with one axis for each spatial axis of "
                f"image_shape, (length, channels) or (height, width, channels). "
                f"Received: kernel of shape {array.shape}, image_shape={image_shape}"
            )
        *spatial, channels = image_shape
        array.flags.writeable = False
        self.kernel = array
        self.padding = named_padding(padding)
        outputs = _geometry(array.shape, self.padding, spatial).output_spatial
        super().__init__(image_shape, (*outputs, channels))

    def apply(self, x):
        x = as_batch(x, self.input_shape)
        return self._per_channel("apply", x, self.output_shape)

    def adjoint(self, y):
        y = as_batch(y, self.output_shape)
        return self._per_channel("adjoint", y, self.input_shape)

    @property
    def norm_bound(self) -> float:
        # Of the kernel that `apply` takes now: a subclass may have set another one.
        kernel = np.asarray(self.kernel, "float64")
        shape, spatial = kernel.shape, self.input_shape[:-1]
        return _norm_bound(kernel.tobytes(), shape, self.padding, spatial)

    def matrix(self) -> np.ndarray:
        spatial, outputs = self.input_shape[:-1], self.output_shape[:-1]
        single = np.zeros((int(np.prod(outputs)), int(np.prod(spatial))))
        rows = np.arange(len(single))
        positions = np.indices(outputs).reshape(len(outputs), -1)
        margins = _geometry(self.kernel.shape, self.padding, spatial).margins
        befores = [before for before, _ in margins]
        for tap in itertools.product(*map(range, self.kernel.shape)):
            source = positions + (np.array(tap) - befores)[:, None]
            sizes = np.array(spatial)[:, None]
            if self.padding == "circular":
                source, inside = source % sizes, np.ones(len(rows), bool)
            else:
                inside = ((source >= 0) & (source < sizes)).all(axis=0)
            columns = np.ravel_multi_index(source[:, inside], spatial)
            np.add.at(single, (rows[inside], columns), self.kernel[tap])
        return np.kron(single, np.eye(self.input_shape[-1]))

    def rounding(self, dtype):
        taps, total = self.kernel.size, tap_norm_sum(self.kernel[..., None, None])
        # The sum of the taps' moduli is the norm with absolute values and bounds that with any
        # signs, which may be far above ‖A‖: any orders will do.
        return Summation(
            norm=self.norm_bound,
            partial_norm=total,
            absolute_norm=total,
            fan_in=taps,
            fan_out=taps,
            cast_norm=total,
        ).rounding(dtype)

    def get_config(self):
        return {
            "image_shape": list(self.input_shape),
            "kernel": self.kernel.tolist(),
            "padding": self.padding,
        }

    def _per_channel(self, name, inputs, shape):
        """Applies the operator of one channel, or its adjoint, to every channel."""
        kernel = ops.convert_to_tensor(self.kernel[..., None, None], dtype=inputs.dtype)
        geometry = _geometry(self.kernel.shape, self.padding, self.input_shape[:-1])
        function = getattr(ConvolutionOperator(kernel, geometry), name)
        channels, rank = shape[-1], len(shape) - 1
        if channels == 1:
            return function(inputs)
        order = (0, rank + 1, *range(1, rank + 1))
        images = ops.reshape(ops.transpose(inputs, order), (-1, *inputs.shape[1:-1], 1))
        images = ops.reshape(function(images), (-1, channels, *shape[:-1]))
        return ops.transpose(images, (0, *range(2, rank + 2), 1))


def _geometry(size, padding, spatial):
    """Of the convolution of one channel."""
    rank = len(size)
    return ConvolutionGeometry(size, (1,) * rank, padding, (0,) * rank, tuple(spatial))


@functools.lru_cache(maxsize=256)
def _norm_bound(taps, shape, padding, spatial):
    kernel = np.frombuffer(taps, "float64").reshape(*shape, 1, 1)
    return ConvolutionOperator(kernel, _geometry(shape, padding, spatial)).norm_bound


def gaussian_kernel(sigma: float, rank: int = 1, truncate: float = 4.0) -> np.ndarray:
    """Returns a Gaussian blur kernel that sums to 1.

    Args:
        sigma: standard deviation in pixels, positive.
        rank: 1 for signals, 2 for images.
        truncate: half width of the kernel in standard deviations.

    Raises:
        ValueError: if an argument is out of range.

    >>> gaussian_kernel(1.0).shape, gaussian_kernel(1.0, rank=2, truncate=2.0).shape
    ((9,), (5, 5))
    """
    if not (sigma > 0 and truncate > 0 and rank in (1, 2)):
        raise ValueError(
            "Expected sigma > 0, truncate > 0 and rank 1 or 2. "
            f"Received: sigma={sigma!r}, truncate={truncate!r}, rank={rank!r}"
        )
    half = int(np.ceil(truncate * sigma))
    line = np.exp(-0.5 * (np.arange(-half, half + 1) / sigma) ** 2)
    line /= line.sum()
    return line if rank == 1 else np.outer(line, line)
