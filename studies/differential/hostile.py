"""What a user may do to a model behind the back of its bound."""

import keras
import numpy as np

from studies.differential.draw import louder, methods_of

_MODEL_METHODS = ("predict", "predict_step", "predict_on_batch", "call", "__call__")
_MODEL_METHODS += ("make_predict_function", "_run_through_graph", "_flatten_layers")
_MODEL_METHODS += ("_standardize_inputs", "_adjust_input_rank", "_convert_inputs_to_tensors")
_HARMLESS_METHODS = ("train_step", "test_step", "compute_loss", "summary")
_SKIPPED = ("name", "built", "supports_masking", "trainable", "units", "filters", "seed")


def model_class(draw):
    """`keras.Model`, or rarely a subclass that replaces a method."""
    if draw.maybe(0.03):
        name = draw.pick(*_HARMLESS_METHODS)
        draw.note("model class with a harmless method")
        return type("Harmless", (keras.Model,), {name: lambda self, *a, **k: None})
    if draw.maybe(0.03):
        name = draw.pick(*_MODEL_METHODS[:5])
        draw.note(f"model class overrides {name}")
        draw.note("subclassed model")
        return type("Loud", (keras.Model,), {name: _loud_method(keras.Model, name)})
    return keras.Model


def _loud_method(base, name):
    def replaced(self, *arguments, **settings):
        return louder(getattr(super(type(self), self), name)(*arguments, **settings))

    return replaced


def disturb(draw, model) -> None:
    """Rarely replaces something on the built model."""
    if draw.maybe(0.12):
        change(draw, model)


def change(draw, model) -> str:
    """Changes something of a built model that may change what it computes; says what."""
    kind = draw.pick("attribute", "attribute", "attribute", "method", "model", "private", "dtype")
    if kind == "model":
        return _replace(draw, model, draw.pick(*_MODEL_METHODS))
    layers = [layer for layer in model._flatten_layers(include_self=False) if _may_change(layer)]
    if not layers:
        return "nothing"
    layer = draw.pick(*layers)
    if kind == "method":
        return _replace(draw, layer, draw.pick(*methods_of(type(layer))))
    if kind == "dtype":
        draw.note("dtype policy assigned")
        policy = draw.pick("float16", "mixed_bfloat16", "float32")
        layer.dtype_policy = "float64" if draw.wide else policy
        return f"{layer.name}.dtype_policy = {policy}"
    return _edit(draw, layer, private=kind == "private")


def _may_change(layer):
    return not isinstance(layer, keras.layers.InputLayer)


def _replace(draw, target, name) -> str:
    original = getattr(target, name, None)
    if not callable(original):
        return "nothing"
    object.__setattr__(target, name, lambda *a, **k: louder(original(*a, **k)))
    draw.note(f"instance overrides {name}")
    draw.note("instance override")
    return f"{target.name}.{name}"


def _edit(draw, layer, private) -> str:
    """Assigns another value to an attribute."""
    names = [
        name
        for name, value in vars(layer).items()
        if name.startswith("_") == private
        and name not in _SKIPPED
        and (type(value) in (int, float, bool, str, tuple) or isinstance(value, np.ndarray))
        and _other(draw, value) is not None
    ]
    names += [name for name in ("activation",) if not private and hasattr(layer, name)]
    if not names:
        return "nothing"
    name = draw.pick(*sorted(names))
    value = getattr(layer, name)
    setattr(layer, name, _other(draw, value))
    draw.note("private attribute assigned" if private else "attribute assigned")
    draw.note(f"assigned {type(layer).__name__}.{name}")
    return f"{layer.name}.{name} = {_other(draw, value)!r} instead of {value!r}"


_TEXTS = {"same": "valid", "valid": "same", "causal": "valid", "nearest": "bilinear"}


def _other(draw, value):
    if type(value) is bool:
        return not value
    if type(value) is int:
        return value + 1
    if type(value) is float:
        return 3.0 * value + 0.5
    if type(value) is str:
        return _TEXTS.get(value)
    if type(value) is tuple and value and all(type(item) is int for item in value):
        return tuple(item + 1 for item in value)
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return 3.0 * value
    return keras.activations.softplus if callable(value) else None


def mutate(draw, model) -> str:
    """Changes a model between two certificates; says how.

    Beyond `change`: weights, captured constants in place, the layers of a Sequential.
    """
    kind = draw.pick("change", "change", "weights", "constant", "layers", "epsilon", "tie")
    if kind == "constant" and draw.constants:
        constant = draw.pick(*draw.constants)
        if constant.flags.writeable:
            constant *= 5.0
            draw.note("constant changed in place")
            return "a constant times 5, in place"
    if kind == "layers" and isinstance(model, keras.Sequential) and len(model.layers) > 1:
        draw.note("Sequential changed")
        model.pop()
        if draw.maybe(0.5):
            model.add(keras.layers.Rescaling(9.0, dtype=draw.policy()))
        return "the last layer taken off"
    if kind == "tie":
        changed = _tie(draw, model)
        if changed:
            return changed
    floats = [v for v in model.weights if keras.backend.is_float_dtype(v.dtype)]
    if kind == "weights" and floats:
        variable = draw.pick(*floats)
        variable.assign(3.0 * variable + 0.1)
        draw.note("weight assigned")
        return f"{variable.path} times 3"
    return change(draw, model)


def _tie(draw, model):
    """One layer computes with the kernel of another."""
    pairs = [
        (a, b)
        for a in model._flatten_layers(include_self=False)
        for b in model._flatten_layers(include_self=False)
        if a is not b and _same_kernel(a, b)
    ]
    if not pairs:
        return None
    first, second = draw.pick(*pairs)
    draw.note("kernel tied")
    name = "_kernel" if "_kernel" in vars(first) else "kernel"
    setattr(first, name, getattr(second, name))
    return f"{first.name} has the kernel of {second.name}"


def _same_kernel(a, b):
    if type(a) is not type(b) or not a.weights:
        return False
    shapes = [getattr(getattr(layer, "kernel", None), "shape", None) for layer in (a, b)]
    return shapes[0] is not None and shapes[0] == shapes[1]
