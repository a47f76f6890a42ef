"""Which process a worker is: not another one of its number, nor one of its number in another container, and why it died."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from explorer.core.spec import Look
from explorer.store import process_alive
from explorer.store.process_alive import alive, born, killed_for_memory, place
from explorer.store.requests import ATTEMPTS
from explorer.store.run_store import RunStore


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "store.sqlite")


@pytest.fixture
def gone() -> int:
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    return process.pid


def held(store: RunStore, worker: str, pid: int) -> str:
    """A request that this worker holds, which says that it lives."""
    id = store.submit(Look("/x"))
    claimed = store.claim(worker)
    assert claimed is not None and claimed.id == id
    store.beat(worker, pid=pid, device="cpu")
    return id


def moved(store: RunStore, worker: str, **changes: object) -> None:
    """As if the worker had written something else of itself."""
    with store._write() as db:
        for column, value in changes.items():
            db.execute(f"UPDATE worker SET {column} = ? WHERE id = ?", (value, worker))


@pytest.mark.skipif(not born(os.getpid()), reason="this system does not say when a process began")
def test_another_process_of_the_number_is_not_the_worker(store):
    """Numbers are given again, in a container that starts anew at once."""
    assert alive(os.getpid(), born(os.getpid())) and not alive(os.getpid(), "1")
    id = held(store, "w1", os.getpid())
    moved(store, "w1", born="1")
    assert store.claim("w2").id == id


def test_a_worker_in_another_container_is_not_buried_for_its_number(store, gone):
    """One host name, one number, two processes: only its lease says whether it lives."""
    held(store, "w1", gone)
    moved(store, "w1", place=place() + " of another container")
    assert store.claim("w2") is None
    assert [s.host for s in store.workers()]
    moved(store, "w1", place=place())
    assert store.claim("w2") is not None


def test_a_worker_of_an_earlier_version_is_left_to_its_lease(store, gone):
    """It did not say which process it is."""
    held(store, "w1", gone)
    moved(store, "w1", place="")
    assert store.claim("w2") is None


@pytest.mark.parametrize(("kills", "said"), [(0, "something else than memory"), (1, "memory had run out")])
def test_memory_is_named_where_the_system_killed_for_it_and_nowhere_else(store, gone, tmp_path, monkeypatch, kills, said):
    """By the system's own count, which a worker notes with each sign of life."""
    counts = tmp_path / "memory.events"
    counts.write_text("low 0\noom 4\noom_kill 4\noom_group_kill 0\n")
    monkeypatch.setattr(process_alive, "CGROUP", counts)
    assert killed_for_memory() == 4
    id = store.submit(Look("/x"))
    for n in range(ATTEMPTS):
        assert store.claim(f"w{n}").id == id
        store.beat(f"w{n}", pid=gone, device="cpu")
        if n == 1:
            counts.write_text(f"oom_kill {4 + kills}\n")
    assert store.claim("last") is None
    assert said in store.status(id).error
    store.submit(Look("/x"))
    for n in range(ATTEMPTS):  # tried again, it is another story
        assert store.claim(f"v{n}").id == id
        store.beat(f"v{n}", pid=gone, device="cpu")
    assert store.claim("last") is None
    assert "something else" in store.status(id).error


def test_where_nothing_counts_nothing_is_claimed(tmp_path, monkeypatch):
    for name in ("CGROUP", "WHOLE"):
        monkeypatch.setattr(process_alive, name, tmp_path / "none")
    assert killed_for_memory() == 0
