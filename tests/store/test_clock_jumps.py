"""Leases when the clock of the wall is set, back or forth, while the clock that is never set goes on."""

import os

import pytest

from explorer.core.spec import Field, Loaded, Method, ProblemSpec, Run
from explorer.store.clock_jumps import CLOCKS_S
from explorer.store.requests import LEASE_S
from explorer.store.run_store import RunStore

DAYS_S = 5 * 86_400.0
RUN = Run(Field(ProblemSpec(Method("mlp"), Method("digits")), (Loaded("a"), Loaded("b")), Method("line")), Method("grid", (("size", 3),)))


class Clocks:
    """Both clocks, as a test sets them."""

    wall, steady = 1e9, 50.0

    def passes(self, seconds):
        self.wall += seconds
        self.steady += seconds


@pytest.fixture
def clocks():
    return Clocks()


@pytest.fixture
def store(tmp_path, clocks):
    return RunStore(tmp_path / "store.sqlite", clock=lambda: clocks.wall, steady=lambda: clocks.steady)


def begun(store):
    """A request that a worker of another machine is at."""
    id = store.submit(RUN)
    assert store.claim("w1").id == id
    store._db.execute("INSERT INTO worker (id, host, pid, device, beat) VALUES ('w1', 'elsewhere', 1, 'cpu', ?)", (store.clock(),))
    return id


def test_a_clock_set_back_frees_what_a_dead_worker_held(store, clocks):
    """Not after the days that it was set back by: after a lease, and nobody counts the dead among the living."""
    id = begun(store)
    clocks.wall -= DAYS_S
    assert store.claim("w2") is None  # it may be alive
    clocks.passes(LEASE_S + 1)
    assert not store.workers()
    assert store.waiting()
    assert store.claim("w2").id == id


def test_a_clock_set_back_takes_nothing_from_the_living(store, clocks):
    """They say that they live, as ever."""
    begun(store)
    clocks.wall -= DAYS_S
    for _ in range(8):
        clocks.passes(LEASE_S / 3)
        store.beat("w1", pid=os.getpid(), device="cpu")
        assert store.claim("w2") is None
        assert not store.waiting()
    assert len(store.workers()) == 1


def test_a_clock_set_forth_takes_nothing_from_the_living(store, clocks):
    """Who sees the jump waits until they had time to say so: no request is done twice, and no worker is started beside one that lives."""
    begun(store)
    clocks.wall += DAYS_S
    assert store.claim("w2") is None
    assert len(store.workers()) == 1
    clocks.passes(LEASE_S / 3)
    assert store.claim("w2") is None
    store.beat("w1", pid=os.getpid(), device="cpu")
    clocks.passes(LEASE_S - 1)
    assert store.claim("w2") is None


def test_a_clock_set_forth_frees_what_a_dead_worker_held_after_a_lease(store, clocks):
    """As without a jump."""
    id = begun(store)
    clocks.wall += DAYS_S
    assert store.claim("w2") is None
    clocks.passes(LEASE_S + 1)
    assert store.claim("w2").id == id


def test_places_of_a_field_are_leased_alike(store, clocks):
    """What a living worker measures is not measured twice, what a dead one held is free after a lease."""
    places = [[0.0], [0.5], [1.0]]
    assert store.lease("f", places, "w1", 3) == ([0, 1, 2], [])
    clocks.wall += DAYS_S
    assert store.lease("f", places, "w2", 3) == ([], [0, 1, 2])
    clocks.wall -= 2 * DAYS_S
    store.workers()
    clocks.passes(LEASE_S + 1)
    assert store.lease("f", places, "w2", 3) == ([0, 1, 2], [])


def test_machines_whose_clocks_differ_a_little_leave_each_other_alone(tmp_path, store, clocks):
    """A lease by a clock that is minutes ahead is no jump, and holds."""
    ahead = RunStore(tmp_path / "store.sqlite", clock=lambda: clocks.wall + CLOCKS_S - 1, steady=lambda: clocks.steady)
    ahead.submit(RUN)
    assert ahead.claim("w1") is not None
    clocks.passes(LEASE_S / 2)
    before = store.version()
    assert store.claim("w2") is None and not store.waiting()
    assert store.version() == before
