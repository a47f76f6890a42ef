"""A store with many requests: no question about them takes longer because of those that are over."""

from __future__ import annotations

import os

import pytest

from explorer.core.spec import Field, Loaded, Look, Method, ProblemSpec, Run
from explorer.store.run_store import RunStore

PROBLEM = ProblemSpec(Method("mlp"), Method("digits"))
FEW, MANY = 40, 800
GRID = Method("grid", (("size", 5),))
GIVEN = Method("given", (("at", (0.5,)),))


def run(n: int, *, sampler: Method = GRID, story: str = "") -> Run:
    return Run(Field(PROBLEM, (Loaded(f"a{n}"), Loaded("b")), Method("line")), sampler, story=story)


def filled(path, count: int) -> RunStore:
    """So many finished runs on as many fields, the oldest two of them shipped stories."""
    store = RunStore(path)
    for n in range(count):
        store.submit(run(n, story=f"Story {n}" if n < 2 else ""))
        claimed = store.claim("w")
        assert claimed is not None
        store.release(claimed.id, "w", finished=True)
    return store


@pytest.fixture(scope="module")
def grown(tmp_path_factory) -> tuple[RunStore, RunStore]:
    """The same store early and late in its life."""
    folder = tmp_path_factory.mktemp("growth")
    return filled(folder / "few.sqlite", FEW), filled(folder / "many.sqlite", MANY)


def work(store: RunStore, does) -> int:
    """How many steps SQLite takes for it: the same on every machine."""
    steps = [0]

    def count() -> None:
        steps[0] += 1

    does(store)  # what is prepared or remembered once
    store._db.set_progress_handler(count, 1)
    try:
        does(store)
    finally:
        store._db.set_progress_handler(None, 1)
    return steps[0]


def life(store: RunStore) -> None:
    """A request from beginning to end, and out of the list again."""
    id = store.submit(run(-1))
    claimed = store.claim("w")
    assert claimed is not None and claimed.id == id
    assert store.report(id, "w", done=1, total=2)
    store.release(id, "w", finished=True, result={"a": 1})
    store.forget(id)


