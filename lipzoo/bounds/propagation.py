"""The proven bound of a model."""

from typing import Any

import keras

from lipzoo.bounds.domain import Domain
from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.keras_graph import as_function
from lipzoo.bounds.model_bound import LipschitzBound
from lipzoo.bounds.nesting import model_inputs
from lipzoo.bounds.semidefinite import sharpened
from lipzoo.bounds.single_layer import bound_of_layer
from lipzoo.bounds.tensor_bound import joined
from lipzoo.bounds.uncertified import uncertified_layers
from lipzoo.bounds.walk import walk_graph

METHODS = ("product", "semidefinite")


def lipschitz_bound(
    model: keras.Model, method: str = "product", *, domain: Any = None
) -> LipschitzBound:
    """Proven upper bound of the Lipschitz constant of a model, from its weights as they are now.

        ||f(x) - f(x')|| <= bound ||x - x'||     for all x, x', at inference

    in the Euclidean norm of one example's flattened inputs and outputs. Along a chain of layers the
    bounds multiply, over a sum of branches they add up, over a concatenation their squares do; each
    layer's own bound is derived in float64, every result rounded upwards. The number is one for
    exact arithmetic with the stored weights; `lipzoo.certify` adds what rounding can change.

    With `method="semidefinite"` affine layers with activations between them are looked at together:
    not all of them stretch the same direction. The bound is never larger, for deep plain networks
    many times smaller, and takes longer, as the cube of the widest layer. See
    `lipzoo.bounds.semidefinite`; what is neither affine nor acts on entries alone, and tensors of
    more than 4,096 entries, are passed by the layers' own bounds.

    With a `domain` the statement is one for x and x' in that box. Then the ranges of all tensors
    follow along, by interval arithmetic that is rounded outwards, and products of two tensors have
    a bound, `W_a L_b + W_b L_a` with W_a the norm of multiplying with any a in its range: gates as
    in squeeze-and-excitation, `x * sigmoid(x)`, products of matrices. Without a domain they are
    refused.

    Functional and sequential models are followed through branches, nested models, shared layers
    (each application counts), several inputs and outputs, and recorded `keras.ops`. Nothing is
    remembered between calls but layer bounds under a hash of the layer's configuration and weights.

    Args:
        model: a built functional or sequential `keras.Model`, or one built layer. Any other model
            needs a rule, see `register_bound_rule`.
        method: `"product"`, or `"semidefinite"`.
        domain: `None`, or the box `(low, high)` that every entry of the inputs lies in: numbers, or
            for a model with one input arrays that broadcast to an example.

    Returns:
        A `LipschitzBound`: `.value`, `.layers`, `float(...)`, and a table when printed.

    Raises:
        UncertifiedLayerError: if a layer has no rule, or the model is subclassed.
        ValueError: if the model is not built, a weight is NaN or infinite, the method is unknown,
            `"semidefinite"` is asked of a model whose sizes are not fixed or on a domain, or the
            domain is no box of finite numbers that fits the inputs.
        TypeError: if `model` is not a Keras model or layer.

    Example:
        >>> import keras, numpy as np
        >>> model = keras.Sequential([
        ...     keras.Input((2,)), keras.layers.Rescaling(0.5), keras.layers.ReLU()
        ... ])
        >>> float(lipschitz_bound(model))
        0.5
        >>> swap = keras.Sequential([
        ...     keras.Input((2,)), keras.layers.Dense(2, "relu"), keras.layers.Dense(2)
        ... ])
        >>> swap.layers[0].set_weights([np.array([[2.0, 0.0], [0.0, 1.0]]), np.zeros(2)])
        >>> swap.layers[1].set_weights([np.array([[1.0, 0.0], [0.0, 2.0]]), np.zeros(2)])
        >>> [f"{float(lipschitz_bound(swap, method)):.6f}" for method in METHODS]
        ['4.000000', '2.000000']
        >>> x = keras.Input((3,))
        >>> square = keras.Model(x, keras.layers.Multiply()([x, x]))
        >>> float(lipschitz_bound(square, domain=(-1, 2)))
        4.0
    """
    if method not in METHODS:
        raise ValueError(f"Expected method to be one of {METHODS}. Received: method={method!r}")
    if not isinstance(model, keras.Operation):
        raise TypeError(f"Expected a Keras model or layer. Received: {model!r}")
    function = as_function(model)
    if domain is not None and (method != METHODS[0] or function is None):
        raise ValueError(
            "Expected a functional or sequential model and method='product' with a domain. "
            f"Received: '{model.name}', method={method!r}"
        )
    if function is None:
        return bound_of_layer(model)
    box = None if domain is None else Domain.of(domain, function)
    inputs = model_inputs(model, function, box)
    try:
        walk = walk_graph(function, inputs, prefix="")
    except UncertifiedLayerError as error:
        others = _number_refused(model, domain) - 1
        if others > 0:
            error.args = (
                f"{error}\n\nIt is the first of {others + 1} such layers: "
                "lipzoo.uncertified_layers(model) lists all of them.",
            )
        raise
    output = joined(walk.outputs) if len(walk.outputs) > 1 else walk.outputs[0]
    bound = LipschitzBound(
        model.name,
        output.bound.value,
        tuple(walk.rows),
        output,
        walk.head,
        # Known of every input.
        max(tensor.bound.rounding_slope for tensor in inputs),  # pyright: ignore[reportArgumentType]
        domain=box,
    )
    return bound if method == "product" else sharpened(function, bound)


def _number_refused(model, domain) -> int:
    try:
        return len(uncertified_layers(model, domain))
    except ValueError:
        # Of a layer behind the first one that is refused: that one is told.
        return 1
