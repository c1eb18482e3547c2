"""Lift and space-to-depth that keep the pairs (q_i, p_i) of a Hamiltonian state together."""

import keras
from keras import ops

from lipzoo.bounds.layer_bound import LayerBound
from lipzoo.layers._sizes import with_built_sizes
from lipzoo.layers.channels import Lift
from lipzoo.layers.space_depth import SpaceToDepth, space_to_depth


@keras.saving.register_keras_serializable(package="lipzoo")
class CanonicalLift(Lift):
    """Appends zero channels to both halves of the state: `(x₁, x₂) ↦ (q, p) = ((x₁, 0), (x₂, 0))`.

    The first half of the input's channels goes into q and the second half into p, so that inputs
    fill canonical pairs (q_i, p_i): the plane becomes `(x1, 0, x2, 0)`. The norm of a symplectic
    Jacobian restricted to at least one whole pair is at least 1, which a lift into q alone does not
    give. (An odd number of channels leaves one coordinate of q without its partner, and a single
    channel has no pair at all: `SpaceToDepth` first makes pairs of pixels.)

    Input of shape `(batch, ..., c)`, output of shape `(batch, ..., channels)`, `channels` even and
    at least c (for odd c, at least c + 1).

    Guarantee: Lipschitz constant exactly 1, and exact in floating point.

    Raises:
        ValueError: if `channels` is odd or the input has more channels.

    Reference: arXiv 2510.22299.

    Example:

    >>> import numpy as np
    >>> keras.ops.convert_to_numpy(CanonicalLift(4)(np.array([[1.0, 2.0]], "float32"))).tolist()
    [[1.0, 0.0, 2.0, 0.0]]
    """

    def __init__(self, channels, **kwargs):
        super().__init__(channels, **kwargs)
        if self.channels % 2:
            raise ValueError(
                f"channels must be even, for two halves (q, p). Received: channels={self.channels}"
            )

    def call(self, inputs):
        inputs = with_built_sizes(self, inputs)
        middle = (inputs.shape[-1] + 1) // 2
        halves = (inputs[..., :middle], inputs[..., middle:])
        return ops.concatenate([self._filled(half) for half in halves], axis=-1)

    def _filled(self, half):
        missing = self.channels // 2 - half.shape[-1]
        return ops.pad(half, [(0, 0)] * (len(half.shape) - 1) + [(0, missing)])

    def lipschitz_bound(self, input_shape) -> LayerBound:
        """Returns the bound 1."""
        return LayerBound.exact(1.0, "isometry: zero channels")


@keras.saving.register_keras_serializable(package="lipzoo")
class CanonicalSpaceToDepth(SpaceToDepth):
    """Space-to-depth on both halves (q, p) alike, which keeps a symplectic state symplectic.

    `SpaceToDepth` over all channels would tear the pairs (q_i, p_i) apart.

    Input of shape `(batch, *spatial, c)` with c even and each spatial size divisible by
    `block_size = k`; output of shape `(batch, *(spatial / k), c · k^d)`.

    Guarantee: an isometry, Lipschitz constant exactly 1, exact in floating point; its Jacobian
    applies one permutation to q and the same to p, so it is symplectic.

    Raises:
        ValueError: if c is odd, or a spatial size is unknown or not divisible by `block_size`.

    Example:

    >>> import numpy as np
    >>> x = np.array([[[1.0, 5.0], [2.0, 6.0]]], "float32")
    >>> keras.ops.convert_to_numpy(CanonicalSpaceToDepth(2)(x)).tolist()
    [[[1.0, 2.0, 5.0, 6.0]]]
    """

    def call(self, inputs):
        halves = ops.split(with_built_sizes(self, inputs), 2, axis=-1)
        return ops.concatenate([space_to_depth(half, self.block_size) for half in halves], axis=-1)

    def compute_output_shape(self, input_shape):
        channels = input_shape[-1]
        if channels is None or channels % 2:
            self._refuse("an even number of channels, two halves (q, p)", input_shape)
        return super().compute_output_shape(input_shape)

    def lipschitz_bound(self, input_shape) -> LayerBound:
        """Returns the bound 1."""
        return LayerBound.exact(1.0, "permutation")
