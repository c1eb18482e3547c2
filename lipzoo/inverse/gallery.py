"""Pictures of reconstructions beside their measurements, with the radii that hold them."""

import numpy as np

from lipzoo.plotting import INK, PALE, new_figure
from lipzoo.validation import integer
from lipzoo_catalogue.formatting import format_up


def show(certificate, y, n=6):
    """Draws what was certified; see `ReconstructionCertificate.show`."""
    y = np.asarray(y)
    if len(y) != len(certificate):
        raise ValueError(
            f"Expected the {len(certificate)} measurements that were certified. "
            f"Received: y of shape {y.shape}"
        )
    count = min(len(y), integer(n, "n"))
    figure = new_figure(2.2 * max(count, 2), 4.8, "ReconstructionCertificate.show", dpi=150)
    grid = figure.subplots(2, count, squeeze=False)
    for i, (above, below) in enumerate(grid.T):
        _draw(above, y[i])
        _draw(below, certificate.reconstruction[i])
        below.set_xlabel(
            f"moves by at most {format_up(float(certificate.radius[i]), 3)}\n"
            f"while the measurement moves by {certificate.noise_norm[i]:.3g}",
            fontsize=7,
            color=INK,
        )
    for row, name in zip(grid, ("measurement", "reconstruction"), strict=True):
        row[0].set_ylabel(name, fontsize=9, color=INK)
    return figure


def _draw(axes, values: np.ndarray) -> None:
    """An image, lighter where its values are larger; numbers along one axis as a curve."""
    values = np.squeeze(values)
    if values.ndim == 3 and values.shape[-1] != 3:
        values = values[..., 0]
    if values.ndim < 2:
        axes.plot(np.atleast_1d(values), color=INK, linewidth=1)
    else:
        low, high = min(0.0, values.min()), max(1.0, values.max())
        colour = values.ndim == 3
        axes.imshow((values - low) / (high - low) if colour else values, cmap="gray")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color(PALE)
