"""HamNet: symplectic steps of a Hamiltonian system, one after another."""

import math

from lipzoo_catalogue.checker import layers
from lipzoo_catalogue.checker.arguments import choice, count, neurons, sizes
from lipzoo_catalogue.checker.network import Network
from lipzoo_catalogue.checker.operators import Operator
from lipzoo_catalogue.checker.tensors import Tensors


def hamnet(
    tensors: Tensors,
    *,
    input_shape: object,
    num_classes: object,
    depth: object = 64,
    width: object = 32,
    units: object = None,
    stem: object = 2,
    stages: object = 2,
    operators: object = "convolution",
    kernel_size: object = 3,
    time: object = 8.0,
    method: object = "symplectic_euler",
    activation: object = "tanh",
    gain: object = 1.0,
    bound: object = 1.0,
    head: object = "dense",
    normalization: object = None,
    include_top: bool = True,
) -> Network:
    """Walks through the architecture: `depth` layers, each one step of size `time / depth`.

    A step of symplectic Euler is a shear of q and one of p, both of the whole size; one of Verlet
    is half a shear of q, one of p and another half of q. `gain` does not change slopes, and `bound`
    is what training kept the kernels to: the norms here are those of the weights as they are.
    """
    for name, value in {"gain": gain, "bound": bound}.items():
        layers.positive(value, name)
    choice(operators, "operators", ("convolution", "axial"))
    choice(method, "method", ("symplectic_euler", "verlet"))
    choice(head, "head", ("dense", "orthogonal", "unit_norm"))
    network = Network(tensors, sizes(input_shape))
    network.standardize(normalization)
    steps, parts = count(depth, "depth", 1), count(stages, "stages", 1)
    if network.rank:
        network.stem(count(stem, "stem", 1), halvings=parts - 1)
    else:
        parts = 1
    network.lift("lift", count(width, "width", 2))
    step = layers.positive(time, "time") / steps
    # Which operator moves the state in each half step, and by how much.
    order, lengths = "pq", [step, step]
    if method == "verlet":
        order, lengths = "pqp", [step / 2, step, step / 2]
    for stage in range(1, parts + 1):
        if stage > 1:
            network.space_to_depth(f"stage{stage}_space_to_depth")
        # What does not divide evenly goes to the first stages.
        for i in range(1, steps // parts + (stage <= steps % parts) + 1):
            name = f"stage{stage}_flow{i}"
            window: tuple[int, ...] | None = ()
            if network.rank:
                convolved = operators == "convolution"
                window = None if convolved else network.window((i - 1) % network.rank)
            pair = {p: _operator(network, name, window, kernel_size, units, p) for p in "pq"}
            network.add(name, layers.shears([pair[p] for p in order], lengths, activation))
    if include_top:
        if network.rank:
            network.flatten()
        network.dense("head", count(num_classes, "num_classes", 2))
    return network


def _operator(
    network: Network,
    name: str,
    window: tuple[int, ...] | None,
    kernel_size: object,
    units: object,
    part: str,
) -> Operator:
    """The operator on one half of the channels; a convolution for the window None."""
    half = network.channels // 2
    if window is None:
        size = count(kernel_size, "kernel_size", 1)
        return network.convolution(name, size, half, neurons(units, half, "units"), f"_{part}")[0]
    outputs = neurons(units, half * math.prod(window), "units")
    return network.patches(name, window, half, outputs, f"_{part}")[0]
