import json

import keras
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from lipzoo.data.npz import read_arrays, write_arrays
from lipzoo.training.run_folder import write_atomically
from lipzoo.zoo import read_weights, write_weights
from lipzoo.zoo.weights import (
    assign_weights,
    dump_weights,
    named_variables,
    parse_weights,
    read_variables,
)
from lipzoo_catalogue.weights_header import count_parameters

TENSORS = {
    "flow.kernel": np.arange(6, dtype="float32").reshape(2, 3),
    "flow.bias": np.ones(3, "float32"),
}
CONTENT = dump_weights(TENSORS)


def dense_model(units=3, **options):
    inputs = keras.Input((2,))
    return keras.Model(inputs, keras.layers.Dense(units, name="flow", **options)(inputs))


def test_names_are_layer_and_variable_also_within_layers():
    inner = keras.Sequential([keras.layers.Dense(2, name="dense")], name="block")
    inputs = keras.Input((3,))
    outputs = keras.layers.BatchNormalization(name="norm")(inner(inputs))
    names = list(named_variables(keras.Model(inputs, outputs)))
    assert names[:2] == ["block.dense.kernel", "block.dense.bias"]
    assert set(names[2:]) == {
        f"norm.{name}" for name in ("gamma", "beta", "moving_mean", "moving_variance")
    }


def test_weights_survive_their_file(tmp_path):
    path = tmp_path / "model.safetensors"
    model, other = dense_model(), dense_model()
    record = write_weights(path, model)
    assign_weights(other, read_weights(path, record))
    for name, value in read_variables(model).items():
        np.testing.assert_array_equal(read_variables(other)[name], value)
    # An independent reader finds the same.
    assert safetensors.numpy.load_file(path).keys() == named_variables(model).keys()
    assert count_parameters(path.read_bytes()) == model.count_params()


STRIDED = {
    "by columns": lambda a: np.asfortranarray(a),
    "transposed": lambda a: np.ascontiguousarray(a.T).T,
    "reversed": lambda a: np.ascontiguousarray(a[::-1, ::-1])[::-1, ::-1],
    "every other": lambda a: np.repeat(a, 2, axis=0)[::2],
    "a broadcast row": lambda a: np.broadcast_to(a[:1], a.shape),
    "another byte order": lambda a: a.astype(a.dtype.newbyteorder(">")),
}


@pytest.mark.parametrize("layout", STRIDED)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64"])
def test_arrays_are_written_as_they_read_however_they_lie_in_memory(layout, dtype, tmp_path):
    plain = (np.arange(12).reshape(3, 4) + (0 if dtype == "int64" else 1 / 3)).astype(dtype)
    array = STRIDED[layout](plain)
    expected = array.tolist()
    content = dump_weights({"kernel": array})
    assert safetensors.numpy.load(content)["kernel"].tolist() == expected
    assert parse_weights(content, "a file")["kernel"].tolist() == expected
    write_arrays(tmp_path / "a.npz", kernel=array)
    with np.load(tmp_path / "a.npz") as found:
        assert found["kernel"].tolist() == expected
    assert read_arrays(tmp_path / "a.npz")["kernel"].tolist() == expected
    write_atomically(tmp_path / "b.npz", lambda file: np.savez(file, kernel=array))
    assert read_arrays(tmp_path / "b.npz")["kernel"].tolist() == expected


def test_a_number_alone_keeps_its_shape():
    assert parse_weights(dump_weights({"gain": np.float32(0.5)[()]}), "a file")["gain"].shape == ()


def test_a_model_inside_another_keeps_its_names():
    model = dense_model()
    outer_input = keras.Input((2,))
    keras.Model(outer_input, model(outer_input), name="outer")
    assert list(named_variables(model)) == ["flow.kernel", "flow.bias"]


def with_header(header, data=b""):
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


