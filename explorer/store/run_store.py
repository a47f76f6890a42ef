"""RunStore: every evaluated point and every request, in one SQLite file that is also the export format.

Only the driver of a run writes points; anybody may read. Requests and workers are in explorer.store.requests, what pictures are made of in
explorer.store.point_sums, the tables in explorer.store.schema.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

import numpy as np

from explorer.core.errors import Refused
from explorer.core.points import Array, Points, no_points, rounded
from explorer.core.spec import Field, Json
from explorer.store import readable
from explorer.store.blobs import array, blob, stacked
from explorer.store.inner_products import InnerProducts
from explorer.store.kept import Kept
from explorer.store.point_sums import PointSums
from explorer.store.read_log import LIST, Key, note
from explorer.store.readable import Unknown
from explorer.store.records import Facts, FieldFacts
from explorer.store.requests import Requests
from explorer.store.sqlite import Unavailable
from explorer.store.upkeep import Upkeep
from explorer.store.work_kinds import of_points
from explorer.store.workers import LEASE_S

TOTALS_BYTES = 64 * 2**20  # of points without their blocks: 48 bytes for one of a plane with two metrics
POINTS_BYTES = 256 * 2**20  # of points with their blocks: the soups of 200 models are some 40 MiB, the middles of all their lines 110 MiB
MOST_POINTS_BYTES = 128 * 2**20  # of one field, not of fine planes


class RunStore(Requests, InnerProducts, PointSums, Upkeep):
    """One SQLite file. Safe to use from several threads and processes at once.

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
        super().__init__(path, clock=clock, steady=steady, roots=roots)
        self._totals: Kept[Points] = Kept(TOTALS_BYTES)
        self._points: Kept[Points] = Kept(POINTS_BYTES)

    @classmethod
    def within(cls, home: Path, *, roots: Sequence[str] | None = None) -> RunStore:
        """The store of a home folder (explorer.core.locations)."""
        return cls(home / "store.sqlite", roots=roots)

    # --- fields and points --------------------------------------------------------------------------------------------

    def open_field(self, field: Field, *, shape: Sequence[int], counts: Array, gram: Array, facts: Mapping[str, Json]) -> None:
        """Make a field known, before its first point. Doing so again changes nothing, but that it is no longer to go."""
        with self._write() as db:
            db.execute("DELETE FROM forgotten WHERE field = ?", (field.id,))
            db.execute(
                "INSERT OR IGNORE INTO field VALUES (?, ?, ?, ?, ?, ?, ?)",
                (field.id, json.dumps(field.to_json()), json.dumps(list(shape)), blob(counts), blob(gram), json.dumps(dict(facts)), self.clock()),
            )
            db.execute(
                "INSERT OR IGNORE INTO tally (field, kind, items, points, seconds) VALUES (?, ?, ?, 0, 0)",
                (field.id, of_points(field), float(counts.sum())),
            )

    def field(self, id: str) -> FieldFacts | None:
        """What is known of a field; None before a worker has opened it, or where another version has in a way that cannot be read."""
        note(Key("field", id))
        row = self._db.execute("SELECT spec, shape, counts, gram, facts FROM field WHERE id = ?", (id,)).fetchone()
        if row is None:
            return None
        spec, shape, counts, gram, facts = row
        if (field := _field(spec)) is None:
            return None
        corners = len(field.corners)
        return FieldFacts(field, tuple(json.loads(shape)), array(counts), array(gram).reshape(corners, corners), json.loads(facts))

    def append(self, field_id: str, coords: Array, values: Array, *, seconds: float) -> None:
        """Keep points: coords (K, d), values (K, *shape). A point that is there already stays as it was."""
        rows = [(field_id, blob(c), blob(v), seconds / len(coords)) for c, v in zip(rounded(coords), values, strict=True)]
        with self._write() as db:
            (last,) = db.execute("SELECT coalesce(max(seq), 0) FROM point").fetchone()
            fresh = db.executemany("INSERT OR IGNORE INTO point (field, coords, value, seconds) VALUES (?, ?, ?, ?)", rows).rowcount
            db.executemany("DELETE FROM lot WHERE field = ? AND coords = ?", [row[:2] for row in rows])
            if fresh > 0:
                db.execute(
                    "INSERT INTO tally (field, points, seconds) VALUES (?, ?, ?)"
                    " ON CONFLICT (field) DO UPDATE SET points = points + excluded.points, seconds = seconds + excluded.seconds",
                    (field_id, fresh, seconds * fresh / len(rows)),
                )
                self._sum_up(db, field_id, last, rounded(coords), values)

    def lease(self, field_id: str, places: Array, worker: str, most: int) -> tuple[list[int], list[int]]:
        """Take up to so many of the (K, d) places of a field to measure them: (those taken, those that others have taken), as row numbers in this order. What is
        in neither, up to the last of both, is measured already. A worker that dies, or says nothing for `LEASE_S`, loses what it has taken."""
        now, over, mine, theirs = self.clock(), self._over(), list[int](), list[int]()
        wanted = [blob(at) for at in rounded(places)]
        with self._write() as db:
            for i, at in enumerate(wanted):
                if len(mine) == most:
                    break
                if db.execute("SELECT 1 FROM point WHERE field = ? AND coords = ?", (field_id, at)).fetchone():
                    continue
                taken = db.execute(
                    "INSERT INTO lot VALUES (?, ?, ?, ?) ON CONFLICT (field, coords) DO UPDATE SET worker = excluded.worker, until = excluded.until"
                    " WHERE until <= ? OR worker = excluded.worker",
                    (field_id, at, worker, now + LEASE_S, over),
                ).rowcount
                (mine if taken else theirs).append(i)
        return mine, theirs

    def held(self, field_id: str, places: Array, worker: str) -> list[int]:
        """Which of the (K, d) places this worker has still taken, as row numbers: what was measured meanwhile, or lost, is not among them."""
        held = {bytes(at) for (at,) in self._db.execute("SELECT coords FROM lot WHERE field = ? AND worker = ?", (field_id, worker))}
        return [i for i, at in enumerate(rounded(places)) if blob(at) in held]

    def let_go(self, field_id: str, places: Array, worker: str) -> None:
        """Give back (K, d) places that this worker has taken and not measured."""
        if len(places):
            with self._write() as db:
                db.executemany(
                    "DELETE FROM lot WHERE field = ? AND coords = ? AND worker = ?", [(field_id, blob(at), worker) for at in rounded(places)]
                )

    def points(self, field_id: str, *, after: int = 0, bare: bool = False) -> tuple[Points, int]:
        """The points of a field that came after a sequence number, and the last number seen. `bare`: without values, which then are (K, 0, 0).

        All of them are the same object as long as none is added, where they are not too many to be kept; unwritable.
        """
        note(Key("field", field_id))
        if after or bare:
            return self._added(field_id, after, bare=bare)
        seen, known = self._still(self._points, field_id)
        new, last = self._added(field_id, seen, bare=False)
        if known is not None and last == seen:
            return known, seen
        found = new if known is None else known.extended(new.coords, new.values)
        if not last or (size := found.coords.nbytes + found.values.nbytes) > MOST_POINTS_BYTES:
            return found, last
        for each in (found.coords, found.values, found.counts):
            each.flags.writeable = False
        return self._points.keep(field_id, last, found, size), last

    def _added(self, field_id: str, after: int, *, bare: bool) -> tuple[Points, int]:
        row = self._db.execute("SELECT shape, counts FROM field WHERE id = ?", (field_id,)).fetchone()
        if row is None:
            return no_points(1), after
        shape, counts = cast("list[int]", json.loads(row[0])), array(row[1])
        if bare:
            shape = [0, 0]
        value = "NULL" if bare else "value"
        rows = self._db.execute(f"SELECT seq, coords, {value} FROM point WHERE field = ? AND seq > ? ORDER BY seq", (field_id, after)).fetchall()
        if not rows:
            return Points(self._no_coords(field_id), np.empty((0, *shape)), counts), after
        coords = stacked([c for _, c, _ in rows], -1)
        values = np.empty((len(rows), 0, 0)) if bare else stacked([v for _, _, v in rows], *shape)
        return Points(coords, values, counts), rows[-1][0]

    def count(self, field_id: str) -> int:
        """How many points of a field there are."""
        return self._tally(field_id)[0]

    def points_at(self, field_id: str, places: Array) -> Points:
        """The points of a field at (K, d) places, with all their blocks, in this order; those that are not there are left out."""
        note(Key("field", field_id))
        row = self._db.execute("SELECT shape, counts FROM field WHERE id = ?", (field_id,)).fetchone()
        if row is None:
            return no_points(places.shape[1])
        shape, counts = cast("list[int]", json.loads(row[0])), array(row[1])
        wanted = rounded(places)
        found = [self._db.execute("SELECT value FROM point WHERE field = ? AND coords = ?", (field_id, blob(at))).fetchone() for at in wanted]
        there = [i for i, row in enumerate(found) if row is not None]
        return Points(wanted[there], np.array([array(found[i][0]) for i in there]).reshape(len(there), *shape), counts)

    def cost(self, field_id: str) -> float:
        """Seconds that all the points of a field took to compute."""
        return self._tally(field_id)[1]

    def _tally(self, field_id: str) -> tuple[int, float]:
        note(Key("field", field_id))
        return self._db.execute("SELECT points, seconds FROM tally WHERE field = ?", (field_id,)).fetchone() or (0, 0.0)

    def pace(self, field: Field) -> tuple[float, float] | None:
        """(seconds, items) of a point like those of fields of the same kind (work_kinds.of_points); None when there is none. What was measured here counts,
        the latest most; before there was something, all that came from elsewhere, the shipped samples for one."""
        rows = self._db.execute("SELECT t.field, f.spec, f.counts FROM tally t JOIN field f ON f.id = t.field WHERE t.kind = ''").fetchall()
        sorted_in = [(of_points(found), float(array(counts).sum()), id) for id, spec, counts in rows if (found := _field(spec)) is not None]
        if sorted_in:  # they come from an earlier version, or from another store
            with suppress(Unavailable), self._write() as db:
                db.executemany("UPDATE tally SET kind = ?, items = ? WHERE field = ?", sorted_in)
        kind = of_points(field)
        points, seconds, items = self._db.execute(
            "SELECT total(points), total(seconds), total(points * items) FROM tally WHERE kind = ?", (kind,)
        ).fetchone()
        if not points:
            return None
        here = self.pace_of(kind)
        return (seconds if here is None else here * items) / points, items / points

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

    def worked(self, kind: str, units: float, seconds: float) -> None:
        """Note what work of a kind took, so that the next of its kind is foretold. Each counts half as much as the one after it."""
        with self._write() as db:
            db.execute(
                "INSERT INTO pace VALUES (?, ?, ?) ON CONFLICT (kind) DO UPDATE SET units = units / 2 + excluded.units, seconds = seconds / 2 + excluded.seconds",
                (kind, units, seconds),
            )

    def pace_of(self, kind: str) -> float | None:
        """Seconds for a unit of work of this kind; None where none was done here."""
        row = self._db.execute("SELECT seconds / units FROM pace WHERE kind = ?", (kind,)).fetchone()
        return None if row is None else row[0]

    # --- changes ------------------------------------------------------------------------------------------------------

    def versions(self, keys: Iterable[Key]) -> dict[Key, tuple[object, object]]:
        """Of each part of the store (how it stands, how far it is): what was drawn of it holds as long as they are the same. That somebody works on a request
        is how far it is. Three statements for any number."""
        wanted = list(keys)
        found: dict[Key, tuple[object, object]] = dict.fromkeys(wanted, (None, None))
        ids = json.dumps([key.id for key in wanted if key.kind == "request"])
        for id, phase, *far in self._db.execute(
            "SELECT id, phase, lease > 0, done, total, message FROM wish WHERE id IN (SELECT value FROM json_each(?))", (ids,)
        ):
            found[Key("request", id)] = (phase, tuple(far))
        fields = json.dumps([key.id for key in wanted if key.kind == "field"])
        for id, points in self._db.execute("SELECT field, points FROM tally WHERE field IN (SELECT value FROM json_each(?))", (fields,)):
            found[Key("field", id)] = (True, points)
        if LIST in found:
            found[LIST] = (self._db.execute("SELECT n FROM changes").fetchone()[0], None)
        return found

    # --- checkpoints --------------------------------------------------------------------------------------------------

    def register(self, facts: Facts, *, owner: str = "") -> None:
        """Remember where a checkpoint lies and what was recognised. owner: who had it looked at, "" for the operator; the first one stays."""
        with self._write() as db:
            if db.execute("SELECT 1 FROM checkpoint WHERE path = ?", (facts.path,)).fetchone() is None:
                db.execute("INSERT OR REPLACE INTO registrant VALUES (?, ?)", (facts.path, owner))
            db.execute(
                "INSERT INTO checkpoint VALUES (?, ?, ?, ?) "
                "ON CONFLICT (path) DO UPDATE SET digest = excluded.digest, facts = excluded.facts, seen = excluded.seen",
                (facts.path, facts.digest, json.dumps(facts.to_json()), self.clock()),
            )
            db.execute("UPDATE changes SET n = n + 1")

    def checkpoints(self) -> list[Facts]:
        """Every registered checkpoint, in the order in which they were first registered; without unreadable ones."""
        note(LIST)
        rows = self._db.execute("SELECT facts FROM checkpoint ORDER BY rowid").fetchall()
        return [found for (text,) in rows if (found := _facts(text)) is not None and not readable.missing(text)]

    def unregister(self, path: str, *, by: str | None = None) -> None:
        """Take a checkpoint off the list; the file is not touched. by: who wants that, None for the operator; Refused when somebody else registered it."""
        with self._write() as db:
            owner = self.registrant(path)
            if by not in (None, owner):
                raise Refused(f"{path} was registered by {owner or 'the operator of this server'}; only they can take it off the list.")
            db.execute("DELETE FROM registrant WHERE path = ?", (path,))
            db.execute("DELETE FROM checkpoint WHERE path = ?", (path,))
            db.execute("UPDATE changes SET n = n + 1")

    def registrant(self, path: str) -> str:
        """Who registered a checkpoint; "" is the operator."""
        return (self._db.execute("SELECT owner FROM registrant WHERE path = ?", (path,)).fetchone() or ("",))[0]

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

    def absorb(self, other: Path, *, pinned: bool = False) -> None:
        """Take over what another store's file holds: fields, points, finished requests, checkpoints. What is here already stays. pinned: for ever."""
        uri = f"{other.absolute().as_uri()}?mode=ro&immutable=1"
        self._db.execute("ATTACH ? AS other", (uri,))
        try:
            with self._write() as db:
                db.execute("INSERT OR IGNORE INTO field SELECT * FROM other.field")
                db.execute(
                    "INSERT OR IGNORE INTO point (field, coords, value, seconds) SELECT field, coords, value, seconds FROM other.point ORDER BY seq"
                )
                db.execute(
                    "INSERT INTO tally (field, points, seconds) SELECT field, count(*), total(seconds) FROM main.point"
                    " WHERE field IN (SELECT id FROM other.field) GROUP BY field"
                    " ON CONFLICT (field) DO UPDATE SET points = excluded.points, seconds = excluded.seconds"
                )
                self._absorb_requests(db)
                self._absorb_products(db)
                if pinned:
                    db.execute("INSERT OR IGNORE INTO pinned SELECT id FROM other.field")
                db.execute("INSERT OR IGNORE INTO checkpoint SELECT * FROM other.checkpoint ORDER BY rowid")
                if db.execute("SELECT 1 FROM other.sqlite_schema WHERE name = 'made'").fetchone():
                    db.execute("INSERT OR IGNORE INTO made SELECT * FROM other.made")
        finally:
            self._db.execute("DETACH other")

    def export(self, path: Path) -> None:
        """Write everything, as it stands at this moment, into a new file at the path; others may go on writing meanwhile."""
        self._db.execute("VACUUM INTO ?", (str(path),))


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


def _field(text: str) -> Field | None:
    try:
        found = readable.spec(text)
    except Unknown:
        return None
    return found if isinstance(found, Field) else None
