"""The size of a store: what a sweep takes and what it leaves, a limit, a compaction; and that nothing is lost by whoever is killed in the middle."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from explorer.core.errors import Refused
from explorer.core.spec import Field, Loaded, Look, Method, ProblemSpec, Run
from explorer.store import upkeep
from explorer.store.records import Seen
from explorer.store.run_store import RunStore
from explorer.store.upkeep import DAY_S, shown_size, size_of

PROBLEM = ProblemSpec(Method("mlp"), Method("digits"))
GRID, GIVEN = Method("grid", (("size", 5),)), Method("given", (("at", (0.5,)),))
BLOCKS = 64
EACH = 200 + 8 * 2 * BLOCKS


class Clock:
    """Time as a test sets it."""

    now = 1e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path, clock) -> RunStore:
    return RunStore(tmp_path / "store.sqlite", clock=clock)


def a_run(name: str, *, sampler: Method = GRID, **changes) -> Run:
    return Run(Field(PROBLEM, (Loaded(name), Loaded("b")), Method("line"), **changes), sampler)


def filled(store: RunStore, run: Run, points: int = 10, *, field: Field | None = None) -> Run:
    """A run that is done, with so many points of its field."""
    field = field or run.field
    store.submit(run)
    claimed = store.claim("w")
    assert claimed is not None
    store.open_field(field, shape=(2, BLOCKS), counts=np.ones(BLOCKS), gram=np.eye(2), facts={})
    store.append(field.id, np.linspace(0, 1, points)[:, None], np.random.default_rng(0).random((points, 2, BLOCKS)), seconds=points * 1.0)
    store.release(claimed.id, "w", finished=True)
    return run


def sound(path: Path) -> None:
    """Nothing is damaged, and what is counted is there."""
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert (
            db.execute("SELECT field, count(*) FROM point GROUP BY 1").fetchall()
            == db.execute("SELECT field, points FROM tally WHERE points > 0 ORDER BY 1").fetchall()
        )
        assert db.execute("SELECT count(*) FROM point").fetchone() == db.execute("SELECT count(*) FROM total").fetchone()
    db.close()


def test_a_sweep_takes_what_no_listed_run_needs(store):
    """Of two runs that share a field the other one keeps it; clicks on a picture do not; an exact twin goes with its preview."""
    shared, alone = filled(store, a_run("shared")), filled(store, a_run("alone"), 20)
    other = filled(store, a_run("shared", sampler=Method("grid", (("size", 9),))))
    preview = a_run("preview", precision="bfloat16")
    filled(store, preview)
    twin = replace(preview.field, precision="float32")
    filled(store, a_run("click"), field=twin)
    store.submit(replace(alone, sampler=GIVEN))
    assert store.claim("w") is not None
    store.release(replace(alone, sampler=GIVEN).id, "w", finished=True)
    for run in (shared, alone):
        store.forget(run.id)
    assert store.room().forgotten == 20 * EACH
    said: list[tuple[int, int]] = []
    assert store.sweep(lambda done, of: said.append((done, of))) == 20 * EACH
    assert said and said[-1] == (20 * EACH, 20 * EACH)
    assert [store.count(run.field.id) for run in (shared, alone)] == [10, 0]
    assert store.field(alone.field.id) is None and store.status(replace(alone, sampler=GIVEN).id) is None
    assert store.count(twin.id) == 10, "the preview is still listed"
    store.forget(preview.id)
    store.forget(other.id)
    assert store.sweep() == 30 * EACH
    assert [store.count(id) for id in (preview.field.id, twin.id, shared.field.id)] == [0, 0, 0]
    assert store.sweep() == 0
    sound(store.path)


def test_a_run_that_is_asked_for_again_keeps_its_points(store):
    """Removed by mistake and drawn again before anybody swept: nothing is measured twice."""
    run = filled(store, a_run("a"))
    store.forget(run.id)
    store.submit(run)
    assert store.sweep() == 0
    assert len(store.points(run.field.id)[0]) == 10


def test_what_was_swept_can_be_measured_again(store):
    """Also by a process that had its points in memory."""
    run = filled(store, a_run("a"))
    assert len(store.totals(run.field.id)[0]) == 10
    store.forget(run.id)
    store.sweep()
    assert len(store.totals(run.field.id)[0]) == 0
    filled(store, run, 4)
    assert len(store.totals(run.field.id)[0]) == 4
    sound(store.path)


def test_looks_at_files_that_are_gone_go_with_a_sweep(store, tmp_path):
    """Those at a folder that is there stay."""
    (tmp_path / "there").mkdir()
    looks = [Look(str(tmp_path / name)) for name in ("there", "gone")]
    for look in looks:
        store.submit(look)
        store.claim("w")
        store.keep_gram(look.id, [look.path], np.eye(1))
        store.release(look.id, "w", finished=True, result=Seen(()).to_json())
    with store._write() as db:
        db.execute("INSERT INTO checkpoint VALUES ('x', ?, '{}', 0)", (looks[0].path,))
    store.sweep()
    assert [store.status(look.id) is not None for look in looks] == [True, False]
    assert [store.gram([look.path]) is not None for look in looks] == [True, False]


def test_within_a_limit_the_points_that_nobody_looked_at_for_longest_go(store, clock):
    """Never those that are pinned, shipped, under way or were looked at within a day; the run says so, and measures them again when asked."""
    names = ("oldest", "pinned", "looked at", "shipped", "waiting", "older", "newest")
    runs = {name: replace(a_run(name), story="A story" if name == "shipped" else "") for name in names}
    for run in runs.values():
        filled(store, run, 400)
        clock.now += 60
    clock.now += 2 * DAY_S
    store.submit(runs["waiting"], again=True)
    store.pin(runs["pinned"].field.id)
    store.opened(runs["looked at"].id)
    assert store.next_to_go() == [runs[name].field.id for name in ("oldest", "older", "newest")]
    assert store.keep_within_limit() == 0, "without a limit nothing goes"
    store.bound(store.room().used - 300 * EACH)
    assert store.limit() == RunStore(store.path).limit()
    assert store.keep_within_limit() == 1
    assert {name for name, run in runs.items() if not store.count(run.field.id)} == {"oldest"}
    status = store.status(runs["oldest"].id)
    assert status is not None and status.state == "stopped" and status.message == upkeep.TAKEN
    assert store.keep_within_limit() == 0
    store.submit(runs["oldest"])
    assert store.status(runs["oldest"].id).state == "waiting"
    store.bound(0)
    assert store.keep_within_limit() == 2
    assert {name for name, run in runs.items() if not store.count(run.field.id)} == {"oldest", "older", "newest"}
    store.bound(None)
    assert store.limit() is None
    sound(store.path)


def test_a_compaction_gives_the_room_back_and_not_while_something_runs(store):
    """The file is smaller by what was free, and all that is left is as it was."""
    kept, gone = filled(store, a_run("kept"), 300), filled(store, a_run("gone"), 3000)
    values = store.points(kept.field.id)[0].values
    store.forget(gone.id)
    store.sweep()
    before = store.room()
    assert before.free > 2900 * EACH
    store.submit(a_run("busy"))
    assert store.claim("w") is not None
    with pytest.raises(Refused, match="Something is running"):
        store.compact()
    store.release(a_run("busy").id, "w")
    assert store.compact() == pytest.approx(before.free, rel=0.1)
    assert store.path.stat().st_size < before.used * 1.1
    assert np.array_equal(RunStore(store.path).points(kept.field.id)[0].values, values)
    sound(store.path)


KILLED = """
import os, signal, sys
from pathlib import Path
from explorer.store import upkeep
from explorer.store.run_store import RunStore
upkeep.AT_ONCE, upkeep.STEPS = 100, 2000
store = RunStore(Path(sys.argv[1]))
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
what = sys.argv[2]
if what == "sweep":
    calls = []
    store.sweep(lambda done, of: calls.append(done) or len(calls) == 3 and die())
