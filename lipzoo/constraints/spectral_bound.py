"""The constraint that keeps a kernel's operator norm below a bound while it is trained."""

import keras
from keras import ops

from lipzoo.constraints._kernel import KernelConstraint, checked_bound, positive, targets
from lipzoo.spectral import gram_norm_bound
from lipzoo.spectral.branches import branch
from lipzoo.spectral.convolution_bound import GRID_FACTOR
from lipzoo.spectral.gram_iteration import autocorrelation, norm_bound_of_gram, polyphase
from lipzoo.spectral.largest import largest
from lipzoo.spectral.tall import tall
from lipzoo.validation import integer

METHODS = ("orthogonal", "scale", "rows")

# A Newton-Schulz step maps singular values s to s(3 - s²)/2, which lies in [0, 1] for s in [0, √3].
# Matrices are brought below 1.5, where a value just above 1 keeps most of its size.
_NEWTON_SCHULZ_RADIUS = 1.5


@keras.saving.register_keras_serializable(package="lipzoo")
class SpectralBound(KernelConstraint):
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
        if method not in METHODS:
            raise ValueError(f"method must be one of {METHODS}. Received: method={method!r}")
        iterations, steps = integer(iterations, "iterations", 0), integer(steps, "steps")
        several = isinstance(strides, list | tuple)
        sizes = tuple(integer(size, "strides") for size in (strides if several else (strides,)))
        self.bound = checked_bound(bound)
        self.method = method
        self.strides = sizes if several else sizes[0]
        self.iterations = iterations
        self.steps = steps

    def __call__(self, w):
        kernel = ops.convert_to_tensor(w)
        rank = len(kernel.shape)
        if rank not in (2, 3, 4):
            raise ValueError(
                "SpectralBound takes dense kernels (rank 2) and 1-D or 2-D convolution kernels "
                f"(rank 3 and 4). Received: shape={tuple(kernel.shape)}"
            )
        return self._projected(kernel)

    def get_config(self):
        return {
            "bound": self.bound,
            "method": self.method,
            "strides": self.strides,
            "iterations": self.iterations,
            "steps": self.steps,
        }

    def _project(self, kernel, storage):
        project = {
            "orthogonal": self._orthogonalise,
            "scale": self._scale,
            "rows": self._scale_rows,
        }[self.method]
        target, inside = targets(self.bound, kernel.shape, storage)
        return project(kernel, target, inside)

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
        return ops.where(norm > inside, kernel * (target / positive(norm)), kernel)

    def _orthogonalise(self, kernel, target, inside):
        matrix, back = tall(kernel)
        # Entries of modulus at most 1: products of large kernels would overflow.
        scale = positive(largest(ops.abs(matrix)))
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
            result = raised(positive(norm_bound_of_gram(gram, self.iterations)))
            # Flattening is not the operator: what is proven is the division by the bound.
            return result * (target / positive(self._norm_bound(result)))

        return branch(self._norm_bound(kernel, inside) > inside, projected, lambda: kernel)

    def _scale_rows(self, kernel, target, _inside):
        if len(kernel.shape) > 2 and not self._is_matrix(kernel):
            # Certificates find the norm on a grid, to within this factor.
            target = target / GRID_FACTOR
        rows = ops.sqrt(_gram_row_sums(kernel, self.strides))
        scale = ops.where(rows > target, target / positive(rows), ops.ones_like(rows))
        return kernel * scale


def _per_axis(strides, rank):
    return strides if isinstance(strides, tuple) else (strides,) * rank


def _gram_row_sums(kernel, strides):
    """Returns `Σ_j Σ_shifts |(KᵀK)_ij(shift)|` for every output unit i.

    Shifts between two output positions are multiples of the stride.
    """
    spatial = tuple(kernel.shape[:-2])
    if not spatial:
        return ops.sum(ops.abs(ops.matmul(ops.transpose(kernel), kernel)), axis=0)
    gram = autocorrelation(polyphase(kernel, _per_axis(strides, len(spatial))))
    return ops.sum(ops.abs(gram), axis=tuple(range(gram.ndim - 1)))