QUESTIONS = {
    "an idle worker's look": lambda s: s.claim("w"),
    "whether anything waits": lambda s: s.waiting(),
    "a heartbeat": lambda s: s.beat("w", pid=os.getpid(), device="cpu"),
    "a request's life": life,
    "one status": lambda s: s.status(run(1).id),
    "a page of the newest": lambda s: s.statuses(limit=20),
    "the shipped stories": lambda s: s.stories(),
    "what cannot be read": lambda s: s.unreadable(),
    "requests of a rare kind": lambda s: s.statuses("Look"),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_takes_longer_in_an_old_store(grown, question):
    """Counted in steps of SQLite's machine, which a scan of all rows would multiply by twenty."""
    few, many = (work(store, QUESTIONS[question]) for store in grown)
    assert few > 0
    assert many <= few + 40  # a tree of twenty times as many rows may be a level deeper


def test_counting_takes_a_few_steps_a_row(grown):
    """Counts are asked, not kept: their cost is that of an index, without a text being read."""
    few, many = (work(store, lambda s: s.counts(clicks=False)) for store in grown)
    assert (many - few) / (MANY - FEW) < 40


def test_a_claim_is_not_slower_behind_a_long_queue(tmp_path):
    """The next one is the first of an index, however many wait behind it."""
    short, long = RunStore(tmp_path / "short.sqlite"), RunStore(tmp_path / "long.sqlite")
    for store, count in ((short, 10), (long, 300)):
        for n in range(count):
            store.submit(run(n))
    few, many = (work(store, lambda s: s.claim("w")) for store in (short, long))
    assert many <= few + 40


def test_the_shipped_stories_are_found_behind_any_number_of_runs(grown):
    """The oldest of all, by their titles, in their order."""
    assert [s.request.story for s in grown[1].stories()] == ["Story 0", "Story 1"]


def test_counts_and_pages_agree_with_the_whole_list(tmp_path):
    """Every state, with and without clicks, against the list gone through one by one."""
    store = RunStore(tmp_path / "store.sqlite")
    for n in range(30):
        store.submit(run(n, sampler=GIVEN) if n % 4 == 1 else run(n))
    for n, end in enumerate(["done", "failed", "stopped", "done", "failed", "stopped", "done"]):
        claimed = store.claim(f"w{n}")
        assert claimed is not None
        if end == "stopped":
            store.stop(claimed.id)
        store.release(claimed.id, f"w{n}", finished=end == "done", error="No." if end == "failed" else None)
    assert store.claim("busy") is not None
    store.submit(Look("/x"))
    every = store.statuses(limit=1000)
    assert len(every) == 30
    for clicks in (True, False):
        kept = [s for s in every if clicks or s.request.sampler.name != "given"]
        counts = store.counts(clicks=clicks)
        assert counts == {state: sum(s.state == state for s in kept) for state in {s.state for s in kept}}
        for only in ((), ("failed",), ("done", "waiting"), ("running", "stopped")):
            wanted = [s.id for s in kept if not only or s.state in only]
            pages = [store.statuses(limit=7, after=after, only=only, clicks=clicks) for after in range(0, 35, 7)]
            assert [s.id for page in pages for s in page] == wanted
        for text, where in (("", {"$.sampler.name": "given"}), ("GIVEN", {}), ('no such "text', {}), ("%", {})):
            wanted = [s.id for s in kept if s.request.sampler.name == "given" and (where or text == "GIVEN")]
            assert [s.id for s in store.statuses(clicks=clicks, text=text, where=where)] == wanted
            assert sum(store.counts(clicks=clicks, text=text, where=where).values()) == len(wanted)
    assert store.counts("Look") == {"waiting": 1}


def test_a_search_reads_what_a_request_says_and_not_how_json_writes_it(tmp_path):
    """Quotation marks, accents (also as two characters, as some file systems have them), other scripts, case, and the id; no name of a member of the JSON."""
    store, said = RunStore(tmp_path / "store.sqlite"), ['the "best"', "Müller", "Mu\u0308nch", "模型", "back\\slash"]
    runs = [Run(Field(PROBLEM, (Loaded(f"{n}", name=name), Loaded("b")), Method("line")), GRID) for n, name in enumerate(said)]
    for one in runs:
        store.submit(one)
    asked = {'"best"': [0], "MÜLLER": [1], "münch": [2], "模": [3], "k\\s": [4], '"': [0], "corners": [], "kind": [], "\\": [4], "x\ny": []}
    for text, wanted in asked.items():
        found = {s.id for s in store.statuses(text=text)}
        assert found == {runs[n].id for n in wanted}, text
        assert sum(store.counts(text=text).values()) == len(wanted)
    assert [s.id for s in store.statuses(text=runs[1].id[:12].upper())] == [runs[1].id]


def test_a_list_reads_no_results(tmp_path):
    """What came of a request may be megabytes, and is fetched once somebody asks for it."""
    store = RunStore(tmp_path / "store.sqlite")
    store.submit(Look("/x"))
    claimed = store.claim("w")
    assert claimed is not None
    store.release(claimed.id, "w", finished=True, result={"much": list(range(100_000))})
    read: list[str] = []
    store._db.set_trace_callback(read.append)
    (status,) = store.statuses("Look")
    assert not [statement for statement in read if statement.startswith("SELECT text FROM result")]
    assert len(status.result["much"]) == 100_000
    assert [statement for statement in read if statement.startswith("SELECT text FROM result")]


def test_what_came_of_a_request_goes_with_it(tmp_path):
    """Taken up again, or forgotten, it has no result any more."""
    store = RunStore(tmp_path / "store.sqlite")
    id = store.submit(Look("/x"))
    store.claim("w")
    store.release(id, "w", finished=True, result={"a": 1})
    store.submit(Look("/x"))
    assert store.status(id).result == {"a": 1}
    store.submit(Look("/x"), again=True)
    assert store.status(id).result is None
    store.claim("w")
    store.release(id, "late", finished=True, result={"a": 2})
    assert store.status(id).result is None
    store.release(id, "w", finished=True, result={"a": 3})
    store.forget(id)
    store.submit(Look("/x"))
    assert store.status(id).result is None
