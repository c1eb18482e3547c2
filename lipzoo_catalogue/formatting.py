"""How numbers are read and shown: a bound never below itself, shares in percent, sizes."""

import math
from fractions import Fraction


def parse_fraction(value: str | float) -> float:
    """Reads a number that is written as one, or as text such as `"36/255"` or `"0.25"`.

    Raises:
        ValueError: if `value` is neither.

    Example:

    >>> parse_fraction("36/255") == 36 / 255
    True
    """
    above, slash, below = str(value).partition("/")
    try:
        return float(above) / float(below) if slash else float(above)
    except (ValueError, ZeroDivisionError):
        raise ValueError(
            f"Expected a number or a fraction such as 0.25 or 36/255. Received: {value!r}"
        ) from None


def format_up(value: float, digits: int = 7) -> str:
    """A number with at most `digits` significant digits, never below the number itself.

    Example:
        >>> format_up(1.0), format_up(1.0 + 1e-12), format_up(0.0123456789)
        ('1', '1.000001', '0.01234568')
    """
    text = f"{value:.{digits}g}"
    if math.isfinite(value) and Fraction(text) < Fraction(value):
        step = Fraction(10) ** (math.floor(math.log10(value)) + 1 - digits)
        text = f"{float(Fraction(text) + step):.{digits}g}"
    return text


def format_down(value: float, digits: int = 7) -> str:
    """A number with at most `digits` significant digits, never above the number itself.

    Example:
        >>> format_down(0.5), format_down(2 / 3, 3), format_down(0.0)
        ('0.5', '0.666', '0')
    """
    text = f"{value:.{digits}g}"
    if math.isfinite(value) and Fraction(text) > Fraction(value):
        step = Fraction(10) ** (math.floor(math.log10(value)) + 1 - digits)
        text = f"{float(Fraction(text) - step):.{digits}g}"
    return text


def format_percent(share: float | None) -> str:
    """A share in percent with one decimal, without the sign; nothing for `None`.

    Example:
        >>> format_percent(0.8532), format_percent(None)
        ('85.3', '')
    """
    return "" if share is None else f"{100 * share:.1f}"


def format_size(count: int) -> str:
    """A number of bytes with its unit.

    Example:
        >>> format_size(4_488), format_size(4_217_612)
        ('4.5 kB', '4.2 MB')
    """
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"
