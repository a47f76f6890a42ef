"""The store's file on the command line: how full it is, what may go, and a run that goes to another store."""

import sqlite3

import pytest

from explorer.core.spec import Look
from explorer.store.records import Facts
from explorer.store.run_store import RunStore
from tests.commands.test_main import run
from tests.store.test_made_models import ALIGNED, TRAINED, put, through
from tests.store.test_upkeep import a_run, filled


@pytest.fixture
def kept(home):
    """The id of a run in the user's store."""
    return filled(RunStore.within(home), a_run("a"), 30).id


def test_a_run_goes_to_another_store_as_a_file(kept, home, tmp_path):
    """Its points are there afterwards; the file is not overwritten."""
    file, there = tmp_path / "run.sqlite", tmp_path / "theirs"
    assert str(file) in run("export", kept, file)
    assert "exists already" in run("export", kept, file, code=2)
    assert run("import", file, "--home", there) == kept
    status = RunStore.within(there).status(kept)
    assert status is not None and len(RunStore.within(there).points(status.request.field.id)[0]) == 30
    (tmp_path / "text.sqlite").write_text("no store")
    assert "text.sqlite" in run("import", tmp_path / "text.sqlite", code=2)


def test_what_no_run_needs_is_swept(kept, home):
    """A forgotten run's points go with the sweep, and not before; a limit is said until it is taken back."""
    store = RunStore.within(home)
    field = store.status(kept).request.field.id
    store.forget(kept)
    assert store.count(field) == 30
    assert "Swept" in run("store", "--sweep")
    assert store.count(field) == 0 and not len(store.points(field)[0])
    assert "Compacted" in run("store", "--compact")
    assert "20" in run("store", "--limit", "20 GB") and store.limit() == 20 * 10**9
    run("store", "--limit", "none")
    assert store.limit() is None
    assert "A size is a number with a unit" in run("store", "--limit", "much", code=2)


def test_a_run_that_is_not_there_is_refused(home):
    """In one sentence, which names where to look."""
    assert "This store has no run nobody" in run("store", "--pin", "nobody", code=2)


def test_models_are_listed_before_they_are_removed(home):
    """Nothing goes without --yes; what a listed run needs is neither listed nor removed."""
    store, kept, gone = RunStore.within(home), put(ALIGNED, home), put(TRAINED, home)
    store.submit(through(ALIGNED))
    said = run("store", "--models")
    assert gone.name in said and kept.name not in said and "Nothing was removed" in said
    assert gone.exists()
    assert "Removed" in run("store", "--models", "--yes")
    assert kept.exists() and not gone.exists()
    assert "There is no model" in run("store", "--models")
    assert "--yes goes with --models" in run("store", "--yes", code=2)


def test_the_operator_stops_and_removes_what_anybody_asked_for(kept, home):
    """And sees whose it is."""
    store = RunStore.within(home)
    id = store.submit(Look("/models/a"), owner="ada@example.org")
    assert f"{id} waiting ada@example.org Inspect /models/a" in run("store", "--queue")
    run("store", "--stop", id)
    assert store.status(id).state == "stopped"
    run("store", "--remove", id, "--remove", kept)
    assert store.status(id) is None and store.status(kept) is None
    assert "This store has no request" in run("store", "--stop", id, code=2)
    store.register(Facts("/models/a", "a", digest="a"), owner="ada@example.org")
    run("store", "--unregister", "/models/a")
    assert not store.checkpoints()
    assert "No checkpoint is registered as" in run("store", "--unregister", "/models/a", code=2)


def test_a_backup_is_a_whole_store_made_while_it_is_used(kept, home, tmp_path):
    """Another writer is in the middle of it; what was not finished is not in the copy, everything else is."""
    store = RunStore.within(home)
    writing = sqlite3.connect(home / "store.sqlite", isolation_level=None)
    writing.execute("BEGIN IMMEDIATE")
    writing.execute("DELETE FROM wish")
    store.export(tmp_path / "copy.sqlite")
    writing.execute("ROLLBACK")
    copy = RunStore(tmp_path / "copy.sqlite")
    field = store.status(kept).request.field.id
    assert copy.status(kept).state == "done"
    assert copy.points(field)[0].values.tobytes() == store.points(field)[0].values.tobytes()
    assert "exists already" in run("store", "--backup", tmp_path / "copy.sqlite", code=2)
    run("store", "--backup", tmp_path / "other.sqlite")
    assert RunStore(tmp_path / "other.sqlite").status(kept).state == "done"
