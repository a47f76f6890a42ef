"""Visitors of one store: what is whose, how much each may ask for, and whose turn it is."""

from __future__ import annotations

import os

import pytest

from explorer.core.errors import Refused
from explorer.core.quotas import Quotas, parsed
from explorer.core.spec import Look, Make, Method, Run, Trained
from explorer.store.estimate_cost import load
from explorer.store.portable import export_run
from explorer.store.records import Facts
from explorer.store.run_store import RunStore
from explorer.store.visitors import Load
from tests.store.test_growth import run
from tests.store.test_upkeep import a_run, filled

ADA, BOB = "ada@example.org", "bob@example.org"


class Clock:
    """Time as a test sets it."""

    now = 1e6

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path, clock) -> RunStore:
    return RunStore(tmp_path / "store.sqlite", clock=clock)


def asked(store: RunStore, name: str, owner: str, **how) -> str:
    """Something that a visitor asks for."""
    return store.submit(Look(f"/{owner}/{name}"), owner=owner, **how)


def order(store: RunStore, clock: Clock, count: int) -> list[str]:
    """Whose the next ones are, each of which takes ten seconds."""
    found = []
    for _ in range(count):
        claimed = store.claim("w")
        assert claimed is not None
        found.append(claimed.owner)
        clock.now += 10.0
        store.release(claimed.id, "w", finished=True)
    return found


# --- what is whose


@pytest.mark.parametrize("deed", ["stop", "forget"])
def test_only_who_asked_for_it_and_the_operator_may_stop_or_remove_a_request(store, deed):
    id = asked(store, "a", ADA)
    with pytest.raises(Refused, match=f"requested by {ADA}"):
        getattr(store, deed)(id, by=BOB)
    assert store.status(id).state == "waiting"
    assert getattr(store, deed)(id, by=ADA)
    other = asked(store, "b", ADA)
    assert getattr(store, deed)(other)
    assert [s and s.state for s in map(store.status, (id, other))] == [{"stop": "stopped", "forget": None}[deed]] * 2


def test_what_nobody_asked_for_by_name_is_the_operators(store):
    """What the command line files and what ships; what a first visit began becomes theirs who ask for it."""
    id = store.submit(Look("/of the operator"))
    with pytest.raises(Refused, match="the operator of this server"):
        store.stop(id, by=ADA)
    store.submit(Look("/of the operator"), owner=ADA)
    assert not store.stop(id, by=ADA), "the operator wants it still"
    begun = store.submit(Look("/begun"), idle=True)
    store.submit(Look("/begun"), owner=ADA)
    assert store.status(begun).owner == ADA
    assert store.stop(begun, by=ADA)


def test_a_request_of_two_goes_on_until_both_gave_it_up(store):
    """Nothing is computed twice, so one visitor's stop may not end the other's work."""
    id = store.submit(Look("/shared"), owner=ADA)
    store.submit(Look("/shared"), owner=BOB)
    assert not store.stop(id, by=ADA)
    assert (store.status(id).state, store.status(id).owner) == ("waiting", BOB)
    with pytest.raises(Refused, match=BOB):
        store.stop(id, by=ADA)
    assert store.stop(id, by=BOB)
    assert store.status(id).state == "stopped"


def test_who_takes_up_what_was_stopped_owns_it(store):
    id = asked(store, "a", ADA)
    store.stop(id, by=ADA)
    store.submit(store.status(id).request, owner=BOB)
    assert store.status(id).owner == BOB
    with pytest.raises(Refused):
        store.stop(id, by=ADA)


def test_a_checkpoint_is_taken_off_the_list_by_who_had_it_looked_at(store):
    for path, owner in (("/ada", ADA), ("/shipped", "")):
        store.register(Facts(path, path, digest=path), owner=owner)
    store.register(Facts("/ada", "again", digest="d"), owner=BOB)  # looked at once more
    for path in ("/ada", "/shipped"):
        with pytest.raises(Refused, match="only they can take it off"):
            store.unregister(path, by=BOB)
    store.unregister("/ada", by=ADA)
    store.unregister("/shipped")
    assert not store.checkpoints()


