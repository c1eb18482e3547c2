"""Recipes that lipzoo brings, found by their names."""

from pathlib import Path

from lipzoo_catalogue.near_names import did_you_mean


def bundled_recipes() -> dict[str, Path]:
    """The recipes that lipzoo brings, by their names."""
    root = Path(__file__).parents[1]
    folders = (root / "lipzoo" / "_bundled" / "recipes", root / "recipes")
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.toml"))}


def find_recipe(name: str) -> Path:
    """Path of a recipe file: `name` itself, or the recipe of that name that lipzoo brings.

    Raises:
        ValueError: if there is neither.
    """
    path = Path(name)
    if path.suffix == ".toml" or path.exists():
        return path
    bundled = bundled_recipes()
    if name in bundled:
        return bundled[name]
    advice = did_you_mean(name, bundled) or f"Bundled are {', '.join(bundled)}."
    raise ValueError(f"{name}: neither a .toml file nor the name of a bundled recipe. {advice}")
