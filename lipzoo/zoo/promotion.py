"""Putting a finished run into the zoo."""

import dataclasses
import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path

from lipzoo.zoo.loading import load
from lipzoo_catalogue import registry
from lipzoo_catalogue.card_text import CardText
from lipzoo_catalogue.certificate_claim import Claim, check_belonging
from lipzoo_catalogue.files import (
    CARD,
    CERTIFICATE,
    CONFIG,
    METRICS,
    MODEL_FILES,
    RECIPE,
    WEIGHTS,
    parse_json,
    read_file,
    record_of,
    write_folder,
)
from lipzoo_catalogue.model_config import ModelConfig
from lipzoo_catalogue.registry import (
    REGISTRY,
    RegistryEntry,
    check_name,
    read_registry,
    write_registry,
)
from lipzoo_catalogue.tasks import read_metrics
from lipzoo_catalogue.weights_header import count_parameters

# The zoo travels inside the wheel.
MAX_MODEL_BYTES = 8_000_000
_REQUIRED = (CONFIG, WEIGHTS, CERTIFICATE, METRICS)


def promote(
    run_folder: str | Path,
    name: str | None = None,
    weights_dir: str | Path | None = None,
    *,
    replace: bool = False,
    keep_previous: bool = False,
) -> Path:
    """Copies a finished run into the zoo's folder and enters it into the registry.

    The run must load, its bound must not exceed what its certificate claims, and its metrics must
    hold test results. A name is never given to other weights unless `replace` says so; these are
    then its next version, and the earlier one goes, or stays as `name@1`. A model of the zoo whose
    `card.toml` or metrics changed is promoted from its own folder; its entry then names no
    published revision, until it is published again.

    Args:
        run_folder: folder with the files of a model.
        name: name in the zoo. Default: the `name` of the run's recipe, else the folder's name.
        weights_dir: the folder of the zoo. Default: `weights/` of the checkout.
        replace: whether a model of that name with other weights may be replaced.
        keep_previous: whether weights that are replaced stay in the zoo under their number.

    Returns:
        The model's folder in the zoo.

    Raises:
        FileNotFoundError: if the run is not finished: a file is missing.
        FileExistsError: if the name has other weights.
        OSError: if the folder cannot be written.
        ValueError: if the run fails a check, or has more than 8 MB.
    """
    run = Path(run_folder)
    contents = _read_run(run)
    name = default_name(run, contents) if name is None else name
    folder = _zoo_folder(weights_dir)
    entries = read_registry(folder) if (folder / REGISTRY).exists() else {}
    # A version that is kept may get other metrics and texts.
    if name not in entries:
        check_name(name)
    _check_texts(contents, run)
    _check_hashes(contents, run)
    load(run.absolute())
    previous = entries.get(name)
    entry = RegistryEntry(
        name=name,
        files={file: record_of(content) for file, content in contents.items()},
        parameters=count_parameters(contents[WEIGHTS]),
        version=1 if previous is None else previous.version,
    )
    if previous is not None and previous.files[WEIGHTS] != entry.files[WEIGHTS]:
        _check_may_be_replaced(previous, folder, replace)
        entry = dataclasses.replace(entry, version=previous.version + 1)
        if keep_previous:
            # Both names are of the same files until the newest are exchanged below.
            entries = _with_kept(previous, entries, folder)
            write_registry(folder, entries)
    elif previous is not None and previous.files == entry.files:
        entry = previous
    _exchange(folder / name, contents, lambda: write_registry(folder, {**entries, name: entry}))
    return folder / name


def _with_kept(entry, entries, folder):
    """The entries with one of a version that is kept, its files copied into their own folder."""
    name = f"{entry.name}@{entry.version}"
    if name in entries:
        # Of a promotion that did not come to its end.
        return entries
    files = {file: entry.files.get(file) for file in MODEL_FILES}
    contents = {
        file: None if record is None else read_file(folder / entry.name / file, record)
        for file, record in files.items()
    }
    write_folder(folder / name, contents)
    return {**entries, name: dataclasses.replace(entry, name=name)}


