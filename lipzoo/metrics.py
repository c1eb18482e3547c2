"""Metrics for `fit`: certified accuracy of classifiers, and the error of reconstructions."""

import gc
import math
from typing import Any

import keras
import numpy as np
from keras import ops

from lipzoo.bounds.linear_head import linear_weights, passes_through
from lipzoo.bounds.overrides import replaced_members
from lipzoo.keras_internals import Functional, calls_behind, calls_of
from lipzoo.validation import class_numbers, finite_number


@keras.saving.register_keras_serializable(package="lipzoo")
class CertifiedAccuracy(keras.metrics.Metric):
    r"""Share of examples that are right, and cannot change within l2 distance `epsilon`.

    For logits `f` of joint Lipschitz constant `L` and label `y`, an example counts when

    ```
    f_y - f_j > c_j * L * epsilon   for all j != y
    ```

    with `c_j = sqrt(2)`, or, where `head` is given, `c_j = ||w_y - w_j||` for the columns `w` of
    the linear last layer `head`, read from its weights as they are; `L` is then a bound of
    everything before the head. A tie does not count.

    This is a readout during training: it takes `lipschitz` at its word, works in the precision
    of the logits, and on JAX the columns are those at the start of the epoch or evaluation
    (compiled code there cannot read a layer's weights), so that only validation values are exact.
    The certificate, with a bound recomputed in float64 and the rounding error subtracted, is
    `lipzoo.certify`.

    Args:
        epsilon: radius, in the units of the model's input. Non-negative.
        lipschitz: bound `L` of the model, or of its body where `head` is given. Positive.
        head: optional linear last layer, one that `lipzoo.certify` takes for one, too: no
            activation, vectors as inputs, nothing behind it but what changes nothing at inference,
            nor behind a nested model that it is in; build the model first, so that this is seen.
            It is not serialised: a metric that was saved and loaded counts with `sqrt(2)`.
        name: name in the logs; `certified_0_25` for `epsilon=0.25` by default, without a dot, so
            that templates of file names take it. `name="certified_0.25"` keeps the name that it had
            before, for callbacks that monitor that and records that are read under it.
        dtype: as in `keras.metrics.Metric`.

    Raises:
        ValueError: for a number out of range, or a head that is no linear last layer.

    Example:

    >>> import numpy as np
    >>> metric = CertifiedAccuracy(epsilon=0.5)
    >>> logits = np.array([[1.0, 0.0], [0.6, 0.0], [0.0, 2.0]])  # margins 1, 0.6, -2
    >>> round(float(metric(np.array([0, 0, 0]), logits)), 4)  # 0.6 < sqrt(2) / 2
    0.3333
    """

    def __init__(
        self,
        epsilon: float,
        lipschitz: float = 1.0,
        head: keras.layers.Layer | None = None,
        name: str | None = None,
        dtype=None,
    ):
        epsilon = finite_number(epsilon, "epsilon")
        lipschitz = finite_number(lipschitz, "lipschitz", positive=True)
        if head is not None:
            _check_head(head)
        default = f"certified_{epsilon:.4g}".replace(".", "_")
        super().__init__(name=name or default, dtype=dtype)
        # Callbacks that monitor it with mode="auto" look for this.
        self._direction = "up"
        self.epsilon = epsilon
        self.lipschitz = lipschitz
        # A tuple keeps Keras from tracking the head's weights as the metric's own.
        self._head: tuple[Any] = (head,)
        self.certified = self.add_weight(name="certified", shape=(), initializer="zeros")
        self.count = self.add_weight(name="count", shape=(), initializer="zeros")
        self._stored_distances = None
        if head is not None and keras.backend.backend() == "jax":
            classes = int(head.kernel.shape[-1])
            self._stored_distances = self.add_weight(
                name="distances", shape=(classes, classes), initializer="zeros"
            )
            self._stored_distances.assign(_column_distances(head.kernel))

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Counts a batch of integer or one-hot labels and logits of shape `(n, classes)`.

        Labels that are no class numbers, rows that are not one-hot and logits that are not finite
        do not count as certified.

        Raises:
            ValueError: if the shapes do not fit.
        """
        logits = ops.convert_to_tensor(y_pred, dtype=self.dtype)
        labels, known = _labels(ops.convert_to_tensor(y_true), logits)
        classes = logits.shape[-1]
        targets = ops.one_hot(labels, classes, dtype=self.dtype)
        known = ops.logical_and(known, ops.all(ops.isfinite(logits), axis=-1))
        true_logit = ops.sum(targets * logits, axis=-1, keepdims=True)
        scale = math.sqrt(2)
        if self._head[0] is not None:
            scale = ops.matmul(targets, self._distances())
        needed = scale * self.lipschitz * self.epsilon
        # The true class has margin 0 by definition and is left out of the test.
        passed = ops.logical_or(true_logit - logits > needed, targets > 0)
        value = ops.cast(ops.logical_and(ops.all(passed, axis=-1), known), self.dtype)
        if sample_weight is None:
            weight = ops.ones_like(value)
        else:
            weight = ops.reshape(ops.cast(sample_weight, self.dtype), (-1,))
            weight = ops.broadcast_to(weight, ops.shape(value))
        self.certified.assign_add(ops.sum(value * weight))
        self.count.assign_add(ops.sum(weight))

    def _distances(self):
        if self._stored_distances is not None:
            return ops.convert_to_tensor(self._stored_distances)
        return ops.cast(_column_distances(self._head[0].kernel), self.dtype)

    def result(self):
        return ops.divide_no_nan(self.certified, self.count)

    def reset_state(self):
        self.certified.assign(0.0)
        self.count.assign(0.0)
        if self._stored_distances is not None:
            self._stored_distances.assign(_column_distances(self._head[0].kernel))

    def get_config(self):
        return {
            "epsilon": self.epsilon,
            "lipschitz": self.lipschitz,
            "name": self.name,
            "dtype": self.dtype,
        }


@keras.saving.register_keras_serializable(package="lipzoo")
class PeakSignalToNoiseRatio(keras.metrics.Mean):
    """Mean over the examples of `10 log10(max_value² / mean squared error)`, in decibels.

    Args:
        max_value: the largest value that an image may have. Positive.
        name, dtype: as in `keras.metrics.Metric`.

    Example:

    >>> import numpy as np
    >>> metric = PeakSignalToNoiseRatio()
    >>> round(float(metric(np.zeros((1, 4, 1)), np.full((1, 4, 1), 0.1))), 3)
    20.0
    """

    def __init__(self, max_value: float = 1.0, name: str = "psnr", dtype=None):
        self.max_value = finite_number(max_value, "max_value", positive=True)
        super().__init__(name=name, dtype=dtype)
        self._direction = "up"

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch of images and reconstructions of equal shape."""
        predicted = ops.convert_to_tensor(y_pred, dtype=self.dtype)
        difference = ops.convert_to_tensor(y_true, dtype=self.dtype) - predicted
        error = ops.mean(ops.square(difference), axis=tuple(range(1, len(difference.shape))))
        # An exact reconstruction counts as one that is right to a millionth.
        error = ops.maximum(error / self.max_value**2, 1e-12)
        super().update_state(-10.0 * ops.log10(error), sample_weight)

    def get_config(self):
        return {"max_value": self.max_value, "name": self.name, "dtype": self.dtype}


