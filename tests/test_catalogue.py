"""The half of lipzoo that answers at once, and what importing the other half costs."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lipzoo_catalogue.certified.certified import Certified
from lipzoo_catalogue.certified.parts import Part
from lipzoo_catalogue.certified.shards import Shard
from lipzoo_catalogue.certified.terms import Terms
from lipzoo_catalogue.certified.writing import write_certified

ROOT = Path(__file__).parents[1]
HEAVY = ("keras", "tensorflow", "jax", "torch", "numpy", "lipzoo", "huggingface_hub")

_ANSWER = """
import sys, time
started = time.process_time()
import lipzoo_cli
assert lipzoo_cli.main({arguments!r}) == 0
seconds = time.process_time() - started
loaded = [name for name in {heavy!r} if name in sys.modules]
print(seconds, *loaded, file=sys.stderr)
"""

_IMPORT = """
import importlib, pkgutil, time
# Processor time, of both imports: how fast the machine is, and what it does besides, cancels out.
started = time.process_time()
import keras
of_keras = time.process_time() - started
started = time.process_time()
import lipzoo
share = (time.process_time() - started) / of_keras
def registered():
    return {name for name in keras.saving.get_custom_objects() if name.startswith("lipzoo>")}
names = registered()
for module in pkgutil.walk_packages(lipzoo.__path__, "lipzoo."):
    importlib.import_module(module.name)
assert registered() == names and "lipzoo>GradientFlowDense" in names, registered() - names
print(share)
"""


def run(program, **values):
    done = subprocess.run(
        [sys.executable, "-c", program.format(**values) if values else program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize(
    "arguments",
    [
        ["list"],
        ["list", "--long"],
        ["list", "--json"],
        ["info", "gradflow-fmnist"],
        ["info", "gradflow-fmnist", "--json"],
        ["card", "gradflow-fmnist"],
        ["card", "gradflow-fmnist", "--repo", "someone/model"],
        ["download", "gradflow-digits"],
    ],
)
def test_files_answer_without_keras_in_half_a_second(arguments):
    seconds = []
    for _ in range(5):  # the best of some, on a machine that does other things too
        done = run(_ANSWER, arguments=arguments, heavy=HEAVY)
        first, *loaded = done.stderr.split()
        assert not loaded
        seconds.append(float(first))
        if seconds[-1] < 0.5:
            break
    assert min(seconds) < 0.5
    if "--json" in arguments:
        json.loads(done.stdout)


def test_importing_lipzoo_registers_its_classes_and_adds_little_to_importing_keras():
    shares = []
    for _ in range(4):
        shares.append(float(run(_IMPORT).stdout))
        if shares[-1] < 0.15:
            break
    assert min(shares) < 0.15


def test_the_half_that_answers_at_once_imports_nothing_of_the_other():
    for path in (ROOT / "lipzoo_catalogue").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, path
                names = [node.module]
            for name in names:
                others = ("keras", "lipzoo", "lipzoo_cli", "tensorflow", "jax", "torch")
                assert name.split(".")[0] not in others, f"{path}: {name}"


def test_parts_are_joined_without_keras(tmp_path):
    terms = Terms("tiny", 1.0, False, True, "l2", "", (), ())
    settings = {"model": "tiny", "examples": 4, "dtype": "float32", "lipzoo": "1"}
    paths = [str(tmp_path / f"{number}.npz") for number in (1, 2)]
    for number, path in enumerate(paths, start=1):
        prediction = np.array([number, 0])
        radius = np.array([0.5 * number, 0.1])
        columns = {"radius": radius, "prediction": prediction, "rival": 1 - prediction}
        part = Part(Shard(number, 2), settings, terms).to_json()
        write_certified(Path(path), Certified(terms, columns), 0.0, part)
    arguments = ["join", str(tmp_path / "whole.npz"), *paths, "--epsilon", "0.25", "--json"]
    heavy = [name for name in HEAVY if name != "numpy"]
    done = run(_ANSWER, arguments=arguments, heavy=heavy)
    assert not done.stderr.split()[1:]
    assert json.loads(done.stdout)["share_above"] == {"0.25": 0.5}
    assert np.load(tmp_path / "whole.npz")["radius"].tolist() == [0.5, 0.1, 1.0, 0.1]
