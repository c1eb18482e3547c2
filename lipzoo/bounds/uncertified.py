"""All layers of a model without a proven bound, in one call."""

from typing import Any

import keras

from lipzoo.bounds.domain import Domain
from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.keras_graph import as_function
from lipzoo.bounds.nesting import model_inputs
from lipzoo.bounds.single_layer import check_alone
from lipzoo.bounds.walk import UncertifiedLayer, walk_graph


def uncertified_layers(model: keras.Model, domain: Any = None) -> list[UncertifiedLayer]:
    """All layers of a model that have no proven bound, in the order of computation.

    No norm is computed, so that the list of a large model is there at once. What a layer's own
    `lipschitz_bound`, or a registered rule, would refuse is only seen when it is asked.

    Args:
        model: a built functional or sequential `keras.Model`, or one built layer.
        domain: see `lipschitz_bound`: on a box, products of tensors have a bound.

    Returns:
        A list of `UncertifiedLayer`: empty for a model that `lipschitz_bound` follows.

    Raises:
        ValueError: if the domain is no box that fits the model.
        TypeError: if `model` is not a Keras model or layer.

    Example:
        >>> import keras
        >>> x = keras.Input((8,))
        >>> y = keras.layers.Multiply(name="gate")([x, keras.layers.Dense(8)(x)])
        >>> y = keras.layers.Dense(2, activation="glu", name="glu")(y)
        >>> [layer.name for layer in uncertified_layers(keras.Model(x, y))]
        ['gate', 'glu']
        >>> [layer.name for layer in uncertified_layers(keras.Model(x, y), domain=(0, 1))]
        ['glu']
    """
    if not isinstance(model, keras.Operation):
        raise TypeError(f"Expected a Keras model or layer. Received: {model!r}")
    refused: list[UncertifiedLayer] = []
    function = as_function(model)
    try:
        if function is None:
            check_alone(model)
        else:
            box = None if domain is None else Domain.of(domain, function)
            walk_graph(function, model_inputs(model, function, box), "", refused)
    except UncertifiedLayerError as error:
        refused.append(UncertifiedLayer.of(model.name, error))
    return refused
