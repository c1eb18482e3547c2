"""What is asked of a `lipzoo.certificates.Certificate` here, where there is no Keras."""

from typing import Protocol

import numpy as np


class BoundLike(Protocol):
    """A proven Lipschitz bound with its model's name, as `lipzoo.bounds.LipschitzBound` is."""

    @property
    def name(self) -> str:
        """Name of the model."""
        ...

    @property
    def value(self) -> float:
        """The bound."""
        ...


class CertificateLike(Protocol):
    """Certified examples in memory; the attributes are those of `Certificate`."""

    @property
    def radius(self) -> np.ndarray:
        """Certified radii."""
        ...

    @property
    def prediction(self) -> np.ndarray:
        """Predicted classes."""
        ...

    @property
    def rival(self) -> np.ndarray:
        """The classes that the predictions are nearest to changing to."""
        ...

    @property
    def labels(self) -> np.ndarray | None:
        """True classes."""
        ...

    @property
    def feature_radii(self) -> dict[str, np.ndarray]:
        """Radii of each feature alone."""
        ...

    @property
    def bound(self) -> BoundLike:
        """What the radii rest on."""
        ...

    @property
    def deviation(self) -> np.ndarray | None:
        """Standard deviations, where the radii are in such."""
        ...

    @property
    def rounding(self) -> bool:
        """Whether the radii account for rounding errors."""
        ...

    @property
    def norm(self) -> str:
        """Norm of the radii."""
        ...

    @property
    def units(self) -> str:
        """Units of the radii."""
        ...

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes."""
        ...

    @property
    def domain(self) -> str:
        """The box that the radii are about, or empty."""
        ...

    @property
    def local(self) -> bool:
        """Whether the radii rest on slopes within each ball."""
        ...

    @property
    def arithmetic(self) -> str:
        """What was computed in which type."""
        ...
