"""Losses that ask for a margin, because a margin times 1/(sqrt(2) L) is a certified radius."""

import math

import keras
from keras import ops

from lipzoo.keras_internals import name_loss
from lipzoo.validation import class_numbers, finite_number


class _MarginLoss(keras.losses.Loss):
    """Base class: turns integer or one-hot labels into one-hot rows of the logits' dtype."""

    def _targets(self, y_true, y_pred):
        logits = ops.convert_to_tensor(y_pred)
        labels = ops.convert_to_tensor(y_true)
        classes = logits.shape[-1]
        if classes is None or classes < 2:
            raise ValueError(
                "Expected logits with a known number (at least 2) of classes in the last axis. "
                f"Received: y_pred.shape={tuple(logits.shape)}"
            )
        if len(labels.shape) == len(logits.shape) and labels.shape[-1] == classes:
            _check_examples(labels[..., 0], logits)
            return ops.cast(labels, logits.dtype), logits
        if len(labels.shape) == len(logits.shape) and labels.shape[-1] == 1:
            labels = ops.squeeze(labels, axis=-1)
        if len(labels.shape) != len(logits.shape) - 1:
            raise ValueError(
                f"Expected integer labels or one-hot rows for logits of shape "
                f"{tuple(logits.shape)}. Received: y_true.shape={tuple(labels.shape)}"
            )
        _check_examples(labels, logits)
        labels, valid = class_numbers(labels, classes)
        targets = ops.one_hot(labels, classes, dtype=logits.dtype)
        # Compiled code cannot raise for a label that is no class number: its row becomes NaN, so
        # that the run is visibly broken at once.
        return ops.where(valid[..., None], targets, ops.full_like(targets, math.nan)), logits


def _check_examples(labels, logits):
    """Refuses labels of other examples than the logits', where both numbers are known."""
    for given, expected in zip(labels.shape, logits.shape[:-1], strict=True):
        if None not in (given, expected) and given != expected:
            raise ValueError(
                f"Expected one label for each of the logits of shape {tuple(logits.shape)}. "
                f"Received: labels of shape {tuple(labels.shape)}"
            )


@keras.saving.register_keras_serializable(package="lipzoo")
class OffsetCrossEntropy(_MarginLoss):
    r"""Cross-entropy that asks each example for a certified radius of `epsilon`.

    For logits `f`, label `y` and temperature `t`, the true logit is lowered before the softmax:

    ```
    loss = -log softmax((f - sqrt(2) * epsilon * e_y) / t)_y
         = log(1 + sum_{j != y} exp((sqrt(2) * epsilon - (f_y - f_j)) / t))
    ```

    What minimising it means: if `loss < log 2`, every term of the sum is below 1, so each margin
    `f_y - f_j` is above `sqrt(2) * epsilon`; if the logits are jointly 1-Lipschitz, the
    prediction then cannot change within `epsilon` of the input (radius `margin / sqrt(2)`). Hence,
    by Markov's inequality, the share of examples *without* a certificate at `epsilon` is at most
    `mean loss / log 2`. For a model of Lipschitz constant `L`, pass `epsilon * L`. The statement
    is about exact arithmetic; the certificate that counts is `lipzoo.certify`.

    A larger `epsilon` buys certified accuracy at larger radii for a little clean accuracy. A small
    `t` makes the loss count examples near the wanted radius more than examples far from it.
    Label rows that are not one-hot (smoothed labels `q`) are accepted: the offset is then
    `sqrt(2) * epsilon * q`. A label that is no class number gives a loss of NaN.

    Reference: offset and temperature follow arXiv 2208.03160.

    Args:
        epsilon: radius asked for, in the units of the model's input. Non-negative.
        temperature: softmax temperature `t`. Positive.
        reduction: as in `keras.losses.Loss`.
        name: name of the loss.
        dtype: as in `keras.losses.Loss`.

    Example:

    >>> import numpy as np
    >>> loss = OffsetCrossEntropy(epsilon=0.0, temperature=1.0)
    >>> round(float(loss(np.array([1]), np.array([[0.0, 0.0]]))), 4)  # log 2
    0.6931
    >>> loss = OffsetCrossEntropy(epsilon=0.5, temperature=0.25)
    >>> float(loss(np.array([1]), np.array([[0.0, 0.72]]))) < 0.6931  # margin > sqrt(2) / 2
    True
    """

    def __init__(
        self,
        epsilon: float = 0.5,
        temperature: float = 0.25,
        reduction: str = "sum_over_batch_size",
        name: str = "offset_cross_entropy",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.epsilon = finite_number(epsilon, "epsilon")
        self.temperature = finite_number(temperature, "temperature", positive=True)

    def call(self, y_true, y_pred):
        targets, logits = self._targets(y_true, y_pred)
        shifted = (logits - math.sqrt(2) * self.epsilon * targets) / self.temperature
        return -ops.sum(targets * ops.log_softmax(shifted, axis=-1), axis=-1)

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon, "temperature": self.temperature}


@keras.saving.register_keras_serializable(package="lipzoo")
class MultiClassHinge(_MarginLoss):
    r"""Hinge loss over all wrong classes (Weston-Watkins) with a wanted logit margin.

    ```
    loss = sum_{j != y} max(0, margin - (f_y - f_j))
    ```

    What minimising it means: `loss = 0` exactly when every margin `f_y - f_j` is at least
    `margin`; and if some margin is at or below 0 (a wrong prediction or a tie) then
    `loss >= margin`, so the error rate is at most `mean loss / margin`. For logits that are
    jointly L-Lipschitz, zero loss certifies the radius `margin / (sqrt(2) L)`: take
    `margin = sqrt(2) * L * epsilon` for a wanted radius `epsilon`. The statement is about exact
    arithmetic; the certificate that counts is `lipzoo.certify`. A label that is no class number
    gives a loss of NaN.

    Args:
        margin: wanted difference of logits. Positive.
        reduction: as in `keras.losses.Loss`.
        name: name of the loss.
        dtype: as in `keras.losses.Loss`.

    Example:

    >>> import numpy as np
    >>> loss = MultiClassHinge(margin=1.0)
    >>> float(loss(np.array([0, 2]), np.array([[2.0, 0.5, 0.0], [0.0, 0.5, 1.0]])))
    0.25
    """

    def __init__(
        self,
        margin: float = 1.0,
        reduction: str = "sum_over_batch_size",
        name: str = "multi_class_hinge",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.margin = finite_number(margin, "margin", positive=True)

    def call(self, y_true, y_pred):
        targets, logits = self._targets(y_true, y_pred)
        true_logit = ops.sum(targets * logits, axis=-1, keepdims=True)
        missing = ops.relu(self.margin - (true_logit - logits))
        # The true class itself contributes exactly `margin` before it is masked out.
        return ops.sum((1 - targets) * missing, axis=-1)

    def get_config(self):
        return {**super().get_config(), "margin": self.margin}


# As Keras' registry calls them, and as recipes do.
name_loss(OffsetCrossEntropy, "lipzoo>OffsetCrossEntropy", "offset_cross_entropy")
name_loss(MultiClassHinge, "lipzoo>MultiClassHinge", "multi_class_hinge")
