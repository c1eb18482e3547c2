"""What the layers that hold a forward operator share."""

import keras
from keras import ops

from lipzoo.bounds import UncertifiedLayerError
from lipzoo.inverse.operators import LinearOperator
from lipzoo.inverse.operators.claims import check_claims

# What an operator computes, and what is stated of it.
_COMPUTES = ("apply", "adjoint", "_product", "_per_channel")
_STATES = ("norm_bound", "rounding", "smallest_singular_value_bound")


class OperatorLayer(keras.layers.Layer):
    """Base of layers with a forward operator, which travels in their configuration."""

    def __init__(self, operator, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(operator, LinearOperator):
            raise ValueError(
                f"operator must be a lipzoo.inverse.LinearOperator. Received: operator={operator!r}"
            )
        check_claims(operator)
        self.operator = operator

    def get_config(self):
        return {
            **super().get_config(),
            "operator": keras.saving.serialize_keras_object(self.operator),
        }

    @classmethod
    def from_config(cls, config):
        """Returns a layer from what `get_config` returned, operator included."""
        operator = config["operator"]
        if isinstance(operator, dict):
            operator = keras.saving.deserialize_keras_object(operator)
        return cls(**{**config, "operator": operator})

    def _trust_operator(self):
        """Refuses an operator that computes something else than what its bounds are stated of.

        Raises:
            UncertifiedLayerError: if it, or its class, replaces `apply` or `adjoint` and inherits
                `norm_bound` or `rounding`.
            ValueError: if a claim of it is refuted, see `check_claims`.
        """
        check_claims(self.operator)
        replaced = [name for name in _COMPUTES if name in vars(self.operator)]
        classes = type(self.operator).__mro__
        lowest = min(_owner(classes, name) for name in _COMPUTES)
        if not replaced and classes[lowest].__module__.split(".")[0] != "lipzoo":
            stale = [
                owner
                for owner in (_owner(classes, name) for name in _STATES)
                if owner > lowest and classes[owner] is not LinearOperator
            ]
            replaced = [name for name in _COMPUTES if stale and name in vars(classes[lowest])]
        if replaced:
            raise UncertifiedLayerError(
                self,
                f"Its operator {self.operator!r} replaces {', '.join(replaced)} and inherits what "
                f"is stated of another: override {', '.join(_STATES)} too.",
            )

    def _check_measurement(self, shape):
        if tuple(shape[1:]) != self.operator.output_shape:
            raise ValueError(
                f"{type(self).__name__} expects measurements of shape "
                f"{(None, *self.operator.output_shape)}, as its operator makes them. "
                f"Received: {tuple(shape)}"
            )

    def _check_state(self, input_shape):
        """Refuses shapes other than those of a state, which may have more channels, and of data."""
        state, data = input_shape
        self._check_measurement(data)
        *spatial, channels = self.operator.input_shape
        fits = tuple(state[1:-1]) == tuple(spatial) and state[-1] is not None
        if not fits or state[-1] < channels:
            raise ValueError(
                f"{type(self).__name__} expects a state of shape {(None, *spatial)} and at least "
                f"{channels} channels. Received: {tuple(state)}"
            )

    def _on_image(self, inputs, step):
        """Applies `step(image, data)` to the first channels of a state."""
        state, data = inputs
        channels = self.operator.input_shape[-1]
        if state.shape[-1] == channels:
            return step(state, data)
        image = step(state[..., :channels], data)
        return ops.concatenate([image, state[..., channels:]], axis=-1)


def _owner(classes, name):
    """Position of the first class that defines a name; past the end for none."""
    return next((i for i, kind in enumerate(classes) if name in vars(kind)), len(classes))
