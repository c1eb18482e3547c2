"""What `lipzoo certify --html` and `lipzoo demo` gather of examples for a page of them."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from lipzoo_catalogue.certified.certified import Certified
from lipzoo_catalogue.files import write_file
from lipzoo_catalogue.model_config import ModelConfig
from lipzoo_catalogue.page import ROWS, certified_page, thumbnails
from lipzoo_catalogue.version import __version__


class CertifiedPage:
    """A page of examples that come piece by piece.

    Args:
        path: where it is written.
        config: the model's configuration, which says what is black and what is white.
    """

    def __init__(self, path: Path, config: ModelConfig):
        self.path = path
        low, high = (config.preprocessing.get(key) for key in ("minimum", "maximum"))
        self._limits = None if low is None or high is None else (float(low), float(high))
        self._pictures: list[str] = []
        self._digest = hashlib.sha256()

    def add(self, x: np.ndarray) -> None:
        """Takes the next examples, as the model takes them."""
        self._digest.update(np.ascontiguousarray(x, x.dtype.newbyteorder("<")).data)
        room = ROWS - len(self._pictures)
        if room > 0:
            self._pictures += thumbnails(x[:room], self._limits)

    def write(
        self,
        certified: Certified,
        title: str,
        facts: Mapping[str, object],
        hashes: Mapping[str, str],
        epsilon: float | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        """Writes the page.

        Args:
            certified: all examples that were added.
            title: of the page.
            facts: what was certified how, by name.
            hashes: SHA-256 by what each is of, beside those of the examples and their radii.
            epsilon: the radius that the page begins with.
            notes: what a reader of the numbers should know.
        """
        radius = np.ascontiguousarray(certified.columns["radius"], "<f8")
        facts = {**facts, "backend": keras.backend.backend(), "lipzoo": __version__}
        hashes = {
            **hashes,
            "examples": self._digest.hexdigest(),
            "radii": hashlib.sha256(radius.data).hexdigest(),
        }
        page = certified_page(certified, title, facts, hashes, self._pictures, epsilon, notes)
        # Names of files need not be UTF-8.
        write_file(self.path, page.encode("utf-8", "backslashreplace"))
