"""The error for everything that has no proven bound."""

import keras

from lipzoo.bounds.origins import defined_in, is_operation


class UncertifiedLayerError(ValueError):
    """A layer, operation or model without a proven Lipschitz bound.

    Such a layer is never taken for 1, nor for anything else. The message names the layer and its
    class, says what is missing, and shows how to register a rule for a class of layers.

    Args:
        layer: the layer or operation; its name and class go into the message.
        reason: what is missing, a full sentence.
        within_balls: whether it is slopes within balls that the layer has not, of which there may
            be a bound.
    """

    def __init__(self, layer, reason: str, within_balls: bool = False):
        kind = type(layer).__name__
        lacks = "has no proven Lipschitz bound"
        if within_balls:
            lacks, advice = "has no proven slopes within balls", ""
        elif is_operation(layer):
            advice = (
                "If you can prove one, put the computation into a layer class with a method "
                "`lipschitz_bound(self, input_shape)` that returns a lipzoo.LayerBound, or "
                "register a rule for the layer with lipzoo.register_bound_rule."
            )
        elif isinstance(layer, keras.Model) and defined_in(type(layer), "keras"):
            # A rule would hold for all models of Keras' class.
            advice = ""
        else:
            advice = (
                f"If you can prove one, register it:\n\n"
                f"    @lipzoo.register_bound_rule({kind})\n"
                f"    def bound_of_{kind.lower()}(layer, input_shape):\n"
                f'        return lipzoo.LayerBound(value, "how it follows")\n\n'
                f"or give the class a method `lipschitz_bound(self, input_shape)`."
            )
        message = f"'{layer.name}' of class {kind} {lacks}. {reason} {advice}"
        super().__init__(message.rstrip())
        self.reason = reason
        self.layer_name = layer.name
        self.layer_class = type(layer)
