"""Radii in standard deviations, for a network that begins by standardising its input.

Write the model as `f = g ∘ N` with `N(x) = (x - mean) / deviation`, entry by entry. If the logits
of g are L-Lipschitz in z, a margin of f at x withstands every x' with

    ||(x' - x) / deviation||_2 < r,     r = (margin - slack) / (L ||w_y - w_j||):

an ellipsoid around x, long in the directions of the features that vary much, where the Euclidean
ball of `lipzoo.certify`, of radius `r min(deviation)`, is as short in all directions as in the
shortest. In particular one entry i alone may move by up to `r deviation_i`, in its own units.

Rounding: N is computed with a relative error of at most ρ of `(|x_i| + |mean_i|) / deviation_i` in
every entry, so in the ellipsoid the error of z is at most

    ρ (||s|| + r),     s_i = (|x_i| + |mean_i|) / deviation_i,

whatever the scales of the features, and goes on through g like the error of any input.
"""

from dataclasses import dataclass, replace

import keras
import numpy as np

from lipzoo.bounds import LipschitzBound, lipschitz_bound
from lipzoo.bounds.keras_graph import as_function
from lipzoo.bounds.rules._numbers import as_float64
from lipzoo.bounds.rules.linear import NORMALIZATION_ROUNDINGS
from lipzoo.keras_internals import nodes_of
from lipzoo.rounding import gamma, inflated, norm_up

DEVIATIONS = "standard deviations of the training data"


@dataclass(frozen=True)
class Standardization:
    """The layer that a model begins with, and what is proven about the rest.

    Attributes:
        mean: mean of each feature (the last axis of the input).
        deviation: standard deviation of each feature, in the units of the input.
        roundoff: ρ of the module's description; rounding the input to the model's type is in it.
        rest: `LipschitzBound` of the model after the layer.
    """

    mean: np.ndarray
    deviation: np.ndarray
    roundoff: float
    rest: LipschitzBound

    def sizes(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Upper bounds of `||z||` and of `||s||` of every example."""
        x = np.asarray(x, "float64")
        # x and the mean are exact numbers, so that a difference has one rounding, as a sum has; the
        # root of the variance and the quotient are two more.
        centred = np.abs(x - self.mean) / self.deviation
        spread = (np.abs(x) + np.abs(self.mean)) / self.deviation
        centred, spread = (
            inflated(norm_up(part.reshape(len(x), -1), axis=1), operations=3)
            for part in (centred, spread)
        )
        return centred, spread


def standardization(model: keras.Model, method: str = "product") -> Standardization:
    """Finds the standardisation that a model begins with.

    Args:
        model: functional or sequential model with one input, which goes into a
            `keras.layers.Normalization` along the last axis and nowhere else.
        method: of the bound of the rest, see `lipschitz_bound`.

    Raises:
        ValueError: if it begins with anything else.
        UncertifiedLayerError: if a layer has no proven bound.
    """
    function = as_function(model)
    nodes = [] if function is None else _consumers(function)
    if function is None or len(nodes) != 1 or not _standardizes(nodes[0].operation):
        found = sorted({type(node.operation).__name__ for node in nodes})
        raise ValueError(
            "Expected a model whose input goes into a keras.layers.Normalization along the last "
            "axis, for radii in standard deviations. "
            f"Received: model '{model.name}', whose input goes into {found or 'no known layer'}"
        )
    layer, standardized = nodes[0].operation, nodes[0].outputs[0]
    shape = function.inputs[0].shape[-1:]
    deviation = np.maximum(np.sqrt(as_float64(layer.variance)).ravel(), keras.config.epsilon())
    cast = lipschitz_bound(model).input_roundoff
    unit = gamma(NORMALIZATION_ROUNDINGS, layer.compute_dtype)
    rest = lipschitz_bound(keras.Function(standardized, function.outputs[0]), method)
    return Standardization(
        np.broadcast_to(as_float64(layer.mean).ravel(), shape),
        np.broadcast_to(deviation, shape),
        inflated(unit * (1 + cast) + cast, operations=3),
        replace(rest, name=model.name),
    )


def _consumers(function) -> list:
    """The calls that take the only input of a graph."""
    if len(function.inputs) != 1 or len(function.outputs) != 1:
        return []
    source = function.inputs[0]
    return [n for n in nodes_of(function) if any(t is source for t in n.input_tensors)]


def _standardizes(layer) -> bool:
    if not isinstance(layer, keras.layers.Normalization) or layer.invert or layer.mean is None:
        return False
    # One number for each feature, or one for all.
    return all(size == 1 for size in np.shape(as_float64(layer.variance))[:-1])
