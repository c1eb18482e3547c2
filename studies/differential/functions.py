"""A model as a function of arrays: values in its own arithmetic, Jacobians of its twin."""

import contextlib
import unittest.mock

import keras
import numpy as np
import tensorflow as tf


class Function:
    """A model's map from a list of input arrays to flattened outputs, one row per example."""

    def __init__(self, model):
        self.model = model
        self.tensors = list(model.inputs)
        self.sizes = [int(np.prod(tensor.shape[1:])) for tensor in self.tensors]

    def arrays(self, rows: np.ndarray) -> list[np.ndarray]:
        """One array per input, from rows that hold all inputs of an example."""
        parts = np.split(rows, np.cumsum(self.sizes)[:-1], axis=1)
        return [
            part.reshape(-1, *tensor.shape[1:])
            for part, tensor in zip(parts, self.tensors, strict=True)
        ]

    def structured(self, arrays):
        """The arrays as the model takes them: one, a list or a dict."""
        if isinstance(getattr(self.model, "_inputs_struct", None), dict):
            return {t.name: a for t, a in zip(self.tensors, arrays, strict=True)}
        return arrays[0] if len(arrays) == 1 else arrays

    def eager(self, rows: np.ndarray) -> np.ndarray:
        """What calling the model returns."""
        outputs = self.model(self.structured(self.arrays(rows)), training=False)
        return _flat(outputs)

    def predicted(self, rows: np.ndarray, batch_size=256) -> np.ndarray:
        """What `predict` returns."""
        inputs = self.structured(self.arrays(rows))
        return _flat(self.model.predict(inputs, batch_size=batch_size, verbose=0))

    def derivatives(self, rows: np.ndarray, outputs: int) -> np.ndarray:
        """`jacobians`, or central differences where the backend has no gradient."""
        try:
            return self.jacobians(rows, outputs)
        except (tf.errors.InvalidArgumentError, LookupError):
            steps = 1e-5 * np.eye(rows.shape[1])
            ends = np.concatenate([rows[:, None] + steps, rows[:, None] - steps])
            values = self.eager(ends.reshape(-1, rows.shape[1]))
            values = values.reshape(2, len(rows), rows.shape[1], -1)
            return np.swapaxes((values[0] - values[1]) / 2e-5, 1, 2)

    def jacobians(self, rows: np.ndarray, outputs: int) -> np.ndarray:
        """Jacobians by reverse differentiation, of shape `(examples, outputs, inputs)`.

        Each example stands in the batch once per output, so that one pass gives all rows.
        """
        repeated = np.repeat(rows, outputs, axis=0)
        tensors = [tf.convert_to_tensor(array) for array in self.arrays(repeated)]
        with tf.GradientTape() as tape:
            for tensor in tensors:
                tape.watch(tensor)
            results = self.model(self.structured(tensors), training=False)
            values = [
                tf.cast(tf.reshape(result, (len(repeated), -1)), "float64")
                for result in keras.tree.flatten(results)
            ]
            chosen = tf.constant(np.tile(np.eye(outputs), (len(rows), 1)))
            total = tf.reduce_sum(tf.concat(values, axis=1) * chosen)
        gradients = tape.gradient(total, tensors)
        parts = [
            np.zeros((len(repeated), size))
            if gradient is None
            else tf.convert_to_tensor(gradient).numpy().astype("float64").reshape(len(repeated), -1)
            for gradient, size in zip(gradients, self.sizes, strict=True)
        ]
        return np.concatenate(parts, axis=1).reshape(len(rows), outputs, -1)


@contextlib.contextmanager
def untraced():
    """Has `predict` call the model as it is, without a data pipeline and without compiling.

    What `predict` does to its arrays stays: floating point ones are cast to Keras' default type.
    """

    def predict(self, x, batch_size=None, verbose="auto", **settings):
        tensors = keras.tree.map_structure(_as_predict_takes_it, x)
        outputs = self.predict_step((tensors,))
        return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)

    with unittest.mock.patch.object(keras.Model, "predict", predict):
        yield


def _as_predict_takes_it(array):
    is_float = np.asarray(array).dtype.kind == "f"
    return tf.convert_to_tensor(array, keras.config.floatx() if is_float else None)


def _flat(outputs) -> np.ndarray:
    arrays = [keras.ops.convert_to_numpy(output) for output in keras.tree.flatten(outputs)]
    return np.concatenate(
        [array.astype("float64").reshape(len(array), -1) for array in arrays], axis=1
    )
