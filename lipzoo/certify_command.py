"""`lipzoo certify`: a certified radius for every example of a user's data."""

import argparse
import sys
from pathlib import Path

import numpy as np

from lipzoo.bounds.result import LipschitzBound
from lipzoo.certificates import Certificate
from lipzoo.certificates import certify as certify_arrays
from lipzoo.training import DataError, load_data
from lipzoo.training.data import scale
from lipzoo.training.npz import read_arrays
from lipzoo.training.recipe import DataSettings
from lipzoo.training.settings import parse_fraction
from lipzoo.zoo.loading import load_from
from lipzoo.zoo.precision import computes_in_float64
from lipzoo_catalogue.commands import model_of, print_json, settings_of
from lipzoo_catalogue.config import ModelConfig
from lipzoo_catalogue.files import CONFIG, write_file
from lipzoo_catalogue.sources import find

_CHUNK = 1_000
_SHOWN = 20


def certify(arguments: argparse.Namespace) -> None:
    """`lipzoo certify MODEL DATA [--out FILE] [--examples N] [--epsilon E]... [--dtype D]`."""
    if arguments.examples is not None and arguments.examples < 1:
        raise ValueError(f"--examples: expected a positive number. Received: {arguments.examples}")
    if arguments.out is not None and Path(arguments.out).suffix not in (".csv", ".npz"):
        raise ValueError(f"--out: expected a .csv or .npz file. Received: {arguments.out}")
    radii = {text: parse_fraction(text) for text in arguments.epsilon or ()}
    source = find(
        model_of(arguments.model), revision=arguments.revision, settings=settings_of(arguments)
    )
    config = ModelConfig.from_dict(source.read_json(CONFIG), source.path(CONFIG))
    if config.num_classes is None:
        raise ValueError(
            "Expected a classifier: radii are certified for predictions of a class. "
            f"Received: {arguments.model}, which has no classes"
        )
    x, y = read_examples(arguments.data, config)
    x, y = x[: arguments.examples], None if y is None else y[: arguments.examples]
    model, reference = load_from(source, dtype=arguments.dtype), None
    if arguments.dtype == "float32" and computes_in_float64():
        reference = load_from(source, dtype="float64")
    certificate = _in_chunks(model, x, y, reference)
    if arguments.out is not None:
        _write(Path(arguments.out), certificate, config.class_names)
    if arguments.json:
        print_json(_values(certificate, config.class_names, radii, arguments))
        return
    print(certificate)
    for text, radius in radii.items():
        print(f"radius above {text}: {100 * np.mean(certificate.radius > radius):.2f} %")
    if len(certificate) <= _SHOWN:
        print(_csv(certificate, config.class_names), end="")
    if arguments.out is not None:
        print(f"radii: {arguments.out}")


def read_examples(data: str, config: ModelConfig) -> tuple[np.ndarray, np.ndarray | None]:
    """Reads examples, and labels if there are any, in the units and the shape of a model.

    Bytes (uint8) are divided by 255 for a model whose input is pixels in [0, 1]; a missing channel
    axis of length 1 is added.

    Args:
        data: path of an `.npy` or `.npz` file, or a data source of recipes.
        config: the model's configuration.

    Returns:
        Examples of shape `(n, ...)`, and labels as integers or `None`.

    Raises:
        DataError: if there is no such data, or they do not fit the model.
    """
    path = Path(data).expanduser()
    if path.suffix.lower() in (".npy", ".npz"):
        x, y = _read_numpy(path)
    else:
        x, y = _read_source(data, path, config)
    shape = config.input_shape
    if x.shape[1:] == shape[:-1] and shape[-1:] == (1,):
        x = x[..., None]
    if x.shape[1:] != shape:
        raise DataError(
            f"{data}: expected examples of shape {shape}, as the model takes them. "
            f"Received: shape={x.shape[1:]}"
        )
    if len(x) == 0:
        raise DataError(f"{data}: expected examples. Received: none")
    if x.dtype == np.uint8 and config.preprocessing["maximum"] == 1:
        x = scale(x, 255.0)
    return x, y


