"""GradFlowNet: gradient flows on patches, on columns and rows, and on features."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lipzoo_catalogue.checker import layers
from lipzoo_catalogue.checker.arguments import choice, count, counts, neurons, sizes
from lipzoo_catalogue.checker.network import Network
from lipzoo_catalogue.checker.tensors import Tensors

_AXES = {1: ("time",), 2: ("vertical", "horizontal")}


def gradflownet(
    tensors: Tensors,
    *,
    input_shape: object,
    num_classes: object,
    width: object = 32,
    stem: object = 2,
    patch_depths: object = (6,),
    units: object = None,
    axial_depth: object = 6,
    axial_units: object = 224,
    features: object = 256,
    dense_depth: object = 3,
    activation: object = "relu",
    gain: object = 1.0,
    train_gain: bool = False,
    head: object = "orthogonal",
    normalization: object = None,
    include_top: bool = True,
) -> Network:
    """Walks through the architecture; every flow is one step of size 2/β.

    1. blocks of `stem` pixels a side become channels, zero channels up to `width`;
    2. for each of `patch_depths` so many flows on patches of two pixels a side, with `units`
       neurons (as many as a patch has numbers, half of them, or so many), then space-to-depth;
    3. `axial_depth` flows with `axial_units` neurons on whole columns and rows in turn;
    4. columns projected to `axial_units` numbers, everything to `features` (or lifted to them), and
       `dense_depth` flows with `units` neurons;
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
                flow.add(network, f"stage{stage}_flow{i}", (2,) * network.rank, units)
            network.space_to_depth(f"stage{stage}_space_to_depth")
        columns = count(axial_units, "axial_units", 1)
        for i in range(count(axial_depth, "axial_depth", 0)):
            axis = i % network.rank
            name = f"axial_flow{i + 1}_{_AXES[network.rank][axis]}"
            flow.add(network, name, network.window(axis), columns)
        _project_columns(network, columns)
        network.flatten()
    wanted = count(features, "features", 1)
    if network.channels <= wanted:
        network.lift("to_features", wanted)
    else:
        network.dense("to_features", wanted)
    for i in range(1, count(dense_depth, "dense_depth", 0) + 1):
        flow.add(network, f"dense_flow{i}", (), units)
    if include_top:
        network.dense("head", count(num_classes, "num_classes", 2))
    return network


@dataclass(frozen=True)
class _Flow:
    """What all flows of a network have in common."""

    activation: object
    gain: float
    train_gain: bool

    def add(self, network: Network, name: str, window: Sequence[int], units: object) -> None:
        """A flow on disjoint patches."""
        outputs = neurons(units, network.channels * math.prod(window), "units")
        operator, bias = network.patches(name, window, network.channels, outputs)
        gain: float | np.ndarray = self.gain
        if self.train_gain:
            gain = network.tensors.take(f"{name}.gain", (outputs,))
            if not gain.all():
                raise ValueError(f"{name}: expected gains other than 0. Received: a gain of 0")
        flow = layers.gradient_flow(operator, bias, self.activation, gain=gain)
        network.add(name, flow)


def _project_columns(network: Network, units: int) -> None:
    length = network.spatial[0]
    if length * network.channels <= units:
        return
    window = network.window(0)
    operator, bias = network.patches("axial_projection", window, network.channels, units)
    network.add("axial_projection", layers.affine(operator, bias))
    network.spatial[0], network.channels = 1, units
