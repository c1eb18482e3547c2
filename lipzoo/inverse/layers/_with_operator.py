"""What the layers that hold a forward operator share."""

import keras
from keras import ops

from lipzoo.bounds import UncertifiedLayerError
from lipzoo.bounds.overrides import HARMLESS_ANYWHERE, overrides, replaced_members
from lipzoo.inverse.operators import LinearOperator
from lipzoo.inverse.operators.claims import check_claims

# What is stated of the map that an operator computes.
_STATES = ("norm_bound", "rounding", "smallest_singular_value_bound")

# What a class may define without changing that map. A regularised inverse is an operator of its
# own, made of the matrix and bounded as what it is.
_HARMLESS = HARMLESS_ANYWHERE | {
    *_STATES,
    "__eq__",
    "__hash__",
    "matrix",
    "regularised_inverse",
    "supports_jit",
}


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
        # The operator, or the matrix that stands for one which states no norm: what bounds are of.
        self._products = operator.products()
        if not operator.supports_jit and keras.backend.backend() == "tensorflow":
            self.supports_jit = False

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
        """Refuses an operator that may compute something else than what its bounds are stated of.

        Raises:
            UncertifiedLayerError: if it replaces anything but statements on the object itself, or
                if its class defines more than is known to be harmless, `apply` or `adjoint` say,
                and inherits `norm_bound`, `rounding` or `smallest_singular_value_bound`.
            ValueError: if a claim of it is refuted, see `check_claims`.
        """
        self._trust(self.operator)
        if self._products is not self.operator:
            self._trust(self._products)
        check_claims(self.operator)

    def _trust(self, operator):
        replaced = replaced_members(operator, frozenset(_STATES))
        for statement in _STATES:
            # The base states nothing that could be wrong.
            if getattr(type(operator), statement) is not getattr(LinearOperator, statement):
                found = overrides(operator, statement, _HARMLESS)
                replaced += [] if found is None else found[1]
        if replaced:
            raise UncertifiedLayerError(
                self,
                f"Its operator {operator!r} replaces {', '.join(dict.fromkeys(replaced))} and "
                f"inherits what is stated of another: override {', '.join(_STATES)} too.",
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
