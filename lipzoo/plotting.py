"""How every figure looks: colours, axes, words; Matplotlib, which is optional, where one is drawn.

Blue is what is proven, orange what an attack or a measurement found, grey what both are compared
with. Any two colours of `SERIES` stay apart for readers with protanopia, deuteranopia and
tritanopia, which `tests/test_plotting.py` simulates, and those of text stand out from white; curves
differ in their markers besides.
"""

from typing import Any

import numpy as np

from lipzoo_catalogue.installing import how_to_install

INK, GREY, PALE = "#22303c", "#67727e", "#d5dbe1"
CERTIFIED, ATTACKED, SKY, GOLD = "#1f6fb2", "#c24e14", "#56b4e9", "#e3b23c"

SERIES = (CERTIFIED, ATTACKED, GOLD, SKY, INK, GREY)
"""Colours of curves that are no more than different, in this order."""

MARKERS = ("o", "D", "^", "v", "s", "P")
"""Their markers."""

DASHES = (0, (4, 3))
"""The line of what curves are compared with."""

_NORMS = {"linf": "l-infinity"}


def axes_or_new(ax, caller: str):
    """Returns the given axes, or new ones for `None`.

    Args:
        ax: Matplotlib axes or `None`.
        caller: who draws, for the error.

    Raises:
        ImportError: if Matplotlib is needed and not installed; it says which extra to install.
    """
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(f"{caller} needs Matplotlib: {how_to_install('plots')}") from error
    return pyplot.subplots(layout="constrained")[1]


def new_figure(width: float, height: float, caller: str, dpi: float = 100) -> Any:
    """A white figure that belongs to no window, and that a notebook shows as it stands.

    Args:
        width: in inches.
        height: likewise.
        caller: who draws, for the error.
        dpi: dots per inch.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ImportError: if Matplotlib is not installed; it says which extra to install.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(f"{caller} needs Matplotlib: {how_to_install('plots')}") from error

    class ShownFigure(Figure):
        def _repr_png_(self) -> bytes:
            # A notebook knows how to show Matplotlib's figures only once pyplot is imported.
            import io

            file = io.BytesIO()
            self.savefig(file, format="png")
            return file.getvalue()

    return ShownFigure(figsize=(width, height), dpi=dpi, layout="constrained", facecolor="white")


def decorate(axes) -> None:
    """Gives axes the lines and the ink of all figures."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=INK, labelsize=9)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)


def legend(axes, **settings) -> None:
    """A legend without a frame."""
    axes.legend(**{"frameon": False, "fontsize": 9, "labelcolor": INK, **settings})


def radius_label(norm: str = "l2", deviations: bool = False) -> str:
    """What the axis of radii is called.

    >>> radius_label("linf")
    'ε, the l-infinity norm of the perturbation'
    """
    units = ", in standard deviations" if deviations else ""
    return f"ε, the {_NORMS.get(norm, norm)} norm of the perturbation{units}"


def draw_certified(axes, epsilons, shares, *, clean=None, norm="l2", deviations=False) -> None:
    """Draws what is proven over ε, in per cent, and everything below it as proven.

    Args:
        axes: Matplotlib axes.
        epsilons: radii, ascending.
        shares: certified share at each of them, up to the next one.
        clean: accuracy without a perturbation; `None` where there are no labels.
        norm: norm of the radii.
        deviations: whether they are in standard deviations.
    """
    percent = 100 * np.asarray(shares)
    style = {"color": CERTIFIED, "linewidth": 2.2, "drawstyle": "steps-post"}
    axes.plot(epsilons, percent, label="certified: proven", **style)
    axes.fill_between(epsilons, percent, step="post", color=CERTIFIED, alpha=0.12, linewidth=0)
    if clean is not None:
        axes.axhline(100 * clean, color=GREY, linewidth=1.2, linestyle=DASHES, label="clean")
    axes.set(xlim=(0, None), ylim=(0, 104))
    axes.set_xlabel(radius_label(norm, deviations))
    axes.set_ylabel("accuracy in %" if clean is not None else "predictions in %")
    decorate(axes)


def draw_image(axes, image) -> None:
    """Draws one image with values in [0, 1], of shape `(height, width)`, `(…, 1)` or `(…, 3)`."""
    image = np.squeeze(np.asarray(image))
    axes.imshow(image, cmap="gray_r" if image.ndim == 2 else None, vmin=0.0, vmax=1.0)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color(PALE)
