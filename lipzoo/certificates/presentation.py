"""How a certificate is shown: as a table of accuracies, and as a curve."""

import numpy as np

from lipzoo.certificates import decisions
from lipzoo.certificates.terms import Terms
from lipzoo.plotting import axes_or_new
from lipzoo_catalogue.numbers import format_down, format_up

SHOWN_EPSILONS = {
    "l1": (0.1, 36 / 255, 0.25, 0.5, 1.0),
    "l2": (0.1, 36 / 255, 0.25, 0.5, 1.0),
    "linf": (1 / 255, 2 / 255, 4 / 255, 8 / 255, 16 / 255),
}
QUARTILES = (0.25, 0.5, 0.75)
_NORM_NAMES = {"l1": "l1", "l2": "Euclidean", "linf": "l-infinity"}


def summary(certificate) -> str:
    """Certified accuracy, or coverage without labels, at some radii, and quartiles of the radii."""
    labelled = certificate.labels is not None
    return summary_of(
        Terms.of(certificate),
        len(certificate),
        certificate.accuracy if labelled else None,
        certificate.certified_accuracy if labelled else certificate.coverage,
        np.quantile(certificate.radius, QUARTILES, method="lower"),
    )


def summary_of(terms: Terms, examples: int, accuracy: float | None, share, quartiles) -> str:
    """As `summary`, from numbers.

    Args:
        terms: what holds for all examples.
        examples: their number.
        accuracy: share of correct predictions; `None` without labels.
        share: function of a list of radii, the certified accuracies or, without labels, coverages.
        quartiles: of the radii.
    """
    count = f"{examples:,} example" + ("s" if examples != 1 else "")
    after = " after the standardisation" if terms.standardized else ""
    lines = [
        f"Certificate of {count}, model '{terms.model}', Lipschitz bound "
        f"{format_up(terms.bound)}{after} "
        f"({'rounding included' if terms.rounding else 'exact arithmetic'})"
    ]
    if terms.norm != "l2" or terms.standardized:
        units = " and standard deviations" if terms.standardized else ""
        lines.append(f"radii in norm {terms.norm}{units}")
    epsilons = SHOWN_EPSILONS[terms.norm]
    if accuracy is None:
        lines.append(f"{'radius above':>14}  {'predictions':>11}")
        lines.append(f"{'any':>14}  {100.0:>9.2f} %")
        for epsilon, value in zip(epsilons, share(list(epsilons)), strict=True):
            lines.append(f"{epsilon:>14.4g}  {100 * value:>9.2f} %")
    else:
        lines.append(f"{'epsilon':>14}  {'certified accuracy':>18}")
        lines.append(f"{'clean':>14}  {100 * accuracy:>16.2f} %")
        for epsilon, value in zip(epsilons, share(list(epsilons)), strict=True):
            lines.append(f"{epsilon:>14.4g}  {100 * value:>16.2f} %")
    shown = ", ".join(format_down(float(value), 4) for value in quartiles)
    return "\n".join([*lines, f"radius quartiles: {shown}"])


def draw(certificate, ax=None):
    """Draws the certified accuracy over epsilon, or the coverage; see `Certificate.plot`."""
    ax = axes_or_new(ax, "Certificate.plot")
    radius, labels = certificate.radius, certificate.labels
    counted = radius if labels is None else radius[certificate.prediction == labels]
    epsilons = np.concatenate([[0.0], np.sort(counted[np.isfinite(counted)])])
    share = decisions.share_above(counted, epsilons, len(radius))
    ax.step(epsilons, 100 * share, where="post")
    deviations = "" if certificate.deviation is None else ", standard deviations"
    ax.set_xlabel(f"{_NORM_NAMES[certificate.norm]} radius ε{deviations}")
    ax.set_ylabel("certified predictions (%)" if labels is None else "certified accuracy (%)")
    ax.set_ylim(0, 100)
    ax.set_xlim(left=0)
    return ax
