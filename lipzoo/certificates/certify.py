"""Certifies the predictions of a classifier against perturbations of its input."""

import math

import keras
import numpy as np

from lipzoo.bounds import LipschitzBound, lipschitz_bound
from lipzoo.bounds.head import squashing
from lipzoo.bounds.recorded import as_function, final_operations
from lipzoo.bounds.result import LinearHead
from lipzoo.certificates.certificate import Certificate
from lipzoo.certificates.inputs import (
    check_batch_size,
    check_inputs,
    check_labels,
    joint_norms,
)
from lipzoo.certificates.measured import (
    Uncertainty,
    bounded_uncertainty,
    measured_uncertainty,
    no_uncertainty,
    probe,
)
from lipzoo.certificates.radius import general_radius, head_radius, sign_radius


def certify(model, x, y=None, *, batch_size=256, rounding=True, verbose="auto") -> Certificate:
    """Certified Euclidean radius of every prediction.

        r(x) = min_j (f_y(x) - f_j(x) - slack) / (L ||w_y - w_j||)

    No input x' with `||x' - x|| < r(x)` is classified differently from x. y is the predicted class,
    `w_j` are the columns of a linear last layer and L the proven bound of everything before it; for
    a model that ends otherwise, `r = (margin - slack) / (sqrt(2) L)`. The bound is derived anew
    from the weights as they are. A tie has radius 0; two classes with equal columns and biases in
    favour of y never tie, so their pair counts as infinite (with rounding, as `||x|| + 1` where
    every pair does). A model with a single output is a
    binary classifier by its sign: class 1 where `f(x) > 0`, `r = (|f| - slack) / L`.

    Radii are in the units of x; every preprocessing step inside the model is accounted for.

    With `rounding=True` the statement is about the network *as it is computed*, at x and at every
    x' of the ball: the slack is a proven bound of the rounding error at x plus one that holds all
    over the ball (arXiv 2205.10159 shows that certificates without it can be broken). In a chain of
    layers the norms that the error grows with are measured along with the prediction. It assumes
    that sums are accumulated in the layers' compute dtype, in the same order for all outputs of a
    layer, and that lipzoo's layers add their bias to the finished sum; that products and sums round
    to nearest (TF32 off on GPUs, no Winograd or Fourier convolutions); elementary functions
    accurate to 4 units; no overflow or underflow. Where the slack exceeds the margin the radius is
    0; in half precision that is so for all but the shortest sums. With `rounding=False` the
    statement is about the network in exact arithmetic, with the computed logits taken for the
    exact ones.

    Args:
        model: built `keras.Model`, functional or sequential, with logits as output.
        x: array or tensor of examples; a list or dict of them for a model with several inputs.
        y: labels, as integers or one-hot; needed for accuracies.
        batch_size: batch size of the prediction, a positive integer.
        rounding: whether to subtract the rounding slack.
        verbose: as in `keras.Model.predict`.

    Returns:
        A `Certificate`.

    Raises:
        UncertifiedLayerError: if a layer has no proven bound.
        ValueError: if the model ends in softmax, the rounding error of a layer is not known, the
            data do not fit the model, or batch_size is not a positive integer.
        TypeError: if x or y are not arrays of numbers.

    Reference: Lipschitz-margin training, arXiv 1802.04034; pairs of columns, arXiv 2102.08452.

    Example:
        >>> import keras, numpy as np
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, use_bias=False)])
        >>> model.set_weights([np.eye(2)])
        >>> certificate = certify(model, np.array([[3.0, 1.0]]), [0], verbose=0)
        >>> round(float(certificate.radius[0]), 4)
        1.4142
    """
    _check_model(model)
    batch_size = check_batch_size(batch_size)
    arrays = check_inputs(model, x)
    bound = lipschitz_bound(model)
    if rounding:
        _check_rounding(bound)
    structured = x if isinstance(x, dict) else None
    inputs = arrays[0] if len(arrays) == 1 and structured is None else arrays
    if structured is not None:
        inputs = {tensor.name: array for tensor, array in zip(model.inputs, arrays)}
    measuring = probe(model) if rounding else None
    computed = measuring.model if measuring else model
    outputs = computed.predict(inputs, batch_size=batch_size, verbose=verbose)
    logits, measured = outputs if measuring else (outputs, None)
    logits = _check_logits(logits, len(arrays[0]))
    labels = None if y is None else check_labels(y, len(logits), logits.shape[1])
    exact = logits.astype("float64")
    radius = _radii(exact, bound, no_uncertainty(len(exact)), rounding=False)
    if rounding:
        # The ball of the exact radius is large enough, since rounding only makes it smaller. An
        # infinite one is replaced by one as large as x, beyond which nothing is then claimed.
        norms = joint_norms(arrays)
        ball = np.where(np.isfinite(radius), radius, norms + 1.0)
        uncertainty = _uncertainty(bound, norms, ball, measuring, measured)
        radius = np.minimum(_radii(exact, bound, uncertainty, rounding=True), ball)
    prediction = (exact[:, 0] > 0).astype("int64") if exact.shape[1] == 1 else exact.argmax(axis=1)
    return Certificate(radius, prediction, labels, logits, bound, rounding)


