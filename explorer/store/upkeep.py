"""How much a store holds, and what may go: points that no run needs any more, the room they leave in the file, and, where its size is bounded, the oldest points.

Nothing goes that somebody may still look at: a run that is removed from the list only marks its field, and a sweep takes the points of marked fields that no
listed run needs. Points go some thousand at a time, each time in one transaction with their count: whoever is killed meanwhile leaves a store that is whole,
and the next sweep goes on.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from explorer.core import locations, model_path
from explorer.core.errors import Refused
from explorer.core.spec import Look, Run
from explorer.stats.preview_confirmation import exact, is_preview
from explorer.store import readable, visitors
from explorer.store.sqlite import Database
from explorer.store.visitors import SIZE

Progress: TypeAlias = Callable[[int, int], None]  # bytes done, and of how many

AT_ONCE = 2000  # points that go in one transaction
DAY_S, HOUR_S = 86_400.0, 3600.0
STEPS = 200_000  # of SQLite's machine between two words about a compaction
TAKEN = "Its points were removed to keep the store within its limit. Resume measures them again."
UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


@dataclass(frozen=True)
class Room:
    """Bytes of a store: of its file, of what is in use of it, of points that a sweep would take, and the most that is allowed (None: any)."""

    file: int
    used: int
    forgotten: int
    limit: int | None

    @property
    def free(self) -> int:
        """What a compaction gives back."""
        return self.file - self.used

    def said(self) -> list[str]:
        """How full it is, in sentences for a person."""
        found = [f"The store uses {shown_size(self.used)}; its file has {shown_size(self.file)}."]
        if self.forgotten:
            found.append(f"A sweep removes {shown_size(self.forgotten)}: points of runs that were removed from the list.")
        if self.free > self.file // 10:
            found.append(f"A compaction gives {shown_size(self.free)} back to the disk.")
        if self.limit is not None:
            share = f"{100 * self.used / self.limit:.0f} %" if self.limit else "more than all"
            found.append(
                f"Its limit is {shown_size(self.limit)}, of which {share} is used. Beyond it the points of the oldest runs go that nobody pinned."
            )
        return found


class Upkeep(Database):
    """The part of a store that looks after its size."""

    clock: Callable[[], float]

    def room(self) -> Room:
        """How full it is."""
        pages, free, each = (self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size"))
        return Room(pages * each, (pages - free) * each, sum(self.bytes_of_fields(self._unneeded_fields()).values()), self.limit())

    def bytes_of_fields(self, fields: Iterable[str]) -> dict[str, int]:
        """About how many bytes the points of these fields take, from their number."""
        rows = self._db.execute(
            f"SELECT t.field, {SIZE} FROM tally t JOIN field f ON f.id = t.field WHERE t.field IN (SELECT value FROM json_each(?))",
            (json.dumps(list(fields)),),
        )
        return dict(rows.fetchall())

    # --- what may not go ------------------------------------------------------------------------------------------------

    def pin(self, field_id: str, pinned: bool = True, *, by: str | None = None) -> None:
        """Keep the points of a field whatever the limit, or no longer. by: who wants that, None for the operator; Refused where they asked for no run of it."""
        with self._write() as db:
            visitors.may_keep(db, field_id, by)
            db.execute("INSERT OR IGNORE INTO pinned VALUES (?)" if pinned else "DELETE FROM pinned WHERE field = ?", (field_id,))

    def pinned(self) -> set[str]:
        """The fields that are kept."""
        return {field for (field,) in self._db.execute("SELECT field FROM pinned")}

    def opened(self, *run_ids: str) -> None:
        """Somebody looks at these runs now: their points stay for a day. Written once an hour."""
        now, ids = self.clock(), json.dumps(run_ids)
        rows = self._db.execute(
            "SELECT DISTINCT subject FROM wish WHERE id IN (SELECT value FROM json_each(?)) AND kind = 'Run'"
            " AND NOT EXISTS (SELECT 1 FROM opened WHERE field = subject AND at > ?)",
            (ids, now - HOUR_S),
        ).fetchall()
        if rows:
            with self._write() as db:
                db.executemany("INSERT OR REPLACE INTO opened VALUES (?, ?)", [(field, now) for (field,) in rows])

    # --- a sweep --------------------------------------------------------------------------------------------------------

    def sweep(self, progress: Progress = lambda done, of: None) -> int:
        """Remove what no run needs: points of runs that were removed from the list, inspections of files that are gone, and what was left of either. Bytes, about."""
        sizes = self.bytes_of_fields(self._unneeded_fields())
        done, whole = 0, sum(sizes.values())
        for field, size in sizes.items():
            for gone, left in self._without_points(field, lambda db, field=field: self._unneeded(db, field)):
                progress(done + size * gone // max(1, gone + left), whole)
            done += size
            with self._write() as db:
                if self._unneeded(db, field) and not db.execute("SELECT 1 FROM point WHERE field = ?", (field,)).fetchone():
                    db.execute("DELETE FROM wish WHERE subject = ? AND kind = 'Run' AND sampler = 'given'", (field,))
                    db.execute("DELETE FROM field WHERE id = ?", (field,))
                    for table in ("tally", "opened", "pinned", "forgotten", "lot"):
                        db.execute(f"DELETE FROM {table} WHERE field = ?", (field,))
        self._sweep_results()
        return whole

    def _sweep_results(self) -> None:
        rows = self._db.execute("SELECT id, spec FROM wish WHERE kind = 'Look' AND phase <> 'open' AND lease <= ?", (self.clock(),)).fetchall()
        gone = [(id,) for id, text in rows if _is_of_nothing(text)]
        known = {digest for (digest,) in self._db.execute("SELECT digest FROM checkpoint")}
        unknown = [(id,) for id, models in self._db.execute("SELECT request, models FROM products").fetchall() if not known & set(json.loads(models))]
        with self._write() as db:
            db.executemany("DELETE FROM wish WHERE id = ?", gone)
            db.executemany("DELETE FROM products WHERE request = ?", [*gone, *unknown])
            db.execute("DELETE FROM result WHERE request NOT IN (SELECT id FROM wish)")
            db.execute("DELETE FROM plan WHERE wish NOT IN (SELECT id FROM wish)")
            db.execute("UPDATE changes SET n = n + 1")

    def _unneeded(self, db: sqlite3.Connection, field: str) -> bool:
        """Whether no listed run, nor the preview that it confirms, has this field; clicks on its picture do not count."""
        return not self._listed(db, field) and field not in _confirmed(db)

    def _unneeded_fields(self) -> list[str]:
        marked = [field for (field,) in self._db.execute("SELECT field FROM forgotten").fetchall()]
        confirmed = _confirmed(self._db) if marked else frozenset()
        return [field for field in marked if field not in confirmed and not self._listed(self._db, field)]

    def _listed(self, db: sqlite3.Connection, field: str) -> bool:
        mine = "SELECT 1 FROM wish WHERE subject = ? AND kind = 'Run' AND (sampler IS NOT 'given' OR lease > ? OR phase = 'open')"
        return db.execute(mine, (field, self.clock())).fetchone() is not None

    # --- what models are made for (explorer.store.made_models) ----------------------------------------------------------

    def needing(self, since: float) -> list[str]:
        """The specs, as text, that go back to models which have to stay: of runs on the list, of models that were asked for as files, of fields, all as far as they
        came since then; and of inspections and studies that are not done."""
        rows = self._db.execute(
            "SELECT spec FROM wish WHERE kind IN ('Run', 'Make') AND created >= :since AND subject NOT IN (SELECT value FROM json_each(:gone))"
            " UNION ALL SELECT spec FROM wish WHERE kind IN ('Look', 'Study') AND phase = 'open'"
            " UNION ALL SELECT spec FROM field WHERE created >= :since AND id NOT IN (SELECT value FROM json_each(:gone))",
            {"since": since, "gone": json.dumps(self._unneeded_fields())},
        )
        return [text for (text,) in rows.fetchall()]

    def inspected(self, folder: Path) -> list[str]:
        """The paths within a folder at which checkpoints are registered."""
        return [path for (path,) in self._db.execute("SELECT path FROM checkpoint WHERE instr(path, ?) = 1", (f"{folder}{os.sep}",))]

    @contextmanager
    def undisturbed(self) -> Generator[None, None, None]:
        """Nobody else writes meanwhile, neither points nor requests."""
        with self._write():
            yield

    def _without_points(self, field: str, still: Callable[[sqlite3.Connection], bool]) -> Iterator[tuple[int, int]]:
        """Remove the points of a field, as long as `still` holds: (gone, left) after every transaction."""
        gone = 0
        while True:
            with self._write() as db:
                if not still(db):
                    return
                seqs = db.execute("SELECT seq FROM point WHERE field = ? LIMIT ?", (field, AT_ONCE)).fetchall()
                db.executemany("DELETE FROM point WHERE seq = ?", seqs)
                db.executemany("DELETE FROM total WHERE field = ? AND seq = ?", [(field, seq) for (seq,) in seqs])
                db.execute(
                    "UPDATE tally SET seconds = seconds * (points - :gone) / max(1, points), points = points - :gone,"
                    " summed = (SELECT count(*) FROM total WHERE field = :field) WHERE field = :field",
                    {"gone": len(seqs), "field": field},
                )
                (left,) = db.execute("SELECT coalesce((SELECT points FROM tally WHERE field = ?), 0)", (field,)).fetchone()
            gone += len(seqs)
            yield gone, left
            if not seqs:
                return

    # --- a limit --------------------------------------------------------------------------------------------------------

    def limit(self) -> int | None:
        """The most bytes that it should use; None: any."""
        row = self._db.execute("SELECT value FROM setting WHERE name = 'limit'").fetchone()
        return None if row is None else int(row[0])

    def bound(self, limit: int | None) -> None:
        """Set the limit. Nothing goes before `keep_within_limit`."""
        with self._write() as db:
            db.execute("DELETE FROM setting WHERE name = 'limit'")
            if limit is not None:
                db.execute("INSERT INTO setting VALUES ('limit', ?)", (limit,))

    def next_to_go(self) -> list[str]:
        """The fields whose points may go to keep within a limit, that which nobody has looked at for longest first: no run of theirs is under way, pinned,
        shipped, or was finished or looked at within a day."""
        rows = self._db.execute(
            "SELECT t.field, max(f.created, coalesce(o.at, 0), coalesce((SELECT max(coalesce(finished, 0), created) FROM wish"
            "  WHERE subject = t.field AND kind = 'Run' ORDER BY 1 DESC LIMIT 1), 0)) AS last"
            " FROM tally t JOIN field f ON f.id = t.field LEFT JOIN opened o ON o.field = t.field"
            " WHERE t.points > 0 AND t.field NOT IN (SELECT field FROM pinned) AND last < :now - :day"
            "  AND NOT EXISTS (SELECT 1 FROM wish WHERE subject = t.field AND kind = 'Run' AND (lease > :now OR phase = 'open' OR story <> ''))"
            " ORDER BY last",
            {"now": self.clock(), "day": DAY_S},
        )
        return [field for field, _ in rows.fetchall()]

    def keep_within_limit(self) -> int:
        """Remove the oldest points until no more is used than is allowed, and say so at their runs: how many fields lost theirs. Nothing without a limit."""
        limit = self.limit()
        if limit is None or self.room().used <= limit:
            return 0
        taken = 0
        for field in self.next_to_go():
            if self.room().used <= limit:
                break
            with self._write() as db:
                db.execute(
                    "UPDATE wish SET finished = NULL, stopped = 1, done = 0, message = ? WHERE subject = ? AND kind = 'Run' AND phase = 'done'",
                    (TAKEN, field),
                )
                db.execute("UPDATE changes SET n = n + 1")
            for _ in self._without_points(field, lambda db, field=field: self._idle(db, field)):
                pass
            taken += 1
        return taken

    def _idle(self, db: sqlite3.Connection, field: str) -> bool:
        asked = "SELECT 1 FROM wish WHERE subject = ? AND kind = 'Run' AND (lease > ? OR phase = 'open')"
        return db.execute(asked, (field, self.clock())).fetchone() is None

    # --- a compaction ---------------------------------------------------------------------------------------------------

    def compact(self, progress: Progress = lambda done, of: None) -> int:
        """Give the room that was freed in the file back to the disk: bytes. Refused while something runs. Needs as much free disk as the store uses, for a while."""
        if self._db.execute("SELECT 1 FROM wish WHERE lease > ?", (self.clock(),)).fetchone():
            raise Refused("Something is running, and would have to wait for minutes. Compact the store once it is done, or stop it.")
        before, log = self.room(), Path(f"{self.path}-wal")

        def say() -> None:
            progress(min(log.stat().st_size if log.exists() else 0, before.used), before.used)

        self._db.set_progress_handler(say, STEPS)
        try:
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self._db.set_progress_handler(None, 0)
        return before.file - self.room().file


def size_of(text: str) -> int:
    """Bytes from "20 GB" or "500 MiB". Refused when it says no size."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?\s*", text.lower())
    if found is None or found[2] not in UNITS:
        raise Refused(f"A size is a number with a unit, such as 20 GB or 500 MB; got {text!r}.")
    return int(float(found[1]) * UNITS[found[2]])


def shown_size(size: float) -> str:
    """Bytes for a person: 1.2 GB."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.2g} {unit}" if size < 10 else f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def _confirmed(db: sqlite3.Connection) -> frozenset[str]:
    """The fields in which previews on the list have their quoted values."""
    previews = db.execute(
        "SELECT DISTINCT spec FROM wish WHERE kind = 'Run' AND instr(spec, '\"precision\"') AND NOT instr(spec, '\"precision\": \"float32\"')"
    ).fetchall()
    return frozenset(exact(run.field).id for (text,) in previews if (run := _run(text)) is not None and is_preview(run.field))


def _run(text: str) -> Run | None:
    found = readable.spec_or_none(text)
    return found if isinstance(found, Run) else None


def _is_of_nothing(text: str) -> bool:
    """Whether it is the look at a file or folder that is no longer there."""
    found = readable.spec_or_none(text)
    return isinstance(found, Look) and not model_path.parse(locations.expand(found.path)).path.exists()
