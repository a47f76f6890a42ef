"""A disk of a few MB that is full, by the system's own word, in the middle of every kind of work; and a folder that is mounted for reading only.

Needs root, who may mount. Limits on the size of a file (tests/engine/test_trouble.py) reach everybody, but not what SQLite maps into memory, nor folders.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.spec import Run, Study
from explorer.engine import worker
from explorer.engine.worker import Worker
from explorer.merging import engine, plan
from explorer.store.portable import export_run, import_runs
from explorer.store.run_store import RunStore
from tests import at_opening
from tests.conftest import Tiny, loaded
from tests.engine import test_trouble
from tests.engine.test_trouble import left_over, outcome

KINDS = (*test_trouble.KINDS, "plane", "soup", "search")
SIZE = "6m"


def mounted(*words: str) -> None:
    """Skips, with the reason, where nothing can be mounted."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root may mount, and this is somebody else")
    done = subprocess.run(["mount", *words], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """A folder on a disk of its own, which is the home."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted("-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder))
    monkeypatch.setenv("LOSS_EXPLORER_HOME", str(folder))
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder) -> None:
    """Not a byte is left."""
    with (folder / "ballast").open("wb", buffering=0) as file:
        for size in (2**16, 2**12, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                pass


def make_room(folder) -> None:
    (folder / "ballast").unlink(missing_ok=True)


def request(kind: str, of: Tiny, folder):
    """Those of test_trouble, and a plane, the soups of all subsets, and a search."""
    corners = of.field().corners
    match kind:
        case "plane":
            third = folder / "c.safetensors"
            if not third.exists():
                a, b = (checkpoint_file.read(p).weights for p in (of.a, of.b))
                checkpoint_file.write(third, {n: a[n] * 0.5 - b[n] for n in a})
            field = of.field(corners=(*corners, loaded(third)), chart=registry.method("chart", "plane"))
            return Run(field, registry.method("sample", "grid", {"size": 5}))
        case "soup":
            return Run(of.field(chart=registry.method("chart", "mixture")), registry.method("sample", "subsets", {"which": "all"}))
        case "search":
            options = {"methods": ("task_arithmetic",), "sampler": "random", "trials": 3}
            return Study(of.problem.spec, (*corners, corners[0]), registry.method("study", "recipes", options))
        case _:
            return test_trouble.request(kind, of)


class OnFullDisk(Worker):
    """The disk fills up as soon as a request is claimed."""

    def _do(self, claimed):
        fill(self.home)
        return super()._do(claimed)


@pytest.mark.parametrize("kind", KINDS)
def test_on_a_disk_that_fills_up_it_waits_or_fails_in_a_sentence_and_goes_on_when_there_is_room(kind, tiny, disk, tmp_path, monkeypatch):
    """With the result of one that met no trouble; nothing half made is left, and what was there before still is."""
    store, asked = RunStore(disk / "store.sqlite"), request(kind, tiny, tmp_path)
    before = test_trouble.done(store, disk, tiny.run(3))
    waits: list[float] = []

    def rest(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            make_room(disk)

    monkeypatch.setattr(worker.time, "sleep", rest)
    status = test_trouble.done(store, disk, asked, OnFullDisk)
    monkeypatch.undo()
    assert len(waits) >= 3, "the disk was full"
    assert status.state == "done" or any(words in status.error for words in ("disk is full", "No space left", "disk fails")), status.error
    assert not left_over(disk)
    make_room(disk)
    assert store.status(before.id).state == "done"
    assert test_trouble.done(store, disk, asked).state == "done"
    (tmp_path / "quiet").mkdir()
    quiet = RunStore(tmp_path / "quiet" / "store.sqlite")
    assert test_trouble.done(quiet, tmp_path / "quiet", asked).state == "done"
    assert outcome(store, disk, asked) == outcome(quiet, tmp_path / "quiet", asked)


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_merge_onto_a_full_disk_is_refused_and_leaves_nothing(when, disk, tmp_path):
    """Where it is seen beforehand, it says how much is missing."""
    (tmp_path / "shown").mkdir()
    files = [str(tmp_path / "shown" / name) for name in ("a.safetensors", "b.safetensors")]
    for file in files:
        checkpoint_file.write(Path(file), {f"layer{i}": torch.randn(128, 128) for i in range(8)})
    made, goal = plan.of_method(registry.method("fuse", "uniform_soup"), files), disk / "merged"
    if when == "before":
        fill(disk)
    else:  # once it begins to read
        at_opening.waiting[:] = [lambda: fill(disk)]
    with pytest.raises(Refused, match="0 are free there" if when == "before" else "No space left"):
        engine.merge(made, goal)
    assert not at_opening.waiting
    make_room(disk)
    assert not [*disk.iterdir()]
    engine.merge(made, goal)
    assert [*goal.iterdir()] if goal.is_dir() else goal.exists()


def test_an_import_onto_a_full_disk_is_refused_whole(tiny, disk, tmp_path):
    (tmp_path / "theirs").mkdir()
    theirs, run = RunStore(tmp_path / "theirs" / "store.sqlite"), tiny.run(5)
    test_trouble.done(theirs, tmp_path / "theirs", run)
    export_run(theirs, run.id, tmp_path / "run.sqlite")
    store = RunStore(disk / "store.sqlite")
    fill(disk)
    with pytest.raises(Refused, match="No space left|full"):
        import_runs(store, tmp_path / "run.sqlite")
    assert store.status(run.id) is None and not [*disk.glob(".*")]
    make_room(disk)
    assert import_runs(store, tmp_path / "run.sqlite") == [run.id]
    assert outcome(store, disk, run) == outcome(theirs, tmp_path / "theirs", run)
