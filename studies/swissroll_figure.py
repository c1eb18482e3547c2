"""The figure of `studies.swissroll`: how gradients travel through each network."""

import numpy as np

from lipzoo.plotting import ATTACKED, CERTIFIED, DASHES, GREY, INK, decorate, new_figure

# Below this a gradient is nothing in float32 beside the others.
_SMALLEST = 1e-9


def draw(results):
    """Draws the Jacobians' norms of each network in a column of its own, all on the same scale.

    Above, over the layers after training; below, the smallest one over the epochs.

    Args:
        results: as in the results file, by network.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    figure = new_figure(3.1 * len(results), 5.6, "studies.swissroll")
    upper, lower = figure.subplots(2, len(results), sharey="row", squeeze=False)
    columns = zip(upper, lower, results.items(), strict=True)
    for above, below, (name, result) in columns:
        # What loses its gradients is told apart by its colour too.
        colour = CERTIFIED if result["smallest_backward_norm"] >= 1 else ATTACKED
        norms = result["backward_norm_by_layer_after_training"]
        depth = np.arange(1, len(norms["median"]) + 1)
        low, high = (np.maximum(norms[key], _SMALLEST) for key in ("min", "max"))
        above.fill_between(depth, low, high, color=colour, alpha=0.18, linewidth=0)
        above.plot(depth, norms["median"], color=colour, marker="o", markersize=3.5)
        accuracy = 100 * result["mean_test_accuracy"]
        above.set_title(f"{name}\n{accuracy:.1f} % of the test set", color=INK, fontsize=10)
        above.set(xlabel="layer", xlim=(0.5, 12.5))
        smallest = np.maximum(result["smallest_backward_norm_by_epoch"], _SMALLEST)
        below.plot(result["epochs"], smallest, color=colour)
        below.set_xlabel("epoch")
    for axes in figure.axes:
        axes.set_yscale("log")
        axes.axhline(1.0, color=GREY, linewidth=1.0, linestyle=DASHES)
        decorate(axes)
    upper[0].set_ylabel("‖∂ last state / ∂ state‖\nmedian and range")
    lower[0].set_ylabel("the smallest of all")
    return figure
