"""Which rule bounds which layer."""

import math
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from lipzoo.bounds.bound_cache import BoundCache, fingerprint
from lipzoo.bounds.errors import UncertifiedLayerError
from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.bounds.origins import defined_in
from lipzoo.bounds.overrides import refuse_overridden, refuse_replaced
from lipzoo.bounds.rules import BUILT_IN_RULES, check_kernel_layer

_registered: dict[type, Callable] = {}
_cache = BoundCache()


def register_bound_rule(layer_class: type, rule: Callable | None = None):
    """Registers a rule that bounds the layers of one class.

    A rule is a function `(layer, input_shape) -> LayerBound`, or of a plain number when only the
    Lipschitz bound is known (then `certify` works with `rounding=False`). `input_shape` has the
    batch axis first; a layer with several inputs gets a list of shapes, and its bound is that of
    the map of all inputs together. The rule is called again on every request, holds for exactly
    this class and not for its subclasses, and replaces the rule that lipzoo has for the class.

    The rule is a proof that you vouch for: it must hold for the layer at inference, for all inputs,
    in the Euclidean norm of one example's flattened tensors, without mixing examples of a batch,
    and whatever mask Keras hands to it. Arguments of `call` other than tensors must keep their
    defaults, unless the class names them in an attribute `bounded_arguments`, a tuple: for those
    the rule must hold whatever their value.
    Nothing tests it; `lipzoo.evaluation` looks for pairs of inputs that would refute it.

    Args:
        layer_class: subclass of `keras.layers.Layer`.
        rule: the rule; left out when used as a decorator.

    Returns:
        The rule, so that the function can be used as a decorator.

    Raises:
        TypeError: if `layer_class` is not a layer class or `rule` is not callable.

    Example:
        >>> class Halve(keras.layers.Layer):
        ...     def call(self, inputs):
        ...         return inputs / 2
        >>> @register_bound_rule(Halve)
        ... def bound_of_halve(layer, input_shape):
        ...     return LayerBound.exact(0.5, "division by 2")
        >>> layer_bound(Halve(), (None, 3)).value
        0.5
    """
    if not (isinstance(layer_class, type) and issubclass(layer_class, keras.Operation)):
        raise TypeError(f"Expected a layer class. Received: layer_class={layer_class!r}")
    if rule is None:
        return lambda function: register_bound_rule(layer_class, function)
    if not callable(rule):
        raise TypeError(f"Expected a function (layer, input_shape). Received: rule={rule!r}")
    _registered[layer_class] = rule
    return rule


def check_layer(layer, input_shape) -> None:
    """Looks for the reasons for which `layer_bound` would refuse a layer, and computes no norm.

    What a class' own method, or a registered rule, would refuse is not looked for.

    Raises:
        UncertifiedLayerError: with the first reason.
    """
    _refuse_quantised(layer)
    refuse_replaced(layer)
    if type(layer) in _registered:
        return
    if callable(getattr(layer, "lipschitz_bound", None)):
        refuse_overridden(layer, "lipschitz_bound")
        return
    rule = BUILT_IN_RULES.get(type(layer))
    if rule is None:
        raise UncertifiedLayerError(layer, _missing_rule(layer))
    if _has_kernel(layer):
        check_kernel_layer(layer, input_shape)
    else:
        rule(layer, input_shape)


def _has_kernel(layer) -> bool:
    return any(len(variable.shape) > 1 for variable in layer.weights)


def _refuse_quantised(layer):
    if getattr(layer, "quantization_mode", None) is not None:
        raise UncertifiedLayerError(
            layer,
            "Expected a floating point dtype policy, which is float64, float32, float16, bfloat16 "
            f"or a mixed one. Received: {layer.dtype_policy.name!r}, whose quantization is not "
            "analysed.",
        )


