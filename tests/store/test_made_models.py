"""Models that the explorer made itself: which may go, and that nothing is lost by whoever is killed while they go."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from explorer.core import locations, registry
from explorer.core.errors import Refused
from explorer.core.locations import made_at, matched_at, unfinished_at
from explorer.core.spec import Aligned, Connected, Field, Fused, Loaded, Make, Method, ProblemSpec, Run, Study, Trained
from explorer.engine.worker import Worker
from explorer.store.made_models import DRAFT_S, remove, sweep_drafts, unneeded
from explorer.store.records import Facts
from explorer.store.run_store import RunStore
from explorer.store.upkeep import DAY_S

PROBLEM = ProblemSpec(Method("mlp"), Method("digits"))
FILES = (Loaded("a"), Loaded("b"))
ALIGNED = Aligned(PROBLEM, FILES, 1, Method("weight_matching"))
BEND = Connected(PROBLEM, FILES, 1, Method("bezier"))
TRAINED = Trained(PROBLEM, Method("sgd"))
FUSED = Fused(PROBLEM, (FILES[0], ALIGNED), Method("average"))


def aged(path: Path, days: float = 2.0) -> Path:
    """As if it had been written so long ago."""
    then = time.time() - days * DAY_S
    os.utime(path, (then, then))
    return path


def put(recipe, home: Path) -> Path:
    """The file of a recipe, as the engine writes it."""
    path = made_at(recipe, home)
    path.parent.mkdir(exist_ok=True)
    save_file({"w": np.arange(4.0)}, path, {"recipe": json.dumps(recipe.to_json()), "problem": ""})
    return aged(path)


def through(*corners, name: str = "line") -> Run:
    return Run(Field(PROBLEM, corners, Method(name)), Method("grid", (("size", 5),)))


def names(store: RunStore) -> set[str]:
    return {file.path.name for file in unneeded(store)}


def test_what_is_made_together_stays_or_goes_together(store, home):
    """All models of an alignment with their report, all corners and stages of a path, all snapshots of a training."""
    groups = [
        [put(replace(ALIGNED, which=i), home) for i in range(2)] + [matched_at(ALIGNED, home)],
        [put(replace(BEND, which=i, at=at), home) for i in range(3) for at in (0, 1, 2)],
        [put(replace(TRAINED, at=at, member=m), home) for at in (0, 1, 2) for m in (0, 1)] + [unfinished_at(TRAINED, home)],
    ]
    for extra in (groups[0][-1], groups[2][-1]):
        extra.write_bytes(b"x")
        aged(extra)
    every = {path.name for group in groups for path in group}
    assert names(store) == every
    for run, group in zip(
        (through(FILES[0], ALIGNED), through(FILES[0], BEND, FILES[1]), through(FILES[0], replace(TRAINED, at=2))), groups, strict=True
    ):
        store.submit(run)
        assert names(store) == every - {path.name for path in group}
        store.forget(run.id)
        assert names(store) == every
    found = unneeded(store)
    assert remove(store, found) == sum(file.bytes for file in found) > 0
    assert not list((home / "models").iterdir()) and not unneeded(store)


@pytest.mark.parametrize(
    "request_",
    [
        through(FILES[0], FUSED),
        Make(ALIGNED),
        Make(FUSED),
        Study(PROBLEM, (FUSED,), Method("spectrum")),
        through(FILES[0], replace(TRAINED, start=ALIGNED)),
    ],
    ids=["in a corner's ingredients", "asked for as a file", "an ingredient of it", "of a study that waits", "a training's start"],
)
def test_what_a_request_goes_back_to_stays(store, home, request_):
    """At any depth."""
    put(ALIGNED, home)
    store.submit(request_)
    assert not unneeded(store)


def test_what_a_field_with_points_goes_back_to_stays_until_they_are_swept(store, home):
    """Measured by a notebook, which files no run."""
    path, run = put(ALIGNED, home), through(FILES[0], ALIGNED)
    store.open_field(run.field, shape=(2, 4), counts=np.ones(4), gram=np.eye(2), facts={})
    store.append(run.field.id, np.zeros((1, 1)), np.zeros((1, 2, 4)), seconds=1.0)
    assert not unneeded(store)
    store.submit(run)
    store.forget(run.id)
    assert names(store) == {path.name}


def test_what_somebody_keeps_by_hand_stays(store, home):
    """Registered, measured as a file, put there under another name or without a word of where it is from; or written today."""
    registered, measured, today, gone = (put(replace(ALIGNED, which=i), home) for i in range(4))
    for name, metadata in (("mine", {"recipe": json.dumps(ALIGNED.to_json())}), ("f" * 16, {}), ("e" * 16, {"recipe": "{}"})):
        save_file({"w": np.arange(4.0)}, home / "models" / f"{name}.safetensors", metadata)
        aged(home / "models" / f"{name}.safetensors")
    (home / "models" / "0123456789abcdef.safetensors").write_bytes(b"torn")
    aged(home / "models" / "0123456789abcdef.safetensors")
    aged(today, 0.5)
    store.register(Facts(locations.shorten(registered), "r", digest="r"))
    store.submit(through(FILES[0], Loaded("m", path=str(measured))))
    assert names(store) == {gone.name}


def test_what_a_killed_process_left_half_written_goes(store, home):
    """Once nobody can be at it."""
    put(ALIGNED, home)
    draft = home / "models" / ".0123.4567.tmp"
    draft.write_bytes(b"half")
    store.submit(through(FILES[0], ALIGNED))
    assert not unneeded(store)
    aged(draft)
    assert names(store) == {draft.name}


def test_what_is_asked_for_after_it_was_listed_stays(store, home):
    """The list is what may go; between it and the click another run came."""
    asked, gone = put(ALIGNED, home), put(TRAINED, home)
    listed = unneeded(store)
    store.submit(through(FILES[0], ALIGNED))
    said = []
    assert remove(store, listed, lambda done, of: said.append((done, of))) == next(f.bytes for f in listed if f.path == gone)
    assert asked.exists() and not gone.exists()
    assert said[-1] == (sum(f.bytes for f in listed),) * 2
    put(TRAINED, home)
    aged(made_at(TRAINED, home), 3.0)
    listed = unneeded(store)
    aged(made_at(TRAINED, home), 2.5)
    assert remove(store, listed) == 0, "it was written again"


def test_a_store_with_requests_of_another_version_is_left_alone(store, home):
    """Nobody knows what they need; it says so."""
    put(ALIGNED, home)
    with store._write() as db:
        db.execute("INSERT INTO wish (id, kind, subject, urgent, spec, created) VALUES ('x', 'Run', 'x', 0, '{\"kind\": \"Later\"}', 0)")
    with pytest.raises(Refused, match="cannot be read by this version"):
        unneeded(store)


KILLED = """
import os, signal, sys
from pathlib import Path
from explorer.store.made_models import DRAFT_S, remove, sweep_drafts, unneeded
from explorer.store.run_store import RunStore
store = RunStore(Path(sys.argv[1]))
calls = []
remove(store, unneeded(store), lambda done, of: calls.append(done) or len(calls) == 3 and os.kill(os.getpid(), signal.SIGKILL))
"""


def test_whoever_is_killed_while_they_go_loses_nothing(tiny, store, home):
    """Files of a listed run are untouched, half of a group that goes is made again when it is asked for, and the rest goes next time."""
    method = registry.method("align", "weight_matching")
    models = tiny.field().corners
    kept, gone = (
        Aligned.every(tiny.problem.spec, models, replace(method, options=tuple(sorted({**method.kwargs(), "seed": seed}.items())))) for seed in (0, 1)
    )
    runs = [Run(tiny.field(corners=(pair[0], pair[1])), registry.method("sample", "grid", {"size": 3})) for pair in (kept, gone)]
    for run in runs:
        store.submit(run)
    Worker(store, home).work_off()
    values = [store.points(run.field.id)[0].values for run in runs]
    before = {path: path.read_bytes() for path in (home / "models").iterdir()}
    assert len(before) == 6
    for path in (*before, put(TRAINED, home), put(replace(TRAINED, at=1), home)):
        aged(path)
    store.forget(runs[1].id)
    store.close()
    done = subprocess.run([sys.executable, "-c", KILLED, str(store.path)], check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    again = RunStore(store.path)
    left = unneeded(again)
    assert len(left) == 5 - 3
    assert all(path.read_bytes() == before[path] for path in [*(made_at(a, home) for a in kept), matched_at(kept[0], home)])
    again.sweep()
    again.submit(runs[1])
    Worker(again, home).work_off()
    assert again.status(runs[1].id).state == "done"
    assert np.array_equal(again.points(runs[1].field.id)[0].values, values[1])
    assert not {file.group for file in unneeded(again)} & {a.id for pair in (kept, gone) for a in pair}


WRITER = """
import os, signal, sys, threading, time
import torch
from explorer.checkpoints import checkpoint_file

