"""A problem.toml made of what somebody chose: its text, and where it goes.

Beside the checkpoints; where their folder cannot be written to, or is somebody else's (a served app), into the user's own folder, under the hash of
theirs. Nothing is ever overwritten.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from explorer.core import allowed_folders, locations, registry
from explorer.core.errors import Refused
from explorer.core.files import name_of, system
from explorer.core.spec import Method, Value

FILE = "problem.toml"
_PATHS = ("config", "file")  # options of networks that name a file, relative to where problem.toml lies


def text_of(
    network: Method,
    data: Method,
    path: str,
    loss: str,
    *,
    val: float = 0.2,
    test: float = 0.3,
    seed: int = 0,
    title: str = "",
    symmetry: tuple[tuple[str, tuple[str, ...]], ...] = (),
) -> str:
    """The problem.toml; options that have their default are left out."""
    head: dict[str, Value] = {**({"title": title} if title else {}), "loss": loss}
    tables: dict[str, Mapping[str, Value]] = {
        "network": {"name": network.name, **_given("nets", network)},
        "data": {"name": data.name, **({"path": path} if path else {}), **_given("data", data)},
        "split": {"val": val, "test": test, "seed": seed},
        **({"symmetry": {_toml(tensor): axes for tensor, axes in symmetry}} if symmetry else {}),
    }
    lines = [f"{key} = {_toml(value)}" for key, value in head.items()]
    for name, table in tables.items():
        lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def place_for(folder: Path) -> Path:
    """Where the problem.toml for checkpoints in a folder is written."""
    beside = folder / FILE
    return beside if os.access(folder, os.W_OK) and allowed_folders.named() is None else locations.described_at(folder, locations.home())


def found(folder: Path) -> Path | None:
    """The problem.toml that describes the checkpoints in a folder: the one that lies there, else the one in the user's own folder."""
    with system(folder, "read"):
        return next((p for p in (folder / FILE, locations.described_at(folder, locations.home())) if p.is_file()), None)


def relative(text: str, folder: Path, place: Path) -> str:
    """A path that was typed relative to the checkpoints' folder, as it is written in a problem.toml at `place`: relative where that lies with them, else in full."""
    if not text or place.parent != folder:
        return str((folder / text).resolve()) if text else ""
    real = folder.resolve()
    return str(Path(text).relative_to(real)) if Path(text).is_relative_to(real) else text


def fitted(network: Method, folder: Path, place: Path) -> Method:
    """The network, the files that it names written as `relative` writes them."""
    options = {k: relative(v, folder, place) if k in _PATHS and isinstance(v, str) else v for k, v in network.kwargs().items()}
    return registry.method("nets", network.name, options)


def write(place: Path, text: str) -> None:
    """Write it as a new file. Refused when one is there already, or the system does not let us."""
    with system(place, "written"):
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            with place.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            raise Refused(f"{name_of(place)} exists already in {place.parent} and is not overwritten. Correct it there.") from None


def take_back(place: Path, text: str) -> None:
    """Remove what `write` wrote. Refused when somebody has changed it since."""
    with system(place, "removed"):
        if place.read_text(encoding="utf-8") != text:
            raise Refused(f"{place} has been changed since it was written here, so it stays. Correct it there.")
        place.unlink()


def _given(kind: str, method: Method) -> dict[str, Value]:
    defaults = {o.name: o.default for o in registry.options(kind, method.name)}
    return {name: value for name, value in method.options if value != defaults.get(name)}


def _toml(value: Value) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else repr(value)
