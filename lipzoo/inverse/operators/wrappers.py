"""Forward operators that other libraries made."""

import math

import numpy as np

from lipzoo.inverse.operators.base import MAX_ENTRIES, LinearOperator, Matrix
from lipzoo.inverse.operators.sparse_matrix import SparseMatrix
from lipzoo.validation import real_array

# Unit vectors that a foreign operator is applied to at once, as numbers: 32 MiB.
_AT_ONCE = 2**22


def from_scipy(operator, input_shape=None, output_shape=None) -> LinearOperator:
    """Makes an operator of a sparse matrix of SciPy, or of a `LinearOperator` of its.

    Of a sparse matrix (or array) the entries are taken as they are. A
    `scipy.sparse.linalg.LinearOperator` is known by its products alone, which are no tensors of
    Keras: it is written out as a matrix, `operator @ I`, up to 2²⁵ entries.

    Args:
        operator: a sparse matrix, or a `LinearOperator`, of real numbers.
        input_shape: shape of one image; None for `(inputs,)`.
        output_shape: shape of one measurement; None for `(outputs,)`.

    Returns:
        A `SparseMatrix` or a `Matrix`, with proven norm and rounding, both of the entries that it
        holds.

    Raises:
        TypeError: for anything else.
        ValueError: if it is complex or not finite, does not fit the shapes, or a `LinearOperator`
            is too large.

    Example:

    >>> import scipy.sparse
    >>> operator = from_scipy(scipy.sparse.eye_array(4, format="csr"), (2, 2), (4,))
    >>> operator.input_shape, round(operator.norm_bound, 9)
    ((2, 2), 1.0)
    """
    if hasattr(operator, "tocoo"):
        entries = operator.tocoo()
        values = real_array(entries.data, "the sparse matrix", booleans=True)
        return SparseMatrix(
            entries.row,
            entries.col,
            np.asarray(values, "float64"),
            tuple(map(int, entries.shape)),
            input_shape,
            output_shape,
        )
    if not all(hasattr(operator, name) for name in ("matmat", "rmatvec", "shape", "dtype")):
        raise TypeError(
            "Expected a sparse matrix or a LinearOperator of SciPy. "
            f"Received: operator={operator!r}"
        )
    return _written_out(
        operator.shape, operator.dtype, operator.matmat, operator, input_shape, output_shape
    )


def from_pylops(operator, channels: bool = True) -> LinearOperator:
    """Makes an operator of one of PyLops, `pylops.LinearOperator`, up to 2²⁵ entries.

    It is written out as a matrix, `operator @ I`.

    Args:
        operator: with `dims` and `dimsd`, the shapes of model and data.
        channels: whether to give images and signals a last axis of one channel, as layers need it.

    Returns:
        A `Matrix`.

    Raises:
        TypeError: if it is none of PyLops.
        ValueError: if it is complex, not finite or too large.

    Example:

    >>> import pylops                                                       # doctest: +SKIP
    >>> from_pylops(pylops.FirstDerivative((8, 8))).input_shape             # doctest: +SKIP
    (8, 8, 1)
    """
    if not all(hasattr(operator, name) for name in ("dims", "dimsd", "matmat")):
        raise TypeError(f"Expected an operator of PyLops. Received: operator={operator!r}")
    inputs, outputs = tuple(map(int, operator.dims)), tuple(map(int, operator.dimsd))
    inputs = (*inputs, 1) if channels else inputs
    return _written_out(operator.shape, operator.dtype, operator.matmat, operator, inputs, outputs)


def from_odl(operator, channels: bool = True) -> LinearOperator:
    """Makes an operator of a linear one of ODL, `odl.Operator`, up to 2²⁵ entries.

    It is written out as a matrix, from unit arrays. Norms are Euclidean ones of the arrays, without
    the weights that a discretised function space of ODL may have.

    Args:
        operator: between spaces of arrays, `operator.domain.shape` and `operator.range.shape`.
        channels: whether to give images and signals a last axis of one channel, as layers need it.

    Returns:
        A `Matrix`.

    Raises:
        TypeError: if it is no linear operator of ODL.
        ValueError: if it is complex, not finite or too large.
    """
    if not all(hasattr(operator, name) for name in ("domain", "range", "is_linear")):
        raise TypeError(f"Expected an operator of ODL. Received: operator={operator!r}")
    if not operator.is_linear:
        raise TypeError(f"Expected a linear operator. Received: operator={operator!r}")
    inputs, outputs = operator.domain.shape, operator.range.shape
    shape = math.prod(outputs), math.prod(inputs)

    def products(columns):
        images = (operator(column.reshape(inputs)) for column in columns.T)
        return np.stack([_plain(image).ravel() for image in images], axis=1)

    return _written_out(
        shape,
        operator.range.dtype,
        products,
        operator,
        (*inputs, 1) if channels else inputs,
        outputs,
    )


def from_astra(projector: int) -> LinearOperator:
    """Makes an operator of a projector of the ASTRA toolbox, from its sparse matrix.

    Args:
        projector: the id that `astra.create_projector` returned, of a two-dimensional projector on
            the CPU, with parallel or fan beam.

    Returns:
        A `SparseMatrix` from images `(rows, columns, 1)` to sinograms `(angles, detectors)`, in
        ASTRA's units: lengths in those of its volume.

    Raises:
        ModuleNotFoundError: if ASTRA is not installed.
    """
    import astra

    volume = astra.projector.volume_geometry(projector)
    sinogram = astra.projector.projection_geometry(projector)
    matrix = astra.projector.matrix(projector)
    try:
        entries = astra.matrix.get(matrix)
    finally:
        astra.matrix.delete(matrix)
    shape = int(volume["GridRowCount"]), int(volume["GridColCount"]), 1
    bins = int(sinogram["DetectorCount"])
    return from_scipy(entries, shape, (entries.shape[0] // bins, bins))


def _plain(element):
    """The numbers of an element of ODL, which from 1.0 on no conversion makes an array of."""
    if hasattr(element, "parts"):
        return np.stack([_plain(part) for part in element.parts])
    return np.asarray(getattr(element, "data", element))


def _written_out(shape, dtype, products, operator, input_shape, output_shape):
    outputs, inputs = map(int, shape)
    if np.dtype(dtype).kind == "c":
        raise ValueError(
            "Expected an operator on real numbers. Write complex ones as two channels, real and "
            f"imaginary part. Received: {operator!r} of type {dtype}"
        )
    if outputs * inputs > MAX_ENTRIES:
        raise ValueError(
            f"Expected an operator of at most {MAX_ENTRIES:,} entries, to be written out as a "
            "matrix. A larger one has to be given as a sparse matrix (from_scipy), or as a "
            "subclass of lipzoo.inverse.LinearOperator that states a proven norm_bound (and "
            f"rounding). Received: {operator!r}, {outputs:,} x {inputs:,}"
        )
    matrix = np.empty((outputs, inputs))
    at_once = max(1, _AT_ONCE // max(outputs, inputs))
    for first in range(0, inputs, at_once):
        count = min(at_once, inputs - first)
        units = np.zeros((inputs, count))
        units[first + np.arange(count), np.arange(count)] = 1.0
        matrix[:, first : first + count] = real_array(products(units), "the operator's products")
    return Matrix(matrix, input_shape, output_shape)
