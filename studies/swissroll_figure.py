"""The figure of `studies.swissroll`: decisions, and sensitivity over epochs and layers."""

import numpy as np

from lipzoo.plotting import ATTACKED, CERTIFIED, GREY, INK

COLOURS = (CERTIFIED, ATTACKED, "#b8860b", "#5b8c5a")
_SIDE = 160


def draw(results, models, test):
    """Draws the decisions of each network's first seed above the norms of all seeds.

    Args:
        results: as in the results file, by network.
        models: one trained model per network.
        test: the test split.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 7), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.0, 1.15))
    for axes, (name, model) in zip(
        upper.subplots(1, len(models), squeeze=False)[0], models.items(), strict=True
    ):
        _decisions(axes, model, test)
        accuracy = 100 * results[name]["mean_test_accuracy"]
        axes.set_title(f"{name}\n{accuracy:.1f} % of the test set", color=INK, fontsize=10)
    over_epochs, over_layers = lower.subplots(1, 2)
    for colour, (name, result) in zip(COLOURS[: len(results)], results.items(), strict=True):
        smallest = np.maximum(result["smallest_backward_norm_by_epoch"], 1e-12)
        over_epochs.plot(result["epochs"], smallest, color=colour, label=name)
        norms = result["backward_norm_by_layer_after_training"]
        depth = np.arange(1, len(norms["median"]) + 1)
        over_layers.plot(depth, norms["median"], color=colour, marker=".", label=name)
        low = np.maximum(norms["min"], 1e-12)
        over_layers.fill_between(depth, low, norms["max"], color=colour, alpha=0.13)
    over_epochs.set_title("smallest norm over layers, examples and seeds", color=INK, fontsize=10)
    over_epochs.set_xlabel("epoch", color=INK)
    over_layers.set_title("after training: median, and range over all", color=INK, fontsize=10)
    over_layers.set_xlabel("layer", color=INK)
    for axes in (over_epochs, over_layers):
        axes.set_yscale("log")
        axes.axhline(1.0, color=GREY, linewidth=1.0, linestyle=(0, (4, 3)))
        axes.set_ylabel("‖∂ last state / ∂ state‖", color=INK)
        axes.spines[["top", "right"]].set_visible(False)
    over_epochs.legend(frameon=False, fontsize=9, labelcolor=INK)
    return figure


def _decisions(axes, model, test):
    extent = 1.1 * float(np.abs(test.x).max())
    line = np.linspace(-extent, extent, _SIDE, dtype="float32")
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    logits = model.predict(grid, batch_size=4096, verbose=0)
    chosen = logits.argmax(axis=1).reshape(_SIDE, _SIDE)
    axes.imshow(
        chosen,
        extent=(-extent, extent, -extent, extent),
        origin="lower",
        cmap="PuOr",
        vmin=-0.6,
        vmax=1.6,
        alpha=0.55,
    )
    for label, colour in enumerate(("#7f3b08", "#2d004b")):
        points = test.x[test.y == label]
        axes.scatter(*points.T, s=3, color=colour, linewidths=0)
    axes.set(xticks=[], yticks=[])
