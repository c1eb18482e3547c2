"""What Keras records of a model under names that it does not promise: nothing else uses those.

Proofs follow the graph that Keras records, and Keras shows it in part only. When a release renames
something, this module and its test break, and nothing else.
"""

import contextlib
from collections.abc import Iterable, Iterator

import keras
from keras.src.applications.convnext import LayerScale
from keras.src.applications.inception_resnet_v2 import CustomScaleLayer
from keras.src.losses import ALL_OBJECTS_DICT as _LOSSES
from keras.src.models.functional import Functional
from keras.src.ops import core as core_operations
from keras.src.ops import nn as nn_operations
from keras.src.ops import numpy as numpy_operations

__all__ = [
    "BOOKKEEPING",
    "DTYPE_POLICIES",
    "OPERATIONS",
    "CustomScaleLayer",
    "Functional",
    "LayerScale",
    "calls_behind",
    "calls_of",
    "carries_mask",
    "casts_inputs",
    "core_operations",
    "flattens_channels_last",
    "function_of_sequential",
    "made_by",
    "name_loss",
    "nn_operations",
    "nodes_of",
    "numpy_operations",
    "unrecorded",
]

# The packages in which Keras defines its operations and its dtype policies.
OPERATIONS = "keras.src.ops"
DTYPE_POLICIES = "keras.src.dtype_policies"

_BOOKKEEPING_NAMES = """
_auto_config _build_shapes_dict _call_signature _inbound_nodes _outbound_nodes _lock _path
_parent_path _tracked _tracker _losses _losses_override _loss_ids _metrics _loss_tracker
_compile_config _compile_loss _compile_metrics _compiled_trainable_state _initial_epoch _logs
optimizer loss history train_function test_function predict_function stop_training stop_predicting
stop_evaluating _eval_epoch_iterator compiled build quantize activity_regularizer
_saved_model_arg_spec _saved_model_inputs_spec _jax_state _jax_state_synced
_compute_loss_has_training_arg _trainable_variables_shardings name_based_restores _called
"""
# Attributes of layers and models that no output depends on: names, records of calls (the graph of a
# model has those of its own), what belongs to training and to saving, wrappers around each layer.
BOOKKEEPING = frozenset(_BOOKKEEPING_NAMES.split())


def name_loss(loss: type[keras.losses.Loss], *names: str) -> None:
    """Makes a loss known by name to `model.compile`, which does not look at registered classes.

    Args:
        loss: the class, which is made with its defaults.
        *names: what it is called; a name that Keras itself knows is left alone.

    Example:
        >>> class Nothing(keras.losses.Loss):
        ...     def call(self, y_true, y_pred):
        ...         return 0.0 * y_pred
        >>> name_loss(Nothing, "lipzoo>Nothing")
        >>> isinstance(keras.losses.get("lipzoo>Nothing"), Nothing)
        True
    """
    for name in names:
        _LOSSES.setdefault(name, loss)


def nodes_of(function: keras.Function) -> list:
    """The recorded calls of a graph in the order in which they are computed, inputs left out.

    Example:
        >>> x = keras.Input((2,))
        >>> model = keras.Model(x, keras.layers.ReLU(name="b")(keras.layers.Dense(3, name="a")(x)))
        >>> [node.operation.name for node in nodes_of(model)]
        ['a', 'b']
    """
    levels = function._nodes_by_depth
    ordered = (node for depth in sorted(levels, reverse=True) for node in levels[depth])
    return [node for node in ordered if not node.is_input]


def made_by(tensor: keras.KerasTensor) -> tuple:
    """The operation that made a tensor, the call of it, and which of the call's outputs it is.

    Example:
        >>> layer = keras.layers.ReLU()
        >>> operation, node, position = made_by(layer(keras.Input((2,))))
        >>> operation is layer, node is calls_of(layer)[0], position
        (True, True, 0)
    """
    operation, number, position = tensor._keras_history
    return operation, operation._inbound_nodes[number], position


def calls_of(operation) -> list:
    """All recorded calls of an operation, in any model."""
    return list(operation._inbound_nodes)


def calls_behind(operation) -> list:
    """All recorded calls, in any model, that take a tensor which the operation made."""
    return list(operation._outbound_nodes)


@contextlib.contextmanager
def unrecorded(tensors: Iterable[keras.KerasTensor]) -> Iterator[None]:
    """Lets what is computed of some tensors in the context leave no trace behind their makers."""
    makers = [tensor._keras_history.operation for tensor in tensors]
    counts = [len(maker._outbound_nodes) for maker in makers]
    try:
        yield
    finally:
        for maker, count in zip(makers, counts, strict=True):
            del maker._outbound_nodes[count:]


def function_of_sequential(model: keras.Sequential) -> Functional | None:
    """The graph that a sequential model calls; `None` before it is built.

    Example:
        >>> function_of_sequential(keras.Sequential([keras.layers.ReLU()])) is None
        True
    """
    return getattr(model, "_functional", None)


def casts_inputs(operation) -> bool:
    """Whether Keras converts what a layer or model is called on to the type that it computes in."""
    return all(getattr(operation, name, True) for name in ("_convert_input_args", "autocast"))


def flattens_channels_last(layer) -> bool:
    """Whether a Flatten or Reshape first moves the channels, which are the first axis, last.

    A Flatten does so, whatever its `data_format` has been set to since it was made.
    """
    return getattr(layer, "_channels_first", False)


def carries_mask(tensor: keras.KerasTensor) -> bool:
    """Whether Keras hands a mask on along with a tensor."""
    return getattr(tensor, "_keras_mask", None) is not None
