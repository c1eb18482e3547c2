"""Looks at a graph from its end, and for pairs of layers that become one."""

import keras

from lipzoo.bounds.linear_head import passes_through, squashing
from lipzoo.constraining.graph import Call, Graph
from lipzoo.constraining.kernels import WITH_KERNELS, channel_axis
from lipzoo.keras_internals import nn_operations


def folded_normalisations(graph: Graph) -> dict[int, Call]:
    """Batch normalisations that become part of the kernel before them.

    Those between which and a linear layer with a kernel there is nothing, and nothing else takes
    what the layer makes.

    Returns:
        The call of the batch normalisation, by the id of the layer before it.
    """
    found = {}
    for call in graph.calls:
        if type(call.operation) is not keras.layers.BatchNormalization:
            continue
        before = graph.maker_of(call.inputs[0])
        if before is None or type(before.operation) not in WITH_KERNELS:
            continue
        rank = len(call.output_shape)
        activation = before.operation.activation
        linear = activation in (None, keras.activations.linear)
        linear = linear or getattr(activation, "name", None) == "linear"
        if (
            linear
            and graph.calls_of(call.operation) == graph.calls_of(before.operation) == 1
            and graph.users_of(call.inputs[0]) == 1
            and call.operation.axis % rank == channel_axis(before.operation, rank)
        ):
            found[id(before.operation)] = call
    return found


def last_call(graph: Graph, output: int, folded: dict[int, Call]) -> Call | None:
    """The call that makes an output, looked up through what changes nothing or is folded.

    None where something else takes what it makes, or calls its layer.
    """
    skipped = {id(call.operation) for call in folded.values()}
    while (call := graph.maker_of(output)) is not None:
        if graph.users_of(output) > 1 or graph.calls_of(call.operation) > 1:
            return None
        if not (passes_through(call.operation) or id(call.operation) in skipped):
            return call
        output = call.inputs[0]
    return None


def ends_in_softmax(call: Call) -> bool:
    """Whether a call ends in softmax or its logarithm, which a certificate has no use for."""
    return squashing(call.operation) in ("softmax", "log_softmax", "logsoftmax")


def is_only_activation(operation) -> bool:
    """Whether a layer or operation that ends in softmax is nothing else."""
    return type(operation) in _ONLY_SOFTMAX


_ONLY_SOFTMAX = (
    keras.layers.Softmax,
    keras.layers.Activation,
    nn_operations.Softmax,
    nn_operations.LogSoftmax,
)
