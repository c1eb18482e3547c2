"""A linear map with its adjoint, a proven norm, and what its computed products may err by."""


class BoundedOperator:
    """A linear map `A: x ↦ y` on batches, with its adjoint and what is proven of both.

    Layers have such operators inside, made of a kernel (`DenseOperator`, `ConvolutionOperator`);
    forward operators of inverse problems are such operators (`lipzoo.inverse.LinearOperator`), with
    shapes, a matrix and a configuration besides.
    """

    def apply(self, x):
        """Returns `A x` for a batch of tensors x."""
        raise NotImplementedError

    def adjoint(self, y):
        """Returns `Aᵀ y` for a batch of tensors y."""
        raise NotImplementedError

    @property
    def norm_bound(self) -> float:
        """Proven upper bound on ‖A‖, the largest singular value, for the operator in float64."""
        raise NotImplementedError

    @property
    def smallest_singular_value_bound(self) -> float:
        """Proven lower bound on `‖Ax‖ / ‖x‖`; 0 claims nothing."""
        return 0.0

    def rounding(self, dtype: str) -> tuple[float, float] | None:
        """Slopes with `‖fl(A)x - Ax‖ <= first ‖x‖` and `‖fl(Aᵀ)y - Aᵀy‖ <= second ‖y‖`.

        `None` where nothing is known; a certificate that accounts for rounding is then refused.
        """
        return None
