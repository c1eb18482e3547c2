"""The figure of a training run: its history, and what it reached on the test split."""

from pathlib import Path
from typing import Any

from lipzoo.training.run_folder import write_figure
from lipzoo_catalogue.formatting import parse_fraction


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
    figure, (loss, accuracy, certified) = _figure(title, 3)
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
    _finish(figure, path)


def write_reconstruction_curves(path: Path, title: str, history: list[dict], test: dict) -> None:
    """Writes the training curves of a reconstruction as PNG.

    Args:
        path: path of the figure.
        title: name of the run.
        history: one row per epoch.
        test: the test split's table, see `lipzoo.training.tasks.comparison.compare`.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    figure, (loss, psnr, compared) = _figure(title, 3)
    _curve(loss, history, "loss", "training", "C0")
    _curve(loss, history, "val_loss", "validation", "C1")
    loss.set(xlabel="epoch", ylabel="mean squared error", title="Loss", yscale="log")
    _curve(psnr, history, "psnr", "training", "C0")
    _curve(psnr, history, "val_psnr", "validation", "C1")
    psnr.set(xlabel="epoch", ylabel="PSNR in dB", title="Error")
    names = list(test["methods"])
    bars = compared.barh(names, [test["methods"][name]["psnr"] for name in names], color="C2")
    compared.bar_label(bars, fmt="%.1f", padding=-28, color="white")
    compared.invert_yaxis()
    compared.set(xlabel="PSNR in dB", title="Test split")
    _finish(figure, path)


def _figure(title, columns) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    return figure, figure.subplots(1, columns)


def _finish(figure, path):
    for axes in figure.axes:
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend()
    write_figure(path, figure)


def _curve(axes, history: list[dict], key: str, label: str, colour: str) -> None:
    points = [(row["epoch"], row[key]) for row in history if key in row]
    if points:
        axes.plot(*zip(*points, strict=True), label=label, color=colour, marker=".")
