"""What is printed of certified examples: accuracies at some radii, and quartiles."""

from collections.abc import Callable, Iterable

from lipzoo_catalogue.certified.terms import Terms
from lipzoo_catalogue.formatting import format_down, format_up

SHOWN_EPSILONS = {
    "l1": (0.1, 36 / 255, 0.25, 0.5, 1.0),
    "l2": (0.1, 36 / 255, 0.25, 0.5, 1.0),
    "linf": (1 / 255, 2 / 255, 4 / 255, 8 / 255, 16 / 255),
}
QUARTILES = (0.25, 0.5, 0.75)


def summary_of(
    terms: Terms,
    examples: int,
    accuracy: float | None,
    share: Callable[[list[float]], Iterable[float]],
    quartiles: Iterable[float],
) -> str:
    """Certified accuracies, or coverages without labels, at some radii, and quartiles of radii.

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
    if terms.arithmetic:
        lines.append(f"computed in {terms.arithmetic}")
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
