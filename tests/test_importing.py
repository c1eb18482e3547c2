"""Networks of others, from an ONNX file to certificates, decisions, training and export."""

import json
import os
from pathlib import Path

import keras
import numpy as np
import pytest

import lipzoo
import lipzoo_cli
from tests.helpers import in_float64, tensorflow_only
from tests.onnx_files import SHAPES, constants_from, content, node, run

numbers = constants_from(4)


@in_float64
def test_a_network_of_others_from_reading_to_export(read_onnx, tmp_path):
    nodes = [
        node("Conv", "x v c", "a", strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Relu", "a", "b"),
        node("Conv", "b k", "d", pads=[1, 1, 1, 1]),
        node("Add", "d b", "e"),
        node("Relu", "e", "f"),
        node("Flatten", "f", "g"),
        node("MatMul", "g w", "h"),
        node("Add", "h t"),
    ]
    weights = {"v": numbers(4, 2, 3, 3), "c": numbers(4), "k": numbers(4, 4, 3, 3)}
    weights |= {"w": numbers(36, 3), "t": numbers(3)}
    # The file takes one example at a time; the model takes any number.
    file = content(nodes, SHAPES["image"], weights, batch=1)
    model, double = read_onnx(file), read_onnx(file, dtype="float64")
    assert model.name == "net"
    assert model.input_shape == (None, *SHAPES["image"])
    assert lipzoo.lipschitz_bound(model).value == lipzoo.lipschitz_bound(double).value

    x = np.random.default_rng(3).normal(size=(6, *SHAPES["image"])).astype("float32")
    logits = np.concatenate([run(file, example[None]) for example in x])
    certificate = lipzoo.certify(model, x, logits.argmax(1), verbose=0)
    assert certificate.accuracy == 1
    assert np.all(certificate.radius > 0)
    # The bias became the layer's own, so that pairs of columns count.
    assert certificate.bound.head is not None
    referenced = lipzoo.certify(model, x, reference=double, verbose=0)
    assert np.all(referenced.radius >= certificate.radius * (1 - 1e-6))

    model.compile("sgd", "mse", jit_compile=False)
    model.fit(x, np.zeros((6, 3)), epochs=1, verbose=0)
    trained = lipzoo.lipschitz_bound(model).value
    assert trained != lipzoo.lipschitz_bound(double).value
    model.save(tmp_path / "net.keras")
    again = keras.models.load_model(tmp_path / "net.keras", compile=False)
    assert lipzoo.lipschitz_bound(again).value == trained


@tensorflow_only
def test_an_exported_network_is_read_again(tmp_path):
    model = lipzoo.MLP((4,), 3, depth=1, width=5)
    exported = lipzoo.export(model, tmp_path / "mlp.onnx", format="onnx")
    again = lipzoo.from_onnx(tmp_path / "mlp.onnx")
    assert lipzoo.lipschitz_bound(again).value == pytest.approx(exported.lipschitz_bound, 1e-6)


def test_the_least_output_decides(read_onnx):
    weights = numbers(6, 4)
    least = read_onnx(content([node("Gemm", "x w")], (6,), {"w": weights}))
    largest = read_onnx(content([node("Gemm", "x w")], (6,), {"w": -weights}))
    x = numbers(9, 6)
    one = lipzoo.certify(least, x, decision="min", verbose=0)
    other = lipzoo.certify(largest, x, verbose=0)
    np.testing.assert_array_equal(one.prediction, (x @ weights).argmin(1))
    for name in ("prediction", "radius", "rival"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    # For a linear network the radius is the distance to the boundary.
    rows, first, second = np.arange(9), one.prediction, one.rival
    gap = (x @ weights)[rows, second] - (x @ weights)[rows, first]
    distance = gap / np.linalg.norm(weights[:, second] - weights[:, first], axis=0)
    np.testing.assert_allclose(one.radius, distance, rtol=1e-3)


def test_a_decision_is_one_of_two(read_onnx):
    model = read_onnx(content([node("Gemm", "x w")], (2,), {"w": numbers(2, 1)}))
    with pytest.raises(ValueError, match="Received: decision='least'"):
        lipzoo.certify(model, numbers(1, 2), decision="least", verbose=0)
    with pytest.raises(ValueError, match="with one output"):
        lipzoo.certify(model, numbers(1, 2), decision="min", verbose=0)


def test_the_command_takes_a_file(tmp_path, capsys):
    file, data = tmp_path / "control.onnx", tmp_path / "x.npy"
    weights, last, x = numbers(6, 5), numbers(5, 4), numbers(3, 6)
    nodes = [
        node("Flatten", "x", "h"),
        node("Gemm", "h w", "z"),
        node("Relu", "z", "a"),
        node("Gemm", "a v"),
    ]
    file.write_bytes(content(nodes, (1, 1, 6), {"w": weights, "v": last}))
    # Examples may lack axes of length 1.
    np.save(data, x)
    command = ["certify", str(file), str(data), "--decision", "min", "--json"]
    assert lipzoo_cli.main(command) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["prediction"] == (np.maximum(x @ weights, 0) @ last).argmin(1).tolist()
    assert printed["decision"] == "min"
    assert min(printed["radius"]) > 0
    out = tmp_path / "local.npz"
    assert lipzoo_cli.main([*command, "--local", "--out", str(out)]) == 0
    within = json.loads(capsys.readouterr().out)
    assert within["local"] is True
    assert np.greater(within["radius"], printed["radius"]).all()
    assert np.load(out)["local"]
    assert lipzoo_cli.main(["certify", str(tmp_path / "none.onnx"), str(data)]) == 2
    assert "none.onnx" in capsys.readouterr().err


@pytest.mark.skipif(
    "LIPZOO_ONNX_NETWORKS" not in os.environ, reason="names a folder of networks of others"
)
def test_networks_of_others():
    files = sorted(Path(os.environ["LIPZOO_ONNX_NETWORKS"]).glob("*.onnx"))
    assert files
    for file in files:
        model = lipzoo.from_onnx(file)
        x = np.random.default_rng(0).uniform(size=(3, *model.input_shape[1:])).astype("float32")
        expected = np.concatenate([run(file.read_bytes(), example[None]) for example in x])
        scale = np.abs(expected).max()
        found = keras.ops.convert_to_numpy(model(x))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * scale)
        certificate = lipzoo.certify(model, x, rounding=False, verbose=0)
        assert np.all(certificate.radius > 0)
