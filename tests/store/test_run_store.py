"""The store: nothing lost, nothing doubled, NaN kept, leases that run out."""

import os
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from explorer.core.spec import Field, Loaded, Look, Make, Method, ProblemSpec, Run
from explorer.store.records import Facts
from explorer.store.requests import ATTEMPTS, LEASE_S
from explorer.store.run_store import RunStore
from explorer.store.schema import MIGRATIONS
from explorer.store.sqlite import Unavailable

PROBLEM = ProblemSpec(Method("mlp"), Method("digits"))


def field(n=0):
    return Field(PROBLEM, (Loaded(f"a{n}"), Loaded("b")), Method("line"))


def run(n=0, size=5):
    return Run(field(n), Method("grid", (("size", size),)))


class Clock:
    """Time that passes when told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path, clock):
    return RunStore(tmp_path / "store.sqlite", clock=clock)


def opened(store, f=None):
    f = f or field()
    store.open_field(f, shape=(2, 3), counts=np.array([2.0, 2, 1]), gram=np.array([[4.0, 0], [0, 9]]), facts={"classes": ["x"]})
    return f


def test_points_come_back_as_they_were_nan_included(store):
    """Blobs keep every bit; a diverged point stays NaN."""
    f = opened(store)
    values = np.array([[[1, 2, 3], [0, 1, 0]], [[np.nan, np.inf, 1e-300], [0, 0, 0]]], dtype=float)
    store.append(f.id, np.array([[0.0], [0.25]]), values, seconds=1.0)
    points, seq = store.points(f.id)
    assert np.array_equal(points.values, values, equal_nan=True)
    assert points.coords[:, 0].tolist() == [0.0, 0.25]
    assert points.counts.tolist() == [2, 2, 1]
    assert store.points(f.id, after=seq)[0].coords.shape == (0, 1)


def test_a_point_that_is_there_stays(store):
    """Appending is idempotent, also for coordinates that differ in the 13th decimal."""
    f = opened(store)
    store.append(f.id, np.array([[0.3]]), np.ones((1, 2, 3)), seconds=0.1)
    store.append(f.id, np.array([[0.1 + 0.2]]), np.zeros((1, 2, 3)), seconds=0.1)
    points, _ = store.points(f.id)
    assert len(points) == 1
    assert points.values.min() == 1


def test_distances_and_cosines_follow_from_the_gram_matrix(store):
    """‖a−b‖² = 4 + 9 − 0."""
    known = store.field(opened(store).id)
    assert known.distances()[0, 1] == pytest.approx(np.sqrt(13))
    assert known.cosines()[0, 1] == 0


def test_an_unknown_field_has_no_points(store):
    """A page may ask before any worker has begun."""
    points, seq = store.points("nobody")
    assert len(points) == 0
    assert seq == 0


def test_life_of_a_wish(store):
    """waiting → running → done, and wishing again changes nothing."""
    id = store.submit(run())
    assert store.status(id).state == "waiting"
    claimed = store.claim("w1")
    assert claimed.request == run()
    assert store.status(id).state == "running"
    assert store.report(id, "w1", done=2, total=5, fresh=2)
    store.clock.now += 2
    assert store.status(id).left_s == pytest.approx(3.0)
    store.release(id, "w1", finished=True)
    assert store.status(id).state == "done"
    store.submit(run())
    assert store.status(id).state == "done"
    assert store.claim("w1") is None


def test_a_failed_wish_says_why_and_is_taken_up_when_wished_again(store):
    """An error is a sentence; trying again clears it."""
    id = store.submit(run())
    store.claim("w1")
    store.release(id, "w1", error="a.safetensors is gone.")
    assert (store.status(id).state, store.status(id).error) == ("failed", "a.safetensors is gone.")
    assert store.claim("w1") is None
    store.submit(run())
    assert store.claim("w2").id == id


def test_stopping_reaches_the_worker_and_resuming_goes_on(store):
    """The worker learns it from its next report; what it kept stays."""
    id = store.submit(run())
    store.claim("w1")
    store.stop(id)
    assert store.report(id, "w1", done=1, total=5) is False
    store.release(id, "w1")
    assert store.status(id).state == "stopped"
    store.submit(run())
    assert store.status(id).state == "waiting"


def test_a_lease_that_ran_out_is_taken_over_and_the_late_worker_is_told(store, clock):
    """A worker that hangs loses its request and may not report any more."""
    id = store.submit(run())
    store.claim("w1")
    assert store.claim("w2") is None
    clock.now += LEASE_S + 1
    assert store.claim("w2").id == id
    assert store.report(id, "w1", done=1, total=5) is False


def test_a_heartbeat_renews_the_lease(store, clock):
    """Long work stays with its worker."""
    store.submit(run())
    store.claim("w1")
    for _ in range(5):
        clock.now += LEASE_S - 1
        store.beat("w1", pid=os.getpid(), device="cpu")
    assert store.claim("w2") is None


def test_a_worker_that_died_here_gives_up_its_wish_at_once(store):
    """No waiting for the lease when the process is gone."""
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    dead.wait()
    id = store.submit(run())
    store.beat("w1", pid=dead.pid, device="cpu")
    store.claim("w1")
    store.beat("w1", pid=dead.pid, device="cpu")
    assert store.claim("w2").id == id
    assert store.workers() == []


def test_runs_of_one_field_are_not_worked_on_at_the_same_time(store):
    """Otherwise two workers would compute the same points."""
    store.submit(run(size=5))
    store.submit(run(size=9))
    store.submit(run(n=1))
    assert store.claim("w1").request == run(size=5)
    assert store.claim("w2").request == run(n=1)
    assert store.claim("w3") is None


def test_urgent_wishes_of_a_field_are_taken_by_whoever_is_free(store):
    """A click on the picture that is being computed does not wait for the end: its worker takes it in the middle, or another one."""
    store.submit(run(size=5))
    click = Run(field(), Method("given", (("at", (0.3,)),)))
    store.claim("w1")
    store.submit(click, urgent=True)
    assert store.claim("w1", above=0).request == click
    store.submit(Run(field(), Method("given", (("at", (0.4,)),))), urgent=True)
    assert store.claim("w2", above=0) is not None


def test_idle_wishes_go_last_until_somebody_asks(store):
    """However early they were requested; asked for, they are like any other."""
    store.submit(Make(Loaded("idle")), idle=True)
    store.submit(Make(Loaded("first")))
    store.submit(Make(Loaded("later")))
    store.submit(Make(Loaded("idle too")), idle=True)
    store.submit(Make(Loaded("idle")))
    assert [store.claim("w").request.recipe.digest for _ in range(4)] == ["idle", "first", "later", "idle too"]


def test_urgent_wishes_go_first(store):
    """Somebody is looking."""
    store.submit(run())
    store.submit(Make(Loaded("x")), urgent=True)
    assert isinstance(store.claim("w1").request, Make)


def test_a_wish_that_kills_its_workers_is_given_up(store, clock):
    """Without an end to it, every new worker would die over the same request."""
    id = store.submit(run())
    for n in range(ATTEMPTS):
        assert store.claim(f"w{n}").id == id
        clock.now += LEASE_S + 1
    assert store.claim("last") is None
    assert "workers died" in store.status(id).error


def test_deaths_with_progress_in_between_are_no_reason_to_give_up(store, clock):
    """Only deaths in a row without a single new point count."""
    id = store.submit(run())
    for n in range(2 * ATTEMPTS):
        assert store.claim(f"w{n}").id == id
        store.report(id, f"w{n}", done=n, total=99, fresh=1)
        clock.now += LEASE_S + 1


def test_results_of_a_look_are_kept(store):
    """JSON in, JSON out."""
    id = store.submit(Look("/x"))
    store.claim("w")
    store.release(id, "w", finished=True, result={"files": [{"name": "ü", "error": None}]})
    assert store.status(id).result == {"files": [{"name": "ü", "error": None}]}


def test_another_store_is_absorbed_without_touching_it(store, tmp_path):
    """The database file is the export format."""
    other = RunStore(tmp_path / "other #1?.sqlite")
    f = opened(other)
    other.append(f.id, np.array([[0.5]]), np.ones((1, 2, 3)), seconds=0.1)
    id = other.submit(run())
    other.claim("w")
    other.release(id, "w", finished=True)
    other.register(Facts("sample_models/x/a.safetensors", "a", digest="aa"))
    other.close()
    before = other.path.read_bytes()
    for _ in range(2):
        store.absorb(other.path)
    assert len(store.points(f.id)[0]) == 1
    assert store.status(id).state == "done"
    assert store.checkpoints() == [Facts("sample_models/x/a.safetensors", "a", digest="aa")]
    assert other.path.read_bytes() == before


def test_a_store_of_a_newer_explorer_is_left_alone(tmp_path):
    """Better no answer than a damaged file."""
    path = tmp_path / "store.sqlite"
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(Unavailable, match="newer explorer"):
        RunStore(path)


def test_a_registered_checkpoint_is_found_by_what_it_holds(store):
    """One content, two places: the latest seen comes first."""
    store.register(Facts("/old/a", "a", digest="d1"))
    store.clock.now += 1
    store.register(Facts("/new/a", "a", digest="d1"))
    assert store.whereabouts("d1") == ["/new/a", "/old/a"]
    store.unregister("/old/a")
    assert store.whereabouts("d1") == ["/new/a"]


def test_a_request_whose_plug_in_is_gone_is_left_to_a_worker_that_has_it(store):
    """It is not claimed and does not wait for anybody here, as a row of another version; it is listed with its reason."""
    gone = store.submit(Run(field(1), Method("mine", ())))
    assert not store.waiting()
    assert store.claim("w1") is None
    assert [(u.id, "sample 'mine'" in u.why) for u in store.unreadable()] == [(gone, True)]
    here = store.submit(run())
    assert store.claim("w1").id == here
    assert store.status(gone).state == "waiting"


def test_a_run_that_was_carried_out_elsewhere_is_filed_as_done(tiny, store):
    """It stands in the list with its points; filed again, or after it was stopped or had failed, it is done; somebody's work on it is left alone."""
    run = tiny.run()
    assert store.filed(run, 5) == run.id == store.filed(run, 5)
    status = store.status(run.id)
    assert status is not None and (status.state, status.done, status.total) == ("done", 5, 5)
    other = tiny.run(7)
    store.submit(other)
    store.stop(other.id)
    store.filed(other, 7)
    assert store.status(other.id).state == "done"
    busy = tiny.run(9)
    store.submit(busy)
    assert store.claim("w").id == busy.id
    store.filed(busy, 9)
    assert store.status(busy.id).state == "running"
