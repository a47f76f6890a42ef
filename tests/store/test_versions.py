"""What was drawn from a store holds until that of it has changed."""

import numpy as np
import pytest

from explorer.core.spec import Field, Loaded, Make, Method, ProblemSpec, Run
from explorer.store.read_log import LIST, Key, noting
from explorer.store.run_store import RunStore

PROBLEM = ProblemSpec(Method("mlp"), Method("digits"))


def run(n=0, size=5):
    return Run(Field(PROBLEM, (Loaded(f"a{n}"), Loaded("b")), Method("line")), Method("grid", (("size", size),)))


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "store.sqlite")


def opened(store, field):
    store.open_field(field, shape=(2, 3), counts=np.ones(3), gram=np.eye(2), facts={})


def test_what_is_read_is_noted_by_whoever_asks_for_it(store):
    """Requests, fields and lists; a block inside of another one belongs to both."""
    mine = run()
    id = store.submit(mine)
    with noting() as outer:
        store.status(id)
        with noting() as inner:
            store.points(mine.field.id)
            store.counts()
        store.status("nobody's")
    assert inner == {Key("field", mine.field.id), LIST}
    assert outer == inner | {Key("request", id), Key("request", "nobody's")}


def test_listed_requests_are_followed_one_by_one(store):
    """A list shows how far each is."""
    id = store.submit(run())
    with noting() as keys:
        store.statuses()
    assert keys == {LIST, Key("request", id)}


def test_every_change_is_seen_and_nothing_else(store):
    """How a request stands, how far it is, the points of its field, the list: each has a version of its own."""
    mine, other = run(0), run(1)
    keys = [Key("request", mine.id), Key("field", mine.field.id), LIST]
    seen = [store.versions(keys)]

    def changed():
        seen.append(store.versions(keys))
        return [tuple(a != b for a, b in zip(seen[-2][key], seen[-1][key], strict=True)) for key in keys]

    still, stands, far = (False, False), (True, False), (False, True)
    store.submit(mine)
    assert changed() == [(True, True), still, stands]
    store.claim("w")
    assert changed() == [far, still, still]
    opened(store, mine.field)
    store.append(mine.field.id, np.array([[0.0]]), np.zeros((1, 2, 3)), seconds=1.0)
    assert changed()[1:] == [(True, True), still]
    store.report(mine.id, "w", done=1, total=5)
    assert changed() == [far, still, still]
    store.submit(other)
    store.claim("v")
    opened(store, other.field)
    assert changed() == [still, still, stands]
    store.report(other.id, "v", done=1, total=5)
    store.append(other.field.id, np.array([[0.0]]), np.zeros((1, 2, 3)), seconds=1.0)
    assert changed() == [still, still, still]
    store.release(mine.id, "w", finished=True)
    assert changed() == [(True, True), still, stands]


def test_any_number_of_parts_takes_three_statements(store):
    """Ten sessions that look at ten runs cost no more than one."""
    keys = [Key("request", store.submit(run(n))) for n in range(10)] + [Key("field", run(n).field.id) for n in range(10)] + [LIST]
    asked = []
    store._db.set_trace_callback(asked.append)
    store.versions(keys)
    store._db.set_trace_callback(None)
    assert len(asked) == 3


def test_the_version_tells_that_others_have_written(store):
    """Not that this connection has."""
    other = RunStore(store.path)
    before = store.version()
    store.submit(run(0))
    assert store.version() == before
    other.submit(run(1))
    assert store.version() != before
    assert store.version() == store.version()


def test_short_requests_are_done_before_long_ones_that_are_not_much_older(tmp_path):
    """Due is ten times as late as long: a minute's work that was asked for before goes first only when it was asked for ten minutes before."""
    now = [1000.0]
    store = RunStore(tmp_path / "queue.sqlite", clock=lambda: now[0])
    long, unknown, short, late = (Make(Loaded(name)) for name in ("long", "unknown", "short", "late"))
    store.submit(long, expected=60.0)
    store.submit(unknown)
    now[0] += 5.0
    store.submit(short, expected=1.0)
    assert store.claim("w").id == short.id
    store.release(short.id, "w", finished=True)
    now[0] += 600.0
    store.submit(late, expected=1.0)
    assert [store.claim("w").id for _ in range(3)] == [unknown.id, long.id, late.id]


def test_only_what_is_quick_is_claimed_in_the_middle_of_its_equal(store):
    """And what is of a higher rank, however long."""
    quick, long, unknown, urgent = (Make(Loaded(name)) for name in ("quick", "long", "unknown", "urgent"))
    store.submit(long, expected=60.0)
    store.submit(unknown)
    assert store.claim("w", above=0, within=2.0) is None
    store.submit(quick, expected=1.5)
    store.submit(urgent, urgent=True, expected=100.0)
    assert [store.claim("w", above=0, within=2.0).id for _ in range(2)] == [urgent.id, quick.id]
    assert store.claim("w", above=0, within=2.0) is None


def test_points_are_read_once_as_long_as_none_is_added(store):
    """A page asks for them several times while it is drawn: the same object, and then only what was added; nobody can write to it."""
    field = run().field
    opened(store, field)
    store.append(field.id, np.array([[0.0], [1.0]]), np.arange(12.0).reshape(2, 2, 3), seconds=1.0)
    first, last = store.points(field.id)
    assert store.points(field.id) == (first, last)
    with pytest.raises(ValueError, match="read-only"):
        first.values[0] = 0.0
    store.append(field.id, np.array([[0.5]]), np.full((1, 2, 3), 7.0), seconds=1.0)
    read = []
    store._db.set_trace_callback(read.append)
    second, _ = store.points(field.id)
    store._db.set_trace_callback(None)
    assert any(f"seq > {last}" in statement for statement in read)
    assert second.coords.ravel().tolist() == [0.0, 1.0, 0.5]
    assert second.values.ravel().tolist() == [*map(float, range(12)), *[7.0] * 6]
    assert second.rows[np.array([0.5]).tobytes()] == 2
