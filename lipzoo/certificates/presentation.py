"""How a certificate is shown: as a table of accuracies, and as a curve."""

import numpy as np

from lipzoo.certificates import selective_classification
from lipzoo.plotting import axes_or_new
from lipzoo_catalogue.certified.summary import QUARTILES, summary_of
from lipzoo_catalogue.certified.terms import Terms

_NORM_NAMES = {"l1": "l1", "l2": "Euclidean", "linf": "l-infinity"}


def summary(certificate) -> str:
    """Certified accuracy, or coverage without labels, at some radii, and quartiles of the radii."""
    labelled = certificate.labels is not None
    notes = []
    if certificate.decision != "max":
        notes.append("the least output decides")
    if certificate.bound.method != "product":
        notes.append(f"the bound is {certificate.bound.method}")
    text = summary_of(
        Terms.of(certificate),
        len(certificate),
        certificate.accuracy if labelled else None,
        certificate.certified_accuracy if labelled else certificate.coverage,
        np.quantile(certificate.radius, QUARTILES, method="lower"),
    )
    return "\n".join([text, *notes])


def draw(certificate, ax=None):
    """Draws the certified accuracy over epsilon, or the coverage; see `Certificate.plot`."""
    ax = axes_or_new(ax, "Certificate.plot")
    radius, labels = certificate.radius, certificate.labels
    counted = radius if labels is None else radius[certificate.prediction == labels]
    epsilons = np.concatenate([[0.0], np.sort(counted[np.isfinite(counted)])])
    share = selective_classification.share_above(counted, epsilons, len(radius))
    ax.step(epsilons, 100 * share, where="post")
    deviations = "" if certificate.deviation is None else ", standard deviations"
    ax.set_xlabel(f"{_NORM_NAMES[certificate.norm]} radius ε{deviations}")
    ax.set_ylabel("certified predictions (%)" if labels is None else "certified accuracy (%)")
    ax.set_ylim(0, 100)
    ax.set_xlim(left=0)
    return ax
