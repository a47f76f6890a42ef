"""Files of models that the explorer made itself, and which of them may go: those that nothing in the store goes back to.

What is made together stays together: all models of one alignment, all corners and stages of a path, all snapshots of a training. A group stays as long as a
listed run, a model that somebody asked for as a file, a study that is not done, or a field with points goes back to one of it. So does a file that
somebody inspected or measured as a checkpoint, that somebody put there under a name of his own, or that was written within a day: it may belong to what a
notebook is at. Files go one after the other, and each is asked for once more before: whoever is killed in between leaves whole files,
and what is needed again is made again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from explorer.checkpoints import safetensors_header
from explorer.core import locations, model_path
from explorer.core.errors import Refused
from explorer.core.files import system
from explorer.core.locations import UNFINISHED, made_together
from explorer.core.spec import Aligned, Connected, Fused, Loaded, Look, Shifted, Trained, recipes_of
from explorer.store import readable
from explorer.store.clock_jumps import CLOCKS_S
from explorer.store.readable import Unknown
from explorer.store.run_store import RunStore
from explorer.store.upkeep import DAY_S, Progress

Made: TypeAlias = Trained | Aligned | Connected | Shifted | Fused

DRAFT = re.compile(
    r"\..*\.tmp|\.tmp\w{6}", re.DOTALL
)  # a file that is being written: ours (explorer.checkpoints.checkpoint_file), and safetensors' own
DRAFT_S = 3600.0  # a draft that was not written to for so long has no writer


@dataclass(frozen=True)
class MadeFile:
    """A file that may go. `group`: the id of what it was made together with, empty for what a killed process left behind."""

    path: Path
    group: str
    what: str
    bytes: int
    written: float


@dataclass(frozen=True)
class Needed:
    """What stays: groups by their ids, and files."""

    groups: frozenset[str]
    files: frozenset[Path]

    def has(self, file: MadeFile) -> bool:
        """Whether a file stays."""
        return file.group in self.groups or bool({file.path, file.path.parent} & self.files)


def unneeded(store: RunStore) -> list[MadeFile]:
    """The files that may go, largest first. Refused where requests cannot be read: nobody knows what they need."""
    needed, latest = _needed(store, 0.0), store.clock() - DAY_S
    found = [file for file in _files(_folder(store)) if file.written < latest and not needed.has(file)]
    return sorted(found, key=lambda file: (-file.bytes, file.path))


def sweep_drafts(store: RunStore) -> list[Path]:
    """Remove the drafts that killed writers left in the folders of models, of live weights and of uploads; those that were removed. Nothing else is touched,
    and a draft that somebody is at is written to all the time."""
    home, latest = store.path.parent.resolve(), store.clock() - DRAFT_S
    folders = [home / "models", home / locations.LIVE, *(home / "uploads").glob("*")]
    gone: list[Path] = []
    for path in (p for folder in folders if folder.is_dir() for p in folder.iterdir() if DRAFT.fullmatch(p.name)):
        with suppress(OSError):  # another one was faster, or may and this one may not
            if path.is_file() and not path.is_symlink() and path.lstat().st_mtime < latest:
                path.unlink()
                gone.append(path)
    return gone


def remove(store: RunStore, files: Sequence[MadeFile], progress: Progress = lambda done, of: None) -> int:
    """Remove files that may go; those that somebody has come to need meanwhile stay. Bytes."""
    begun, whole, gone, past = store.clock() - CLOCKS_S, sum(f.bytes for f in files), 0, 0
    needed = _needed(store, 0.0)
    for file in files:
        with store.undisturbed():  # nobody can ask for it now
            if file.written == _written(file.path) and not needed.has(file) and not _needed(store, begun).has(file):
                with system(file.path, "remove"):
                    file.path.unlink()
                gone += file.bytes
        past += file.bytes
        progress(past, whole)
    return gone


def _needed(store: RunStore, since: float) -> Needed:
    """By what was requested or measured since then, and by all that is not done."""
    groups, files, folder = set[str](), set[Path](), _folder(store)
    for text in store.needing(since):
        try:
            spec = readable.spec(text)
        except Unknown as why:
            raise Refused(
                f"Which models are needed cannot be told: something in the store cannot be read by this version ({why}). Open it with the version that wrote"
                " it, or remove it from the list on Runs."
            ) from why
        for recipe in recipes_of(spec):
            if not isinstance(recipe, Loaded):
                groups.add(made_together(recipe).id)
            elif recipe.path:
                files.add(folder / Path(recipe.path).name)
        if isinstance(spec, Look):
            files.add(model_path.parse(locations.expand(spec.path)).path)
    files.update(map(Path, store.inspected(folder)))
    return Needed(frozenset(groups), frozenset(files))


def _folder(store: RunStore) -> Path:
    return store.path.parent.resolve() / "models"


def _files(folder: Path) -> Iterator[MadeFile]:
    for path in folder.iterdir() if folder.is_dir() else ():
        named = _named(path)
        if named is not None and path.is_file() and not path.is_symlink():
            state = path.stat()
            yield MadeFile(path, *named, state.st_size, state.st_mtime)


def _named(path: Path) -> tuple[str, str] | None:
    """The group of a file, and what it is in words; None of a file that is not of the explorer's making."""
    if DRAFT.fullmatch(path.name):
        return "", "left behind by a process that was killed"
    if path.name.endswith(UNFINISHED):
        return path.name.removesuffix(UNFINISHED), "a training that was not finished"
    if path.suffix == ".npz":
        return path.stem, "how units were matched"
    if path.suffix != ".safetensors" or (recipe := _recipe(path)) is None or recipe.id != path.stem:
        return None
    return made_together(recipe).id, recipe.name or f"{type(recipe).__name__.lower()} by {recipe.method.name.replace('_', ' ')}"


def _recipe(path: Path) -> Made | None:
    try:
        found = readable.spec_or_none(safetensors_header.read(path).metadata.get("recipe", ""))
    except Refused:
        return None
    return found if isinstance(found, Made) else None


def _written(path: Path) -> float | None:
    return path.stat().st_mtime if path.is_file() else None
