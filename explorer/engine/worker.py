"""A process that does what is requested: claims, works, reports, resumes. One per device; `loss-explorer worker` starts one anywhere.

It outlives the app that started it and goes home after a quiet while.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import torch

from explorer.core.allowed_folders import within
from explorer.core.errors import Refused, Stopped
from explorer.core.locations import made_at
from explorer.core.progress import Progress
from explorer.core.spec import Json, Look, Make, Run, Study
from explorer.engine.execute import Execute
from explorer.engine.execute.ray import Fleet
from explorer.engine.inspect_checkpoints import inspect_path
from explorer.engine.own_settings import Rest, apart
from explorer.engine.realise_recipe import realise
from explorer.engine.run_loop import Report, keep
from explorer.engine.run_study import examine
from explorer.evaluate.devices import accelerators, memory, precisely, title
from explorer.store.job_status import Status
from explorer.store.requests import IDLE, LEASE_S
from explorer.store.run_store import RunStore
from explorer.store.sqlite import Unavailable

log = logging.getLogger(__name__)
POLL_S = 0.1
RETRY_S = 2.0  # between two attempts to write to a store that takes nothing
RETRIES = 300
MOST_RUNS = 32  # driven by one process


class Worker:
    """Does one request after another. Between two points of a long one it lets those of a higher rank (a click on a picture) go first."""

    def __init__(self, store: RunStore, home: Path, *, device: str = "cpu", execute: Execute | None = None) -> None:
        self.store, self.home, self.device, self.execute = store, home, device, execute
        self.id = uuid.uuid4().hex[:12]
        self.rest = Rest.now()

    def serve(self, *, idle_s: float) -> None:
        """Work until nothing has been requested `idle_s` seconds."""
        with self._heartbeat():
            last = time.monotonic()
            while time.monotonic() - last < idle_s:
                try:
                    busy = self.work_one()
                except Unavailable as trouble:
                    log.warning("%s", trouble)
                    time.sleep(RETRY_S)
                    continue
                if busy:
                    last = time.monotonic()
                else:
                    time.sleep(POLL_S)

    def work_off(self) -> int:
        """Work until nothing is left to do; the number of requests done."""
        with self._heartbeat():
            count = 0
            while self.work_one():
                count += 1
            return count

    def work_one(self, *, above: int = IDLE - 1) -> bool:
        """Claim one request of a rank above the given one and see it through. False when there was none."""
        claimed = self.store.claim(self.id, above=above)
        if claimed is None:
            return False
        done, result, error = False, None, None
        try:
            done, result = apart(partial(self._do, claimed), self.rest, self.device)
        except Refused as refusal:
            error = str(refusal)
            log.warning("Request %s was refused: %s", claimed.id, error)
        except (MemoryError, torch.OutOfMemoryError):
            error = "There is not enough memory for this. Use fewer or smaller models."
            log.warning("Request %s ran out of memory", claimed.id)
        except Exception as bug:
            log.exception("Request %s failed", claimed.id)
            error = f"The explorer itself failed here ({type(bug).__name__}: {bug}). The worker's log has the details."
        self._lay_down(claimed, done, result, error)
        return True

    def _lay_down(self, claimed: Status, done: bool, result: Json, error: str | None) -> None:
        """Release a request. While the store takes nothing (a full disk), wait: what was found out is not thrown away, and nobody else could write it either."""
        for _ in range(RETRIES):
            try:
                return self.store.release(claimed.id, self.id, finished=done, error=error, result=result)
            except Unavailable as trouble:
                log.warning("%s", trouble)
                time.sleep(RETRY_S)
        raise Unavailable(f"The store {self.store.path} has not accepted writes for too long.")

    def _do(self, claimed: Status) -> tuple[bool, Json]:
        report = self._reporter(claimed)
        with within(claimed.roots, self.home):
            match claimed.request:
                case Run() as run:
                    return keep(run, self.store, self.home, report=report, device=self.device, execute=self.execute), None
                case Look() as request:
                    return True, inspect_path(request, self.store, report=report, device=self.device).to_json()
                case Study() as request:
                    try:
                        return True, examine(request, self.store, self.home, device=self.device, progress=_progress(report))
                    except Stopped:
                        return False, None
                case Make(recipe):
                    try:
                        realise(recipe, self.store, self.home, device=self.device, progress=_progress(report))
                    except Stopped:
                        return False, None
                    return True, {"path": str(made_at(recipe, self.home))}

    def _reporter(self, claimed: Status) -> Report:
        def report(done: int, total: int, fresh: int, message: str) -> bool:
            while self.work_one(above=claimed.rank):
                pass
            return self.store.report(claimed.id, self.id, done=done, total=total, fresh=fresh, message=message)

        return report

    @contextmanager
    def _heartbeat(self) -> Generator[None, None, None]:
        over = threading.Event()

        name, sees = title(self.device), accelerators()

        def say() -> None:
            found = memory(self.device)
            room = (found.free, found.total) if found else (0, 0)
            self.store.beat(self.id, pid=os.getpid(), device=self.device, title=name, sees=sees, memory=room)

        def beat() -> None:
            while not over.wait(LEASE_S / 5):
                with suppress(Unavailable):  # it may be available again at the next beat
                    say()

        say()
        thread = threading.Thread(target=beat, daemon=True, name="heartbeat")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            with suppress(Unavailable):  # then the others notice by themselves that it is gone
                self.store.retire(self.id)


def _progress(report: Report) -> Progress:
    def progress(done: int, total: int, message: str) -> None:
        if not report(done, total, done, message):
            raise Stopped

    return progress


def serve_fleet(store: RunStore, home: Path, fleet: Fleet, *, device: str, idle_s: float) -> None:
    """Work for a whole cluster until nothing has been requested `idle_s` seconds: as many runs at once as there are actors, for a run that asks
    for one point after the other keeps one of them busy."""
    crew = [Worker(store, home, device=device, execute=fleet) for _ in range(max(1, min(fleet.size, MOST_RUNS)))]
    with precisely("float32", torch.device(device)), ThreadPoolExecutor(len(crew)) as threads:  # one setting for all threads
        for done in [threads.submit(w.serve, idle_s=idle_s) for w in crew]:
            done.result()
