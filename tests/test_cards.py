"""Model cards: from the files alone, the same everywhere, with programs that run."""

import json
import re

import pytest
from huggingface_hub import ModelCard

import lipzoo
from lipzoo import models, zoo
from lipzoo_catalogue.cards import hub_card, is_untouched, plain_card
from lipzoo_catalogue.cards.sections import architectures
from lipzoo_catalogue.files import record_of
from lipzoo_catalogue.registry import weights_folder
from tests import zoo_models

NAMES = lipzoo.list_models()
each_model = pytest.mark.parametrize("name", NAMES)
_TASKS = {name: lipzoo.info(name).task for name in NAMES}
each_classifier = pytest.mark.parametrize(
    "name", [name for name in NAMES if _TASKS[name] == "classification"]
)
each_reconstruction = pytest.mark.parametrize(
    "name", [name for name in NAMES if _TASKS[name] == "reconstruction"]
)
_PROGRAM = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def _program(name):
    (program,) = _PROGRAM.findall(plain_card(lipzoo.info(name)))
    return program


def _typical():
    """Small models, so many that each architecture is there and each program but for its sizes."""
    chosen, seen = [], set()
    size = {name: lipzoo.info(name).files["model.safetensors"].bytes for name in NAMES}
    for name in sorted(NAMES, key=size.get):
        new = {lipzoo.info(name).architecture, re.sub(r"\d+", "", _program(name).replace(name, ""))}
        if not new <= seen:
            seen |= new
            chosen.append(name)
    return chosen


@pytest.mark.parametrize("name", _typical())
def test_the_program_of_a_card_runs(name, capsys):
    exec(compile(_program(name), f"card of {name}", "exec"), {})
    assert "Lipschitz bound" in capsys.readouterr().out


@each_classifier
def test_the_program_of_a_card_has_inputs_of_the_models_shape(name):
    shape = lipzoo.info(name).config.arguments["input_shape"]
    assert f"lipzoo.load({name!r})".replace("'", '"') in _program(name)
    assert f"({', '.join(map(str, [4, *shape]))})" in _program(name)


@each_classifier
def test_the_results_of_a_card_are_those_of_the_metrics_file(name):
    known = lipzoo.info(name)
    metrics = json.loads((weights_folder() / name / "metrics.json").read_text())
    data = ModelCard(hub_card(known, f"someone/{name}")).data
    assert (data.library_name, data.license) == ("keras", "apache-2.0")
    assert {"lipzoo", known.architecture.lower()} <= set(data.tags)
    values = {result.metric_name: result.metric_value for result in data.eval_results}
    tables = {"": metrics["test"]}
    if "unseen" in metrics["test"]:
        unseen = metrics["test"]["unseen"]
        tables[f", the {unseen['examples']:,} unseen examples"] = unseen
        assert next(iter(values)) == f"clean accuracy, the {unseen['examples']:,} unseen examples"
    for those, table in tables.items():
        assert values.pop(f"clean accuracy{those}") == round(100 * table["clean"], 2)
        for radius, share in table["certified"].items():
            key = f"certified accuracy at l2 radius {radius}{those}"
            assert values.pop(key) == round(100 * share, 2)
    sample = metrics.get("test_sample", {"examples": 0, "attacked": {}})
    for radius, share in sample["attacked"].items():
        key = f"accuracy under attack at l2 radius {radius}, {sample['examples']} examples"
        assert values.pop(key) == round(100 * share, 2)
    assert not values
    card = plain_card(known)
    for table in (metrics["test"], metrics["test_float64"], *tables.values()):
        shares = [table["clean"], *table["certified"].values()]
        assert f"| {' | '.join(f'{100 * share:.2f}' for share in shares)} |" in card
    for text in (metrics["recipe_sha256"], metrics["data"]["sha256"], metrics["hardware"]):
        assert text in card
    certified = any(share > 0 for share in metrics["test"]["certified"].values())
    assert ("Not for certification" in card) == (not certified)
    assert ("certified-robustness" in data.tags) == certified


