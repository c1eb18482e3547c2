"""Weights as safetensors files under stable names: `layer.variable`, as in `head.kernel`."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import keras
import numpy as np
import safetensors
import safetensors.numpy

from lipzoo_catalogue.files import FileRecord, read_file, write_file

_DTYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "I64": np.int64,
    "I32": np.int32,
    "U32": np.uint32,
    "BOOL": np.bool_,
}
_SHOWN = 6


def named_variables(model: keras.Model) -> dict:
    """Returns the model's weights by their names in files, `"<layer name>.<variable name>"`.

    Variables of layers inside a layer keep the inner names: `"block.dense.kernel"`.

    Raises:
        ValueError: if two variables would have the same name.

    Example:

    >>> inputs = keras.Input((3,))
    >>> model = keras.Model(inputs, keras.layers.Dense(2, name="head")(inputs))
    >>> list(named_variables(model))
    ['head.kernel', 'head.bias']
    """
    named = {}
    for layer in model.layers:
        for variable in layer.weights:
            parts = variable.path.split("/")
            inner = parts[parts.index(layer.name) + 1 :] if layer.name in parts else parts[-1:]
            name = ".".join([layer.name, *inner])
            if name in named:
                raise ValueError(
                    f"Expected layers and variables with distinct names. Received: {name!r} twice"
                )
            named[name] = variable
    return named


def read_variables(model: keras.Model) -> dict[str, np.ndarray]:
    """Returns the values of `named_variables(model)` as arrays."""
    return {
        name: keras.ops.convert_to_numpy(variable.value)
        for name, variable in named_variables(model).items()
    }


def weights_digest(model: keras.Model) -> str:
    """SHA-256 of the names and values of the model's weights, the same in every float type.

    >>> inputs = keras.Input((3,))
    >>> model = keras.Model(inputs, keras.layers.Dense(2, name="head")(inputs))
    >>> before = weights_digest(model)
    >>> model.set_weights([2 * value + 1 for value in model.get_weights()])
    >>> weights_digest(model) == before
    False
    """
    digest = hashlib.sha256()
    for name, value in sorted(read_variables(model).items()):
        # Every stored number is one of float64, or an integer as it is.
        number = value.astype("float64") if value.dtype.kind not in "iub" else value
        digest.update(f"{name}{value.shape}".encode())
        digest.update(np.ascontiguousarray(number).tobytes())
    return digest.hexdigest()


def dump_weights(tensors: Mapping[str, np.ndarray]) -> bytes:
    """Returns the content of a safetensors file.

    A tensor whose numbers half or single precision represents exactly is stored as float16 or
    float32: the file is smaller and the numbers are the same.

    Raises:
        ValueError: if a tensor is not finite or its dtype is none that is stored.
    """
    for name, tensor in tensors.items():
        if tensor.dtype.type not in _DTYPES.values():
            raise ValueError(
                f"Expected float64, float32, float16 or integer tensors. Received: {name!r} of "
                f"dtype {tensor.dtype}"
            )
        _check_finite(name, tensor, "The model")
    packed = {name: _in_file_order(_packed(tensor)) for name, tensor in tensors.items()}
    return safetensors.numpy.save(packed, metadata={"format": "lipzoo"})


def write_weights(path: str | Path, model: keras.Model) -> FileRecord:
    """Writes the model's weights atomically.

    Args:
        path: path of the `.safetensors` file.
        model: a built model with uniquely named layers.

    Returns:
        Its `FileRecord`: SHA-256 and size.

    Raises:
        OSError: if the file cannot be written; an existing one is then unchanged.
        ValueError: if a weight is NaN or infinite.
    """
    return write_file(path, dump_weights(read_variables(model)))


def read_weights(path: str | Path, record: FileRecord | None = None) -> dict[str, np.ndarray]:
    """Reads a safetensors file.

    Args:
        path: path of the file.
        record: expected `FileRecord`, checked before the file is parsed.

    Returns:
        The arrays by name.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file differs from the record, is not a safetensors file, its header does
            not describe its content, or a number in it is NaN or infinite.
    """
    content = read_file(path, record)
    return parse_weights(content, path)


def parse_weights(content: bytes, where: str | Path) -> dict[str, np.ndarray]:
    """Parses the content of a safetensors file; `where` names it in errors."""
    if content.lstrip()[:1] == b"<":
        raise ValueError(
            f"{where} is not a safetensors file but a web page (an error page saved under that "
            f"name?). Received: {content.lstrip()[:40]!r}"
        )
    try:
        # The library checks that the tensors fill the file exactly: no gap, overlap or excess.
        entries = safetensors.deserialize(content)
    except safetensors.SafetensorError as error:
        raise ValueError(
            f"{where} is truncated, altered or not a safetensors file ({error}). "
            f"Received: {len(content)} bytes beginning with {content[:16]!r}"
        ) from None
    tensors = {}
    for name, entry in entries:
        if entry["dtype"] not in _DTYPES:
            raise ValueError(
                f"{where}: expected dtypes {', '.join(_DTYPES)}. "
                f"Received: {entry['dtype']} for {name!r}"
            )
        dtype = np.dtype(_DTYPES[entry["dtype"]]).newbyteorder("<")
        tensors[name] = np.frombuffer(entry["data"], dtype).reshape(entry["shape"])
        _check_finite(name, tensors[name], where)
    return tensors


def assign_weights(
    model: keras.Model,
    tensors: Mapping[str, np.ndarray],
    *,
    where: str | Path = "the weights",
    fresh: Iterable[str] = (),
) -> None:
    """Gives the model the values of `tensors`, all of them or, on an error, none.

    Args:
        model: a built model.
        tensors: arrays by the names of `named_variables(model)`.
        where: name of the file, for errors.
        fresh: names of layers that keep their own values; what the file has for them is ignored.

    Raises:
        ValueError: if a name is missing or unexpected, or a shape or dtype differs. The message
            lists all of them.
    """
    fresh = tuple(fresh)

    def concerned(name):
        return not any(name.startswith(f"{layer}.") for layer in fresh)

    variables = {name: v for name, v in named_variables(model).items() if concerned(name)}
    problems = [
        *_listed("missing", [name for name in variables if name not in tensors]),
        *_listed("unexpected", [n for n in tensors if concerned(n) and n not in variables]),
        *_listed(
            "of another shape",
            [
                f"{name} (expected {tuple(variable.shape)}, received {tensors[name].shape})"
                for name, variable in variables.items()
                if name in tensors and tuple(variable.shape) != tensors[name].shape
            ],
        ),
        *_listed(
            "of another dtype",
            [
                f"{name} (expected {variable.dtype}, received {tensors[name].dtype.name})"
                for name, variable in variables.items()
                if name in tensors and not _keeps_values(tensors[name].dtype, variable.dtype)
            ],
        ),
    ]
    if problems:
        raise ValueError(
            f"{where}: expected the {len(variables)} tensors of {model.name!r}. "
            f"Received: {len(tensors)} tensors; {'; '.join(problems)}"
        )
    for name, variable in variables.items():
        variable.assign(tensors[name])


def _in_file_order(tensor):
    """The tensor by rows and in the machine's byte order: safetensors copies memory as it lies."""
    return np.asarray(tensor, dtype=tensor.dtype.newbyteorder("="), order="C")


def _packed(tensor):
    if tensor.dtype.kind != "f":
        return tensor
    for smaller in (np.float16, np.float32):
        with np.errstate(over="ignore"):
            packed = tensor.astype(smaller)
        if np.array_equal(packed.astype(tensor.dtype), tensor):
            return packed
    return tensor


def _keeps_values(source, target):
    """Whether numbers of dtype `source` are stored exactly in a variable of dtype `target`."""
    if target == "bfloat16":
        return False
    return np.can_cast(source, np.dtype(target), "safe")


def _check_finite(name, tensor, where):
    if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
        raise ValueError(f"{where}: expected finite numbers. Received: NaN or infinity in {name!r}")


def _listed(kind, items):
    if items:
        more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
        yield f"{kind}: {', '.join(items[:_SHOWN])}{more}"
