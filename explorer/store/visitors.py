"""Whose a request is: who may stop and remove it, how much a visitor may ask for, and whose turn it is.

A request belongs to whoever put it down, by the name that the login gives; "" is the operator, to whom all belongs that nobody asked for by name: the shipped
runs, what first visits begin, what the command line files. Several may ask for the same request, for nothing is computed twice: it is stopped, or goes from
the list, when the last of them gives it up.

Turns are fair by time: the next request is, of the highest rank, one of the visitor for whom least was worked so far (start-time fair queueing: Goyal, Vin & Cheng 1996).
Who comes anew starts level with the one who has had least of those who wait, so an absence is no credit.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from explorer.core.errors import Refused
from explorer.core.quotas import Quotas

OPEN = "finished IS NULL AND error IS NULL AND stopped = 0"
UNKNOWN_S = 30.0  # what a request counts for of which nobody knows how long it takes, until it is done
SIZE = "t.points * (200 + 8 * coalesce(json_extract(f.shape, '$[0]'), 1) * coalesce(json_extract(f.shape, '$[1]'), 1))"  # bytes, with what SQLite needs around them


@dataclass(frozen=True)
class Load:
    """What a request will take at most: points to be measured, epochs to be trained."""

    points: int = 0
    epochs: int = 0


NO_LOAD = Load()


def ask(db: sqlite3.Connection, id: str, owner: str, load: Load, quotas: Quotas | None, *, again: bool) -> None:
    """Note that a visitor asks for a request, before it is put down. Refused when that is beyond their quotas; what is there already costs nothing."""
    if owner and quotas is not None and _is_new(db, id, again=again):
        _within(db, owner, load, quotas)
    _take_place(db, owner)
    if owner:
        db.execute("INSERT OR REPLACE INTO asker VALUES (?, ?, ?, ?)", (id, owner, load.points, load.epochs))


def give_up(db: sqlite3.Connection, id: str, by: str | None) -> bool:
    """Whether a request may be stopped, or taken off the list, now that this visitor wants it no longer; False: others still want it. None is the operator.
    Refused when the visitor never asked for it."""
    row = db.execute("SELECT owner FROM wish WHERE id = ?", (id,)).fetchone()
    if by is None or row is None:
        db.execute("DELETE FROM asker WHERE request = ?", (id,))
        return True
    asked = db.execute("DELETE FROM asker WHERE request = ? AND owner = ?", (id, by)).rowcount
    if not asked and row[0] != by:
        raise Refused(f"This was requested by {row[0] or 'the operator of this server'}; only they can stop or remove it.")
    if row[0] != by:
        return False
    heir = db.execute("SELECT min(owner) FROM asker WHERE request = ?", (id,)).fetchone()[0]
    if heir is not None:
        db.execute("UPDATE wish SET owner = ? WHERE id = ?", (heir, id))
    return heir is None


def is_asked_by(db: sqlite3.Connection, id: str, visitor: str) -> bool:
    """Whether a visitor asked for a request."""
    asked = "SELECT 1 FROM wish WHERE id = :id AND owner = :visitor UNION ALL SELECT 1 FROM asker WHERE request = :id AND owner = :visitor LIMIT 1"
    return db.execute(asked, {"id": id, "visitor": visitor}).fetchone() is not None


def may_keep(db: sqlite3.Connection, field: str, by: str | None) -> None:
    """Refused unless the visitor asked for a run of the field; None is the operator."""
    asked = "SELECT 1 FROM wish JOIN asker ON request = id WHERE subject = ? AND kind = 'Run' AND asker.owner = ?"
    if by is not None and db.execute(asked, (field, by)).fetchone() is None:
        raise Refused("Only who requested a run can pin its points.")


def charge(db: sqlite3.Connection, owner: str, seconds: float) -> None:
    """Count work for a visitor."""
    db.execute("UPDATE turn SET served = served + ? WHERE owner = ?", (seconds, owner))


def _is_new(db: sqlite3.Connection, id: str, *, again: bool) -> bool:
    """Whether putting a request down means work."""
    row = db.execute(f"SELECT {OPEN}, finished IS NOT NULL FROM wish WHERE id = ?", (id,)).fetchone()
    return row is None or not (row[0] or (row[1] and not again))


def _within(db: sqlite3.Connection, owner: str, load: Load, quotas: Quotas) -> None:
    mine = f"FROM wish LEFT JOIN asker ON request = id AND asker.owner = wish.owner WHERE wish.owner = ? AND {OPEN}"
    requests, points, epochs = db.execute(f"SELECT count(*), total(points), total(epochs) {mine}", (owner,)).fetchone()
    wait = "Wait until some are done, or stop some on the page Runs."
    for what, there, more, most in (
        ("requests that are not finished", requests, 1, quotas.requests),
        ("points to be measured", points, load.points, quotas.points),
        ("epochs to be trained", epochs, load.epochs, quotas.epochs),
    ):
        if more and there + more > most:
            alone = "That is more than one request may have: ask for less." if more > most else wait
            raise Refused(f"A visitor may have at most {most:,} {what}; with this you would have {int(there + more):,}. {alone}")
    if load.points:
        (kept,) = db.execute(
            f"SELECT total({SIZE}) FROM tally t JOIN field f ON f.id = t.field WHERE t.field IN (SELECT subject FROM wish WHERE owner = ? AND owner <> '' AND kind = 'Run')",
            (owner,),
        ).fetchone()
        if kept >= quotas.bytes:
            raise Refused(
                f"The points of your runs take {kept / 1e9:.3g} GB, and a visitor may keep {quotas.bytes / 1e9:.3g} GB. Remove some runs on the page Runs."
            )


def _take_place(db: sqlite3.Connection, owner: str) -> None:
    """See to it that whoever has nothing waiting starts level with those who have."""
    db.execute("INSERT OR IGNORE INTO turn VALUES (?, 0)", (owner,))
    if db.execute(f"SELECT 1 FROM wish WHERE owner = ? AND {OPEN} LIMIT 1", (owner,)).fetchone() is None:
        waiting = f"SELECT min(served) FROM turn t WHERE EXISTS (SELECT 1 FROM wish WHERE owner = t.owner AND {OPEN})"
        db.execute(f"UPDATE turn SET served = max(served, coalesce(({waiting}), 0)) WHERE owner = ?", (owner,))
