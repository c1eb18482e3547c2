"""Training runs: recipe and data in, run folder out; a killed run continues where it was."""

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lipzoo.callbacks import LipschitzLogger
from lipzoo.constraints import project
from lipzoo.data.dataset import Dataset
from lipzoo.training.adversary import AdversarialModel
from lipzoo.training.batches import EpochStart
from lipzoo.training.devices import (
    built_again,
    check_devices,
    data_parallel,
    shared_out,
)
from lipzoo.training.model import TrainingError, build_model, check_jit_compile
from lipzoo.training.processes import (
    check_shared,
    own_share,
    process_count,
    process_index,
    wait_for_all,
)
from lipzoo.training.progress import DivergenceCheck, Progress, Recorder
from lipzoo.training.provenance import with_own_data, without_statements
from lipzoo.training.recipe import Recipe, parse_recipe
from lipzoo.training.results import write_results
from lipzoo.training.run_folder import (
    CheckpointError,
    read_checkpoint,
    restore_variables,
    write_atomically,
)
from lipzoo.training.tasks import task_of
from lipzoo.training.warm_start import start_from
from lipzoo.training.weight_rounding import round_weights

CHECKPOINT = "checkpoint.npz"


class DivergedError(TrainingError):
    """The loss became NaN or infinite."""


