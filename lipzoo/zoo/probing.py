"""Whether a model that was built again is the function that its certificate was made of.

The bound of a network does not tell which one it is: a flatten in another order, a swapped axis or
another activation of the same slopes leaves it as it is. So a certificate stores the outputs at a
few inputs, and whoever builds the model again compares.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from lipzoo import models
from lipzoo.bounds import lipschitz_bound
from lipzoo.bounds.model_bound import LipschitzBound
from lipzoo.building import weights_follow
from lipzoo.certificates.arithmetic import check_arithmetic
from lipzoo.float64 import computes_in_float64
from lipzoo.rounding import add_up, mul_up, unit_roundoff
from lipzoo.zoo.precision import building_in
from lipzoo.zoo.weights import assign_weights
from lipzoo_catalogue.model_config import ModelConfig
from lipzoo_catalogue.probes import Probes

SEED = 0
COUNT = 3
# As many outputs of one input are stored at most.
MAX_OUTPUTS = 256


def probe_inputs(config: ModelConfig, shape: tuple[int, ...], seed: int, count: int) -> np.ndarray:
    """Inputs that follow from a seed, `low + (high - low) u` with u uniform in [0, 1).

    The box is the range that the configuration states, else one deviation around the mean that the
    model standardises with, else [-1, 1].

    Args:
        config: the model's configuration.
        shape: shape of one input.
        seed: seed of `numpy.random.RandomState`, whose numbers are the same in every version.
        count: number of inputs.

    Returns:
        float32 of shape `(count, *shape)`.

    >>> probe_inputs(ModelConfig("MLP"), (2,), seed=0, count=1).round(2).tolist()
    [[0.55..., 0.72...]]
    """
    low, high = (config.preprocessing[key] for key in ("minimum", "maximum"))
    moments = config.arguments.get("normalization")
    if None in (low, high):
        low, high = -1.0, 1.0
        if moments:
            mean, deviation = np.array(moments["mean"]), np.sqrt(np.array(moments["variance"]))
            low, high = mean - deviation, mean + deviation
    drawn = np.random.RandomState(seed).random_sample((count, *shape))
    inputs = (low + (high - low) * drawn).astype("float32")
    # Rounding must not leave the range that the model states.
    return np.clip(inputs, low, high).astype("float32")


def derive_probes(
    model: keras.Model, config: ModelConfig, tensors: Mapping[str, np.ndarray]
) -> Probes | None:
    """The outputs to store of a model.

    Args:
        model: the model.
        config: how it is built again.
        tensors: its weights, by name.

    Returns:
        The outputs of the model that is built again in float64, where the backend computes in it,
        else of the model itself; `None` where no finite bound of their rounding error is known.

    Raises:
        ValueError: if what is built again is another function than the model.
    """
    reference = rebuilt(config, tensors, "float64" if computes_in_float64() else None)
    inputs = probe_inputs(config, tuple(model.input_shape[1:]), SEED, COUNT)
    outputs, errors = _evaluated(reference, inputs)
    if errors is None:
        return None
    rows = [_chosen(row) for row in outputs]
    probes = Probes(SEED, tuple(tuple(map(float, row)) for row in rows), tuple(errors))
    apart = compare(model, config, probes)
    if apart is not None and not apart[0] <= apart[1]:
        raise ValueError(
            "config does not fit the model: expected the function that the model computes. "
            f"Received: one whose outputs differ by {apart[0]:.3g}, where rounding explains at "
            f"most {apart[1]:.3g}; was a layer changed after the model was built?"
        )
    return probes


def compare(
    model: keras.Model, config: ModelConfig, probes: Probes, bound: LipschitzBound | None = None
) -> tuple[float, float] | None:
    """How far a model's outputs are from the stored ones.

    Args:
        model: the model.
        config: its configuration.
        probes: the stored outputs.
        bound: its bound, if it was derived already.

    Returns:
        The distance, Euclidean, at the input where it is largest relative to what rounding can
        explain, and what rounding can explain there; `None` where the rounding error of the model's
        arithmetic has no finite bound.

    Raises:
        ValueError: if the outputs are of another number.
    """
    shape = tuple(model.input_shape[1:])
    inputs = probe_inputs(config, shape, probes.seed, len(probes.outputs))
    outputs, errors = _evaluated(model, inputs, bound)
    if errors is None:
        return None
    pairs = []
    for row, error, stored, known in zip(
        outputs, errors, probes.outputs, probes.errors, strict=True
    ):
        row = _chosen(row)
        if row.shape != (len(stored),):
            raise ValueError(f"expected {len(stored)} outputs. Received: {row.size}")
        # NaN is no agreement.
        distance = float(np.linalg.norm(row - np.array(stored)))
        pairs.append((np.inf if np.isnan(distance) else distance, add_up(error, known)))
    return max(pairs, key=lambda pair: pair[0] / max(pair[1], 1e-300))


def rebuilt(
    config: ModelConfig, tensors: Mapping[str, np.ndarray], dtype: str | None
) -> keras.Model:
    """The model of a configuration with these weights, in an arithmetic.

    Raises:
        ValueError: if the configuration names no builder, or the weights do not fit.
    """
    builder = models.ARCHITECTURES.get(config.architecture)
    if builder is None:
        known = ", ".join(sorted(models.ARCHITECTURES))
        raise ValueError(
            f"Expected an architecture among {known}. Received: {config.architecture!r}"
        )
    parameters = sum(tensor.size for tensor in tensors.values())
    with building_in(dtype), weights_follow(parameters, ()):
        model = builder(**config.arguments)
    assign_weights(model, tensors)
    return model


def _evaluated(model, inputs, bound=None) -> tuple[Any, list[float] | None]:
    """Outputs as rows of float64 and bounds of their rounding errors, `None` if there are none.

    Where the backend does not compute in what the model's layers say, nothing is known of them.
    """
    bound = lipschitz_bound(model) if bound is None else bound
    try:
        check_arithmetic(model)
    except ValueError:
        return None, None
    rounding = bound.output.bound
    # A model that was made with a list of one input is called with one.
    structure = getattr(model, "_inputs_struct", 0)
    called = model(keras.tree.pack_sequence_as(structure, [inputs]), training=False)
    (outputs,) = keras.tree.flatten(called)
    outputs = keras.ops.convert_to_numpy(outputs).astype("float64").reshape(len(inputs), -1)
    slope, offset = rounding.rounding_slope, rounding.rounding_offset
    if slope is None or offset is None or bound.output.unknown:
        return outputs, None
    if not np.isfinite([slope, offset]).all():
        return outputs, None
    # Norms and distances are summed in float64, which this covers for all lengths in use.
    slack = 1 + max(inputs[0].size, outputs.shape[1]) * unit_roundoff("float64")
    norms = [float(np.linalg.norm(row)) * slack for row in inputs.reshape(len(inputs), -1)]
    return outputs, [add_up(mul_up(slope, norm), offset) for norm in norms]


def _chosen(row):
    """All outputs of one input, or evenly spaced ones of many."""
    if row.size <= MAX_OUTPUTS:
        return row
    return row[np.linspace(0, row.size - 1, MAX_OUTPUTS).round().astype(int)]
