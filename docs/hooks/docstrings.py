"""An extension of griffe, which reads the sources for the API's page: docstrings as they are at run time, with examples as code."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from typing import Any

from griffe import Extension, Function, Object

EXAMPLE = re.compile(r"^>>> .*(?:\n(?!\s*$).*)*", flags=re.MULTILINE)
SHARED = "\n\nShared keywords (default):\n\n"


class AtRunTime(Extension):
    """Adds what `explorer.api._keywords.takes` adds, and fences every run of lines that begins with a prompt and ends at an empty line."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Called for every object that was found."""
        if obj.docstring is None:
            return
        text = obj.docstring.value
        if isinstance(obj, Function) and obj.decorators and obj.parent and obj.parent.is_module:
            text = inspect.getdoc(getattr(import_module(obj.parent.path), obj.name)) or text
        text, _, keywords = text.partition(SHARED)
        text = EXAMPLE.sub(lambda found: f"```pycon\n{found[0]}\n```", text)
        if keywords:
            text += '\n\n??? info "Shared keywords (default)"\n\n' + "\n".join(f"    {line}" for line in keywords.splitlines())
        obj.docstring.value = text
