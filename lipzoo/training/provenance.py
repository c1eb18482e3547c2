"""What a recipe states of its data, and whether the data at hand are those that it speaks of.

A recipe's `[registry]` and `description` name a data set, its licence and its citation. With
`content_sha256` in that table they belong to the data of that hash, whatever file these lie in and
however they are split; for other data they are left out, so that no card says of one data set what
is true of another.
"""

import dataclasses
import hashlib

import numpy as np
import tomlkit

from lipzoo.data.dataset import Dataset, load_data
from lipzoo.data.splits import row_digests
from lipzoo.training.recipe import Recipe, parse_document, parse_recipe, replace_source

LEFT_OUT = (
    "the data are not those that the recipe's description and [registry] speak of, which are left "
    "out; state yours in the recipe, or in card.toml of the run folder"
)


def content_sha256(dataset: Dataset) -> str:
    """SHA-256 of the examples with their labels, whatever their order and however they are split.

    Example:

    >>> from lipzoo.data.settings import DataSettings
    >>> settings = DataSettings("sklearn:digits")
    >>> other = dataclasses.replace(settings, validation=0.2, test_size=100)
    >>> content_sha256(load_data(settings)) == content_sha256(load_data(other))
    True
    """
    splits = (dataset.train, dataset.validation, dataset.test)
    rows = sorted(
        row + int(label).to_bytes(8, "little")
        for split in splits
        for row, label in zip(row_digests(split.x), split.y, strict=True)
    )
    first = f"{dataset.input_shape}{np.dtype(dataset.train.x.dtype).str}".encode()
    return hashlib.sha256(first + b"".join(rows)).hexdigest()


def with_own_data(text: str) -> tuple[str, Recipe, Dataset]:
    """The data of a recipe, and the recipe without what it states of other data.

    Args:
        text: the recipe, as TOML text.

    Returns:
        The text as it was, or without its statements; its recipe; the data.

    Raises:
        RecipeError, DataError: see there.
    """
    recipe = parse_recipe(text)
    labelled = not recipe.reconstructs
    stated = recipe.registry.content_sha256
    if not stated:
        return text, recipe, load_data(recipe.data, labelled)
    # Names of labels are statements, too, and would be refused for other labels.
    dataset = load_data(dataclasses.replace(recipe.data, label_names={}), labelled)
    if content_sha256(dataset) != stated:
        text = without_statements(text)
        return text, parse_recipe(text), with_note(dataset)
    if recipe.data.label_names:
        dataset = load_data(recipe.data, labelled)
    return text, recipe, dataset


def with_note(dataset: Dataset) -> Dataset:
    """The data with the note that nothing is stated of them."""
    return dataclasses.replace(dataset, notes=(*dataset.notes, LEFT_OUT))


def without_statements(text: str) -> str:
    r"""A recipe's text without what it states of its data: `description`, `[registry]`, names.

    Comments, order and everything else stay.

    Example:

    >>> print(without_statements('name = "a"\ndescription = "Digits"\n[data]\nsource = "a.csv"\n'))
    name = "a"
    [data]
    source = "a.csv"
    <BLANKLINE>
    """
    document = parse_document(text)
    for table, key in (
        (document, "description"),
        (document, "registry"),
        (document.get("data", {}), "label_names"),
        (document.get("evaluation", {}), "positive"),
    ):
        table.pop(key, None)
    return tomlkit.dumps(document)


def for_other_data(text: str, source: str) -> str:
    """A recipe's text with another data source; what it states without a hash is left out."""
    text = replace_source(text, source)
    own = parse_recipe(text).registry.content_sha256
    return text if own else without_statements(text)