def _check_head(head):
    """Refuses what `lipzoo.certify` would not take for a linear last layer.

    Raises:
        ValueError: see above; the message says what is in the way.
    """
    built = hasattr(head, "kernel")
    weights = linear_weights(head) if built and not replaced_members(head) else None
    reason = None
    if weights is None:
        reason = "it is not built" if not built else "it computes more than W^T h + b"
    elif not np.array_equal(weights[0], ops.convert_to_numpy(head.kernel)):
        reason = "its kernel is another one than linear_weights() states"
    elif any(len(node.outputs[0].shape) != 2 for node in calls_of(head)):
        reason = "its inputs are no vectors"
    else:
        behind = _behind(head, _living_models())
        if behind is not None:
            reason = f"{type(behind).__name__} {behind.name!r} is behind it"
    if reason is not None:
        raise ValueError(
            "Expected a `head` that is the model's linear last layer, without an activation, or "
            f"head=None, which counts with sqrt(2). Received: head={head!r}: {reason}"
        )


def _behind(operation, models):
    """The first operation that changes what another one returns, in all models that hold it."""
    followers = [node.operation for node in calls_behind(operation)]
    for following in followers:
        if not passes_through(following):
            return following
    # What follows on a nested model follows on the layers in it.
    around = [model for model in models if any(layer is operation for layer in model.layers)]
    found = (_behind(following, models) for following in (*followers, *around))
    return next((behind for behind in found if behind is not None), None)


def _living_models() -> list:
    """All models of layers that are in memory: a layer does not know the models that hold it."""
    kinds = {id(kind): kind for kind in _with_subclasses(keras.Sequential, Functional)}
    # Objects refer to their class. A walk over all objects takes Python seconds in a large program.
    # By type, since some objects answer to isinstance for others that are gone.
    found = [model for model in gc.get_referrers(*kinds.values()) if id(type(model)) in kinds]
    return [model for model in found if hasattr(model, "layers")]


def _with_subclasses(*kinds):
    for kind in kinds:
        yield kind
        yield from _with_subclasses(*kind.__subclasses__())


def _labels(labels, logits):
    """Class numbers of shape `(n,)`, and which of them are known."""
    shape, classes = tuple(labels.shape), logits.shape[-1]
    if len(logits.shape) != 2 or classes is None or classes < 2:
        raise ValueError(
            "Expected logits of shape (n, classes) with at least 2 classes. "
            f"Received: y_pred.shape={tuple(logits.shape)}"
        )
    sizes_differ = shape and None not in (shape[0], logits.shape[0]) and shape[0] != logits.shape[0]
    fits = len(shape) == 1 or (len(shape) == 2 and shape[1] in (1, classes))
    if not fits or sizes_differ:
        raise ValueError(
            f"Expected integer labels or one-hot rows for logits of shape {tuple(logits.shape)}. "
            f"Received: y_true.shape={shape}"
        )
    if len(shape) == 2 and shape[1] == classes:
        if keras.backend.standardize_dtype(labels.dtype) == "bool":
            labels = ops.cast(labels, "int32")
        ones = ops.cast(labels == 1, "int32")
        is_one_hot = ops.logical_and(
            ops.all(ops.logical_or(labels == 0, labels == 1), axis=-1), ops.sum(ones, axis=-1) == 1
        )
        return ops.argmax(ones, axis=-1), is_one_hot
    return class_numbers(ops.reshape(labels, (-1,)), classes)


def _column_distances(kernel):
    """Matrix of `||w_i - w_j||` for the columns of a kernel, by differences (no cancellation)."""
    kernel = ops.convert_to_tensor(kernel)
    difference = ops.expand_dims(kernel, 2) - ops.expand_dims(kernel, 1)
    return ops.sqrt(ops.sum(ops.square(difference), axis=0))
