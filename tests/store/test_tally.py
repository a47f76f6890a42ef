"""How many points a field has, and what they took: kept beside the points, and never another number than theirs."""

from __future__ import annotations

import dataclasses
import sqlite3

import numpy as np
import pytest

from explorer.core.spec import Field, Loaded, Method, ProblemSpec
from explorer.store.run_store import RunStore
from explorer.store.schema import MIGRATIONS
from explorer.store.work_kinds import of_points

PROBLEM = ProblemSpec(Method("mlp"), Method("digits"))


def field(n: int, **changes) -> Field:
    return Field(PROBLEM, (Loaded(f"a{n}"), Loaded("b")), Method("line"), **changes)


def add(store: RunStore, which: Field, at: list[float], seconds: float) -> None:
    store.open_field(which, shape=(2, 1), counts=np.array([7.0]), gram=np.eye(2), facts={})
    store.append(which.id, np.array(at)[:, None], np.ones((len(at), 2, 1)), seconds=seconds)


def agree(store: RunStore, fields: list[Field]) -> None:
    """Kept sums against those of the rows."""
    for one in fields:
        count, seconds = store._db.execute("SELECT count(*), total(seconds) FROM point WHERE field = ?", (one.id,)).fetchone()
        assert store.count(one.id) == count
        assert store.cost(one.id) == pytest.approx(seconds, rel=1e-12)
    count, seconds = store._db.execute("SELECT count(*), total(seconds) FROM point").fetchone()
    assert store.pace(fields[0]) == pytest.approx((seconds / count, 7), rel=1e-12)


def test_kept_sums_are_those_of_the_points(tmp_path):
    """Also where some of what is added was there already, and where another store's points come in, twice."""
    store, other, fields = RunStore(tmp_path / "store.sqlite"), RunStore(tmp_path / "other.sqlite"), [field(n) for n in range(3)]
    assert (store.count(fields[0].id), store.cost(fields[0].id), store.pace(fields[0])) == (0, 0, None)
    add(store, fields[0], [0.0, 0.5, 1.0], 3.0)
    add(store, fields[0], [0.5, 0.6, 0.6], 6.0)
    add(store, fields[0], [0.5], 50.0)
    assert store.count(fields[0].id) == 4
    assert store.cost(fields[0].id) == pytest.approx(5.0)
    add(store, fields[1], [0.25], 1.5)
    agree(store, fields)
    add(other, fields[0], [0.5, 0.75], 8.0)
    add(other, fields[2], [0.1, 0.2], 2.0)
    other.close()
    for _ in range(2):
        store.absorb(other.path)
        agree(store, fields)


def test_an_earlier_store_has_its_sums(tmp_path):
    """Counted once when it is brought to this schema; kinds are told apart when somebody asks for a pace."""
    before = next(n for n, script in enumerate(MIGRATIONS) if "CREATE TABLE tally" in script)
    slow = field(5, precision="bfloat16")
    new = RunStore(tmp_path / "new.sqlite")
    add(new, field(0), [0.0, 1.0], 1.0)
    add(new, slow, [0.0], 9.0)
    new.close()
    path = tmp_path / "old.sqlite"
    with sqlite3.connect(path) as db:
        for script in MIGRATIONS[:before]:
            db.executescript(script)
        db.execute(f"PRAGMA user_version = {before}")
        db.execute("ATTACH ? AS new", (str(new.path),))
        for table in ("field", "point"):
            db.execute(f"INSERT INTO main.{table} SELECT * FROM new.{table}")
    db.close()
    store = RunStore(path)
    assert (store.count(field(0).id), store.cost(field(0).id)) == (2, 1.0)
    assert store.pace(field(1)) == (0.5, 7.0)
    assert store.pace(dataclasses.replace(field(1), precision="bfloat16")) == (9.0, 7.0)
    assert store.pace(field(1, buffers="repair")) is None


def test_a_pace_is_not_slower_for_many_points(tmp_path):
    """It adds up one row for each field."""
    taken: list[int] = []
    for count in (10, 2000):
        store = RunStore(tmp_path / f"{count}.sqlite")
        add(store, field(0), np.linspace(0, 1, count).tolist(), 1.0)
        store.pace(field(0))
        steps: list[int] = []
        store._db.set_progress_handler(lambda steps=steps: steps.append(1), 1)
        store.pace(field(0))
        store._db.set_progress_handler(None, 1)
        taken.append(len(steps))
    assert taken[0] == taken[1] > 0


def test_what_was_measured_here_counts_before_what_came_from_elsewhere(tmp_path):
    """The shipped points took as long as they did on another machine; of those of this one the latest count most."""
    store = RunStore(tmp_path / "store.sqlite")
    add(store, field(0), [0.0, 0.5], 2.0)
    assert store.pace(field(1)) == (1.0, 7.0)
    store.worked(of_points(field(0)), 7.0 * 10, 0.5)
    assert store.pace(field(1)) == pytest.approx((0.05, 7.0))
    store.worked(of_points(field(0)), 7.0 * 10, 2.0)
    assert store.pace(field(1)) == pytest.approx((2.25 / 15, 7.0))
