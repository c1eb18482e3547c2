"""From an ordinary model to one with a proven bound that training keeps."""

from typing import Any

import keras

from lipzoo.bounds import UncertifiedLayerError, lipschitz_bound
from lipzoo.bounds.keras_graph import as_function
from lipzoo.constraining.graph import flat_graph
from lipzoo.constraining.names import Names
from lipzoo.constraining.plan import Plan
from lipzoo.constraining.refusals import Refusals
from lipzoo.constraining.replacement import Made, factor_to, rescale
from lipzoo.constraining.report import Row, table
from lipzoo.constraints import SpectralBound
from lipzoo.rounding import mul_up, sqrt_up


def constrain(
    model: keras.Model, bound: float = 1.0, *, method: str = "orthogonal", verbose: int = 1
) -> keras.Model:
    """Returns a model of the same topology that is `bound`-Lipschitz, with constraints for `fit`.

        ||f(x) - f(x')|| <= bound ||x - x'||     for all x, x', at inference

    Every layer is brought to norm 1 in the Euclidean norm, as the operator that it is:

    - kernels of dense and convolutional layers (strided, dilated, grouped, depthwise, separable,
      transposed) are projected and get a constraint, which Keras applies after every step;
    - batch normalisation is folded into the kernel before it; where there is none, it becomes a
      `lipzoo.layers.ChannelScale` with factors of at most 1;
    - sums and means of branches become a `lipzoo.layers.ConvexSum`, whose weights are learned;
    - average pooling, and layers without weights of norm above 1, are multiplied to norm 1, a
      concatenation or maximum of k branches by 1/√k;
    - a softmax at the end is dropped: the outputs are logits;
    - `bound` is the norm of the last kernel, or a last factor where none stands at the end.

    All else is copied. The original is left as it is, and shares nothing with the result. Biases
    are multiplied by what the kernels before them have shrunk by, and branches are added in their
    old proportion, so that with `method="scale"` a chain or residual network of ReLUs and dense or
    ordinary convolutional layers is the original times one number, and predicts the same classes.
    With `"orthogonal"` it is another function, that trains better. Weights that came in another way
    than by training (averages, set ones) are brought back by `lipzoo.project`.

    Args:
        model: a built functional or sequential model. Nested models are dissolved.
        bound: what the result's Lipschitz constant may be at most, in [1e-30, 1e30].
        method: how kernels are projected, now and in training, see `SpectralBound`.
        verbose: 1 prints a table of what changed; 0 prints nothing.

    Returns:
        A functional `keras.Model`, not compiled, that saves and loads as `.keras` once lipzoo is
        imported. `lipzoo.lipschitz_bound` proves its bound from its weights as they are.

    Raises:
        TypeError: if `model` is not a Keras model.
        ValueError: if the model is not built or subclassed, an argument is out of range, or layers
            cannot be constrained: all of them are named, and what to put instead.

    Reference: projections, arXiv 1811.05381, 2305.16173; convex residual sums, arXiv 1811.05381.

    Example:

    >>> model = keras.Sequential([
    ...     keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(3, "softmax"),
    ... ])
    >>> constrained = constrain(model, bound=2.0, verbose=0)
    >>> lipschitz_bound(constrained).value <= 2.0
    True
    """
    bound = SpectralBound(bound, method).bound
    function = _function_of(model)
    refusals, names = Refusals(), Names()
    graph = flat_graph(function, refusals)
    inputs = [_input_like(tensor, names) for tensor in function.inputs]
    plan = Plan(graph, bound, method, names, refusals)
    refusals.raise_for(model)

    tensors: dict[int, Any] = dict(zip(graph.inputs, inputs, strict=True))
    gains = dict.fromkeys(graph.inputs, 1.0)
    made_of = []
    for step in plan.steps:
        given = [tensors[i] for i in step.call.inputs], [gains[i] for i in step.call.inputs]
        made = step.replacement.apply(step.call, step.bound, *given, names)
        tensors.update(zip(step.call.outputs, made.outputs, strict=True))
        gains.update(dict.fromkeys(step.call.outputs, made.gain))
        made_of.append(made)
    outputs = [tensors[i] for i in graph.outputs]
    largest = 1.0 if plan.scales_head else sqrt_up(float(len(outputs)))
    if not plan.scales_head and (bound != 1.0 or largest > 1.0):
        last = Made(outputs, 1.0, [])
        rescale(last, factor_to(bound, largest), names.take("bound"))
        outputs = last.outputs
    result = keras.Model(
        keras.tree.pack_sequence_as(function.input, inputs),
        keras.tree.pack_sequence_as(function.output, outputs),
        name=model.name,
    )
    shapes = [[tensor.shape for tensor in made] for made in (function.outputs, result.outputs)]
    if shapes[0] != shapes[1]:
        raise AssertionError(f"outputs of shapes {shapes[1]} in place of {shapes[0]}")
    proven = lipschitz_bound(result)
    if not proven.value <= bound:
        raise ArithmeticError(
            f"Expected a bound of at most {bound}, which projected kernels should have. "
            f"Received: {proven.value}"
        )
    if verbose:
        print(table(model.name, _rows(plan, made_of, proven), _bound_of(model), proven.value))
    return result


def _function_of(model):
    if not isinstance(model, keras.Model):
        raise TypeError(f"Expected a keras.Model. Received: model={model!r}")
    function = as_function(model)
    if function is None:
        raise ValueError(
            "Expected a functional or sequential keras.Model, whose layers can be followed. "
            f"Received: '{model.name}' of class {type(model).__name__}: build it from layers with "
            "the functional interface, keras.Model(inputs, outputs)"
        )
    return function


def _input_like(tensor, names):
    return keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=names.take(tensor.name))


def _rows(plan, made_of, proven) -> list[Row]:
    now = {row.name: row.bound.value for row in proven.layers}
    return [
        Row(
            step.call.name,
            type(step.call.operation).__name__,
            step.bound.value,
            mul_up(*(now[name] for name in made.layers)) if made.layers else None,
            made.change,
        )
        for step, made in zip(plan.steps, made_of, strict=True)
    ]


def _bound_of(model) -> float | None:
    try:
        return lipschitz_bound(model).value
    except UncertifiedLayerError:
        return None
