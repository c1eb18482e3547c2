"""The figure of one reconstruction study: examples, and the error over the noise."""

import numpy as np

from lipzoo.inverse.image_metrics import psnr
from lipzoo.inverse.tikhonov_reconstruction import tikhonov
from lipzoo.inverse.total_variation.reconstruction import total_variation
from lipzoo.plotting import ATTACKED, CERTIFIED, GREY, INK

STYLES = {
    "Tikhonov": {"color": GREY, "marker": "s"},
    "TV": {"color": "#b8860b", "marker": "^"},
    "unconstrained": {"color": ATTACKED, "marker": "D"},
}
_ROWS = 3


def draw(name, task, model, table, noise):
    """Draws truth, measurement and reconstructions of some test examples, and PSNR over noise.

    Args:
        name: the model's name.
        task: its `ReconstructionTask`.
        model: the model.
        table: the test results, with the parameters of the classical methods.
        noise: PSNR of every method by the factor on the noise.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    from matplotlib.figure import Figure

    y, x = (part[:_ROWS] for part in task.test())
    methods = table["methods"]
    columns = {
        "truth": x,
        "measurement": y,
        "Tikhonov": tikhonov(task.operator, y, methods["Tikhonov"]["alpha"]),
        "TV": total_variation(task.operator, y, methods["TV"]["weight"]).images,
        name: model.predict(y, verbose=0),
    }
    figure = Figure(figsize=(14, 6.2), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(2.5, 1))
    panels = _draw_signals if x.ndim == 3 else _draw_images
    panels(left, columns, x)
    _draw_noise(right.subplots(), name, noise, task.recipe.measurement.noise)
    return figure


def _draw_images(figure, columns, x):
    axes = figure.subplots(_ROWS, len(columns))
    for column, (title, images) in zip(axes.T, columns.items(), strict=True):
        for axis, image, truth in zip(column, images, x, strict=True):
            measured = title == "measurement"
            axis.imshow(np.squeeze(image), cmap="gray", **({} if measured else _GREY_RANGE))
            axis.set(xticks=[], yticks=[])
            if not measured and title != "truth":
                axis.set_xlabel(f"{psnr(image[None], truth[None])[0]:.1f} dB", color=INK)
        column[0].set_title(title, color=INK, fontsize=10)


def _draw_signals(figure, columns, x):
    axes = figure.subplots(_ROWS, 1, sharex=True)
    styles = {"truth": {"color": INK, "linewidth": 1.0}, "measurement": {"color": "#c9d1d8"}}
    for i, axis in enumerate(axes):
        for title, signals in columns.items():
            style = styles.get(title) or {"color": STYLES.get(title, {}).get("color", CERTIFIED)}
            label = title
            if title not in styles:
                label += f", {psnr(signals[i][None], x[i][None])[0]:.1f} dB"
            axis.plot(signals[i, :, 0], label=label, **{"linewidth": 1.4, **style})
        axis.legend(fontsize=8, frameon=False, ncols=5, loc="upper center")
        axis.set_ylim(-0.05, 1.3)
        axis.spines[["top", "right"]].set_visible(False)


def _draw_noise(axes, name, noise, trained):
    factors = [float(factor) for factor in noise]
    for method in next(iter(noise.values())):
        style = STYLES.get(method, {"color": CERTIFIED, "marker": "o", "linewidth": 2.4})
        axes.plot(
            [100 * trained * factor for factor in factors],
            [row[method] for row in noise.values()],
            label=method,
            **style,
        )
    axes.axvline(100 * trained, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.annotate(
        " trained at",
        (100 * trained, 0.02),
        xycoords=("data", "axes fraction"),
        color=GREY,
        fontsize=8,
    )
    axes.set_xscale("log", base=2)
    axes.set_xticks([100 * trained * factor for factor in factors])
    axes.set_xticklabels([f"{100 * trained * factor:g}" for factor in factors])
    axes.set_xlabel("noise in % of the root mean square measurement", color=INK)
    axes.set_ylabel("PSNR in dB", color=INK)
    axes.set_title("classical methods tuned at each noise level", color=INK, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)


_GREY_RANGE = {"vmin": 0.0, "vmax": 1.0}
