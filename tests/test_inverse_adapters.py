"""Operators of SciPy, PyLops, ASTRA and ODL."""

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg
import scipy.stats
from keras import ops

from lipzoo import inverse


def test_operators_of_scipy_have_their_norms_and_products():
    matrix = scipy.sparse.random_array((1500, 1200), density=0.01, rng=np.random.default_rng(9))
    operator = inverse.from_scipy(matrix, (30, 40, 1), (1500,))
    exact = scipy.sparse.linalg.svds(matrix, 1, return_singular_vectors=False)[0]
    assert exact * (1 - 1e-12) <= operator.norm_bound <= exact * (1 + 1e-5)
    inverse.check_adjoint(operator)
    x = np.random.default_rng(10).normal(size=(2, 30, 40, 1)).astype("float32")
    found = ops.convert_to_numpy(operator.apply(x))
    np.testing.assert_allclose(found, x.reshape(2, -1) @ matrix.T, atol=1e-5)
    again = inverse.operators.get(inverse.operators.serialize(operator))
    assert again == operator
    np.testing.assert_array_equal(again.matrix(), matrix.toarray())
    small = matrix.tocsr()[:20, :30]
    box = inverse.from_scipy(scipy.sparse.linalg.aslinearoperator(small), (30, 1))
    np.testing.assert_array_equal(box.matrix(), small.toarray())
    for wrong in (np.eye(2), "matrix"):
        with pytest.raises(TypeError, match=r"Expected a sparse matrix.*Received"):
            inverse.from_scipy(wrong)
    with pytest.raises(ValueError, match="real ones"):
        inverse.from_scipy(scipy.sparse.csr_array(1j * np.eye(2)))
    huge = scipy.sparse.linalg.LinearOperator((2**13, 2**13), matvec=lambda v: v, dtype="float64")
    with pytest.raises(ValueError, match=r"(?s)as a sparse matrix.*norm_bound.*rounding.*Received"):
        inverse.from_scipy(huge)


def test_operators_of_pylops():
    pylops = pytest.importorskip("pylops")
    theirs = pylops.Gradient((6, 7), edge=True, kind="forward")
    operator = inverse.from_pylops(pylops.FirstDerivative((6, 7), axis=1))
    assert (operator.input_shape, operator.output_shape) == ((6, 7, 1), (6, 7))
    x = np.random.default_rng(11).normal(size=(2, 6, 7, 1))
    found = ops.convert_to_numpy(operator.apply(x.astype("float32")))
    for image, result in zip(x[..., 0], found, strict=True):
        expected = pylops.FirstDerivative((6, 7), axis=1) @ image
        np.testing.assert_allclose(result, expected, atol=1e-5)
    stacked = inverse.from_pylops(theirs)
    assert stacked.output_shape == (2, 6, 7)
    with pytest.raises(ValueError, match=r"complex ones as two channels"):
        inverse.from_pylops(pylops.signalprocessing.FFT(8))


def test_projectors_of_astra_and_that_its_strips_are_ours():
    astra = pytest.importorskip("astra")
    shape, degrees = (12, 10), np.arange(9) * 20.0
    volume = astra.create_vol_geom(*shape)
    x = np.random.default_rng(13).random(shape).astype("float32")
    parallel = astra.create_proj_geom("parallel", 1.0, 17, np.deg2rad(degrees))
    fan = astra.create_proj_geom("fanflat", 1.5, 20, np.deg2rad(2 * degrees), 40.0, 40.0)
    for kind, geometry in (("strip", parallel), ("linear", parallel), ("strip_fanflat", fan)):
        projector = astra.create_projector(kind, geometry, volume)
        operator = inverse.from_astra(projector)
        identifier, theirs = astra.create_sino(x, projector)
        astra.data2d.delete(identifier)
        ours = ops.convert_to_numpy(operator.apply(x[None, ..., None]))[0]
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
        exact = np.linalg.norm(operator.matrix(), 2)
        assert exact * (1 - 1e-14) <= operator.norm_bound <= exact * (1 + 1e-9)
        if kind == "strip":
            scanner = inverse.Tomography(shape, degrees, bins=17)
            ours = ops.convert_to_numpy(scanner.apply(x[None, ..., None]))[0] * max(shape)
            np.testing.assert_allclose(ours, theirs, atol=1e-4)
        astra.projector.delete(projector)


def test_operators_of_odl():
    odl = pytest.importorskip("odl")
    matrix = np.random.default_rng(14).normal(size=(4, 6))
    operator = inverse.from_odl(odl.MatrixOperator(matrix))
    assert (operator.input_shape, operator.output_shape) == ((6, 1), (4,))
    np.testing.assert_array_equal(operator.matrix(), matrix)
    with pytest.raises(TypeError, match="Expected a linear operator"):
        inverse.from_odl(odl.ConstantOperator(odl.rn(2).one()))