@each_reconstruction
def test_the_results_of_a_reconstruction_are_those_of_the_metrics_file(name):
    known = lipzoo.info(name)
    metrics = json.loads((weights_folder() / name / "metrics.json").read_text())
    card = plain_card(known)
    for method, row in metrics["test"]["methods"].items():
        assert f"| {method} | {row['psnr']:.2f} | {row['ssim']:.3f} |" in card
    # Denoisers are trained by a study, which has no recipe.
    recipe = {} if name.startswith("denoiser-") else metrics
    hashes = [recipe["recipe_sha256"], recipe["data"]["sha256"]] if recipe else []
    for text in (*hashes, metrics["hardware"]):
        assert text in card
    data = ModelCard(hub_card(known, f"someone/{name}")).data
    values = {result.metric_type: result.metric_value for result in data.eval_results}
    assert values["psnr"] == next(iter(metrics["test"]["methods"].values()))["psnr"]


@each_model
def test_a_card_says_what_only_a_person_knows(name):
    known = lipzoo.info(name)
    card = plain_card(known)
    for key in ("intended_use", "limitations"):
        text = getattr(known.text, key) or getattr(known.config, key)
        assert text.strip()
        assert text.strip() in card
    for title in ("Use", "Architecture", "Results", "Proven bound", "Training", "Citation"):
        assert f"\n## {title}\n" in card


def test_every_architecture_has_its_equation():
    assert set(models.ARCHITECTURES) <= set(architectures())
    for texts in architectures().values():
        assert texts["equation"].strip()
        assert texts["text"].strip()


def test_our_own_card_is_told_from_an_edited_one():
    card = hub_card(lipzoo.info(NAMES[0]), "someone/model")
    assert is_untouched(card)
    assert is_untouched(card.replace("\n", "\r\n"))
    edits = (
        card.replace("Citation", "How to cite"),
        card + "One more line.\n",
        "\n" + card,
        card.rpartition("<!--")[0],
        card.replace("license: apache-2.0", "license: mit"),
        "",
    )
    for edited in edits:
        assert not is_untouched(edited)


@pytest.fixture
def run(tmp_path):
    """A folder with a model whose files may be changed."""
    zoo_models.save_run(tmp_path / "run")
    return tmp_path / "run"


def test_a_card_needs_no_more_than_a_saved_model(run):
    (run / "metrics.json").unlink()
    known = lipzoo.info(run)
    assert known.metrics is None
    assert "model-index" not in hub_card(known, "someone/run")
    assert "## Results" not in plain_card(known)
    assert "test          none" in str(known)


def test_accuracy_under_attack_is_shown_where_it_was_measured(run):
    assert "none was measured" in plain_card(lipzoo.info(run))
    attacked = {"attacked": {"0.5": 0.7}, "attack": "PGD, 100 steps"}
    zoo_models.edit_json(run / "metrics.json", lambda v: v["test"].update(attacked))
    card = plain_card(lipzoo.info(run))
    assert "| attacked, evaluated in float32 (PGD, 100 steps) | 90.00 |  | 70.00 |" in card
    assert "none was measured" not in card
    assert re.search(r"0\.5 +70\.00 % +attacked", str(lipzoo.info(run)))
    for share, message in ((0.5, "at least the certified accuracy"), (0.95, "at most the accur")):
        attacked["attacked"]["0.5"] = share
        zoo_models.edit_json(run / "metrics.json", lambda v: v["test"].update(attacked))
        with pytest.raises(ValueError, match=rf"test\.attacked\.0\.5': expected {message}"):
            lipzoo.info(run)


