"""Start worker processes: one when nobody serves the store, then one for every other GPU that the first one sees. Imports nothing heavy: pages call this.

`LOSS_EXPLORER_HIRE=no` leaves the work to workers started by hand, on another machine for instance; `LOSS_EXPLORER_DEVICE` names the one device to use.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from explorer.core.files import system
from explorer.store.records import Serving
from explorer.store.run_store import RunStore
from explorer.store.workers import HOST

_started: dict[tuple[Path, str], float] = {}
LOG = "worker.log"
STARTED = "LOSS_EXPLORER_STARTED"  # when this process was, for a worker to note how long it took until it lived
TAIL_BYTES = 16384
PATIENCE_S = 20.0  # how long a worker may take to import torch and say that it lives


def start_workers(store: RunStore, home: Path) -> None:
    """Make sure that somebody serves this store. A worker is a process of its own: it outlives this one and ends when idle."""
    if os.environ.get("LOSS_EXPLORER_HIRE") == "no":
        return
    serving, now = store.workers(), time.monotonic()
    if serving and os.environ.get("LOSS_EXPLORER_RAY"):  # the one that is there has the cluster's devices
        return
    for device in devices_without_worker(serving, os.environ.get("LOSS_EXPLORER_DEVICE", "auto")):
        if now - _started.get((store.path, device), -PATIENCE_S) >= PATIENCE_S:
            _started[store.path, device] = now
            _start(store, home, device)


def devices_without_worker(serving: Sequence[Serving], device: str) -> list[str]:
    """The devices that a worker is missing on: the given one, where nobody serves; else, where that is `auto`, the GPUs that those here see and do not use."""
    if not serving:
        return [device]
    here = [s for s in serving if s.host == HOST]
    used = {s.device for s in here}
    return [d for d in dict.fromkeys(d for s in here for d in s.sees) if d not in used] if device == "auto" else []


def _start(store: RunStore, home: Path, device: str) -> None:
    file = home / LOG
    with system(file, "written"), file.open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-m", "explorer", "worker", "--store", str(store.path), "--device", device],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, STARTED: str(time.time())},
        )


def last_lines(home: Path, count: int = 20) -> str:
    """How the log of the workers that were started here ends; empty where there is none."""
    try:
        with (home / LOG).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL_BYTES))
            return "\n".join(log.read().decode("utf-8", "replace").splitlines()[-count:])
    except OSError:
        return ""
