"""Formulae of TeX in a page's HTML become MathML."""

import html
import re
from xml.etree import ElementTree

from latex2mathml.converter import convert_to_element

# As the extension arithmatex marks them.
_INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)
_DISPLAY = re.compile(r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>', re.DOTALL)


def written_out(page: str) -> str:
    """A page with its formulae as MathML."""
    page = _DISPLAY.sub(lambda match: _math(match[1], "block"), page)
    return _INLINE.sub(lambda match: _math(match[1], "inline"), page)


def _math(tex: str, display: str) -> str:
    element = convert_to_element(html.unescape(tex).strip(), display=display)
    for part in element.iter():
        # The converter writes symbols as references to characters.
        part.text = html.unescape(part.text or "")
    if display == "block":
        _limits_below(element)
    math = ElementTree.tostring(element, encoding="unicode")
    # A formula that is wider than a narrow screen scrolls by itself.
    return f'<div class="formula">{math}</div>' if display == "block" else math


def _limits_below(element) -> None:
    """Puts what stands at a minimum, or the like, below it, as TeX does in a displayed formula."""
    for index in element.iter("msub"):
        if index[0].text in ("min", "max", "sup", "inf"):
            index.tag = "munder"
