"""What the layers that hold a forward operator share."""

import keras
from keras import ops

from lipzoo.inverse.operators import LinearOperator


class OperatorLayer(keras.layers.Layer):
    """Base of layers with a forward operator, which travels in their configuration."""

    def __init__(self, operator, **kwargs):
        super().__init__(**kwargs)
        if isinstance(operator, dict):
            operator = keras.saving.deserialize_keras_object(operator)
        if not isinstance(operator, LinearOperator):
            raise ValueError(
                f"operator must be a lipzoo.inverse.LinearOperator. Received: operator={operator!r}"
            )
        self.operator = operator

    def get_config(self):
        return {
            **super().get_config(),
            "operator": keras.saving.serialize_keras_object(self.operator),
        }

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
