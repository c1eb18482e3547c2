"""Forward operators of inverse problems: what each has to know of itself, and the one in full.

The two classes stand together, for each is made of the other: a matrix is an operator, and what
inverts an operator is a matrix.
"""

import functools
import math

import keras
import numpy as np
from keras import ops

from lipzoo.inverse.operators.arguments import as_batch, checked_shape
from lipzoo.operators import BoundedOperator, Summation
from lipzoo.rounding import add_up, deflated, gamma, mul_up, norm_up, unit_roundoff
from lipzoo.spectral import absolute_norm_bound, dense_norm_bound
from lipzoo.spectral.threads import single_threaded_blas
from lipzoo.validation import positive_number, real_array

# Entries of a dense matrix that is made of an operator: 256 MiB in float64.
MAX_ENTRIES = 2**25


class LinearOperator(BoundedOperator):
    """Base of linear forward operators `A: x ↦ y` on batches of images or signals.

    A subclass states shapes, computes `apply` and `adjoint` with `keras.ops` in the type of its
    argument, proves `norm_bound` and has a `get_config`. Everything else (Tikhonov reconstructions,
    data steps, certificates) rests on these. An operator holds no trainable weights and never
    changes.

    What layers have inside has the same `apply`, `adjoint`, `norm_bound` and `rounding`; shapes,
    the matrix, the inverse and the configuration are for operators that stand for themselves.

    Args:
        input_shape: shape of one image, channels last: `(height, width, channels)` or
            `(length, channels)`.
        output_shape: shape of one measurement.

    Raises:
        ValueError: if a shape does not consist of positive integers.
    """

    def __init__(self, input_shape, output_shape):
        self.input_shape = checked_shape(input_shape, "input_shape")
        self.output_shape = checked_shape(output_shape, "output_shape")

    @property
    def smallest_singular_value_bound(self) -> float:
        """Proven lower bound on `‖Ax‖ / ‖x‖`; 0 claims nothing."""
        return 0.0

    def matrix(self) -> np.ndarray:
        """The operator as a float64 matrix of shape `(outputs, inputs)`, both flattened."""
        raise NotImplementedError

    def regularised_inverse(self, alpha: float) -> "LinearOperator":
        """Tikhonov's reconstruction `y ↦ (AᵀA + αI)⁻¹Aᵀy`, itself an operator.

        Its norm is `max s / (s² + α)` over the singular values s of A, at most `1 / (2√α)`; what is
        proven is the norm of the matrix as it is stored, rounding of its computation included.

        Args:
            alpha: α, a positive finite number, in the units of ‖A‖².

        Raises:
            ValueError: if α is not positive, or the matrix would have more than 2²⁵ entries.
        """
        alpha = positive_number(alpha, "alpha")
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
        """Arguments of the constructor, as JSON values; bounds of layers are kept under them."""
        raise NotImplementedError(
            "Expected an operator that defines get_config(), the arguments of its constructor as "
            f"JSON values. Received: {type(self).__name__}"
        )

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


@keras.saving.register_keras_serializable(package="lipzoo")
class Matrix(LinearOperator):
    """The operator `y = Mx` on flattened images.

    Args:
        matrix: M, of shape `(outputs, inputs)`; kept in float64.
        input_shape: shape of one image; None for `(inputs,)`.
        output_shape: shape of one measurement; None for `(outputs,)`.

    Raises:
        ValueError: if the matrix is not finite and of rank 2, or does not fit the shapes.

    Guarantee: `norm_bound` is the verified largest singular value of the float64 matrix.

    Example:

    >>> operator = Matrix([[3.0, 0.0], [0.0, 1.0]])
    >>> operator.apply(np.array([[1.0, 1.0]], "float32")).shape == (1, 2)
    True
    >>> 3.0 <= operator.norm_bound < 3.0 + 1e-12
    True
    """

    def __init__(self, matrix, input_shape=None, output_shape=None):
        array = np.array(real_array(matrix, "matrix", booleans=True), dtype="float64")
        if array.ndim != 2 or array.size == 0 or not np.isfinite(array).all():
            raise ValueError(
                "matrix must be a finite array of shape (outputs, inputs). "
                f"Received: shape={array.shape}"
            )
        rows, columns = array.shape
        super().__init__(
            (columns,) if input_shape is None else input_shape,
            (rows,) if output_shape is None else output_shape,
        )
        if (self.outputs, self.inputs) != array.shape:
            raise ValueError(
                f"matrix must be of shape {(self.outputs, self.inputs)}, as output_shape and "
                f"input_shape say. Received: shape={array.shape}"
            )
        array.flags.writeable = False
        self._matrix = array

    def apply(self, x):
        x = as_batch(x, self.input_shape)
        return self._product(x, self._matrix.T, self.output_shape)

    def adjoint(self, y):
        y = as_batch(y, self.output_shape)
        return self._product(y, self._matrix, self.input_shape)

    @functools.cached_property
    def norm_bound(self) -> float:
        return dense_norm_bound(self._matrix)

    @functools.cached_property
    def smallest_singular_value_bound(self) -> float:
        """Proven lower bound: `σ² >= c - ‖cI - AᵀA‖` for any c, here `c = ‖A‖²`."""
        if self.outputs < self.inputs:
            return 0.0
        gram = self._matrix.T @ self._matrix
        square = self.norm_bound**2
        gap = dense_norm_bound(square * np.eye(self.inputs) - gram)
        # Every entry of the Gram matrix errs by at most gamma(m) times the norms of two columns.
        frobenius = norm_up(self._matrix)
        error = mul_up(gamma(self.outputs + 2, "float64"), frobenius, frobenius)
        # The diagonal of cI - AᵀA, and the two differences here.
        error = add_up(error, mul_up(4 * unit_roundoff("float64"), add_up(square, gap)))
        return deflated(math.sqrt(max(square - gap - error, 0.0)), operations=1)

    def matrix(self) -> np.ndarray:
        return self._matrix

    def rounding(self, dtype):
        return Summation(
            norm=self.norm_bound,
            absolute_norm=absolute_norm_bound(self._matrix),
            fan_in=self.inputs,
            fan_out=self.outputs,
            inputs=self.inputs,
            outputs=self.outputs,
            cast_norm=norm_up(self._matrix),
        ).rounding(dtype)

    def get_config(self):
        return {
            "matrix": self._matrix.tolist(),
            "input_shape": list(self.input_shape),
            "output_shape": list(self.output_shape),
        }

    @staticmethod
    def _product(inputs, matrix, shape):
        flat = ops.reshape(inputs, (-1, matrix.shape[0]))
        outputs = ops.matmul(flat, ops.convert_to_tensor(matrix, dtype=inputs.dtype))
        return ops.reshape(outputs, (-1, *shape))
