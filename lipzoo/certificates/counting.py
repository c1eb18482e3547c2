"""Counts of certified examples, of data sets whose examples are not kept."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import keras

from lipzoo.certificates.batches import is_data_set
from lipzoo.certificates.certify import certify, check_model
from lipzoo.certificates.data_set import summarized
from lipzoo_catalogue.certified.certificate_summary import CertificateSummary


def certify_summary(
    model: keras.Model,
    data: Any,
    epsilons: Sequence[float] | None = None,
    *,
    standardized: bool = False,
    decision: str = "max",
    reference: Any = "auto",
    batch_size: int = 256,
    rounding: bool = True,
    method: str = "product",
    domain: Any = None,
    local: bool = False,
) -> CertificateSummary:
    """Certifies a data set and returns counts alone; memory does not grow with the examples.

    The counts are those of `lipzoo.certify(model, data)`: how many examples of each class are
    classified correctly with a radius above each epsilon, and a histogram of the radii.

    Args:
        model: see `lipzoo.certify`.
        data: a data set, see `lipzoo.certify`; it is read once.
        epsilons: the radii to count at; default: those that a certificate prints.
        standardized, decision, reference, batch_size, rounding: see `lipzoo.certify`.
        method, domain, local: likewise.

    Returns:
        A `CertificateSummary`, which can be added to that of another data set.

    Raises:
        TypeError: for examples that are no data set.
        ValueError: if an epsilon is no finite number of at least 0; and as `lipzoo.certify`.

    Example:
        >>> import keras, numpy as np
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, use_bias=False)])
        >>> model.set_weights([np.eye(2)])
        >>> batches = ((np.array([[3.0, i]]), np.array([0])) for i in range(4))
        >>> certify_summary(model, batches, [0.5, 1.0]).certified_accuracy(1.0)
        0.5
    """
    check_model(model)
    if not is_data_set(data):
        raise TypeError(
            "Expected a data set, of batches; of examples in memory `lipzoo.certify` returns "
            f"accuracies. Received: data of type {type(data).__name__}"
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
    return summarized(model, data, one, epsilons, reference)
