"""Training from data whose sizes are not known: the layers take those they were built for."""

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo import layers

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow traces unknown sizes"
)


def data(shape):
    import tensorflow as tf

    rng = np.random.default_rng(0)

    def rows():
        for _ in range(4):
            yield rng.random((2, *shape)).astype("float32"), np.zeros(2, "int32")

    unknown = tf.TensorSpec((None,) * (len(shape) + 1), "float32")
    return tf.data.Dataset.from_generator(
        rows, output_signature=(unknown, tf.TensorSpec((None,), "int32"))
    )


@pytest.mark.parametrize(
    "layer",
    [
        layers.SpaceToDepth(2),
        layers.DepthToSpace(2),
        layers.Lift(8),
        layers.GradientFlowConv2D(kernel_size=2, strides=2, padding="circular"),
        layers.SpectralConv2D(4, 2),
        layers.HamiltonianConv2D(3),
        layers.CanonicalSpaceToDepth(2),
        layers.CanonicalLift(8),
        layers.GroupSort(2),
        layers.ScaledAveragePooling2D(2),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_each_layer_trains(layer):
    tail = [keras.layers.Flatten(), lipzoo.layers.SpectralDense(3)]
    model = keras.Sequential([keras.Input((8, 8, 4)), layer, *tail])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    model.fit(data((8, 8, 4)), verbose=0, shuffle=False, steps_per_epoch=4)
    with pytest.raises(Exception, match=r"(?i)broadcast|shape|dimension|incompatible"):
        model.fit(data((4, 16, 4)), verbose=0, shuffle=False, steps_per_epoch=4)