def _exchange(folder, contents, register):
    """Writes a model's files and then the registry; what was there comes back if that fails."""
    there = {file: (folder / file).read_bytes() for file in MODEL_FILES if (folder / file).exists()}
    write_folder(folder, {file: contents.get(file) for file in MODEL_FILES})
    try:
        register()
    except BaseException:
        if there:
            write_folder(folder, {file: there.get(file) for file in MODEL_FILES})
        else:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _read_run(run):
    if not run.is_dir():
        raise FileNotFoundError(f"Expected the folder of a run. Received: {str(run)!r}")
    missing = [file for file in _REQUIRED if not (run / file).is_file()]
    if missing:
        raise FileNotFoundError(
            f"{run}: expected a finished run with {', '.join(_REQUIRED)}. "
            f"Received: a folder without {', '.join(missing)}"
        )
    present = [file for file in MODEL_FILES if (run / file).is_file()]
    size = sum((run / file).stat().st_size for file in present)
    if size > MAX_MODEL_BYTES:
        raise ValueError(
            f"{run}: expected a model of at most {MAX_MODEL_BYTES:,} bytes, since the zoo travels "
            f"inside the wheel. Received: {size:,} bytes"
        )
    return {file: read_file(run / file, limit=MAX_MODEL_BYTES) for file in present}


def default_name(run: Path, contents: Mapping[str, bytes]) -> str:
    """Returns the `name` of the run's recipe, else the folder's name."""
    if RECIPE in contents:
        try:
            return tomllib.loads(contents[RECIPE].decode())["name"]
        except (ValueError, KeyError):
            raise ValueError(f"{run / RECIPE}: expected TOML with the key 'name'") from None
    return run.absolute().name


def _check_texts(contents, run):
    """Checks the metrics, the card's texts, and that the model can be described."""
    values = parse_json(contents[METRICS], run / METRICS)
    config = ModelConfig.from_dict(parse_json(contents[CONFIG], run / CONFIG), run / CONFIG)
    read_metrics(values, run / METRICS, config)
    check_stated(config, contents, run)
    for key in ("licence", "paper"):
        if not getattr(config, key):
            raise ValueError(
                f"{run / CONFIG}: key {key!r}: expected a text, for the model's page in the zoo. "
                "Received: nothing"
            )


def check_stated(config: ModelConfig, contents: Mapping[str, bytes], folder: Path) -> None:
    """Refuses a model of which nobody stated what it is and what data it was trained on.

    Args:
        config: its configuration.
        contents: content of its files, by name.
        folder: where they are, for errors.

    Raises:
        ValueError: if the description, the data or their licence are stated neither in the
            configuration nor in `card.toml`; the message names what is missing, and where it goes.
    """
    text = CardText()
    if CARD in contents:
        text = CardText.from_toml(contents[CARD].decode(), folder / CARD)
    keys = ("description", "dataset", "data_licence")
    missing = [key for key in keys if not (getattr(text, key) or getattr(config, key))]
    if missing:
        lines = ", ".join(f'{key} = "..."' for key in missing)
        raise ValueError(
            f"{folder / CARD}: expected texts about the model and its data, which nothing states: "
            f"write {lines} into this file. Received: nothing"
        )


def _check_hashes(contents, run):
    """Checks that what was read is what the certificate is about."""
    path = run / CERTIFICATE
    claim = Claim.from_dict(parse_json(contents[CERTIFICATE], path), path)
    for file, record in claim.files.items():
        received = record_of(contents[file])
        if received != record:
            raise ValueError(
                f"{run / file} was altered after its certificate was written: expected SHA-256 "
                f"{record.sha256}. Received: {received.sha256}"
            )
    metrics = parse_json(contents[METRICS], run / METRICS)
    check_belonging(metrics, record_of(contents[WEIGHTS]), run / METRICS)


def _zoo_folder(weights_dir):
    if weights_dir is not None:
        return Path(weights_dir)
    folder = registry.weights_folder()
    if folder.parent.name == "_bundled":
        raise ValueError(
            "Expected weights_dir: an installed lipzoo has no folder to promote into. "
            f"Received: weights_dir={weights_dir!r}"
        )
    return folder


def _check_may_be_replaced(previous, folder, replace):
    """Refuses other weights unasked, and for a version that is kept always."""
    if "@" in previous.name or not replace:
        advice = "" if "@" in previous.name else " Choose another one, or replace=True."
        raise FileExistsError(
            f"{folder}: a name is never given to other weights unasked.{advice} Received: "
            f"name={previous.name!r}, which has weights of SHA-256 {previous.files[WEIGHTS].sha256}"
        )
