"""Names that are imported when they are first asked for: whoever takes `Range` from `explorer.api.plugin` does not load torch with it.

A module with such names imports them under its `if TYPE_CHECKING:`, where type checkers and editors read them. At run time they are found by the same lines.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from importlib import import_module
from pathlib import Path


def lazily(module: str, file: str) -> Callable[[str], object]:
    """The `__getattr__` of a module (its `__name__` and `__file__`). AttributeError names what there is."""
    found: dict[str, tuple[str, str]] = {}
    for node in ast.parse(Path(file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for line in node.body:
                assert isinstance(line, ast.ImportFrom) and line.module
                found |= {name.asname or name.name: (line.module, name.name) for name in line.names}

    def get(name: str) -> object:
        if name not in found:
            raise AttributeError(f"{module} has no {name!r}. It has: {', '.join(sorted(found))}.")
        room, own = found[name]
        return getattr(import_module(room), own)

    return get
