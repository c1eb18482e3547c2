"""The figure of `studies.transfer`: predicted over measured certified accuracy."""

from lipzoo.plotting import (
    ATTACKED,
    CERTIFIED,
    GOLD,
    GREY,
    INK,
    MARKERS,
    SKY,
    decorate,
    new_figure,
)
from studies.predictors import PREDICTORS

KINDS = ("test", "rotation", "blur", "noise", "contrast", "refitted")
STYLES = {
    kind: {"color": colour, "fmt": marker}
    for kind, colour, marker in zip(
        KINDS, (INK, ATTACKED, CERTIFIED, SKY, GREY, GOLD), MARKERS, strict=True
    )
}


def draw(networks: dict):
    """One panel per predictor, one point per network, target and radius, intervals over seeds."""
    figure = new_figure(12.0, 4.0, "studies.transfer")
    panels = figure.subplots(1, len(PREDICTORS), sharex=True, sharey=True)
    for axes, name in zip(panels, PREDICTORS, strict=True):
        axes.plot([0, 100], [0, 100], color=GREY, linewidth=0.8)
        shown = set()
        for rows in networks.values():
            for target, entry in rows.items():
                kind = target.split(" ")[0].rstrip(",")
                label = None if kind in shown else kind
                shown.add(kind)
                _points(axes, entry["measured"], entry["predicted"][name], STYLES[kind], label)
        axes.set_title(name, color=INK, fontsize=10)
        axes.set_xlabel("measured certified accuracy in %")
        axes.set(xlim=(-2, 100), ylim=(-2, 100), aspect="equal")
        decorate(axes)
    panels[0].set_ylabel("predicted, in %")
    handles, labels = panels[0].get_legend_handles_labels()
    settings = {"ncols": len(labels), "frameon": False, "fontsize": 9, "labelcolor": INK}
    figure.legend(handles, labels, loc="outside lower center", **settings)
    return figure


def _points(axes, measured, predicted, style, label):
    x, y = (
        {key: [100 * share.get(key, 0.0) for share in shares.values()] for key in _KEYS}
        for shares in (measured, predicted)
    )
    axes.errorbar(
        x["mean"],
        y["mean"],
        xerr=x["half_width"],
        yerr=y["half_width"],
        markersize=4,
        elinewidth=0.8,
        **style,
        label=label,
        alpha=0.8,
    )


_KEYS = ("mean", "half_width")
