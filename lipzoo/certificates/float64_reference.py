"""The same network in another arithmetic: where it comes from, and whether it is the same."""

import json

import keras
import numpy as np

from lipzoo.bounds.origins import defined_in
from lipzoo.certificates.forward_pass import Evaluation
from lipzoo.float64 import FLOAT64_ADVICE, computes_in_float64
from lipzoo.rounding import inflated

_NAMES = ("name", "dtype", "dtype_policy")
_PLAIN = (type(None), bool, int, float, str)


AUTO, FLOAT64 = "auto", "float64"


def resolved_reference(model: keras.Model, reference, rounding: bool) -> keras.Model | None:
    """The network in another arithmetic that the margins at x are to come from.

    Args:
        model: the network.
        reference: `None`, a model, `"float64"`, or `"auto"`: float64 where there is such a network.
        rounding: whether the certificate is about computed numbers.

    Raises:
        ValueError: for `"float64"` where there is none, and for a model that is another network.
        TypeError: for anything else.
    """
    if reference is None:
        return None
    if isinstance(reference, str) and reference in (AUTO, FLOAT64):
        found, reason = _own_reference(model, rounding)
        if found is not None or reference == AUTO:
            return found
        raise ValueError(
            "Expected a model of the zoo in float32, rounding=True and a backend that computes in "
            f"float64, for reference='float64'; or reference=None. Received: {reason}"
        )
    if not isinstance(reference, keras.Model):
        raise TypeError(
            "Expected reference to be 'auto', 'float64', None or a keras.Model. "
            f"Received: reference={reference!r}"
        )
    check_reference(model, reference, rounding)
    return reference


def _own_reference(model, rounding):
    """The float64 network that a model of the zoo can build, or `None` and why there is none."""
    if not rounding:
        return None, "rounding=False"
    build = getattr(model, "float64_reference", None)
    if not callable(build):
        return None, f"model '{model.name}', which is not of the zoo"
    if computing_dtype(model) != "float32":
        return None, f"model '{model.name}', which computes in {computing_dtype(model)}"
    if not computes_in_float64():
        return None, f"backend {keras.backend.backend()!r} ({FLOAT64_ADVICE})"
    reference = build()
    if reference is None:
        return None, f"model '{model.name}', which its configuration does not build any more"
    try:
        check_reference(model, reference, rounding)
    except ValueError as error:
        return None, f"model '{model.name}', which was changed: {error}"
    return reference, ""


def computing_dtype(model: keras.Model) -> str:
    """The type that the layers of a model compute in, or several, as in `"float16 and float32"`."""
    dtypes = {
        layer.compute_dtype
        for layer in model._flatten_layers(include_self=False)
        if not isinstance(layer, keras.Model | keras.layers.InputLayer)
    }
    return " and ".join(sorted(dtypes or {tensor.dtype for tensor in model.inputs}))


def check_reference(model: keras.Model, reference: keras.Model, rounding: bool) -> None:
    """Compares inputs, weights, and the layers' classes, configurations and attributes.

    Args:
        model: the network.
        reference: the same in another arithmetic; its layers may have other names.
        rounding: whether the certificate is about computed numbers.

    Raises:
        ValueError: for a difference, a layer without a configuration, or a reference without
            rounding.
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
    different = [one.path for one, other in pairs if not np.array_equal(_array(one), _array(other))]
    if different:
        raise ValueError(
            "Expected a reference with the weights of the model. "
            f"Received: {len(different)} of {len(pairs)} that differ, {different[0]!r} first"
        )


def agree(own: Evaluation, centre: Evaluation) -> bool:
    """Whether `check_agreement` has nothing to refuse."""
    try:
        check_agreement(own, centre)
    except ValueError:
        return False
    return True


def check_agreement(own: Evaluation, centre: Evaluation) -> None:
    """Two evaluations of one network differ by no more than their proven rounding errors.

    Raises:
        ValueError: if they do, so that the networks are not the same.
    """
    if centre is own:
        return
    # The difference, the squares, their sum and the root; and the sum of both errors.
    distance = np.linalg.norm(own.logits.astype("float64") - centre.logits, axis=1)
    roundings = own.logits.shape[1] + 3
    allowed = inflated(own.logit_error() + centre.logit_error(), operations=roundings)
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
    config = json.dumps(_nameless(_configuration(layer)), sort_keys=True, default=repr)
    attributes = {key: value for key, value in vars(layer).items() if not key.startswith("_")}
    return f"{type(layer)} {config} {_plain(_nameless(attributes))}"


def _configuration(layer) -> dict:
    try:
        return layer.get_config()
    except Exception as error:
        raise ValueError(
            "Expected layers that state their configuration, to compare a model with its "
            f"reference. Received: {layer.name!r}, whose get_config() raises "
            f"{type(error).__name__}: {error}"
        ) from error


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
    if defined_in(type(value), "lipzoo"):
        return type(value).__name__, _plain(_nameless(vars(value)))
    return None


def _array(value) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(value))
