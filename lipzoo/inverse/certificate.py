"""How far a reconstruction can move when the measurement moves: the ball that holds it."""

import math
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from lipzoo.bounds import LipschitzBound, lipschitz_bound
from lipzoo.certificates.arithmetic import check_arithmetic
from lipzoo.certificates.inputs import check_inputs, check_radius, joint_norms
from lipzoo.certificates.prediction import check_runs_as_recorded, predict
from lipzoo.inverse import gallery
from lipzoo.inverse.layers import PlugAndPlay
from lipzoo.inverse.output_box import diameter, farthest, output_box
from lipzoo.rounding import inflated
from lipzoo.validation import integer
from lipzoo_catalogue.markup import paragraph


@dataclass(frozen=True, eq=False)
class ReconstructionCertificate:
    """Balls that contain the reconstructions of all measurements near the given ones.

    Attributes:
        radius: per example, the Euclidean radius of the ball around the reconstruction, in the
            units of the image; shape `(examples,)`, float64.
        reconstruction: what the model returned, `(examples, ...)`: the centres.
        noise_norm: radius of the ball of measurements, shape `(examples,)`.
        bound: the `LipschitzBound` from measurement to reconstruction that the radii rest on.
        rounding: whether the radii account for rounding errors.
    """

    radius: np.ndarray
    reconstruction: np.ndarray = field(repr=False)
    noise_norm: np.ndarray = field(repr=False)
    bound: LipschitzBound = field(repr=False)
    rounding: bool = True

    def __len__(self) -> int:
        return len(self.radius)

    @property
    def root_mean_square(self) -> np.ndarray:
        """The radius per value of an image, `radius / sqrt(values)`: a root mean square error."""
        return self.radius / math.sqrt(self.reconstruction[0].size)

    def __str__(self) -> str:
        """One line: how far the reconstructions can move."""
        low, high = (f"{float(radius):.4g}" for radius in (self.radius.min(), self.radius.max()))
        what = "1 reconstruction" if len(self) == 1 else f"{len(self)} reconstructions, each"
        return (
            f"{what} moves by at most {low if low == high else f'{low} to {high}'} in l2 "
            f"norm (root mean square over its values: {self.root_mean_square.max():.4g} at most) "
            f"while the measurement moves by at most {self.noise_norm.max():.4g}"
        )

    def _repr_html_(self) -> str:
        return paragraph(self)

    def show(self, y: npt.ArrayLike, n: int = 6) -> Any:
        """Draws measurements, and under them their reconstructions with the radii.

        Args:
            y: the measurements that were certified, in their order.
            n: how many are shown at most, at least 1.

        Returns:
            A `matplotlib.figure.Figure`, which a notebook shows.

        Raises:
            ImportError: if Matplotlib is not installed.
            ValueError: if there are not as many measurements as the certificate is of.
        """
        return gallery.show(self, y, n)


