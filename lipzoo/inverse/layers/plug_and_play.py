"""Plug-and-play: a data step and a denoiser in turn, until the fixed point."""

import math
import numbers
from typing import Any, cast

import keras
from keras import ops

from lipzoo.bounds import UncertifiedLayerError, lipschitz_bound
from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.bounds.overrides import refuse_replaced
from lipzoo.inverse.data_step_bound import fixed_point_bound
from lipzoo.inverse.layers._with_operator import OperatorLayer
from lipzoo.inverse.layers.data_step import DataStep
from lipzoo.rounding import add_up, div_up, gamma, inflated, mul_up, sqrt_up
from lipzoo.validation import check_bounds, integer


@keras.saving.register_keras_serializable(package="lipzoo")
class PlugAndPlay(OperatorLayer):
    """The fixed point of a data step, an averaged denoiser and a projection.

        u = x - τAᵀ(Ax - y),      x ← P((1 - b) u + b c R(u))

    R is a denoiser with proven Lipschitz bound 1, `0 < b < 1` the averaging, c the contraction, and
    P the projection onto the box [minimum, maximum]. The iteration starts at an image that is given
    and stops, for each example on its own, when it moves by at most `tolerance` in Euclidean norm,
    or after `max_steps`.

    Inputs: a pair of an image `(batch, *operator.input_shape)` and a measurement
    `(batch, *operator.output_shape)`. Output: an image.

    Guarantee: for c = 1 the iteration is a composition of averaged maps that takes the box into
    itself; a fixed point exists by Brouwer and the iterates converge to one, possibly slowly. Its
    position has then no finite Lipschitz bound in y, and `lipschitz_bound` refuses. For c < 1 each
    step contracts with `q = 1 - b + b c Lip(R)`, the fixed point is unique, and it moves by at most
    `lipzoo.inverse.data_step_bound.fixed_point_bound(q, τ, ‖A‖)` times what y moves by; that the
    iteration is stopped, and rounded, counts as an error beside that bound: the bound is one of the
    fixed point, and the map that stops by its tolerance is not even continuous. With
    `tolerance=None` exactly `max_steps` steps are taken, and the bound is that of this map, for
    every c.

    Args:
        operator: the forward operator A.
        denoiser: a built functional or sequential `keras.Model` from images to images of the
            operator's `input_shape`, such as one made of gradient flows.
        averaging: b.
        contraction: c, in (0, 1].
        step_size: τ, in (0, 2/‖A‖²); None for `1/‖A‖²`.
        bounds: `(minimum, maximum)` of the box, without which no fixed point need exist.
        tolerance: see above, in units of the image; None for a fixed number of steps.
        max_steps: largest number of steps, a positive integer.
        **kwargs: Keras' `name`, `dtype`.

    Raises:
        ValueError: if an argument is out of range, or the denoiser's shapes or bound do not fit.
        UncertifiedLayerError: if a layer of the denoiser has no proven bound.

    The gradient of a loss through the iteration is defined on TensorFlow and PyTorch, not on JAX;
    a denoiser is trained by itself, on noisy images.

    Example:

    >>> from lipzoo.inverse import Matrix
    >>> denoiser = keras.Sequential([keras.Input((2,)), keras.layers.Rescaling(0.5)])
    >>> layer = PlugAndPlay(Matrix([[1.0, 0.0], [0.0, 0.5]]), denoiser, contraction=0.9)
    >>> layer.lipschitz_bound([(None, 2), (None, 2)]).value < 1.0
    True
    """

    def __init__(
        self,
        operator,
        denoiser,
        averaging=0.5,
        contraction=1.0,
        step_size=None,
        bounds=(0.0, 1.0),
        tolerance=1e-5,
        max_steps=500,
        **kwargs,
    ):
        super().__init__(operator, **kwargs)
        self.averaging = _in_interval(averaging, "averaging", below=1.0, closed=False)
        self.contraction = _in_interval(contraction, "contraction", below=1.0, closed=True)
        self.bounds = check_bounds(bounds)
        if tolerance is not None:
            tolerance = _in_interval(tolerance, "tolerance", below=math.inf, closed=False)
        self.tolerance = tolerance
        self.max_steps = integer(max_steps, "max_steps")
        self._data_step = DataStep(self.operator, step_size, dtype=self.dtype_policy)
        self._default_step = step_size is None
        self.step_size = self._data_step.step_size
        self.denoiser = _checked_denoiser(denoiser, self.operator)

    def build(self, input_shape):
        self._data_step.build(input_shape)
        if tuple(input_shape[0][1:]) != self.operator.input_shape:
            raise ValueError(
                f"PlugAndPlay expects images of shape {(None, *self.operator.input_shape)}. "
                f"Received: {tuple(input_shape[0])}"
            )

    def call(self, inputs):
        return self.iterate(inputs)[0]

    def iterate(self, inputs):
        """Runs the iteration and tells how it ended.

        Returns:
            The images, the length of the last move of each, and the number of steps of each.
        """
        start, data = inputs
        image = ops.clip(start, *self.bounds)
        zeros = ops.zeros_like(ops.sum(image, axis=tuple(range(1, len(image.shape)))))
        limit = -1.0 if self.tolerance is None else self.tolerance

        def unfinished(step, image, moved, steps):
            return ops.logical_and(step < self.max_steps, ops.any(moved > limit))

        def advance(step, image, moved, steps):
            following = self._after(image, data)
            lengths = _norms(following - image)
            active = moved > limit
            shape = (-1, *(1,) * (len(image.shape) - 1))
            image = ops.where(ops.reshape(active, shape), following, image)
            moved = ops.where(active, lengths, moved)
            return step + 1, image, moved, steps + ops.cast(active, steps.dtype)

        moved = zeros + ops.cast(math.inf, zeros.dtype)
        state = (ops.convert_to_tensor(0), image, moved, ops.cast(zeros, "int32"))
        _, image, moved, steps = ops.while_loop(unfinished, advance, state)
        return image, moved, steps

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(inputs[0].shape, dtype=self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[0])

    def get_config(self):
        return {
            **super().get_config(),
            "denoiser": keras.saving.serialize_keras_object(self.denoiser),
            "averaging": self.averaging,
            "contraction": self.contraction,
            "step_size": None if self._default_step else self.step_size,
            "bounds": list(self.bounds),
            "tolerance": self.tolerance,
            "max_steps": self.max_steps,
        }

    @classmethod
    def from_config(cls, config):
        """Returns a layer from what `get_config` returned, denoiser included."""
        denoiser = keras.saving.deserialize_keras_object(config["denoiser"])
        return super().from_config({**config, "denoiser": denoiser})

    def lipschitz_bound(self, input_shape) -> LayerBound:
        """Returns the bound as a map of image and measurement together.

        Raises:
            UncertifiedLayerError: if the iteration runs to a fixed point and does not contract.
        """
        identity = LayerBound.exact(1.0, "input")
        return self.bound_from(input_shape, [identity, identity])

    def bound_from(self, input_shape, inputs) -> LayerBound:
        """Returns the bound of the result from those of the first image and the measurement.

        Args:
            input_shape: shapes of both.
            inputs: their `LayerBound`s, with respect to the same vector.

        Raises:
            UncertifiedLayerError: as in `lipschitz_bound`.
        """
        self._trust_operator()
        self._check_parts()
        denoiser = lipschitz_bound(self.denoiser).output.bound
        mix = self._mix(denoiser)
        if self.tolerance is None:
            return self._bound_of_steps(input_shape, inputs, mix)
        return self._bound_of_fixed_point(input_shape, inputs[1], mix)

    def _check_parts(self):
        """Refuses attributes that were set to what the constructor refuses, and replaced parts."""
        refuse_replaced(self._data_step)
        if type(self._data_step) is not DataStep or self._data_step.operator is not self.operator:
            raise UncertifiedLayerError(self, "Its data step was replaced.")
        _in_interval(self.averaging, "averaging", below=1.0, closed=False)
        _in_interval(self.contraction, "contraction", below=1.0, closed=True)
        integer(self.max_steps, "max_steps")
        check_bounds(self.bounds)

    def _after(self, image, data):
        image = self._data_step([image, data])
        weight = self.averaging * self.contraction
        denoised = ops.cast(self.denoiser(image, training=False), image.dtype)
        image = (1.0 - self.averaging) * image + weight * denoised
        return ops.clip(image, *self.bounds)

    def _mix(self, denoiser):
        """The `LayerBound` of `u ↦ P((1 - b) u + b c R(u))`."""
        kept, weight = 1.0 - self.averaging, self.averaging * self.contraction
        # The numbers themselves are rounded in float64.
        kept, weight = inflated(kept, operations=1), inflated(weight, operations=1)
        value = add_up(kept, mul_up(weight, denoiser.value))
        offset = mul_up(weight, denoiser.offset)
        if denoiser.rounding_slope is None:
            return LayerBound(value, "averaged denoiser", offset)
        # One rounding of each number, product and cast, and one of the sum.
        unit = gamma(4, self.compute_dtype)
        slope = mul_up(weight, denoiser.rounding_slope, 1 + unit)
        constant = mul_up(weight, denoiser.rounding_offset, 1 + unit)
        return LayerBound(
            value,
            "averaged denoiser",
            offset,
            add_up(slope, mul_up(unit, value)),
            add_up(constant, mul_up(unit, offset)),
        )

    def _bound_of_steps(self, input_shape, inputs, mix):
        state, data = self._in_box(inputs[0]), inputs[1]
        for _ in range(self.max_steps):
            following = self._data_step.bound_from(input_shape, [state, data]).then(mix)
            state = self._in_box(following)
        return LayerBound(
            state.value,
            f"{self.max_steps} steps of plug-and-play",
            state.offset,
            state.rounding_slope,
            state.rounding_offset,
        )

    def _in_box(self, image):
        """The bound of an image after the projection: its size is the box's, wherever that lies."""
        offset = image.rounding_offset
        if offset is not None:
            # The limits themselves are rounded to the type.
            offset = add_up(offset, mul_up(gamma(1, self.compute_dtype), self._size_of_box()))
        return LayerBound(
            image.value, "projection", self._size_of_box(), image.rounding_slope, offset
        )

    def _bound_of_fixed_point(self, input_shape, data, mix):
        q, step = mix.value, self._data_step
        smallest = self._products.smallest_singular_value_bound
        position = fixed_point_bound(q, step.step_size, self._products.norm_bound, smallest)
        if not q < 1 or math.isinf(position):
            raise UncertifiedLayerError(
                self,
                f"Its steps contract with no factor below 1 (their bound is {q:.9g}), so the fixed "
                "point has no finite Lipschitz bound in the measurement. Give it contraction < 1, "
                "or certify a fixed number of steps: tolerance=None.",
            )
        box = LayerBound(0.0, "box", self._size_of_box(), 0.0, 0.0)
        once = self._in_box(step.bound_from(input_shape, [box, data]).then(mix))
        slope, constant = once.rounding_slope, once.rounding_offset
        remaining = float(math.nextafter(1.0 - q, 0.0))
        stopped = self._stopping_error(q, remaining)
        if slope is not None and constant is not None:
            # Up to the true fixed point: sum of a geometric series of the errors of the steps.
            slope = div_up(slope, remaining)
            constant = add_up(div_up(constant, remaining), stopped)
        return LayerBound(
            mul_up(position, data.value),
            f"fixed point, q = {q:.6g}, stopped within {stopped:.3g} of it",
            self._size_of_box(),
            slope,
            constant,
        )

    def _stopping_error(self, q, remaining):
        """How far from the fixed point an exact iteration may stop: by its rule, or at the end."""
        unit = gamma(self.operator.inputs + 4, self.compute_dtype)
        # The computed length is the true one but for the factor 1 - unit.
        longest = div_up(self.tolerance, math.nextafter(1.0 - unit, 0.0)) if unit < 1 else math.inf
        by_rule = div_up(mul_up(q, longest), remaining)
        low, high = self.bounds
        side = inflated(high - low, operations=1)
        diameter = mul_up(side, sqrt_up(float(self.operator.inputs)))
        exponent = self.max_steps * math.log(q)
        # The exponential, and its argument, whose relative error becomes |exponent| times as large.
        roundings = 2 + 4 * math.ceil(abs(exponent))
        at_the_end = mul_up(inflated(math.exp(exponent), roundings), diameter)
        return max(by_rule, at_the_end)

    def _size_of_box(self):
        return mul_up(max(map(abs, self.bounds)), sqrt_up(float(self.operator.inputs)))


