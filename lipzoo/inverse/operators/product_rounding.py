"""The rounding error of a product with a stored matrix."""

from lipzoo.rounding import add_up, affine_rounding, mul_up, unit_roundoff


def matrix_rounding(norm, frobenius, absolute_norm, fan_in: int, outputs: int, dtype: str) -> float:
    """Slope of the rounding error of a product with a float64 matrix that is first cast to `dtype`.

    The cast changes every entry by at most u times itself, so the matrix, and that of its absolute
    values, by at most `u ‖A‖_F`; see `lipzoo.rounding.affine_rounding` for the product.
    """
    cast = 0.0 if dtype == "float64" else mul_up(unit_roundoff(dtype), frobenius)
    slope, _ = affine_rounding(
        fan_in,
        add_up(norm, cast),
        dtype=dtype,
        outputs=outputs,
        absolute_norm=add_up(absolute_norm, cast),
    )
    return add_up(cast, slope)
