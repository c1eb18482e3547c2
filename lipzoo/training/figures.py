"""The figure of a training run: loss, accuracies, bound, and the final certified accuracy."""

from pathlib import Path

from lipzoo.training.checkpoint import write_atomically
from lipzoo.training.settings import parse_fraction


def write_curves(path: Path, title: str, history: list[dict], test: dict) -> None:
    """Writes the training curves as PNG.

    Args:
        path: path of the figure.
        title: name of the run.
        history: one row per epoch.
        test: the test split's table, see `certified_table`.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    loss, accuracy, certified = figure.subplots(1, 3)
    figure.suptitle(title)

    _curve(loss, history, "loss", "training", "C0")
    _curve(loss, history, "val_loss", "validation", "C1")
    loss.set(xlabel="epoch", ylabel="loss", title="Loss")

    _curve(accuracy, history, "val_accuracy", "clean", "C1")
    names = [key for key in (history[0] if history else {}) if key.startswith("val_certified_")]
    for index, key in enumerate(names, start=2):
        radius = key.removeprefix("val_certified_").replace("_", "/")
        _curve(accuracy, history, key, f"certified, ε = {radius}", f"C{index}")
    accuracy.set(xlabel="epoch", ylabel="share of examples", title="Validation accuracy")

    points = sorted((parse_fraction(name), share) for name, share in test["certified"].items())
    points = [(0.0, test["clean"]), *points]
    certified.plot(*zip(*points, strict=True), marker="o", color="C2")
    certified.set(xlabel="ε (l2)", ylabel="share of examples", ylim=(0, 1))
    certified.set_title("Certified accuracy, test split")
    for axes in (loss, accuracy, certified):
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend()
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=120))


def _curve(axes, history: list[dict], key: str, label: str, colour: str) -> None:
    points = [(row["epoch"], row[key]) for row in history if key in row]
    if points:
        axes.plot(*zip(*points, strict=True), label=label, color=colour, marker=".")
