"""The papers around the code: links that lead somewhere, and formats as the code has them."""

import ast
import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from lipzoo.data.settings import DataSettings
from lipzoo.exporting.quantisation import description
from lipzoo.training.adversary import AdversarySettings
from lipzoo.training.recipe import Recipe
from lipzoo.training.settings import (
    AugmentSettings,
    EvaluationSettings,
    LossSettings,
    MeasurementSettings,
    ModelSettings,
    RegistrySettings,
    RestartSettings,
    TrainingSettings,
)
from lipzoo_catalogue.card_text import CardText
from lipzoo_catalogue.certificate_claim import Claim
from lipzoo_catalogue.certified.certified import Certified
from lipzoo_catalogue.certified.origin import LeftOut
from lipzoo_catalogue.certified.parquet import read_about
from lipzoo_catalogue.certified.parts import Part
from lipzoo_catalogue.certified.terms import Terms
from lipzoo_catalogue.certified.writing import PARTS, write_certified
from lipzoo_catalogue.comparison import Comparison, Method
from lipzoo_catalogue.exported import ExportedCertificate
from lipzoo_catalogue.files import FileRecord
from lipzoo_catalogue.model_config import UNIT_PIXELS, ModelConfig
from lipzoo_catalogue.probes import Probes
from lipzoo_catalogue.registry import RegistryEntry
from lipzoo_catalogue.tasks.reconstruction import MethodResult, ReconstructionMetrics

ROOT = Path(__file__).parents[1]
# The cards are generated, and tested where they are.
PAGES = sorted(
    path
    for folder in (".", "docs", "docs/studies", "findings", "studies")
    for path in (ROOT / folder).glob("*.md")
    if path.name != "MODEL_CARDS.md"
)
FORMATS = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
_TABLE = re.compile(r"^<!-- keys: (.+) -->\n((?:\|.*\n)+)", re.MULTILINE)
DOCUMENTED = {
    name: re.findall(r"^\| `(.+?)` \|", table, re.MULTILINE)
    for name, table in _TABLE.findall(FORMATS)
}


def _text(path):
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.M)


def _links(path):
    """Targets of a page's links into this repository: file and anchor, either of them empty."""
    prose = re.sub(r"`[^`\n]*`", "", _text(path))
    found = re.findall(r"\]\(([^)\s]+)\)", prose)
    return [link.partition("#")[::2] for link in found if not re.match(r"[a-z]+:", link)]


def _anchors(path):
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", _text(path), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", head.lower()) for head in heads)
    return {head.replace(" ", "-") for head in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_relative_links_lead_somewhere(page):
    for name, anchor in _links(page):
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), name
        assert not anchor or anchor in _anchors(file), f"{name}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_that_are_named_exist(page):
    for name in re.findall(
        r"`((?:lipzoo\w*|tests|studies|recipes|findings)/[\w./-]+)`", _text(page)
    ):
        assert (ROOT / name).exists(), name


def test_every_page_is_linked_from_another():
    linked = {(page.parent / name).resolve() for page in PAGES for name, _ in _links(page) if name}
    assert not set(PAGES) - linked - {ROOT / "README.md"}


def _fields(cls, *, without=()):
    return [field.name for field in dataclasses.fields(cls) if field.name not in without]


def _shipped(*tables):
    """Keys of all metrics that are shipped, or of their tables of these names."""
    found = set()
    for path in sorted((ROOT / "weights").glob("*/metrics.json")):
        values = json.loads(path.read_text(encoding="utf-8"))
        if not tables:
            found |= set(values)
        elif "task" not in values:
            found |= {key for table in tables for key in values.get(table, {})}
    return found


