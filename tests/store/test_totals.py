"""Points without their blocks: the same means, never stale, and read once."""

from __future__ import annotations

import sqlite3

import numpy as np
import pytest

from explorer.core.points import Points
from explorer.core.spec import Field, Loaded, Method, ProblemSpec
from explorer.store.kept import Kept
from explorer.store.point_sums import CHUNK
from explorer.store.run_store import RunStore
from explorer.store.schema import MIGRATIONS

FIELD = Field(ProblemSpec(Method("mlp"), Method("digits")), (Loaded("a"), Loaded("b"), Loaded("c")), Method("plane"))
COUNTS = np.array([3.0, 3, 2, 1, 1, 1, 1])


@pytest.fixture
def store(tmp_path) -> RunStore:
    """With the field, and no points of it."""
    store = RunStore(tmp_path / "store.sqlite")
    store.open_field(FIELD, shape=(2, 7), counts=COUNTS, gram=np.eye(3), facts={})
    return store


def add(store: RunStore, count: int, seed: int) -> None:
    """Random points, one of which diverged."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(count, 2, 7)) * 10.0 ** random.integers(-9, 9, (count, 2, 7))
    values[0, 0, 3], values[-1, 1, 0] = np.nan, np.inf
    store.append(FIELD.id, random.random((count, 2)), values, seconds=1.0)


def agree(store: RunStore) -> Points:
    """Totals against the whole points, bit for bit."""
    (totals, seen), (points, last) = store.totals(FIELD.id), store.points(FIELD.id)
    assert seen == last
    assert np.array_equal(totals.coords, points.coords)
    assert np.array_equal(totals.means(), points.means(), equal_nan=True)
    assert totals.counts.tolist() == [12]
    return totals


@pytest.mark.parametrize("count", [1, 2, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_means_are_those_of_the_points_to_the_last_bit(store, count):
    """However many are read at once, and where values are not finite."""
    add(store, count, 0)
    assert len(agree(store)) == count


def test_they_follow_what_anybody_adds(store):
    """In this process or another one; a point that was there already changes nothing."""
    assert len(store.totals(FIELD.id)[0]) == 0
    other = RunStore(store.path)
    for seed, writer in enumerate((store, other, store, other)):
        add(writer, 5, seed)
        assert len(agree(store)) == 5 * (seed + 1)
        assert len(agree(other)) == 5 * (seed + 1)
    kept = agree(store)
    store.append(FIELD.id, kept.coords[:3], np.zeros((3, 2, 7)), seconds=1.0)
    assert np.array_equal(agree(store).values, kept.values, equal_nan=True)


def test_what_was_read_is_not_read_again(store):
    """The same arrays, from two tables' first rows; nobody can write into them."""
    add(store, 300, 0)
    before = store.totals(FIELD.id)[0]
    steps: list[int] = []
    store._db.set_progress_handler(lambda: steps.append(1), 1)
    after = store.totals(FIELD.id)[0]
    store._db.set_progress_handler(None, 1)
    assert after is before
    assert 0 < len(steps) < 60  # 300 rows would be thousands
    with pytest.raises(ValueError, match="read-only"):
        after.values[0] = 0


def test_they_are_read_without_the_blocks(store):
    """Also by a process that has read nothing of it yet: the column of values is not touched."""
    add(store, 30, 0)
    other = RunStore(store.path)
    other.status("x")
    read: list[str] = []
    other._db.set_trace_callback(read.append)
    assert len(other.totals(FIELD.id)[0]) == 30
    assert read and not [statement for statement in read if "FROM point" in statement]


