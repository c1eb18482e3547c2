"""Counts of certified examples as the lines that are printed of them."""

from collections.abc import Mapping
from typing import Any, Protocol

from lipzoo_catalogue.certified.summary import QUARTILES
from lipzoo_catalogue.formatting import format_down, format_up


class Counted(Protocol):
    """What of a `CertificateSummary` is printed."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What all parts have in common."""
        ...

    @property
    def epsilons(self) -> tuple[float, ...]:
        """The radii at which examples are counted."""
        ...

    @property
    def bound(self) -> float | None:
        """The largest Lipschitz bound of a part."""
        ...

    @property
    def labelled(self) -> bool:
        """Whether there are true classes."""
        ...

    @property
    def parts(self) -> frozenset[str]:
        """Identities of the parts."""
        ...

    @property
    def examples(self) -> int:
        """Number of examples."""
        ...

    @property
    def accuracy(self) -> float | None:
        """Share of correct predictions."""
        ...

    def certified_accuracy(self, epsilon: float) -> float:
        """Share of correct predictions with a larger radius."""
        ...

    def coverage(self, epsilon: float) -> float:
        """Share of examples with a larger radius."""
        ...

    def quantile(self, share: float) -> tuple[float, float]:
        """Two numbers that a quantile of the radii lies between."""
        ...


def summary_table(summary: Counted) -> str:
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
