"""Recipes: what is right is read exactly, what is wrong is named with file and key."""

import dataclasses
import json
import math
from pathlib import Path

import pytest

from lipzoo.training.recipe import RecipeError, parse_recipe, read_recipe, replace_source
from lipzoo.training.recipe_hash import FIRST_KEYS
from lipzoo.training.settings import TrainingSettings
from lipzoo_catalogue.formatting import parse_fraction
from tests.tiny_runs import recipe_text

ROOT = Path(__file__).parent.parent
RECIPES = sorted((ROOT / "recipes").glob("*.toml"))
PUBLISHED = sorted(path.parent for path in (ROOT / "weights").glob("*/recipe.toml"))
TEXT = recipe_text("points.csv")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_shipped_recipes_are_valid_and_named_after_their_file(path):
    recipe = read_recipe(path)
    assert recipe.name == path.stem
    assert recipe.description
    assert recipe.registry.dataset
    assert recipe.registry.data_licence


def test_values_and_defaults():
    recipe = parse_recipe(TEXT)
    assert recipe.data.source == "points.csv"
    assert recipe.model.arguments == {"features": 8, "dense_depth": 1}
    assert recipe.training.loss.arguments() == {"epsilon": 0.5}
    assert recipe.training.augment.shift == 0
    assert recipe.evaluation.radii() == {"36/255": 36 / 255, "0.5": 0.5}


def test_hash_depends_on_values_not_on_layout():
    recipe = parse_recipe(TEXT)
    assert parse_recipe("# a comment\n" + TEXT.replace(" = ", "=")).sha256() == recipe.sha256()
    assert parse_recipe(TEXT.replace("0.02", "0.03")).sha256() != recipe.sha256()


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.name)
def test_a_published_recipe_keeps_the_hash_that_its_training_recorded(path):
    recorded = json.loads((path / "metrics.json").read_text(encoding="utf-8"))["recipe_sha256"]
    assert read_recipe(path / "recipe.toml").sha256() == recorded


def _tables(settings, name=""):
    """Every table of a recipe with its dotted name."""
    yield name, settings
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            yield from _tables(value, f"{name}.{field.name}".lstrip("."))


def test_the_first_keys_are_keys_of_every_table():
    tables = dict(_tables(parse_recipe(TEXT)))
    assert tables.keys() == FIRST_KEYS.keys()
    for name, settings in tables.items():
        assert set(FIRST_KEYS[name]) <= {field.name for field in dataclasses.fields(settings)}, name


LATER = {
    "data": {"missing_values": ("-9",)},
    "model": {"start": "gradflow-digits"},
    "training": {"class_weight": "balanced"},
    "evaluation": {"positive": "a"},
    "registry": {"units": "metres"},
}


@pytest.mark.parametrize("table", LATER)
def test_what_came_later_counts_where_it_is_not_the_default(table):
    recipe = parse_recipe(TEXT)
    changed = dataclasses.replace(getattr(recipe, table), **LATER[table])
    assert not set(LATER[table]) & FIRST_KEYS[table]
    assert dataclasses.replace(recipe, **{table: changed}).sha256() != recipe.sha256()


# Hashes of `TEXT` with more in a table, as version 0.2.0 made them when every table had a rule.
WITH = {
    "": "17395195325948e8",
    '[training]\noptimizer = "stiefel_muon"': "28b619d15617a788",
    '[training]\noptimizer = "stiefel_muon"\nstiefel_muon = {momentum = 0.9}': "29972222ea28c20b",
    "[training]\nrestart = {epochs = 2}": "756c7bc6ab39571f",
    "[training]\nadversary = {epsilon = 0.3}": "fd7b3cb6e2d2fcca",
    # Nothing is read of these.
    "[training]\nrestart = {learning_rate = 0.01, augment = {flip = true}}": "17395195325948e8",
    "[training]\nadversary = {steps = 3}": "17395195325948e8",
    "[measurement]\nexamples = 7\n[training]": "17395195325948e8",
}


@pytest.mark.parametrize("text", WITH)
def test_a_table_counts_whole_where_it_is_read_and_not_at_all_elsewhere(text):
    recipe = parse_recipe(TEXT.replace("[training]", text, 1) if text else TEXT)
    assert recipe.sha256().startswith(WITH[text])


