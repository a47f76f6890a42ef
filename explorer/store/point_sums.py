"""Of each point its sums over all blocks, in a table of their own: what pictures and means are made of is read without the blocks, which are a hundred times as much.

They are kept with the point. Those of points that an earlier version kept, or another store, are made up for when somebody first asks.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import suppress
from typing import cast

import numpy as np

from explorer.core import registry
from explorer.core.points import Array, Points, no_points
from explorer.core.spec import Field
from explorer.store.blobs import array, blob, stacked
from explorer.store.kept import Kept
from explorer.store.read_log import Key, note
from explorer.store.sqlite import Database, Unavailable

WITHOUT = (
    "AND NOT EXISTS (SELECT 1 FROM total WHERE total.field = point.field AND total.seq = point.seq)"  # the few that another store brought, of many
)
CHUNK = 512  # points whose blocks are in memory at once while they are taken together


class PointSums(Database):
    """The part of a store that has them."""

    _totals: Kept[Points]

    def totals(self, field_id: str) -> tuple[Points, int]:
        """The points of a field with all blocks taken together as one, and the last sequence number: what pictures and means are made of, and no interval.

        values: (K, M, 1), so that `means()` are those of the points themselves, bit for bit. They are kept, and what was added since is all that is read.
        Unwritable. Not for fields whose values are no sums over blocks.
        """
        note(Key("field", field_id))
        row = self._db.execute("SELECT shape, counts FROM field WHERE id = ?", (field_id,)).fetchone()
        if row is None:
            return no_points(1), 0
        shape, counts = cast("list[int]", json.loads(row[0])), array(row[1])
        if not _are_sums(shape, counts):
            raise ValueError(f"Expected sums over {len(counts)} blocks, got values of shape {tuple(shape)}: use points().")
        points, summed = self._db.execute("SELECT points, summed FROM tally WHERE field = ?", (field_id,)).fetchone() or (0, 0)
        seen, known = self._still(self._totals, field_id)
        if known is not None and len(known) == points:
            return known, seen
        if summed < points:
            with suppress(Unavailable):  # then they are made for this once
                self._make_up(field_id, shape)
                summed = points
        rows = self._read(field_id, seen) if summed >= points else self._from_blocks(field_id, shape, seen)
        if not rows:
            if known is not None:
                return known, seen
            return Points(self._no_coords(field_id), np.empty((0, shape[0], 1)), counts.sum(keepdims=True)), 0
        coords, sums = stacked([c for _, c, _ in rows], -1), stacked([s for _, _, s in rows], shape[0], 1)
        if known is not None:
            coords, sums = np.concatenate([known.coords, coords]), np.concatenate([known.values, sums])
        found = Points(coords, sums, counts.sum(keepdims=True))
        for each in (found.coords, found.values, found.counts):
            each.flags.writeable = False
        return self._totals.keep(field_id, rows[-1][0], found, coords.nbytes + sums.nbytes), rows[-1][0]

    def places(self, field_id: str) -> Array:
        """(K, d) coordinates of the points of a field; (0, 1) of one that is not known yet."""
        row = self._db.execute("SELECT shape, counts FROM field WHERE id = ?", (field_id,)).fetchone()
        if row is None:
            return no_points(1).coords
        if _are_sums(json.loads(row[0]), array(row[1])):
            return self.totals(field_id)[0].coords
        found = [at for (at,) in self._db.execute("SELECT coords FROM point WHERE field = ? ORDER BY seq", (field_id,)).fetchall()]
        return stacked(found, -1) if found else self._no_coords(field_id)

    def _still(self, kept: Kept[Points], field_id: str) -> tuple[int, Points | None]:
        """(last sequence number, points) of a field as they were kept in memory, (0, None) where some of them have gone since: points may go (explorer.store.upkeep)."""
        if (before := kept.last(field_id)) is None:
            return 0, None
        last = self._db.execute("SELECT 1 FROM point WHERE seq = ? AND field = ?", (before[0], field_id)).fetchone()
        points = self._db.execute("SELECT points FROM tally WHERE field = ?", (field_id,)).fetchone() or (0,)
        return before if last is not None and len(before[1]) <= points[0] else (0, None)

    def _sum_up(self, db: sqlite3.Connection, field_id: str, last: int, coords: Array, values: Array) -> None:
        """Keep those of the points among these that were put down after number `last`."""
        row = db.execute("SELECT shape, counts FROM field WHERE id = ?", (field_id,)).fetchone()
        if row is None or not _are_sums(json.loads(row[0]), array(row[1])):
            return
        sums = np.ascontiguousarray(values, dtype="<f8").sum(axis=2)
        of = {blob(at): blob(total) for at, total in zip(coords[::-1], sums[::-1], strict=True)}  # of a place that is there twice the first counts
        fresh = db.execute("SELECT seq, coords FROM point WHERE field = ? AND seq > ?", (field_id, last)).fetchall()
        db.executemany("INSERT INTO total VALUES (?, ?, ?, ?)", [(field_id, seq, at, of[at]) for seq, at in fresh])
        db.execute("UPDATE tally SET summed = summed + ? WHERE field = ?", (len(fresh), field_id))

    def _read(self, field_id: str, after: int) -> list[tuple[int, bytes, bytes]]:
        return self._db.execute("SELECT seq, coords, sums FROM total WHERE field = ? AND seq > ? ORDER BY seq", (field_id, after)).fetchall()

    def _from_blocks(self, field_id: str, shape: list[int], after: int, *, which: str = "", most: int = -1) -> list[tuple[int, bytes, bytes]]:
        """(sequence number, coords, sums) of the points after a number, so many at most, from their blocks."""
        found: list[tuple[int, bytes, bytes]] = []
        rows = self._db.execute(
            f"SELECT seq, coords, value FROM point WHERE field = ? AND seq > ? {which} ORDER BY seq LIMIT ?", (field_id, after, most)
        )
        while chunk := rows.fetchmany(CHUNK):
            sums = array(b"".join(v for _, _, v in chunk)).reshape(len(chunk), *shape).sum(axis=2)
            found += [(seq, at, blob(total)) for (seq, at, _), total in zip(chunk, sums, strict=True)]
        return found

    def _make_up(self, field_id: str, shape: list[int]) -> None:
        """Keep those that are not there yet, some thousand points at a time."""
        seen = 0
        while rows := self._from_blocks(field_id, shape, seen, which=WITHOUT, most=8 * CHUNK):
            with self._write() as db:
                db.executemany("INSERT OR IGNORE INTO total VALUES (?, ?, ?, ?)", [(field_id, *row) for row in rows])
            seen = rows[-1][0]
        with self._write() as db:
            db.execute("UPDATE tally SET summed = (SELECT count(*) FROM total WHERE field = :id) WHERE field = :id", {"id": field_id})

    def _no_coords(self, field_id: str) -> Array:
        """(0, d) of a field that is known."""
        (spec,) = self._db.execute("SELECT spec FROM field WHERE id = ?", (field_id,)).fetchone()
        return np.empty((0, registry.dimension(Field.from_json(json.loads(spec)))))


def _are_sums(shape: list[int], counts: Array) -> bool:
    return len(shape) == 2 and shape[1] == len(counts)
