"""A first recipe for a user's own data: what the data tell is filled in, the rest is left open."""

import json
import math
import re
from pathlib import Path

import numpy as np
import tomlkit

from lipzoo.data.dataset import Dataset, load_data
from lipzoo.training.model import build_model
from lipzoo.training.provenance import content_sha256
from lipzoo.training.recipe import parse_document, parse_recipe
from lipzoo.training.tasks import task_of
from lipzoo_catalogue.task_names import CLASSIFICATION, TASK_NAMES

# Steps of training that a first run takes, about.
_STEPS = 4000
_MIN_EPOCHS, _MAX_EPOCHS = 5, 60


def draft_recipe(source: str, task: str = CLASSIFICATION, data: str = "") -> str:
    """Writes a recipe that fits a data source and trains as it is.

    Shape, kind, classes and the hash of the data are read from the source; sizes of network and
    training are those of the zoo's models of such data. What only a person knows, in `[registry]`,
    is left empty.

    Args:
        source: a data source, see `DataSettings`.
        task: `"classification"`, or `"reconstruction"`: deblurring of images or signals, with an
            operator to be replaced by one's own.
        data: further lines of the recipe's `[data]` table, as TOML.

    Returns:
        The recipe, as TOML text with comments.

    Raises:
        ValueError: if the task is another.
        RecipeError: if `data` holds what a `[data]` table does not.
        DataError: if the source cannot be read, or it is not clear how; the message names the key
            of `[data]` that says it.

    Example:

    >>> recipe = parse_recipe(draft_recipe("sklearn:digits"))
    >>> recipe.data.kind, recipe.model.architecture, recipe.registry.data_licence
    ('image', 'GradFlowNet', '')
    """
    return drafted(source, task, data)[0]


def drafted(source: str, task: str = CLASSIFICATION, data: str = "") -> tuple[str, Dataset]:
    """The recipe of `draft_recipe`, and the data that it is for."""
    if task not in TASK_NAMES:
        raise ValueError(f"Expected a task of {', '.join(TASK_NAMES)}. Received: task={task!r}")
    name = _name_of(source)
    reading = parse_document(data, "--set")
    lines = [f"source = {_quoted(source)}", tomlkit.dumps(reading).strip()]
    table = "\n".join(line for line in lines if line)
    # Everything but the data is filled in below; a whole recipe is what is read and checked.
    stub = f'name = "{name}"\n[data]\n{table}\n[model]\narchitecture = "MLP"\n[training]\n'
    stub += "epochs = 1\nbatch_size = 1\nlearning_rate = 1.0\n"
    dataset = load_data(parse_recipe(stub, where="--set").data, task == CLASSIFICATION)
    if "kind" not in reading:
        table += f'\nkind = "{dataset.kind}"'
    body = _classifier if task == CLASSIFICATION else _reconstruction
    text = _HEAD.format(name=name, data=table) + body(dataset, reading)
    text += _REGISTRY.format(sha256=content_sha256(dataset), classes=_classes(dataset))
    recipe = parse_recipe(text)
    # What does not fit is an error here, and not one of the user's first training.
    build_model(recipe.model.architecture, task_of(recipe, dataset).arguments())
    return text, dataset


def _classifier(dataset: Dataset, reading) -> str:
    """The tables of a classifier."""
    standardize = dataset.kind != "image"
    text = "standardize = true\n" if standardize and "standardize" not in reading else ""
    arguments = _network(dataset)
    text += '\n[model]\narchitecture = "GradFlowNet"\n\n[model.arguments]\n'
    text += "".join(f"{key} = {_quoted(value)}\n" for key, value in arguments.items())
    text += _training(dataset)
    counts = np.bincount(dataset.train.y, minlength=dataset.num_classes)
    if counts.min() and counts.max() > 1.5 * counts.min():
        text += 'class_weight = "balanced"\n'
    text += '\n[training.loss]\nname = "offset_cross_entropy"\nepsilon = 0.5\ntemperature = 0.25\n'
    radii = _radii(dataset)
    text += f"\n[evaluation]\n# l2 radii, {_units(dataset)}\n"
    text += f"epsilons = {json.dumps(radii)}\nwatch = [{radii[1]}]\n"
    return text


