"""Denoiser: gradient flows with zero-padded convolutions on blocks of pixels."""

import numpy as np

from lipzoo_catalogue.checker import layers
from lipzoo_catalogue.checker.arguments import count, interval, sizes
from lipzoo_catalogue.checker.network import Network
from lipzoo_catalogue.checker.tensors import Tensors


def denoiser(
    tensors: Tensors,
    *,
    input_shape: object,
    stem: object = 2,
    width: object = 8,
    depth: object = 8,
    filters: object = 72,
    kernel_size: object = 3,
    activation: object = "hard_tanh",
    gain: object = 32.0,
    train_gain: bool = True,
    bounds: object = (0.0, 1.0),
) -> Network:
    """Walks through the architecture; every flow is one step of size 2/β."""
    network = Network(tensors, sizes(input_shape))
    shape, block = (*network.spatial, network.channels), count(stem, "stem", 1)
    network.isometry("centre", "shift")
    network.stem(block, halvings=0)
    padded = [size * block for size in network.spatial] != list(shape[:-1])
    network.lift("lift", count(width, "width", 1))
    for i in range(1, count(depth, "depth", 1) + 1):
        name = f"flow{i}"
        operator, bias = network.convolution(name, kernel_size, network.channels, filters)
        gains: float | np.ndarray = layers.positive(gain, "gain")
        if train_gain:
            gains = tensors.take(f"{name}.gain", bias.shape)
            if not gains.all():
                raise ValueError(f"{name}: expected gains other than 0. Received: a gain of 0")
        network.add(name, layers.gradient_flow(operator, bias, activation, gain=gains))
    network.isometry("project", "drops channels")
    if block > 1:
        network.isometry("depth_to_space", "permutation")
    if padded:
        network.isometry("crop", "drops entries")
    *network.spatial, network.channels = shape
    network.isometry("uncentre", "shift")
    if bounds is not None:
        interval(bounds, "bounds")
        network.isometry("clip", "projection onto a box")
    return network
