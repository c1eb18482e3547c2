import importlib
import pkgutil
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import keras
import matplotlib
import numpy as np
import pytest

import lipzoo
import lipzoo_catalogue
from tests.hub_client import hub, model_files
from tests.hub_server import WRITER

__all__ = ["hub"]
ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
OPTIONAL = ("foolbox", "matplotlib", "onnx", "onnxruntime", "PIL", "sklearn")
OPTIONAL += ("tensorflow_datasets", "tf2onnx")
# JAX needs SciPy itself.
OPTIONAL += ("scipy",) if keras.backend.backend() != "jax" else ()


def test_import_needs_no_optional_dependency():
    # Keras looks for some of them itself, so they are made unimportable rather than looked for.
    code = f"import sys; sys.modules.update(dict.fromkeys({OPTIONAL})); import lipzoo"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_every_public_name_exists_and_is_documented():
    assert len(set(lipzoo.__all__)) == len(lipzoo.__all__)
    for name in lipzoo.__all__:
        value = getattr(lipzoo, name)
        assert name == "__version__" or value.__doc__, name


def test_every_module_says_what_it_is_for():
    for package in (lipzoo, lipzoo_catalogue):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            assert importlib.import_module(module.name).__doc__, module.name


def test_the_wheel_takes_the_weights_and_recipes_along():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {"lipzoo", "lipzoo_catalogue", "recipes", "weights"} <= set(wheel["only-include"])
    for folder in ("recipes", "weights"):
        assert wheel["sources"][folder] == f"lipzoo/_bundled/{folder}"
        assert any((ROOT / folder).iterdir())
    # Without it a type checker ignores the annotations of an installed package.
    for package in ("lipzoo", "lipzoo_catalogue"):
        assert (ROOT / package / "py.typed").is_file()


def test_python_blocks_of_the_readme_run(hub, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    hub.add("someone/their-model", model_files("gradflow-digits"))
    monkeypatch.setenv("HF_TOKEN", WRITER)
    random = np.random.default_rng(0)
    names = {
        "x": random.random((8, 28, 28, 1), "float32"),
        "y": random.integers(10, size=8),
        "images": random.random((4, 28, 28, 1), "float32"),
        "x_new": random.random((8, 28, 28, 1), "float32"),
        "y_new": random.integers(3, size=8),
    }
    blocks = [block for language, block in BLOCKS if language == "python"]
    assert len(blocks) >= 5
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert "certificate.json" in hub.files("someone/my-model")


COMMANDS = [
    line.removeprefix("lipzoo ")
    for language, block in BLOCKS
    for line in block.splitlines()
    if not language and line.startswith("lipzoo ")
]


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_of_the_readme_are_understood(line):
    from lipzoo_cli import build_parser

    words = shlex.split(line, comments=True)
    arguments = build_parser().parse_args(words)
    assert arguments.command == words[0]
    if arguments.command == "train":
        assert (ROOT / arguments.recipe).is_file()
    elsewhere = getattr(arguments, "model", "hf://").startswith(("hf://", "runs/"))
    assert elsewhere or arguments.model in lipzoo.list_models()


def test_names_of_the_readme_exist():
    for dotted in set(re.findall(r"`(lipzoo\.[\w.]+)", README)):
        value = lipzoo
        for part in dotted.split(".")[1:]:
            value = getattr(value, part)


@pytest.mark.parametrize("target", ["demo", "test", "studies"])
def test_make_targets_of_the_readme_exist(target):
    assert f"make {target}" in README
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)
