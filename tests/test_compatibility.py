"""A checkpoint published by an earlier version loads in this one, and is the same function."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

import lipzoo
from lipzoo import data
from lipzoo.training import sources
from lipzoo_catalogue.cards import is_untouched
from tests.hub_client import REPO, hub

__all__ = ["hub"]
FROZEN = sorted(Path(__file__).parent.glob("fixtures/*/*/config.json"))
# What users keep: whole models as Keras saves them, which name classes and not modules.
KERAS_FILES = sorted(Path(__file__).parent.glob("fixtures/*/keras/*.keras"))
each_frozen = pytest.mark.parametrize(
    "folder", [p.parent for p in FROZEN], ids=lambda p: f"{p.parent.name} {p.name}"
)


def test_there_are_frozen_models():
    assert {path.parent.name for path in FROZEN} >= {"gradflow", "hamnet"}
    assert {path.stem for path in KERAS_FILES} >= {"gradflow", "hamnet", "invnet"}


@each_frozen
def test_a_frozen_model_is_the_same_function_with_the_same_bound(folder):
    expected = json.loads(folder.with_suffix(".json").read_text())
    model = lipzoo.load(folder)
    x = np.array(expected["inputs"], "float32")
    certificate = lipzoo.certify(model, x, reference=None, verbose=0)
    # Backends and processors round differently; a change of the network is far larger.
    np.testing.assert_allclose(certificate.logits, expected["logits"], rtol=1e-5, atol=1e-6)
    # A later proof may count more of the rounding, which is of the order of 1e-5 here.
    np.testing.assert_allclose(certificate.radius, expected["radius"], rtol=1e-3, atol=1e-4)
    bound = lipzoo.lipschitz_bound(model).value
    assert bound == pytest.approx(expected["lipschitz_bound"], rel=1e-12)
    assert bound <= lipzoo.info(folder).lipschitz_bound * (1 + 1e-9)
    assert lipzoo.verify(folder).passed


@pytest.mark.parametrize("path", KERAS_FILES, ids=lambda p: f"{p.parts[-3]} {p.stem}")
def test_a_keras_file_is_the_same_function_with_the_same_bound(path):
    expected = json.loads((path.parent / "outputs.json").read_text())[path.stem]
    model = keras.models.load_model(path)
    outputs = model.predict(np.array(expected["inputs"], "float32"), verbose=0)
    np.testing.assert_allclose(outputs, expected["outputs"], rtol=1e-5, atol=1e-6)
    assert lipzoo.lipschitz_bound(model).value == pytest.approx(expected["bound"], rel=1e-12)


@each_frozen
def test_a_frozen_model_loads_from_the_hub(hub, folder):
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    hub.add(REPO, files)
    model = lipzoo.load(f"hf://{REPO}")
    assert lipzoo.lipschitz_bound(model).value == lipzoo.lipschitz_bound(lipzoo.load(folder)).value
    # A later version knows that nobody edited this card, and may replace it.
    assert is_untouched(files["README.md"].decode())


@each_frozen
def test_a_format_from_the_future_is_refused_by_name(tmp_path, folder):
    values = json.loads((folder / "config.json").read_text())
    assert values["format_version"] == 1
    (tmp_path / "config.json").write_text(json.dumps({**values, "format_version": 2}))
    with pytest.raises(ValueError, match=r"version 2 was written by a newer lipzoo; .* Update it"):
        lipzoo.load(tmp_path)


@pytest.mark.parametrize("name", ["DataError", "RawData", "RawSplit", "read_source", "swiss_roll"])
def test_readers_are_found_under_the_name_that_they_had(name):
    with pytest.warns(DeprecationWarning, match=r"lipzoo\.data\.sources since 0\.2"):
        assert getattr(sources, name) is getattr(data.sources, name)
    with pytest.raises(AttributeError, match="nothing"):
        _ = sources.nothing
