"""Requests and the workers that take them up: one row each, and no question about them that takes longer because there are many old ones.

A request is done by the worker that claims it: one transaction sets a lease, a heartbeat renews it, and when a worker dies its lease runs out (at once, if it
died on this machine) and the next worker goes on where the points end. Other workers that have nothing to do help with a run, and then take points of its field
on a lease of their own (RunStore.lease): no point is computed twice.

The state of a request is derived from what happened to it (lease, error, finish, stop) and stored nowhere.

A row that this version cannot read (explorer.store.readable) is listed by `unreadable`, and left alone by everything else.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import cast

from explorer.core.quotas import Quotas
from explorer.core.spec import Json, Request, Run, Spec
from explorer.stats.preview_confirmation import exact
from explorer.store import readable, visitors
from explorer.store.clock_jumps import Jumps
from explorer.store.job_status import State, Status
from explorer.store.narrowing import mentions, narrowed
from explorer.store.read_log import LIST, Key, note
from explorer.store.readable import Unknown, Unreadable
from explorer.store.schema import MIGRATIONS
from explorer.store.sqlite import Unavailable
from explorer.store.visitors import NO_LOAD, OPEN, SIZE, UNKNOWN_S, Load
from explorer.store.workers import LEASE_S, Workers

URGENT, IDLE = 1, -1  # ranks of requests; 0 is that of everything else
QUICK_S = 2.0  # what is expected to take no longer is done in the middle of what takes longer
ATTEMPTS = 3  # a request over which so many workers died in a row, without a single new point, is given up
STARVED = f"{ATTEMPTS} workers died on this, and memory had run out. Use fewer or smaller models, then try again."
DIED = f"{ATTEMPTS} workers died on this, of something else than memory as far as the system says. Their log has their last words; then try again."
COLUMNS = "id, urgent, spec, created, lease, started, finished, error, stopped, done, total, fresh, message, expected, roots, owner"
STATE = "CASE WHEN phase <> 'open' THEN phase WHEN lease > :now THEN 'running' ELSE 'waiting' END"
ANSWER = "(SELECT text FROM result WHERE request = wish.id)"
READABLE = f"(reader = :reader OR readable(spec, {ANSWER}))"  # what was read once by this version is not parsed to know it
SIZE_OF_RUN = f"coalesce((SELECT {SIZE} FROM tally t JOIN field f ON f.id = t.field WHERE t.field = wish.subject), 0)"
HERE = f"(reader = :reader OR here(spec, {ANSWER}))"
LISTED = f"kind = :kind AND (:clicks OR sampler IS NOT 'given') AND {HERE}"
BEST = (  # of one visitor
    f"SELECT id FROM wish WHERE {OPEN} AND owner = who.owner AND (urgent > :above OR (urgent = :above AND expected <= :within)) AND lease <= :now"
    "  AND (sampler IS 'given' OR subject NOT IN (SELECT subject FROM wish WHERE lease > 0 AND lease > :now AND worker <> :worker))"
    f" AND {HERE} ORDER BY urgent DESC, due, rowid LIMIT 1"
)
NEXT = (  # of those: a step of the index for each visitor who has something open, none where nothing is
    f"WITH RECURSIVE who(owner) AS (SELECT min(owner) FROM wish WHERE {OPEN}"
    f" UNION ALL SELECT (SELECT min(owner) FROM wish WHERE {OPEN} AND owner > who.owner) FROM who WHERE who.owner IS NOT NULL)"
    f" SELECT next.id, next.attempts, next.starved FROM who JOIN wish AS next ON next.id = ({BEST}) LEFT JOIN turn ON turn.owner = next.owner"
    " ORDER BY next.urgent DESC, coalesce(turn.served, 0), next.due, next.rowid LIMIT 1"
)


class Requests(Workers):
    """The part of a store that says what was requested, how it stands, and who works.

    `roots`: the folders that a request put down here may read, None for all. Whatever does not work out for want of room, rights or a sound file is Unavailable.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] | None = None,
        roots: Sequence[str] | None = None,
    ) -> None:
        super().__init__(Path(path), MIGRATIONS, {"readable": _readable, "here": _here, "mentions": mentions})
        self.clock, self.jumps = clock, Jumps(clock, LEASE_S, steady)
        self.roots = roots

    # --- requests -------------------------------------------------------------------------------------------------------

    def submit(
        self,
        request: Request,
        *,
        urgent: bool = False,
        idle: bool = False,
        again: bool = False,
        expected: float | None = None,
        owner: str = "",
        load: Load = NO_LOAD,
        quotas: Quotas | None = None,
    ) -> str:
        """Put a request down and return its id. A request that failed or was stopped is taken up again; one that is done stays done, unless `again`.
        Refused when it is beyond the quotas.

        urgent: somebody waits for it at this moment. idle: nobody asked for it, it may be there when somebody does; everything else goes first.
        expected: seconds that it will take, where that is known: what is short goes before what is long (explorer.store.schema).
        owner: whose it is, and load: what it takes of their quotas (explorer.store.visitors).
        """
        id, rank = request.id, URGENT if urgent else IDLE if idle else 0
        subject = request.field.id if isinstance(request, Run) else id
        reader = "" if readable.lacks(request) else readable.reader()
        with self._write() as db:
            visitors.ask(db, id, owner, load, quotas, again=again)
            cursor = db.execute(
                "INSERT INTO wish (id, kind, subject, urgent, spec, created, expected, roots, reader, owner) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET error = NULL, stopped = 0, attempts = 0, starved = 0, finished = NULL, roots = excluded.roots,"
                " expected = excluded.expected, owner = excluded.owner "
                "WHERE error IS NOT NULL OR stopped = 1 OR (? AND finished IS NOT NULL)",
                (
                    id,
                    type(request).__name__,
                    subject,
                    rank,
                    json.dumps(request.to_json()),
                    self.clock(),
                    expected,
                    _listed(self.roots),
                    reader,
                    owner,
                    again,
                ),
            )
            if cursor.rowcount:
                db.execute("DELETE FROM result WHERE request = ?", (id,))
            if not idle:  # what nobody asked for until now is whose it is that does
                db.execute(f"UPDATE wish SET owner = ? WHERE id = ? AND urgent = {IDLE} AND owner = '' AND {OPEN}", (owner, id))
            raised = db.execute("UPDATE wish SET urgent = ? WHERE id = ? AND urgent < ?", (rank, id, rank))
            if cursor.rowcount or raised.rowcount:
                _changed(db)
        return id

    def filed(self, run: Run, points: int) -> str:
        """Put down a run that was carried out without a worker, as done, and return its id. One that somebody is working on stays as it is."""
        now, reader = self.clock(), "" if readable.lacks(run) else readable.reader()
        with self._write() as db:
            db.execute(
                "INSERT INTO wish (id, kind, subject, urgent, spec, created, started, finished, done, total, roots, reader)"
                " VALUES (?, 'Run', ?, 0, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET finished = excluded.finished, error = NULL, stopped = 0, done = excluded.done, total = excluded.total"
                " WHERE finished IS NULL AND lease <= excluded.created",
                (run.id, run.field.id, json.dumps(run.to_json()), now, now, now, points, points, _listed(self.roots), reader),
            )
            _changed(db)
        return run.id

    def status(self, id: str) -> Status | None:
        """How a request stands; None when nobody has requested it here, or in a way that cannot be read."""
        note(Key("request", id))
        row = self._db.execute(f"SELECT {COLUMNS} FROM wish WHERE id = :id AND {READABLE}", {"id": id, "reader": readable.reader()}).fetchone()
        return None if row is None else self._status(row)

    def statuses(
        self,
        kind: str = "Run",
        *,
        limit: int = 200,
        after: int = 0,
        only: Sequence[State] = (),
        clicks: bool = True,
        text: str = "",
        where: Mapping[str, str] | None = None,
        largest: bool = False,
    ) -> list[Status]:
        """The latest requests of a kind, newest first (or those with the most points first), from number `after` on; without those that are unreadable, or whose methods are not here.

        only: in one of these states; any, where none is given. clicks: also runs of single places that somebody picked in a picture. text: what occurs in
        a text of the request or in its id, whatever its case. where: values of it by their JSON path, such as {"$.field.chart.name": "line"}.
        """
        conditions, values = narrowed(text, where or {})
        note(LIST)
        rows = self._db.execute(
            f"SELECT {COLUMNS} FROM wish WHERE {LISTED} AND (:only = '[]' OR {STATE} IN (SELECT value FROM json_each(:only))){conditions}"
            f" ORDER BY {f'{SIZE_OF_RUN} DESC, ' if largest else ''}created DESC, rowid DESC LIMIT :limit OFFSET :after",
            {**self._asked(kind, clicks), **values, "only": json.dumps(list(only)), "limit": limit, "after": after},
        )
        found = [self._status(row) for row in rows.fetchall()]
        for status in found:
            note(Key("request", status.id))
        return found

    def counts(self, kind: str = "Run", *, clicks: bool = True, text: str = "", where: Mapping[str, str] | None = None) -> dict[State, int]:
        """How many of these there are in each state that occurs."""
        note(LIST)
        conditions, values = narrowed(text, where or {})
        rows = self._db.execute(f"SELECT {STATE}, count(*) FROM wish WHERE {LISTED}{conditions} GROUP BY 1", {**self._asked(kind, clicks), **values})
        return dict(cast("list[tuple[State, int]]", rows.fetchall()))

    def stories(self) -> list[Status]:
        """The runs that are done and have a title as a shipped story, in the order in which they were requested."""
        note(LIST)
        rows = self._db.execute(
            f"SELECT {COLUMNS} FROM wish WHERE story <> '' AND phase = 'done' AND {HERE} ORDER BY created, rowid",
            {"reader": readable.reader()},
        )
        return [self._status(row) for row in rows.fetchall()]

    def unreadable(self) -> list[Unreadable]:
        """The requests and checkpoints that nothing else here speaks of, newest first: those of another version, and those whose methods are not here."""
        reader = readable.reader()
        requests = self._db.execute(
            f"SELECT id, kind, spec, {ANSWER} FROM wish WHERE reader < :reader OR reader > :reader ORDER BY created DESC, rowid DESC",
            {"reader": reader},
        ).fetchall()
        files = self._db.execute("SELECT path, facts FROM checkpoint ORDER BY seen DESC").fetchall()
        against = [(id, kind, against_it(partial(readable.answered, text, result), text)) for id, kind, text, result in requests]
        if fine := [(reader, id) for id, _, why in against if not why]:
            with suppress(Unavailable), self._write() as db:  # another version wrote them: not to be read again is all that it is for
                db.executemany("UPDATE wish SET reader = ? WHERE id = ?", fine)
        against += [(path, "Checkpoint", against_it(partial(readable.facts, text), text)) for path, text in files]
        return [Unreadable(id, kind, why) for id, kind, why in against if why]

    def open(self, *, limit: int = 200) -> list[Status]:
        """Every request of any kind that is still to be done, those first that are worked on, then by rank and age."""
        note(LIST)
        rows = self._db.execute(
            f"SELECT {COLUMNS} FROM wish WHERE {OPEN} AND {HERE} ORDER BY lease > :now DESC, urgent DESC, due LIMIT :limit",
            {"now": self.clock(), "reader": readable.reader(), "limit": limit},
        )
        return [self._status(row) for row in rows.fetchall()]

    def stop(self, id: str, *, by: str | None = None) -> bool:
        """Ask for a request to be given up; what it has computed stays. by: who wants that, None for the operator. False when others still want it; Refused when
        it is not theirs."""
        with self._write() as db:
            if stops := visitors.give_up(db, id, by):
                db.execute("UPDATE wish SET stopped = 1 WHERE id = ? AND finished IS NULL", (id,))
            _changed(db)
        return stops

    def forget(self, id: str, *, by: str | None = None) -> bool:
        """Remove a request from the list, as `stop` says whose. Its points stay until a sweep finds that no other run needs them (explorer.store.upkeep)."""
        with self._write() as db:
            if db.execute("SELECT 1 FROM wish WHERE id = ? AND lease > ?", (id, self.clock())).fetchone() or not visitors.give_up(db, id, by):
                return False
            row = db.execute("SELECT spec FROM wish WHERE id = ? AND kind = 'Run'", (id,)).fetchone()
            if db.execute("DELETE FROM wish WHERE id = ?", (id,)).rowcount:
                if row is not None:
                    db.executemany("INSERT OR IGNORE INTO forgotten VALUES (?)", _fields_of(row[0]))
                db.execute("DELETE FROM result WHERE request = ?", (id,))
                db.execute("DELETE FROM products WHERE request = ?", (id,))
                _changed(db)
        return True

    def is_asked_by(self, id: str, visitor: str | None) -> bool:
        """Whether a visitor may stop a request and take it off the list; None, the operator, may."""
        return visitor is None or visitors.is_asked_by(self._db, id, visitor)

    def waiting(self) -> bool:
        """Whether there is a request that nobody works on."""
        self._bury()
        asked = {"now": self.clock(), "reader": readable.reader()}
        return self._db.execute(f"SELECT 1 FROM wish WHERE {OPEN} AND lease <= :now AND {HERE} LIMIT 1", asked).fetchone() is not None

    def ahead_of(self, due: float, *, quick: bool) -> list[tuple[float | None, float, int, int]]:
        """(seconds expected, seconds worked on, done, total) of every open request that goes before one of the usual rank that is due then. quick: that
        one is done in the middle of what takes longer."""
        rows = self._db.execute(
            f"SELECT expected, iif(lease > :now, :now - started, 0.0), done, total FROM wish WHERE {OPEN} AND {HERE}"
            " AND (urgent > 0 OR (urgent = 0 AND due <= :due) OR (lease > :now AND urgent = 0)) AND (NOT :quick OR expected <= :most)",
            {"now": self.clock(), "due": due, "quick": quick, "most": QUICK_S, "reader": readable.reader()},
        )
        return rows.fetchall()

    # --- workers ------------------------------------------------------------------------------------------------------

    def claim(self, worker: str, *, above: int = IDLE - 1, within: float = -1.0) -> Status | None:
        """Take the next request that nobody works on and whose rank is above a given one, or that is of this rank and expected to take no longer than `within`
        seconds; urgent ones first, idle ones last, of a rank the one that is due first. None when there is none. Requests that cannot be read, or whose methods are not here, are left for a worker that has them.

        A request whose field another worker is busy with has to wait, so that nothing is computed twice.
        """
        self._bury()
        now = self.clock()
        asked = {"now": self._over(), "above": above, "within": within, "worker": worker, "reader": readable.reader()}
        if self._db.execute(NEXT, asked).fetchone() is None:  # a read: an idle worker never takes the write lock
            return None
        with self._write() as db:
            while (found := db.execute(NEXT, asked).fetchone()) is not None and found[1] >= ATTEMPTS:
                db.execute("UPDATE wish SET error = ? WHERE id = ?", (STARVED if found[2] else DIED, found[0]))
                _changed(db)
            if found is None:
                return None
            row = db.execute(
                f"UPDATE wish SET attempts = attempts + 1, worker = ?, lease = ?, started = ?, fresh = 0, message = '' WHERE id = ? RETURNING {COLUMNS}",
                (worker, now + LEASE_S, now, found[0]),
            ).fetchone()
            claimed = self._status(row)
            visitors.charge(db, claimed.owner, UNKNOWN_S if claimed.expected is None else claimed.expected)
        return claimed

    def claimable(self, worker: str) -> bool:
        """Whether there is a request for this worker."""
        asked = {"now": self._over(), "above": IDLE - 1, "within": -1.0, "worker": worker, "reader": readable.reader()}
        return self._db.execute(NEXT, asked).fetchone() is not None

    def under_way(self, worker: str) -> list[Status]:
        """The runs and studies that other workers are at, those first of which the most is still to be measured."""
        rows = self._db.execute(
            f"SELECT {COLUMNS} FROM wish WHERE lease > 0 AND lease > :now AND worker <> :worker AND kind IN ('Run', 'Study') AND {OPEN} AND total > done AND {HERE}"
            " ORDER BY urgent DESC, total - done DESC",
            {"now": self.clock(), "worker": worker, "reader": readable.reader()},
        )
        return [self._status(row) for row in rows.fetchall()]

    def report(self, id: str, worker: str, *, done: int, total: int, fresh: int = 0, message: str = "") -> bool:
        """Note progress. False when the request was stopped or is no longer this worker's: then stop."""
        with self._write() as db:
            cursor = db.execute(
                "UPDATE wish SET done = ?, total = ?, fresh = ?, message = ?, attempts = iif(? > 0, 0, attempts),"
                " starved = iif(? > 0, 0, starved) WHERE id = ? AND worker = ? AND stopped = 0",
                (done, total, fresh, message, fresh, fresh, id, worker),
            )
        return cursor.rowcount == 1

    def release(self, id: str, worker: str, *, finished: bool = False, error: str | None = None, result: Json = None) -> None:
        """Lay a request down: finished, failed with a sentence for its owner, or simply let go (it was stopped)."""
        with self._write() as db:
            cursor = db.execute(
                "UPDATE wish SET lease = 0, finished = ?, error = ?, reader = ? WHERE id = ? AND worker = ?",
                (self.clock() if finished else None, error, readable.reader(), id, worker),
            )
            if cursor.rowcount:
                owner, more = db.execute(
                    f"SELECT owner, ? - started - coalesce(expected, {UNKNOWN_S}) FROM wish WHERE id = ?", (self.clock(), id)
                ).fetchone()
                visitors.charge(db, owner, more or 0.0)
                db.execute("DELETE FROM result WHERE request = ?", (id,))
                if result is not None:
                    db.execute("INSERT INTO result VALUES (?, ?)", (id, json.dumps(result)))
                _changed(db)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _asked(self, kind: str, clicks: bool) -> dict[str, object]:
        return {"kind": kind, "clicks": clicks, "now": self.clock(), "reader": readable.reader()}

    def _absorb_requests(self, db: sqlite3.Connection) -> None:
        """Take over the finished requests of the store that is attached as `other`, which an earlier version may have written, with what came of them."""
        apart = db.execute("SELECT 1 FROM other.sqlite_schema WHERE name = 'result'").fetchone()
        results = "SELECT request AS id, text FROM other.result" if apart else "SELECT id, result AS text FROM other.wish"
        db.execute(
            f"INSERT OR IGNORE INTO main.result SELECT id, text FROM ({results}) WHERE text IS NOT NULL AND text <> 'null'"
            " AND id IN (SELECT id FROM other.wish WHERE finished IS NOT NULL) AND id NOT IN (SELECT id FROM main.wish)"
        )
        columns = "id, kind, subject, urgent, spec, created, worker, lease, started, finished, error, stopped, attempts, done, total, fresh, message"
        db.execute(f"INSERT OR IGNORE INTO main.wish ({columns}) SELECT {columns} FROM other.wish WHERE finished IS NOT NULL")

    def _result(self, id: str) -> Json:
        row = self._db.execute("SELECT text FROM result WHERE request = ?", (id,)).fetchone()
        return None if row is None else cast("Json", json.loads(row[0]))

    def _status(self, row: tuple[object, ...]) -> Status:
        r = dict(zip(COLUMNS.split(", "), row, strict=True))
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
            id=(id := cast("str", r["id"])),
            request=readable.request(cast("str", r["spec"])),
            rank=cast("int", r["urgent"]),
            state=state,
            done=cast("int", r["done"]),
            total=cast("int", r["total"]),
            fresh=cast("int", r["fresh"]),
            message=cast("str", r["message"]),
            error=cast("str", r["error"] or ""),
            created=cast("float", r["created"]),
            started=cast("float | None", r["started"]),
            finished=cast("float | None", r["finished"]),
            now=now,
            expected=cast("float | None", r["expected"]),
            roots=tuple(cast("list[str]", json.loads(cast("str", r["roots"])))) if r["roots"] is not None else None,
            owner=cast("str", r["owner"]),
            read=partial(self._result, id),
        )


