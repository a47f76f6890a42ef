"""A store that an earlier version wrote: it opens, names what it holds by the same hashes, and nothing in it is measured again."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from explorer import api
from explorer.core import locations
from explorer.core.registry import method
from explorer.core.spec import Field, Loaded, Look, ProblemSpec, Run, Spec
from explorer.engine.run_loop import keep
from explorer.store.run_store import RunStore
from explorer.store.schema import MIGRATIONS

APART = next(n for n, script in enumerate(MIGRATIONS, start=1) if "CREATE TABLE result" in script)  # the schema from which results lie apart


@pytest.fixture
def earlier(home: Path) -> RunStore:
    """The shipped store, which was written before modules lay in wings, as this user's own."""
    shutil.copy(locations.root() / "sample_models" / "samples.sqlite", home / "store.sqlite")
    return RunStore.within(home)


def test_its_requests_are_read_and_keep_their_ids(earlier: RunStore) -> None:
    """What stands there as text is read, written as the same text, and hashes to the name it is kept under."""
    kept = earlier.statuses()
    assert len(kept) > 10
    for status in kept:
        assert status.request.id == status.id
        assert Spec.from_json(status.request.to_json()) == status.request


def test_its_points_are_reused(earlier: RunStore, home: Path) -> None:
    """The line of the first page, asked for again from the files: no fresh point, and the values are those that were there, bit for bit."""
    status = next(s for s in earlier.statuses("Run") if s.request.story == "Two seeds: a barrier")
    before, _ = earlier.points(status.request.field.id)
    fresh: list[int] = []

    def report(done: int, total: int, new: int, message: str) -> bool:
        fresh.append(new)
        return True

    folder = locations.root() / "sample_models" / "digits-mlp"
    line = api.interpolate(folder / "seed-0.safetensors", folder / "seed-1.safetensors", problem="digits-mlp", report=report, home=home)
    assert line.run.field.id == status.request.field.id
    assert max(fresh, default=0) == 0
    assert np.array_equal(line.points.values, before.sorted().values, equal_nan=True)


def test_a_line_that_was_measured_with_fewer_points_stands_and_is_resumed(earlier: RunStore, home: Path) -> None:
    """Fifteen points were the default once. Their request is done without a fresh point; today's adds to them what is missing, and measures none again."""
    status = next(s for s in earlier.statuses("Run") if s.request.story == "Two seeds: a barrier")
    now = status.request
    then = Run(now.field, method("sample", "adaptive", {"budget": 15, "widest": 0.125}))
    field, (points, _) = now.field.id, earlier.points(now.field.id)
    assert then.id != now.id
    with sqlite3.connect(home / "store.sqlite") as db:  # as it was: the first fifteen
        db.execute("DELETE FROM point WHERE field = ? AND seq NOT IN (SELECT seq FROM point WHERE field = ? ORDER BY seq LIMIT 15)", (field, field))
    fresh: list[int] = []

    def report(done: int, total: int, new: int, message: str) -> bool:
        fresh.append(new)
        return True

    assert keep(then, earlier, home, report=report)
    assert fresh[-1] == 0
    assert keep(now, earlier, home, report=report)
    again, _ = earlier.points(now.field.id)
    assert fresh[-1] == len(again) - 15 > 0
    assert np.array_equal(again.values[:15], points.values[:15])
    assert set(again.coords[:, 0]) <= set(points.coords[:, 0]), "what ships may have been measured for other pictures besides"


def test_hashes_are_what_they_were() -> None:
    """Written down once: whoever changes a spec's text changes these, and then nobody's points are found again."""
    problem = ProblemSpec(method("nets", "mlp"), method("data", "digits"), "cross_entropy", name="p")
    corners = (Loaded("a" * 64, path="a.safetensors", name="a"), Loaded("b" * 64, path="b.safetensors", name="b"))
    field = Field(problem, corners, method("chart", "line"))
    run = Run(field, method("sample", "adaptive", {"budget": 15, "widest": 0.125}))
    assert (problem.id, field.id, run.id) == ("82d5b13ae8249c33", "19b8d39ff342abbf", "ad5e13231727ae1a")


def test_every_schema_there_was_is_brought_to_this_one(tmp_path: Path) -> None:
    """Requests in every state, with what came of them, and rows that nobody can read: as they were."""
    looks = [Look(f"/{n}") for n in range(5)]
    texts = [json.dumps(look.to_json()) for look in looks] + ["{", "[1]"]
    ids = [look.id for look in looks] + ["no-json", "a-list"]
    for version in range(1, APART):
        path = tmp_path / f"{version}.sqlite"
        with sqlite3.connect(path) as db:
            for script in MIGRATIONS[:version]:
                db.executescript(script)
            db.execute(f"PRAGMA user_version = {version}")
            for n, (id, text) in enumerate(zip(ids, texts, strict=True)):
                row = (
                    id,
                    "Look",
                    id,
                    0,
                    text,
                    float(n),
                    9.0 if n in (0, 1) else None,
                    "No." if n == 2 else None,
                    n == 3,
                    ['{"a": 1}', "null"][n] if n < 2 else None,
                )
                db.execute(
                    "INSERT INTO wish (id, kind, subject, urgent, spec, created, finished, error, stopped, result) VALUES (?,?,?,?,?,?,?,?,?,?)", row
                )
        db.close()
        store = RunStore(path)
        kept = [store.status(look.id) for look in looks]
        assert [s.state for s in kept if s is not None] == ["done", "done", "failed", "stopped", "waiting"]
        assert [s.result for s in kept if s is not None] == [{"a": 1}, None, None, None, None]
        assert [s.request for s in kept if s is not None] == looks
        assert store.counts("Look") == {"done": 2, "failed": 1, "stopped": 1, "waiting": 1}
        for _ in range(2):
            assert {row.id for row in store.unreadable()} == {"no-json", "a-list"}
        claimed = store.claim("w")
        assert claimed is not None and claimed.request == looks[4]
        assert store.claim("w") is None


@pytest.mark.parametrize("version", [4, APART, len(MIGRATIONS)])
def test_a_store_of_any_schema_is_absorbed_with_what_came_of_its_requests(tmp_path: Path, version: int) -> None:
    """An earlier one keeps results in the row, this one apart; what is here already stays."""
    first, second, open_one = (Look(f"/{n}") for n in range(3))
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as db:
        for script in MIGRATIONS[:version]:
            db.executescript(script)
        db.execute(f"PRAGMA user_version = {version}")
        for look, finished in ((first, 1.0), (second, 2.0), (open_one, None)):
            text, result = json.dumps(look.to_json()), json.dumps({"from": look.path})
            db.execute(
                "INSERT INTO wish (id, kind, subject, urgent, spec, created, finished) VALUES (?, 'Look', 's', 0, ?, 1, ?)", (look.id, text, finished)
            )
            if version < APART:
                db.execute("UPDATE wish SET result = ? WHERE id = ?", (result, look.id))
            else:
                db.execute("INSERT INTO result VALUES (?, ?)", (look.id, result))
    db.close()
    store = RunStore(tmp_path / "store.sqlite")
    store.submit(second)
    for _ in range(2):
        store.absorb(path)
    there = [store.status(look.id) for look in (first, second, open_one)]
    assert there[0] is not None and (there[0].state, there[0].result) == ("done", {"from": "/0"})
    assert there[1] is not None and (there[1].state, there[1].result) == ("waiting", None)
    assert there[2] is None
