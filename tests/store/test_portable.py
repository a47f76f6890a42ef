"""One run as a file: another store takes over exactly it, and nothing under a name that is not its own."""

from __future__ import annotations

import shutil
import sqlite3

import numpy as np
import pytest

from explorer.core.errors import Refused
from explorer.core.spec import Loaded, Look
from explorer.store.portable import export_run, import_runs
from explorer.store.records import Facts, Seen
from explorer.store.run_store import RunStore
from explorer.store.schema import MIGRATIONS
from tests.store.test_upkeep import a_run, filled


@pytest.fixture
def given(tmp_path):
    """A store with two runs, the first one's model inspected, and the file of that run."""
    store = RunStore(tmp_path / "store.sqlite")
    run, other = filled(store, a_run("a"), 30), filled(store, a_run("other"), 50)
    store.register(Facts("/models/a.safetensors", "a", digest="a"))
    store.register(Facts("/models/z.safetensors", "z", digest="z"))
    run_file = tmp_path / "run.sqlite"
    export_run(store, run.id, run_file)
    return store, run, other, run_file


def test_another_store_takes_over_the_run_with_its_points_and_names(given, tmp_path):
    """Those of its field and no others; twice is as good as once."""
    store, run, other, file = given
    theirs = RunStore(tmp_path / "theirs.sqlite")
    for _ in range(2):
        assert import_runs(theirs, file) == [run.id]
    status = theirs.status(run.id)
    assert status is not None and status.state == "done" and status.request == run
    assert np.array_equal(theirs.points(run.field.id)[0].values, store.points(run.field.id)[0].values)
    assert theirs.cost(run.field.id) == pytest.approx(30.0)
    assert theirs.status(other.id) is None and theirs.field(other.field.id) is None
    assert [facts.name for facts in theirs.checkpoints()] == ["a"]


def test_the_look_at_its_models_comes_with_it(tmp_path):
    """With the inner products, so that distances are known; that at other files does not."""
    store = RunStore(tmp_path / "store.sqlite")
    run = a_run("a")
    run = type(run)(type(run.field)(run.field.problem, (Loaded("a", path="/m/a.pt"), Loaded("b", path="/m/b.pt")), run.field.chart), run.sampler)
    filled(store, run)
    for place, digests in (("/m", ["a", "b"]), ("/n", ["c"])):
        look = Look(place)
        store.submit(look)
        store.claim("w")
        store.keep_gram(look.id, digests, 2 * np.eye(len(digests)))
        store.release(look.id, "w", finished=True, result=Seen(()).to_json())
    export_run(store, run.id, tmp_path / "run.sqlite")
    theirs = RunStore(tmp_path / "theirs.sqlite")
    import_runs(theirs, tmp_path / "run.sqlite")
    assert [s.request.path for s in theirs.statuses("Look")] == ["/m"]
    assert np.array_equal(theirs.gram(["b", "a"]), 2 * np.eye(2)) and theirs.gram(["c"]) is None


def test_a_file_that_is_there_is_not_overwritten(given):
    store, run, _, file = given
    before = file.read_bytes()
    with pytest.raises(Refused, match="exists already"):
        export_run(store, run.id, file)
    with pytest.raises(Refused, match="This store has no run nobody"):
        export_run(store, "nobody", file.with_name("new.sqlite"))
    assert file.read_bytes() == before
    assert sorted(p.name for p in file.parent.iterdir() if p.name.startswith(".")) == []


def changed(file, tmp_path, *statements: str):
    """The file, tampered with."""
    path = tmp_path / "changed.sqlite"
    shutil.copy(file, path)
    with sqlite3.connect(path) as db:
        for statement in statements:
            db.execute(statement)
    db.close()
    return path


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE field SET id = 'somebody-elses'", "has points of a field somebody-elses"),
        ("UPDATE wish SET id = 'somebody-elses'", "has a request somebody-elses"),
        ("UPDATE wish SET subject = 'somebody-elses'", "has a request"),
        ("UPDATE wish SET spec = '{}'", "has a request"),
        ("CREATE VIEW v AS SELECT 1", "is not a store's file"),
        ("CREATE TRIGGER t AFTER INSERT ON point BEGIN DELETE FROM wish; END", "is not a store's file"),
        ("DROP TABLE checkpoint", "is not a store's file"),
        (f"PRAGMA user_version = {len(MIGRATIONS) + 1}", "was written by a newer explorer"),
    ],
)
def test_what_is_not_what_its_names_say_is_refused(given, tmp_path, statement, said):
    """And nothing of it is taken over: its points would be taken for those of the runs they are named after."""
    theirs = RunStore(tmp_path / "theirs.sqlite")
    with pytest.raises(Refused, match=said):
        import_runs(theirs, changed(given[3], tmp_path, statement))
    assert theirs.statuses() == [] and theirs.checkpoints() == []


def test_what_is_no_store_is_refused(given, tmp_path):
    """Text, nothing at all, half a file, and no file."""
    theirs, path = RunStore(tmp_path / "theirs.sqlite"), tmp_path / "x.sqlite"
    for content in (b"", b"hello", given[3].read_bytes()[:20_000]):
        path.write_bytes(content)
        with pytest.raises(Refused, match=r"x\.sqlite (holds no run|cannot be read|is damaged)"):
            import_runs(theirs, path)
    with pytest.raises(Refused):
        import_runs(theirs, tmp_path / "nobody.sqlite")
    assert theirs.statuses() == []
