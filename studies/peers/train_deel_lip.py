"""deel-lip (arXiv 2006.06520) on its TensorFlow, for the comparison.

Layers and their settings as they are by default; inference by `vanilla_export`.
"""

import math
from importlib.metadata import version

import tensorflow as tf
from deel.lip.activations import GroupSort2
from deel.lip.layers import InvertibleDownSampling, SpectralConv2D, SpectralDense
from deel.lip.model import Sequential

from studies.peers.exchange import answer
from studies.peers.shape import (
    INPUT_SHAPE,
    KERNEL_SIZE,
    NETWORKS,
    OFFSET,
    TEMPERATURE,
    with_sizes,
)


def loss(labels, logits):
    """Cross-entropy with an offset, as `lipzoo.OffsetCrossEntropy`."""
    labels = tf.reshape(tf.cast(labels, "int32"), (-1,))
    offset = math.sqrt(2) * OFFSET * tf.one_hot(labels, logits.shape[-1])
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, (logits - offset) / TEMPERATURE)


class Network:
    """A network of deel-lip; see `studies.peers.exchange.Network`."""

    def __init__(self, name, seed):
        tf.keras.utils.set_random_seed(seed)
        layers, last = [tf.keras.Input(INPUT_SHAPE)], len(NETWORKS[name]) - 1
        for place, (kind, units, *_) in enumerate(with_sizes(name)):
            if kind == "space_to_depth":
                layers.append(InvertibleDownSampling((units, units)))
                continue
            if kind == "convolution":
                layers.append(SpectralConv2D(units, (KERNEL_SIZE, KERNEL_SIZE)))
            else:
                # Of what is flat already it changes nothing.
                layers += [tf.keras.layers.Flatten(), SpectralDense(units)]
            layers += [] if place == last else [GroupSort2()]
        self.model = Sequential(layers)
        self.model.compile(tf.keras.optimizers.Adam(), loss)

    def step(self, images, labels, rate):
        self.model.optimizer.learning_rate.assign(rate)
        self.model.train_on_batch(images, labels)

    def freeze(self):
        self.exported = self.model.vanilla_export()
        self._call = tf.function(lambda x: self.exported(x, training=False))

    def logits(self, images):
        return self._call(images).numpy()

    def kernels(self):
        return [layer.kernel.numpy() for layer in self.exported.layers if hasattr(layer, "kernel")]

    def facts(self, images, labels):
        return {
            "software": {"deel-lip": version("deel-lip"), "tensorflow": version("tensorflow")},
            "parameters": sum(int(tf.size(w)) for w in self.model.trainable_weights),
            "padding": "zeros",
            "claimed_bound": 1.0,
        }


if __name__ == "__main__":
    answer(Network)
