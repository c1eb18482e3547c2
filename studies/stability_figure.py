"""The figure of `studies.stability`: seconds per training step over depth."""

from lipzoo.plotting import (
    ATTACKED,
    CERTIFIED,
    GOLD,
    GREY,
    INK,
    decorate,
    new_figure,
)
from lipzoo.training.run_folder import write_figure
from studies.stability_networks import KINDS

STYLES = {
    "gradient flow": (CERTIFIED, "-", "o"),
    "unconstrained flow": (CERTIFIED, "--", "o"),
    "HamNet": (GOLD, "-", "s"),
    "ResNet": (ATTACKED, "-", "^"),
    "bare operators": (GREY, ":", "."),
}
# What each layer multiplies by, and nothing else: no network can be faster.
LABELS = {"bare operators": "bare operators: the products alone"}


def figure(results, path):
    """Draws the training step over depth, one panel per kind and batch size, into a PNG file."""
    if not set(KINDS) <= set(results):
        return
    rows = [row for kind in KINDS for row in results[kind] if row["work"] == "training step"]
    batch_sizes = sorted({row["batch_size"] for row in rows})
    drawing = new_figure(4 * len(batch_sizes), 6.8, "studies.stability")
    panels = drawing.subplots(len(KINDS), len(batch_sizes), squeeze=False, sharex=True)
    for kind, line in zip(KINDS, panels, strict=True):
        for batch_size, axes in zip(batch_sizes, line, strict=True):
            here = [row for row in rows if (row["kind"], row["batch_size"]) == (kind, batch_size)]
            _panel(axes, here)
            axes.set_title(f"{kind}, batch size {batch_size}", color=INK, fontsize=10)
    for axes in panels[-1]:
        axes.set_xlabel("layers")
    for line in panels:
        line[0].set_ylabel("seconds per training step")
    handles, labels = panels[0][0].get_legend_handles_labels()
    settings = {"ncols": len(labels), "frameon": False, "fontsize": 9, "labelcolor": INK}
    drawing.legend(handles, labels, loc="outside lower center", **settings)
    write_figure(path, drawing, dpi=110)


def _panel(axes, rows):
    from matplotlib.ticker import LogLocator

    for name, (colour, line, marker) in STYLES.items():
        own = [row for row in rows if row["network"] == name]
        depths = [row["depth"] for row in own]
        seconds = [row["seconds"] for row in own]
        label = LABELS.get(name, name)
        axes.plot(depths, seconds, color=colour, linestyle=line, marker=marker, ms=4, label=label)
    axes.set(xscale="log", yscale="log", xticks=depths, xticklabels=depths)
    axes.minorticks_off()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    decorate(axes)
