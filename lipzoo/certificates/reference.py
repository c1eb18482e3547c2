"""Whether two models are the same network in two arithmetics."""

import json

import keras
import numpy as np

from lipzoo.certificates.evaluated import Evaluation

_NAMES = ("name", "dtype", "dtype_policy")
_PLAIN = (type(None), bool, int, float, str)


def check_reference(model: keras.Model, reference: keras.Model, rounding: bool) -> None:
    """Compares inputs, weights, and the layers' classes, configurations and attributes.

    Args:
        model: the network.
        reference: the same in another arithmetic; its layers may have other names.
        rounding: whether the certificate is about computed numbers.

    Raises:
        ValueError: for a difference, or a reference without rounding.
    """
    if not rounding:
        raise ValueError(
            "Expected rounding=True with a reference: it makes the slack for rounding smaller. "
            "Received: rounding=False"
        )
    shapes = [[tuple(tensor.shape) for tensor in network.inputs] for network in (model, reference)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"Expected a reference with inputs of shape {shapes[0]}. Received: {shapes[1]}"
        )
    pairs = _paired(_layers(model), _layers(reference), "layers")
    different = [one.name for one, other in pairs if _state(one) != _state(other)]
    if different:
        raise ValueError(
            "Expected a reference with the layers of the model. "
            f"Received: {len(different)} that are set up differently, {different[0]!r} first"
        )
    pairs = _paired(model.weights, reference.weights, "weights")
    different = [one.path for one, other in pairs if not np.array_equal(*map(_array, (one, other)))]
    if different:
        raise ValueError(
            "Expected a reference with the weights of the model. "
            f"Received: {len(different)} of {len(pairs)} that differ, {different[0]!r} first"
        )


def check_agreement(own: Evaluation, centre: Evaluation) -> None:
    """Two evaluations of one network differ by no more than their proven rounding errors.

    Raises:
        ValueError: if they do, so that the networks are not the same.
    """
    if centre is own:
        return
    distance = np.linalg.norm(own.logits.astype("float64") - centre.logits, axis=1)
    allowed = (own.logit_error() + centre.logit_error()) * (1 + 1e-6)
    worst = int(np.argmax(distance - allowed))
    if distance[worst] > allowed[worst]:
        raise ValueError(
            "Expected a reference that is the same network in another arithmetic, with logits no "
            f"further apart than the rounding errors of both, {allowed[worst]:.3g}. "
            f"Received: {distance[worst]:.3g} for example {worst}"
        )


def _paired(first, second, what: str) -> list:
    if len(first) != len(second):
        raise ValueError(
            f"Expected a reference with {len(first)} {what}. Received: {len(second)} {what}"
        )
    return list(zip(first, second, strict=True))


def _layers(model) -> list:
    """The layers of a model and of the models in it, in order."""
    inner = [_layers(x) if isinstance(x, keras.Model) else [x] for x in model.layers]
    return [layer for layers in inner for layer in layers]


def _state(layer) -> str:
    """Class, configuration and public attributes, without names and floating types."""
    config = json.dumps(_nameless(layer.get_config()), sort_keys=True, default=repr)
    attributes = {key: value for key, value in vars(layer).items() if not key.startswith("_")}
    return f"{type(layer)} {config} {_plain(_nameless(attributes))}"


def _nameless(value):
    if isinstance(value, dict):
        return {key: _nameless(item) for key, item in value.items() if key not in _NAMES}
    return [_nameless(item) for item in value] if isinstance(value, list | tuple) else value


def _plain(value):
    """What can be compared: numbers, text and arrays, also inside lipzoo's own objects."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, dict):
        return sorted((str(key), _plain(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, keras.Variable | keras.KerasTensor):
        return None
    if isinstance(value, np.ndarray) or keras.ops.is_tensor(value):
        return _array(value).astype("float64").tolist()
    if type(value).__module__.startswith("lipzoo."):
        return type(value).__name__, _plain(_nameless(vars(value)))
    return None


def _array(value) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(value))