def test_points_are_pinned_by_who_asked_for_a_run_of_them(store):
    one = filled(store, a_run("one"), 10)
    with pytest.raises(Refused, match="Only who requested"):
        store.pin(one.field.id, by=ADA)
    store.submit(one, owner=ADA)
    store.pin(one.field.id, by=ADA)
    assert one.field.id in store.pinned()


def test_an_exported_run_names_nobody(tmp_path):
    store = RunStore(tmp_path / "store.sqlite", roots=["/srv/models"])
    one = filled(store, a_run("one"), 10)
    store.submit(one, owner=ADA, again=True)
    claimed = store.claim("w")
    store.release(claimed.id, "w", finished=True)
    export_run(store, one.id, tmp_path / "run.sqlite")
    content = (tmp_path / "run.sqlite").read_bytes()
    assert ADA.encode() not in content and b"/srv/models" not in content


# --- how much


@pytest.mark.parametrize(
    ("quotas", "load", "said"),
    [
        (Quotas(requests=2), Load(), "at most 2 requests that are not finished; with this you would have 3. Wait"),
        (Quotas(points=25), Load(points=10), "at most 25 points to be measured; with this you would have 30. Wait"),
        (Quotas(epochs=5), Load(epochs=2), "at most 5 epochs to be trained; with this you would have 6. Wait"),
    ],
)
def test_what_is_beyond_a_quota_is_refused_with_the_number_and_taken_when_there_is_room(store, quotas, load, said):
    how = {"quotas": quotas, "load": load}
    first, _ = (asked(store, name, ADA, **how) for name in "ab")
    with pytest.raises(Refused, match=said):
        asked(store, "c", ADA, **how)
    assert len(store.statuses("Look")) == 2
    assert asked(store, "a", ADA, **how) == first, "what is asked for already costs nothing"
    asked(store, "c", BOB, **how)
    store.stop(first, by=ADA)
    asked(store, "c", ADA, **how)


def test_what_no_wait_would_help_says_so(store):
    with pytest.raises(Refused, match="ask for less"):
        asked(store, "a", ADA, quotas=Quotas(points=10), load=Load(points=11))


def test_points_that_are_kept_count_in_bytes_until_their_run_is_removed(store):
    """A point of two metrics in 64 blocks has 1224 bytes."""
    one = a_run("one")
    store.submit(one, owner=ADA)
    filled(store, one, 3000)
    how = {"quotas": Quotas(bytes=1_000_000), "load": Load(points=1)}
    with pytest.raises(Refused, match=r"take 0\.00367 GB, and a visitor may keep 0\.001 GB"):
        asked(store, "a", ADA, **how)
    asked(store, "a", BOB, **how)
    store.forget(one.id, by=ADA)
    asked(store, "a", ADA, **how)


def test_an_operator_has_no_quota(store):
    for name in "abc":
        store.submit(Look(f"/{name}"), quotas=Quotas(requests=1))


def test_the_load_of_a_request_is_what_is_still_to_be_done(tiny, store):
    line = tiny.run(7)
    assert load(line, store) == Load(points=7)
    trained = Trained(tiny.problem.spec, Method("sgd", (("epochs", 12),)))
    assert load(Make(trained), store) == Load(epochs=12)
    assert load(Look("/x"), store) == Load()


@pytest.mark.parametrize("text", ["points", "points=", "points=many", "minutes=3", "points=-1", "points=1.5"])
def test_what_is_no_quota_is_refused_with_those_there_are(text):
    with pytest.raises(Refused, match="one of requests, points, epochs, bytes"):
        parsed([text])


def test_quotas_are_written_as_they_are_read():
    assert parsed(str(parsed(["points=5", "bytes=7"])).split(",")) == Quotas(points=5, bytes=7)


