"""What is known about a model of the zoo, read from its files."""

from dataclasses import dataclass

from lipzoo_catalogue import registry
from lipzoo_catalogue.config import ModelConfig
from lipzoo_catalogue.files import CERTIFICATE, CONFIG, METRICS, WEIGHTS, parse_json, read_file
from lipzoo_catalogue.numbers import format_up
from lipzoo_catalogue.records import Claim, Metrics


@dataclass(frozen=True)
class ModelInfo:
    """What is known about a model of the zoo; printed, it is a page to read.

    Args:
        name: its name in the zoo.
        config: architecture, arguments, input units, classes, data set, licences, paper.
        lipschitz_bound: the claimed bound of the input-to-logits map, Euclidean norm, in the units
            of the input. `lipzoo.load` derives it again.
        metrics: clean and certified accuracy on the test set, in float32 and in float64.
        parameters: number of parameters.
        bytes: size of the weights file.
        repo: `owner/name` on the Hugging Face Hub, or `None`.
        revision: full commit id there, or `None`.
    """

    name: str
    config: ModelConfig
    lipschitz_bound: float
    metrics: Metrics
    parameters: int
    bytes: int
    repo: str | None
    revision: str | None

    @property
    def architecture(self) -> str:
        """Name of the builder."""
        return self.config.architecture

    @property
    def dataset(self) -> str:
        """The data that the model was trained on."""
        return self.config.dataset

    @property
    def description(self) -> str:
        """One line about the model."""
        return self.config.description

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input, without the batch axis."""
        return self.config.input_shape

    @property
    def input_units(self) -> str:
        """Units of the input, and so of every radius and bound."""
        return self.config.preprocessing["scale"]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in the order of the logits."""
        return self.config.class_names

    @property
    def licence(self) -> str:
        """Licence of the weights."""
        return self.config.licence

    @property
    def paper(self) -> str:
        """The method's paper."""
        return self.config.paper

    def __str__(self):
        classes = str(self.config.num_classes or "none")
        if self.class_names:
            classes += f": {', '.join(self.class_names)}"
        rows = [
            ("architecture", self.architecture),
            ("data", self.dataset),
            ("input", f"{' x '.join(map(str, self.input_shape))}, {self.input_units}"),
            ("classes", classes),
            ("parameters", f"{self.parameters:,} ({_size(self.bytes)})"),
            ("licence", self.licence),
            ("data licence", self.config.data_licence),
            ("paper", self.paper),
            ("published", f"{self.repo} at {self.revision}" if self.repo else ""),
            ("bound", f"{format_up(self.lipschitz_bound)} (proven, l2 to l2, input to logits)"),
            ("test", f"{self.metrics.examples:,} examples"),
        ]
        lines = [self.name, f"  {self.description}", ""]
        lines += [f"  {key:<14}{value}" for key, value in rows if value]
        return "\n".join([*lines, "", *_accuracy_lines(self.metrics)])


def info(name: str) -> ModelInfo:
    """Returns what is known about a model: units, licence, proven bound, accuracies.

    Reads the model's small files, each checked against the registry, and not its weights.

    Args:
        name: a name from `list_models()`.

    Returns:
        A `ModelInfo`.

    Raises:
        ValueError: if there is no such model (the nearest names are suggested), or a file of it
            was altered.
    """
    folder = registry.weights_folder()
    entry = registry.find_entry(name, registry.read_registry(folder))

    def read(file):
        path = folder / entry.name / file
        return parse_json(read_file(path, entry.files[file]), path), path

    return ModelInfo(
        name=entry.name,
        config=ModelConfig.from_dict(*read(CONFIG)),
        lipschitz_bound=Claim.from_dict(*read(CERTIFICATE)).lipschitz_bound,
        metrics=Metrics.from_dict(*read(METRICS)),
        parameters=entry.parameters,
        bytes=entry.files[WEIGHTS].bytes,
        repo=entry.repo,
        revision=entry.revision,
    )


def _accuracy_lines(metrics):
    """A table with one column per arithmetic; each counts its own rounding."""
    tables = {"float32": metrics}
    if metrics.float64 is not None:
        tables["float64"] = metrics.float64
    names = list(dict.fromkeys(row[0] for table in tables.values() for row in table.certified))
    shares = [{name: share for name, _, share in t.certified} for t in tables.values()]
    yield f"  {'epsilon':<13}" + "".join(f"{dtype:>8}  " for dtype in tables).rstrip()
    yield f"  {'0 (clean)':<13}" + "  ".join(_percent(table.clean) for table in tables.values())
    for name in names:
        yield f"  {name:<13}" + "  ".join(_percent(s.get(name)) for s in shares) + " certified"


def _percent(share):
    return f"{100 * share:6.2f} %" if share is not None else " " * 8


def _size(count):
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"
