import importlib
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import keras

import lipzoo
import lipzoo_catalogue

ROOT = Path(__file__).parents[1]
OPTIONAL = ("foolbox", "matplotlib", "onnx", "onnxruntime", "PIL", "sklearn")
OPTIONAL += ("tensorflow_datasets", "tf2onnx")
# JAX needs SciPy itself.
OPTIONAL += ("scipy",) if keras.backend.backend() != "jax" else ()


def test_import_needs_no_optional_dependency():
    # Keras looks for some of them itself, so they are made unimportable rather than looked for.
    code = f"import sys; sys.modules.update(dict.fromkeys({OPTIONAL})); import lipzoo"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    # Nor does it print what the backend's compiled code has to say.
    assert done.stderr == b""


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
