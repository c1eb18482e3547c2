"""`lipzoo certify`: a certified radius for every example of a user's data."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from lipzoo.certificates import certify as certify_arrays
from lipzoo.float64 import computes_in_float64
from lipzoo.training import DataError, load_data
from lipzoo.training.data import load_examples, scale
from lipzoo.training.npz import read_arrays, write_arrays
from lipzoo.training.recipe import DataSettings, parse_recipe
from lipzoo.training.settings import parse_fraction
from lipzoo.zoo.loading import load_from
from lipzoo_catalogue.commands import model_of, print_json, settings_of
from lipzoo_catalogue.config import ModelConfig
from lipzoo_catalogue.files import CONFIG, RECIPE, write_file
from lipzoo_catalogue.sources import find

_CHUNK = 1_000
_SHOWN = 20


def certify(arguments: argparse.Namespace) -> None:
    """`lipzoo certify MODEL DATA [--out FILE] [--abstain-below R] [--norm N] [--standardized]`."""
    if arguments.examples is not None and arguments.examples < 1:
        raise ValueError(f"--examples: expected a positive number. Received: {arguments.examples}")
    if arguments.out is not None and Path(arguments.out).suffix not in (".csv", ".json", ".npz"):
        raise ValueError(f"--out: expected a .csv, .json or .npz file. Received: {arguments.out}")
    radii = {text: _radius(text, "--epsilon") for text in arguments.epsilon or ()}
    threshold = 0.0
    if arguments.abstain_below is not None:
        threshold = _radius(arguments.abstain_below, "--abstain-below")
    source = find(
        model_of(arguments.model),
        revision=arguments.revision,
        settings=settings_of(arguments),
        want="everything",
    )
    config = ModelConfig.from_dict(source.read_json(CONFIG), source.path(CONFIG))
    if config.num_classes is None:
        raise ValueError(
            "Expected a classifier: radii are certified for predictions of a class. "
            f"Received: {arguments.model}, which has no classes"
        )
    recipe = None
    if source.has(RECIPE):
        text = source.read(RECIPE).decode()
        recipe = parse_recipe(text, where=str(source.path(RECIPE))).data
    x, y = read_examples(arguments.data, config, recipe)
    x, y = x[: arguments.examples], None if y is None else y[: arguments.examples]
    model, reference = load_from(source, dtype=arguments.dtype), None
    if arguments.dtype == "float32" and computes_in_float64():
        reference = load_from(source, dtype="float64")
    certificate = _in_chunks(model, x, y, reference, arguments.standardized)
    certificate = certificate.in_norm(arguments.norm)
    report = certificate.report(threshold)
    if arguments.out is not None:
        _write(Path(arguments.out), certificate, report)
    if arguments.json:
        print_json(_values(certificate, report, radii, arguments))
        return
    print(certificate)
    if certificate.units:
        print(f"units: {certificate.units}")
    for text, radius in radii.items():
        print(f"radius above {text}: {100 * certificate.coverage(radius):.2f} %")
    if arguments.abstain_below is not None:
        _print_kept(certificate, threshold)
    if len(certificate) <= _SHOWN or arguments.abstain_below is not None:
        print(report)
    if arguments.out is not None:
        print(f"report: {arguments.out}")


def _radius(text, option):
    radius = parse_fraction(text)
    if not 0 <= radius < np.inf:
        raise ValueError(f"{option}: expected a finite radius of at least 0. Received: {text}")
    return radius


def read_examples(
    data: str, config: ModelConfig, recipe: DataSettings | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Reads examples, and labels if there are any, in the units and the shape of a model.

    Bytes (uint8) are divided by 255 for a model whose input is pixels in [0, 1]; a missing channel
    axis of length 1 is added.

    Args:
        data: path of an `.npy` or `.npz` file, or a data source of recipes.
        config: the model's configuration.
        recipe: how the data that the model was trained on are to be read, its recipe's `[data]`
            table: where a CSV file has its labels, say.

    Returns:
        Examples of shape `(n, ...)`, and labels as integers or `None`.

    Raises:
        DataError: if there is no such data, or they do not fit the model.
    """
    path = Path(data).expanduser()
    if path.suffix.lower() in (".npy", ".npz"):
        x, y = _read_numpy(path)
    else:
        settings = DataSettings(data) if recipe is None else replace(recipe, source=data, test=None)
        x, y = _read_source(settings, path, config)
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


