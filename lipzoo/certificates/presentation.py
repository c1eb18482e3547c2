"""How a certificate is shown: in some lines, and as a curve."""

import numpy as np

from lipzoo.certificates import selective_classification
from lipzoo.plotting import axes_or_new, draw_certified, legend
from lipzoo_catalogue.certified.summary import QUARTILES, Summary, summary_of
from lipzoo_catalogue.certified.terms import Terms


def summary(certificate) -> Summary:
    """Certified accuracy, or coverage without labels, at some radii, and quartiles of the radii."""
    labelled = certificate.labels is not None
    notes = []
    if certificate.decision != "max":
        notes.append("the least output decides")
    if certificate.bound.method != "product":
        notes.append(f"the bound is {certificate.bound.method}")
    return summary_of(
        Terms.of(certificate),
        len(certificate),
        certificate.accuracy if labelled else None,
        certificate.certified_accuracy if labelled else certificate.coverage,
        np.quantile(certificate.radius, QUARTILES, method="lower"),
        notes,
    )


def draw(certificate, ax=None):
    """Draws the certified accuracy over epsilon, or the coverage; see `Certificate.plot`."""
    ax = axes_or_new(ax, "Certificate.plot")
    radius, labels = certificate.radius, certificate.labels
    counted = radius if labels is None else radius[certificate.prediction == labels]
    epsilons = np.concatenate([[0.0], np.sort(counted[np.isfinite(counted)])])
    draw_certified(
        ax,
        epsilons,
        selective_classification.share_above(counted, epsilons, len(radius)),
        clean=None if labels is None else certificate.accuracy,
        norm=certificate.norm,
        deviations=certificate.deviation is not None,
    )
    legend(ax)
    return ax
