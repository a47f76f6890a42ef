"""What a fleet makes of actors that die, or never come, without a cluster: every point comes once, with the bits it has here, and no run stands still.

The cluster is made up, its actors are real: they compute in this process, one task each time somebody waits for an answer.
"""

import itertools
import random
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.workers import Idle
from explorer.core.errors import Refused
from explorer.engine.execute import local, ray
from explorer.engine.run_loop import keep
from explorer.store.run_store import RunStore

WAITS = 2000  # for an answer, at most


class RayError(Exception):
    """An actor died."""


class RayTaskError(RayError):
    """What an actor was asked to do is refused by it."""

    def __init__(self, cause):
        self.cause = cause


class Answer:
    """A promise of one."""

    def __init__(self, work):
        self.work, self.done, self.found, self.error = work, False, None, None


class Actor:
    """`left`: how many tasks it does before it dies, its first answer among them; None: it is never given a place."""

    def __init__(self, hand, left):
        self.hand, self.left, self.asked = hand, left, []

    def __getattr__(self, name):
        def remote(*arguments):
            self.asked.append(Answer(lambda: getattr(self.hand, name)(*arguments)))
            return self.asked[-1]

        return SimpleNamespace(remote=remote)

    def step(self):
        """Do the oldest task, or die: then all fail, and whatever comes after."""
        if self.left is None or not self.asked:
            return
        if self.left == 0:
            for answer in self.asked:
                answer.done, answer.error = True, RayError()
            self.asked.clear()
            return
        self.left -= 1
        answer = self.asked.pop(0)
        answer.done = True
        try:
            answer.found = answer.work()
        except Refused as refusal:
            answer.error = RayTaskError(refusal)


class MadeUp:
    """As much of Ray as a fleet needs. `fates`: of the actors, in the order in which they are hired."""

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __init__(self, cores, fates, seed=0):
        self.cores, self.fates, self.random = cores, iter(fates), random.Random(seed)
        self.actors, self.waits = [], 0

    def cluster_resources(self):
        return {"CPU": self.cores}

    def remote(self, kind):
        def hired(device):
            self.actors.append(Actor(kind(device), next(self.fates)))
            return self.actors[-1]

        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=hired))

    def put(self, thing):
        return thing

    def wait(self, refs, *, num_returns, timeout):
        self.waits += 1
        assert self.waits < WAITS, "the run stands still"
        self.random.choice(self.actors).step()
        done = [ref for ref in refs if ref.done][:num_returns]
        return done, [ref for ref in refs if ref not in done]

    def get(self, ref):
        if not isinstance(ref, Answer):
            return ref
        assert ref.done
        if ref.error is not None:
            raise ref.error
        return ref.found

    def kill(self, actor):
        self.actors.remove(actor)


@pytest.fixture
def cluster(monkeypatch):
    """A made-up cluster, where a second passes whenever somebody looks at the clock a few times."""

    def made(cores, fates, seed=0):
        found = MadeUp(cores, fates, seed)
        monkeypatch.setattr(ray, "_ray", lambda: found)
        ticks = itertools.count(0, 0.05)
        return ray.Fleet(found, clock=lambda: next(ticks))

    return made


def deadly(seed):
    """Actors of which some never come, some die at once, and most after a few tasks."""
    chance = random.Random(seed)
    while True:
        yield chance.choice([None, 0, 1, 2, 3, 5, 8, 13])


def lasting(fates):
    """Then only such as live on."""
    return itertools.chain(fates, itertools.repeat(10**6))


@pytest.mark.parametrize("seed", range(25))
def test_every_point_of_a_run_comes_once_whatever_becomes_of_the_actors(tiny, tmp_path, home, cluster, seed):
    """A line of 21 points, as it was once left at 15: it ends, bit for bit as here."""
    run = tiny.run(size=21)
    here, there = RunStore(tmp_path / "here.sqlite"), RunStore(tmp_path / "there.sqlite")
    assert keep(run, here, home, report=lambda *_: True, execute=local.on("cpu"))
    # Two of three may die, and who comes after them lives: were there three over one task, the run would be refused (below).
    fleet = cluster(3, lasting(itertools.islice(deadly(seed), 2)), seed)
    told = []
    assert keep(run, there, home, report=lambda done, total, fresh, message: told.append(done) or True, execute=fleet)
    a, b = (store.points(run.field.id)[0] for store in (here, there))
    assert told[-1] == len(b) == len(np.unique(b.coords)) == 21
    assert np.array_equal(a.sorted().coords, b.sorted().coords)
    assert np.array_equal(a.sorted().values, b.sorted().values)
    assert set(fleet.tasks.values()) == {0}, "an actor was not given back"


