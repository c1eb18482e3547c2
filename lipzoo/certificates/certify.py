"""Certifies the predictions of a classifier against perturbations of its input."""

import math
import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any

import keras
import numpy as np

from lipzoo.bounds import LipschitzBound
from lipzoo.bounds.keras_graph import as_function, final_operations
from lipzoo.bounds.linear_head import squashing
from lipzoo.bounds.local import chain_of
from lipzoo.certificates.batches import is_data_set
from lipzoo.certificates.certificate import Certificate
from lipzoo.certificates.data_set import certified_whole
from lipzoo.certificates.float64_reference import (
    AUTO,
    agree,
    check_agreement,
    computing_dtype,
    resolved_reference,
)
from lipzoo.certificates.forward_pass import evaluate, pair_head
from lipzoo.certificates.inputs import check_inputs, check_labels
from lipzoo.certificates.local_radius import grown_radius
from lipzoo.certificates.prediction import check_runs_as_recorded
from lipzoo.certificates.radius import general_radius, head_radius, sign_radius
from lipzoo.certificates.rounding_error import no_uncertainty
from lipzoo.certificates.standardization import DEVIATIONS, standardization
from lipzoo.rounding import HALF_PRECISION
from lipzoo.validation import integer

MAX, MIN = "max", "min"


