"""Files with a model's constants and operators that are put together otherwise are not its own."""

import json
from pathlib import Path

import keras
import pytest

import lipzoo
from lipzoo.exporting.comparison import compare
from lipzoo_catalogue.exported import exported_certificate
from lipzoo_catalogue.exported.digest import BLANK, sealed
from lipzoo_catalogue.files import dump_json

onnx = pytest.importorskip("onnx")
pytest.importorskip("tf2onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    keras.utils.set_random_seed(0)
    layers = [lipzoo.layers.GradientFlowDense(), keras.layers.LeakyReLU(0.5)]
    model = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(2)])
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    lipzoo.export(model, path, "onnx")
    return model, path


def rewire(graph):
    """The step h of a flow is put in place of its product: a map that no constant bounds."""
    constants = {entry.name for entry in graph.initializer}
    for node in graph.node:
        places = [i for i, name in enumerate(node.input) if name in constants]
        if node.op_type == "Mul" and len(places) == 1:
            node.input[places[0]] = node.input[1 - places[0]]


def set_another_slope(graph):
    (node,) = [node for node in graph.node if node.op_type == "LeakyRelu"]
    node.attribute[0].f = 50.0


def swap(graph):
    """x - y becomes y - x."""
    node = next(node for node in graph.node if node.op_type == "Sub")
    node.input[:] = [*reversed(node.input)]


def rename(graph):
    """Nothing that is computed changes."""
    for node in graph.node:
        node.name = f"other {node.name}"
        for names in (node.input, node.output):
            names[:] = [n if n in ("input", "output") else f"other {n}" for n in names]
    for entry in graph.initializer:
        entry.name = f"other {entry.name}"


@pytest.mark.parametrize(
    ("change", "same"), [(rewire, False), (set_another_slope, False), (swap, False), (rename, True)]
)
def test_what_feeds_an_operator_is_compared(exported, tmp_path, change, same):
    model, path = exported
    assert compare(path, model).same
    forged = onnx.load(path)
    before = forged.graph.SerializeToString()
    change(forged.graph)
    assert forged.graph.SerializeToString() != before
    (entry,) = forged.metadata_props
    values = {**json.loads(entry.value), "computation_sha256": BLANK, "statement_sha256": BLANK}
    entry.value = dump_json(values).decode()
    Path(tmp_path / "forged.onnx").write_bytes(sealed(forged.SerializeToString()))
    # The digests are no signature.
    exported_certificate(tmp_path / "forged.onnx")
    found = compare(tmp_path / "forged.onnx", model)
    assert (found.missing, found.strange) == (0, 0)
    assert (found.operators, found.same) == (same, same)
