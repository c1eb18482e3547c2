"""The split of a source that numbers are reported on."""

from dataclasses import replace
from pathlib import Path

from lipzoo.data.labels import encode_labels
from lipzoo.data.settings import DataSettings
from lipzoo.data.sources import DataError, RawData
from lipzoo.data.splits import Split


def reported(raw: RawData, settings: DataSettings) -> tuple[tuple[str, ...], RawData, Split]:
    """The split of a source that numbers are reported on: the test split, or the only one.

    Args:
        raw: the source.
        settings: how its labels are named.

    Returns:
        Names of the classes, or none without labels; the source with this split alone, as `train`;
        and its examples as they are stored, with labels from 0.

    Raises:
        DataError: if there are several splits and no test split, or labels are unknown.
    """
    parts = raw.splits
    name = "test" if "test" in parts else next(iter(parts))
    if len(parts) > 1:
        if name != "test":
            raise DataError(
                f"{raw.source}: expected a test split, or one split. Received: {', '.join(parts)}"
            )
        others = " and ".join(other for other in parts if other != name)
        note = f"of {Path(raw.source).name} the test split is read, {others} is not"
        raw = replace(raw, notes=(*raw.notes, note))
    raw = replace(raw, train=parts[name], validation=None, test=None)
    names, encoded = encode_labels(raw, settings)
    return names, raw, encoded["train"]
