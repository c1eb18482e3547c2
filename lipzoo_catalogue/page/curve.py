"""The curve of certified examples over ε: its numbers, and its drawing."""

from dataclasses import dataclass

import numpy as np

from lipzoo_catalogue.certified.certified import Certified
from lipzoo_catalogue.certified.radii import count_above

_STEPS = 400
_LEFT, _TOP, _WIDTH, _HEIGHT = 48, 12, 660, 240


@dataclass(frozen=True)
class Curve:
    """How many examples are certified at some radii.

    Attributes:
        epsilons: the radii as decimals, ascending from 0; the counts are those at these numbers.
        counts: how many are certified there: classified correctly where there are labels, with a
            larger radius.
        examples: number of all.
        clean: how many are classified correctly without a perturbation, or all.
    """

    epsilons: tuple[str, ...]
    counts: tuple[int, ...]
    examples: int
    clean: int

    @classmethod
    def of(cls, certified: Certified) -> "Curve":
        """The curve up to the largest finite radius, at some hundred decimals of one step."""
        columns = certified.columns
        counted = columns["radius"]
        if certified.labelled:
            counted = counted[columns["prediction"] == columns["labels"]]
        finite = counted[np.isfinite(counted)]
        step, digits = _step(float(finite.max()) if len(finite) else 0.0)
        last = int((float(finite.max()) if len(finite) else 0.0) / step) + 1
        epsilons = tuple(f"{number * step:.{digits}f}" for number in range(last + 1))
        counts = count_above(counted, np.array([*map(float, epsilons)]))
        return cls(epsilons, tuple(counts.tolist()), len(certified), len(counted))

    def nearest(self, epsilon: float) -> int:
        """The number of the largest radius that is not above a given one."""
        below = np.searchsorted(np.array([*map(float, self.epsilons)]), epsilon, side="right")
        return max(int(below) - 1, 0)

    def svg(self, label: str) -> str:
        """The drawing, with a line that a script moves to an ε.

        Args:
            label: what it shows, for who cannot see it; a text without markup.
        """
        last = len(self.epsilons) - 1
        x = [_LEFT + _WIDTH * number / last for number in range(last + 1)]
        y = [_TOP + _HEIGHT * (1 - count / self.examples) for count in self.counts]
        path = f"M{x[0]:.1f},{y[0]:.1f}"
        for after, now, before in zip(x[1:], y[1:], y, strict=False):
            path += f"H{after:.1f}" + (f"V{now:.1f}" if now != before else "")
        bottom = _TOP + _HEIGHT
        parts = [
            f'<path class="area" d="{path}V{bottom}H{_LEFT}Z"/>',
            f'<path class="line" d="{path}"/>',
        ]
        for percent in (0, 20, 40, 60, 80, 100):
            height = bottom - _HEIGHT * percent / 100
            parts.append(_grid(_LEFT, _LEFT + _WIDTH, height, f"{percent} %"))
        if self.clean < self.examples:
            clean = bottom - _HEIGHT * self.clean / self.examples
            parts.append(
                f'<line class="clean" x1="{_LEFT}" x2="{_LEFT + _WIDTH}" y1="{clean:.1f}" '
                f'y2="{clean:.1f}"/>'
            )
        for number in sorted({round(last * part / 5) for part in range(6)}):
            parts.append(
                f'<text x="{x[number]:.1f}" y="{bottom + 18}" text-anchor="middle">'
                f"{self.epsilons[number]}</text>"
            )
        parts.append(
            f'<line id="marker" x1="{_LEFT}" x2="{_LEFT}" y1="{_TOP}" y2="{bottom}" '
            f'data-left="{_LEFT}" data-width="{_WIDTH}"/>'
        )
        return (
            f'<svg class="curve" viewBox="0 0 {_LEFT + _WIDTH + 20} {bottom + 26}" role="img" '
            f'aria-label="{label}">{"".join(parts)}</svg>'
        )


def _grid(left: float, right: float, height: float, text: str) -> str:
    return (
        f'<line class="grid" x1="{left}" x2="{right}" y1="{height:.1f}" y2="{height:.1f}"/>'
        f'<text x="{left - 6}" y="{height + 4:.1f}" text-anchor="end">{text}</text>'
    )


def _step(top: float) -> tuple[float, int]:
    """A step of 1, 2 or 5 times a power of ten that leads to a radius in some hundred, its digits.

    >>> _step(2.3), _step(0.0)
    ((0.01, 2), (0.005, 3))
    """
    if top <= 0:
        top = 1.0
    exponent = int(np.floor(np.log10(top / _STEPS)))
    factor = next(f for f in (1, 2, 5, 10) if f * 10.0**exponent * _STEPS >= top)
    if factor == 10:
        exponent, factor = exponent + 1, 1
    digits = max(-exponent, 0)
    return float(f"{factor}e{exponent}"), digits
