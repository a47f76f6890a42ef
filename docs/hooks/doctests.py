"""An extension of griffe: the examples of docstrings, `>>> …` and what they print, as blocks of code."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

EXAMPLE = re.compile(r"^>>> .*(?:\n(?!\s*$).*)*", flags=re.MULTILINE)


class Doctests(Extension):
    """Fences every run of lines that begins with a prompt and ends at an empty line."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Called for every object that was found."""
        if obj.docstring:
            obj.docstring.value = EXAMPLE.sub(lambda found: f"```pycon\n{found[0]}\n```", obj.docstring.value)
