"""The constraint that keeps a kernel's operator norm below a bound while it is trained."""

import math
import numbers

import keras
from keras import ops

from lipzoo.rounding import HALF_PRECISION, unit_roundoff
from lipzoo.spectral import gram_norm_bound
from lipzoo.spectral.branches import branch
from lipzoo.spectral.convolution_bound import GRID_FACTOR
from lipzoo.spectral.gram_iteration import autocorrelation, norm_bound_of_gram, polyphase
from lipzoo.spectral.largest import largest
from lipzoo.spectral.tall import tall
from lipzoo.tracing import traced_once
from lipzoo.validation import integer

METHODS = ("orthogonal", "scale", "rows")

# A Newton-Schulz step maps singular values s to s(3 - s²)/2, which lies in [0, 1] for s in [0, √3].
# Matrices are brought below 1.5, where a value just above 1 keeps most of its size.
_NEWTON_SCHULZ_RADIUS = 1.5


@keras.saving.register_keras_serializable(package="lipzoo")
class SpectralBound(keras.constraints.Constraint):
    """Keeps the operator norm of a dense or convolution kernel at most `bound`.

    Keras applies it after every optimizer step. A kernel whose proven bound (`gram_norm_bound`) is
    at most `bound` less a margin is returned unchanged; otherwise it is projected by one of three
    methods:

    - `"orthogonal"`: Newton-Schulz (Björck) steps `K ← K(3I - KᵀK)/2` on the kernel flattened to a
      matrix, which bring *all* singular values near 1, then scaling. One step maps singular values
      from [0, √3] into [0, 1], so for dense kernels and for patches (stride = kernel size) the
      result needs no further bound; overlapping convolutions are divided by their proven bound.
    - `"scale"`: division by the proven bound.
    - `"rows"`: each output unit i is scaled by `min(1, bound · (Σ_j |KᵀK|_ij)^(-1/2))`, for
      convolutions with the sum also over all shifts (AOL, arXiv 2208.03160).

    What is proven: in exact arithmetic the result's norm, as the operator that it is (any image
    size, zero or circular padding, any grouping, any dilation without strides), is at most
    `(1 - margin) · bound`.
    The margin covers the rounding of the stored kernel (unit roundoff times Frobenius norm, a
    proof) and leaves room for the rounding of the evaluation (an experience, not a proof).
    Certificates do not rest on it: they are recomputed in float64 from the stored weights. On GPUs
    switch TF32 products off, whose error of 1e-3 exceeds that room.

    Args:
        bound: largest operator norm, a positive finite float.
        method: `"orthogonal"`, `"scale"` or `"rows"`.
        strides: strides of the convolution that the kernel belongs to, int or tuple.
        iterations: Gram iterations of the proven bound; more are tighter and cost more.
        steps: Newton-Schulz steps of `"orthogonal"`.

    Raises:
        ValueError: if an argument is outside its range, or the kernel is not of rank 2, 3 or 4.

    Example:

    >>> import numpy as np
    >>> kernel = np.random.default_rng(0).normal(size=(8, 5)).astype("float32")
    >>> projected = keras.ops.convert_to_numpy(SpectralBound(1.0, method="scale")(kernel))
    >>> bool(np.linalg.norm(projected, 2) <= 1.0)
    True
    """

    def __init__(self, bound=1.0, method="orthogonal", strides=1, iterations=4, steps=1):
        valid = isinstance(bound, numbers.Real) and not isinstance(bound, bool)
        if not (valid and 1e-30 <= bound <= 1e30):
            raise ValueError(f"bound must be a number in [1e-30, 1e30]. Received: bound={bound!r}")
        if method not in METHODS:
            raise ValueError(f"method must be one of {METHODS}. Received: method={method!r}")
        iterations, steps = integer(iterations, "iterations", 0), integer(steps, "steps")
        several = isinstance(strides, list | tuple)
        sizes = tuple(integer(size, "strides") for size in (strides if several else (strides,)))
        self.bound = float(bound)
        self.method = method
        self.strides = sizes if several else sizes[0]
        self.iterations = iterations
        self.steps = steps

    def __call__(self, w):
        kernel = ops.convert_to_tensor(w)
        storage = keras.backend.standardize_dtype(kernel.dtype)
        rank = len(kernel.shape)
        if rank not in (2, 3, 4):
            raise ValueError(
                "SpectralBound takes dense kernels (rank 2) and 1-D or 2-D convolution kernels "
                f"(rank 3 and 4). Received: shape={tuple(kernel.shape)}"
            )
        if storage in HALF_PRECISION:
            kernel = ops.cast(kernel, "float32")
        return ops.cast(traced_once(_project, kernel, self, storage), storage)

    def __eq__(self, other):
        """Whether the other one is of the same class and does the same."""
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self):
        return hash((type(self), *self.get_config().items()))

    def get_config(self):
        return {
            "bound": self.bound,
            "method": self.method,
            "strides": self.strides,
            "iterations": self.iterations,
            "steps": self.steps,
        }

    def _targets(self, kernel, storage):
        """The norm to project to, and the one up to which a kernel is left as it is.

        The first is `bound` less the rounding of a kernel stored in `storage`, of which a kernel
        that is not touched suffers none. What was projected by its proven bound is so not projected
        again; a matrix that Newton-Schulz steps brought below 1 may be, its bound being a little
        above its norm.
        """
        # ‖K‖_F <= √rank ‖K‖ bounds how far the stored kernel is off; the rest is the evaluation.
        rank = min(kernel.shape[-1], math.prod(kernel.shape[:-1]))
        unit = unit_roundoff("float64" if storage == "float64" else "float32")
        # What the float64 bound allows for its own rounding.
        certificate = rank * sum(kernel.shape[-2:]) * math.prod(kernel.shape[:-2]) * 2.0**-52
        stored = unit_roundoff(storage) * math.sqrt(rank)
        target = self.bound / (1.0 + stored + 128 * unit + certificate)
        return target, self.bound / (1.0 + 64 * unit + certificate)

    def _norm_bound(self, kernel, threshold=None):
        return gram_norm_bound(
            kernel, strides=self.strides, iterations=self.iterations, threshold=threshold
        )

    def _is_matrix(self, kernel):
        """Whether the operator is the kernel's matrix applied to disjoint patches."""
        spatial = tuple(kernel.shape[:-2])
        return spatial == _per_axis(self.strides, len(spatial))

    def _scale(self, kernel, target, inside):
        norm = self._norm_bound(kernel)
        return ops.where(norm > inside, kernel * (target / _positive(norm)), kernel)

    def _orthogonalise(self, kernel, target, inside):
        matrix, back = tall(kernel)
        # Entries of modulus at most 1: products of large kernels would overflow.
        scale = _positive(largest(ops.abs(matrix)))
        matrix = matrix / scale
        gram = ops.matmul(ops.transpose(matrix), matrix)

        def raised(factor):
            """The kernel divided by `factor`, its singular values raised towards 1."""
            iterate, product = matrix / factor, gram / ops.square(factor)
            for step in range(self.steps):
                if step:
                    product = ops.matmul(ops.transpose(iterate), iterate)
                iterate = 1.5 * iterate - 0.5 * ops.matmul(iterate, product)
            return back(iterate)

        if self._is_matrix(kernel):
            # A column that is too long says that the kernel has to be projected. Then, all that the
            # bound has to say is whether the singular values are below the radius.
            longest = scale * ops.sqrt(largest(ops.diagonal(gram)))
            radius = ops.cast(_NEWTON_SCHULZ_RADIUS * self.bound, gram.dtype)
            enough = ops.where(longest > inside, radius, ops.cast(inside, gram.dtype)) / scale
            norm = scale * norm_bound_of_gram(gram, self.iterations, enough)
            factor = ops.maximum(norm / _NEWTON_SCHULZ_RADIUS, self.bound) / scale
            return ops.where(norm > inside, raised(factor) * target, kernel)

        def projected():
            # The matrix of an overlapping convolution may be several times smaller than the
            # operator. Steps that start far below 1 only multiply, all singular values alike, and
            # the division that follows every time would let all but the largest die out.
            result = raised(_positive(norm_bound_of_gram(gram, self.iterations)))
            # Flattening is not the operator: what is proven is the division by the bound.
            return result * (target / _positive(self._norm_bound(result)))

        return branch(self._norm_bound(kernel, inside) > inside, projected, lambda: kernel)

    def _scale_rows(self, kernel, target, _inside):
        if len(kernel.shape) > 2 and not self._is_matrix(kernel):
            # Certificates find the norm on a grid, to within this factor.
            target = target / GRID_FACTOR
        rows = ops.sqrt(_gram_row_sums(kernel, self.strides))
        scale = ops.where(rows > target, target / _positive(rows), ops.ones_like(rows))
        return kernel * scale


