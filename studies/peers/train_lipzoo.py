"""lipzoo on TensorFlow, for the comparison: layers and constraint as they are by default."""

from importlib.metadata import version

import keras
import numpy as np
import tensorflow as tf

import lipzoo
from lipzoo.layers import GroupSort, SpaceToDepth, SpectralConv2D, SpectralDense
from studies.peers.exchange import answer
from studies.peers.shape import (
    INPUT_SHAPE,
    KERNEL_SIZE,
    NETWORKS,
    OFFSET,
    RADII,
    TEMPERATURE,
    with_sizes,
)


class Network:
    """A network of lipzoo; see `studies.peers.exchange.Network`."""

    def __init__(self, name, seed):
        keras.utils.set_random_seed(seed)
        inputs = x = keras.Input(INPUT_SHAPE)
        last = len(NETWORKS[name]) - 1
        for place, (kind, units, *_) in enumerate(with_sizes(name)):
            if kind == "space_to_depth":
                x = SpaceToDepth(units)(x)
                continue
            if kind == "convolution":
                x = SpectralConv2D(units, KERNEL_SIZE)(x)
            else:
                # Of what is flat already it changes nothing.
                x = SpectralDense(units)(keras.layers.Flatten()(x))
            x = x if place == last else GroupSort(2)(x)
        self.model = keras.Model(inputs, x)
        self.model.compile(
            keras.optimizers.Adam(),
            lipzoo.OffsetCrossEntropy(OFFSET, temperature=TEMPERATURE),
            # As the recipes do without a GPU.
            jit_compile=False,
        )

    def step(self, images, labels, rate):
        self.model.optimizer.learning_rate.assign(rate)
        self.model.train_on_batch(images, labels)

    def freeze(self):
        self._call = tf.function(lambda x: self.model(x, training=False))

    def logits(self, images):
        return self._call(images).numpy()

    def kernels(self):
        return [layer.kernel.numpy() for layer in self.model.layers if hasattr(layer, "kernel")]

    def facts(self, images, labels):
        certificate = lipzoo.certify(
            self.model, images.astype("float32") / np.float32(255), labels, verbose=0
        )
        return {
            "software": {"lipzoo": lipzoo.__version__, "tensorflow": version("tensorflow")},
            "parameters": int(self.model.count_params()),
            "padding": "zeros",
            "claimed_bound": lipzoo.lipschitz_bound(self.model).value,
            "claimed_certified": {
                str(radius): float(certificate.certified_accuracy(radius)) for radius in RADII
            },
        }


if __name__ == "__main__":
    answer(Network)
