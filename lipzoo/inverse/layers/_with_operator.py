"""What the layers that hold a forward operator share."""

import keras

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