def train(
    recipe_text: str,
    run_folder: str | Path,
    *,
    resume: bool = False,
    verbose: bool = True,
    devices: int | None = None,
) -> dict[str, Any]:
    """Trains the model of a recipe and writes the run folder.

    The run is seeded by the recipe; shuffling and augmentation of a step depend on (seed, epoch,
    step) alone, and after every epoch all variables of model and optimizer are saved atomically.
    A run that was killed and is resumed therefore repeats at most one epoch and reaches the same
    weights as one that was not (up to the backend's own reproducibility). The weights are those
    of the last epoch, or their running average, projected again, where the recipe sets `ema`.
    The test split is read once, at the end. What the recipe states of other data than it is run
    with is left out (`lipzoo.training.provenance`).

    Args:
        recipe_text: the recipe, as TOML text; a copy is put into the run folder.
        run_folder: folder to write; it must not hold another run.
        resume: continue the run that the folder holds, or start it if there is none.
        verbose: whether to print.
        devices: on how many devices each step is taken, see `lipzoo.training.devices`; `None` for
            the recipe's number. In a job of several processes (`lipzoo.training.processes`) all
            of them call this, with a run folder that all of them see; process 0 writes it.
            Weights and metrics are the same up to rounding, so a run may be
            resumed on another number of devices.

    Returns:
        The metrics, as written to `metrics.json`.

    Raises:
        RecipeError, DataError, TrainingError, CheckpointError: see there.
    """
    recipe = parse_recipe(recipe_text)
    share = (process_count(), process_index())
    writes = share[1] == 0
    verbose = verbose and writes
    say = print if verbose else (lambda *_: None)
    folder = Path(run_folder)
    checkpoint = folder / CHECKPOINT
    devices = recipe.training.devices if devices is None else devices
    _check_folder(folder, recipe, recipe_text, resume)
    check_devices(devices, recipe.training.batch_size)
    recipe_text, recipe, dataset = with_own_data(recipe_text)
    say(_describe(dataset))
    identity = {"recipe_sha256": recipe.sha256(), "data_sha256": dataset.fingerprint()}

    keras.utils.set_random_seed(recipe.seed)
    task, training = task_of(recipe, dataset), recipe.training
    arguments = task.arguments()
    batches = task.batches()
    batches.share = share
    check_devices(devices, batches.batch_size)
    check_jit_compile(training.jit_compile, devices)
    if len(dataset.validation) < devices:
        raise TrainingError(
            "validation: expected at least as many examples as devices, which share them. "
            f"Received: {len(dataset.validation)} examples, devices={devices}"
        )
    # None finds the folder as another has already changed it.
    wait_for_all("folder checked")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be made: {error.strerror}") from error
    check_shared(folder)
    with data_parallel(devices):
        model = _compiled(recipe, task, arguments, len(batches))
        say(f"{recipe.model.architecture}: {model.count_params():,} parameters")
        history, epochs_done = [], 0
        if resume and checkpoint.exists():
            state, arrays = read_checkpoint(checkpoint)
            _check_identity(folder, state, identity)
            restore_variables(checkpoint, model, arrays)
            history, epochs_done = state["history"], state["epochs_done"]
            say(f"continuing after epoch {epochs_done} of {training.total_epochs}")
        elif writes:
            write_atomically(folder / "recipe.toml", lambda file: file.write(recipe_text.encode()))
        callbacks = [
            EpochStart(batches, training.augment_at),
            DivergenceCheck(),
            LipschitzLogger(every=max(1, training.total_epochs // 5)),
            Recorder(checkpoint if writes else None, history, identity),
        ]
        if verbose:
            callbacks.append(Progress(len(batches)))
        try:
            model.fit(
                batches,
                # The batches shuffle themselves; Keras would draw their order from global state.
                shuffle=False,
                epochs=training.total_epochs,
                initial_epoch=epochs_done,
                validation_data=own_share(shared_out(task.validation_data(), devices), *share),
                validation_batch_size=4 * batches.batch_size // share[0],
                class_weight=task.class_weight(),
                callbacks=callbacks,
                verbose=0,
            )
        except FloatingPointError as error:
            raise DivergedError(f"{folder}: training diverged: {error}") from None
    if not writes:
        return _written_by_another(folder / "metrics.json")
    if devices > 1 or training.dtype_policy != "float32":
        architecture = recipe.model.architecture
        model = built_again(model, lambda: build_model(architecture, arguments, "float32"))
    if training.ema:
        project(model)
    round_weights(model, training.weights_dtype)
    metrics = write_results(folder, recipe, task, model, arguments, history, identity)
    checkpoint.unlink(missing_ok=True)
    return metrics


def _written_by_another(path: Path) -> dict:
    """The metrics, as soon as process 0 has written them.

    If it fails instead, the backend ends this process when it misses the other one, after minutes.
    """
    while not path.exists():
        time.sleep(0.5)
    return json.loads(path.read_text(encoding="utf-8"))


def _compiled(recipe: Recipe, task, arguments: dict, steps: int) -> keras.Model:
    """The recipe's model, with the weights that it starts from, compiled for epochs of `steps`."""
    policy = recipe.training.dtype_policy
    model = build_model(recipe.model.architecture, arguments, policy)
    if recipe.model.start:
        classes = arguments.get("num_classes")
        start_from(model, recipe.model.start, recipe.model.architecture, classes)
    adversary = recipe.training.adversary
    if adversary.epsilon:
        low, high = (task.preprocessing[key] for key in ("minimum", "maximum"))
        model = AdversarialModel(model, adversary, None if low is None else (low, high))
    task.compile(model, steps)
    return model


def _check_folder(folder: Path, recipe: Recipe, recipe_text: str, resume: bool) -> None:
    """Refuses a folder that holds something else, or a run that was not asked to continue."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise TrainingError(f"{folder}: expected a folder")
    if (folder / "metrics.json").exists():
        raise TrainingError(f"{folder}: this run is finished; choose another folder (--out)")
    if not resume and any(folder.iterdir()):
        raise TrainingError(
            f"{folder}: the folder is not empty; continue its run with --resume or choose another "
            "folder (--out)"
        )
    copy = folder / "recipe.toml"
    if copy.exists():
        other = parse_recipe(copy.read_text(encoding="utf-8"), where=str(copy))
        changed = _differences(_comparable(other), _comparable(recipe))
        stripped = parse_recipe(without_statements(recipe_text))
        if changed and _comparable(other) != _comparable(stripped):
            raise TrainingError(
                f"{folder}: the run has another recipe; these keys differ: {', '.join(changed)}"
            )


def _check_identity(folder: Path, state: dict, identity: dict) -> None:
    if state.get("data_sha256") != identity["data_sha256"]:
        raise TrainingError(f"{folder}: the data changed since this run began")
    if state.get("recipe_sha256") != identity["recipe_sha256"]:
        raise TrainingError(f"{folder}: the recipe changed since this run began")


def _comparable(recipe: Recipe) -> dict:
    """The recipe's values without the number of devices, which changes nothing."""
    values = dataclasses.asdict(recipe)
    del values["training"]["devices"]
    return values


def _differences(first: dict, second: dict, prefix: str = "") -> list[str]:
    """Dotted names of the keys whose values differ."""
    names = []
    for key in sorted(first.keys() | second.keys()):
        a, b = first.get(key), second.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            names += _differences(a, b, f"{prefix}{key}.")
        elif a != b:
            names.append(prefix + key)
    return names


def _describe(dataset: Dataset) -> str:
    sizes = f"{len(dataset.train):,} train, {len(dataset.validation):,} validation"
    text = f"{dataset.source}: {sizes}, {len(dataset.test):,} test; {dataset.num_classes} classes"
    counts = np.bincount(dataset.train.y, minlength=dataset.num_classes)
    text += f" ({counts.min():,} to {counts.max():,} training examples each)"
    return "\n".join([text, *(f"note: {note}" for note in dataset.notes)])
