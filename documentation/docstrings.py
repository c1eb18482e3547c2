"""Docstrings as the site shows them: examples are fenced, whatever their indentation."""

import re

import griffe

# Prompts with what is printed below them, up to a blank line behind which there is no prompt.
_LINES = r"\1>>> .*(?:\n\1[ ]*\S.*)*"
_DOCTEST = re.compile(rf"^(?=([ ]*)>>> ){_LINES}(?:\n\n{_LINES})*", re.MULTILINE)


class FencedExamples(griffe.Extension):
    """Puts examples into blocks of code, which Markdown would take for quotations."""

    def on_instance(self, *, obj, **_):
        """Changes the docstring of an object that was just read."""
        if obj.docstring:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(text: str) -> str:
    """A docstring with its examples between fences."""

    def block(match):
        indent = match[1]
        # Remarks for doctest are none for readers.
        body = re.sub(r"\s*# doctest: .*", "", match[0])
        return f"{indent}```pycon\n{body}\n{indent}```"

    return _DOCTEST.sub(block, text)
