"""Forward operators of inverse problems: what each has to know of itself, and the one in full.

The classes stand together, for each is made of the others: a matrix is an operator, and what
inverts an operator is a matrix, or an operator that multiplies with it many times.
"""

import functools
import math

import keras
import numpy as np
from keras import ops

from lipzoo.autodiff.linear_maps import with_adjoint
from lipzoo.inverse.operators.arguments import as_batch, checked_shape
from lipzoo.inverse.operators.chebyshev import chebyshev_steps
from lipzoo.inverse.operators.written_out import written_out
from lipzoo.operators import BoundedOperator, StoredTensor, Summation
from lipzoo.rounding import add_up, deflated, gamma, mul_up, norm_up, unit_roundoff
from lipzoo.spectral import absolute_norm_bound, dense_norm_bound
from lipzoo.spectral.threads import single_threaded_blas
from lipzoo.validation import positive_number, real_array

# Entries of a dense matrix that is made of an operator: 256 MiB in float64.
MAX_ENTRIES = 2**25


class LinearOperator(BoundedOperator):
    """Base of linear forward operators `A: x ↦ y` on batches of images or signals.

    A subclass states shapes and computes `apply` and `adjoint` with `keras.ops` in the type of its
    argument. Up to 2²⁵ entries that is all: layers write the operator out once, as the matrix that
    `apply` computes of unit vectors in float64, and multiply with that; its norm and its rounding
    are those of the matrix, and a `rounding` of the class is not used. Beyond, or to be multiplied
    with itself, a subclass states a proven `norm_bound`, and a `rounding` for certificates that
    count it. To save a model, it needs a `get_config`. An operator holds no
    trainable weights and never changes.

    That `adjoint` is the transpose of `apply` is tested on random vectors, which is no proof.

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

    # Whether TensorFlow's compiler XLA can compile the products.
    supports_jit = True

    @property
    def norm_bound(self) -> float:
        """Proven upper bound on ‖A‖; of the matrix that is written out, unless a class states it.

        Raises:
            ValueError: if the matrix would have more than 2²⁵ entries.
        """
        return self._written_out.norm_bound

    def rounding(self, dtype):
        return None if self.states_norm else self._written_out.rounding(dtype)

    @property
    def states_norm(self) -> bool:
        """Whether the class has a `norm_bound` of its own."""
        return type(self).norm_bound is not LinearOperator.norm_bound

    def matrix(self) -> np.ndarray:
        """The operator as a float64 matrix of shape `(outputs, inputs)`, both flattened.

        Raises:
            ValueError: if it has more than 2²⁵ entries, or `apply` is not linear.
        """
        self._check_matrix_size()
        return written_out(self)

    def products(self) -> "LinearOperator":
        """What layers multiply with: the operator, or its matrix if it states no norm."""
        return self if self.states_norm else self._written_out

    @functools.cached_property
    def _written_out(self):
        return Matrix(self.matrix(), self.input_shape, self.output_shape)

    def _check_matrix_size(self):
        if self.inputs * self.outputs > MAX_ENTRIES:
            raise ValueError(
                f"Expected an operator of at most {MAX_ENTRIES:,} entries, to be written out as a "
                "matrix. A larger one has to state a proven norm_bound (and, for certificates that "
                "count rounding errors, rounding); or be made of entries that are known, by "
                "lipzoo.inverse.from_scipy of a sparse matrix, Blur, Mask, Fourier or Tomography. "
                f"Received: {self!r}, {self.outputs:,} x {self.inputs:,}"
            )

    def regularised_inverse(self, alpha: float) -> "LinearOperator":
        """Tikhonov's reconstruction `y ↦ (AᵀA + αI)⁻¹Aᵀy`, itself an operator.

        Its norm is `max s / (s² + α)` over the singular values s of A, at most `1 / (2√α)`; what is
        proven is the norm of the matrix as it is stored, rounding of its computation included. With
        more than 2²⁵ entries it is a `ChebyshevInverse`, within a hundredth of that norm.

        Args:
            alpha: α, a positive finite number, in the units of ‖A‖².

        Raises:
            ValueError: if α is not positive, or so small that an operator of more than 2²⁵ entries
                needs too many steps.
        """
        alpha = positive_number(alpha, "alpha")
        if self.inputs * self.outputs > MAX_ENTRIES:
            return ChebyshevInverse(self, alpha)
        # With one thread, so that it is the same to the last bit in every process.
        with single_threaded_blas():
            left, values, right = np.linalg.svd(self.matrix(), full_matrices=False)
            inverse = (right.T * (values / (values**2 + alpha))) @ left.T
        return Matrix(inverse, self.output_shape, self.input_shape)

    def get_config(self) -> dict:
        """Arguments of the constructor, as JSON values: what a saved model is loaded from."""
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
        if self is other:
            return True
        # Without a configuration an operator is equal to itself only.
        comparable = type(self).get_config is not LinearOperator.get_config
        return type(self) is type(other) and comparable and self.get_config() == other.get_config()

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
        self._forward = StoredTensor(array.T.astype)
        self._backward = StoredTensor(array.astype)

    def apply(self, x):
        x = as_batch(x, self.input_shape)
        return self._product(x, self._forward.of(_type_of(x), x), self.output_shape)

    def adjoint(self, y):
        y = as_batch(y, self.output_shape)
        return self._product(y, self._backward.of(_type_of(y), y), self.input_shape)

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


def _type_of(tensor):
    return keras.backend.standardize_dtype(tensor.dtype)


class ChebyshevInverse(LinearOperator):
    """Tikhonov's reconstruction by products with A and Aᵀ alone, a polynomial in AᵀA.

        y ↦ p(AᵀA) Aᵀy,      |t p(t) + α p(t) - 1| <= accuracy     for 0 <= t <= ‖A‖²

    by a fixed number of steps of Chebyshev's iteration with fixed coefficients, about
    `½ ‖A‖/√α · log(2 / accuracy)`: a linear map, unlike conjugate gradients.

    Args:
        operator: A, a `LinearOperator` with a proven norm.
        alpha: α, a positive finite number, in the units of ‖A‖².
        accuracy: see above, in (0, 1).

    Raises:
        ValueError: if an argument is out of range, or more than 5000 steps are needed.

    Guarantee: with L the largest `s / (s² + α)` for `0 <= s <= ‖A‖`, at most `1 / (2√α)`:
    `norm_bound` is `(1 + accuracy) L`, and `distance_bound`, how far the map is from Tikhonov's in
    operator norm, `accuracy · L`, both in exact arithmetic. `rounding` bounds what `apply` errs by
    beyond that, if A states its own; nothing is stated of `adjoint`.

    Reference: Golub and Varga, doi:10.1007/BF01386013.

    Example:

    >>> inverse = ChebyshevInverse(Matrix([[2.0]]), alpha=4.0, accuracy=1e-6)
    >>> abs(float(inverse.apply(np.ones((1, 1), "float32"))[0, 0]) - 0.25) < 1e-6
    True
    """

    def __init__(self, operator, alpha, accuracy=1e-2):
        super().__init__(operator.output_shape, operator.input_shape)
        self.alpha = positive_number(alpha, "alpha")
        self.accuracy = positive_number(accuracy, "accuracy")
        if not self.accuracy < 1:
            raise ValueError(f"accuracy must be below 1. Received: accuracy={accuracy!r}")
        self._operator = operator.products()
        self.supports_jit = operator.supports_jit
        self._steps = chebyshev_steps(self.alpha, self._operator.norm_bound, self.accuracy)

    @property
    def steps(self) -> int:
        """Number of steps, each with one product with A and one with Aᵀ."""
        return len(self._steps.coefficients)

    @property
    def norm_bound(self) -> float:
        return self._steps.norm_bound

    @property
    def distance_bound(self) -> float:
        """Proven bound on the distance to Tikhonov's map in operator norm."""
        return self._steps.distance_bound

    def __getstate__(self):
        # Functions with a gradient of their own do not pickle; they are made again.
        return {name: part for name, part in vars(self).items() if name != "_compiled"}

    def apply(self, y):
        return self._compiled[0](as_batch(y, self.input_shape))

    def adjoint(self, x):
        return self._compiled[1](as_batch(x, self.output_shape))

    @functools.cached_property
    def _compiled(self):
        return (
            with_adjoint(self._apply, self._adjoint),
            with_adjoint(self._adjoint, self._apply),
        )

    def _apply(self, y):
        forward, backward = self._operator.apply, self._operator.adjoint
        return self._iterate(backward(y), lambda x: backward(y - forward(x)))

    def _adjoint(self, x):
        forward, backward = self._operator.apply, self._operator.adjoint
        return forward(self._iterate(x, lambda z: x - backward(forward(z))))

    def _iterate(self, start, gradient):
        """The steps, from the negative gradient of half the misfit at zero and at any image."""
        steps = self._steps.coefficients
        dtype = _type_of(start)
        momenta, lengths = (ops.convert_to_tensor(part, dtype) for part in zip(*steps, strict=True))

        def step(k, images):
            before, x = images
            following = x + lengths[k] * (gradient(x) - self.alpha * x)
            following = following + momenta[k] * (x - before)
            return x, ops.reshape(following, ops.shape(x))

        first = lengths[0] * start
        return ops.fori_loop(1, len(steps), step, (ops.zeros_like(first), first))[1]

    def rounding(self, dtype):
        known = self._operator.rounding(dtype)
        return None if known is None else (self._steps.rounding(dtype, *known), math.inf)
