"""Products with constant matrices: Gemm and MatMul as Dense layers."""

import keras
import numpy as np

from lipzoo.importing.call import Call, Operator
from lipzoo.importing.tensor import Tensor, file_order


def _gemm(call: Call):
    """`alpha A B + beta C` with constants B and C."""
    tensor = call.in_file_order()
    if tensor.rank != 2:
        call.refuse("a matrix as input 0", f"shape {tensor.shape}")
    if call.attribute("transA", 0):
        call.refuse("transA=0, which keeps the examples of a batch apart", "transA=1")
    kernel = _matrix(call, 1)
    kernel = kernel.T if call.attribute("transB", 0) else kernel
    kernel = _times(kernel, call.attribute("alpha", 1.0))
    bias = None
    if call.optional_constant(2, "C") is not None:
        bias = call.floats(2, "C")
        if bias.ndim > 1 and set(bias.shape[:-1]) != {1}:
            call.refuse("a bias that is the same for every example", f"C of shape {bias.shape}")
        bias = np.broadcast_to(bias.reshape(-1), kernel.shape[1:])
        bias = _times(bias, call.attribute("beta", 1.0))
    return _dense(call, tensor, kernel, bias)


def _matmul(call: Call):
    """`A B` with a constant matrix B, at every position of A."""
    tensor = call.in_file_order()
    if tensor.rank < 2:
        call.refuse("a tensor with a batch axis and features", f"shape {tensor.shape}")
    return _dense(call, tensor, _matrix(call, 1), None)


def _matrix(call: Call, position):
    matrix = call.floats(position, "the matrix")
    if matrix.ndim != 2:
        call.refuse("a matrix of two axes", f"shape {matrix.shape}")
    return matrix


def _times(array, factor):
    if factor == 1:
        return array
    return (array.astype("float64") * factor).astype("float32")


def _dense(call: Call, tensor, kernel, bias):
    if bias is None:
        bias = call.following_shift(call.node, kernel.shape[1], tensor.rank)
    weights = [kernel] if bias is None else [kernel, bias]
    made = call.layer(
        keras.layers.Dense,
        tensor.keras,
        weights=weights,
        units=kernel.shape[1],
        use_bias=bias is not None,
    )
    return Tensor(made, file_order(tensor.rank))


OPERATORS = {
    "Gemm": Operator(_gemm, "with a constant matrix and bias; transB, alpha, beta"),
    "MatMul": Operator(_matmul, "with a constant matrix behind; an Add of a bias becomes its own"),
}