def test_a_new_key_with_a_default_changes_no_hash():
    @dataclasses.dataclass(frozen=True)
    class Longer(TrainingSettings):
        tomorrow: int = 0

    recipe = parse_recipe(TEXT)
    values = vars(recipe.training)
    for training, same in ((Longer(**values), True), (Longer(**values, tomorrow=1), False)):
        longer = dataclasses.replace(recipe, training=training)
        assert (longer.sha256() == recipe.sha256()) is same


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("batch_size = 16", "batchsize = 16", "unknown key 'training.batchsize'.*'batch_size'"),
        ("[evaluation]", "[evaluate]", "unknown key 'evaluate'. Did you mean 'evaluation'"),
        ("[registry]", "[zzz]", "unknown key 'zzz'. Known keys: name,"),
        ("batch_size = 16", "", "missing key 'training.batch_size'"),
        ('source = "points.csv"', "", "missing key 'data.source'"),
        ('name = "tiny-blobs"', 'name = "Tiny Blobs"', "key 'name': expected lower-case words"),
        ("seed = 3", "seed = -3", "key 'seed': expected a whole number from 0"),
        ("epochs = 3", "epochs = 3.0", "key 'training.epochs': expected a whole number"),
        ("epochs = 3", "epochs = true", "key 'training.epochs': expected a whole number"),
        ("epochs = 3", "epochs = 0", "key 'training.epochs': .* at least 1"),
        ("0.02", '"0.02"', "key 'training.learning_rate': expected a number. Received: '0.02'"),
        ("0.02", "nan", "key 'training.learning_rate': expected a finite positive number"),
        ("warmup_epochs = 0.5", "warmup_epochs = 4", "key 'training.warmup_epochs'"),
        ("warmup_epochs = 0.5", "ema = 1.0", "key 'training.ema': expected a decay"),
        ("warmup_epochs = 0.5", 'optimizer = "adm"', "'training.optimizer'.*Did you mean 'adam'"),
        (
            "warmup_epochs = 0.5",
            "jit_compile = 1",
            "'training.jit_compile': expected one of",
        ),
        (
            "warmup_epochs = 0.5",
            "stiefel_muon = {momentum = 0.9}",
            "'training.stiefel_muon': expected no such table without `optimizer",
        ),
        (
            "warmup_epochs = 0.5",
            'optimizer = "stiefel_muon"\nstiefel_muon = {momentum = nan}',
            "'training.stiefel_muon.momentum': expected a number from 0 to below 1",
        ),
        (
            "warmup_epochs = 0.5",
            'optimizer = "stiefel_muon"\nstiefel_muon = {newton_schulz_steps = 0}',
            "'training.stiefel_muon.newton_schulz_steps': expected a whole number from 1 to 5",
        ),
        (
            "warmup_epochs = 0.5",
            'optimizer = "stiefel_muon"\nstiefel_muon = {adam_lr_ratio = -1.0}',
            "'training.stiefel_muon.adam_lr_ratio': expected a finite positive number",
        ),
        (
            "warmup_epochs = 0.5",
            'optimizer = "stiefel_muon"\nweight_decay = 1.0',
            "'training.weight_decay': expected a number below 1",
        ),
        ("warmup_epochs = 0.5", "augment = {shift = -1}", "'training.augment.shift'"),
        ("warmup_epochs = 0.5", 'augment = ["flip"]', "'training.augment': expected a table"),
        ("epsilon = 0.5", "margin = 0.5", "'training.loss.margin': expected no such key for loss"),
        ("epsilon = 0.5", "temperature = 0", "'training.loss.temperature': expected a finite pos"),
        ("validation = 0.2", "validation = 1.5", "'data.validation': expected a whole number of"),
        ("validation = 0.2", 'validation = "1/x"', "'data.validation'"),
        ("validation = 0.2", 'kind = "picture"', "'data.kind': expected one of 'auto', 'image'"),
        ('["36/255", 0.5]', '["36/0"]', "'evaluation.epsilons': expected non-negative"),
        ('["36/255", 0.5]', "0.5", "'evaluation.epsilons': expected a list"),
        ("features = 8", "num_classes = 8", "'model.arguments.num_classes': expected no such key"),
    ],
)
def test_mistakes_are_named(old, new, message, tmp_path):
    assert old in TEXT
    path = tmp_path / "mine.toml"
    path.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(RecipeError, match=rf"mine\.toml: .*{message}"):
        read_recipe(path)


def test_files_that_are_no_recipes(tmp_path):
    with pytest.raises(RecipeError, match="no such recipe file"):
        read_recipe(tmp_path / "none.toml")
    (tmp_path / "broken.toml").write_text("name = ")
    with pytest.raises(RecipeError, match=r"broken\.toml: not a TOML file: Invalid value"):
        read_recipe(tmp_path / "broken.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(RecipeError, match="cannot be read"):
        read_recipe(tmp_path / "bytes.toml")
    with pytest.raises(RecipeError, match="cannot be read"):
        read_recipe(tmp_path)


def test_another_source_changes_one_line_only():
    source = 'C:\\data\\"my" file.csv'
    other = parse_recipe(replace_source(TEXT, source))
    assert other.data.source == source
    assert other.training == parse_recipe(TEXT).training
    with_test = TEXT.replace("[data]", '[data]\ntest = "other.csv"')
    assert parse_recipe(replace_source(with_test, "a.npz")).data.test is None
    assert replace_source("data = {source = 'x'}", "y") == 'data = {source = "y"}'


@pytest.mark.parametrize(("text", "value"), [("36/255", 36 / 255), (0.25, 0.25), ("1e-1", 0.1)])
def test_fractions(text, value):
    assert math.isclose(parse_fraction(text), value)
    with pytest.raises(ValueError):
        parse_fraction(f"{text}/zero")
