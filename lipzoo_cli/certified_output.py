"""What `lipzoo certify` and `lipzoo join` print of certified examples."""

import argparse
import math
from collections.abc import Mapping

from lipzoo_catalogue.certified.certified import Certified
from lipzoo_catalogue.certified.origin import counted, described
from lipzoo_catalogue.certified.report import SHOWN, left_out_rows
from lipzoo_catalogue.certified.writing import bound_key
from lipzoo_catalogue.formatting import parse_fraction
from lipzoo_cli.arguments import print_json


def check_printing(arguments: argparse.Namespace) -> tuple[dict[str, float], float]:
    """The radii of `--epsilon` by their text, and that of `--abstain-below`, 0 if it is not given.

    Raises:
        ValueError: if one is no finite number of at least 0.
    """
    radii = {text: _radius(text, "--epsilon") for text in arguments.epsilon or ()}
    below = arguments.abstain_below
    return radii, 0.0 if below is None else _radius(below, "--abstain-below")


def show(
    certified: Certified,
    about: Mapping[str, object],
    radii: dict[str, float],
    arguments: argparse.Namespace,
) -> None:
    """Prints a summary, or with `--json` everything.

    Args:
        certified: the certified examples.
        about: what the JSON object begins with.
        radii: see `check_printing`.
        arguments: the parsed arguments.
    """
    _, threshold = check_printing(arguments)
    abstains = arguments.abstain_below is not None
    if arguments.json:
        print_json({**about, **_values(certified, radii, threshold, abstains)})
        return
    print(certified.summary())
    if certified.left_out:
        number, what = counted(certified.left_out), described(certified.left_out)
        print(f"left out, without a radius: {number} beside {len(certified):,} examples: {what}")
    if certified.terms.units:
        print(f"units: {certified.terms.units}")
    for text, radius in radii.items():
        print(f"radius above {text}: {100 * certified.coverage(radius):.2f} %")
    if abstains:
        _print_kept(certified, threshold)
    if len(certified) <= SHOWN or abstains:
        print(certified.report(threshold).text(len(certified), certified.kept(threshold)))
    if arguments.out is not None:
        print(f"report: {arguments.out}")


def _radius(text: str, option: str) -> float:
    radius = parse_fraction(text)
    if not 0 <= radius < math.inf:
        raise ValueError(f"{option}: expected a finite radius of at least 0. Received: {text}")
    return radius


def _values(
    certified: Certified, radii: dict[str, float], threshold: float, abstains: bool
) -> dict[str, object]:
    terms = certified.terms
    report = certified.report(threshold, 0, len(certified))
    columns = report.columns()
    values: dict[str, object] = {
        bound_key(terms): terms.bound,
        "standardized": terms.standardized,
        "norm": terms.norm,
        "units": terms.units,
        **({"domain": terms.domain} if terms.domain else {}),
        **({"local": True} if terms.local else {}),
        "examples": len(certified),
        # JSON has no infinity: null is the radius of a prediction that nothing can change.
        "radius": columns["radius"],
        **{name: columns[name] for name in ("row", "file") if name in columns},
        "prediction": columns["prediction"],
        "rival": columns["rival"],
        "class_names": list(terms.class_names),
        "share_above": {key: certified.coverage(radius) for key, radius in radii.items()},
    }
    if report.feature_radii:
        values["feature_radii"] = {
            name: columns[f"radius of {name}"] for name in report.feature_radii
        }
    if certified.left_out:
        values["left_out"] = left_out_rows(certified.left_out)
    if abstains:
        values |= {"abstain_below": threshold, "abstains": columns["abstains"]}
        values |= _kept(certified, threshold)
    if certified.labelled:
        shares = {key: certified.certified_accuracy(radius) for key, radius in radii.items()}
        values |= {"accuracy": certified.accuracy, "certified_accuracy": shares}
    return values


def _kept(certified: Certified, threshold: float) -> dict[str, float | None]:
    """Coverage, and accuracy of the covered predictions where there are labels and any of them."""
    kept: dict[str, float | None] = {"coverage": certified.coverage(threshold)}
    if certified.labelled:
        kept["selective_accuracy"] = certified.selective_accuracy(threshold)
    return kept


def _print_kept(certified: Certified, threshold: float) -> None:
    line = f"abstaining below {threshold:g}: {100 * certified.coverage(threshold):.2f} % covered"
    accuracy = certified.selective_accuracy(threshold) if certified.labelled else None
    if accuracy is not None:
        line += f", accuracy of these {100 * accuracy:.2f} %"
    print(line)