def _read_numpy(path):
    if not path.exists():
        raise DataError(f"{path}: no such file")
    if path.suffix.lower() == ".npy":
        try:
            return np.load(path, allow_pickle=False), None
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{path}: not an .npy file of numbers: {error}") from None
    arrays = read_arrays(path)
    for x, y in (("x", "y"), ("x_test", "y_test")):
        if x in arrays:
            labels = arrays.get(y)
            if labels is not None and len(labels) != len(arrays[x]):
                raise DataError(
                    f"{path}: expected one label per example. "
                    f"Received: {len(arrays[x])} examples, {len(labels)} labels"
                )
            return arrays[x], labels
    raise DataError(f"{path}: expected an array x, or x_test. Received: {', '.join(arrays)}")


def _read_source(data, path, config):
    """All examples of a file or folder; the test split of a data set with a name."""
    dataset = load_data(DataSettings(source=data))
    splits = [dataset.test]
    if path.exists():
        splits = [dataset.train, dataset.validation, dataset.test]
    x = np.concatenate([dataset.inputs(split) for split in splits])
    y = np.concatenate([split.y for split in splits])
    names, known = dataset.class_names, [*map(str, config.class_names)]
    if set(names) <= set(known):
        return x, np.array([known.index(name) for name in names])[y]
    numbers = [int(name) if name.isdecimal() else -1 for name in names]
    if all(0 <= number < config.num_classes for number in numbers):
        return x, np.array(numbers)[y]
    raise DataError(
        f"{data}: expected classes among {known or f'0 to {config.num_classes - 1}'}, as the model "
        f"has them. Received: {list(names)}"
    )


def _in_chunks(model, x, y, reference):
    """Certifies some examples at a time, with progress on a terminal."""
    parts, shows = [], sys.stderr.isatty() and len(x) > _CHUNK
    for start in range(0, len(x), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        labels = None if y is None else y[chunk]
        parts.append(certify_arrays(model, x[chunk], labels, reference=reference, verbose=0))
        if shows:
            done = min(start + _CHUNK, len(x))
            print(f"\rcertified {done:,} of {len(x):,}", end="", file=sys.stderr, flush=True)
    if shows:
        print(file=sys.stderr)
    bound: LipschitzBound = parts[0].bound
    joined = {
        key: np.concatenate([getattr(part, key) for part in parts])
        for key in ("radius", "prediction", "logits")
    }
    all_labels = None if y is None else np.concatenate([part.labels for part in parts])
    return Certificate(**joined, labels=all_labels, bound=bound)


def _values(certificate, names, radii, arguments):
    labels = certificate.labels
    values = {
        "model": arguments.model,
        "data": arguments.data,
        "dtype": arguments.dtype,
        "lipschitz_bound": certificate.bound.value,
        "examples": len(certificate),
        # JSON has no infinity: null is the radius of a prediction that nothing can change.
        "radius": [r if np.isfinite(r) else None for r in certificate.radius.tolist()],
        "prediction": certificate.prediction.tolist(),
        "class_names": list(names),
        "share_above": {key: float(np.mean(certificate.radius > r)) for key, r in radii.items()},
    }
    if labels is not None:
        shares = {key: float(certificate.certified_accuracy(r)) for key, r in radii.items()}
        values |= {"accuracy": certificate.accuracy, "certified_accuracy": shares}
    return values


def _csv(certificate, names):
    lines = ["example,prediction,class,radius,correct"]
    for i, (prediction, radius) in enumerate(zip(certificate.prediction, certificate.radius)):
        name = names[prediction] if names else ""
        name = '"' + name.replace('"', '""') + '"' if set(name) & set(',"\n') else name
        labels = certificate.labels
        correct = "" if labels is None else str(int(prediction == labels[i]))
        # repr: the shortest digits that give the very number back.
        lines.append(f"{i},{prediction},{name},{float(radius)!r},{correct}")
    return "\n".join(lines) + "\n"


def _write(path, certificate, names):
    if path.suffix == ".csv":
        write_file(path, _csv(certificate, names).encode())
        return
    arrays = {"radius": certificate.radius, "prediction": certificate.prediction}
    if certificate.labels is not None:
        arrays["labels"] = certificate.labels
    with open(path, "wb") as file:
        np.savez(file, **arrays, lipschitz_bound=certificate.bound.value)
