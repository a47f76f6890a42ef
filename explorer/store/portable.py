"""One run as a file of its own, which another person's store takes over: a small store that holds it, what else was measured of its field, and its models' names."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import uuid
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from explorer.checkpoints.sharded import family_folder
from explorer.core.allowed_folders import opened
from explorer.core.errors import Refused
from explorer.core.files import system
from explorer.core.spec import Field, Look, Run, files_of
from explorer.stats.preview_confirmation import exact
from explorer.store import readable
from explorer.store.run_store import RunStore
from explorer.store.schema import MIGRATIONS

ENDING = ".sqlite"
HEAD = b"SQLite format 3\x00"
AT_ONCE = 2**20  # bytes that are copied


def export_run(store: RunStore, run_id: str, path: Path) -> None:
    """Write a run into a new file. Refused when there is no such run, or the file exists."""
    status = store.status(run_id)
    if status is None or not isinstance(run := status.request, Run):
        raise Refused(f"This store has no run {run_id}. `loss-explorer runs` and the page Runs list those it has.")
    if path.exists():
        raise Refused(f"{path} exists already. Choose another name, or remove it.")
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        with system(path, "write"):
            RunStore(part).close()
        with closing(sqlite3.connect(part, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = DELETE")
            db.execute("ATTACH ? AS home", (str(store.path),))
            db.execute("BEGIN")
            _copy(db, run)
            db.execute("COMMIT")
            db.execute("DETACH home")
            db.execute("VACUUM")
        with system(path, "write"):
            os.link(part, path)  # never in the place of a file that came meanwhile
    except FileExistsError:
        raise Refused(f"{path} exists already. Choose another name, or remove it.") from None
    finally:
        for left in path.parent.glob(f"{part.name}*"):
            with suppress(OSError):
                left.unlink()


def _copy(db: sqlite3.Connection, run: Run) -> None:
    """From the store that is attached as `home`."""
    fields = json.dumps([run.field.id, exact(run.field).id])
    files = list(files_of(run))
    digests, paths = json.dumps([f.digest for f in files]), [f.path for f in files if f.path]
    looks = [id for id, text in db.execute("SELECT id, spec FROM home.wish WHERE kind = 'Look' AND phase = 'done'") if _looks_at(text, paths)]
    wanted = {"fields": fields, "digests": digests, "looks": json.dumps(looks)}
    within = "IN (SELECT value FROM json_each(:fields))"
    shared = [
        c for _, c, *_, hidden in db.execute("PRAGMA main.table_xinfo(wish)") if not hidden and c not in ("owner", "roots")
    ]  # who asked, and where that server keeps its models, stays there
    columns = ", ".join(shared)
    for statement in (
        f"INSERT INTO main.field SELECT * FROM home.field WHERE id {within}",
        f"INSERT INTO main.point (field, coords, value, seconds) SELECT field, coords, value, seconds FROM home.point WHERE field {within} ORDER BY seq",
        f"INSERT INTO main.wish ({columns}) SELECT {columns} FROM home.wish WHERE finished IS NOT NULL AND lease = 0"
        f" AND (kind = 'Run' AND subject {within} OR id IN (SELECT value FROM json_each(:looks)))",
        "INSERT INTO main.plan SELECT * FROM home.plan WHERE wish IN (SELECT id FROM main.wish)",
        "INSERT INTO main.result SELECT * FROM home.result WHERE request IN (SELECT id FROM main.wish)",
        "INSERT INTO main.products SELECT * FROM home.products WHERE request IN (SELECT id FROM main.wish)",
        "INSERT INTO main.checkpoint SELECT * FROM home.checkpoint WHERE digest IN (SELECT value FROM json_each(:digests))",
        "INSERT INTO main.tally (field, points, seconds) SELECT field, count(*), total(seconds) FROM main.point GROUP BY field",
    ):
        db.execute(statement, wanted)


def _looks_at(text: str, paths: list[str]) -> bool:
    """Whether it is the look at one of these files, or at the folder of one."""
    found = readable.spec_or_none(text)
    return isinstance(found, Look) and any(found.path in (path, str(Path(path).parent), str(family_folder(path))) for path in paths)


def import_runs(store: RunStore, path: Path) -> list[str]:
    """Take over the runs of such a file, or of any store; their ids. What is here already stays. Refused when it is no store, or when what stands in it has
    other names than follow from it: points under another field's name would be taken for its own."""
    with _copied(path, store.path.parent) as copy:
        try:
            with closing(sqlite3.connect(f"{copy.as_uri()}?mode=ro&immutable=1", uri=True)) as db:
                runs = _checked(db, path.name)
        except sqlite3.DatabaseError as error:
            raise Refused(f"{path.name} cannot be read as a store ({error}). Ask for the file once more.") from error
        store.absorb(copy)
    return runs


@contextmanager
def _copied(path: Path, room: Path) -> Generator[Path, None, None]:
    """A store's file as it is once opened, in a folder of ours: SQLite opens by name, whatever that leads to by then, and what is checked is what is taken."""
    with system(path, "read"), opened(path) as file:
        if file.read(len(HEAD)) != HEAD:
            raise Refused(f"{path.name} holds no run: it is not a store's file. `loss-explorer export` and the page Runs write such files.")
        file.seek(0)
        with system(room, "written to"), TemporaryDirectory(prefix=".import-", dir=room) as folder:
            copy = Path(folder).absolute() / "store.sqlite"
            with copy.open("wb") as target:
                shutil.copyfileobj(file, target, AT_ONCE)
            yield copy


def _checked(db: sqlite3.Connection, name: str) -> list[str]:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise Refused(f"{name} was written by a newer explorer (schema {version}, known {len(MIGRATIONS)}). Upgrade the explorer.")
    kinds = dict(db.execute("SELECT name, type FROM sqlite_schema WHERE type IN ('table', 'view', 'trigger')").fetchall())
    if set(kinds.values()) - {"table"} or not {"field", "point", "wish", "checkpoint"} <= set(kinds):
        raise Refused(f"{name} holds no run: it is not a store's file. `loss-explorer export` and the page Runs write such files.")
    if db.execute("PRAGMA quick_check").fetchone()[0] != "ok":
        raise Refused(f"{name} is damaged. Ask for the file once more.")
    for id, text in db.execute("SELECT id, spec FROM field"):
        found = readable.spec_or_none(text)
        if not isinstance(found, Field) or found.id != id:
            raise Refused(
                f"{name} has points of a field {id} that this version cannot read, or whose name is not its own. Upgrade the explorer, or ask for the file once more."
            )
    runs: list[str] = []
    for id, text, kind, subject in db.execute("SELECT id, spec, kind, subject FROM wish WHERE finished IS NOT NULL"):
        found = readable.spec_or_none(text)
        own = found.field.id if isinstance(found, Run) else id
        if found is None or (found.id, type(found).__name__, own) != (id, kind, subject):
            raise Refused(
                f"{name} has a request {id} that this version cannot read, or whose name is not its own. Upgrade the explorer, or ask for the file once more."
            )
        runs += [id] if isinstance(found, Run) else []
    return runs
