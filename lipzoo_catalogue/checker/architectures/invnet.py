"""InvNet and UnrolledNet: Tikhonov's reconstruction, then blocks and steps towards the data."""

import itertools
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, TypeVar

from lipzoo_catalogue.checker import layers
from lipzoo_catalogue.checker.arguments import count, interval
from lipzoo_catalogue.checker.forward_operators import ForwardOperator, read_operator
from lipzoo_catalogue.checker.intervals import Interval
from lipzoo_catalogue.checker.layers import LayerBound
from lipzoo_catalogue.checker.network import Network
from lipzoo_catalogue.checker.tensors import Tensors

# Exact, or as fast as a search needs it.
_Number = TypeVar("_Number", Fraction, float)


def invnet(
    tensors: Tensors,
    *,
    operator: object,
    alpha: object,
    steps: object = None,
    flows: object = 2,
    width: object = 16,
    filters: object = 32,
    kernel_size: object = 3,
    activation: object = "relu",
    time: object = None,
    step_size: object = None,
    bounds: object = (0.0, 1.0),
    sensitivity: bool = False,
) -> Network:
    """Walks through the architecture, whose blocks are gradient flows on all channels."""

    def block(name: str) -> None:
        flow, bias = network.convolution(name, kernel_size, network.channels, filters)
        network.add(name, layers.gradient_flow(flow, bias, activation, time))

    forward = read_operator(operator)
    network = _start(tensors, forward, alpha, width, sensitivity)
    return _unroll(network, forward, steps, flows, step_size, bounds, "flow", block)


def unrollednet(
    tensors: Tensors,
    *,
    operator: object,
    alpha: object,
    steps: object = None,
    flows: object = 2,
    width: object = 16,
    filters: object = 16,
    kernel_size: object = 3,
    activation: object = "relu",
    step_size: object = None,
    bounds: object = (0.0, 1.0),
    sensitivity: bool = False,
) -> Network:
    """Walks through the architecture, whose blocks are `z ↦ z + V σ(Wz + b)`."""

    def block(name: str) -> None:
        into = network.convolution(f"{name}_in", kernel_size, network.channels, filters)
        channels = count(filters, "filters", 1)
        out = network.convolution(f"{name}_out", kernel_size, channels, network.channels)
        network.residual(name, layers.affine(*into, activation), layers.affine(*out))

    forward = read_operator(operator)
    network = _start(tensors, forward, alpha, width, sensitivity)
    return _unroll(network, forward, steps, flows, step_size, bounds, "block", block)


def _start(
    tensors: Tensors, operator: ForwardOperator, alpha: object, width: object, sensitivity: bool
) -> Network:
    """Tikhonov's reconstruction, lifted by zeros, or by a constant image and zeros."""
    network = Network(tensors, operator.image_shape)
    weight = layers.positive(alpha, "alpha")
    bound = operator.tikhonov(weight)
    network.add("tikhonov", LayerBound(bound, bound.low, f"largest s / (s² + {weight:g})"))
    network.lift("lift", count(width, "width", (2 if sensitivity else 1) * network.channels))
    return network


def _unroll(
    network: Network,
    operator: ForwardOperator,
    steps: object,
    flows: object,
    step_size: object,
    bounds: object,
    kind: str,
    block: Callable[[str], None],
) -> Network:
    """Blocks and data steps in turn, then what is left of the channels, in the box."""
    tau = operator.step_size(step_size)
    # Lifted channels pass a data step unchanged, as if the operator had a null space.
    lifted = network.channels > operator.image_shape[-1]
    smallest = 0.0 if lifted else operator.smallest
    joint = _joint_norm(operator, tau, lifted)
    for k in range(1, count(6 if steps is None else steps, "steps", 1) + 1):
        if k > 1:
            network.record(f"step{k}_data", joint)
            network.total = after_data_step(network.total, tau, operator.norm, smallest)
        for j in range(1, count(flows, "flows", 1) + 1):
            block(f"step{k}_{kind}{j}")
    network.isometry("project", "drops channels")
    if bounds is not None:
        interval(bounds, "bounds")
        network.isometry("clip", "projection onto a box")
    return network


