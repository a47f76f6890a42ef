"""The mixtures of some models that are measured, in memory: a page that looks again reads only what is new."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from explorer.core.spec import Field
from explorer.stats.soup_analysis import Soups
from explorer.store.kept import Kept
from explorer.store.run_store import RunStore

KEPT_BYTES = 256 * 2**20  # of all fields together; the soups of 200 models are some 40 MiB, the middles of all their lines 110 MiB

_kept: WeakKeyDictionary[RunStore, Kept[Soups]] = WeakKeyDictionary()


def measured(store: RunStore, field: Field) -> Soups:
    """The points of a field of the chart `mixture`, in the order in which they were measured."""
    kept = _kept.setdefault(store, Kept(KEPT_BYTES))
    seen, before = kept.last(field.id) or (0, None)
    new, last = store.points(field.id, after=seen)
    if before is not None and not len(new):
        return before
    now = Soups.of(new if before is None or not len(before) else before.extended(new.coords, new.values))
    return kept.keep(field.id, last, now, now.coords.nbytes + now.values.nbytes)
