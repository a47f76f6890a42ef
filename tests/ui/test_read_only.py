"""A home that is mounted for reading only: what was measured is shown, and what cannot be done is said in a sentence. Needs root, who may mount."""

import shutil
import subprocess

import numpy as np
import pytest
from typer.testing import CliRunner

from explorer.commands.main import app as command_line
from explorer.core import locations
from explorer.store.run_store import RunStore
from explorer.store.sqlite import Unavailable
from explorer.ui.frame.page import READ_ONLY
from tests.engine.test_small_disk import mounted

PAGES = sorted(path.stem for path in (locations.root() / "pages").glob("*.py"))


@pytest.fixture
def locked(tiny, store, work, home, monkeypatch):
    """A finished run, whose store nobody may write to from now on."""
    run = tiny.run()
    store.submit(run)
    work()
    before = store.points(run.field.id)[0].values
    store.close()
    mounted("--bind", str(home), str(home))
    subprocess.run(["mount", "-o", "remount,bind,ro", str(home)], check=True)
    yield run, before
    subprocess.run(["umount", "--lazy", str(home)], check=True)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_and_says_so(page, locked, visit):
    """Once, with no traceback."""
    app = visit(page)
    assert not app.exception
    assert [info.value for info in app.info].count(READ_ONLY) == 1
    assert len(app.error) <= 1


def test_a_finished_run_is_shown(locked, visit):
    run, _ = locked
    app = visit("interpolate", run=run.id)
    assert not app.exception and not app.error
    assert len(app.get("plotly_chart")) + len(app.get("bidi_component")) >= 1


def test_what_it_holds_is_read_and_nothing_is_written(locked, home, tiny):
    run, before = locked
    store = RunStore(home / "store.sqlite")
    assert store.read_only and store.status(run.id).state == "done"
    assert np.array_equal(store.points(run.field.id)[0].values, before)
    with pytest.raises(Unavailable, match="may not be written to"):
        store.submit(tiny.run(9))
    store.close()
    assert [p.name for p in home.glob("store*")] == ["store.sqlite"]


def test_a_log_that_somebody_left_is_read_too(tiny, store, work, home):
    """A worker was killed, and the disk mounted for reading only: what stands in the log alone is there."""
    run = tiny.run()
    store.submit(run)
    work()
    wanted = store.points(run.field.id)[0].values
    other = home.parent / "other"
    shutil.copytree(home, other)
    assert (other / "store.sqlite-wal").stat().st_size
    mounted("--bind", str(other), str(other))
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(other)], check=True)
        found = RunStore(other / "store.sqlite")
        assert found.read_only and np.array_equal(found.points(run.field.id)[0].values, wanted)
        found.close()
    finally:
        subprocess.run(["umount", "--lazy", str(other)], check=True)


@pytest.mark.parametrize(
    "words", [["runs"], ["store"], ["barrier"], ["plane"], ["align"], ["path"], ["look"], ["worker", "--idle", "1"], ["store", "--sweep"]]
)
def test_every_command_reads_or_says_where_it_cannot_write(words, locked, home, tiny):
    """Never a traceback."""
    name, *options = words
    files = [str(tiny.a), str(tiny.b)] if name in ("barrier", "align", "path") else [str(tiny.a), str(tiny.b), str(tiny.a)] if name == "plane" else []
    done = CliRunner().invoke(command_line, [name, *(files or ([str(tiny.folder)] if name == "look" else [])), *options])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    if words in (["runs"], ["store"]):
        assert done.exit_code == 0
        assert name != "runs" or locked[0].id in done.output
    elif done.exit_code:
        said = " ".join(done.output.split())
        assert done.exit_code == 2 and "may not be written to" in said and str(home) in said, said
