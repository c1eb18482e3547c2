"""The sections of a card, each from the model's files."""

import functools
import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lipzoo_catalogue.files import CONFIG, CURVES, RECIPE, WEIGHTS
from lipzoo_catalogue.formatting import format_size, format_up
from lipzoo_catalogue.markdown import table
from lipzoo_catalogue.model_info import ModelInfo
from lipzoo_catalogue.task_names import CLASSIFICATION
from lipzoo_catalogue.tasks import TASKS, Task

_BOOK = """\
@misc{ehrhardt2025stable,
  title = {Stable neural networks and connections to continuous dynamical systems},
  author = {Ehrhardt, Matthias J. and Murari, Davide and Sherry, Ferdia},
  year = {2025},
  eprint = {2510.22299},
  archivePrefix = {arXiv}
}"""


def sections(info: ModelInfo, address: str, pictures: str = "") -> Iterator[tuple[str, str]]:
    """Yields title and text of each section; an empty text is one that the model does not need.

    Args:
        info: the model.
        address: what `lipzoo.load` is called with.
        pictures: folder of the figures as seen from the card.
    """
    task = TASKS[info.task]
    own = info.text.intended_use or info.config.intended_use
    yield "What it is for", own or task.purpose(info.metrics)
    yield "What it is not for", _not_for(info, task)
    yield "Use", f"```python\n{task.usage(address, info.config)}```"
    yield "Architecture", _architecture(info)
    yield "Input and output", _interface(info)
    yield "Results", "" if info.metrics is None else task.results(info.metrics)
    yield "Proven bound", _bound(info)
    yield "Training", _training(info, pictures)
    yield "Data and licence", _licences(info)
    yield "Limits of the guarantee", _limits(info)
    yield "Citation", _citation(info)


@functools.cache
def architectures() -> dict[str, Any]:
    """What each architecture computes: equation and text by the builder's name."""
    path = Path(__file__).with_name("architectures.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _not_for(info: ModelInfo, task: Task) -> str:
    warning = "" if info.metrics is None else task.warning(info.metrics)
    own = info.text.limitations or info.config.limitations
    general = (
        "Decisions in which a wrong prediction does harm, without a study of its own: a bound says "
        "how far an output can move, not that it is right. Nothing is known of data unlike the "
        "training data."
    )
    return "\n\n".join(part for part in (warning, own, general) if part)


def _architecture(info: ModelInfo) -> str:
    known = architectures().get(info.architecture)
    arguments = json.dumps(dict(info.config.arguments), ensure_ascii=False)
    text = f"`lipzoo.{info.architecture}`, {info.parameters:,} parameters"
    text += f" ({format_size(info.bytes)})."
    if known is not None:
        text += f"\n\n$$\n{known['equation'].strip()}\n$$\n\n{known['text'].strip()}"
    return f"{text}\n\nArguments of the builder: `{arguments}`"


def _interface(info: ModelInfo) -> str:
    low, high = (info.config.preprocessing[key] for key in ("minimum", "maximum"))
    span = "any finite values" if None in (low, high) else f"from {low:g} to {high:g}"
    rows = [["units of the input", info.input_units], ["range", span]]
    if info.input_shape:
        rows.insert(0, ["shape of one input", f"{info.input_shape}"])
    if info.config.num_classes is not None:
        names = f": {', '.join(info.class_names)}" if info.class_names else ""
        rows.append(["output", f"{info.config.num_classes} logits{names}"])
    return (
        table(["", ""], rows)
        + "\nBounds and radii are in the units of the input; every preprocessing step is a layer "
        "of the model and counts."
    )


def _bound(info: ModelInfo) -> str:
    if info.lipschitz_bound is None:
        return "No certificate claims a bound; `lipzoo.lipschitz_bound(model)` derives one."
    groups: dict[str, list[Mapping[str, object]]] = {}
    for row in info.layers:
        groups.setdefault(str(row.get("type", "")), []).append(row)
    rows = [
        [kind, str(len(group)), _span(group), str(group[0].get("derivation", ""))]
        for kind, group in groups.items()
    ]
    text = (
        f"The map from input to output has a Lipschitz constant of at most "
        f"**{format_up(info.lipschitz_bound)}** (Euclidean norms). The bound is derived from the "
        "weights as they are, in float64 with its rounding accounted for, layer by layer, and "
        "`lipzoo.load` derives it again and compares. Bounds are multiplied along a path and added "
        "where paths are added, unless a sharper rule is proven for the layers together."
    )
    if rows:
        header = ["layers of type", "number", "bounds", "derivation (of the first)"]
        text += "\n\n" + table(header, rows)
    return text


def _span(rows: list[Mapping[str, object]]) -> str:
    bounds = [row.get("bound") for row in rows]
    values = [bound for bound in bounds if isinstance(bound, int | float)]
    if not values:
        return ""
    low, high = format_up(min(values), 6), format_up(max(values), 6)
    return low if low == high else f"{low} to {high}"


def _training(info: ModelInfo, pictures: str) -> str:
    record = info.training
    rows = [
        ["epochs", "" if record.epochs is None else str(record.epochs)],
        ["seed", "" if record.seed is None else str(record.seed)],
        ["data", f"`{record.data_source}`" if record.data_source else ""],
        ["examples", ", ".join(f"{key} {count:,}" for key, count in record.splits.items())],
        ["SHA-256 of the data", _code(record.data_sha256)],
        ["SHA-256 of the recipe's values", _code(record.recipe_sha256)],
        ["SHA-256 of the weights", _code(info.files[WEIGHTS].sha256)],
        ["SHA-256 of the configuration", _code(info.files[CONFIG].sha256)],
        ["time", ", ".join(f"{key} {_time(value)}" for key, value in record.seconds.items())],
        ["hardware", record.hardware],
        ["versions", ", ".join(f"{key} {value}" for key, value in record.versions.items())],
    ]
    parts = [table(["", ""], [row for row in rows if row[1]])]
    if RECIPE in info.files:
        parts.append(
            f"`{RECIPE}` beside the weights holds the whole recipe; `lipzoo train` runs it."
        )
    parts += [f"* {note}" for note in record.notes]
    if CURVES in info.files:
        parts.append(f"![Training curves]({pictures}{CURVES})")
    return "\n\n".join(part.strip() for part in parts)


def _licences(info: ModelInfo) -> str:
    rows = [
        ["weights", info.licence or "not stated"],
        ["data", info.dataset or "not stated"],
        ["licence of the data", info.data_licence or "not stated"],
        ["citation of the data", info.citation],
    ]
    return table(["", ""], [row for row in rows if row[1]])


def _limits(info: ModelInfo) -> str:
    parts = [
        "The bound is a theorem about the function that the weights define, for Euclidean norms. "
        "It says nothing about other norms, about rotations, or about data unlike the training "
        "data, and not that an output is right."
    ]
    if info.task == CLASSIFICATION:
        parts.append(
            "A certified radius also accounts for the rounding of the forward pass, assuming sums "
            "that are accumulated in the arithmetic named (no TF32, no Winograd or FFT "
            "convolution). Test labels are taken as they are."
        )
    if info.text.notes:
        parts.append(info.text.notes)
    return "\n\n".join(parts)


def _citation(info: ModelInfo) -> str:
    text = f"The method: {info.paper}.\n\n" if info.paper else ""
    return f"{text}```bibtex\n{_BOOK}\n```"


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _time(seconds: float) -> str:
    """A duration for readers: 37 s, 62 min."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
