"""Who works on a store: signs of life, leases that they renew, and what becomes of what the dead held."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Sequence

from explorer.store.clock_jumps import CLOCKS_S, Jumps
from explorer.store.process_alive import alive, born, killed_for_memory, place
from explorer.store.records import Serving
from explorer.store.sqlite import Database

LEASE_S = 15.0
HOST = socket.gethostname()
AHEAD = (  # of what is held, which are few rows
    "SELECT 1 FROM wish INDEXED BY wish_held WHERE lease > 0 AND lease > :latest"
    " UNION ALL SELECT 1 FROM worker WHERE beat > :latest UNION ALL SELECT 1 FROM lot WHERE until > :latest"
)


class Workers(Database):
    """The part of a store that says who works."""

    clock: Callable[[], float]
    jumps: Jumps

    def beat(self, worker: str, *, pid: int, device: str, title: str = "", sees: Sequence[str] = (), memory: tuple[int, int] = (0, 0)) -> None:
        """A worker says that it lives; whatever it holds stays its own for another lease.

        memory: bytes free and in all on its device. sees: the accelerators of its machine.
        """
        now = self.clock()
        with self._write() as db:
            db.execute(
                "INSERT INTO worker (id, host, pid, device, beat, title, sees, free, total, place, born, ooms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET beat = excluded.beat, free = excluded.free, total = excluded.total, ooms = excluded.ooms",
                (worker, HOST, pid, device, now, title, json.dumps(list(sees)), *memory, place(), born(pid), killed_for_memory()),
            )
            db.execute("UPDATE wish SET lease = ? WHERE worker = ? AND lease > 0 AND finished IS NULL", (now + LEASE_S, worker))
            db.execute("UPDATE lot SET until = ? WHERE worker = ?", (now + LEASE_S, worker))

    def retire(self, worker: str) -> None:
        """A worker leaves."""
        with self._write() as db:
            db.execute("DELETE FROM worker WHERE id = ?", (worker,))

    def workers(self) -> list[Serving]:
        """The workers that are alive, the first to have come first."""
        self._bury()
        rows = self._db.execute(
            "SELECT host, device, title, free, total, sees FROM worker WHERE beat > ? ORDER BY rowid", (self._over() - LEASE_S,)
        ).fetchall()
        return [Serving(host, device, title, free, total, tuple(json.loads(sees))) for host, device, title, free, total, sees in rows]

    # --- inside -------------------------------------------------------------------------------------------------------

    def _bury(self) -> None:
        """End the leases of workers that died where this process is, without waiting for them to run out, and cut those from before a clock was set back."""
        latest = (now := self.clock()) + LEASE_S + CLOCKS_S
        if self._db.execute(f"{AHEAD} LIMIT 1", {"latest": latest}).fetchone():
            with self._write() as db:
                db.execute("UPDATE wish SET lease = ? WHERE lease > 0 AND lease > ?", (now + LEASE_S, latest))
                db.execute("UPDATE worker SET beat = ? WHERE beat > ?", (now, latest))
                db.execute("UPDATE lot SET until = ? WHERE until > ?", (now + LEASE_S, latest))
        rows = self._db.execute("SELECT id, pid, born, ooms FROM worker WHERE place = ?", (place(),)).fetchall()
        if dead := [(id, ooms) for id, pid, began, ooms in rows if not alive(pid, began)]:
            killed = killed_for_memory()
            with self._write() as db:
                for id, ooms in dead:
                    db.execute("UPDATE wish SET lease = 0, starved = starved + ? WHERE worker = ? AND lease > 0", (killed > ooms, id))
                    db.execute("DELETE FROM lot WHERE worker = ?", (id,))
                    db.execute("DELETE FROM worker WHERE id = ?", (id,))

    def _over(self) -> float:
        """What a lease has to be before to have run out: now, and just after a jump of the clock never, until those who live have said so."""
        return 0.0 if self.jumps.recent() else self.clock()