def test_those_of_an_earlier_version_are_made_up_for_once(store, tmp_path):
    """Opened or absorbed, with points added before anybody asked; where nothing can be written, they are made for this once."""
    add(store, 700, 0)
    before = store.points(FIELD.id)[0]
    path = tmp_path / "earlier.sqlite"
    version = next(n for n, script in enumerate(MIGRATIONS) if "CREATE TABLE total" in script)
    with sqlite3.connect(path) as db:
        for script in MIGRATIONS[:version]:
            db.executescript(script)
        db.execute(f"PRAGMA user_version = {version}")
        db.execute("ATTACH ? AS now", (str(store.path),))
        db.execute("INSERT INTO field SELECT * FROM now.field")
        db.execute("INSERT INTO point SELECT * FROM now.point")
        db.execute("INSERT INTO tally (field, points, seconds) SELECT field, count(*), 1 FROM point GROUP BY 1")
    db.close()
    absorbing = RunStore(tmp_path / "absorbing.sqlite")
    absorbing.absorb(path)
    for opened in (RunStore(path), absorbing):
        assert np.array_equal(opened.points(FIELD.id)[0].values, before.values, equal_nan=True)
        opened._db.execute("PRAGMA query_only = ON")
        agree(opened)
        opened._db.execute("PRAGMA query_only = OFF")
        add(opened, 5, 9)
        assert len(agree(RunStore(opened.path))) == 705
        read: list[str] = []
        again = RunStore(opened.path)
        again._db.set_trace_callback(read.append)
        assert len(again.totals(FIELD.id)[0]) == 705
        assert not [statement for statement in read if "FROM point" in statement]


def test_of_a_place_that_comes_twice_at_once_the_first_counts(store):
    """As its blocks do."""
    store.append(FIELD.id, np.full((2, 2), 0.5), np.arange(28.0).reshape(2, 2, 7), seconds=1.0)
    assert len(agree(store)) == 1


def test_an_unknown_field_has_none(store):
    """As of points; and values that are no sums over blocks have no totals."""
    assert len(store.totals("nobody")[0]) == 0
    assert len(store.points_at("nobody", np.zeros((1, 2)))) == 0
    assert store.totals(FIELD.id)[0].coords.shape == (0, 2)
    other = Field(FIELD.problem, FIELD.corners, FIELD.chart, metrics=("confusion",))
    store.open_field(other, shape=(10, 10), counts=np.empty(0), gram=np.eye(3), facts={})
    with pytest.raises(ValueError, match=r"Expected sums over 0 blocks, got values of shape \(10, 10\)"):
        store.totals(other.id)


def test_points_at_places_come_with_their_blocks_in_that_order(store):
    """Those that are not there are left out."""
    add(store, 20, 0)
    points, _ = store.points(FIELD.id)
    found = store.points_at(FIELD.id, np.concatenate([points.coords[[7, 2]], [[2.0, 2.0]], points.coords[[11]]]))
    assert np.array_equal(found.coords, points.coords[[7, 2, 11]])
    assert np.array_equal(found.values, points.values[[7, 2, 11]], equal_nan=True)
    assert np.array_equal(found.counts, points.counts)
    assert store.points_at(FIELD.id, np.empty((0, 2))).values.shape == (0, 2, 7)


def test_no_more_bytes_are_kept_than_allowed_but_always_the_newest():
    """Those that were asked for last stay; a value in the place of another does not count twice."""
    kept: Kept[str] = Kept(100)
    kept.keep("a", 1, "A", 40)
    kept.keep("b", 1, "B", 40)
    kept.keep("b", 2, "B2", 50)
    assert kept.last("a") == (1, "A")
    kept.keep("c", 1, "C", 30)
    assert (kept.last("a"), kept.last("b"), kept.last("c")) == ((1, "A"), None, (1, "C"))
    kept.keep("d", 1, "D", 1000)
    assert (kept.last("a"), kept.last("c"), kept.last("d")) == (None, None, (1, "D"))


def test_the_sums_that_are_there_are_not_made_again_for_those_that_are_not(store, tmp_path):
    """Of a large plane another store brings a few points more: the blocks of the others, unreadable here, are not opened."""
    add(store, 300, 0)
    with store._write() as db:
        db.execute("UPDATE point SET value = x'00'")
    there = RunStore(tmp_path / "there.sqlite")
    there.open_field(FIELD, shape=(2, 7), counts=COUNTS, gram=np.eye(3), facts={})
    add(there, 5, 1)
    there.close()
    store.absorb(there.path)
    assert len(store.totals(FIELD.id)[0]) == 305
    assert np.array_equal(store.totals(FIELD.id)[0].values[300:], there.totals(FIELD.id)[0].values, equal_nan=True)
