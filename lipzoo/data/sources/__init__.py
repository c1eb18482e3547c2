"""Readers of data sources; each gives the examples as stored and the labels as written."""

from pathlib import Path

from lipzoo.data.settings import DataSettings
from lipzoo.data.sources.arrays import read_npy, read_npz
from lipzoo.data.sources.catalogues import read_sklearn, read_tfds
from lipzoo.data.sources.generated import read_generated, swiss_roll
from lipzoo.data.sources.hub import read_hub
from lipzoo.data.sources.huggingface import is_data_set, read_data_set
from lipzoo.data.sources.images import read_folder, read_image
from lipzoo.data.sources.parquet import read_parquet
from lipzoo.data.sources.raw import DataError, RawData, RawSplit
from lipzoo.data.sources.tables import TABLES, is_table, read_table
from lipzoo_catalogue.image_files import SUFFIXES

__all__ = ["DataError", "RawData", "RawSplit", "read_source", "swiss_roll"]


def read_source(source: str, settings: DataSettings) -> RawData:
    """Reads the source that a recipe names.

    Args:
        source: see `DataSettings`.
        settings: the other keys of the `[data]` table.

    Returns:
        A `RawData`.

    Raises:
        DataError: if there is no such source, or it is malformed.
    """
    scheme, _, name = source.partition(":")
    if name and scheme == "tfds":
        return read_tfds(name)
    if name and scheme == "sklearn":
        return read_sklearn(name)
    if name and scheme == "generated":
        return read_generated(name)
    if name and scheme == "hf" and not name.startswith((".", "/", "~")):
        return read_hub(name, settings)
    path = Path(name if scheme == "hf" else source).expanduser()
    if path.exists() and (scheme == "hf" or is_data_set(path)):
        return read_data_set(path, None, source, settings)
    if path.is_dir():
        return read_folder(path, settings)
    if not path.exists():
        raise DataError(
            f"{source}: no such file or folder. Expected 'hf:OWNER/NAME', 'tfds:NAME', "
            "'sklearn:NAME', 'generated:NAME', or the path of a file (.npz, .npy, .csv, an image) "
            "or of a folder of images, perhaps with one subfolder per class"
        )
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return read_npz(path)
    if suffix == ".npy":
        return read_npy(path)
    if suffix in SUFFIXES:
        return read_image(path)
    if suffix in (".parquet", ".pq"):
        return read_parquet(path, settings)
    if is_table(path):
        return read_table(path, settings)
    raise DataError(
        f"{source}: expected an image ({', '.join(SUFFIXES)}), arrays (.npz, .npy), a table "
        f"({', '.join((*TABLES, '.parquet'))}) or a folder of images. "
        f"Received: a file that ends in {suffix!r}"
    )
