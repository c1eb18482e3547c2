"""A backend that lipzoo has not, or that is not installed, is refused by name, in one line."""

import pytest

from lipzoo_catalogue.backend import BACKENDS
from lipzoo_catalogue.installing import how_to_install
from tests.processes import python

MISSING = (
    "import importlib.util as util, sys; find = util.find_spec\n"
    "util.find_spec = lambda name, *rest: None if name == {name!r} else find(name, *rest)\n"
    "import lipzoo_cli, lipzoo_catalogue.backend\n"
)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_backend_that_is_not_installed_names_its_extra(name):
    program = MISSING.format(name=name)
    found = python(name, program + "sys.exit(lipzoo_cli.main(['verify', 'gradflow-digits']))")
    assert found.returncode == 2
    extra = "tensorflow" if name == "tensorflow" else how_to_install(name).split()[-1]
    assert f"pip install {extra}" in found.stderr
    assert f"Received: KERAS_BACKEND='{name}'" in found.stderr
    assert found.stderr.startswith("lipzoo: Expected the Keras backend")
    assert len(found.stderr.splitlines()) == 1
    imported = python(name, program + "import lipzoo")
    assert imported.returncode == 1
    assert f"ImportError: {found.stderr.removeprefix('lipzoo: ')}" in imported.stderr
    assert "keras/" not in imported.stderr


@pytest.mark.parametrize("name", ["foo", "openvino", "TensorFlow"])
def test_an_unknown_backend_is_refused(name):
    found = python(name, "import sys, lipzoo_cli; sys.exit(lipzoo_cli.main(['demo']))")
    assert found.returncode == 2
    assert found.stderr == (
        "lipzoo: Expected a Keras backend among tensorflow, jax, torch; set KERAS_BACKEND. "
        f"Received: KERAS_BACKEND={name!r}\n"
    )
    assert "ValueError: Expected a Keras backend" in python(name, "import lipzoo").stderr


def test_commands_that_only_read_need_no_backend():
    program = "import sys, lipzoo_cli; sys.exit(lipzoo_cli.main(['info', 'gradflow-digits']))"
    assert python("foo", program).returncode == 0


def test_the_backend_of_the_configuration_file_is_checked(tmp_path):
    (tmp_path / "keras.json").write_text('{"backend": "foo"}')
    found = python("", "import lipzoo", KERAS_HOME=str(tmp_path))
    assert f"Received: backend in {tmp_path / 'keras.json'}='foo'" in found.stderr
