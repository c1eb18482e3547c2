"""What README and docs show: programs that run as pasted, commands and names that exist."""

import pkgutil
import re
import shlex
import tomllib
import warnings
from pathlib import Path

import matplotlib
import pytest

import lipzoo
from lipzoo_cli import build_parser
from tests.hub_client import hub, model_files
from tests.hub_server import WRITER

__all__ = ["hub"]
ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
# Packages that pages show at work and that lipzoo needs for nothing, by what needs them.
ELSEWHERE = {
    "import keras_tuner": "keras_tuner",
    "TensorBoard(": "tensorboard",
    "import mlflow": "mlflow",
    "import wandb": "wandb",
}
# By page and language, as they stand there; the name of the page goes into the test's.
BLOCKS = [
    (page.relative_to(ROOT).as_posix(), language, block)
    for page in PAGES
    for language, block in re.findall(
        r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
]


def _blocks(language):
    return [(page, block) for page, found, block in BLOCKS if found == language]


def test_the_readme_is_read_in_one_sitting():
    assert README.stat().st_size <= 8 * 1024


@pytest.mark.parametrize(("page", "block"), _blocks("python"))
def test_programs_run_as_pasted(page, block, request, monkeypatch, tmp_path):
    """In a fresh namespace and an empty folder."""
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    for text, name in ELSEWHERE.items():
        if text in block:
            pytest.importorskip(name)
            # What such a package says of its own code is no matter of ours.
            warnings.simplefilter("ignore")
    client = None
    if "hf://" in block:
        client = request.getfixturevalue("hub")
        client.add("someone/their-model", model_files("gradflow-digits"))
        monkeypatch.setenv("HF_TOKEN", WRITER)
    exec(compile(block, page, "exec"), {"__name__": "__main__"})
    if client is not None:
        assert "certificate.json" in client.files("someone/my-model")


@pytest.mark.parametrize(("page", "block"), _blocks("py"))
def test_pieces_of_programs_stand_in_an_example(page, block):
    """What runs on the engines alone; `make test-engines` runs the examples."""
    assert any(
        block in path.read_text(encoding="utf-8") for path in (ROOT / "examples").glob("*.py")
    )


def test_programs_are_there():
    assert len(_blocks("python")) >= 15
    assert any(page == README.name for page, _ in _blocks("python"))


COMMANDS = sorted(
    {
        line.removeprefix("lipzoo ")
        for _, block in _blocks("")
        for line in block.replace("\\\n", " ").splitlines()
        if line.startswith("lipzoo ")
    }
)


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_are_understood(line):
    words = shlex.split(line.partition(" > ")[0], comments=True)
    arguments = build_parser().parse_args(words)
    assert arguments.command == words[0]
    if arguments.command == "train" and arguments.recipe.startswith("recipes/"):
        assert (ROOT / arguments.recipe).is_file()
    model = getattr(arguments, "model", "hf://")
    elsewhere = model.startswith(("hf://", "runs/")) or model.endswith((".onnx", ".keras"))
    assert elsewhere or arguments.model in lipzoo.list_models()


@pytest.mark.parametrize(("page", "block"), _blocks("toml"))
def test_pieces_of_recipes_have_keys_that_recipes_have(page, block):
    from tests.test_documents import DOCUMENTED

    for table, values in _tables(tomllib.loads(block)):
        known = DOCUMENTED[f"[{table}]" if table else "card.toml"]
        assert set(values) <= set(known), table


def _tables(values, name=""):
    """Every table of a TOML document by its dotted name, with its own keys."""
    own = {key: value for key, value in values.items() if not isinstance(value, dict)}
    if own:
        yield name, own
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _tables(value, f"{name}.{key}".lstrip("."))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_names_of_lipzoo_exist(page):
    for dotted in set(re.findall(r"`(lipzoo\.[\w.]+)", page.read_text(encoding="utf-8"))):
        # A key of exported files, which is no name of Python.
        if dotted != "lipzoo.certificate":
            pkgutil.resolve_name(dotted.rstrip("."))


@pytest.mark.parametrize("target", ["demo", "test"])
def test_make_targets_of_the_readme_exist(target):
    assert f"make {target}" in README.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_messages_of_the_troubleshooting_page_are_those_of_the_code():
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    headings = re.findall(r"^### `(.+)`$", text, re.MULTILINE)
    code = "".join(
        path.read_text(encoding="utf-8")
        for tree in ("lipzoo", "lipzoo_catalogue", "lipzoo_cli")
        for path in (ROOT / tree).rglob("*.py")
    )
    assert headings
    assert [heading for heading in headings if heading not in code] == []
