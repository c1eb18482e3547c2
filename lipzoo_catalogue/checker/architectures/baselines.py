"""MLP and ResNet: networks without constraints, whose bounds are products of norms."""

from lipzoo_catalogue.checker import layers
from lipzoo_catalogue.checker.arguments import count, sizes
from lipzoo_catalogue.checker.intervals import Interval
from lipzoo_catalogue.checker.layers import LayerBound
from lipzoo_catalogue.checker.network import Network


def mlp(
    tensors,
    *,
    input_shape,
    num_classes,
    depth=2,
    width=32,
    activation="tanh",
    kernel_initializer=None,
    normalization=None,
    include_top=True,
) -> Network:
    """Walks through the architecture: dense layers, one after another."""
    del kernel_initializer  # of weights that training has replaced
    network = Network(tensors, sizes(input_shape))
    network.standardize(normalization)
    if network.rank:
        network.flatten()
    width = count(width, "width", 1)
    if width % 2 == 0 and width > network.channels:
        network.lift("lift", width)
    for i in range(1, count(depth, "depth", 1) + 1):
        network.dense(f"dense{i}", width, activation)
    if include_top:
        network.dense("head", count(num_classes, "num_classes", 2))
    return network


def resnet(
    tensors,
    *,
    input_shape,
    num_classes,
    depth=12,
    width=32,
    units=None,
    stem=2,
    stages=2,
    kernel_size=3,
    activation="tanh",
    kernel_initializer=None,
    normalization=None,
    include_top=True,
) -> Network:
    """Walks through the architecture: blocks `x ↦ x + Vσ(Wx + b)`, halvings between the stages."""
    del kernel_initializer
    network = Network(tensors, sizes(input_shape))
    network.standardize(normalization)
    depth, stages = count(depth, "depth", 1), count(stages, "stages", 1)
    if network.rank:
        network.stem(count(stem, "stem", 1), halvings=stages - 1)
    else:
        stages = 1
    network.lift("lift", count(width, "width", 1))
    for stage in range(1, stages + 1):
        if stage > 1:
            _halve(network, f"stage{stage}_halve")
        for i in range(1, depth // stages + (stage <= depth % stages) + 1):
            _block(network, f"stage{stage}_block{i}", units, kernel_size, activation)
    if network.rank:
        cells = network.size // network.channels
        bound = layers.ONE / Interval.exactly(cells).sqrt()
        network.add("average", LayerBound(bound, bound.low, f"average of {cells} cells"))
        network.spatial = []
    if include_top:
        network.dense("head", count(num_classes, "num_classes", 2))
    return network


def _halve(network, name):
    """A convolution of two pixels a side with stride two: a matrix on disjoint patches."""
    outputs = 2 * network.channels
    operator, bias = network.patches(name, (2,) * network.rank, network.channels, outputs)
    network.add(name, layers.affine(operator, bias))
    network.spatial = [size // 2 for size in network.spatial]
    network.channels = outputs


def _block(network, name, units, kernel_size, activation):
    channels = network.channels
    units = channels if units is None else count(units, "units", 1)
    if network.rank:
        into = network.convolution(f"{name}_in", kernel_size, channels, units)
        out = network.convolution(f"{name}_out", kernel_size, units, channels)
    else:
        into = network.patches(f"{name}_in", (), channels, units)
        out = network.patches(f"{name}_out", (), units, channels, use_bias=False)
    network.residual(name, layers.affine(*into, activation), layers.affine(*out))