def _project(kernel, constraint, storage):
    project = {
        "orthogonal": constraint._orthogonalise,
        "scale": constraint._scale,
        "rows": constraint._scale_rows,
    }[constraint.method]
    return project(kernel, *constraint._targets(kernel, storage))


def _per_axis(strides, rank):
    return strides if isinstance(strides, tuple) else (strides,) * rank


def _positive(value):
    """Guards a division: the smallest normal number instead of zero."""
    return ops.maximum(value, 1e-30)


def project(model: keras.Model) -> None:
    """Applies every weight's constraint once, in place.

    Keras applies constraints after an optimizer step and at no other time. Weights that arrive in
    another way (set, loaded from elsewhere, averaged with `use_ema`, whose averages Keras takes
    before the constraint) may have left it; `lipschitz_bound` then says so, and this brings them
    back. Weights within the constraint may change, too, where `"orthogonal"` can raise singular
    values further.

    Args:
        model: a built model or layer.

    Raises:
        TypeError: if it is neither a model nor a layer.
        ValueError: if it is not built.

    Example:

    >>> import lipzoo, numpy as np
    >>> model = keras.Sequential([keras.Input((2,)), lipzoo.layers.SpectralDense(2)])
    >>> model.set_weights([3 * np.eye(2), np.zeros(2)])
    >>> lipzoo.project(model)
    >>> lipzoo.lipschitz_bound(model).value <= 1.0
    True
    """
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(f"Expected a keras.Model or a layer. Received: model={model!r}")
    if not model.built:
        raise ValueError(
            "Expected a built model: begin it with keras.Input(shape), or call it on data. "
            f"Received: {model.name!r}, which has no weights yet"
        )
    for variable in model.weights:
        if variable.constraint is not None:
            variable.assign(variable.constraint(variable))


def _gram_row_sums(kernel, strides):
    """Returns `Σ_j Σ_shifts |(KᵀK)_ij(shift)|` for every output unit i.

    Shifts between two output positions are multiples of the stride.
    """
    spatial = tuple(kernel.shape[:-2])
    if not spatial:
        return ops.sum(ops.abs(ops.matmul(ops.transpose(kernel), kernel)), axis=0)
    gram = autocorrelation(polyphase(kernel, _per_axis(strides, len(spatial))))
    return ops.sum(ops.abs(gram), axis=tuple(range(gram.ndim - 1)))
