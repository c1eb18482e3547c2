"""Checks what the user hands to `certify`, and measures it."""

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from lipzoo.bounds.domain import Domain
from lipzoo.bounds.keras_graph import as_function
from lipzoo.rounding import inflated
from lipzoo.validation import real_array, values_outside


def as_array(value, name: str) -> np.ndarray:
    """A NumPy array of numbers from an array, a list or a tensor of any backend.

    Raises:
        TypeError: for a data set, text, objects, booleans, complex numbers or masked entries.
    """
    if hasattr(value, "element_spec") or isinstance(value, keras.utils.PyDataset):
        raise TypeError(
            f"Expected {name} to be an array; iterate over the data set and certify its batches. "
            f"Received: {name} of type {type(value).__name__}"
        )
    if np.ma.is_masked(value):
        raise TypeError(
            f"Expected {name} to be an array of numbers; fill what is masked: .filled(...). "
            f"Received: {name} with {int(np.ma.count_masked(value))} masked entries"
        )
    try:
        array = np.asarray(value)
    except (TypeError, RuntimeError, ValueError):
        try:
            array = np.asarray(keras.ops.convert_to_numpy(value))
        except Exception as error:
            raise TypeError(
                f"Expected {name} to be an array of numbers. "
                f"Received: {name} of type {type(value).__name__}"
            ) from error
    if array.dtype.name in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
        array = array.astype("float32")
    if array.dtype.kind not in "iuf":
        channels = "; stack real and imaginary part as two channels"
        raise TypeError(
            f"Expected {name} to be an array of numbers{channels * (array.dtype.kind == 'c')}. "
            f"Received: {name} of type {type(value).__name__} with dtype={array.dtype}"
        )
    return array


def check_inputs(model: keras.Model, x: Any) -> list[np.ndarray]:
    """The inputs of a model as a list of arrays, one per input of the model.

    Raises:
        TypeError: see `as_array`.
        ValueError: for a wrong shape, no examples, NaN, infinity, or values outside the range that
            the model documents.
    """
    tensors = model.inputs or []
    arrays = [as_array(value, name) for name, value in named_inputs(model, x)]
    for array, tensor in zip(arrays, tensors, strict=True):
        expected = tuple(tensor.shape)[1:]
        fits = len(array.shape) == len(expected) + 1 and all(
            size in (None, actual) for size, actual in zip(expected, array.shape[1:], strict=True)
        )
        if not fits:
            hint = " (a batch axis is missing)" if array.shape == expected else ""
            raise ValueError(
                f"Expected x of shape {(None, *expected)}, as the model's input "
                f"'{tensor.name}' has it{hint}. Received: x.shape={array.shape}"
            )
    sizes = {len(array) for array in arrays}
    if len(sizes) > 1:
        raise ValueError(
            f"Expected as many examples in every input. Received: {[len(a) for a in arrays]}"
        )
    if sizes == {0}:
        raise ValueError(f"Expected at least one example. Received: x.shape={arrays[0].shape}")
    for array in arrays:
        _check_values(model, array)
    return arrays


def check_in_domain(domain: Domain, arrays: list[np.ndarray]) -> None:
    """Refuses examples outside of the box that a certificate is to hold in.

    Raises:
        ValueError: saying how many there are.
    """
    inside = np.logical_and.reduce([domain.contains(array) for array in arrays])
    if not inside.all():
        least, most = (end([end(array) for array in arrays]) for end in (np.min, np.max))
        raise ValueError(
            f"Expected all entries of x in the domain, {domain}. "
            f"Received: {int((~inside).sum())} of {len(inside)} examples outside of it, number "
            f"{int(np.argmin(inside))} first; entries from {float(least)!r} to {float(most)!r}"
        )


def input_names(model) -> list[str]:
    """What the inputs are called where they are passed as a dict: the keys that they have in it.

    The names of the inputs for a model that was not made with a dict.
    """
    structure = getattr(as_function(model), "_inputs_struct", None)
    if not isinstance(structure, dict):
        return [tensor.name for tensor in model.inputs]
    keys: dict[int, Any] = {id(tensor): str(key) for key, tensor in structure.items()}
    return [keys.get(id(tensor), tensor.name) for tensor in model.inputs]


def named_inputs(model: keras.Model, x: Any) -> list[tuple[str, Any]]:
    """What each input of a model is given, in their order, and what to call it in an error.

    Raises:
        ValueError: for a dict of other names, and no list of as many for several inputs.
    """
    tensors = model.inputs or []
    if isinstance(x, Mapping):
        names = input_names(model)
        own = [tensor.name for tensor in tensors]
        names = own if set(x) == set(own) else names
        if set(x) != set(names):
            raise ValueError(f"Expected inputs named {names}. Received: {sorted(map(str, x))}")
        return [(f"x[{name!r}]", x[name]) for name in names]
    if len(tensors) > 1:
        if not isinstance(x, list | tuple) or len(x) != len(tensors):
            raise ValueError(
                f"Expected a list of {len(tensors)} arrays, one per input of the model. "
                f"Received: x of type {type(x).__name__}"
            )
        return [(f"x[{i}]", value) for i, value in enumerate(x)]
    return [("x", x)]