def _written(path, name, inner=None):
    """The keys of the dict that a module gives to a variable, or of one inside of it."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        names = [getattr(target, "id", "") for target in getattr(node, "targets", ())]
        if isinstance(node, ast.Assign) and names == [name] and isinstance(node.value, ast.Dict):
            items = dict(
                zip(
                    (getattr(k, "value", None) for k in node.value.keys),
                    node.value.values,
                    strict=True,
                )
            )
            found = items[inner].keys if inner else node.value.keys
            return [key.value for key in found if key is not None]
    raise AssertionError(f"{path}: expected a dict {name}")


_CLAIM = Claim(1.0, {}, probes=Probes(0, ((1.0,),), (0.0,))).to_dict()
TRUTHS = {
    "record": _fields(FileRecord),
    "config.json": ModelConfig("A", {}, feature_names=("a",), task="reconstruction").to_dict(),
    "config.json preprocessing": UNIT_PIXELS,
    "certificate.json": _CLAIM,
    "certificate.json probes": _CLAIM["probes"],
    "metrics.json test, reconstruction": _fields(ReconstructionMetrics),
    "metrics.json method, reconstruction": _fields(MethodResult, without=["name"]),
    "metrics.json comparison": _fields(Comparison),
    "metrics.json comparison method": _fields(Method),
    "metrics.json": _shipped(),
    "metrics.json test": _shipped("test", "test_float64", "test_sample", "validation"),
    "metrics.json data": _written("lipzoo/training/results.py", "about", "data"),
    "card.toml": _fields(CardText),
    "registry.json": RegistryEntry("a", {}, 1).to_dict(),
    "recipe.toml": _fields(Recipe),
    "[data]": _fields(DataSettings),
    "[model]": _fields(ModelSettings),
    "[measurement]": _fields(MeasurementSettings),
    "[training]": _fields(TrainingSettings),
    "[training.loss]": _fields(LossSettings),
    "[training.augment]": _fields(AugmentSettings),
    "[training.restart]": _fields(RestartSettings),
    "[training.adversary]": _fields(AdversarySettings),
    "[evaluation]": _fields(EvaluationSettings),
    "[registry]": _fields(RegistrySettings),
    "part": _fields(Part),
    "part settings": _written("lipzoo_cli/certify.py", "settings"),
    "part terms": _fields(Terms),
    "exported certificate": ExportedCertificate("a", 1.0, (1,), (1,)).to_dict(),
    "exported certificate quantization": description([], ""),
}


@pytest.mark.parametrize("name", TRUTHS)
def test_keys_are_those_of_the_code(name):
    assert len(set(DOCUMENTED[name])) == len(DOCUMENTED[name])
    assert set(DOCUMENTED[name]) == set(TRUTHS[name])


def _certified(origin, standardized):
    """Two certified examples with everything that a file can hold of them."""
    columns = {
        "radius": np.array([0.5, 1.0]),
        "prediction": np.array([0, 1]),
        "rival": np.array([1, -1]),
        "labels": np.array([0, 0]),
        "feature_radii": np.array([[0.5], [1.0]]),
        **origin,
    }
    names = ("no", "yes"), ("age",)
    terms = Terms("a", 1.0, standardized, True, "l2", "metres", *names, domain="[0, 1]", local=True)
    (name,) = [values.tolist()[0] for values in origin.values()]
    return Certified(terms, columns, left_out=(LeftOut(1, name, "no label"),))


@pytest.fixture
def files(tmp_path):
    """Paths of the files of certified examples: of a table and of a folder of images."""
    for name, origin in (("row", np.array([2, 4])), ("file", np.array(["a.png", "b.png"]))):
        certified = _certified({name: origin}, standardized=name == "row")
        for suffix in (".csv", ".json", ".npz", ".parquet"):
            part = "{}" if suffix in PARTS else None
            write_certified(tmp_path / f"{name}{suffix}", certified, 0.1, part)
    return tmp_path


def test_certified_csv_has_the_columns_that_are_documented(files):
    header = (files / "row.csv").read_text().splitlines()[0].split(",")
    assert [name.replace("of age", "of NAME") for name in header] == DOCUMENTED["certified.csv"]
    assert (files / "file.csv").read_text().split(",")[1] == "file"


def test_certified_json_has_the_keys_that_are_documented(files):
    values = json.loads((files / "row.json").read_text())
    assert list(values) == DOCUMENTED["certified.json"]
    columns = [name.replace("NAME", "age") for name in DOCUMENTED["certified.csv"][:-4]]
    assert list(values["examples"][0]) == columns


def test_certified_npz_has_the_arrays_that_are_documented(files):
    names = {name for kind in ("row", "file") for name in np.load(files / f"{kind}.npz").files}
    assert names == set(DOCUMENTED["certified.npz"])


def test_certified_parquet_has_the_columns_that_are_documented(files):
    names = [pq.read_schema(files / f"{kind}.parquet").names for kind in ("row", "file")]
    found = [name.replace("of age", "of NAME") for name in names[0]]
    found.insert(2, "file")
    assert found == DOCUMENTED["certified.parquet"]
    assert names[1][1] == "file"
    assert list(read_about(files / "row.parquet")) == DOCUMENTED["certified.parquet metadata"]