# --- whose turn


def test_a_visitor_who_comes_late_does_not_wait_for_all_of_anothers(store, clock):
    """By turns, as what they ask for takes as long."""
    for n in range(10):
        asked(store, f"{n}", ADA, expected=10.0)
    assert order(store, clock, 3) == [ADA] * 3
    for n in range(3):
        asked(store, f"{n}", BOB, expected=10.0)
    assert order(store, clock, 6) in ([ADA, BOB] * 3, [BOB, ADA] * 3)


def test_turns_are_fair_by_time_and_not_by_number(store, clock):
    """Ten of one minute for one of ten; what it really took counts, once that is known."""
    spent = {ADA: 0.0, BOB: 0.0}
    for n in range(40):
        asked(store, f"{n}", ADA)
        asked(store, f"{n}", BOB)
    for _ in range(33):
        claimed = store.claim("w")
        seconds = {ADA: 600.0, BOB: 60.0}[claimed.owner]
        for _ in range(int(seconds / 5)):  # as long as its worker lives, its lease holds
            clock.now += 5.0
            store.beat("w", pid=os.getpid(), device="cpu")
        spent[claimed.owner] += seconds
        store.release(claimed.id, "w", finished=True)
    assert abs(spent[ADA] - spent[BOB]) <= 600.0 and min(spent.values()) >= 1500


def test_rank_goes_before_turns_and_cost_within_a_visitors_own(store):
    long, short = asked(store, "long", ADA, expected=100.0), asked(store, "short", ADA, expected=1.0)
    for n in range(3):
        asked(store, f"{n}", BOB, idle=True)
    urgent = asked(store, "click", BOB, urgent=True)
    assert [store.claim("w").id for _ in range(3)] == [urgent, short, long]
    assert store.claim("w").rank == -1


def test_an_absence_is_no_credit(store, clock):
    """Who comes anew starts level with the one of the others who has had least."""
    for n in range(30):
        asked(store, f"{n}", ADA, expected=10.0)
    order(store, clock, 20)
    for n in range(10):
        asked(store, f"{n}", BOB, expected=10.0)
    assert order(store, clock, 10).count(BOB) in (5, 6)


def test_on_ones_own_machine_nothing_has_changed(store):
    """One visitor, one queue, what is due first."""
    ids = [store.submit(run(n), expected=float(9 - n)) for n in range(5)]
    assert [store.claim("w").id for _ in range(5)] == ids[::-1]


def test_a_claim_takes_a_few_steps_for_each_visitor_and_none_for_what_waits(tmp_path):
    """Counted in steps of SQLite's machine; an idle worker's look is as cheap as ever."""
    from tests.store.test_growth import work

    steps = {}
    for visitors, each in ((1, 5), (1, 200), (20, 5), (20, 50)):
        store = RunStore(tmp_path / f"{visitors}-{each}.sqlite")
        for v in range(visitors):
            for n in range(each):
                asked(store, f"{n}", f"v{v:02}")
        steps[visitors, each] = work(store, lambda s: s.claimable("w"))
    assert steps[1, 200] <= steps[1, 5] + 40
    assert steps[20, 50] <= steps[20, 5] + 20 * 40
    idle = RunStore(tmp_path / "idle.sqlite")
    assert work(idle, lambda s: s.claimable("w")) < 100


def test_every_kind_that_is_open_is_listed_and_those_first_that_are_worked_on(store):
    first, second = asked(store, "a", ADA), store.submit(Make(Trained(a_run("x").field.problem, Method("sgd"))))
    third = store.submit(a_run("one"))
    claimed = store.claim("w")
    assert {s.id for s in store.open()} == {first, second, third} and store.open()[0].id == claimed.id
    store.release(claimed.id, "w", finished=True)
    assert claimed.id not in {s.id for s in store.open()}
    assert isinstance(store.status(third).request, Run)
