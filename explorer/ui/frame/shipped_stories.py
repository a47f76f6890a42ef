"""The finished stories that ship with the explorer, for a first page that is never blank."""

from __future__ import annotations

from explorer.core.spec import Run
from explorer.store.job_status import Status
from explorer.store.run_store import RunStore


def stories(store: RunStore) -> dict[str, Status]:
    """Shipped runs by title, in the order they were made."""
    return {s.request.story: s for s in store.stories() if isinstance(s.request, Run)}
