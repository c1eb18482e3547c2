"""Matplotlib, which is optional, where a figure is asked for."""

from lipzoo_catalogue.installing import how_to_install


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
    return pyplot.subplots()[1]
