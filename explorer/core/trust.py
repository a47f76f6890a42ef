"""Whose code may be run: what whoever started the program named, and nothing else.

`--trust` on the command line, or the environment variable LOSS_EXPLORER_TRUST with commas between the names: module:callable for the network `factory`,
the path of a .pt2 file for the network `program`. Nothing in a file, a problem.toml or a browser adds to it.

A module that lies in the folder where the program is started is found there, behind all that is installed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from explorer.core.errors import Refused

TRUST = "LOSS_EXPLORER_TRUST"


def _settled(name: str) -> str:
    """The path of a file in full, since workers and the server start in other folders."""
    return str(Path(name).expanduser().resolve()) if name.endswith(".pt2") else name


given = frozenset(_settled(name.strip()) for name in os.environ.get(TRUST, "").split(",")) - {""}


def trust(names: Iterable[str]) -> None:
    """Let code of these names be run by this process and by those that it starts. Refused when a name is neither kind of thing."""
    global given
    for name in names:
        if "," in name or not (name.endswith(".pt2") or all(name.partition(":"))):
            raise Refused(f"Only module:callable, or the path of a .pt2 file without a comma in it, can be trusted; {name!r} is neither.")
        given |= {_settled(name)}
    os.environ[TRUST] = ",".join(sorted(given))
    here = Path.cwd()
    modules = {name.partition(":")[0].partition(".")[0] for name in given if not name.endswith(".pt2")}
    if str(here) not in sys.path and any((here / f"{m}.py").is_file() or (here / m).is_dir() for m in modules):
        sys.path.append(str(here))  # a console script looks in its own folder, `python -m` in this one