def _norms(images):
    return ops.sqrt(ops.sum(ops.square(images), axis=tuple(range(1, len(images.shape)))))


def _in_interval(value, name, below, closed):
    """Returns a number in (0, below), or in (0, below] if closed."""
    valid = isinstance(value, numbers.Real) and not isinstance(value, bool)
    value = cast(Any, value)
    if not (valid and value > 0 and (value < below or (closed and value == below))):
        end = "]" if closed else ")"
        raise ValueError(
            f"{name} must be a number in (0, {below:g}{end}. Received: {name}={value!r}"
        )
    return float(value)


def _checked_denoiser(denoiser, operator):
    if not isinstance(denoiser, keras.Model):
        raise ValueError(f"denoiser must be a keras.Model. Received: denoiser={denoiser!r}")
    shapes = [tuple(denoiser.input_shape[1:]), tuple(denoiser.output_shape[1:])]
    if shapes != [operator.input_shape] * 2:
        raise ValueError(
            f"denoiser must take and return images of shape {operator.input_shape}. "
            f"Received: {shapes[0]} and {shapes[1]}"
        )
    bound = lipschitz_bound(denoiser).value
    if bound > 1.0:
        raise ValueError(
            "denoiser must be non-expansive, of proven Lipschitz bound 1 at most. "
            f"Received: a model of bound {bound:.9g}"
        )
    return denoiser
