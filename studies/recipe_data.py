"""Where the data of the bundled recipes lie: files that a recipe names relative to a folder."""

import contextlib
from collections.abc import Iterable
from pathlib import Path

from lipzoo.training.recipe import Recipe


def add_data_option(parser) -> None:
    """Adds `--data DIR`, which may be repeated."""
    parser.add_argument(
        "--data",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="folder in which, or in whose subfolders, the recipes' files lie; may be repeated "
        "(default: the working folder). tfds:NAME is found as TFDS finds it",
    )


@contextlib.contextmanager
def working_where_the_data_lie(recipe: Recipe, folders: Iterable[Path]):
    """Context in which the working folder is one that has the recipe's files.

    Raises:
        FileNotFoundError: if none of the folders has them; the message names the file.
    """
    source = recipe.data.source
    if ":" in source:
        yield
        return
    folders = [*folders] or [Path()]
    places = [place for folder in folders for place in (folder, *sorted(folder.glob("*/")))]
    found = next((place for place in places if (place / source).exists()), None)
    if found is None:
        searched = ", ".join(str(folder) for folder in folders)
        raise FileNotFoundError(f"{source}: expected in {searched} or a subfolder; see --data")
    with contextlib.chdir(found):
        yield
