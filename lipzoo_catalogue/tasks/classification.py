"""Classifiers: how their results are shown, and how they are used."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from lipzoo_catalogue.classification_metrics import Accuracies, Metrics
from lipzoo_catalogue.markdown import table
from lipzoo_catalogue.model_config import ModelConfig


def read_metrics(values: Mapping[str, object], where: str | Path = "metrics") -> Metrics:
    """Reads the content of `metrics.json`, see `Metrics`."""
    return Metrics.from_dict(values, where)


def by_arithmetic(metrics: Metrics) -> dict[str, Accuracies]:
    """The accuracies by the arithmetic that the network was evaluated in."""
    tables = {"float32": metrics, "float64": metrics.float64}
    return {dtype: accuracies for dtype, accuracies in tables.items() if accuracies is not None}


def columns(metrics: Metrics) -> Iterator[tuple[str, bool, Accuracies]]:
    """Yields arithmetic, whether of unseen examples alone, and accuracies; unseen ones first."""
    for dtype, accuracies in by_arithmetic(metrics).items():
        if accuracies.unseen is not None:
            yield dtype, True, accuracies.unseen
        yield dtype, False, accuracies


def summary(metrics: Metrics) -> str:
    """The results in some words.

    >>> summary(Metrics(100, 0.9, (("0.5", 0.5, 0.7),)))
    'clean 90.0 %, certified 70.0 % at 0.5'
    """
    first = metrics.unseen or metrics
    certified = [f"certified {100 * share:.1f} % at {name}" for name, _, share in first.certified]
    unseen = [f"of {first.examples:,} unseen examples"] if metrics.unseen else []
    return ", ".join([f"clean {100 * first.clean:.1f} %", *certified[:1], *unseen])


def plain_lines(metrics: Metrics) -> Iterator[str]:
    """A table for a terminal, one column per arithmetic; each counts its own rounding."""
    labels: list[str] = []
    tables: list[Accuracies] = []
    for dtype, unseen, accuracies in columns(metrics):
        labels.append(f"{dtype}, unseen" if unseen else dtype)
        tables.append(accuracies)
    widths = [max(8, len(label)) for label in labels]

    def line(label: str, cells: Iterable[str]) -> str:
        shown = "  ".join(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True))
        return f"  {label:<13}{shown}"

    if metrics.seen:
        yield f"  {_twins(metrics)}"
    yield line("epsilon", labels)
    yield line("0 (clean)", [_percent(table.clean) for table in tables])
    for kind in ("certified", "attacked"):
        shares = [_shares(table, kind) for table in tables]
        for name in dict.fromkeys(name for column in shares for name in column):
            yield line(name, [_percent(column.get(name)) for column in shares]) + f" {kind}"
    if metrics.sample is not None:
        yield f"  {metrics.sample.examples:,} examples under attack ({metrics.sample.attack}):"
        yield f"  {'epsilon':<13}{'certified':>9}   attacked"
        yield f"  {'0 (clean)':<13}{'':11}{_percent(metrics.sample.clean)}"
        left = {name: share for name, _, share in metrics.sample.attacked}
        for name, _, proven in metrics.sample.certified:
            yield f"  {name:<13}{_percent(proven)}   {_percent(left.get(name))}"


def results(metrics: Metrics) -> str:
    """The results for a model card."""
    names = [name for name, _, _ in metrics.certified]
    rows: list[list[str]] = []
    for dtype, unseen, accuracies in columns(metrics):
        of = "the unseen examples, " if unseen else "all examples, " if metrics.unseen else ""
        for kind in ("certified", "attacked"):
            shares = _shares(accuracies, kind)
            if not shares:
                continue
            label = f"{of}{kind}, evaluated in {dtype}"
            if kind == "attacked" and accuracies.attack:
                label += f" ({accuracies.attack})"
            rows.append([label, *_cells(accuracies.clean, shares, names)])
        for rate, part in accuracies.rates.items():
            shares = {name: share for name, _, share in part.certified}
            label = f"{of}{rate}, certified, evaluated in {dtype}"
            rows.append([label, *_cells(part.clean, shares, names)])
    text = (
        f"Accuracy in % of the {metrics.examples:,} test examples. *Certified at ε* counts an "
        "example that is classified correctly, with a proof that no perturbation of l2 norm up to "
        "ε changes that; the rounding of the arithmetic named is accounted for.\n\n"
    )
    if metrics.seen:
        text += f"{_twins(metrics)}\n\n"
    if metrics.rates:
        positive, negative = (metrics.rates[key].examples for key in ("sensitivity", "specificity"))
        text += (
            f"*Sensitivity* counts so among the {positive:,} examples of the class "
            f"{metrics.positive!r} alone, *specificity* among the other {negative:,}.\n\n"
        )
    text += table(["", "clean", *(f"ε = {name}" for name in names)], rows)
    if metrics.comparison is not None:
        text += f"\n{metrics.comparison.markdown()}"
    if metrics.sample is not None:
        text += "\n" + _sample_results(metrics.sample)
    elif metrics.comparison is None and not any(
        accuracies.attacked for accuracies in by_arithmetic(metrics).values()
    ):
        text += "\nNo accuracy under attack is stated: none was measured.\n"
    return text


def _twins(metrics: Metrics) -> str:
    """What is to be known of test examples that stand in other splits."""
    if metrics.unseen is None:
        return "All test examples also stand in the training or validation split."
    return (
        f"{metrics.seen:,} of the {metrics.examples:,} test examples also stand in the training or "
        f"validation split; the other {metrics.unseen.examples:,}, the unseen ones, say more about "
        "new data and come first."
    )


def _cells(clean: float, shares: Mapping[str, float], names: Iterable[str]) -> list[str]:
    shown = (f"{100 * shares[name]:.2f}" if name in shares else "" for name in names)
    return [f"{100 * clean:.2f}", *shown]


def _sample_results(sample: Accuracies) -> str:
    """A table of what was measured on some of the test examples."""
    names = [name for name, _, _ in sample.certified]
    rows = [
        [label, *_cells(sample.clean, {name: share for name, _, share in shares}, names)]
        for label, shares in (("certified", sample.certified), ("under attack", sample.attacked))
    ]
    header = ["", "clean", *(f"ε = {name}" for name in names)]
    return (
        f"Under attack, in % of {sample.examples:,} of the test examples, evaluated in float32: "
        f"what was left standing by {sample.attack}, all taken together. The accuracy under the "
        "strongest perturbation lies between the two rows.\n\n" + table(header, rows)
    )


def warning(metrics: Metrics) -> str:
    """What a user must not overlook in the results."""
    if any(share > 0 for t in by_arithmetic(metrics).values() for _, _, share in t.certified):
        return ""
    return (
        "**Not for certification.** At every radius measured, the certified accuracy is 0: the "
        "bound is a theorem, and far too large to certify a prediction."
    )


def evaluation_results(
    config: ModelConfig, metrics: Metrics, data: Mapping[str, object]
) -> list[dict[str, object]]:
    """The results as the Hub's `model-index` has them."""
    values: list[tuple[str, str, float]] = []
    for part in filter(None, (metrics.unseen, metrics)):
        those = f", the {part.examples:,} unseen examples" if part is metrics.unseen else ""
        values.append(("accuracy", f"clean accuracy{those}", part.clean))
        values += [
            ("certified_accuracy", f"certified accuracy at l2 radius {name}{those}", share)
            for name, _, share in part.certified
        ]
    attacked = metrics.sample or metrics
    few = f", {attacked.examples:,} examples" if metrics.sample else ""
    values += [
        ("robust_accuracy", f"accuracy under attack at l2 radius {name}{few}", share)
        for name, _, share in attacked.attacked
    ]
    return [
        {
            "task": {"type": pipeline_tag(config), "name": "classification"},
            "dataset": {**data, "split": "test"},
            "metrics": [
                {"type": kind, "name": name, "value": round(100 * share, 2)}
                for kind, name, share in values
            ],
        }
    ]


