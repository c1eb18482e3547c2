"""What the layers with constrained kernels have in common."""

from typing import Any

import keras
from keras import ops

from lipzoo.building import must_initialise
from lipzoo.constraints import SpectralBound
from lipzoo.rounding import HALF_PRECISION


def spectral_constraint(constraint, strides=1) -> SpectralBound:
    """Returns `constraint` (default: `SpectralBound(1.0)`) for a kernel with the layer's strides.

    Raises:
        ValueError: if it is not a `SpectralBound`, whose `bound` the layer's step size rests on.
    """
    constraint = keras.constraints.get(constraint)
    if constraint is None:
        return SpectralBound(strides=strides)
    if not isinstance(constraint, SpectralBound):
        raise ValueError(
            "kernel_constraint must be a lipzoo.constraints.SpectralBound. "
            f"Received: kernel_constraint={constraint!r}"
        )
    return SpectralBound.from_config({**constraint.get_config(), "strides": strides})


def add_operator(layer, input_shape, suffix=""):
    """Adds kernel and bias of an affine map `x ↦ Ax + b` on `input_shape`; no bias is None."""
    shape = layer._kernel_shape(input_shape)
    kernel = add_projected_kernel(layer, shape, f"kernel{suffix}")
    return kernel, add_bias(layer, shape[-1], f"bias{suffix}")


def add_projected_kernel(layer, shape, name="kernel"):
    """Adds a kernel, already projected onto its constraint."""
    initialise = must_initialise(layer.name, shape)
    kernel = layer.add_weight(
        name=name,
        shape=shape,
        initializer=_in_single(layer.kernel_initializer) if initialise else "zeros",
        constraint=layer.kernel_constraint,
    )
    if initialise:
        kernel.assign(layer.kernel_constraint(kernel))
    return kernel


def _in_single(initializer):
    """The initializer, drawing in float32 what is stored in half precision: QR needs it."""

    def draw(shape, dtype=None):
        half = dtype in HALF_PRECISION
        drawn = initializer(shape, dtype="float32" if half else dtype)
        return ops.cast(drawn, dtype) if half else drawn

    return draw


def add_bias(layer, units, name="bias"):
    """Adds a bias of shape `(units,)` if the layer uses one; None otherwise."""
    if not layer.use_bias:
        return None
    return layer.add_weight(name=name, shape=(units,), initializer=layer.bias_initializer)


def channels_of(input_shape, rank, layer):
    """Returns the channel count of a channels-last shape `(batch, *spatial, channels)`."""
    if len(input_shape) != rank + 2 or input_shape[-1] is None:
        axes = ", ".join(["batch", *("height", "width")[:rank], "channels"][: rank + 2])
        raise ValueError(
            f"{type(layer).__name__} expects inputs of shape ({axes}) with known channels. "
            f"Received: input_shape={tuple(input_shape)}"
        )
    return input_shape[-1]


def check_operator(layer, kernel, bias, shape):
    """Refuses arrays of other shapes than the layer's kernel and bias have, which one may set.

    Raises:
        ValueError: see there.
    """
    expected = [tuple(shape), (shape[-1],)]
    received = [kernel.shape, expected[1] if bias is None else bias.shape]
    if received != expected:
        raise ValueError(
            f"Expected layer '{layer.name}' to have a kernel and a bias of shapes {expected}, as "
            f"it was built with. Received: {received}"
        )


def array(variable) -> Any:
    """Returns a weight's present value as a NumPy array; None for no weight."""
    return None if variable is None else ops.convert_to_numpy(ops.convert_to_tensor(variable))
