"""Contrast between text and what it stands on, from the variables of the site's style sheets.

WCAG 2.2, 1.4.3: at least 4.5 to 1. Material for MkDocs keeps its colours in custom properties,
which selectors of scheme, primary and accent colour set.
"""

import colorsys
import re
from collections.abc import Mapping, Sequence

LEAST = 4.5
Colour = tuple[float, float, float, float]
# What text is drawn in, and on what.
_PAGE, _CODE, _HEADER = "--md-default-bg-color", "--md-code-bg-color", "--md-primary-fg-color"
_ON = {
    "--md-typeset-color": _PAGE,
    "--md-typeset-a-color": _PAGE,
    "--md-accent-fg-color": _PAGE,
    "--md-default-fg-color--light": _PAGE,
    "--md-primary-bg-color": _HEADER,
    "--md-primary-bg-color--light": _HEADER,
    "--md-code-fg-color": _CODE,
    **{
        f"--md-code-hl-{kind}-color": _CODE
        for kind in (
            *("comment", "constant", "function", "generic", "keyword", "name", "number"),
            *("operator", "punctuation", "special", "string", "variable"),
        )
    },
}
_RULE = re.compile(r"([^{}]+)\{([^{}]*--md-[^{}]*)\}")
_CHOICE = re.compile(r"""\[data-md-color-(\w+)=["']?([\w-]+)["']?\]""")


def contrast(first: Colour, second: Colour) -> float:
    """The ratio of two colours' luminances, the lighter one's first.

    >>> contrast((0.0, 0.0, 0.0, 1.0), (1.0, 1.0, 1.0, 1.0))
    21.0
    """
    darker, lighter = sorted((_luminance(first), _luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


def faults(css: str, palettes: Sequence[Mapping[str, str]]) -> list[str]:
    """Colours of text with too little contrast, as `scheme: colour`.

    Args:
        css: the style sheets, in the order in which pages load them.
        palettes: `scheme`, `primary` and `accent` of each, as in `mkdocs.yml`.
    """
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    found = []
    for palette in palettes:
        kinds = ("scheme", "primary", "accent")
        chosen = {kind: palette.get(kind, "").replace(" ", "-") for kind in kinds}
        values = _values(css, chosen)
        page = _colour(values[_PAGE], values)
        for name, ground in _ON.items():
            below = _over(_colour(values[ground], values), page)
            ratio = contrast(_over(_colour(values[name], values), below), below)
            if ratio < LEAST:
                found.append(f"{palette['scheme']}: {name} has {ratio:.2f} to 1 on {ground}")
    return found


def _values(css: str, chosen: Mapping[str, str]) -> dict[str, str]:
    """The properties by name: of rules that hold, the most particular, of equals the last."""
    found: dict[str, tuple[int, str]] = {}
    for selectors, body in _RULE.findall(css):
        for selector in selectors.split(","):
            choices = _CHOICE.findall(selector)
            rest = _CHOICE.sub("", selector).strip()
            if rest not in ("", ":root") or not (choices or rest):
                continue
            if any(chosen.get(name) != value for name, value in choices):
                continue
            for line in body.split(";"):
                name, _, value = line.partition(":")
                if len(choices) >= found.get(name.strip(), (0, ""))[0]:
                    found[name.strip()] = len(choices), value.strip()
    return {name: value for name, (_, value) in found.items()}


def _colour(text: str, values: Mapping[str, str]) -> Colour:
    if variable := re.fullmatch(r"var\((--[\w-]+)\)", text):
        return _colour(values[variable[1]], values)
    if digits := re.fullmatch(r"#([0-9a-fA-F]{3,8})", text):
        code = digits[1] if len(digits[1]) > 4 else "".join(2 * digit for digit in digits[1])
        red, green, blue, alpha = (int(f"{code}ff"[i : i + 2], 16) / 255 for i in (0, 2, 4, 6))
        return red, green, blue, alpha
    if hsl := re.fullmatch(r"hsla?\((.+?),\s*([\d.]+)%,\s*([\d.]+)%(?:,\s*([\d.]+))?\)", text):
        hue = hsl[1]
        if variable := re.fullmatch(r"var\((--[\w-]+)\)", hue):
            hue = values[variable[1]]
        degrees = float(hue.removesuffix("deg"))
        rgb = colorsys.hls_to_rgb(degrees / 360, float(hsl[3]) / 100, float(hsl[2]) / 100)
        return *rgb, float(hsl[4] or 1)
    raise ValueError(f"Expected a colour. Received: {text!r}")


def _over(colour: Colour, ground: Colour) -> Colour:
    red, green, blue = (
        part * colour[3] + below * (1 - colour[3])
        for part, below in zip(colour[:3], ground[:3], strict=True)
    )
    return red, green, blue, 1.0


def _luminance(colour: Colour) -> float:
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3]
    ]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
