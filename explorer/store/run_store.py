"""RunStore: every evaluated point and every request, in one SQLite file that is also the export format.

Only the driver of a run writes points; anybody may read. A request is done by the worker that claims it: one statement sets a
lease, a heartbeat renews it, and when a worker dies its lease runs out (at once, if it died on this machine) and the next
worker goes on where the points end. Runs of one field are never worked on at the same time, so no point is computed twice.

The state of a request is derived from what happened to it (lease, error, finish, stop) and stored nowhere. Arrays are float64
blobs: SQLite turns a REAL NaN into NULL, and a diverged point must stay NaN.

A row that this version cannot read (explorer.store.readable) is listed by `unreadable`, and left alone by everything else.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np

from explorer.core import registry
from explorer.core.points import Array, Points, no_points, rounded
from explorer.core.spec import Field, Json, Request, Run, Spec
from explorer.store import readable
from explorer.store.job_status import State, Status
from explorer.store.process_alive import alive
from explorer.store.readable import Unknown, Unreadable
from explorer.store.records import Facts, FieldFacts, Serving
from explorer.store.sqlite import Database

URGENT, IDLE = 1, -1  # ranks of requests; 0 is that of everything else
LEASE_S = 15.0
ATTEMPTS = 3  # a request over which so many workers died in a row, without a single new point, is given up
HOST = socket.gethostname()
REQUEST_COLUMNS = (
    "id, kind, subject, urgent, spec, created, worker, lease, started, finished, error, stopped, attempts, done, total, fresh, message, result"
)
SPEC = REQUEST_COLUMNS.split(", ").index("spec")
MIGRATIONS = (
    """
    CREATE TABLE field (
        id TEXT PRIMARY KEY, spec TEXT NOT NULL, shape TEXT NOT NULL, counts BLOB NOT NULL, gram BLOB NOT NULL, facts TEXT NOT NULL, created REAL NOT NULL
    );
    CREATE TABLE point (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, field TEXT NOT NULL REFERENCES field(id), coords BLOB NOT NULL, value BLOB NOT NULL, seconds REAL NOT NULL,
        UNIQUE (field, coords)
    );
    CREATE TABLE wish (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL, urgent INTEGER NOT NULL, spec TEXT NOT NULL, created REAL NOT NULL,
        worker TEXT, lease REAL NOT NULL DEFAULT 0, started REAL, finished REAL, error TEXT, stopped INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,
        done INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0, fresh INTEGER NOT NULL DEFAULT 0, message TEXT NOT NULL DEFAULT '', result TEXT
    );
    CREATE INDEX wish_subject ON wish (subject);
    CREATE TABLE checkpoint (
        path TEXT PRIMARY KEY, digest TEXT NOT NULL, facts TEXT NOT NULL, seen REAL NOT NULL
    );
    CREATE INDEX checkpoint_digest ON checkpoint (digest);
    CREATE TABLE worker (id TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, device TEXT NOT NULL, beat REAL NOT NULL);
    """,
    "CREATE TABLE made (recipe TEXT PRIMARY KEY, facts TEXT NOT NULL, created REAL NOT NULL)",
    "ALTER TABLE wish ADD COLUMN roots TEXT",  # JSON list of the folders it may read; NULL: all of them
    """
    ALTER TABLE worker ADD COLUMN title TEXT NOT NULL DEFAULT '';
    ALTER TABLE worker ADD COLUMN sees TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE worker ADD COLUMN free INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE worker ADD COLUMN total INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE plan (wish TEXT PRIMARY KEY, plan TEXT NOT NULL, took TEXT)
    """,
    "CREATE INDEX point_seconds ON point (field, seconds)",  # sums of seconds are then read without the values that stand before them
)


class RunStore(Database):
    """One SQLite file. Safe to use from several threads and processes at once.

    `roots`: the folders that a request put down here may read, None for all. Whatever does not work out for want of room, rights or a sound file is Unavailable.
    """

    def __init__(self, path: Path | str, *, clock: Callable[[], float] = time.time, roots: Sequence[str] | None = None) -> None:
        super().__init__(Path(path), MIGRATIONS, {"readable": _readable, "here": _here})
        self.clock = clock
        self.roots = roots
        self._known: dict[str, tuple[tuple[object, ...], float]] = {}  # of every field: its kind, and the items of a point

    @classmethod
    def within(cls, home: Path, *, roots: Sequence[str] | None = None) -> RunStore:
        """The store of a home folder (explorer.core.locations)."""
        return cls(home / "store.sqlite", roots=roots)

    # --- requests -------------------------------------------------------------------------------------------------------

    def submit(self, request: Request, *, urgent: bool = False, idle: bool = False, again: bool = False) -> str:
        """Put a request down and return its id. A request that failed or was stopped is taken up again; one that is done stays done, unless `again`.

        urgent: somebody waits for it at this moment. idle: nobody asked for it, it may be there when somebody does; everything else goes first.
        """
        rank = URGENT if urgent else IDLE if idle else 0
        subject = request.field.id if isinstance(request, Run) else request.id
        with self._write() as db:
            db.execute(
                "INSERT INTO wish (id, kind, subject, urgent, spec, created, roots) VALUES (?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET error = NULL, stopped = 0, attempts = 0, finished = NULL, result = NULL, roots = excluded.roots "
                "WHERE error IS NOT NULL OR stopped = 1 OR (? AND finished IS NOT NULL)",
                (request.id, type(request).__name__, subject, rank, json.dumps(request.to_json()), self.clock(), _listed(self.roots), again),
            )
            db.execute("UPDATE wish SET urgent = ? WHERE id = ? AND urgent < ?", (rank, request.id, rank))
        return request.id

    def filed(self, run: Run, points: int) -> str:
        """Put down a run that was carried out without a worker, as done, and return its id. One that somebody is working on stays as it is."""
        now = self.clock()
        with self._write() as db:
            db.execute(
                "INSERT INTO wish (id, kind, subject, urgent, spec, created, started, finished, done, total, roots) VALUES (?, 'Run', ?, 0, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET finished = excluded.finished, error = NULL, stopped = 0, done = excluded.done, total = excluded.total"
                " WHERE finished IS NULL AND lease <= excluded.created",
                (run.id, run.field.id, json.dumps(run.to_json()), now, now, now, points, points, _listed(self.roots)),
            )
        return run.id

    def status(self, id: str) -> Status | None:
        """How a request stands; None when nobody has requested it here, or in a way that cannot be read."""
        row = self._db.execute("SELECT * FROM wish WHERE id = ? AND readable(spec, result)", (id,)).fetchone()
        return None if row is None else self._status(row)

    def statuses(self, kind: str = "Run", *, limit: int = 200) -> list[Status]:
        """The latest requests of a kind, newest first; without those that are unreadable, or whose methods are not here."""
        rows = self._db.execute(
            "SELECT * FROM wish WHERE kind = ? AND readable(spec, result) ORDER BY created DESC, rowid DESC LIMIT ?", (kind, limit)
        )
        known: dict[str, list[str]] = {}
        return [self._status(row) for row in rows.fetchall() if not readable.missing(row[SPEC], known)]

    def unreadable(self) -> list[Unreadable]:
        """The requests and checkpoints that nothing else here speaks of, newest first: those of another version, and those whose methods are not here."""
        requests = self._db.execute("SELECT id, kind, spec, result FROM wish ORDER BY created DESC, rowid DESC").fetchall()
        files = self._db.execute("SELECT path, facts FROM checkpoint ORDER BY seen DESC").fetchall()
        known: dict[str, list[str]] = {}
        against = [(id, kind, _against(partial(readable.request, text, result), text, known)) for id, kind, text, result in requests]
        against += [(path, "Checkpoint", _against(partial(readable.facts, text), text, known)) for path, text in files]
        return [Unreadable(id, kind, why) for id, kind, why in against if why]

    def stop(self, id: str) -> None:
        """Ask for a request to be given up; what it has computed stays."""
        with self._write() as db:
            db.execute("UPDATE wish SET stopped = 1 WHERE id = ? AND finished IS NULL", (id,))

    def forget(self, id: str) -> None:
        """Remove a request from the list. The points stay: they belong to the field."""
        with self._write() as db:
            db.execute("DELETE FROM wish WHERE id = ? AND lease <= ?", (id, self.clock()))

    def waiting(self) -> int:
        """How many requests nobody works on."""
        (count,) = self._db.execute(
            "SELECT count(*) FROM wish WHERE finished IS NULL AND error IS NULL AND stopped = 0 AND lease <= ? AND here(spec, result)",
            (self.clock(),),
        ).fetchone()
        return count

    # --- workers ------------------------------------------------------------------------------------------------------

    def beat(self, worker: str, *, pid: int, device: str, title: str = "", sees: Sequence[str] = (), memory: tuple[int, int] = (0, 0)) -> None:
        """A worker says that it lives; whatever it holds stays its own for another lease.

        memory: bytes free and in all on its device. sees: the accelerators of its machine.
        """
        now = self.clock()
        with self._write() as db:
            db.execute(
                "INSERT INTO worker (id, host, pid, device, beat, title, sees, free, total) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET beat = excluded.beat, free = excluded.free, total = excluded.total",
                (worker, HOST, pid, device, now, title, json.dumps(list(sees)), *memory),
            )
            db.execute("UPDATE wish SET lease = ? WHERE worker = ? AND lease > 0 AND finished IS NULL", (now + LEASE_S, worker))

    def retire(self, worker: str) -> None:
        """A worker leaves."""
        with self._write() as db:
            db.execute("DELETE FROM worker WHERE id = ?", (worker,))

    def workers(self) -> list[Serving]:
        """The workers that are alive, the first to have come first."""
        self._bury()
        rows = self._db.execute(
            "SELECT host, device, title, free, total, sees FROM worker WHERE beat > ? ORDER BY rowid", (self.clock() - LEASE_S,)
        ).fetchall()
        return [Serving(host, device, title, free, total, tuple(json.loads(sees))) for host, device, title, free, total, sees in rows]

    def claim(self, worker: str, *, above: int = IDLE - 1) -> Status | None:
        """Take the next request that nobody works on and whose rank is above a given one, urgent ones first, idle ones last; None when there is none.
        Requests that cannot be read, or whose methods are not here, are left for a worker that has them.

        A request whose field another worker is busy with has to wait, so that nothing is computed twice.
        """
        self._bury()
        if not self.waiting():  # a read: an idle worker never takes the write lock
            return None
        now = self.clock()
        with self._write() as db:
            db.execute(
                "UPDATE wish SET error = ? WHERE attempts >= ? AND finished IS NULL AND error IS NULL AND lease <= ?",
                (
                    f"{ATTEMPTS} workers died on this, most likely because they ran out of memory. Use fewer or smaller models, then try again.",
                    ATTEMPTS,
                    now,
                ),
            )
            row = db.execute(
                "UPDATE wish SET attempts = attempts + 1, worker = :worker, lease = :until, started = :now, fresh = 0, message = '' WHERE id = ("
                "  SELECT id FROM wish AS w WHERE finished IS NULL AND error IS NULL AND stopped = 0 AND lease <= :now AND urgent > :above AND here(spec, result)"
                "  AND NOT EXISTS (SELECT 1 FROM wish AS o WHERE o.subject = w.subject AND o.lease > :now AND o.worker <> :worker)"
                "  ORDER BY urgent DESC, created, rowid LIMIT 1) RETURNING *",
                {"worker": worker, "until": now + LEASE_S, "now": now, "above": above},
            ).fetchone()
        return None if row is None else self._status(row)

    def report(self, id: str, worker: str, *, done: int, total: int, fresh: int = 0, message: str = "") -> bool:
        """Note progress. False when the request was stopped or is no longer this worker's: then stop."""
        with self._write() as db:
            cursor = db.execute(
                "UPDATE wish SET done = ?, total = ?, fresh = ?, message = ?, attempts = iif(? > 0, 0, attempts) WHERE id = ? AND worker = ? AND stopped = 0",
                (done, total, fresh, message, fresh, id, worker),
            )
        return cursor.rowcount == 1

    def release(self, id: str, worker: str, *, finished: bool = False, error: str | None = None, result: Json = None) -> None:
        """Lay a request down: finished, failed with a sentence for its owner, or simply let go (it was stopped)."""
        with self._write() as db:
            db.execute(
                "UPDATE wish SET lease = 0, finished = ?, error = ?, result = ? WHERE id = ? AND worker = ?",
                (self.clock() if finished else None, error, json.dumps(result), id, worker),
            )

    # --- fields and points --------------------------------------------------------------------------------------------

    def open_field(self, field: Field, *, shape: Sequence[int], counts: Array, gram: Array, facts: Mapping[str, Json]) -> None:
        """Make a field known, before its first point. Doing so again changes nothing."""
        with self._write() as db:
            db.execute(
                "INSERT OR IGNORE INTO field VALUES (?, ?, ?, ?, ?, ?, ?)",
                (field.id, json.dumps(field.to_json()), json.dumps(list(shape)), _blob(counts), _blob(gram), json.dumps(dict(facts)), self.clock()),
            )

    def field(self, id: str) -> FieldFacts | None:
        """What is known of a field; None before a worker has opened it, or where another version has in a way that cannot be read."""
        row = self._db.execute("SELECT spec, shape, counts, gram, facts FROM field WHERE id = ?", (id,)).fetchone()
        if row is None:
            return None
        spec, shape, counts, gram, facts = row
        if (field := _field(spec)) is None:
            return None
        corners = len(field.corners)
        return FieldFacts(field, tuple(json.loads(shape)), _array(counts), _array(gram).reshape(corners, corners), json.loads(facts))

    def append(self, field_id: str, coords: Array, values: Array, *, seconds: float) -> None:
        """Keep points: coords (K, d), values (K, *shape). A point that is there already stays as it was."""
        rows = [(field_id, _blob(c), _blob(v), seconds / len(coords)) for c, v in zip(rounded(coords), values, strict=True)]
        with self._write() as db:
            db.executemany("INSERT OR IGNORE INTO point (field, coords, value, seconds) VALUES (?, ?, ?, ?)", rows)

    def points(self, field_id: str, *, after: int = 0, bare: bool = False) -> tuple[Points, int]:
        """The points of a field that came after a sequence number, and the last number seen. `bare`: without values, which then are (K, 0, 0)."""
        row = self._db.execute("SELECT shape, counts FROM field WHERE id = ?", (field_id,)).fetchone()
        if row is None:
            return no_points(1), after
        shape, counts = cast("list[int]", json.loads(row[0])), _array(row[1])
        if bare:
            shape = [0, 0]
        value = "NULL" if bare else "value"
        rows = self._db.execute(f"SELECT seq, coords, {value} FROM point WHERE field = ? AND seq > ? ORDER BY seq", (field_id, after)).fetchall()
        if not rows:
            spec = Field.from_json(json.loads(self._db.execute("SELECT spec FROM field WHERE id = ?", (field_id,)).fetchone()[0]))
            return Points(np.empty((0, registry.dimension(spec))), np.empty((0, *shape)), counts), after
        coords = np.stack([_array(c) for _, c, _ in rows])
        values = np.empty((len(rows), 0, 0)) if bare else np.stack([_array(v).reshape(shape) for _, _, v in rows])
        return Points(coords, values, counts), rows[-1][0]

    def means(self, field_id: str) -> tuple[Array, Array]:
        """(K, d) coordinates and (K, M) means of all points of a field, whose values are read one by one: memory does not grow with them."""
        shape, counts = self._db.execute("SELECT shape, counts FROM field WHERE id = ?", (field_id,)).fetchone()
        rows = self._db.execute("SELECT coords, value FROM point WHERE field = ? ORDER BY seq", (field_id,))
        total, shape = _array(counts).sum(), cast("list[int]", json.loads(shape))
        found = [(_array(coords), _array(value).reshape(shape).sum(axis=1) / total) for coords, value in rows]
        return np.array([c for c, _ in found]), np.array([m for _, m in found])

    def cost(self, field_id: str) -> float:
        """Seconds that all the points of a field took to compute."""
        (seconds,) = self._db.execute("SELECT coalesce(sum(seconds), 0) FROM point WHERE field = ?", (field_id,)).fetchone()
        return seconds

    def pace(self, field: Field) -> tuple[float, float] | None:
        """(seconds, items) of the mean point that was measured in fields of the same kind (`_kind`); None when there is none."""
        kind = _kind(field)
        seconds = items = points = 0.0
        for id, spent, count in self._db.execute("SELECT field, sum(seconds), count(*) FROM point GROUP BY field").fetchall():
            if id not in self._known:  # what a field is never changes
                spec, counts = self._db.execute("SELECT spec, counts FROM field WHERE id = ?", (id,)).fetchone()
                self._known[id] = _kind_of(spec), float(_array(counts).sum())
            if self._known[id][0] == kind:
                seconds, points, items = seconds + spent, points + count, items + count * self._known[id][1]
        return (seconds / points, items / points) if points else None

    def keep_estimate(self, run_id: str, plan: Json) -> None:
        """Note what a run is expected to take; the first plan stays."""
        with self._write() as db:
            db.execute("INSERT OR IGNORE INTO plan (wish, plan) VALUES (?, ?)", (run_id, json.dumps(plan)))

    def took(self, run_id: str, took: Json) -> None:
        """Note what it took, beside the plan, where there is one."""
        with self._write() as db:
            db.execute("UPDATE plan SET took = ? WHERE wish = ?", (json.dumps(took), run_id))

    def plan(self, run_id: str) -> tuple[Json, Json] | None:
        """(the plan, what it took or None); None when nobody made a plan."""
        row = self._db.execute("SELECT plan, took FROM plan WHERE wish = ?", (run_id,)).fetchone()
        if row is None or not all(map(_known_spec, filter(None, row))):
            return None
        return json.loads(row[0]), json.loads(row[1]) if row[1] else None

    # --- checkpoints --------------------------------------------------------------------------------------------------

    def register(self, facts: Facts) -> None:
        """Remember where a checkpoint lies and what was recognised."""
        with self._write() as db:
            db.execute(
                "INSERT INTO checkpoint VALUES (?, ?, ?, ?) "
                "ON CONFLICT (path) DO UPDATE SET digest = excluded.digest, facts = excluded.facts, seen = excluded.seen",
                (facts.path, facts.digest, json.dumps(facts.to_json()), self.clock()),
            )

    def checkpoints(self) -> list[Facts]:
        """Every registered checkpoint, in the order in which they were first registered; without unreadable ones."""
        rows = self._db.execute("SELECT facts FROM checkpoint ORDER BY rowid").fetchall()
        known: dict[str, list[str]] = {}
        return [found for (text,) in rows if (found := _facts(text)) is not None and not readable.missing(text, known)]

    def unregister(self, path: str) -> None:
        """Take a checkpoint off the list; the file is not touched."""
        with self._write() as db:
            db.execute("DELETE FROM checkpoint WHERE path = ?", (path,))

    def whereabouts(self, digest: str) -> list[str]:
        """Paths at which a checkpoint with this digest was last seen, the latest first."""
        rows = self._db.execute("SELECT path FROM checkpoint WHERE digest = ? ORDER BY seen DESC", (digest,))
        return [path for (path,) in rows.fetchall()]

    # --- models made here ---------------------------------------------------------------------------------------------

    def note(self, recipe_id: str, facts: Mapping[str, Json]) -> None:
        """Remember what making a recipe's model took and found; made again, the latest counts."""
        with self._write() as db:
            db.execute("INSERT OR REPLACE INTO made VALUES (?, ?, ?)", (recipe_id, json.dumps(dict(facts)), self.clock()))

    def noted(self, recipe_id: str) -> dict[str, Json] | None:
        """What making the recipe's model took and found; None where it was not made here."""
        row = self._db.execute("SELECT facts FROM made WHERE recipe = ?", (recipe_id,)).fetchone()
        return None if row is None or not _known_spec(row[0]) else json.loads(row[0])

    # --- export -------------------------------------------------------------------------------------------------------

    def absorb(self, other: Path) -> None:
        """Take over what another store's file holds: fields, points, finished requests, checkpoints. What is here already stays."""
        uri = f"{other.absolute().as_uri()}?mode=ro&immutable=1"
        self._db.execute("ATTACH ? AS other", (uri,))
        try:
            with self._write() as db:
                db.execute("INSERT OR IGNORE INTO field SELECT * FROM other.field")
                db.execute(
                    "INSERT OR IGNORE INTO point (field, coords, value, seconds) SELECT field, coords, value, seconds FROM other.point ORDER BY seq"
                )
                db.execute(f"INSERT OR IGNORE INTO wish ({REQUEST_COLUMNS}) SELECT {REQUEST_COLUMNS} FROM other.wish WHERE finished IS NOT NULL")
                db.execute("INSERT OR IGNORE INTO checkpoint SELECT * FROM other.checkpoint ORDER BY rowid")
                if db.execute("SELECT 1 FROM other.sqlite_schema WHERE name = 'made'").fetchone():
                    db.execute("INSERT OR IGNORE INTO made SELECT * FROM other.made")
        finally:
            self._db.execute("DETACH other")

    def export(self, path: Path) -> None:
        """Write everything into a new file at the path."""
        self._db.execute("VACUUM INTO ?", (str(path),))

    # --- inside -------------------------------------------------------------------------------------------------------

    def _bury(self) -> None:
        """End the leases of workers that died on this machine, without waiting for them to run out."""
        rows = self._db.execute("SELECT id, pid FROM worker WHERE host = ?", (HOST,)).fetchall()
        if dead := [id for id, pid in rows if not alive(pid)]:
            with self._write() as db:
                for id in dead:
                    db.execute("UPDATE wish SET lease = 0 WHERE worker = ?", (id,))
                    db.execute("DELETE FROM worker WHERE id = ?", (id,))

    def _status(self, row: tuple[object, ...]) -> Status:
        r = dict(zip((*REQUEST_COLUMNS.split(", "), "roots"), row, strict=True))
        now = self.clock()
        if r["error"] is not None:
            state: State = "failed"
        elif r["finished"] is not None:
            state = "done"
        elif r["stopped"]:
            state = "stopped"
        else:
            state = "running" if cast("float", r["lease"]) > now else "waiting"
        return Status(
            id=cast("str", r["id"]),
            request=readable.request(cast("str", r["spec"]), cast("str | None", r["result"])),
            rank=cast("int", r["urgent"]),
            state=state,
            done=cast("int", r["done"]),
            total=cast("int", r["total"]),
            fresh=cast("int", r["fresh"]),
            message=cast("str", r["message"]),
            error=cast("str", r["error"] or ""),
            result=cast("Json", json.loads(cast("str", r["result"]))) if r["result"] else None,
            created=cast("float", r["created"]),
            started=cast("float | None", r["started"]),
            finished=cast("float | None", r["finished"]),
            now=now,
            roots=tuple(cast("list[str]", json.loads(cast("str", r["roots"])))) if r["roots"] is not None else None,
        )


