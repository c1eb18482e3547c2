"""Directed float64 arithmetic, and a-priori bounds on the rounding error of a layer."""

from lipzoo.rounding.affine import ORDERS, affine_rounding
from lipzoo.rounding.directed import (
    HALF_PRECISION,
    add_up,
    deflated,
    div_up,
    gamma,
    hypot_up,
    inflated,
    mul_up,
    sqrt_up,
    unit_roundoff,
)
from lipzoo.rounding.intervals import Interval, image_of_matrix
from lipzoo.rounding.norms import norm_up, repeated

__all__ = [
    "HALF_PRECISION",
    "ORDERS",
    "Interval",
    "add_up",
    "affine_rounding",
    "deflated",
    "div_up",
    "gamma",
    "hypot_up",
    "image_of_matrix",
    "inflated",
    "mul_up",
    "norm_up",
    "repeated",
    "sqrt_up",
    "unit_roundoff",
]
