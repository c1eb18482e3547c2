"""What a certificate says of all its examples alike."""

from dataclasses import dataclass

from lipzoo_catalogue.certified.protocols import CertificateLike


@dataclass(frozen=True)
class Terms:
    """What a certificate rests on and what its radii mean, the same for every example.

    Attributes:
        model: name of the model that the bound is about.
        bound: the Lipschitz bound that the radii rest on.
        standardized: whether radii are in standard deviations; `bound` is then that of the part
            of the model after the standardisation.
        rounding: whether the radii account for rounding errors.
        norm: norm of the radii.
        units: their units, as the model states them.
        class_names: names of the classes, or none.
        feature_names: names of the features that have a radius each, see
            `Certificate.feature_radii`.
        arithmetic: what was computed in which type; empty where it is not known.
        domain: the box that inputs and perturbed inputs lie in, as text; empty without one.
        local: whether the radii rest on slopes within each ball, which are at most the bound.
    """

    model: str
    bound: float
    standardized: bool
    rounding: bool
    norm: str
    units: str
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...]
    arithmetic: str = ""
    domain: str = ""
    local: bool = False

    @classmethod
    def of(cls, certificate: CertificateLike) -> "Terms":
        """The terms of a `Certificate`."""
        return cls(
            certificate.bound.name,
            certificate.bound.value,
            certificate.deviation is not None,
            certificate.rounding,
            certificate.norm,
            certificate.units,
            certificate.class_names,
            tuple(certificate.feature_radii),
            certificate.arithmetic,
            certificate.domain,
            certificate.local,
        )
