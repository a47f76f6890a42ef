"""A SQLite file that several threads and processes use at once: a connection a thread, whole transactions, a schema that grows.

Whatever does not work out for want of room, rights or a sound file is said in a sentence.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from explorer.core.errors import Refused

TROUBLE: Mapping[int, str] = {  # what SQLite says, by the low byte of its code, and what to do
    sqlite3.SQLITE_FULL: "its disk is full. Free some space; everything stored before is still there",
    sqlite3.SQLITE_IOERR: "its disk fails to read or write. Check whether it is full or failing; everything stored before is still there",
    sqlite3.SQLITE_READONLY: "it may not be written to. Change its permissions, or choose another folder with LOSS_EXPLORER_HOME",
    sqlite3.SQLITE_CANTOPEN: "its folder is missing or may not be written to. Change its permissions, or choose another folder with LOSS_EXPLORER_HOME",
    sqlite3.SQLITE_BUSY: "it has been locked by others for half a minute. Try again",
    sqlite3.SQLITE_CORRUPT: "its file is damaged. Move it away and put a copy in its place; without one, a new store begins empty",
    sqlite3.SQLITE_NOTADB: "its file is not a store. Move it away and put a copy in its place; without one, a new store begins empty",
}


class Unavailable(Refused):
    """The store cannot be read or written for now; nothing that was kept is lost, and nothing was half kept."""


class Database:
    """One file, brought to the newest of the schemas that `migrations` lead to, each a script of statements. Unavailable when it cannot be.

    tests: what its statements may call, by name, with two columns. read_only: whether the file or its folder may not be written to; then what it holds is read.
    """

    def __init__(self, path: Path, migrations: Sequence[str], tests: Mapping[str, Callable[[str, str | None], bool]]) -> None:
        self.path = path
        self._tests = tests
        self._local = threading.local()
        self.read_only = path.is_file() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > len(migrations):
            raise Unavailable(f"{self.path} was written by a newer explorer (schema {version}, known {len(migrations)}). Upgrade the explorer.")
        if self.read_only:
            if version < len(migrations):
                raise Unavailable(
                    f"{self.path} was written by an earlier explorer and has to be brought up to date, but {TROUBLE[sqlite3.SQLITE_READONLY]}."
                )
            return
        with self._write() as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            for number, script in enumerate(migrations[version:], start=version + 1):
                for statement in script.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {number}")

    def close(self) -> None:
        """Close this thread's connection; the file then holds everything. The store may go on being used."""
        if (db := getattr(self._local, "db", None)) is not None:
            if not self.read_only:
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            db.close()
            self._local.db = None

    def version(self) -> int:
        """A number that differs from what this thread was told before when, and only when, another thread or process has written since. Costs microseconds."""
        return self._db.execute("PRAGMA data_version").fetchone()[0]

    @property
    def _db(self) -> sqlite3.Connection:
        if (db := getattr(self._local, "db", None)) is None:
            with _translated(self.path):
                db = sqlite3.connect(self._uri(), uri=True, timeout=30.0, isolation_level=None, factory=_Connection)
            db.file = self.path
            if not self.read_only:
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = NORMAL")
            for name, test in self._tests.items():
                db.create_function(name, 2, test, deterministic=True)
            self._local.db = db
        return cast("sqlite3.Connection", db)

    def _uri(self) -> str:
        """Without a log there is nobody who writes, and SQLite need not make one to read; with one, what stands in the log counts."""
        uri = self.path.absolute().as_uri()
        if not self.read_only:
            return uri
        log = self.path.with_name(f"{self.path.name}-wal")
        return f"{uri}?mode=ro" if log.is_file() and log.stat().st_size else f"{uri}?mode=ro&immutable=1"

    @contextmanager
    def _write(self) -> Generator[sqlite3.Connection, None, None]:
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:  # SQLite has rolled back itself when the disk is full
                db.execute("ROLLBACK")
            raise


class _Connection(sqlite3.Connection):
    """A connection whose statements say in a sentence what is wrong with the file."""

    file = Path()

    def execute(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = (), /) -> sqlite3.Cursor:  # pyright: ignore[reportIncompatibleMethodOverride]
        with _translated(self.file):
            return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> sqlite3.Cursor:  # pyright: ignore[reportIncompatibleMethodOverride]
        with _translated(self.file):
            return super().executemany(sql, parameters)


@contextmanager
def _translated(path: Path) -> Generator[None, None, None]:
    """What SQLite says about the file, as Unavailable; a mistake in a statement stays what it is."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if (trouble := TROUBLE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)) is None:
            raise
        raise Unavailable(f"The store {path} is not available: {trouble} ({error}).") from error
