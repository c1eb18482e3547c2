"""What a forward operator of an inverse problem has to know about itself."""

import math

import keras
import numpy as np

from lipzoo.rounding import add_up, affine_rounding, mul_up, unit_roundoff
from lipzoo.spectral.threads import single_threaded_blas
from lipzoo.validation import check_real, real_array

# Entries of a dense matrix that is made of an operator: 256 MiB in float64.
MAX_ENTRIES = 2**25


class LinearOperator:
    """Base of linear forward operators `A: x ↦ y` on batches of images or signals.

    A subclass states shapes, computes `apply` and `adjoint` with `keras.ops` in the type of its
    argument, and proves `norm_bound`. Everything else (Tikhonov reconstructions, data steps,
    certificates) rests on these. An operator holds no trainable weights and never changes.

    Args:
        input_shape: shape of one image, channels last: `(height, width, channels)` or
            `(length, channels)`.
        output_shape: shape of one measurement.

    Raises:
        ValueError: if a shape does not consist of positive integers.
    """

    def __init__(self, input_shape, output_shape):
        self.input_shape = _checked_shape(input_shape, "input_shape")
        self.output_shape = _checked_shape(output_shape, "output_shape")

    def apply(self, x):
        """Returns `A x` for a tensor of shape `(batch, *input_shape)`."""
        raise NotImplementedError

    def adjoint(self, y):
        """Returns `Aᵀ y` for a tensor of shape `(batch, *output_shape)`."""
        raise NotImplementedError

    @property
    def norm_bound(self) -> float:
        """Proven upper bound on ‖A‖, the largest singular value, for the operator in float64."""
        raise NotImplementedError

    @property
    def smallest_singular_value_bound(self) -> float:
        """Proven lower bound on `‖Ax‖ / ‖x‖`; 0 claims nothing."""
        return 0.0

    def matrix(self) -> np.ndarray:
        """The operator as a float64 matrix of shape `(outputs, inputs)`, both flattened."""
        raise NotImplementedError

    def rounding(self, dtype: str) -> tuple[float, float] | None:
        """Slopes with `‖fl(A)x - Ax‖ <= first ‖x‖` and `‖fl(Aᵀ)y - Aᵀy‖ <= second ‖y‖`.

        `None` where nothing is known; a certificate that accounts for rounding is then refused.
        """
        return None

    def regularised_inverse(self, alpha: float) -> "LinearOperator":
        """Tikhonov's reconstruction `y ↦ (AᵀA + αI)⁻¹Aᵀy`, itself an operator.

        Its norm is `max s / (s² + α)` over the singular values s of A, at most `1 / (2√α)`; what is
        proven is the norm of the matrix as it is stored, rounding of its computation included.

        Args:
            alpha: α, a positive finite number, in the units of ‖A‖².

        Raises:
            ValueError: if α is not positive, or the matrix would have more than 2²⁵ entries.
        """
        from lipzoo.inverse.operators.matrix import Matrix

        alpha = check_alpha(alpha)
        entries = self.inputs * self.outputs
        if entries > MAX_ENTRIES:
            raise ValueError(
                f"Expected an operator of at most {MAX_ENTRIES:,} entries, to be inverted as a "
                f"matrix. Received: {self.outputs:,} x {self.inputs:,}"
            )
        # With one thread, so that it is the same to the last bit in every process.
        with single_threaded_blas():
            left, values, right = np.linalg.svd(self.matrix(), full_matrices=False)
            inverse = (right.T * (values / (values**2 + alpha))) @ left.T
        return Matrix(inverse, self.output_shape, self.input_shape)

    def get_config(self) -> dict:
        """Arguments of the constructor, as JSON values."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config):
        """Returns an operator from what `get_config` returned."""
        return cls(**config)

    @property
    def inputs(self) -> int:
        """Number of values of an image."""
        return math.prod(self.input_shape)

    @property
    def outputs(self) -> int:
        """Number of values of a measurement."""
        return math.prod(self.output_shape)

    def __eq__(self, other):
        return type(self) is type(other) and self.get_config() == other.get_config()

    __hash__ = object.__hash__

    def __repr__(self):
        return f"<{type(self).__name__} {self.input_shape} -> {self.output_shape}>"


def as_batch(values, shape):
    """A floating point tensor of shape `(batch, *shape)`; integers are cast to the default type.

    Raises:
        ValueError: if it has another shape, or values that are no real numbers.
    """
    if not keras.ops.is_tensor(values) and not isinstance(values, keras.Variable):
        values = real_array(values, "the batch", booleans=True)
    tensor = keras.ops.convert_to_tensor(values)
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    check_real(dtype, "the batch", booleans=True)
    if not keras.backend.is_float_dtype(dtype):
        tensor = keras.ops.cast(tensor, keras.config.floatx())
    if tuple(tensor.shape[1:]) != tuple(shape):
        raise ValueError(
            f"Expected a batch of shape {(None, *shape)}. Received: {tuple(tensor.shape)}"
        )
    return tensor


def check_alpha(alpha) -> float:
    """Returns α as a float if it is positive and finite.

    Raises:
        ValueError: otherwise.

    >>> check_alpha(1)
    1.0
    """
    valid = isinstance(alpha, int | float | np.floating) and not isinstance(alpha, bool)
    if not (valid and 0 < alpha < math.inf):
        raise ValueError(f"alpha must be a positive finite number. Received: alpha={alpha!r}")
    return float(alpha)


def check_adjoint(operator, tolerance: float = 1e-6, seed: int = 0) -> None:
    """Tests `⟨Ax, y⟩ = ⟨x, Aᵀy⟩` and the shapes on random vectors, in float32.

    A test, not a proof: it finds operators whose adjoint is another operator's, or whose shapes are
    not those that they state.

    Args:
        operator: a `LinearOperator`.
        tolerance: largest difference beyond underflow, relative to `‖Ax‖ ‖y‖ + ‖x‖ ‖Aᵀy‖`.
        seed: seed of the vectors.

    Raises:
        TypeError: if it is not a `LinearOperator`.
        ValueError: if a shape differs or the products do.
    """
    if not isinstance(operator, LinearOperator):
        raise TypeError(
            f"Expected a lipzoo.inverse.LinearOperator. Received: operator={operator!r}"
        )
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((4, *operator.input_shape)).astype("float32")
    y = generator.standard_normal((4, *operator.output_shape)).astype("float32")
    to_numpy = keras.ops.convert_to_numpy
    forward = to_numpy(operator.apply(keras.ops.convert_to_tensor(x))).astype("float64")
    backward = to_numpy(operator.adjoint(keras.ops.convert_to_tensor(y))).astype("float64")
    for name, array, shape in (("apply", forward, y.shape), ("adjoint", backward, x.shape)):
        if array.shape != shape:
            raise ValueError(
                f"{operator!r}: expected {name} to return a batch of shape {shape}. "
                f"Received: {array.shape}"
            )
    first = np.sum((forward * y).reshape(4, -1), axis=1)
    second = np.sum((x * backward).reshape(4, -1), axis=1)
    norms = [np.linalg.norm(v.reshape(4, -1), axis=1) for v in (forward, y, x, backward)]
    scale = norms[0] * norms[1] + norms[2] * norms[3]
    # Products below float32's range become zero, which is no fault of the adjoint.
    forward_size = operator.inputs * math.sqrt(operator.outputs) * norms[1]
    backward_size = operator.outputs * math.sqrt(operator.inputs) * norms[2]
    underflow = float(np.finfo("float32").tiny) * (forward_size + backward_size)
    difference = np.maximum(np.abs(first - second) - underflow, 0.0)
    error = float(np.max(difference / np.where(scale > 0, scale, 1.0)))
    if not error <= tolerance:
        raise ValueError(
            f"{operator!r}: expected adjoint to be the transpose of apply, <Ax, y> = <x, A'y> to "
            f"{tolerance:g}. Received: a relative difference of {error:.3g}"
        )


def matrix_rounding(norm, frobenius, absolute_norm, fan_in: int, outputs: int, dtype: str) -> float:
    """Slope of the rounding error of a product with a float64 matrix that is first cast to `dtype`.

    The cast changes every entry by at most u times itself, so the matrix, and that of its absolute
    values, by at most `u ‖A‖_F`; see `lipzoo.rounding.affine_rounding` for the product.
    """
    cast = 0.0 if dtype == "float64" else mul_up(unit_roundoff(dtype), frobenius)
    slope, _ = affine_rounding(
        fan_in,
        add_up(norm, cast),
        dtype=dtype,
        outputs=outputs,
        absolute_norm=add_up(absolute_norm, cast),
    )
    return add_up(cast, slope)


def _checked_shape(shape, name):
    sizes = tuple(shape) if isinstance(shape, list | tuple) else ()
    if not sizes or not all(type(size) is int and size > 0 for size in sizes):
        raise ValueError(f"{name} must be a tuple of positive integers. Received: {name}={shape!r}")
    return sizes
