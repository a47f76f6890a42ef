"""The finished stories that ship with the explorer, for a first page that is never blank."""

from __future__ import annotations

from explorer.core.spec import Run
from explorer.store.job_status import Status
from explorer.store.run_store import RunStore


def stories(store: RunStore) -> dict[str, Status]:
    """Shipped runs by title, in the order they were made."""
    finished = [s for s in store.statuses("Run", limit=1000) if isinstance(s.request, Run) and s.request.story and s.state == "done"]
    return {s.request.story: s for s in sorted(finished, key=lambda s: s.created) if isinstance(s.request, Run)}