def pipeline_tag(config: ModelConfig) -> str:
    """The Hub's name of the task."""
    return {3: "image-classification", 1: "tabular-classification"}.get(
        len(config.input_shape), "other"
    )


def tags(metrics: Metrics | None) -> list[str]:
    """Tags on the Hub, beside those of every model."""
    return [] if metrics is None or warning(metrics) else ["certified-robustness"]


def purpose(metrics: Metrics | None) -> str:
    """What such a model is for, where nothing more special is said."""
    if metrics is not None and warning(metrics):
        return "Classifying inputs of the kind that it was trained on; fine-tuning; comparison."
    return (
        "Classifying inputs of the kind that it was trained on, with a certified l2 radius for "
        "every prediction; fine-tuning on similar data; comparison with other certified methods."
    )


def usage(address: str, config: ModelConfig) -> str:
    """A program that loads the model and certifies predictions."""
    shape = ", ".join(map(str, (4, *config.input_shape)))
    low, high = config.preprocessing["minimum"], config.preprocessing["maximum"]
    draw = "standard_normal" if None in (low, high) else "random"
    scaled = "" if None in (low, high) or (low, high) == (0, 1) else f" * {high - low} + {low}"
    more = ""
    if len(config.input_shape) == 1 and config.arguments.get("normalization"):
        more = """\
certificate = lipzoo.certify(model, x, standardized=True)    # radii in standard deviations
print(certificate.feature_radii)                             # of each feature alone, in its units
"""
    return f"""\
import lipzoo
import numpy as np

model = lipzoo.load("{address}")
x = np.random.default_rng(0).{draw}(({shape}), "float32"){scaled}
print(lipzoo.lipschitz_bound(model))
certificate = lipzoo.certify(model, x)
print(certificate.report())
{more}"""


def _shares(accuracies: Accuracies, kind: str) -> dict[str, float]:
    """Certified or attacked accuracies by the name of the radius."""
    rows = accuracies.certified if kind == "certified" else accuracies.attacked
    return {name: share for name, _, share in rows}


def _percent(share: float | None) -> str:
    return f"{100 * share:6.2f} %" if share is not None else " " * 8
