"""The sum of branches as a convex combination."""

import keras
import numpy as np
from keras import ops

from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.layers._constrained import array
from lipzoo.rounding import add_up, gamma, hypot_up, inflated, mul_up


@keras.saving.register_keras_serializable(package="lipzoo")
class ConvexSum(keras.layers.Layer):
    """Learned convex combination of branches: `y = Σ w_i x_i`, `w_i = v_i² / Σ_j v_j²`.

    `keras.layers.Add` of k branches that are 1-Lipschitz is k-Lipschitz; this is 1-Lipschitz,
    whatever the weights v. Equal v at first: the mean.

    Inputs: a list of two or more tensors of one shape. Output: a tensor of that shape.

    Guarantee: with branches that are `L_i`-Lipschitz in the model's input, the output is
    `Σ w_i L_i`-Lipschitz, which is at most the largest `L_i`. The bound is derived from the v as
    they are stored; that the computed weights add up to 1 only roughly counts as rounding.

    Raises:
        ValueError: if it is given a single tensor, or shapes that differ.

    Reference: convex residual connections, arXiv 1811.05381.

    Example:

    >>> layer = ConvexSum()
    >>> float(layer([keras.ops.ones((1, 1)), keras.ops.zeros((1, 1))])[0, 0])
    0.5
    >>> layer.lipschitz_bound([(None, 1), (None, 1)]).value <= 0.5**0.5 + 1e-12
    True
    """

    def build(self, input_shape):
        self._check_shapes(input_shape)
        k = len(input_shape)
        # UnitNorm changes no weight w: it keeps v from growing, which their gradients make it do.
        self.roots = self.add_weight(
            name="roots",
            shape=(k,),
            initializer=keras.initializers.Constant(k**-0.5),
            constraint=keras.constraints.UnitNorm(),
            autocast=False,
        )

    def call(self, inputs):
        # In half precision the squares would underflow.
        dtype = "float64" if self.compute_dtype == "float64" else "float32"
        roots = ops.cast(self.roots, dtype)
        squares = ops.square(roots / ops.max(ops.abs(roots)))
        weights = ops.cast(squares / ops.sum(squares), self.compute_dtype)
        total = weights[0] * inputs[0]
        for i in range(1, len(inputs)):
            total = total + weights[i] * inputs[i]
        return total

    def compute_output_shape(self, input_shape):
        self._check_shapes(input_shape)
        return tuple(input_shape[0])

    def get_config(self):
        return {**super().get_config()}

    def lipschitz_bound(self, input_shape) -> LayerBound:
        """Returns the bound of the map of all branches together, `(Σ w_i²)^(1/2)`."""
        weights = self._weights_up(input_shape)
        value = min(1.0, hypot_up(*weights))
        # Σ w_i |x_i| is that map of the moduli of the branches.
        unit = self._unit(len(weights))
        return LayerBound(value, _shown(weights), 0.0, mul_up(unit, value), 0.0)

    def bound_from(self, input_shape, inputs) -> LayerBound:
        """Returns the bound of the output from those of the branches.

        A branch with the error e_i adds `w_i e_i`, and the layer its own `γ Σ w_i |x_i + e_i|`.

        Args:
            input_shape: shapes of the branches.
            inputs: their `LayerBound`s, with respect to the same vector.

        Raises:
            ValueError: if the weights were set to zeros.
        """
        weights = self._weights_up(input_shape)

        def mean(numbers):
            summed = add_up(*map(mul_up, weights, numbers))
            return min(max(numbers), summed)

        value = mean([bound.value for bound in inputs])
        offset = mean([bound.offset for bound in inputs])
        known = [bound.rounding for bound in inputs]
        if None in known:
            return LayerBound(value, _shown(weights), offset)
        unit = self._unit(len(weights))
        slope, constant = (mean(errors) for errors in zip(*known, strict=True))
        return LayerBound(
            value,
            _shown(weights),
            offset,
            add_up(slope, mul_up(unit, add_up(value, slope))),
            add_up(constant, mul_up(unit, add_up(offset, constant))),
        )

    def _unit(self, k) -> float:
        """Relative error of the terms of the computed sum of k branches.

        A quotient by the largest v and its square are 3 roundings, the sum of k of those 3 + k - 1,
        the weight one more, and one for its cast; then a product and k - 1 sums.
        """
        return gamma(2 * k + 8, self.compute_dtype)

    def _weights_up(self, input_shape) -> list[float]:
        """The weights w_i, rounded upwards."""
        self._check_shapes(input_shape)
        roots = np.abs(array(self.roots).astype("float64"))
        if roots.shape != (len(input_shape),) or not roots.any():
            raise ValueError(
                f"Expected layer '{self.name}' to have {len(input_shape)} weights, not all of them "
                f"zero. Received: {roots}"
            )
        squares = np.square(roots / roots.max())
        weights = inflated(squares / squares.sum(), operations=len(roots) + 6)
        # A square may underflow.
        return np.where(roots > 0, np.maximum(weights, 1e-300), 0.0).tolist()

    def _check_shapes(self, shapes):
        several = all(isinstance(shape, list | tuple) for shape in shapes)
        if not several or len(shapes) < 2 or len({tuple(shape) for shape in shapes}) > 1:
            raise ValueError(
                "ConvexSum expects a list of two or more tensors of one shape. "
                f"Received: shapes {shapes}"
            )


def _shown(weights) -> str:
    return f"weights {', '.join(f'{weight:.3g}' for weight in weights[:4])}" + (
        ", ..." if len(weights) > 4 else ""
    )