def test_an_actor_that_is_never_given_a_place_holds_nobody_up(tiny, store, home, cluster):
    """Of four, three are never scheduled: the one does everything."""
    run = tiny.run(size=21)
    fleet = cluster(4, [None, None, 10**6, None])
    assert keep(run, store, home, report=lambda *_: True, execute=fleet)
    assert len(store.points(run.field.id)[0]) == 21
    assert len(fleet.tasks) == 1


def test_a_cluster_without_anybody_is_refused_after_a_while(tiny, store, home, cluster, monkeypatch):
    """And says what to look at."""
    monkeypatch.setattr(ray, "STARTING_S", 20.0)
    with pytest.raises(Refused, match="No node of the cluster is working"):
        keep(tiny.run(size=21), store, home, report=lambda *_: True, execute=cluster(2, itertools.repeat(None)))


def test_actors_that_are_on_their_way_are_waited_for(tiny, store, home, cluster, monkeypatch):
    """Longer than for a node with room for one."""
    monkeypatch.setattr(ray, "PATIENCE_S", -1.0)
    assert keep(
        run := tiny.run(size=5), store, home, report=lambda *_: True, execute=cluster(8, itertools.chain([None] * 7, itertools.repeat(10**6)))
    )
    assert len(store.points(run.field.id)[0]) == 5


def test_points_over_which_three_actors_die_are_refused(tiny, store, home, cluster):
    """They open the field, measure nothing, and one after the other dies."""
    with pytest.raises(Refused, match="3 actors of the cluster died on the same points"):
        keep(tiny.run(size=21), store, home, report=lambda *_: True, execute=cluster(1, itertools.repeat(1)))


@pytest.mark.parametrize(
    ("count", "actors", "least", "most"), [(1, 1, 1, 1), (16, 1, 1, 5), (100, 3, 1, 1000), (512, 1, 32, 100), (70, 2, 32, 0), (21, 0, 1, 4)]
)
def test_points_are_shared_out_whole_and_the_last_tasks_are_small(count, actors, least, most):
    """Each row once, in order; no task larger than allowed or than an actor's share."""
    parts = ray.shared_out(count, actors, least=least, most=most)
    assert [row for part in parts for row in range(count)[part]] == list(range(count))
    sizes = [part.stop - part.start for part in parts]
    assert sizes == sorted(sizes, reverse=True)
    assert max(sizes) <= max(least, min(most, count // (2 * max(actors, 1))))
    assert sizes[-1] <= least


def test_answers_that_are_there_together_are_kept_together(tiny):
    """Every point once, in far fewer batches than tasks: each batch is one transaction of the store."""
    fleet = ray.Fleet(Idle(8, 0.0, np.ones((2, 4))))
    batches = list(fleet(tiny.field(), []).map(np.full((40, 2), 0.5)))
    assert sorted(np.concatenate([b.rows for b in batches])) == list(range(40))
    assert all(b.values.shape == (len(b.rows), 2, 4) for b in batches)
    assert len(batches) == 3  # of 40 tasks, two in hand for each of 8 actors


def test_what_came_before_a_refusal_is_kept(tiny):
    """Also where both come at the same time."""
    library = Idle(2, 0.0, np.ones((2, 4)))
    asked, get = [], library.get

    def refusing(promised):
        asked.append(promised)
        if isinstance(promised.found, tuple) and len([p for p in asked if isinstance(p.found, tuple)]) == 2:
            raise library.exceptions.RayTaskError(Refused("not this one"))
        return get(promised)

    library.get, library.exceptions = refusing, SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)
    measured = ray.Fleet(library)(tiny.field(), []).map(np.full((10, 2), 0.5))
    assert len(next(measured).rows) == 3  # of the four that were in hand
    with pytest.raises(Refused, match="not this one"):
        next(measured)