def certify_reconstruction(
    model: keras.Model,
    y: npt.ArrayLike,
    noise_norm: npt.ArrayLike,
    *,
    rounding: bool = True,
    batch_size: int = 256,
    verbose: int | str = "auto",
) -> ReconstructionCertificate:
    """Certifies how far reconstructions can move when the measurements do.

        ‖f(y') - f(y)‖ <= r(y) = L δ + e(‖y‖) + e(‖y‖ + δ)     for all y' with ‖y' - y‖ <= δ

    L is the proven Lipschitz bound of the model, derived anew from its weights as they are, and
    e(s) the proven bound on the rounding error of the model on measurements of norm s; with
    `rounding=False`, e = 0 and the statement is one about exact arithmetic. With rounding it is
    about the reconstructions *as they are computed*, at y and at every y'; the assumptions on the
    arithmetic are those of `lipzoo.certify`. Where the model clips its images to a box at its end,
    no radius is larger than the distance to the box's farthest corner (in exact arithmetic, than
    the box's diameter).

    The ball says how stable the reconstruction is, not how right: the true image lies in it only if
    the model reconstructs it exactly from an exact measurement.

    Args:
        model: built functional or sequential `keras.Model` with one output, an `InvNet` for
            instance.
        y: measurements, `(examples, ...)`.
        noise_norm: δ, the Euclidean norm of the perturbation of a measurement, in its units: one
            number or one per example, finite and at least 0.
        rounding: whether to account for rounding errors.
        batch_size: batch size of the prediction, a positive integer.
        verbose: as in `keras.Model.predict`.

    Returns:
        A `ReconstructionCertificate`.

    Raises:
        UncertifiedLayerError: if a layer has no proven bound, as a plug-and-play iteration without
            contraction has none.
        ValueError: if y does not fit the model or is not finite, δ is negative or not finite, or
            the rounding error of a layer is not known, or the backend does not compute in the
            model's arithmetic.
        TypeError: if y is no array of numbers or the model none of Keras.

    Reference: design of the bound, arXiv 2510.22299.

    Example:

    >>> from lipzoo import InvNet, inverse
    >>> operator = inverse.Matrix([[2.0, 0.0], [0.0, 1.0]], input_shape=(2, 1))
    >>> model = InvNet(operator, alpha=1.0, steps=1, width=2)
    >>> certificate = certify_reconstruction(model, np.ones((1, 2)), 0.1, verbose=0)
    >>> bool(certificate.radius[0] < 0.0501)
    True
    """
    check_runs_as_recorded(model)
    batch_size = integer(batch_size, "batch_size")
    arrays = check_inputs(model, y)
    if len(model.outputs) != 1:
        raise ValueError(
            f"Expected a model with one output. Received: {len(model.outputs)} outputs"
        )
    noise = check_radius(noise_norm, "noise_norm", len(arrays[0]))
    bound = lipschitz_bound(model)
    radius = inflated(bound.value * noise, operations=1)
    if not rounding:
        _refuse_stopped(model)
    else:
        check_arithmetic(model)
        error, sizes = _rounding_error(bound), joint_norms(arrays)
        largest = inflated(sizes + noise, operations=1)
        radius = inflated(radius + error(sizes) + error(largest), operations=2)
    inputs = arrays if len(arrays) > 1 else arrays[0]
    reconstruction = predict(model, inputs, batch_size, verbose)
    finite = np.isfinite(reconstruction) if isinstance(reconstruction, np.ndarray) else False
    if not np.all(finite) or not np.isfinite(radius).all():
        raise ValueError(
            "Expected finite reconstructions and radii. Received: NaN or infinity; the model's "
            "arithmetic overflows on these measurements"
        )
    radius = np.minimum(radius, _in_box(model, reconstruction, rounding))
    return ReconstructionCertificate(radius, reconstruction, noise, bound, rounding)


def _in_box(model, reconstruction, rounding):
    """How far any reconstruction is from this one, since the model's box has an end."""
    box = output_box(model)
    if box is None:
        return math.inf
    if rounding:
        return farthest(box, reconstruction)
    # What was computed is not the exact reconstruction.
    return diameter(box, reconstruction[0].size)


def _refuse_stopped(model):
    """Refuses, in exact arithmetic, iterations that stop by a tolerance: no bound covers them."""
    for layer in model._flatten_layers():
        if isinstance(layer, PlugAndPlay) and layer.tolerance is not None:
            raise ValueError(
                f"rounding=False leaves out that '{layer.name}' stops before its fixed point, "
                "which the bound is about. Expected rounding=True, or a fixed number of steps "
                "(tolerance=None). Received: rounding=False"
            )


def _rounding_error(bound):
    if bound.output.unknown:
        raise ValueError(
            f"Expected layers whose rounding error is known. Received: "
            f"{', '.join(map(repr, bound.output.unknown))}. Give the rule or the operator a bound "
            "of its rounding error, or certify with rounding=False, in exact arithmetic"
        )
    known = bound.output.bound
    if math.isinf(known.rounding_slope) or math.isinf(known.rounding_offset):
        raise ValueError(
            f"The rounding error of model '{bound.name}' is unbounded in its arithmetic: its sums "
            "are too long, or its input has a size that is not fixed. Certify with rounding=False, "
            "in exact arithmetic, or load the model in a wider type"
        )
    slope, offset = known.rounding_slope, known.rounding_offset
    return lambda sizes: inflated(slope * sizes + offset, operations=2)
