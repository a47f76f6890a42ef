"""A store that takes nothing: a full disk, one that may not be written to, a damaged file. Said in a sentence, and nothing is lost or half kept."""

import sqlite3

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from explorer.core import locations
from explorer.core.errors import Refused
from explorer.engine import worker
from explorer.engine.run_loop import keep
from explorer.engine.worker import Worker
from explorer.store.run_store import RunStore
from explorer.store.sqlite import Unavailable
from explorer.ui.widgets import uploads


def fill(store):
    """From now on this thread's connection finds no room for another page."""
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count = {pages}")


def make_room(store):
    """There is room again."""
    store._db.execute("PRAGMA max_page_count = 1000000")


def quiet(run, folder):
    """The points of a run that nothing disturbs."""
    folder.mkdir()
    store = RunStore(folder / "store.sqlite")
    keep(run, store, folder, report=lambda *_: True)
    return store.points(run.field.id)[0].sorted()


def test_what_does_not_fit_is_refused_whole_and_goes_in_when_there_is_room(tiny, store, home):
    """Each append is kept or is not; the connection goes on working."""
    run = tiny.run()
    keep(run, store, home, report=lambda *_: True)
    (before, _) = store.points(run.field.id)
    fill(store)
    new, values = np.linspace(0.01, 0.02, 64)[:, None], np.ones((64, *before.values.shape[1:]))
    with pytest.raises(Unavailable, match="its disk is full"):
        store.append(run.field.id, new, values, seconds=1.0)
    assert np.array_equal(store.points(run.field.id)[0].values, before.values)
    make_room(store)
    store.append(run.field.id, new, values, seconds=1.0)
    assert len(store.points(run.field.id)[0]) == len(before) + 64


def test_a_run_on_a_full_disk_says_so_and_goes_on_where_it_was(tiny, store, home, tmp_path):
    """The points afterwards are those of a run that met no trouble, bit for bit."""
    run = tiny.run(size=33)
    store.submit(run)
    keep(tiny.run(), store, home, report=lambda *_: True)
    fill(store)
    Worker(store, home).work_off()
    status = store.status(run.id)
    assert status.state == "failed" and "its disk is full" in status.error
    make_room(store)
    store.submit(run)
    Worker(store, home).work_off()
    assert store.status(run.id).state == "done"
    found, wanted = store.points(run.field.id)[0].sorted(), quiet(run, tmp_path / "quiet")
    assert np.array_equal(found.coords, wanted.coords) and np.array_equal(found.values, wanted.values)


def test_a_worker_lays_its_wish_down_when_the_store_takes_it_again(tiny, store, home, monkeypatch):
    """It waits and does not die: the third attempt finds the store open."""
    id = store.submit(tiny.run())
    waits = []

    def rest(seconds):
        waits.append(seconds)
        if len(waits) == 2:
            store._db.execute("PRAGMA query_only = OFF")

    monkeypatch.setattr(worker.time, "sleep", rest)
    done = Worker(store, home)
    claimed = store.claim(done.id)
    store._db.execute("PRAGMA query_only = ON")
    done._lay_down(claimed, True, {"a": 1}, None)
    assert len(waits) == 2
    assert store.status(id).state == "done" and store.status(id).result == {"a": 1}


def test_a_store_that_may_only_be_read_shows_what_it_holds(tiny, store, home):
    """Writing is refused in a sentence, reading is not."""
    run = tiny.run()
    keep(run, store, home, report=lambda *_: True)
    store._db.execute("PRAGMA query_only = ON")
    for write in (lambda: store.submit(run), lambda: store.stop("x"), lambda: store.forget("x"), lambda: store.beat("w", pid=1, device="cpu")):
        with pytest.raises(Unavailable, match="may not be written to"):
            write()
    assert len(store.points(run.field.id)[0]) == 5


def test_a_mistake_of_ours_in_a_statement_is_not_dressed_up(store):
    """It is no trouble of the file's, and keeps its traceback."""
    with pytest.raises(sqlite3.OperationalError, match="syntax"):
        store._db.execute("SELEKT 1")


def a_folder(home):
    (home / "store.sqlite").mkdir()


def no_store(home):
    (home / "store.sqlite").write_bytes(b"this is no database at all" * 100)


def damaged(home):
    RunStore(home / "store.sqlite").close()
    data = bytearray((home / "store.sqlite").read_bytes())
    data[100:4096] = b"\xff" * 3996
    (home / "store.sqlite").write_bytes(data)


@pytest.mark.parametrize("spoil", [a_folder, no_store, damaged])
@pytest.mark.parametrize("page", ["home", "checkpoints", "runs"])
def test_a_page_says_what_is_wrong_with_the_store(page, spoil, home, monkeypatch):
    """One sentence, no traceback, and the file stays as it is."""
    monkeypatch.setenv("LOSS_EXPLORER_HIRE", "no")
    st.cache_resource.clear()
    spoil(home)
    before = (home / "store.sqlite").read_bytes() if (home / "store.sqlite").is_file() else b""
    app = AppTest.from_file(str(locations.root() / "app.py"), default_timeout=60).run()
    app.switch_page(str(locations.root() / "pages" / f"{page}.py")).run()
    assert len(app.error) == 1 and "store" in app.error[0].value
    assert not app.exception
    assert not before or (home / "store.sqlite").read_bytes() == before


def test_a_home_that_cannot_be_made_is_said(tmp_path, monkeypatch):
    """A file lies where its folder should be."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("LOSS_EXPLORER_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(Refused, match="LOSS_EXPLORER_HOME"):
        locations.home()


def test_uploads_have_a_limit_together(home, monkeypatch):
    """The same file again takes no more room; what does not fit leaves nothing behind."""
    monkeypatch.setattr(uploads, "LIMIT_BYTES", 100)
    first = uploads.keep("a.pt", b"x" * 60)
    assert uploads.keep("a.pt", b"x" * 60) == first
    with pytest.raises(Refused, match="together"):
        uploads.keep("b.pt", b"y" * 60)
    assert [p for p in (home / "uploads").rglob("*") if p.is_file()] == [first]