elif what == "statement":
    store._db.set_progress_handler(die, 3000)
    store.sweep()
elif what == "compact":
    calls = []
    store.compact(lambda done, of: calls.append(done) or len(calls) == 3 and die())
else:
    store._db.set_progress_handler(die, 20000)
    store.absorb(Path(what))
"""


def killed(path: Path, what: str) -> None:
    """Somebody who does it dies of kill -9 in the middle."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), what], check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("when", ["sweep", "statement"])
def test_a_sweep_that_is_killed_leaves_a_whole_store_and_is_taken_up_by_the_next(store, when):
    """Between two transactions or within one: counts are right, what is listed is untouched, and the rest goes next time."""
    kept, gone = filled(store, a_run("kept"), 300), filled(store, a_run("gone"), 1000)
    values = store.points(kept.field.id)[0].values
    store.forget(gone.id)
    store.close()
    killed(store.path, when)
    sound(store.path)
    again = RunStore(store.path)
    assert 0 < again.count(gone.field.id) <= 1000
    assert np.array_equal(again.points(kept.field.id)[0].values, values)
    again.sweep()
    assert again.count(gone.field.id) == 0 and again.room().forgotten == 0
    sound(store.path)


def test_a_compaction_that_is_killed_changes_nothing(store):
    """The file is the old one, or the new one."""
    kept = filled(store, a_run("kept"), 3000)
    values = store.points(kept.field.id)[0].values
    store.close()
    killed(store.path, "compact")
    sound(store.path)
    assert np.array_equal(RunStore(store.path).points(kept.field.id)[0].values, values)


def test_an_import_that_is_killed_takes_over_nothing_or_all(store, tmp_path):
    """And then everything, when it is done again."""
    other = RunStore(tmp_path / "other.sqlite")
    run = filled(other, a_run("theirs"), 3000)
    other.close()
    mine = filled(store, a_run("mine"))
    store.close()
    killed(store.path, str(other.path))
    sound(store.path)
    again = RunStore(store.path)
    assert again.status(run.id) is None and again.count(run.field.id) == 0
    again.absorb(other.path)
    assert again.status(run.id).state == "done" and again.count(run.field.id) == 3000
    assert again.count(mine.field.id) == 10


@pytest.mark.parametrize(("text", "size"), [("20 GB", 20e9), ("1.5MB", 1.5e6), ("2 GiB", 2 * 2**30), ("4096", 4096), ("7k", 7000)])
def test_sizes_are_read_as_people_write_them(text, size):
    assert size_of(text) == size


@pytest.mark.parametrize("text", ["", "many", "GB", "-1 GB", "1 XB", "1 i"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(Refused, match="A size is a number with a unit"):
        size_of(text)


def test_sizes_are_written_as_people_read_them():
    assert [shown_size(n) for n in (0, 999, 1234, 56_000, 345_600_000, 2.5e12)] == ["0 bytes", "999 bytes", "1.2 kB", "56 kB", "346 MB", "2.5 TB"]
