"""Start a worker process when nobody serves the store. Imports nothing heavy: pages call this.

`LOSS_EXPLORER_HIRE=no` leaves the work to workers started by hand, on another machine for instance.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from explorer.files import system
from explorer.store import RunStore

_started: dict[Path, float] = {}
PATIENCE_S = 20.0  # how long a worker may take to import torch and say that it lives


def hire(store: RunStore, home: Path) -> None:
    """Make sure that somebody serves this store. The worker is a process of its own: it outlives this one and ends when idle."""
    now = time.monotonic()
    if os.environ.get("LOSS_EXPLORER_HIRE") == "no" or store.workers() or now - _started.get(store.path, -PATIENCE_S) < PATIENCE_S:
        return
    _started[store.path] = now
    file = home / "worker.log"
    with system(file, "written"), file.open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-m", "explorer", "worker", "--store", str(store.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