def _uncertainty(bound: LipschitzBound, norms, ball, measuring, measured) -> Uncertainty:
    """What rounding can do to the features of a linear head, or else to the logits."""
    head = _pair_head(bound)
    if measuring is None:
        tensor = bound.output if head is None else head.features
        return bounded_uncertainty(tensor, norms, ball)
    names = [row.name for row in bound.layers]
    layers = len(names) if head is None else len(names) - 1 - names[::-1].index(head.name)
    return measured_uncertainty(bound, layers, norms, measuring.upper_norms(measured), ball)


def _pair_head(bound: LipschitzBound) -> LinearHead | None:
    """The linear head of a model with several logits, whose pairs are looked at one by one."""
    head = bound.head
    return None if head is None or head.kernel.shape[1] == 1 else head


def _radii(logits, bound: LipschitzBound, uncertainty: Uncertainty, rounding: bool):
    if logits.shape[1] == 1:
        return sign_radius(logits, bound.output, uncertainty)
    head = _pair_head(bound)
    if head is not None:
        return head_radius(logits, head, uncertainty, rounding)
    return general_radius(logits, bound.output, uncertainty)


def _check_model(model):
    if not isinstance(model, keras.Model):
        raise TypeError(f"Expected a keras.Model. Received: model={model!r}")
    function = as_function(model)
    if function is None:
        return
    if len(function.outputs) != 1:
        raise ValueError(
            f"Expected a model with one output. Received: {len(function.outputs)} outputs"
        )
    (operation,) = final_operations(function)
    last = squashing(operation)
    if last is None or ("sigmoid" in last and function.outputs[0].shape[-1] != 1):
        return
    raise ValueError(
        f"Expected a model that returns logits. Drop the {last} at its end and use a loss with "
        f"from_logits=True: {last} does not change the prediction, but it flattens the margins "
        f"that a certificate is made of. Received: model '{model.name}' that ends in {last} "
        f"(layer '{operation.name}')"
    )


def _check_rounding(bound: LipschitzBound):
    head = _pair_head(bound)
    tensor = bound.output if head is None else head.features
    if tensor.bound.rounding_slope is None:
        raise ValueError(
            f"The rounding error of {', '.join(map(repr, tensor.unknown))} is not known. Give the "
            "LayerBound of these layers a rounding_slope and a rounding_offset, or certify the "
            "network in exact arithmetic with rounding=False."
        )
    if math.isinf(tensor.bound.offset):
        raise ValueError(
            f"The rounding error of model '{bound.name}' is unbounded, because the norm of a "
            "layer's output is: its input has a size that is not fixed. Build the model with a "
            "fixed input shape, or certify the network in exact arithmetic with rounding=False."
        )


def _check_logits(logits, examples: int) -> np.ndarray:
    if not isinstance(logits, np.ndarray) or logits.ndim != 2 or len(logits) != examples:
        shape = getattr(logits, "shape", type(logits).__name__)
        raise ValueError(
            f"Expected a model that returns logits of shape (batch, classes). Received: {shape}"
        )
    if not np.all(np.isfinite(logits.astype("float64"))):
        raise ValueError(
            "Expected finite logits. Received: NaN or infinity from the model; its computation "
            "overflows on these inputs"
        )
    return logits
