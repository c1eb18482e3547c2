import keras
import numpy as np
import pytest
from keras import ops

from lipzoo.constraints import SpectralBound
from lipzoo.tracing import traced_once


def _compiled(function):
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function)
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    return pytest.skip("PyTorch has no graph to build")


def test_a_graph_traces_tensors_of_one_shape_once():
    shapes = []

    def doubled(tensor, factor):
        shapes.append((tuple(tensor.shape), factor))
        return factor * tensor

    def total(first, second, other):
        calls = [(first, 2.0), (second, 2.0), (other, 2.0), (second, 3.0)]
        return sum(ops.sum(traced_once(doubled, tensor, factor)) for tensor, factor in calls)

    first, second, other = np.ones((2, 3), "f"), np.full((2, 3), 5.0, "f"), np.ones(4, "f")
    result = _compiled(total)(*map(ops.convert_to_tensor, (first, second, other)))
    assert float(result) == 2 * 6 + 2 * 30 + 2 * 4 + 3 * 30
    assert shapes == [((2, 3), 2.0), ((4,), 2.0), ((2, 3), 3.0)]


def test_outside_of_a_graph_jax_alone_traces():
    calls = []

    def doubled(tensor):
        calls.append(tensor)
        return 2.0 * tensor

    for value in (1.0, 3.0):
        np.testing.assert_array_equal(
            traced_once(doubled, ops.full((3,), value)), np.full(3, 2 * value)
        )
    assert len(calls) == (1 if keras.backend.backend() == "jax" else 2)


@pytest.mark.parametrize("shape", [(6, 4), (3, 3, 4, 4)])
def test_constraints_that_do_the_same_are_equal_and_others_keep_their_own_trace(shape):
    wide, narrow = SpectralBound(2.0), SpectralBound(0.5)
    assert wide == SpectralBound(2.0)
    assert hash(wide) == hash(SpectralBound(2.0))
    assert wide != narrow
    assert wide != SpectralBound(2.0, strides=2)
    kernel = ops.convert_to_tensor(np.random.default_rng(0).normal(size=shape).astype("f"))
    results = _compiled(lambda kernel: [wide(kernel), narrow(kernel)])(kernel)
    for constraint, result in zip((wide, narrow), results, strict=True):
        np.testing.assert_allclose(result, constraint(kernel), rtol=1e-4, atol=1e-5)
