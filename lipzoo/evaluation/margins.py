"""The margin of a classifier: how far its label is ahead of the others."""

import numpy as np
from keras import ops

from lipzoo.autodiff.input_gradients import value_and_input_gradient
from lipzoo.certificates.prediction import model_state

_ATTRIBUTE = "_lipzoo_margin_gradient"


def two_or_more(logits):
    """A tensor of logits, where a single logit f stands for the two (0, f)."""
    if logits.shape[-1] == 1:
        return ops.concatenate([ops.zeros_like(logits), logits], axis=-1)
    return logits


def computed_logits(logits: np.ndarray) -> np.ndarray:
    """An array of logits in float64, which holds them exactly; a single one f stands for (0, f)."""
    logits = logits.astype("float64")
    if logits.shape[1] == 1:
        return np.concatenate([np.zeros_like(logits), logits], axis=1)
    return logits


def computed_margins(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """`f_y - max_{j≠y} f_j` in float64 of logits that a model computed; NaN for NaN logits.

    Args:
        logits: shape `(examples, classes)`.
        labels: integers y, shape `(examples,)`.

    Example:

    >>> computed_margins(np.array([[1.0, 3.0], [2.0, 2.0]]), np.array([1, 0])).tolist()
    [2.0, 0.0]
    """
    logits = computed_logits(logits)
    rows = np.arange(len(labels))
    own = logits[rows, labels]
    logits[rows, labels] = -np.inf
    return own - logits.max(axis=1)


def margin_scale(logits: np.ndarray, margin: float = 10.0) -> float:
    """The factor that brings the median distance of the two largest logits to `margin`.

    Example:

    >>> margin_scale(np.array([[1.0, 3.0], [0.0, 2.0]]))
    5.0
    """
    highest = np.sort(computed_logits(logits), axis=1)[:, -2:]
    median = float(np.median(highest[:, 1] - highest[:, 0]))
    return margin / median if median > 0 else 1.0


def margin_loss(model):
    """`(x, y) -> max_{j≠y} f_j(x) - f_y(x)` of tensors; a single logit f stands for (0, f)."""

    def loss(x, y):
        logits = two_or_more(model(x, training=False))
        label = ops.one_hot(y, logits.shape[-1], dtype="bool")
        own = ops.max(ops.where(label, logits, -np.inf), axis=-1)
        other = ops.max(ops.where(label, -np.inf, logits), axis=-1)
        return other - own

    return loss


def margin_loss_and_gradient(model):
    """`margin_loss` of a model with its gradient in x, on NumPy arrays: `(x, y)` to two arrays.

    It is compiled once and kept with the model: another attack on it begins at once. Weights are
    read at every call; once anything else of the model has changed, it is compiled anew.
    """
    state = model_state(model)
    known, function = getattr(model, _ATTRIBUTE, (None, None))
    if state is None or known != state:
        function = value_and_input_gradient(margin_loss(model), model.variables)
        # Not by Keras' __setattr__, which would take it for a part of the model.
        object.__setattr__(model, _ATTRIBUTE, (state, function))
    return function
