"""GradFlowNet: gradient flows on patches, on columns and rows, and on features."""

import math
from dataclasses import dataclass

from lipzoo_catalogue.checker import layers
from lipzoo_catalogue.checker.arguments import choice, count, counts, sizes
from lipzoo_catalogue.checker.network import Network

_AXES = {1: ("time",), 2: ("vertical", "horizontal")}


def gradflownet(
    tensors,
    *,
    input_shape,
    num_classes,
    width=32,
    stem=2,
    patch_depths=(6,),
    axial_depth=6,
    axial_units=224,
    features=256,
    dense_depth=3,
    activation="relu",
    gain=1.0,
    train_gain=False,
    head="orthogonal",
    normalization=None,
    include_top=True,
) -> Network:
    """Walks through the architecture; every flow is one step of size 2/β.

    1. blocks of `stem` pixels a side become channels, zero channels up to `width`;
    2. for each of `patch_depths` so many flows on patches of two pixels a side, then
       space-to-depth;
    3. `axial_depth` flows with `axial_units` neurons on whole columns and rows in turn;
    4. columns projected to `axial_units` numbers, everything to `features` (or lifted to them), and
       `dense_depth` flows;
    5. the head. Both kinds of head are matrices, whose norm is whatever it is.
    """
    flow = _Flow(activation, layers.positive(gain, "gain"), train_gain)
    network = Network(tensors, sizes(input_shape))
    choice(head, "head", ("orthogonal", "unit_norm"))
    network.standardize(normalization)
    if network.rank:
        depths = counts(patch_depths, "patch_depths")
        network.stem(count(stem, "stem", 1), halvings=len(depths))
        network.lift("stem_lift", count(width, "width", 1))
        for stage, depth in enumerate(depths, start=1):
            for i in range(1, depth + 1):
                flow.add(network, f"stage{stage}_flow{i}", (2,) * network.rank)
            network.space_to_depth(f"stage{stage}_space_to_depth")
        units = count(axial_units, "axial_units", 1)
        for i in range(count(axial_depth, "axial_depth", 0)):
            axis = i % network.rank
            name = f"axial_flow{i + 1}_{_AXES[network.rank][axis]}"
            flow.add(network, name, network.window(axis), units)
        _project_columns(network, units)
        network.flatten()
    features = count(features, "features", 1)
    if network.channels <= features:
        network.lift("to_features", features)
    else:
        network.dense("to_features", features)
    for i in range(1, count(dense_depth, "dense_depth", 0) + 1):
        flow.add(network, f"dense_flow{i}", ())
    if include_top:
        network.dense("head", count(num_classes, "num_classes", 2))
    return network


@dataclass(frozen=True)
class _Flow:
    """What all flows of a network have in common."""

    activation: str
    gain: float
    train_gain: bool

    def add(self, network: Network, name: str, window, units: int | None = None):
        """A flow on disjoint patches, by default with as many neurons as a patch has numbers."""
        units = units or network.channels * math.prod(window)
        operator, bias = network.patches(name, window, network.channels, units)
        gain = self.gain
        if self.train_gain:
            gain = network.tensors.take(f"{name}.gain", (units,))
            if not gain.all():
                raise ValueError(f"{name}: expected gains other than 0. Received: a gain of 0")
        flow = layers.gradient_flow(operator, bias, self.activation, gain=gain)
        network.add(name, flow)


def _project_columns(network, units):
    length = network.spatial[0]
    if length * network.channels <= units:
        return
    window = network.window(0)
    operator, bias = network.patches("axial_projection", window, network.channels, units)
    network.add("axial_projection", layers.affine(operator, bias))
    network.spatial[0], network.channels = 1, units
