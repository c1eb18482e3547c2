"""What is printed of certified examples: accuracies at some radii, and quartiles."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lipzoo_catalogue.certified.terms import Terms
from lipzoo_catalogue.formatting import format_down, format_up
from lipzoo_catalogue.markup import paragraph, table

SHOWN_EPSILONS = {
    "l1": (0.1, 36 / 255, 0.25, 0.5, 1.0),
    "l2": (0.1, 36 / 255, 0.25, 0.5, 1.0),
    "linf": (1 / 255, 2 / 255, 4 / 255, 8 / 255, 16 / 255),
}
QUARTILES = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Summary:
    """A certificate in some lines; printed, a text.

    Attributes:
        statements: what it is of, and what it rests on.
        columns: what stands above the radii and above the shares.
        rows: a radius as text, and the share there in per cent.
        notes: what stands below.
    """

    statements: tuple[str, ...]
    columns: tuple[str, str]
    rows: tuple[tuple[str, float], ...]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        left, right = self.columns
        lines = [f"{left:>14}  {right}"]
        lines += [f"{name:>14}  {share:>{len(right) - 2}.2f} %" for name, share in self.rows]
        return "\n".join([*self.statements, *lines, *self.notes])

    def html(self) -> str:
        """As a part of a page."""
        rows = [(name, f"{share:.2f} %") for name, share in self.rows]
        parts = [*map(paragraph, self.statements), table(self.columns, rows, numbers=(0, 1))]
        return "".join([*parts, *map(paragraph, self.notes)])


def summary_of(
    terms: Terms,
    examples: int,
    accuracy: float | None,
    share: Callable[[list[float]], Iterable[float]],
    quartiles: Iterable[float],
    notes: Iterable[str] = (),
) -> Summary:
    """Certified accuracies, or coverages without labels, at some radii, and quartiles of radii.

    Args:
        terms: what holds for all examples.
        examples: their number.
        accuracy: share of correct predictions; `None` without labels.
        share: function of a list of radii, the certified accuracies or, without labels, coverages.
        quartiles: of the radii.
        notes: what is to be said besides.
    """
    count = f"{examples:,} example" + ("s" if examples != 1 else "")
    after = " after the standardisation" if terms.standardized else ""
    statements = [
        f"Certificate of {count}, model '{terms.model}', Lipschitz bound "
        f"{format_up(terms.bound)}{after} "
        f"({'rounding included' if terms.rounding else 'exact arithmetic'})"
    ]
    if terms.arithmetic:
        statements.append(f"computed in {terms.arithmetic}")
    if terms.norm != "l2" or terms.standardized:
        units = " and standard deviations" if terms.standardized else ""
        statements.append(f"radii in norm {terms.norm}{units}")
    if terms.domain:
        statements.append(f"for inputs in {terms.domain}: each ball intersected with that box")
    if terms.local:
        statements.append("radii rest on slopes within each ball")
    labelled = accuracy is not None
    columns = ("epsilon", "certified accuracy") if labelled else ("radius above", "predictions")
    epsilons = SHOWN_EPSILONS[terms.norm]
    rows = [("clean", 100 * accuracy) if accuracy is not None else ("any", 100.0)]
    for epsilon, value in zip(epsilons, share(list(epsilons)), strict=True):
        rows.append((f"{epsilon:.4g}", 100 * value))
    shown = ", ".join(format_down(float(value), 4) for value in quartiles)
    return Summary(tuple(statements), columns, tuple(rows), (f"radius quartiles: {shown}", *notes))
