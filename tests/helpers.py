"""What several tests are skipped by, and how they compile."""

import keras
import pytest
from hypothesis import settings

compiled = pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="torch.compile takes minutes for a small network"
)
tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="lipzoo promises it on TensorFlow alone"
)
default_backend_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="no matter of the backend, or of sizes, each of which the others compile anew",
)
in_float64 = pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="Keras narrows float64 on PyTorch"
)
half_precision = pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="float16 takes JAX minutes on a CPU"
)

# `jit_compile` where it does not matter: a step takes JAX a third of a second otherwise.
COMPILES = "auto" if keras.backend.backend() == "jax" else False


def examples(number):
    """Settings of a property that Keras computes: so many examples are tried.

    On other backends than the default one a third, since each shape is compiled there.
    """
    if keras.backend.backend() != "tensorflow":
        number = -(-number // 3)
    return settings(max_examples=number, deadline=None)


def compile_fast(model, optimizer, loss, **settings):
    """Compiles a model whose training begins soon: without XLA, its step traced once.

    An optimizer makes its variables in the first step, which TensorFlow then traces a second time.
    """
    model.compile(optimizer, loss, jit_compile=COMPILES, **settings)
    model.optimizer.build(model.trainable_variables)