def _check_values(model, array):
    if array.dtype.kind == "f" and not np.all(np.isfinite(array)):
        raise ValueError(
            "Expected finite values in x. Received: "
            f"{int(np.sum(~np.isfinite(array)))} values that are NaN or infinite"
        )
    documented = getattr(model, "lipzoo_preprocessing", None)
    if not documented or documented.get("minimum") is None or documented.get("maximum") is None:
        return
    minimum, maximum = float(documented["minimum"]), float(documented["maximum"])
    # Nothing is proven from this range: an input a rounding beyond it is certified as it is.
    outside = values_outside(array, minimum, maximum)
    if outside:
        bytes_hint = (
            " Divide images of 0 to 255 by 255."
            if maximum == 1 and 1.5 < array.max() <= 255
            else ""
        )
        raise ValueError(
            f"Expected x in [{minimum:g}, {maximum:g}], the range that model '{model.name}' "
            f"documents.{bytes_hint} Received: {outside}"
        )


def check_labels(y: Any, examples: int, classes: int) -> np.ndarray:
    """Labels as integers in `[0, classes)`; one-hot rows are accepted.

    Raises:
        TypeError: see `as_array`.
        ValueError: for a wrong shape, values that are no integers, or labels out of range.
    """
    labels = as_array(y, "y")
    if labels.shape == (examples, classes) and classes > 1:
        is_one_hot = np.all((labels == 0) | (labels == 1)) and np.all(labels.sum(axis=1) == 1)
        if not is_one_hot:
            raise ValueError(
                f"Expected y of shape ({examples},), or one-hot rows. "
                f"Received: y.shape={labels.shape} with rows that are not one-hot"
            )
        return labels.argmax(axis=1)
    if labels.shape == (examples, 1):
        labels = labels[:, 0]
    if labels.shape != (examples,):
        raise ValueError(
            f"Expected y of shape ({examples},), one label per example. "
            f"Received: y.shape={labels.shape}"
        )
    if not np.all(labels == np.floor(labels)):
        raise ValueError(f"Expected integer labels. Received: y={labels[:5]}...")
    lowest, highest = labels.min(), labels.max()
    if lowest < 0 or highest >= max(classes, 2):
        raise ValueError(
            f"Expected labels from 0 to {max(classes, 2) - 1}. "
            f"Received: labels from {lowest:g} to {highest:g}"
        )
    return labels.astype("int64")


def check_values(y: Any, shape: tuple[int, int]) -> np.ndarray:
    """True values of predicted numbers, float64, of the prediction's shape.

    Args:
        y: finite numbers of that shape, or `(examples,)` of a single output.
        shape: `(examples, outputs)`.

    Raises:
        TypeError: see `as_array`.
        ValueError: for another shape, or numbers that are not finite.
    """
    values = as_array(y, "y").astype("float64")
    if values.ndim == 1 and shape[1] == 1:
        values = values[:, None]
    if values.shape != shape:
        raise ValueError(
            f"Expected y of shape {shape}, one number per example and output. "
            f"Received: y.shape={np.shape(y)}"
        )
    if not np.isfinite(values).all():
        raise ValueError("Expected finite numbers in y. Received: NaN or infinity")
    return values


def check_radius(value: Any, name: str, examples: int) -> np.ndarray:
    """One radius per example, float64.

    Args:
        value: one number, or one per example.
        name: what to call it in an error.
        examples: how many there are.

    Raises:
        ValueError: unless it is one finite number of at least 0, or one per example.
    """
    try:
        radii = real_array(value, name).astype("float64")
    except ValueError:
        radii = np.asarray(math.nan)
    fits = radii.shape in ((), (examples,)) and np.isfinite(radii).all() and (radii >= 0).all()
    if not fits:
        raise ValueError(
            f"{name} must be a finite number of at least 0, or {examples} of them. "
            f"Received: {name}={value!r}"
        )
    return np.broadcast_to(radii, (examples,)).copy()


def joint_norms(arrays: list[np.ndarray]) -> np.ndarray:
    """Upper bounds of the Euclidean norm of each example, all inputs taken together."""
    entries = sum(array[0].size for array in arrays)
    # What squares of the smallest numbers lose: they underflow.
    squares = np.full(len(arrays[0]), entries * 2.0**-1074)
    for array in arrays:
        flat = array.reshape(len(array), -1)
        # In slices, so that no float64 copy of all the data is made.
        for start in range(0, len(flat), 4096):
            part = flat[start : start + 4096].astype("float64")
            squares[start : start + 4096] += np.einsum("ij,ij->i", part, part)
    # On the way of an entry: its square, the sums and the root.
    return inflated(np.sqrt(squares), operations=entries + len(arrays) + 2)
