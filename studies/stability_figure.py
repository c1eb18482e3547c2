"""The figure of `studies.stability`: seconds per training step over depth."""

from lipzoo.plotting import ATTACKED, CERTIFIED, GREY, INK
from lipzoo.training.run_folder import write_figure
from studies.stability_networks import KINDS

STYLES = {
    "gradient flow": (CERTIFIED, "-", "o"),
    "unconstrained flow": (CERTIFIED, "--", "o"),
    "HamNet": ("#b8860b", "-", "s"),
    "ResNet": (ATTACKED, "-", "^"),
    "bare operators": (GREY, ":", "."),
}


def figure(results, path):
    """Draws the training step over depth, one panel per kind and batch size, into a PNG file."""
    from matplotlib.figure import Figure

    if not set(KINDS) <= set(results):
        return
    rows = [row for kind in KINDS for row in results[kind] if row["work"] == "training step"]
    batch_sizes = sorted({row["batch_size"] for row in rows})
    drawing = Figure(figsize=(4 * len(batch_sizes), 6.4), layout="constrained")
    panels = drawing.subplots(len(KINDS), len(batch_sizes), squeeze=False, sharex=True)
    for kind, line in zip(KINDS, panels, strict=True):
        for batch_size, axes in zip(batch_sizes, line, strict=True):
            here = [row for row in rows if (row["kind"], row["batch_size"]) == (kind, batch_size)]
            _panel(axes, here)
            axes.set_title(f"{kind}, batch size {batch_size}", color=INK, fontsize=10)
    for axes in panels[-1]:
        axes.set_xlabel("layers", color=INK)
    for line in panels:
        line[0].set_ylabel("seconds per training step", color=INK)
    panels[0][0].legend(frameon=False, fontsize=8, labelcolor=INK)
    write_figure(path, drawing, dpi=110)


def _panel(axes, rows):
    from matplotlib.ticker import LogLocator

    for name, (colour, line, marker) in STYLES.items():
        own = [row for row in rows if row["network"] == name]
        depths = [row["depth"] for row in own]
        seconds = [row["seconds"] for row in own]
        axes.plot(depths, seconds, color=colour, linestyle=line, marker=marker, ms=4, label=name)
    axes.set(xscale="log", yscale="log", xticks=depths, xticklabels=depths)
    axes.minorticks_off()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.spines[["top", "right"]].set_visible(False)
