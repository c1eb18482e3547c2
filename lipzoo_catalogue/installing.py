"""How a user installs what is missing: lipzoo is on no index, so that an extra needs a clone."""

from pathlib import Path


def how_to_install(extra: str) -> str:
    """What to type for one of lipzoo's extras, from a clone or beside an installed copy.

    Example:
        >>> print(how_to_install("attacks"))  # doctest: +ELLIPSIS
        pip install '...[attacks]'...
    """
    clone = Path(__file__).parents[1]
    if (clone / "pyproject.toml").is_file():
        here = "." if clone == Path.cwd() else clone
        return f"pip install '{here}[{extra}]'"
    return f"pip install '.[{extra}]' in a clone of lipzoo's repository"