BAD_FILES = {
    "empty": b"",
    "a web page": b"\n<!DOCTYPE html><html><body>404</body></html>",
    "truncated": CONTENT[:-3],
    "excess": CONTENT + b"\0\0\0\0",
    "a header longer than the file": (2**40).to_bytes(8, "little") + CONTENT[8:],
    "a header that is no JSON": with_header(b"{oops"),
    "a shape that lies": with_header({"a": entry(shape=(3,))}, b"\0" * 8),
    "a shape that overflows": with_header({"a": entry(shape=(2**62, 2**62))}, b"\0" * 8),
    "a negative shape": with_header({"a": entry(shape=(-2,))}, b"\0" * 8),
    "offsets beyond the end": with_header({"a": entry(offsets=(0, 800), shape=(200,))}, b"\0" * 8),
    "overlapping tensors": with_header({"a": entry(), "b": entry()}, b"\0" * 8),
    "a gap": with_header({"a": entry(offsets=(8, 16))}, b"\0" * 16),
    "an unknown dtype": with_header({"a": entry(dtype="F31")}, b"\0" * 8),
    "a dtype that we do not store": with_header({"a": entry(dtype="BF16", shape=(4,))}, b"\0" * 8),
    "a pickle": b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x08builtins",
    "NaN": safetensors.numpy.save({"a": np.array([np.nan], "float32")}),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_refused_by_name(tmp_path, kind):
    path = tmp_path / "model.safetensors"
    path.write_bytes(BAD_FILES[kind])
    with pytest.raises(ValueError, match=r"model\.safetensors.*Received: "):
        read_weights(path)


def _finite(tensors):
    return all(np.isfinite(tensor).all() for tensor in tensors.values())


@settings(deadline=None)
@given(st.integers(0, len(CONTENT) - 1), st.integers(0, 255))
def test_one_changed_byte_is_refused_or_still_a_set_of_tensors(position, value):
    content = CONTENT[:position] + bytes([value]) + CONTENT[position + 1 :]
    try:
        tensors = parse_weights(content, "file")
    except ValueError as error:
        tensors, message = None, str(error)
    assert message.startswith("file") if tensors is None else _finite(tensors)


def test_nothing_is_assigned_when_anything_does_not_fit():
    model = dense_model()
    before = read_variables(model)
    wrong = {
        "flow.kernel": np.zeros((2, 4), "float32"),
        "flow.bias": np.zeros(3, "float64"),
        "other.kernel": np.zeros(1, "float32"),
    }
    with pytest.raises(ValueError, match=r"Received: 3 tensors") as caught:
        assign_weights(model, wrong, where="mine.safetensors")
    message = str(caught.value)
    assert message.startswith("mine.safetensors: expected the 2 tensors")
    assert "unexpected: other.kernel" in message
    assert "flow.kernel (expected (2, 3), received (2, 4))" in message
    assert "flow.bias (expected float32, received float64)" in message
    with pytest.raises(ValueError, match=r"missing: flow\.kernel"):
        assign_weights(model, {"flow.bias": np.zeros(3, "float32")})
    for name, value in read_variables(model).items():
        np.testing.assert_array_equal(value, before[name])


def test_float32_weights_enter_a_float64_model_but_not_the_other_way():
    double = dense_model(dtype="float64")
    assign_weights(double, TENSORS)
    np.testing.assert_array_equal(read_variables(double)["flow.kernel"], TENSORS["flow.kernel"])
    for dtype in ("float16", "bfloat16"):
        with pytest.raises(ValueError, match=f"expected {dtype}, received float32"):
            assign_weights(dense_model(dtype=dtype), TENSORS)


def test_a_diverged_model_is_not_saved(tmp_path):
    model = dense_model()
    model.get_layer("flow").bias.assign([0.0, np.inf, 0.0])
    with pytest.raises(ValueError, match=r"NaN or infinity in 'flow\.bias'"):
        write_weights(tmp_path / "model.safetensors", model)
    assert not list(tmp_path.iterdir())


def test_numbers_that_fit_half_precision_are_stored_in_half_the_space():
    fits = np.array([[0.5, -1.25], [2.0**-14, 1000.0]], "float32")
    tensors = {"fits": fits, "needs_all": fits / 3, "overflows": fits * 1e5}
    content = dump_weights(tensors)
    again = parse_weights(content, "memory")
    assert again["fits"].dtype == np.float16
    assert again["needs_all"].dtype == again["overflows"].dtype == np.float32
    for name, tensor in tensors.items():
        assert np.array_equal(again[name].astype("float32"), tensor)


def test_float64_numbers_are_stored_in_the_smallest_precision_that_holds_them():
    thirds = np.array([1.0, 2.0]) / 3
    single = thirds.astype("float32").astype("float64")
    tensors = {"half": np.array([0.5]), "single": single, "double": thirds}
    again = parse_weights(dump_weights(tensors), "memory")
    assert [again[name].dtype for name in tensors] == ["float16", "float32", "float64"]
    for name, tensor in tensors.items():
        assert np.array_equal(again[name].astype("float64"), tensor)
