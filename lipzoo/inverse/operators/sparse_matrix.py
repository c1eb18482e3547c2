"""A forward operator by the entries of its matrix that are not zero."""

import base64
import functools
import zlib

import keras
import numpy as np
from keras import ops

from lipzoo.inverse.operators.arguments import as_batch
from lipzoo.inverse.operators.base import LinearOperator, Matrix
from lipzoo.operators import SparseOperator
from lipzoo.validation import real_array

# Entries of a matrix that is multiplied with as a dense one: 4 MiB in float32.
_DENSE = 2**20


@keras.saving.register_keras_serializable(package="lipzoo")
class SparseMatrix(LinearOperator):
    """The operator `y = Mx` on flattened images, M given by its entries that are not zero.

    `lipzoo.inverse.from_scipy` makes one of a sparse matrix of SciPy, `from_astra` of a projector.

    Args:
        rows, columns, values: the entries, one-dimensional arrays of equal length; those of one
            place are added. Or the texts that `get_config` returns.
        shape: `(outputs, inputs)` of the matrix.
        input_shape: shape of one image; None for `(inputs,)`.
        output_shape: shape of one measurement; None for `(outputs,)`.

    Raises:
        ValueError: if entries are not finite, lie outside, or do not fit the shapes.

    Guarantee: up to 2²⁰ entries of the full matrix as for `Matrix`. Beyond, `norm_bound` is a bound
    of the norm of |M|, the matrix of absolute values, by Collatz and Wielandt: tight where no entry
    is negative, and above ‖M‖ by what the signs would have cancelled elsewhere.

    Example:

    >>> operator = SparseMatrix([0, 1], [0, 2], [3.0, 4.0], (2, 3))
    >>> operator.apply(np.ones((1, 3), "float32")).shape == (1, 2)
    True
    >>> 4.0 <= operator.norm_bound < 4.0 + 1e-12
    True
    """

    def __init__(self, rows, columns, values, shape, input_shape=None, output_shape=None):
        height, width = _sizes(shape)
        super().__init__(
            (width,) if input_shape is None else input_shape,
            (height,) if output_shape is None else output_shape,
        )
        rows, columns = (_from_text(part, "<i4") for part in (rows, columns))
        values = np.array(real_array(_from_text(values, "<f8"), "values"), "float64")
        rows, columns = (np.asarray(part) for part in (rows, columns))
        if not (
            rows.shape == columns.shape == values.shape == (values.size,)
            and np.isfinite(values).all()
            and all(part.size == 0 or part.dtype.kind in "iu" for part in (rows, columns))
        ):
            raise ValueError(
                "rows, columns and values must be arrays of one axis and equal length, integers "
                f"and finite numbers. Received: shapes {rows.shape}, {columns.shape}, "
                f"{values.shape}"
            )
        within = [(rows, height), (columns, width)]
        if any(part.size and (part.min() < 0 or part.max() >= size) for part, size in within):
            raise ValueError(
                f"Expected entries within the shape. Received: shape={(height, width)}"
            )
        if (self.outputs, self.inputs) != (height, width):
            raise ValueError(
                f"shape must be {(self.outputs, self.inputs)}, as output_shape and input_shape "
                f"say. Received: shape={(height, width)}"
            )
        self._entries = rows.astype("int32"), columns.astype("int32"), values

    @functools.cached_property
    def _computed(self):
        shape = self.outputs, self.inputs
        if self.outputs * self.inputs > _DENSE:
            return SparseOperator(*self._entries, shape)
        dense = np.zeros(shape)
        np.add.at(dense, self._entries[:2], self._entries[2])
        return Matrix(dense)

    @property
    def supports_jit(self) -> bool:
        """Whether it is a dense product: XLA has no sparse one for TensorFlow."""
        return isinstance(self._computed, Matrix)

    def apply(self, x):
        x = ops.reshape(as_batch(x, self.input_shape), (-1, self.inputs))
        return ops.reshape(self._computed.apply(x), (-1, *self.output_shape))

    def adjoint(self, y):
        y = ops.reshape(as_batch(y, self.output_shape), (-1, self.outputs))
        return ops.reshape(self._computed.adjoint(y), (-1, *self.input_shape))

    @property
    def norm_bound(self) -> float:
        return self._computed.norm_bound

    @property
    def smallest_singular_value_bound(self) -> float:
        return self._computed.smallest_singular_value_bound

    def rounding(self, dtype):
        return self._computed.rounding(dtype)

    def matrix(self) -> np.ndarray:
        self._check_matrix_size()
        return self._computed.matrix()

    def get_config(self):
        rows, columns, values = self._entries
        return {
            "rows": _to_text(rows, "<i4"),
            "columns": _to_text(columns, "<i4"),
            "values": _to_text(values, "<f8"),
            "shape": [self.outputs, self.inputs],
            "input_shape": list(self.input_shape),
            "output_shape": list(self.output_shape),
        }


def _sizes(shape):
    sizes = tuple(shape) if isinstance(shape, list | tuple) else ()
    if len(sizes) != 2 or not all(isinstance(n, int | np.integer) and n > 0 for n in sizes):
        raise ValueError(f"shape must be two positive integers. Received: shape={shape!r}")
    return tuple(map(int, sizes))


def _to_text(array, dtype):
    return base64.b64encode(zlib.compress(array.astype(dtype).tobytes())).decode("ascii")


def _from_text(values, dtype):
    if not isinstance(values, str):
        return values
    try:
        return np.frombuffer(zlib.decompress(base64.b64decode(values)), dtype)
    except (ValueError, zlib.error):
        raise ValueError(
            f"Expected entries as get_config writes them. Received: {values[:40]!r}"
        ) from None
