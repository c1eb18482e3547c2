"""Certificates of data sets that are read batch by batch."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from lipzoo.certificates.architecture import architecture_digest, weights_digest
from lipzoo.certificates.batches import batches
from lipzoo.certificates.certificate import Certificate
from lipzoo.certificates.float64_reference import computing_dtype
from lipzoo_catalogue.certified.certificate_summary import CertificateSummary
from lipzoo_catalogue.certified.certified import columns_of
from lipzoo_catalogue.certified.part_digest import digest_of
from lipzoo_catalogue.version import __version__

Certify = Callable[[Any, np.ndarray | None], Certificate]


def certified_whole(model: keras.Model, data: Any, certify: Certify) -> Certificate:
    """The certificate of a data set, without logits.

    Radius, prediction, rival and labels take 32 bytes an example, and at the end, while the pieces
    of one column are put together, 40.

    Raises:
        ValueError: if there are no examples, or the bound changes between batches; see `batches`.
    """
    first, pieces, arithmetic = None, dict[str, list[np.ndarray]](), dict[str, None]()
    for certificate in _certificates(model, data, certify):
        first = first or _without_examples(certificate)
        arithmetic[certificate.arithmetic] = None
        for name in ("radius", "prediction", "rival", "labels"):
            column = getattr(certificate, name)
            if column is not None:
                pieces.setdefault(name, []).append(column)
    assert first is not None
    columns = dict.fromkeys(("labels",)) | {
        name: np.concatenate(pieces.pop(name)) for name in [*pieces]
    }
    return dataclasses.replace(first, **columns, arithmetic=", or ".join(arithmetic))


def summarized(
    model: keras.Model,
    data: Any,
    certify: Certify,
    epsilons: Sequence[float] | None,
    reference: Any,
) -> CertificateSummary:
    """Counts of a data set; memory does not grow with the examples.

    Args:
        model, data, epsilons, reference: see `certify_summary`.
        certify: certifies a batch, with that reference.

    Raises:
        ValueError: as `certified_whole`, and if an epsilon is no finite number of at least 0.
    """
    found, digest = None, ""
    network = isinstance(reference, keras.Model)
    settings = {
        "model": model.name,
        "architecture": architecture_digest(model),
        "weights": weights_digest(model),
        "dtype": computing_dtype(model),
        "reference": f"a model in {computing_dtype(reference)}" if network else reference,
    }
    for certificate in _certificates(model, data, certify):
        columns = columns_of(certificate)
        digest = digest_of(columns, before=digest)
        one = CertificateSummary.of(
            columns,
            settings | _settings(certificate),
            epsilons,
            classes=max(certificate.outputs, 2),
            class_names=certificate.class_names,
            bound=certificate.bound.value,
            part=digest,
        )
        found = one if found is None else found.continued(one, digest)
    assert found is not None
    return found


def _certificates(model, data: Iterable, certify: Certify) -> Iterator[Certificate]:
    bound = None
    for x, y in batches(model, data):
        certificate = certify(x, y)
        if bound not in (None, certificate.bound.value):
            raise ValueError(
                "Expected a model that stays as it is while a data set is certified. "
                f"Received: Lipschitz bound {certificate.bound.value!r} after {bound!r}"
            )
        bound = certificate.bound.value
        yield certificate
    if bound is None:
        raise ValueError("Expected at least one example. Received: a data set without")


def _without_examples(certificate: Certificate) -> Certificate:
    return dataclasses.replace(certificate, logits=None)


def _settings(certificate: Certificate) -> dict[str, Any]:
    return {
        "norm": certificate.norm,
        "standardized": certificate.deviation is not None,
        "rounding": certificate.rounding,
        "decision": certificate.decision,
        "method": certificate.bound.method,
        **({"domain": certificate.domain} if certificate.domain else {}),
        **({"local": True} if certificate.local else {}),
        "backend": keras.backend.backend(),
        "lipzoo": __version__,
    }
