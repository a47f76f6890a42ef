"""The Gram matrices of checkpoints that were inspected together: a binary array each, apart from what else came of the look, read only where distances are shown."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

import numpy as np

from explorer.core.points import Array
from explorer.store.read_log import LIST, note
from explorer.store.schema import GRAMS_APART
from explorer.store.sqlite import Database


class InnerProducts(Database):
    """The part of a store that keeps them."""

    def keep_gram(self, request_id: str, digests: Sequence[str], gram: Array) -> None:
        """Keep the (n, n) inner products of the checkpoints with these digests, in the place of those that the same look took before."""
        value = np.ascontiguousarray(gram, dtype="<f8").tobytes()
        with self._write() as db:
            db.execute("INSERT OR REPLACE INTO products (request, models, value) VALUES (?, ?, ?)", (request_id, json.dumps(list(digests)), value))

    def gram(self, digests: Sequence[str]) -> Array | None:
        """(n, n) inner products of exactly these checkpoints, in this order, from the latest look that took them all; None where none did."""
        note(LIST)
        first = digests[0] if digests else ""
        for id, text in self._db.execute("SELECT rowid, models FROM products WHERE instr(models, ?) ORDER BY rowid DESC", (first,)).fetchall():
            members: list[str] = json.loads(text)
            if set(digests) <= set(members):
                (value,) = self._db.execute("SELECT value FROM products WHERE rowid = ?", (id,)).fetchone()
                rows = [members.index(digest) for digest in digests]
                return _gram(value, len(members))[np.ix_(rows, rows)]
        return None

    def _absorb_products(self, db: sqlite3.Connection) -> None:
        """Take over those of the store that is attached as `other`, after its results, in which an earlier version kept them."""
        if db.execute("SELECT 1 FROM other.sqlite_schema WHERE name = 'products'").fetchone():
            db.execute(
                "INSERT OR IGNORE INTO main.products (request, models, value) SELECT request, models, value FROM other.products ORDER BY rowid"
            )
        for statement in GRAMS_APART:
            db.execute(statement)


def _gram(value: bytes | str, side: int) -> Array:
    """(side, side), from bytes; or from JSON, as an earlier version had it in the result."""
    return np.array(json.loads(value), dtype=np.float64) if isinstance(value, str) else np.frombuffer(value, dtype="<f8").reshape(side, side)