def _fields_of(text: str) -> set[tuple[str]]:
    """The ids of the fields that a run measures: its own, and of a preview the exact one that confirms it. None of one that cannot be read."""
    found = readable.spec_or_none(text)
    return {(found.field.id,), (exact(found.field).id,)} if isinstance(found, Run) else set()


def due_at(created: float, expected: float | None) -> float:
    """When a request of the usual rank is due (explorer.store.schema)."""
    return created + 10 * (30 if expected is None else expected)


def _changed(db: sqlite3.Connection) -> None:
    """The list of requests is another one now, or what came of one; how far one is on its way, and whether somebody works on it, does not count."""
    db.execute("UPDATE changes SET n = n + 1")


def _listed(roots: Sequence[str] | None) -> str | None:
    return None if roots is None else json.dumps(list(roots))


def against_it(read: Callable[[], Spec | Request], text: str) -> str:
    """Why something cannot be used here, as a sentence; empty where it can."""
    try:
        read()
        gone = readable.missing(text)
    except Unknown as error:
        return f"It was written by another version of the explorer, and this one cannot read it: {error}."
    return f"It needs {gone}, which are not here: start the explorer with the --plugin or the package that they come from." if gone else ""


def _readable(spec: str, result: str | None) -> bool:
    """The same as a function in SQL."""
    try:
        readable.answered(spec, result)
    except Unknown:
        return False
    return True


def _here(spec: str, result: str | None) -> bool:
    """Whether a request can be read, and all the methods that it names are here: a function in SQL."""
    return _readable(spec, result) and not readable.missing(spec)
