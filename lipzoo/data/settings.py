"""A data set's source, how it is read and how it is split: the table `[data]` of a recipe."""

from dataclasses import dataclass, field
from typing import Literal

from lipzoo_catalogue.formatting import parse_fraction


@dataclass(frozen=True)
class DataSettings:
    """Where the examples come from and how they are split.

    Args:
        source: `"hf:OWNER/NAME"` (see `lipzoo.data.sources.hub`), `"tfds:NAME"`,
            `"sklearn:digits"`, `"generated:swissroll"`, or the path of an image, of an `.npy` or
            `.npz` file, a table (`.csv`, `.tsv`, compressed or not, `.parquet`), or a folder with
            one subfolder of images per class.
            Relative paths start at the folder in which the command runs.
        test: optional second source for the test split.
        validation: size of the validation split cut from the training split: a whole number of
            examples, or a fraction below 1 (`"1/12"` works too). Unused where the source has a
            validation split.
        test_size: size of the test split cut first where the source has none.
        split_by: `"content"` cuts off the examples with the largest digests (BLAKE2b, 16 bytes, of
            an example's numbers as they are stored): the same ones wherever the same examples are
            read from, in any order. `"order"` cuts off the last ones where the order is official,
            else the same share of every class.
        kind: `"image"`, `"signal"`, `"table"`, or `"auto"` to infer it from the shape.
        label: column of a table that holds the label: `"last"`, `"first"`, its name, its number
            from 1, or `"none"`.
        missing: what to do with rows of a table in which an entry is missing: `"drop"` leaves them
            out, and says so.
        missing_values: what stands for a missing entry, beside nothing at all; `-9` stands for
            `-9.0`, too, among numbers. Empty: `?`, `NA`, `nan`, `null`, `None` and their like,
            among numbers; as labels, words that may name a class are refused until they are stated
            here or in `label_names`.
        header: whether the first row of a table names the columns; `"auto"` refuses a doubt.
        delimiter: what stands between the entries of a table; `"auto"` refuses a doubt, `" "` is
            any white space.
        decimal: the decimal mark of a table; `"auto"` refuses a doubt.
        comment: what lines begin with that are no rows; `""` for none.
        columns: the features of a table in their order, by name or by number from 1. Empty: all
            but the label, and one that may count the rows is refused; `["*"]` takes that too.
        ignore: columns that are no features.
        standardize: put the training split's mean and variance per feature into the model.
        label_names: names of the classes by the label that the data have for them, where the data
            have numbers: `{"2" = "benign", "4" = "malignant"}`.
    """

    source: str
    test: str | None = None
    validation: int | float | str = 0.1
    test_size: int | float | str = 0.2
    split_by: Literal["order", "content"] = "order"
    kind: Literal["auto", "image", "signal", "table"] = "auto"
    label: str | int = "last"
    missing: Literal["error", "drop"] = "error"
    missing_values: tuple[str, ...] = ()
    header: Literal["auto", True, False] = "auto"
    delimiter: str = "auto"
    decimal: Literal["auto", ".", ","] = "auto"
    comment: str | None = None
    columns: tuple[str | int, ...] = ()
    ignore: tuple[str | int, ...] = ()
    standardize: bool = False
    label_names: dict = field(default_factory=dict)

    def check(self):
        """Yields `(key, expected, value)` for each value that is out of its range."""
        for key in ("validation", "test_size"):
            value = getattr(self, key)
            try:
                size = parse_fraction(value)
            except ValueError:
                size = 0.0
            if not (0 < size < 1 or (size >= 1 and size.is_integer())):
                yield key, "a whole number of examples or a fraction between 0 and 1", value
        if not self.source:
            yield "source", "a data source", self.source
        if self.delimiter != "auto" and len(self.delimiter) != 1:
            yield "delimiter", "one character", self.delimiter
        names = list(self.label_names.values())
        if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
            yield "label_names", "a table of texts, all different", self.label_names
