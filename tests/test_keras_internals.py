"""What lipzoo relies on beyond what Keras promises: a new Keras that breaks it breaks this."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from lipzoo.keras_internals import (
    DTYPE_POLICIES,
    OPERATIONS,
    Functional,
    calls_behind,
    calls_of,
    carries_mask,
    casts_inputs,
    core_operations,
    flattens_channels_last,
    function_of_sequential,
    made_by,
    nn_operations,
    nodes_of,
    numpy_operations,
    unrecorded,
)

ROOT = Path(__file__).parents[1]


@pytest.fixture
def branches():
    """One input, two branches of different depth, a sum."""
    x = keras.Input((3,), name="x")
    short = keras.layers.ReLU(name="short")
    long = [keras.layers.Dense(3, name="first"), keras.layers.ReLU(name="second")]
    return keras.Model(x, keras.layers.Add(name="sum")([short(x), long[1](long[0](x))]))


def test_calls_come_in_the_order_of_computation_without_inputs(branches):
    nodes = nodes_of(branches)
    assert sorted(node.operation.name for node in nodes) == ["first", "second", "short", "sum"]
    known = {id(tensor) for tensor in branches.inputs}
    for node in nodes:
        assert all(id(tensor) in known for tensor in node.input_tensors)
        known |= {id(tensor) for tensor in node.outputs}
    assert nodes[-1].outputs[0] is branches.outputs[0]


def test_a_tensor_knows_its_maker_and_a_layer_its_calls():
    layer = keras.layers.Dense(2)
    x = keras.Input((2,))
    first = layer(x)
    second = layer(first)
    operation, node, position = made_by(second)
    assert (operation, position) == (layer, 0)
    assert [call.outputs[0] for call in calls_of(layer)] == [first, second]
    assert calls_of(layer)[1] is node
    assert [call.outputs[0] for call in calls_behind(layer)] == [second]
    assert [call.outputs[0] for call in calls_behind(made_by(x)[0])] == [first]


def test_outputs_of_one_call_are_numbered():
    halves = ops.split(keras.Input((4,)), 2, axis=1)
    assert [made_by(half)[2] for half in halves] == [0, 1]


def test_what_is_computed_unrecorded_is_behind_nothing(branches):
    layer = branches.get_layer("second")
    before = calls_behind(layer)
    with unrecorded([layer.output]):
        ops.square(layer.output)
        assert len(calls_behind(layer)) == len(before) + 1
    assert calls_behind(layer) == before
    with pytest.raises(ValueError, match="axis"), unrecorded([layer.output]):
        ops.squeeze(ops.square(layer.output), axis=1)
    assert calls_behind(layer) == before


def test_models_of_layers_are_functional():
    model = keras.Sequential([keras.Input((2,)), keras.layers.ReLU()])
    function = function_of_sequential(model)
    assert isinstance(function, Functional)
    assert [node.operation for node in nodes_of(function)] == model.layers
    assert isinstance(keras.Model(model.inputs, model.outputs), Functional)
    assert not isinstance(model, Functional)


def test_operations_and_policies_are_where_they_are_looked_for():
    x = keras.Input((2,))
    for tensor, kind in (
        (x + 1.0, numpy_operations.Add),
        (ops.relu(x), nn_operations.Relu),
        (ops.cast(x, "float16"), core_operations.Cast),
    ):
        assert type(made_by(tensor)[0]) is kind
        assert kind.__module__.startswith(f"{OPERATIONS}.")
    policy = type(keras.layers.ReLU(dtype="mixed_float16").dtype_policy)
    assert policy.__module__.startswith(f"{DTYPE_POLICIES}.")


def test_casts_of_inputs_are_known():
    assert casts_inputs(keras.layers.ReLU())
    assert not casts_inputs(keras.layers.ReLU(autocast=False))
    # Keras asks whether it is true, and not what it is.
    assert not casts_inputs(keras.layers.ReLU(autocast=None))
    # An integer table is looked up: the layer takes its input as it is.
    assert not casts_inputs(keras.layers.Embedding(2, 3))


def test_a_flatten_that_moves_channels_is_known():
    layer = keras.layers.Flatten(data_format="channels_first")
    layer.data_format = "channels_last"
    moved = ops.convert_to_numpy(layer(np.arange(6).reshape(1, 2, 3)))
    assert moved.tolist() == [[0, 3, 1, 4, 2, 5]]
    assert flattens_channels_last(layer)
    assert not flattens_channels_last(keras.layers.Flatten(data_format="channels_last"))
    assert not flattens_channels_last(keras.layers.Reshape((6,)))


def test_masks_are_seen_on_recorded_tensors():
    x = keras.Input((4, 2))
    assert not carries_mask(x)
    assert carries_mask(keras.layers.Masking()(x))


def test_nothing_else_uses_such_names():
    names = r"keras\.src|_nodes_by_depth|_keras_history|_(in|out)bound_nodes|_keras_mask"
    names += r"|_convert_input_args|\._functional\b"
    folders = ("lipzoo", "lipzoo_catalogue", "lipzoo_cli", "studies")
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    users = {path.relative_to(ROOT).as_posix() for path in paths if re.search(names, _code(path))}
    assert users == {"lipzoo/keras_internals.py"}


def _code(path):
    return path.read_text(encoding="utf-8")