def _reconstruction(dataset: Dataset, reading) -> str:
    """The tables of a reconstruction."""
    x = dataset.inputs(dataset.train)
    shape = list(dataset.input_shape)
    if len(shape) == 1 or min(shape[:-1]) < 11:
        raise ValueError(
            "Expected images or signals of at least 11 pixels a side for a reconstruction, whose "
            f"similarity is measured in windows of 11. Received: examples of shape {tuple(shape)}"
        )
    taps = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    kernel = taps if len(shape) == 2 else np.outer(taps, taps)
    low, high = (0.0, 1.0) if dataset.kind == "image" else (math.floor(x.min()), math.ceil(x.max()))
    arguments = {"alpha": 3e-3, "steps": 6, "flows": 1, "width": 16, "filters": 32}
    arguments |= {"kernel_size": 3, "bounds": [float(low), float(max(high, low + 1))]}
    text = "\n[measurement]\nnoise = 0.02\n"
    text += '\n[model]\narchitecture = "InvNet"\n\n[model.arguments]\n'
    text += "".join(f"{key} = {_quoted(value)}\n" for key, value in arguments.items())
    text += "\n# How your images are measured; a slight blur stands here until you say so.\n"
    text += '[model.arguments.operator]\nclass_name = "Blur"\n'
    text += "\n[model.arguments.operator.config]\n"
    text += f"image_shape = {shape}\nkernel = {json.dumps(kernel.tolist())}\n"
    text += 'padding = "circular"\n'
    return text + _training(dataset) + '\n[training.loss]\nname = "mean_squared_error"\n'


def _network(dataset: Dataset) -> dict:
    """Sizes of a GradFlowNet for such examples."""
    *spatial, channels = dataset.input_shape
    enough = 2 ** math.ceil(math.log2(max(dataset.num_classes, 2)))
    common = {"activation": "relu", "head": "orthogonal"}
    if not spatial:
        return {"features": max(64, enough), "dense_depth": 4, **common}
    side = max(spatial)
    # Blocks become channels until about 16 are left along the longest side.
    stem = 1 if side < 8 else 2 ** max(1, round(math.log2(side / 16)))
    units = 64 if side <= 16 or len(spatial) == 1 else 128
    return {
        "width": max(32, channels * stem ** len(spatial)),
        "stem": stem,
        "patch_depths": [4] if side >= 4 else [],
        "axial_depth": 2 * len(spatial),
        "axial_units": units,
        "features": max(units, enough),
        "dense_depth": 2,
        **common,
    }


def _training(dataset: Dataset) -> str:
    """The `[training]` table up to its subtables."""
    count = len(dataset.train)
    batch = next((size for size, most in ((16, 500), (32, 2000), (64, 20000)) if count < most), 128)
    batch = min(batch, count)
    epochs = min(max(round(_STEPS * batch / count), _MIN_EPOCHS), _MAX_EPOCHS)
    return (
        f"\n[training]\nepochs = {epochs}\nbatch_size = {batch}\nlearning_rate = 3e-3\n"
        'final_learning_rate = 0.01\nwarmup_epochs = 1\nweights_dtype = "float16"\n'
    )


def _radii(dataset: Dataset) -> list[float]:
    """Radii to report at, of the size that such data have."""
    size = 1.0
    if dataset.kind != "image":
        x = dataset.inputs(dataset.train).astype("float64")
        deviations = x.std(axis=tuple(range(x.ndim - 1)))
        size = float(np.median(deviations[deviations > 0])) if deviations.any() else 1.0
    return [float(f"{share * size:.2g}") for share in (0.1, 0.25, 0.5, 1.0)]


def _units(dataset):
    return "pixels in [0, 1]" if dataset.kind == "image" else "in the units of the data"


def _classes(dataset):
    # A name may hold what a comment must not.
    shown = re.sub(r"[\x00-\x1f\x7f]", " ", ", ".join(dataset.class_names[:20]))
    return f"{dataset.num_classes} classes: {shown}{', …' if dataset.num_classes > 20 else ''}"


def _name_of(source):
    """A model's name made of a source's."""
    last = source.rpartition(":")[2].replace("\\", "/").rstrip("/").rpartition("/")[2]
    words = re.findall(r"[a-z0-9]+", Path(last).stem.lower())
    return "-".join(words)[:60].strip("-") or "my-model"


def _quoted(value):
    return json.dumps(value, ensure_ascii=False)


_HEAD = """\
# Written by `lipzoo init`: sizes and times to begin with. Choose them on the validation split; the
# test split is for the one number that you report.
name = "{name}"
# One line about the model.
description = ""
seed = 0

[data]
{data}
"""

_REGISTRY = """
# What a card says of your data and your model, {classes}.
# `lipzoo publish` asks for description, dataset and data_licence.
[registry]
dataset = ""
data_licence = ""
citation = ""
# The licence that you give the weights.
licence = "Apache-2.0"
units = ""
intended_use = ""
limitations = ""
# These texts are about the data of this hash, and are left out with any other.
content_sha256 = "{sha256}"
"""
