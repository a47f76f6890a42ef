"""Python modules of your own that were named on the command line: methods, losses, data and networks without a package around them.

`--plugin` takes the path of a .py file, or the name of a module where Python finds modules; the environment variable LOSS_EXPLORER_PLUGINS hands them on
to workers. A module is a method of every kind whose function it holds (`load` makes it data, `losses` a loss, `build` a network, `fuse` …), under its own
name. It is code: nothing in a file, a problem.toml or a browser can name one.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import ModuleType

from explorer.core.errors import Refused

VARIABLE = "LOSS_EXPLORER_PLUGINS"
PATH = "PYTHONPATH"


def add(names: Iterable[str]) -> None:
    """Offer these modules to this process and to those that it starts. Refused when one cannot be found, or two have one name."""
    known: dict[str, str] = {}
    for name in (*given().values(), *names):
        where = str(Path(name).expanduser().resolve()) if name.endswith(".py") else name
        origin(where)
        if known.setdefault(name_of(where), where) != where:
            raise Refused(f"{known[name_of(where)]} and {where} would both be called {name_of(where)!r}. Rename one.")
    os.environ[VARIABLE] = os.pathsep.join(known.values())


def search_path() -> str:
    """PYTHONPATH for a process that starts in another folder: what is importable here by a name is importable there."""
    named = os.environ.get(PATH, "")
    folders = [str(Path(folder).absolute()) for folder in named.split(os.pathsep)] if named else []
    here = str(Path.cwd())  # where `python -m` looks as well
    return os.pathsep.join(folders + [here] * (here in sys.path and here not in folders))


def given() -> dict[str, str]:
    """The modules that were named, each a file's path or a module's dotted name, by what they are called."""
    return {name_of(where): where for where in os.environ.get(VARIABLE, "").split(os.pathsep) if where}


def name_of(where: str) -> str:
    """What a module is called: the file's name without its ending, the last part of a dotted name."""
    return Path(where).stem if where.endswith(".py") else where.rpartition(".")[2]


def origin(where: str) -> Path:
    """The file that holds a module's text. Refused when there is none."""
    try:
        spec = None if where.endswith(".py") else importlib.util.find_spec(where)
    except (ImportError, ValueError) as error:
        raise Refused(f"The module {where} cannot be found: {error}. Check its spelling, and that its folder is on PYTHONPATH.") from error
    path = Path(where if where.endswith(".py") else spec.origin if spec and spec.origin else "")
    if path.suffix != ".py" or not path.is_file():
        raise Refused(f"There is no Python module {where}. Give the path of a .py file, or the name of a module whose folder is on PYTHONPATH.")
    return path


@cache
def digest(where: str) -> str:
    """SHA-256 of a module's text, as this process first read it."""
    return hashlib.sha256(origin(where).read_bytes()).hexdigest()


def imported(where: str) -> ModuleType:
    """The module itself; a file is run once, under a name that shadows no other module."""
    if not where.endswith(".py"):
        return importlib.import_module(where)
    name = f"explorer_plugin_{name_of(where)}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, where)
        assert spec is not None and spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except Exception as error:  # whatever somebody's code raises
            del sys.modules[name]
            raise Refused(f"{where} cannot be imported: {type(error).__name__}: {str(error)[:200]}. Correct it.") from error
    return sys.modules[name]
