"""Batches of examples, with or without labels, from whatever gives such."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

from lipzoo.certificates.inputs import as_array, check_inputs, input_names, named_inputs

# Small batches are certified together: every call of a model costs what does not depend on them.
EXAMPLES = 1_024
# Of large examples fewer are in memory at a time.
BYTES = 2**26
_ROWS = 256


def is_data_set(x: Any) -> bool:
    """Whether x is something that batches come from, and no examples itself.

    That is a `tf.data.Dataset`, a `keras.utils.PyDataset`, a data set of the library `datasets`, or
    any other object to iterate over that is no array, list, tuple, dict or text: a `DataLoader` of
    PyTorch or of grain, a generator.
    """
    if _is_table(x) or isinstance(x, keras.utils.PyDataset) or hasattr(x, "element_spec"):
        return True
    if isinstance(x, list | tuple | Mapping | str | bytes | set | frozenset):
        return False
    if hasattr(x, "shape") or hasattr(x, "__array__") or hasattr(x, "__array_interface__"):
        return False
    return hasattr(x, "__iter__") or hasattr(x, "__getitem__")


def batches(model: keras.Model, data: Any) -> Iterator[tuple[Any, np.ndarray | None]]:
    """Examples as the model takes them, and labels or `None`, in the order of the data set.

    Batches are put together to more examples, as far as memory allows.

    Args:
        model: the model.
        data: see `is_data_set`; a batch is x, `(x,)`, `(x, y)`, or a dict of `"x"` and perhaps
            `"y"`, if these are not the model's inputs.

    Raises:
        TypeError: for what is no batch of arrays.
        ValueError: for a data set without an end, weights of examples, labels of some alone, or
            inputs or labels that are not as many as the examples of their batch.
    """
    waiting: list[list[np.ndarray]] = []
    counts, size = list[int](), 0
    labelled: bool | None = None
    kind: Any = None
    names = input_names(model) if model.inputs else []
    for batch in _elements(data):
        x, y = _parts(model, batch)
        if labelled is not None and labelled != (y is not None):
            raise ValueError("Expected labels of all batches, or of none. Received: some with them")
        labelled = y is not None
        arrays = _arrays(model, x, y)
        if len(arrays[0]) == 0:
            # The last one of some data sets.
            continue
        form = names if isinstance(x, Mapping) else len(arrays) - labelled > 1
        shapes = [array.shape[1:] for array in arrays]
        if waiting and kind != (form, labelled, shapes):
            yield _together(waiting, *kind)
            waiting = []
        if not waiting:
            kind, counts, size = (form, labelled, shapes), [], 0
        counts.append(len(arrays[0]))
        size += sum(array.nbytes for array in arrays)
        # What waits is copied: the next batch may come in the same memory.
        waiting.append([array.copy() for array in arrays])
        # As many as before fit once more, or not.
        if sum(counts) + counts[-1] > EXAMPLES or size > BYTES:
            yield _together(waiting, *kind)
            waiting = []
    if waiting:
        yield _together(waiting, *kind)


def _arrays(model, x, y) -> list[np.ndarray]:
    """The inputs of a batch in the order of the model's, and behind them labels, if any."""
    arrays = [as_array(value, name) for name, value in named_inputs(model, x)]
    labels = [] if y is None else [as_array(y, "y")]
    lengths = [len(array) if array.ndim else None for array in (*arrays, *labels)]
    if lengths == [0] * len(lengths):
        return arrays + labels
    ranks = [len(tensor.shape) for tensor in model.inputs or []]
    if [array.ndim for array in arrays] != ranks:
        # It has no batch axis, or is none of the model.
        check_inputs(model, x)
    if len(set(lengths)) > 1:
        raise ValueError(
            "Expected as many examples in every input of a batch, and a label for each. "
            f"Received: shapes {', '.join(str(array.shape) for array in arrays)}"
            + "".join(f", y of shape {array.shape}" for array in labels)
        )
    return arrays + labels


def _together(waiting, form, labelled, _):
    joined = [np.concatenate(arrays) for arrays in zip(*waiting, strict=True)]
    y = joined.pop() if labelled else None
    if isinstance(form, list):
        return dict(zip(form, joined, strict=True)), y
    return joined if form else joined[0], y


def _is_table(data) -> bool:
    """Whether it is a data set of the library `datasets`, which has rows but gives batches too."""
    return hasattr(data, "column_names") and callable(getattr(data, "iter", None))


def _elements(data: Any) -> Iterable[Any]:
    if isinstance(data, keras.utils.PyDataset):
        if data.num_batches is None:
            raise ValueError("Expected a data set that ends. Received: num_batches=None")
        return (data[i] for i in range(data.num_batches))
    if _is_table(data):
        return data.with_format("numpy").iter(batch_size=_ROWS)
    # That of TensorFlow is -1 for a data set that repeats for ever.
    cardinality: Any = getattr(data, "cardinality", None)
    known: Any = cardinality() if callable(cardinality) else 0
    endless = int(known) == -1
    if endless or (hasattr(data, "__len__") and _length(data) >= sys.maxsize):
        raise ValueError("Expected a data set that ends. Received: one that repeats for ever")
    return data


def _length(data) -> int:
    try:
        return len(data)
    except TypeError:
        # Of a data set that does not know it.
        return 0


def _parts(model, batch) -> tuple[Any, Any]:
    """Examples and labels of a batch."""
    if isinstance(batch, Mapping):
        if set(batch) == set(input_names(model)):
            return batch, None
        if "x" in batch and set(batch) <= {"x", "y"}:
            return batch["x"], batch.get("y")
        raise ValueError(
            "Expected batches with x and y, or x alone; name the columns so, and leave out others. "
            f"Received: a batch with {', '.join(map(str, batch))}"
        )
    if not isinstance(batch, list | tuple):
        return batch, None
    nested = len(batch) > 0 and isinstance(batch[0], list | tuple | Mapping)
    if len(batch) == len(model.inputs or []) > 1 and not nested:
        raise ValueError(
            "Expected batches (x,) or (x, y) of a model with several inputs, x a list of arrays. "
            f"Received: a batch of {len(batch)}, which may be either"
        )
    if len(batch) not in (1, 2):
        raise ValueError(
            "Expected batches (x,) or (x, y): weights of examples do not count in a certificate. "
            f"Received: a batch of {len(batch)}"
        )
    parts: Any = batch
    return parts[0], parts[1] if len(parts) == 2 else None