def certify(
    model: keras.Model,
    x: Any,
    y: Any = None,
    *,
    standardized: bool = False,
    decision: str = "max",
    reference: Any = "auto",
    batch_size: int = 256,
    rounding: bool = True,
    method: str = "product",
    domain: Any = None,
    local: bool = False,
    verbose: int | str = "auto",
) -> Certificate:
    """Certified Euclidean radius of every prediction.

        r(x) = min_j (f_y(x) - f_j(x) - slack) / (L ||w_y - w_j||)

    No input x' with `||x' - x|| < r(x)` is classified differently from x. y is the predicted class,
    `w_j` are the columns of a linear last layer and L the proven bound of everything before it; for
    a model that ends otherwise, `r = (margin - slack) / (sqrt(2) L)`. The bound is derived anew
    from the weights as they are. A tie has radius 0; two classes with equal columns and biases in
    favour of y never tie, so their pair counts as infinite (with rounding, as `||x|| + 1` where
    every pair does). A model with a single output is a
    binary classifier by its sign: class 1 where `f(x) > 0`, `r = (|f| - slack) / L`.

    With `decision="min"` the class is that of the least output, as in control networks whose
    outputs are costs: everything above holds of -f, which has the same bound and, since a change of
    sign is exact, the same rounding errors.

    Radii are in the units of x; every preprocessing step inside the model is accounted for.

    With `rounding=True` the statement is about the network *as it is computed*, at x and at every
    x' of the ball: the slack is a proven bound of the rounding error at x plus one that holds all
    over the ball (arXiv 2205.10159 shows that certificates without it can be broken). In a chain of
    layers the norms that the error grows with are measured along with the prediction. It assumes
    that sums are accumulated in the layers' compute dtype, in any order, with at most
    `lipzoo.rounding.ORDERS` different ones among the outputs of a layer for one example (they may
    change from call to call, and with the batch); that lipzoo's layers add their bias to the
    finished sum; that products and sums round to nearest (TF32 off on GPUs, no Winograd or Fourier
    convolutions); elementary functions accurate to 6 units (erf to 10); no overflow or underflow
    (float16 underflows below 6.1e-5, so this excludes inputs that small). Where the slack exceeds
    the margin the radius is 0; in half precision that
    is so for all but the shortest sums. With `rounding=False` the statement is about the network in
    exact arithmetic, with the computed logits taken for the exact ones.

    A `reference`, the same network in float64, removes the rounding error at x from the slack: the
    margin at x comes from the reference, and only the error in the ball is left. The statement is
    still about `model` as it is computed; certifying takes several times as long, and
    `reference=None` saves that time for slightly smaller radii. By default a model of the zoo in
    float32 has one, built from its configuration and its weights as they are at this moment, where
    the backend computes in float64; other models, and models that were changed since, have none.
    `Certificate.arithmetic` says what was used.

    With `standardized=True` the radii of a model that begins by standardising its input are in
    standard deviations: no x' with `||(x' - x) / deviation|| < r(x)` is classified differently,
    an ellipsoid that holds the Euclidean ball. One feature i of a table alone may then move by up
    to `r deviation_i` in its own units, see `Certificate.feature_radii`.

    With a `domain` the statement is about inputs in a box, the units of x as they are: no x' *in
    the box* with `||x' - x|| < r(x)` is classified differently from x. It admits models with
    products of tensors, which have no bound beyond a box, see `lipschitz_bound`.

    With `local=True` the slopes are those within the ball that is certified: a ReLU that stays off
    there drops out, one that stays on is linear, see `lipzoo.bounds.local`. Radii are never smaller
    and, of ordinary networks, many times larger; it takes milliseconds to seconds an example. It is
    for chains of dense, convolution, averaging and batch normalisation layers with ReLU or leaky
    ReLU between them and a linear one at the end, none of whose matrices, written out, has more
    than 8 million entries.

    A data set is read batch by batch and once, in the order in which it gives them; memory grows by
    at most 40 bytes an example. `lipzoo.certify_summary` keeps counts alone.

    Args:
        model: built `keras.Model`, functional or sequential, with logits as output.
        x: array or tensor of examples; a list or dict of them for a model with several inputs. Or a
            data set: `tf.data.Dataset`, `keras.utils.PyDataset`, `DataLoader` of PyTorch or grain,
            one of the library `datasets`, a generator, of batches `x`, `(x,)`, `(x, y)` or
            `{"x": x, "y": y}`.
        y: labels, as integers or one-hot; needed for accuracies. None beside a data set.
        standardized: whether radii are in standard deviations instead of the units of x.
        decision: `"max"` where the largest output is the decision, `"min"` where the least is.
        reference: `"auto"`, as described; `None` for none; `"float64"` to raise an error where
            `"auto"` would do without; or the same network in another arithmetic, with the same
            weights. That it is the same is checked as far as weights, configurations, attributes
            and logits tell, and assumed beyond.
        batch_size: batch size of the prediction, a positive integer.
        rounding: whether to subtract the rounding slack.
        method: of the bound, see `lipschitz_bound`. With `"semidefinite"` every pair of classes has
            a slope of its own, along the difference of its columns.
        domain: `None`, or the box `(low, high)` that x lies in, see `lipschitz_bound`.
        local: whether slopes are those within each ball.
        verbose: as in `keras.Model.predict`; of a data set nothing is shown.

    Returns:
        A `Certificate`, of a data set one without logits.

    Raises:
        UncertifiedLayerError: if a layer has no proven bound, or one that is not local.
        ValueError: if the model ends in softmax, the rounding error of a layer is not known, the
            backend does not compute in its arithmetic (float64 on PyTorch), the data do not fit
            the model, the reference is another network or comes with rounding=False, batch_size is
            not a positive integer, decision is neither `"max"` nor `"min"`, or `"min"` of a single
            output, the method is unknown, x is not in the domain, a domain comes with another
            method or standardized=True, local=True of a model that is no chain or with a domain or
            standardized=True, or radii in standard deviations are asked of a model that
            does not begin by standardising.
        TypeError: if x or y are not arrays of numbers, the model is none of Keras, or the reference
            is neither a name nor a model.

    Reference: Lipschitz-margin training, arXiv 1802.04034; pairs of columns, arXiv 2102.08452.

    Example:
        >>> import keras, numpy as np
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, use_bias=False)])
        >>> model.set_weights([np.eye(2)])
        >>> certificate = certify(model, np.array([[3.0, 1.0]]), [0], verbose=0)
        >>> round(float(certificate.radius[0]), 4)
        1.4142
    """
    check_model(model)
    if is_data_set(x):
        if y is not None:
            raise ValueError(
                "Expected the labels in the batches of a data set. Received: y beside it"
            )
        one = partial(
            certify,
            model,
            standardized=standardized,
            decision=decision,
            reference=reference,
            batch_size=batch_size,
            rounding=rounding,
            method=method,
            domain=domain,
            local=local,
            verbose=0,
        )
        return certified_whole(model, x, one)
    batch_size = integer(batch_size, "batch_size")
    if decision not in (MAX, MIN):
        raise ValueError(
            f"Expected decision to be {MAX!r} or {MIN!r}. Received: decision={decision!r}"
        )
    if standardized and domain is not None:
        raise ValueError(
            "Expected standardized=False with a domain, which is in the units of the input. "
            "Received: standardized=True"
        )
    if local and (standardized or domain is not None):
        raise ValueError(
            "Expected standardized=False and domain=None with local=True. "
            f"Received: standardized={standardized}, domain={domain!r}"
        )
    arrays = check_inputs(model, x)
    if isinstance(reference, keras.Model):
        check_model(reference)
    optional = isinstance(reference, str) and reference == AUTO
    reference = resolved_reference(model, reference, rounding)
    run = partial(evaluate, arrays=arrays, by_name=isinstance(x, Mapping), batch_size=batch_size)
    scale = standardization(model, method) if standardized else None
    own = run(model, rounding=rounding, verbose=verbose, scale=scale, method=method, domain=domain)
    centre = own
    if reference is not None:
        reference_scale = standardization(reference) if standardized else None
        centre = run(
            reference, rounding=True, verbose=verbose, scale=reference_scale, domain=domain
        )
    classes = own.logits.shape[1]
    if classes == 1 and decision == MIN:
        raise ValueError(
            "Expected several outputs with decision='min': a single one decides by its sign. "
            f"Received: model '{model.name}' with one output"
        )
    labels = None if y is None else check_labels(y, len(own.logits), classes)
    if optional and not agree(own, centre):
        centre = own
    check_agreement(own, centre)
    # The least of f is the largest of -f, in whose bounds and head norms alone count.
    sign = -1.0 if decision == MIN else 1.0
    scores = sign * own.logits
    prediction = (scores[:, 0] > 0).astype("int64") if classes == 1 else scores.argmax(1)
    margins = partial(_radii, sign * centre.logits.astype("float64"), prediction, own.bound)
    exact = no_uncertainty(len(prediction))
    radius, rival = margins((exact, exact))
    if rounding:
        # The ball of the exact radius is large enough, since rounding only makes it smaller. An
        # infinite one is replaced by one as large as x, beyond which nothing is then claimed.
        ball = np.where(np.isfinite(radius), radius, own.norms + 1.0)
        rounded, _ = margins((centre.at_x(), own.in_ball(ball, centre)))
        radius = np.minimum(rounded, ball)
    if local:
        uncertain = centre.at_x() if rounding else exact

        def within(slopes, balls):
            ball = own.in_ball(balls, centre) if rounding else exact
            return margins((uncertain, ball), slopes=slopes)

        chain = chain_of(model, own.bound)
        inputs = arrays[0].reshape(len(prediction), -1)
        radius, rival = grown_radius(chain, inputs, prediction, (radius, rival), within)
    types = computing_dtype(model)
    if rounding and not np.any(radius) and any(dtype in types for dtype in HALF_PRECISION):
        warnings.warn(
            f"No radius of model '{model.name}' is above 0: it computes in {types}, and the bound "
            "of its rounding errors exceeds every margin. Load or build it in float32, or certify "
            "it in exact arithmetic with rounding=False.",
            stacklevel=2,
        )
    return Certificate(
        radius,
        prediction,
        labels,
        own.logits,
        own.bound,
        rounding,
        rival=rival,
        arithmetic=_arithmetic(model, None if centre is own else reference),
        decision=decision,
        local=local,
        input_size=sum(math.prod(array.shape[1:]) for array in arrays),
        **_description(model, scale),
    )


