"""Counts of certified examples as the lines that are printed of them."""

from typing import TYPE_CHECKING

from lipzoo_catalogue.certified.summary import QUARTILES
from lipzoo_catalogue.formatting import format_down, format_up

if TYPE_CHECKING:
    from lipzoo_catalogue.certified.certificate_summary import CertificateSummary


def summary_table(summary: "CertificateSummary") -> str:
    """A line on the model, a share at every radius that was counted at, and quartiles."""
    shares = summary.certified_accuracy if summary.labelled else summary.coverage
    what = "certified accuracy" if summary.labelled else "radius above"
    lines = [
        f"{summary.examples:,} examples in {len(summary.parts):,} part"
        f"{'s' if len(summary.parts) != 1 else ''}, model '{summary.settings.get('model', '')}'"
        + ("" if summary.bound is None else f", Lipschitz bound {format_up(summary.bound)}"),
        f"{'epsilon':>14}  {what:>18}",
    ]
    if not summary.examples:
        return lines[0]
    if summary.accuracy is not None:
        lines.append(f"{'clean':>14}  {100 * summary.accuracy:>16.2f} %")
    for epsilon in summary.epsilons:
        lines.append(f"{epsilon:>14.4g}  {100 * shares(epsilon):>16.2f} %")
    shown = ", ".join(format_down(summary.quantile(share)[0], 4) for share in QUARTILES)
    return "\n".join([*lines, f"radius quartiles, at least: {shown}"])