def after_data_step(state: Interval, tau: Interval, norm: Interval, smallest: float) -> Interval:
    """Encloses how far `x - τAᵀ(Ax - y)` moves when x moves by `state` at most and y by 1.

    Write the movement in singular vectors of A: for a squared singular value u the component
    `d = (1 - τu) d_x + τ√u d_y`. For numbers λ, μ > 0 with

        (1 - τu)² / λ + τ²u / μ <= 1        for all u between l² and ‖A‖²

    Cauchy and Schwarz give `|d|² <= λ |d_x|² + μ |d_y|²` for each component, so `λ a² + μ` bounds
    the square of the movement. The left-hand side is convex in u and in τ, and is looked at where
    both are extremal. λ = 1 and `μ = τ / (2 - τ‖A‖²)` satisfy it whenever `τ‖A‖² < 2`; any λ gives
    a bound, and a better one is searched for.
    """
    ends = [Fraction(smallest) ** 2, Fraction(norm.high) ** 2]
    corners = [(Fraction(t), u) for t in (tau.low, tau.high) for u in ends]
    least = max((1 - t * u) ** 2 for t, u in corners)
    square = Fraction(state.high) ** 2
    candidates = [max(Fraction(1), least), _best_weight(square, least, corners)]
    best = min((_square_after(square, weight, corners), weight) for weight in candidates)
    high = Interval.between(best[0], best[0]).sqrt().high
    # The same number for what rounding may have made too large.
    ends = [Fraction(smallest) ** 2, Fraction(norm.low) ** 2]
    low = min(
        _square_after(Fraction(state.low) ** 2, best[1], [(Fraction(t), u) for u in ends])
        for t in (tau.low, tau.high)
    )
    return Interval(min(Interval.between(low, low).sqrt().low, high), high)


def _square_after(
    square: _Number, weight: _Number, corners: Sequence[tuple[_Number, _Number]]
) -> _Number:
    """`λ a² + μ` with the least μ that the corners allow; infinite where they allow none."""
    least: Any = 0
    for tau, u in corners:
        left = 1 - (1 - tau * u) ** 2 / weight
        if u > 0:
            least = max(least, tau**2 * u / left) if left > 0 else math.inf
    return weight * square + least


def _best_weight(
    exact_square: Fraction, exact_least: Fraction, exact_corners: list[tuple[Fraction, Fraction]]
) -> Fraction:
    """The λ above `least` with about the smallest `λ a² + μ`, which is convex in λ.

    By golden section in the logarithm of its distance.
    """
    square, least = float(exact_square), float(exact_least)
    corners = [(float(t), float(u)) for t, u in exact_corners]

    def value(exponent: float) -> float:
        return _square_after(square, least + math.exp(exponent), corners)

    low, high, share = -40.0, 10.0, (math.sqrt(5) - 1) / 2
    for _ in range(60):
        left, right = high - share * (high - low), low + share * (high - low)
        low, high = (low, right) if value(left) <= value(right) else (left, high)
    return Fraction(least + math.exp(low))


def _joint_norm(operator: ForwardOperator, tau: Interval, lifted: bool) -> LayerBound:
    """The norm of `(x, y) ↦ x - τAᵀ(Ax - y)`, the root of the largest `(1 - τu)² + τ²u`.

    Convex in u as well as in τ, so at most its value at u = 0, which is 1, or at u = ‖A‖². The
    first one is reached only where A has a null space, or lifted channels act as one.
    """
    squares = _squares(tau, operator.norm)
    bound = Interval.between(min(squares), max(squares)).maximum(layers.ONE).sqrt()
    # It is reached at the largest singular value, which is known to nine digits at least.
    reached = _squares(tau, Interval(float(operator.low.max()), float(operator.high.max())))
    at_zero = 1.0 if lifted or operator.has_null_space else 0.0
    at_least = math.sqrt(max(at_zero, float(min(reached)))) * (1 - 1e-8)
    how = f"τ = {tau.high:.6g}, ‖A‖ <= {operator.norm.high:.6g}"
    return LayerBound(bound, min(at_least, bound.high), how)


def _squares(tau: Interval, norm: Interval) -> list[Fraction]:
    """`(1 - τu)² + τ²u` for both ends of τ and of u = ‖A‖²."""
    ends = itertools.product((tau.low, tau.high), (norm.low, norm.high))
    pairs = [(Fraction(t), Fraction(s) ** 2) for t, s in ends]
    return [(1 - t * u) ** 2 + t * t * u for t, u in pairs]
