"""Kernels to norms: proven upper bounds of dense and convolution operators, and one estimate.

`dense_norm_bound`, `conv_norm_bound`, `tap_norm_sum` and `absolute_norm_bound` are rigorous in
float64, their own rounding included: certificates rest on them. `gram_norm_bound` and, by group,
`grouped_norm_bounds` are the bounds inside training, proven in exact arithmetic. `power_iteration`
is an estimate from below.
"""

from lipzoo.spectral.convolution_bound import conv_norm_bound
from lipzoo.spectral.gram_iteration import gram_norm_bound
from lipzoo.spectral.grouped import grouped_norm_bounds
from lipzoo.spectral.matrix_bound import absolute_norm_bound, dense_norm_bound, tap_norm_sum
from lipzoo.spectral.power_iteration import power_iteration

__all__ = [
    "absolute_norm_bound",
    "conv_norm_bound",
    "dense_norm_bound",
    "gram_norm_bound",
    "grouped_norm_bounds",
    "power_iteration",
    "tap_norm_sum",
]
