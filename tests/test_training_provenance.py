"""A recipe's texts about its data go with these data, and with no others."""

import json

import numpy as np
import pytest
import tomlkit

from lipzoo import training, zoo
from lipzoo.training.provenance import (
    LEFT_OUT,
    content_sha256,
    for_other_data,
    with_own_data,
    without_statements,
)
from lipzoo.training.recipe import RecipeError, parse_recipe, replace_source
from tests.tiny_runs import blobs, recipe_text, write_blobs

NAMED = """label_names = {"0" = "ant", "1" = "bee", "2" = "cat"}"""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_blobs(tmp_path_factory.mktemp("data") / "blobs.npz")


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return write_blobs(tmp_path_factory.mktemp("data") / "other.npz", seed=1)


@pytest.fixture(scope="module")
def text(source):
    """A recipe whose texts are about the first data."""
    dataset = training.load_data(parse_recipe(recipe_text(source)).data)
    stated = recipe_text(source).replace("[model]", f"{NAMED}\n\n[model]", 1)
    return f'{stated}content_sha256 = "{content_sha256(dataset)}"\n'


def test_the_hash_is_of_the_examples_and_not_of_their_order_or_splits(tmp_path):
    x, y = blobs()
    order = np.random.default_rng(5).permutation(len(x))
    np.savez(tmp_path / "a.npz", x=x, y=y)
    np.savez(tmp_path / "b.npz", x=x[order], y=y[order])
    x[3, 2] += 1e-6
    np.savez(tmp_path / "c.npz", x=x, y=y)
    x[3, 2] -= 1e-6
    y[3] = (y[3] + 1) % 3
    np.savez(tmp_path / "d.npz", x=x, y=y)
    hashes = []
    for name, size in (("a", 0.2), ("b", 0.4), ("c", 0.2), ("d", 0.2)):
        recipe = recipe_text(tmp_path / f"{name}.npz").replace("0.2", f"{size}")
        hashes.append(content_sha256(training.load_data(parse_recipe(recipe).data)))
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


def test_other_data_lose_the_texts_also_where_the_source_was_edited_by_hand(text, source, other):
    same, recipe, dataset = with_own_data(text)
    assert same == text
    assert dataset.class_names == ("ant", "bee", "cat")
    by_hand = text.replace(str(source), str(other))
    for changed in (for_other_data(text, str(other)), by_hand):
        changed, recipe, dataset = with_own_data(changed)
        assert recipe.data.source == str(other)
        registry = recipe.registry
        assert [recipe.description, registry.dataset, registry.data_licence] == ["", "", ""]
        assert dataset.class_names == ("0", "1", "2")
        assert LEFT_OUT in dataset.notes
        assert "made up" not in changed


def test_the_same_data_elsewhere_keep_them(text, source, tmp_path):
    copy = tmp_path / "copy.npz"
    copy.write_bytes(source.read_bytes())
    _, recipe, dataset = with_own_data(for_other_data(text, str(copy)))
    assert (recipe.description, recipe.registry.dataset) == ("Two clouds of points", "made up")
    assert dataset.class_names == ("ant", "bee", "cat")


def test_a_run_with_other_data_says_nothing_of_the_first(text, other, tmp_path):
    folder = tmp_path / "run"
    recipe = for_other_data(text, str(other)).replace("epochs = 3", "epochs = 1")
    metrics = training.train(recipe, folder, verbose=False)
    assert LEFT_OUT in metrics["data"]["notes"]
    everything = b"".join(p.read_bytes() for p in folder.iterdir() if p.suffix != ".png")
    for words in (b"made up", b"Two clouds", b"CC0"):
        assert words not in everything
    config = zoo.read_config(folder)
    assert (config.description, config.dataset, config.data_licence) == ("", "", "")
    with pytest.raises(ValueError, match=r"card\.toml: expected texts about the model"):
        zoo.publishing.prepare(folder, "someone/run")
    (folder / "metrics.json").unlink()
    training.train(recipe, folder, resume=True, verbose=False)
    assert json.loads((folder / "metrics.json").read_text())["data"] == metrics["data"]


def test_a_recipe_without_a_hash_loses_its_texts_with_another_source(source, other):
    changed = for_other_data(recipe_text(source), str(other))
    assert parse_recipe(changed).registry.dataset == ""
    assert parse_recipe(changed).training == parse_recipe(recipe_text(source)).training


def test_the_hash_changes_nothing_about_the_run(text):
    without = tomlkit.parse(text)
    del without["registry"]["content_sha256"]
    assert parse_recipe(tomlkit.dumps(without)).sha256() == parse_recipe(text).sha256()
    with pytest.raises(RecipeError, match=r"'registry\.content_sha256': expected 64 hexadecimal"):
        parse_recipe(text.replace('content_sha256 = "', 'content_sha256 = "x'))


LAYOUTS = [
    'name = "a"\ndata = {source = "x", test = "y", validation = 3} # why\n',
    'name = "a"\n[data]\nsource = "x"  # here\ntest = "y"\nvalidation = 3\n',
    'name = \'a\'\ndata.source = """x"""\ndata.test = \'y\'\ndata.validation = 3\n',
    'name = "a"\n[data]\n"source" = "x"\n\'test\' = "y"\nvalidation = 3\n',
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_source_is_replaced_wherever_and_however_it_stands(layout):
    more = """
[training.loss]
test = 3  # of another table
source = 4
[other]
text = '''
source = 1
test = 2
'''
"""
    values = tomlkit.parse(replace_source(layout + more, "new")).unwrap()
    expected = tomlkit.parse(layout + more).unwrap()
    expected["data"] = {"source": "new", "validation": 3}
    assert values == expected
    assert "# of another table" in replace_source(layout + more, "new")


def test_only_what_speaks_of_the_data_is_taken_out(text):
    values = tomlkit.parse(without_statements(text)).unwrap()
    expected = tomlkit.parse(text).unwrap()
    del expected["description"], expected["registry"], expected["data"]["label_names"]
    assert values == expected


@pytest.mark.parametrize("broken", ["data = 3", "name = 'x'", "[data]\ntest = 'y'", "data = {"])
def test_what_is_no_recipe_is_refused(broken):
    with pytest.raises(RecipeError, match=r"\[data\] that has a key|not a TOML file"):
        replace_source(broken, "new")
