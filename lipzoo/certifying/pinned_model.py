"""A model by name and hashes: what is loaded elsewhere is that very one, or refused."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import keras

from lipzoo.zoo.loading import load_from
from lipzoo_catalogue.files import CONFIG, WEIGHTS, FileRecord, record_of
from lipzoo_catalogue.hub.client import HubSettings
from lipzoo_catalogue.model_config import ModelConfig
from lipzoo_catalogue.model_source import find


@dataclass(frozen=True)
class PinnedModel:
    """Where a model is, and what its files have to be.

    Args:
        name: the model's name.
        address: a name of the zoo, the absolute path of a folder, or `hf://owner/repo@commit`.
        revision: full commit id, of a model on the Hub.
        cache_dir, local_files_only: how the Hub is reached, see `lipzoo.load`.
        configuration, weights: records of its files.
        config: its configuration.
    """

    name: str
    address: str
    revision: str | None
    cache_dir: str | Path | None
    local_files_only: bool
    configuration: FileRecord
    weights: FileRecord
    config: ModelConfig

    @classmethod
    def find(
        cls,
        name: str | Path,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
    ) -> "PinnedModel":
        """Finds a model, and reads its files to hash them.

        Raises:
            FileNotFoundError, ValueError, HubError: see `lipzoo.load`.
        """
        settings = HubSettings(cache_dir, local_files_only)
        source = find(name, revision=revision, settings=settings)
        content, weights = source.read(CONFIG), source.read(WEIGHTS)
        if source.location is not None:
            address = str(source.location)
        else:
            # A folder is found from wherever another process works.
            address = source.name if source.origin == "zoo" else str(source.folder.resolve())
        return cls(
            source.name,
            address,
            source.location.revision if source.location else None,
            cache_dir,
            local_files_only,
            record_of(content),
            record_of(weights),
            ModelConfig.from_dict(source.parse_json(CONFIG, content), source.path(CONFIG)),
        )

    def load(self, dtype: str) -> keras.Model:
        """Loads it, its files checked as they are read.

        Raises:
            ValueError: if they are others.
        """
        name = Path(self.address) if Path(self.address).is_absolute() else self.address
        source = find(name, settings=HubSettings(self.cache_dir, self.local_files_only))
        records = {CONFIG: self.configuration, WEIGHTS: self.weights}
        source = dataclasses.replace(source, records={**source.records, **records})
        with source.named_in_errors():
            return load_from(source, dtype=dtype)
