"""One figure of a certificate: certified accuracy over ε, and images with their radii."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lipzoo.plotting import (
    ATTACKED,
    CERTIFIED,
    GREY,
    INK,
    draw_certified,
    draw_image,
    legend,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lipzoo.certificates import Certificate


@dataclass(frozen=True)
class FigureExample:
    """One image of the figure's strip.

    Attributes:
        image: values in [0, 1], shape `(height, width)`, `(height, width, 1)` or `(…, 3)`.
        label: what to call its class.
        radius: certified l2 radius.
        attacked: the image after an attack that changed its class, or `None`.
        attacked_label: what to call the class it was taken for.
        distance: l2 distance between the two.
    """

    image: np.ndarray
    label: str
    radius: float
    attacked: np.ndarray | None = None
    attacked_label: str = ""
    distance: float = 0.0


def certificate_figure(
    certificate: "Certificate",
    *,
    attacked: tuple[Sequence[float], Sequence[float]] | None = None,
    examples: Sequence[FigureExample] = (),
    title: str = "",
    marks: Sequence[float] = (),
) -> "Figure":
    """Draws certified accuracy over ε above a strip of images.

    Everything below the blue curve is proven; what lies between it and the orange points, which an
    attack left standing, is open; above these points is refuted.

    Args:
        certificate: what `lipzoo.certify` returns for labelled examples.
        attacked: `(epsilons, accuracies)` of an attack on the same examples, or `None`.
        examples: `FigureExample`s for the strip below, at most eight look well.
        title: what stands above.
        marks: radii to mark on the curve with their certified accuracy.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: if the certificate has no labels.
    """
    if certificate.labels is None:
        raise ValueError("expected a certificate of labelled examples; Received: labels=None")
    examples = list(examples)
    figure = new_figure(9.6, 6.4 if examples else 4.0, "certificate_figure", dpi=150)
    if not examples:
        _draw_curve(figure.subplots(), certificate, attacked, marks, title)
        return figure
    parts: Any = figure.subfigures(2, 1, height_ratios=(1.35, 1.0), hspace=0.04)
    upper, lower = parts
    _draw_curve(upper.subplots(), certificate, attacked, marks, title)
    _draw_strip(lower, examples)
    return figure


def _draw_curve(axes, certificate, attacked, marks, title):
    accuracy = 100 * certificate.accuracy
    correct = certificate.prediction == certificate.labels
    finite = certificate.radius[correct & np.isfinite(certificate.radius)]
    end = max(1.25 * np.quantile(finite, 0.95) if len(finite) else 1.0, *marks, 1e-6)
    epsilons = np.linspace(0.0, end, 400)
    curve = 100 * np.asarray(certificate.certified_accuracy(epsilons.tolist()))

    deviations = certificate.deviation is not None
    draw_certified(
        axes,
        epsilons,
        curve / 100,
        clean=certificate.accuracy,
        norm=certificate.norm,
        deviations=deviations,
    )
    axes.annotate(
        f"clean accuracy {accuracy:.1f} %",
        (end, accuracy),
        xytext=(-4, 5),
        textcoords="offset points",
        ha="right",
        color=GREY,
        fontsize=9,
    )
    for mark in marks:
        value = 100 * certificate.certified_accuracy(mark)
        axes.plot([mark, mark], [0, value], color=CERTIFIED, linewidth=0.8, alpha=0.5)
        axes.plot(mark, value, "o", color=CERTIFIED, markersize=5)
        _label(axes, mark, value, CERTIFIED, below=value > 20)
    if attacked is not None:
        values = 100 * np.asarray(attacked[1])
        label = "under attack: not refuted so far"
        axes.plot(attacked[0], values, "D", color=ATTACKED, markersize=4.5, label=label)
        for epsilon, value in zip(attacked[0], values, strict=True):
            _label(axes, epsilon, value, ATTACKED, below=False)
    axes.set_xlim(0, end)
    axes.set_title(title, loc="left", color=INK, fontsize=12, fontweight="bold", pad=10)
    if attacked is not None:
        legend(axes, loc="center right")


def _label(axes, epsilon, value, color, below):
    """Writes the value left below the point, where the curve leaves room, or right above it."""
    axes.annotate(
        f"{value:.1f} %",
        (epsilon, value),
        xytext=(-6, -7) if below else (5, 4),
        textcoords="offset points",
        ha="right" if below else "left",
        va="top" if below else "bottom",
        color=color,
        fontsize=9,
    )


def _draw_strip(figure, examples):
    rows = figure.subplots(2, len(examples), squeeze=False)
    for (above, below), example in zip(rows.T, examples, strict=True):
        draw_image(above, example.image)
        above.set_title(f"{example.label}\nr = {example.radius:.2f}", color=CERTIFIED, fontsize=8.5)
        if example.attacked is None:
            below.set_visible(False)
            continue
        draw_image(below, example.attacked)
        below.set_xlabel(
            f"{example.attacked_label}\nat {example.distance:.2f}", color=ATTACKED, fontsize=8.5
        )
    rows[0, 0].set_ylabel("certified\nwithin r", color=CERTIFIED, fontsize=8.5)
    rows[1, 0].set_ylabel("attack that\nsucceeded", color=ATTACKED, fontsize=8.5)
