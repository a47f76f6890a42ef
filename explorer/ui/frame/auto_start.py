"""How long a picture would take, and whether that is short enough to begin it without being asked."""

from __future__ import annotations

from explorer.core.spec import Field
from explorer.store.run_store import RunStore

PATIENCE_S = 20.0  # a picture that takes longer is asked for, not begun by itself


def seconds(store: RunStore, like: Field, points: int) -> float | None:
    """What so many more points take, each like those of a field that is measured in part; None while nothing is."""
    there = store.count(like.id)
    return store.cost(like.id) / there * points if there else None


def quick(store: RunStore, like: Field, points: int) -> bool:
    """Whether nobody has to be asked."""
    needed = seconds(store, like, points)
    return needed is not None and needed < PATIENCE_S