def _arithmetic(model, reference) -> str:
    own = computing_dtype(model)
    return own if reference is None else f"{own}, margins at x in {computing_dtype(reference)}"


def _description(model, scale) -> dict:
    """Names and units, as far as they are known: those that a model of the zoo states."""
    config = getattr(model, "lipzoo_config", None)
    known = {} if scale is None else {"deviation": scale.deviation, "units": DEVIATIONS}
    if config is None:
        return known
    return {
        "class_names": tuple(map(str, config.class_names)),
        "feature_names": tuple(config.feature_names),
        "units": str(config.preprocessing["scale"]),
        **known,
    }


def _radii(logits, prediction, bound: LipschitzBound, uncertainties, slopes=None):
    head = pair_head(bound)
    if head is not None:
        return head_radius(logits, prediction, head, uncertainties, slopes)
    if logits.shape[1] == 1:
        return sign_radius(logits, prediction, bound.output, uncertainties, slopes)
    return general_radius(logits, prediction, bound.output, uncertainties)


def check_model(model) -> None:
    """Refuses what is no classifier with logits as its one output.

    Raises:
        TypeError: for anything but a Keras model.
        ValueError: for several outputs, a softmax at the end, or a model that does not compute what
            its layers say.
    """
    check_runs_as_recorded(model)
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