folder = sys.argv[1]

def watch():
    while not any(n.startswith(".tmp") for n in os.listdir(folder)):
        time.sleep(0.0005)
    os.kill(os.getpid(), signal.SIGKILL)

threading.Thread(target=watch, daemon=True).start()
for n in range(1000):
    checkpoint_file.write(f"{folder}/{n}.safetensors", {"w": torch.zeros(4_000_000)})
"""


def test_drafts_of_killed_writers_are_swept_and_nothing_else(tmp_path):
    """Whatever a writer leaves that is killed in the middle, ours and that of safetensors; a draft that was just written to stays, and so does every model."""
    store, models = RunStore.within(tmp_path), tmp_path / "models"
    models.mkdir()
    subprocess.run([sys.executable, "-c", WRITER, str(models)], check=False, timeout=120)
    left = {p.name for p in models.iterdir() if p.name.startswith(".")}
    assert left
    (tmp_path / "uploads" / "x").mkdir(parents=True)
    (tmp_path / "uploads" / "x" / ".abc.tmp").touch()
    kept = {p.name for p in models.iterdir()} - left | {"notes.tmp", ".hidden.safetensors"}
    for name in kept:
        (models / name).touch()
    assert sweep_drafts(store) == []  # somebody may be at it
    for path in (*models.iterdir(), tmp_path / "uploads" / "x" / ".abc.tmp"):
        os.utime(path, (old := store.clock() - DRAFT_S - 1, old))
    assert {p.name for p in sweep_drafts(store)} == left | {".abc.tmp"}
    assert {p.name for p in models.iterdir()} == kept


def test_a_worker_sweeps_drafts_when_it_begins(tmp_path):
    """Nobody has to ask for it."""
    store = RunStore.within(tmp_path)
    (tmp_path / "models").mkdir()
    draft = tmp_path / "models" / f".abc.{'0' * 32}.tmp"
    draft.touch()
    os.utime(draft, (0, 0))
    Worker(store, tmp_path).serve(idle_s=0.0)
    assert not draft.exists()