def layer_bound(layer, input_shape) -> LayerBound:
    """Bound of one layer on inputs of one shape, from its weights as they are now.

    A registered rule comes first, then the layer's own method `lipschitz_bound(input_shape)`, then
    lipzoo's rule for exactly this class of Keras layer. A subclass that may change what the layer
    computes has to override an inherited `lipschitz_bound` as well. Bounds of Keras' and lipzoo's
    own layers are cached under a hash of the configuration, the attributes and all weights.

    Raises:
        UncertifiedLayerError: if there is no rule, or a method that says nothing about the class.
        ValueError: if a weight is NaN or infinite.
    """
    _refuse_quantised(layer)
    refuse_replaced(layer)
    if type(layer) in _registered:
        _refuse_bad_weights(layer)
        return _checked(layer, _registered[type(layer)](layer, input_shape))
    method = getattr(layer, "lipschitz_bound", None)
    if callable(method):
        refuse_overridden(layer, "lipschitz_bound")
        if defined_in(type(layer), "lipzoo"):
            return _cached(layer, input_shape, method)
        _refuse_bad_weights(layer)
        return _checked(layer, method(input_shape))
    rule = BUILT_IN_RULES.get(type(layer))
    if rule is None:
        raise UncertifiedLayerError(layer, _missing_rule(layer))
    if _has_kernel(layer) and _weights_are_all(layer):
        return _cached(layer, input_shape, lambda shape: rule(layer, shape))
    _refuse_bad_weights(layer)
    return _checked(layer, rule(layer, input_shape))


def _weights_are_all(layer) -> bool:
    # Normalization computes with copies of its weights, which a hash of the weights does not see.
    return not isinstance(layer, keras.layers.Normalization)


def _cached(layer, input_shape, rule):
    key = fingerprint(layer, input_shape)
    bound = None if key is None else _cache.get(key)
    if bound is None:
        # What is remembered under a hash of the weights was derived from weights without NaN.
        _refuse_bad_weights(layer)
        bound = _checked(layer, rule(input_shape))
        if key is not None:
            _cache.put(key, bound)
    return bound


def _checked(layer, bound) -> LayerBound:
    if isinstance(bound, int | float | np.floating | np.integer) and not isinstance(bound, bool):
        # Nothing is claimed beyond the number: not the norm of the output either.
        bound = LayerBound(float(bound), "registered rule", math.inf)
    if not isinstance(bound, LayerBound):
        raise TypeError(
            f"Expected the rule for layer '{layer.name}' of class {type(layer).__name__} to return "
            f"a lipzoo.LayerBound. Received: {bound!r}"
        )
    return bound


def _missing_rule(layer) -> str:
    related = [base for base in type(layer).__mro__[1:] if base in BUILT_IN_RULES]
    if related:
        return (
            f"It subclasses {related[0].__name__}, whose rule need not hold for what the subclass "
            "computes."
        )
    if isinstance(layer, keras.layers.Lambda):
        return "A Lambda layer may compute anything: write a layer class."
    if isinstance(layer, keras.Model):
        return "It is a subclassed model, whose layers cannot be followed: see below."
    return "There is no rule for this class."


def _refuse_bad_weights(layer):
    for variable in getattr(layer, "weights", ()):
        if not np.all(np.isfinite(ops.convert_to_numpy(variable))):
            raise ValueError(
                f"Expected finite weights. Received: NaN or infinity in '{variable.name}' of layer "
                f"'{layer.name}' ({type(layer).__name__})"
            )


def has_registered_rule(operation) -> bool:
    """Whether `register_bound_rule` was called for an operation's class."""
    return type(operation) in _registered


def has_own_bound(operation) -> bool:
    """Whether a rule is registered for an operation's class, or the class has a method for it."""
    return has_registered_rule(operation) or callable(getattr(operation, "lipschitz_bound", None))


def takes_one_tensor(layer) -> bool:
    """Whether a layer of Keras is bounded by lipzoo's rule for its class, on a single tensor."""
    ruled = type(layer) in BUILT_IN_RULES and not has_own_bound(layer)
    return ruled and type(layer) is not keras.layers.Identity
