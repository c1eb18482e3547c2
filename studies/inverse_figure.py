"""The figure of one reconstruction study: examples, and the error over the noise."""

import numpy as np

from lipzoo.inverse import certify_reconstruction
from lipzoo.inverse.image_metrics import psnr
from lipzoo.inverse.tikhonov_reconstruction import tikhonov
from lipzoo.inverse.total_variation.reconstruction import total_variation
from lipzoo.plotting import (
    ATTACKED,
    CERTIFIED,
    DASHES,
    GOLD,
    GREY,
    INK,
    decorate,
    draw_image,
    legend,
    new_figure,
)

STYLES = {
    "Tikhonov": {"color": GREY, "marker": "s"},
    "TV": {"color": GOLD, "marker": "^"},
    "unconstrained": {"color": ATTACKED, "marker": "D"},
}
_OURS = {"color": CERTIFIED, "marker": "o", "linewidth": 2.4}
_ROWS = 3


def draw(name, task, networks, table, noise):
    """Draws what becomes of some test examples, and the error over the noise.

    Truth, measurement, reconstructions, the error of the network's, and the radius of the certified
    ball around it: how far it moves while the measurement moves by one standard deviation of the
    noise in every entry.

    Args:
        name: the model's name.
        task: its `ReconstructionTask`.
        networks: networks by name, the model first.
        table: the test results, with the parameters of the classical methods.
        noise: PSNR of every method by the factor on the noise.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    y, x = (part[:_ROWS] for part in task.test())
    methods = table["methods"]
    found = {
        "Tikhonov": tikhonov(task.operator, y, methods["Tikhonov"]["alpha"]),
        "TV": total_variation(task.operator, y, methods["TV"]["weight"]).images,
        **{key: model.predict(y, verbose=0) for key, model in reversed(networks.items())},
    }
    balls = certify_reconstruction(networks[name], y, table["perturbation"], verbose=0)
    figure = new_figure(15, 6.4, "studies.inverse")
    left, right = figure.subfigures(1, 2, width_ratios=(2.9, 1), wspace=0.03)
    panels = _draw_signals if x.ndim == 3 else _draw_images
    panels(left, x, y, found, name, balls)
    _draw_noise(right.subplots(), name, noise, task.recipe.measurement.noise)
    return figure


def _draw_images(figure, x, y, found, name, balls):
    titles = ["truth", "measurement", *found, "its error"]
    axes = figure.subplots(_ROWS, len(titles))
    largest = float(np.abs(found[name] - x).max())
    for row, line in enumerate(axes):
        error = np.abs(found[name][row] - x[row])
        pictures = [x[row], y[row], *(images[row] for images in found.values()), error]
        for axis, title, image in zip(line, titles, pictures, strict=True):
            if title in ("measurement", "its error"):
                scale = {"cmap": "magma", "vmin": 0, "vmax": largest}
                settings = scale if title == "its error" else {"cmap": "gray"}
                axis.imshow(np.squeeze(image), **settings)
                axis.set(xticks=[], yticks=[])
            else:
                draw_image(axis, np.clip(image, 0, 1))
                axis.images[0].set_cmap("gray")
            if title in found:
                axis.set_xlabel(f"{psnr(image[None], x[row][None])[0]:.1f} dB", color=INK)
            if title == name:
                said = axis.get_xlabel() + f"\nmoves by ≤ {balls.radius[row]:.2f}"
                axis.set_xlabel(said, color=CERTIFIED)
            if title == "its error":
                axis.set_xlabel(f"norm {np.linalg.norm(error):.2f}", color=INK)
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, color=INK, fontsize=10)


def _draw_signals(figure, x, y, found, name, balls):
    titles = [*found, "error"]
    axes = figure.subplots(_ROWS, len(titles), sharex=True, sharey="col")
    for row, line in enumerate(axes):
        for axis, title in zip(line, found, strict=False):
            style = STYLES.get(title, _OURS)
            axis.plot(y[row, :, 0], color=GREY, linewidth=0.8, alpha=0.5, label="measurement")
            axis.plot(x[row, :, 0], color=INK, linewidth=0.9, label="truth")
            axis.plot(found[title][row, :, 0], color=style["color"], linewidth=1.5)
            said = f"{psnr(found[title][row][None], x[row][None])[0]:.1f} dB"
            if title == name:
                said += f", moves by ≤ {balls.radius[row]:.2f}"
            axis.set_xlabel(said, color=CERTIFIED if title == name else INK)
            axis.set_ylim(-0.05, 1.05)
        for title in found:
            style = STYLES.get(title, _OURS)
            error = np.abs(found[title][row] - x[row])[:, 0]
            line[-1].plot(error, color=style["color"], linewidth=1.2)
        line[-1].set_xlabel("of all of them")
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, color=INK, fontsize=10)
    for axis in axes.flat:
        decorate(axis)
        axis.tick_params(labelsize=7)
    legend(axes[0, 0], fontsize=7)


def _draw_noise(axes, name, noise, trained):
    factors = [float(factor) for factor in noise]
    for method in next(iter(noise.values())):
        axes.plot(
            [100 * trained * factor for factor in factors],
            [row[method] for row in noise.values()],
            label=method,
            **STYLES.get(method, _OURS),
        )
    axes.axvline(100 * trained, color=GREY, linewidth=0.8, linestyle=DASHES)
    axes.annotate(
        "trained here",
        (100 * trained, 0.02),
        xycoords=("data", "axes fraction"),
        xytext=(4, 0),
        textcoords="offset points",
        color=GREY,
        fontsize=8,
    )
    axes.set_xscale("log", base=2)
    axes.set_xticks([100 * trained * factor for factor in factors])
    axes.set_xticklabels([f"{100 * trained * factor:g}" for factor in factors])
    axes.set_xlabel("noise in % of the measurement's r.m.s.")
    axes.set_ylabel("PSNR in dB")
    axes.set_title("classical ones tuned for each noise", color=INK, fontsize=10)
    decorate(axes)
    legend(axes)
