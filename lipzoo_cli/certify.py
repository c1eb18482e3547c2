"""`lipzoo certify`: a certified radius for every example of a user's data."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

from lipzoo.bounds import METHODS
from lipzoo.certificates.certify import MAX
from lipzoo.certificates.inputs import check_inputs
from lipzoo.data.examples import Examples, StoredArray, read_examples
from lipzoo.data.settings import DataSettings
from lipzoo.data.sources import DataError
from lipzoo.training.recipe import READING, with_reading
from lipzoo_catalogue.certified.certified import Certified, joined
from lipzoo_catalogue.certified.origin import between, origin_name
from lipzoo_catalogue.certified.parts import Part
from lipzoo_catalogue.certified.shards import Shard
from lipzoo_catalogue.certified.writing import write_certified
from lipzoo_catalogue.model_config import ModelConfig
from lipzoo_catalogue.progress import Progress
from lipzoo_catalogue.version import __version__
from lipzoo_cli.certified_model import CertifiedModel, model_to_certify
from lipzoo_cli.certified_output import check_printing, show
from lipzoo_cli.certified_page import CertifiedPage
from lipzoo_cli.checked_options import check_certify_options
from lipzoo_cli.engine import Answer, Piece, certified_piece, through_ray
from lipzoo_cli.part_marks import marks, sha256_of_labels

# Examples that are in memory at a time.
_CHUNK = 1_000


def certify(arguments: argparse.Namespace) -> None:
    """`lipzoo certify MODEL DATA [--labels FILE] [--out FILE] [--shard k/K] [--norm N] ...`."""
    out, shard = check_certify_options(arguments)
    radii, threshold = check_printing(arguments)
    subject = model_to_certify(arguments)
    config, recipe = subject.config, subject.recipe
    if arguments.read:
        recipe = with_reading(recipe or DataSettings(arguments.data), arguments.read)
    x, y = _examples(arguments, config, recipe)
    count = min(len(x), arguments.examples or len(x))
    rows = (shard or Shard()).of(count)
    labels = None if y is None else sha256_of_labels(y, count, subject.classes)
    chunks = [*_chunks(rows)]
    page = None if arguments.html is None else CertifiedPage(Path(arguments.html), config)
    answers = _answers(subject, _pieces(x, y, chunks, page), chunks, arguments)
    terms, pieces = None, list[dict[str, np.ndarray]]()
    for chunk, (terms, columns) in zip(_shown(chunks, rows), answers, strict=True):  # noqa: B007
        pieces.append(columns | _origins(x, chunk))
    if terms is None:
        raise ValueError(f"Expected at least one example. Received: {arguments.data} with none")
    left_out = between(x.left_out, rows.start, rows.stop, last=rows.stop == len(x))
    certified = Certified(terms, joined(pieces), rows.start, left_out)
    if out is not None:
        part = None
        if shard is not None:
            settings = {
                "model": subject.name,
                "configuration": subject.configuration,
                "weights": subject.weights,
                "examples": count,
                "data": marks(x),
                "labels": labels,
                "left_out": between(x.left_out, 0, count, last=count == len(x)),
                "dtype": arguments.dtype,
                "decision": arguments.decision,
                "method": arguments.method,
                "local": arguments.local,
                "margins": terms.arithmetic.split()[-1],
                "backend": keras.backend.backend(),
                "lipzoo": __version__,
            }
            part = Part(shard, settings, certified.terms).to_json()
        write_certified(out, certified, threshold, part)
    about: dict[str, object] = {
        "model": arguments.model,
        "data": arguments.data,
        "dtype": arguments.dtype,
    }
    if arguments.decision != MAX:
        about["decision"] = arguments.decision
    if arguments.method != METHODS[0]:
        about["method"] = arguments.method
    if terms.domain:
        about["domain"] = terms.domain
    if terms.local:
        about["local"] = True
    about["arithmetic"] = terms.arithmetic
    if shard is not None:
        about["shard"] = str(shard)
    if x.notes:
        about["notes"] = x.notes
    if not arguments.json:
        print(*(f"note: {note}" for note in x.notes), sep="\n", end="\n" * bool(x.notes))
    if page is not None:
        hashes = {"model, weights": subject.weights, "model, configuration": subject.configuration}
        page.write(
            certified,
            f"{subject.name} on {arguments.data}",
            {key: value for key, value in about.items() if key != "notes"},
            hashes if labels is None else {**hashes, "labels": labels},
            None if arguments.abstain_below is None else threshold,
            x.notes,
        )
    show(certified, about, radii, arguments)
    if page is not None and not arguments.json:
        print(f"page: {page.path}")
    if shard is not None and not arguments.json:
        print(f"part {shard}: examples {rows.start:,} to {rows.stop - 1:,} of {count:,}")


def _examples(
    arguments: argparse.Namespace, config: ModelConfig, recipe: DataSettings | None
) -> tuple[Examples, np.ndarray | StoredArray | None]:
    """Examples and labels; what a recipe would settle, an error says how to settle here."""
    try:
        return read_examples(arguments.data, config, recipe, arguments.labels)
    except DataError as error:
        if "in [data]" in str(error) and any(f"{key} = " in str(error) for key in READING):
            raise DataError(f"{error}; here by --read KEY=VALUE") from None
        raise


def _pieces(
    x: Examples,
    y: np.ndarray | StoredArray | None,
    chunks: list[slice],
    page: CertifiedPage | None,
) -> Iterator[Piece]:
    """Examples and labels of every chunk, read when they are needed."""
    for chunk in chunks:
        examples = x[chunk]
        if page is not None:
            page.add(examples)
        yield examples, None if y is None else y[chunk]


def _answers(
    subject: CertifiedModel,
    pieces: Iterator[Piece],
    chunks: list[slice],
    arguments: argparse.Namespace,
) -> Iterator[Answer]:
    """Terms and columns of every chunk, in their order."""
    if arguments.engine == "ray":
        yield from through_ray(pieces, subject, arguments)
        return
    model = subject.load()
    for chunk, piece in zip(chunks, pieces, strict=True):
        _check(piece[0], chunk, model, arguments.data)
        yield certified_piece(model, piece, arguments)


def _check(examples: np.ndarray, chunk: slice, model: keras.Model, data: str) -> None:
    """Refuses examples that do not fit the model; the error says which they are."""
    try:
        check_inputs(model, examples)
    except ValueError as error:
        where = f"examples {chunk.start:,} to {chunk.stop - 1:,}"
        raise ValueError(f"{data}, {where}: {error}") from None


def _origins(x: Examples, chunk: slice) -> dict[str, np.ndarray]:
    """Where some examples stand in the file or folder, as a column of the report."""
    return {} if x.origin is None else {origin_name(x.origin): x.origin[chunk]}


def _chunks(rows: range) -> Iterator[slice]:
    """Slices of some examples at a time."""
    for first in rows[::_CHUNK]:
        yield slice(first, min(first + _CHUNK, rows.stop))


def _shown(chunks: list[slice], rows: range) -> Iterator[slice]:
    """The same, with progress on a terminal where there are several."""
    progress = Progress("auto" if len(chunks) > 1 else False)
    progress.begin("certify", len(rows))
    for chunk in chunks:
        yield chunk
        progress.advance(chunk.stop - chunk.start)
    progress.end()
