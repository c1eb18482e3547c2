"""The states of a model: the tensors that every path from its input to its output crosses."""

from typing import Any

import keras

from lipzoo.bounds.keras_graph import as_function
from lipzoo.certificates.prediction import check_runs_as_recorded
from lipzoo.keras_internals import carries_mask, nodes_of


def checked_function(model):
    """The recorded graph of a model with one floating point input and one output."""
    check_runs_as_recorded(model)
    function = as_function(model)
    if function is None:
        raise ValueError(
            "Expected a functional or sequential model, whose layers are recorded. "
            f"Received: model '{model.name}' of type {type(model).__name__}"
        )
    if len(function.inputs) != 1 or len(function.outputs) != 1:
        raise ValueError(
            "Expected a model with one input and one output. Received: "
            f"{len(function.inputs)} inputs and {len(function.outputs)} outputs"
        )
    dtype = function.inputs[0].dtype
    if not keras.backend.is_float_dtype(dtype):
        raise ValueError(f"Expected an input of a floating point type. Received: {dtype}")
    return function


def nodes_on_paths(function):
    """The recorded calls on the paths from input to output, in order of computation."""
    needed, used = {id(function.outputs[0])}, []
    for node in reversed(nodes_of(function)):
        if not any(id(tensor) in needed for tensor in node.outputs):
            continue
        if any(map(carries_mask, node.input_tensors)):
            raise ValueError(
                f"Expected a model without masks. Received: layer '{node.operation.name}' with one"
            )
        needed.update(id(tensor) for tensor in node.input_tensors)
        used.insert(0, node)
    return used


def states_of(function, nodes):
    """Name and tensor of each state: after its node, it alone is still read."""
    last_read = {id(t): index for index, node in enumerate(nodes) for t in node.input_tensors}
    last_read[id(function.outputs[0])] = len(nodes)
    states, uses, known = [], {}, [function.inputs[0]]
    for index, node in enumerate(nodes):
        known = [t for t in (*known, *node.outputs) if last_read.get(id(t), -1) > index]
        name = node.operation.name
        uses[name] = uses.get(name, 0) + 1
        if len(known) == 1 and any(known[0] is tensor for tensor in node.outputs):
            states.append((name if uses[name] == 1 else f"{name}#{uses[name]}", known[0]))
    return states


def chosen_states(model, states, layers: Any) -> tuple[tuple[str, ...], list[Any]]:
    """Names and tensors of the states that were asked for."""
    known = [name for name, _ in states]
    if layers is None:
        layers = known[:-1] if known[-1:] == ["head"] else known
        if not layers:
            raise ValueError(
                f"Expected a model with layers before its head. Received: layers {known} of "
                f"model '{model.name}'"
            )
    one = isinstance(layers, str) or not hasattr(layers, "__iter__")
    names: list[str] = [layers] if one else [*layers]
    if not names or [name for name in known if name in names] != names:
        raise ValueError(
            f"Expected layers whose outputs all paths of model '{model.name}' cross, in order, "
            f"out of {known}. Received: layers={names}"
        )
    tensors = dict(states)
    return tuple(names), [tensors[name] for name in names]


def position_of(nodes, tensor):
    """Index of the call that makes a tensor."""
    return next(i for i, node in enumerate(nodes) if any(t is tensor for t in node.outputs))


def weights_between(nodes, tensors):
    """Per state, the trainable variables of the layers between the state before and this one."""
    weights, first = [], 0
    for tensor in tensors:
        end = position_of(nodes, tensor) + 1
        used = [getattr(node.operation, "trainable_variables", ()) for node in nodes[first:end]]
        weights.append(list({id(v): v for variables in used for v in variables}.values()))
        first = end
    return weights
