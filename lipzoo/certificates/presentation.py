"""How a certificate is shown: as a table of accuracies, and as a curve."""

import numpy as np

from lipzoo.certificates import decisions
from lipzoo.plotting import axes_or_new
from lipzoo_catalogue.numbers import format_down, format_up

_SHOWN_EPSILONS = {
    "l1": (0.1, 36 / 255, 0.25, 0.5, 1.0),
    "l2": (0.1, 36 / 255, 0.25, 0.5, 1.0),
    "linf": (1 / 255, 2 / 255, 4 / 255, 8 / 255, 16 / 255),
}
_NORM_NAMES = {"l1": "l1", "l2": "Euclidean", "linf": "l-infinity"}


def summary(certificate) -> str:
    """Certified accuracy, or coverage without labels, at some radii, and quartiles of the radii."""
    count = f"{len(certificate):,} example" + ("s" if len(certificate) != 1 else "")
    after = "" if certificate.deviation is None else " after the standardisation"
    lines = [
        f"Certificate of {count}, model '{certificate.bound.name}', Lipschitz bound "
        f"{format_up(certificate.bound.value)}{after} "
        f"({'rounding included' if certificate.rounding else 'exact arithmetic'})"
    ]
    if certificate.norm != "l2" or certificate.deviation is not None:
        units = " and standard deviations" if certificate.deviation is not None else ""
        lines.append(f"radii in norm {certificate.norm}{units}")
    epsilons = _SHOWN_EPSILONS[certificate.norm]
    if certificate.labels is None:
        lines.append(f"{'radius above':>14}  {'predictions':>11}")
        lines.append(f"{'any':>14}  {100.0:>9.2f} %")
        for epsilon, share in zip(epsilons, certificate.coverage(list(epsilons))):
            lines.append(f"{epsilon:>14.4g}  {100 * share:>9.2f} %")
    else:
        lines.append(f"{'epsilon':>14}  {'certified accuracy':>18}")
        lines.append(f"{'clean':>14}  {100 * certificate.accuracy:>16.2f} %")
        for epsilon, share in zip(epsilons, certificate.certified_accuracy(list(epsilons))):
            lines.append(f"{epsilon:>14.4g}  {100 * share:>16.2f} %")
    quartiles = np.quantile(certificate.radius, [0.25, 0.5, 0.75], method="lower")
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