def test_other_methods_are_shown_beside_the_model(run):
    own = {"name": "run", "clean": 0.9, "interval": [0.8, 0.95]}
    methods = [
        {**own, "certified": [0.6], "attacked": [0.7]},
        {**own, "name": "forest", "clean": 0.92, "certified": None, "attacked": [0]},
    ]
    value = {"radii": [0.5], "units": "pixels", "attack": "PGD", "methods": methods}
    zoo_models.edit_json(run / "metrics.json", lambda v: v.update(comparison=value))
    card = plain_card(lipzoo.info(run))
    assert "|  | clean % (95 % interval) | certified at 0.5 | attacked at 0.5 |" in card
    assert "| run | 90.0 (80.0 to 95.0) | 60.0 | 70.0 |" in card
    assert "| forest | 92.0 (80.0 to 95.0) | none | 0.0 |" in card
    assert "none was measured" not in card
    for key, wrong, message in (
        ("attacked", [0.5], r"at least the certified shares"),
        ("certified", [0.1, 0.2], r"certified': expected 1 fractions"),
        ("interval", None, r"interval': expected 2 fractions"),
        ("clean", 2, r"clean': expected a fraction"),
        ("clean", 0.96, r"interval': expected an interval that holds the clean share, 0.96"),
        ("interval", [0.9, 0.1], r"interval': expected an interval that holds the clean share"),
        ("attacked", [0.91], r"attacked': expected at most 0.9, clean"),
        ("certified", [0.91], r"certified': expected at most 0.9, clean"),
    ):
        broken = {**value, "methods": [{**methods[0], key: wrong}]}
        zoo_models.edit_json(run / "metrics.json", lambda v, b=broken: v.update(comparison=b))
        with pytest.raises(ValueError, match=message):
            lipzoo.info(run)
    two = {**value, "radii": [0.5, 1.0]}
    for radii, certified, message in (
        ([1.0, 0.5], [0.6, 0.5], r"radii': expected increasing radii"),
        ([0.5, 1.0], [0.5, 0.6], r"certified': expected shares that do not grow"),
    ):
        method = {**methods[0], "certified": certified, "attacked": None}
        broken = {**two, "radii": radii, "methods": [method]}
        zoo_models.edit_json(run / "metrics.json", lambda v, b=broken: v.update(comparison=b))
        with pytest.raises(ValueError, match=message):
            lipzoo.info(run)


def test_texts_of_a_person_are_checked(run):
    (run / "card.toml").write_text('intended_use = "Sorting"\ndatasets = ["someone/data"]')
    assert "## What it is for\n\nSorting\n" in plain_card(lipzoo.info(run))
    data = ModelCard(hub_card(lipzoo.info(run), "someone/run")).data
    assert data.datasets == ["someone/data"]
    broken = {
        "unknown key 'limits'. Did you mean 'limitations'": "limits = ''",
        "key 'datasets': expected a list of texts": "datasets = 'mnist'",
        "key 'notes': expected text": "notes = 3",
        "not a TOML file": "notes",
    }
    for message, text in broken.items():
        (run / "card.toml").write_text(text)
        with pytest.raises(ValueError, match=r"card\.toml: ") as caught:
            lipzoo.info(run)
        assert message in str(caught.value)


METHODS = {
    "InvNet": {
        "psnr": 24.125,
        "ssim": 0.81,
        "lipschitz_bound": 3.25,
        "certified_movement": 0.375,
        "worst_movement": 0.0213,
        "parameters": 12,
    },
    "Tikhonov": {"psnr": 21.5, "ssim": 0.7, "lipschitz_bound": 2.5},
    "TV": {"psnr": 23.0, "ssim": 0.8, "lipschitz_bound": None},
}


@pytest.fixture
def reconstruction(run):
    """The folder of a reconstruction model, made up: no builder of it is needed for its card."""
    zoo_models.edit_json(
        run / "config.json",
        lambda v: v.update(
            architecture="InvNet",
            arguments={"operator": {"name": "blur", "size": 64}, "steps": 4},
            class_names=[],
        ),
    )
    test = {"examples": 100, "noise": 0.02, "perturbation": 0.1, "methods": METHODS}
    metrics = {"format_version": 1, "task": "reconstruction", "test": test}
    (run / "metrics.json").write_text(json.dumps(metrics))
    record = vars(record_of((run / "config.json").read_bytes()))
    zoo_models.edit_json(
        run / "certificate.json", lambda v: v["files"].update({"config.json": record})
    )
    return run