def _read_source(settings, path, config):
    """All examples of a file or folder; the test split of a data set with a name."""
    if path.exists():
        x, y, names = load_examples(settings)
    else:
        dataset = load_data(settings)
        x, y, names = dataset.inputs(dataset.test), dataset.test.y, dataset.class_names
    known = [*map(str, config.class_names)]
    if set(names) <= set(known):
        return x, np.array([known.index(name) for name in names])[y]
    # Numbers are the model's own only if both count from 0: whether a class that has another name
    # is counted from 0, from 1 or otherwise, they do not tell.
    numbers = [int(name) if name.isdecimal() else -1 for name in names]
    counted = [*map(str, range(config.num_classes))]
    inside = 0 in numbers and all(0 <= number < config.num_classes for number in numbers)
    if inside and known in ([], counted):
        return x, np.array(numbers)[y]
    expected = known or f"0 to {config.num_classes - 1}, counted from 0"
    raise DataError(
        f"{settings.source}: expected classes among {expected}, as the model has them; labels that "
        "are numbers get names by label_names, in [data] of the model's recipe. "
        f"Received: {list(names)}"
    )


def _in_chunks(model, x, y, reference, standardized):
    """Certifies some examples at a time, with progress on a terminal."""
    parts, shows = [], sys.stderr.isatty() and len(x) > _CHUNK
    for start in range(0, len(x), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        labels = None if y is None else y[chunk]
        parts.append(
            certify_arrays(
                model,
                x[chunk],
                labels,
                standardized=standardized,
                reference=reference,
                verbose=0,
            )
        )
        if shows:
            done = min(start + _CHUNK, len(x))
            print(f"\rcertified {done:,} of {len(x):,}", end="", file=sys.stderr, flush=True)
    if shows:
        print(file=sys.stderr)
    columns = ["radius", "prediction", "logits", "rival", *(["labels"] if y is not None else [])]
    joined = {key: np.concatenate([getattr(part, key) for part in parts]) for key in columns}
    return replace(parts[0], **joined)


def _values(certificate, report, radii, arguments):
    labels = certificate.labels
    columns = report.columns()
    values = {
        "model": arguments.model,
        "data": arguments.data,
        "dtype": arguments.dtype,
        _bound_key(certificate): certificate.bound.value,
        "standardized": certificate.deviation is not None,
        "norm": certificate.norm,
        "units": certificate.units,
        "examples": len(certificate),
        # JSON has no infinity: null is the radius of a prediction that nothing can change.
        "radius": columns["radius"],
        "prediction": columns["prediction"],
        "rival": columns["rival"],
        "class_names": list(certificate.class_names),
        "share_above": {key: certificate.coverage(r) for key, r in radii.items()},
    }
    if report.feature_radii:
        values["feature_radii"] = {
            name: columns[f"radius of {name}"] for name in report.feature_radii
        }
    if arguments.abstain_below is not None:
        values |= {"abstain_below": report.abstain_below, "abstains": columns["abstains"]}
        values |= _kept(certificate, report.abstain_below)
    if labels is not None:
        shares = {key: certificate.certified_accuracy(r) for key, r in radii.items()}
        values |= {"accuracy": certificate.accuracy, "certified_accuracy": shares}
    return values


def _bound_key(certificate):
    """What the bound is called: in standard deviations it is not that of the whole model."""
    standardized = certificate.deviation is not None
    return "lipschitz_bound_after_standardization" if standardized else "lipschitz_bound"


def _kept(certificate, threshold):
    """Coverage, and accuracy of the covered predictions where there are labels and any of them."""
    kept = {"coverage": certificate.coverage(threshold)}
    if certificate.labels is not None:
        accuracy = certificate.selective_accuracy(threshold)
        kept["selective_accuracy"] = None if np.isnan(accuracy) else accuracy
    return kept


def _print_kept(certificate, threshold):
    kept = _kept(certificate, threshold)
    line = f"abstaining below {threshold:g}: {100 * kept['coverage']:.2f} % covered"
    if kept.get("selective_accuracy") is not None:
        line += f", accuracy of these {100 * kept['selective_accuracy']:.2f} %"
    print(line)


def _write(path, certificate, report):
    if path.suffix == ".csv":
        write_file(path, report.to_csv().encode())
        return
    if path.suffix == ".json":
        write_file(path, f"{report.to_json()}\n".encode())
        return
    arrays = {key: getattr(certificate, key) for key in ("radius", "prediction", "rival")}
    if certificate.labels is not None:
        arrays["labels"] = certificate.labels
    if report.feature_radii:
        arrays["feature_radii"] = np.column_stack([*report.feature_radii.values()])
        arrays["feature_names"] = np.array([*report.feature_radii])
    arrays |= {_bound_key(certificate): certificate.bound.value}
    write_arrays(path, **arrays, norm=report.norm, units=report.units)
