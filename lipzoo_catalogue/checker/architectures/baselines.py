"""MLP and ResNet: networks without constraints, whose bounds are products of norms."""

from lipzoo_catalogue.checker import layers
from lipzoo_catalogue.checker.arguments import count, sizes
from lipzoo_catalogue.checker.intervals import Interval
from lipzoo_catalogue.checker.layers import LayerBound
from lipzoo_catalogue.checker.network import Network
from lipzoo_catalogue.checker.tensors import Tensors


def mlp(
    tensors: Tensors,
    *,
    input_shape: object,
    num_classes: object,
    depth: object = 2,
    width: object = 32,
    activation: object = "tanh",
    kernel_initializer: object = None,
    normalization: object = None,
    include_top: bool = True,
) -> Network:
    """Walks through the architecture: dense layers, one after another."""
    del kernel_initializer  # of weights that training has replaced
    network = Network(tensors, sizes(input_shape))
    network.standardize(normalization)
    if network.rank:
        network.flatten()
    units = count(width, "width", 1)
    if units % 2 == 0 and units > network.channels:
        network.lift("lift", units)
    for i in range(1, count(depth, "depth", 1) + 1):
        network.dense(f"dense{i}", units, activation)
    if include_top:
        network.dense("head", count(num_classes, "num_classes", 2))
    return network


def resnet(
    tensors: Tensors,
    *,
    input_shape: object,
    num_classes: object,
    depth: object = 12,
    width: object = 32,
    units: object = None,
    stem: object = 2,
    stages: object = 2,
    kernel_size: object = 3,
    activation: object = "tanh",
    kernel_initializer: object = None,
    normalization: object = None,
    include_top: bool = True,
) -> Network:
    """Walks through the architecture: blocks `x ↦ x + Vσ(Wx + b)`, halvings between the stages."""
    del kernel_initializer
    network = Network(tensors, sizes(input_shape))
    network.standardize(normalization)
    blocks, parts = count(depth, "depth", 1), count(stages, "stages", 1)
    if network.rank:
        network.stem(count(stem, "stem", 1), halvings=parts - 1)
    else:
        parts = 1
    network.lift("lift", count(width, "width", 1))
    for stage in range(1, parts + 1):
        if stage > 1:
            _halve(network, f"stage{stage}_halve")
        for i in range(1, blocks // parts + (stage <= blocks % parts) + 1):
            _block(network, f"stage{stage}_block{i}", units, kernel_size, activation)
    if network.rank:
        cells = network.size // network.channels
        bound = layers.ONE / Interval.exactly(cells).sqrt()
        network.add("average", LayerBound(bound, bound.low, f"average of {cells} cells"))
        network.spatial = []
    if include_top:
        network.dense("head", count(num_classes, "num_classes", 2))
    return network


def _halve(network: Network, name: str) -> None:
    """A convolution of two pixels a side with stride two: a matrix on disjoint patches."""
    outputs = 2 * network.channels
    operator, bias = network.patches(name, (2,) * network.rank, network.channels, outputs)
    network.add(name, layers.affine(operator, bias))
    network.spatial = [size // 2 for size in network.spatial]
    network.channels = outputs


def _block(
    network: Network, name: str, units: object, kernel_size: object, activation: object
) -> None:
    channels = network.channels
    neurons = channels if units is None else count(units, "units", 1)
    if network.rank:
        into = network.convolution(f"{name}_in", kernel_size, channels, neurons)
        out = network.convolution(f"{name}_out", kernel_size, neurons, channels)
    else:
        into = network.patches(f"{name}_in", (), channels, neurons)
        out = network.patches(f"{name}_out", (), neurons, channels, use_bias=False)
    network.residual(name, layers.affine(*into, activation), layers.affine(*out))