def test_a_reconstruction_model_needs_files_alone(reconstruction, capsys):
    known = lipzoo.info(reconstruction)
    assert known.task == "reconstruction"
    assert re.search(r"InvNet +24\.12 +0\.810 +3\.25", str(known))
    assert "classes" not in str(known)
    card = plain_card(known)
    assert "| InvNet | 24.12 | 0.810 | 3.25 | 0.375 | 0.0213 |" in card
    assert "| TV | 23.00 | 0.800 | none | none |  |" in card
    assert "is 0.02 times the root mean square" in card
    assert "whose measurement moves by 0.1" in card
    assert "x = model.predict(y" in card
    assert "Certified at" not in card
    assert "certified l2 radius" not in card
    data = ModelCard(hub_card(known, "someone/deblur")).data
    assert data.pipeline_tag == "image-to-image"
    values = {result.metric_type: result.metric_value for result in data.eval_results}
    assert values == {"psnr": 24.125, "ssim": 0.81, "lipschitz_bound": 3.25}


def test_a_reconstruction_network_is_saved_verified_and_its_card_runs(tmp_path, capsys):
    scanner = {"class_name": "Tomography", "config": {"size": 6, "angles": 3}}
    arguments = {"operator": scanner, "alpha": 0.1, "steps": 2, "width": 4, "filters": 4}
    config = zoo.ModelConfig("InvNet", arguments, description="A small scanner", licence="CC0")
    model = models.InvNet(**arguments)
    test = {"examples": 10, "noise": 0.02, "methods": METHODS}
    metrics = {"format_version": 1, "task": "reconstruction", "test": test}
    for name, results in (("scan", metrics), ("unmeasured", None)):
        folder = tmp_path / name
        zoo.save_model(folder, model, config, metrics=results)
        assert lipzoo.verify(folder).passed
        (program,) = _PROGRAM.findall(plain_card(lipzoo.info(folder), str(folder)))
        exec(compile(program, "card", "exec"), {})
        assert "Lipschitz bound" in capsys.readouterr().out


def test_results_of_a_reconstruction_are_checked(reconstruction):
    path = reconstruction / "metrics.json"
    original = path.read_text()
    broken = {
        "key 'task': expected 'classification' or": lambda v: v.update(task="segmentation"),
        "missing key 'test.noise'": lambda v: v["test"].pop("noise"),
        "key 'test.noise': expected a non-neg": lambda v: v["test"].update(noise=-1),
        "key 'test.methods': expected an obj": lambda v: v["test"].update(methods={}),
        "at most the certified movement, 0.375": lambda v: v["test"]["methods"]["InvNet"].update(
            worst_movement=0.4
        ),
        "key 'test.methods.TV.psnr': expected": lambda v: v["test"]["methods"]["TV"].update(
            psnr="high"
        ),
    }
    for message, change in broken.items():
        path.write_text(original)
        zoo_models.edit_json(path, change)
        with pytest.raises(ValueError, match=r"metrics\.json: ") as caught:
            lipzoo.info(reconstruction)
        assert message in str(caught.value)


def test_without_a_proven_bound_a_reconstruction_says_so(reconstruction):
    path = reconstruction / "metrics.json"
    zoo_models.edit_json(
        path, lambda v: v["test"]["methods"]["InvNet"].update(lipschitz_bound=None)
    )
    assert "**No bound is proven**" in plain_card(lipzoo.info(reconstruction))


def test_a_changed_card_is_entered_by_promoting_the_model_again(tmp_path, run, monkeypatch):
    weights = tmp_path / "weights"
    lipzoo.zoo.promote(run, weights_dir=weights)
    zoo_models.use_zoo(monkeypatch, tmp_path)
    entry = {"repo": "someone/run", "revision": "0" * 40}
    zoo_models.edit_json(weights / "registry.json", lambda v: v["models"]["run"].update(entry))
    lipzoo.zoo.promote(weights / "run", weights_dir=weights)
    assert lipzoo.info("run").revision == "0" * 40  # nothing changed
    for text, message in (("notes = 3", "key 'notes'"), ("notes = 'New'", None)):
        (weights / "run" / "card.toml").write_text(text)
        if message:
            with pytest.raises(ValueError, match=rf"card\.toml: {message}"):
                lipzoo.zoo.promote(weights / "run", weights_dir=weights)
    lipzoo.zoo.promote(weights / "run", weights_dir=weights)
    assert "New" in plain_card(lipzoo.info("run"))
    assert lipzoo.info("run").revision is None  # what was published has another card