def _listed(roots: Sequence[str] | None) -> str | None:
    return None if roots is None else json.dumps(list(roots))


def _against(read: Callable[[], Spec], text: str, known: dict[str, list[str]]) -> str:
    """Why something cannot be used here, as a sentence; empty where it can."""
    try:
        read()
        gone = readable.missing(text, known)
    except Unknown as error:
        return f"It was written by another version of the explorer, and this one cannot read it: {error}."
    return f"It needs {gone}, which are not here: start the explorer with the --plugin or the package that they come from." if gone else ""


def _facts(text: str) -> Facts | None:
    try:
        return readable.facts(text)
    except Unknown:
        return None


def _known_spec(text: str) -> bool:
    try:
        readable.spec(text)
    except Unknown:
        return False
    return True


def _readable(spec: str, result: str | None) -> bool:
    """The same as a function in SQL."""
    try:
        readable.request(spec, result)
    except Unknown:
        return False
    return True


def _here(spec: str, result: str | None) -> bool:
    """Whether a request can be read, and all the methods that it names are here: a function in SQL."""
    return _readable(spec, result) and not readable.missing(spec, {})


def _kind_of(text: str) -> tuple[object, ...]:
    found = _field(text)
    return _kind(found) if found is not None else ()


def _field(text: str) -> Field | None:
    try:
        found = readable.spec(text)
    except Unknown:
        return None
    return found if isinstance(found, Field) else None


def _kind(field: Field) -> tuple[object, ...]:
    """What decides how long a point takes, but for the samples and the device."""
    return field.problem.id, field.precision, field.attack, field.buffers == "repair"


def _blob(array: Array) -> bytes:
    return np.ascontiguousarray(array, dtype="<f8").tobytes()


def _array(blob: bytes) -> Array:
    return np.frombuffer(blob, dtype="<f8")
