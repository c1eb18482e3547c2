"""The figure of `studies.transfer`: predicted over measured certified accuracy."""

from lipzoo.plotting import GREY, INK
from studies.predictors import PREDICTORS

COLOURS = {
    "test": "#22303c",
    "rotation": "#d9622b",
    "blur": "#1f6fb2",
    "noise": "#3a9a5b",
    "contrast": "#8a5fb0",
    "refitted": "#c9a227",
}


def draw(networks: dict):
    """One panel per predictor, one point per network, target and radius, intervals over seeds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.0, 3.6), layout="constrained")
    panels = figure.subplots(1, len(PREDICTORS), sharex=True, sharey=True)
    for axes, name in zip(panels, PREDICTORS, strict=True):
        axes.plot([0, 100], [0, 100], color=GREY, linewidth=0.8)
        shown = set()
        for rows in networks.values():
            for target, entry in rows.items():
                kind = target.split(" ")[0].rstrip(",")
                label = None if kind in shown else kind
                shown.add(kind)
                _points(axes, entry["measured"], entry["predicted"][name], COLOURS[kind], label)
        axes.set_title(name, color=INK, fontsize=10)
        axes.set_xlabel("measured certified %", color=INK)
        axes.set(xlim=(-2, 100), ylim=(-2, 100), aspect="equal")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("predicted certified %", color=INK)
    panels[0].legend(frameon=False, fontsize=7, loc="lower right")
    return figure


def _points(axes, measured, predicted, colour, label):
    x, y = (
        {key: [100 * share.get(key, 0.0) for share in shares.values()] for key in _KEYS}
        for shares in (measured, predicted)
    )
    axes.errorbar(
        x["mean"],
        y["mean"],
        xerr=x["half_width"],
        yerr=y["half_width"],
        fmt="o",
        markersize=3,
        elinewidth=0.8,
        color=colour,
        label=label,
        alpha=0.8,
    )


_KEYS = ("mean", "half_width")
