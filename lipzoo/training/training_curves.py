"""The figure of a training run: its history, and what it reached on the test split."""

import re
from pathlib import Path
from typing import Any

from lipzoo.plotting import (
    CERTIFIED,
    GREY,
    INK,
    MARKERS,
    SERIES,
    decorate,
    legend,
    new_figure,
    radius_label,
)
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
    _losses(loss, history)
    loss.set(ylabel="loss", title="Loss")

    _curve(accuracy, history, "val_accuracy", "clean", GREY, percent=True)
    names = [key for key in (history[0] if history else {}) if key.startswith("val_certified_")]
    # A metric's name has no point and no slash.
    radii = {re.sub(r"[./]", "_", name): name for name in test["certified"]}
    for index, key in enumerate(names):
        radius = key.removeprefix("val_certified_")
        label = f"certified, ε = {radii.get(radius, radius.replace('_', '.'))}"
        style = {"color": SERIES[index % len(SERIES)], "marker": MARKERS[index % len(MARKERS)]}
        _curve(accuracy, history, key, label, **style, percent=True)
    accuracy.set(ylabel="accuracy in %", title="Validation split", ylim=(0, 100))

    points = sorted((parse_fraction(name), share) for name, share in test["certified"].items())
    points = [(0.0, test["clean"]), *points]
    # Between two radii the share is at least that at the larger one, and no more is known of it.
    epsilons, shares = zip(*points, strict=True)
    style = {"drawstyle": "steps-pre", "marker": "o", "color": CERTIFIED}
    certified.plot(epsilons, [100 * share for share in shares], **style)
    certified.set(xlabel=radius_label(), ylabel="certified accuracy in %", ylim=(0, 100))
    certified.set_xlim(left=0)
    certified.set_title("Test split")
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
    _losses(loss, history)
    loss.set(ylabel="mean squared error", title="Loss", yscale="log")
    _curve(psnr, history, "psnr", "training", GREY)
    _curve(psnr, history, "val_psnr", "validation", CERTIFIED)
    psnr.set(ylabel="PSNR in dB", title="Error")
    names = list(test["methods"])
    bars = compared.barh(names, [test["methods"][name]["psnr"] for name in names], color=CERTIFIED)
    compared.bar_label(bars, fmt="%.1f", padding=-28, color="white")
    compared.invert_yaxis()
    compared.set(xlabel="PSNR in dB", title="Test split")
    _finish(figure, path)


def _figure(title, columns) -> Any:
    figure = new_figure(13, 3.6, "The figure of a training run")
    figure.suptitle(title, color=INK)
    return figure, figure.subplots(1, columns)


def _finish(figure, path):
    for axes in figure.axes:
        axes.grid(alpha=0.3)
        decorate(axes)
        if axes.get_legend_handles_labels()[0]:
            legend(axes)
    write_figure(path, figure)


def _losses(axes, history: list[dict]) -> None:
    _curve(axes, history, "loss", "training", GREY)
    _curve(axes, history, "val_loss", "validation", CERTIFIED)


def _curve(axes, history, key, label, color, marker=".", percent=False) -> None:
    scale = 100 if percent else 1
    points = [(row["epoch"], scale * row[key]) for row in history if key in row]
    if points:
        axes.plot(*zip(*points, strict=True), label=label, color=color, marker=marker, markersize=4)
    axes.set_xlabel("epoch")
