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
from explorer.engine.run_loop import Report, assist, keep
from explorer.engine.run_study import examine, is_shared, share
from explorer.evaluate.devices import accelerators, memory, precisely, title
from explorer.store import made_models
from explorer.store.job_status import Status
from explorer.store.requests import IDLE, QUICK_S
from explorer.store.run_store import RunStore
from explorer.store.sqlite import Unavailable
from explorer.store.workers import LEASE_S

log = logging.getLogger(__name__)
POLL_S = 0.02  # between two looks whether anybody has written into the store
LOOK_S = 1.0  # between two looks for requests when nobody has: a lease runs out without a word
REPORT_S = 0.1  # between two reports of how far something is
RETRY_S = 2.0  # between two attempts to write to a store that takes nothing
RETRIES = 300
MOST_RUNS = 32  # driven by one process


class Worker:
    """Does one request after another. In the middle of a long one it lets those of a higher rank (a click on a picture) go first, and those that take a second or two."""

    def __init__(self, store: RunStore, home: Path, *, device: str = "cpu", execute: Execute | None = None) -> None:
        self.store, self.home, self.device, self.execute = store, home, device, execute
        self.id = uuid.uuid4().hex[:12]
        self.rest = Rest.now()

    def serve(self, *, idle_s: float) -> None:
        """Work until nothing has been requested `idle_s` seconds."""
        for draft in made_models.sweep_drafts(self.store):
            log.info("removed %s, which a killed process left half written", draft)
        with self._heartbeat():
            last = time.monotonic()
            while time.monotonic() - last < idle_s:
                try:
                    busy = self.work_one() or self.help_one()
                except Unavailable as trouble:
                    log.warning("%s", trouble)
                    time.sleep(RETRY_S)
                    continue
                if busy:
                    last = time.monotonic()
                else:
                    self._rest()

    def work_off(self) -> int:
        """Work until nothing is left to do; the number of requests done."""
        with self._heartbeat():
            count = 0
            while self.work_one():
                count += 1
            return count

    def _rest(self) -> None:
        """Wait until somebody writes into the store."""
        seen, until = self.store.version(), time.monotonic() + LOOK_S
        while self.store.version() == seen and time.monotonic() < until:
            time.sleep(POLL_S)

    def work_one(self, *, above: int = IDLE - 1, within: float = -1.0) -> bool:
        """Claim one request (RunStore.claim) and see it through. False when there was none."""
        claimed = self.store.claim(self.id, above=above, within=within)
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

    def help_one(self) -> bool:
        """Measure points of a run, or candidates of a search, that another worker is at, until there is something else to do. False where nobody needs help."""
        for status in self.store.under_way(self.id):
            request = status.request
            if isinstance(request, Run) or (isinstance(request, Study) and is_shared(request)):
                try:
                    with within(status.roots, self.home):
                        if apart(partial(self._assist, request, status.id), self.rest, self.device):
                            return True
                except (Refused, MemoryError, torch.OutOfMemoryError) as trouble:  # its own worker says so to its owner
                    log.warning("Could not help with %s: %s", status.id, trouble)
        return False

    def _assist(self, request: Run | Study, id: str) -> int:
        seen: list[int] = []

        def go_on() -> bool:
            if (version := self.store.version()) in seen:
                return True
            seen[:] = [version]
            status = self.store.status(id)
            return status is not None and status.state == "running" and not self.store.claimable(self.id)

        if isinstance(request, Study):
            return share(request, self.store, self.home, go_on=go_on, device=self.device, worker=self.id)
        return assist(request, self.store, self.home, go_on=go_on, device=self.device, execute=self.execute, worker=self.id)

    def _lay_down(self, claimed: Status, done: bool, result: Json, error: str | None) -> None:
        """Release a request. While the store takes nothing (a full disk), wait: what was found out is not thrown away, and nobody else could write it either."""
        for _ in range(RETRIES):
            try:
                self.store.release(claimed.id, self.id, finished=done, error=error, result=result)
                self.store.keep_within_limit()
                return
            except Unavailable as trouble:
                log.warning("%s", trouble)
                time.sleep(RETRY_S)
        raise Unavailable(f"The store {self.store.path} has not accepted writes for too long.")

    def _do(self, claimed: Status) -> tuple[bool, Json]:
        report = _Reporter(self, claimed)
        with within(claimed.roots, self.home):
            try:
                found = self._carried_out(claimed, report)
            except Stopped:
                return False, None
            report.last()
            return found

    def _carried_out(self, claimed: Status, report: Report) -> tuple[bool, Json]:
        match request := claimed.request:
            case Run():
                return keep(request, self.store, self.home, report=report, device=self.device, execute=self.execute, worker=self.id), None
            case Look():
                return True, inspect_path(request, self.store, report=report, device=self.device, owner=claimed.owner).to_json()
            case Study():
                return True, examine(request, self.store, self.home, device=self.device, progress=_progress(report), worker=self.id)
            case Make(recipe):
                realise(recipe, self.store, self.home, device=self.device, progress=_progress(report))
                return True, {"path": str(made_at(recipe, self.home))}

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


class _Reporter:
    """What a request's work calls as it goes on: here whatever comes first is done in the middle of it, and the store is told how far it is."""

    def __init__(self, worker: Worker, claimed: Status) -> None:
        self.worker, self.claimed = worker, claimed
        self.begun = time.monotonic()
        self.told = self.begun - REPORT_S
        self.version: int | None = None
        self.state: tuple[int, int, int, str] | None = None
        self.untold = False
        self.going = True

    def __call__(self, done: int, total: int, fresh: int, message: str) -> bool:
        self.state, self.untold = (done, total, fresh, message), True
        version = self.worker.store.version()
        if version != self.version or time.monotonic() - self.told >= REPORT_S:
            while self.worker.work_one(above=self.claimed.rank, within=self._within()):
                pass
            self.last()
            self.version = version
        return self.going

    def last(self) -> None:
        """Tell what was not told yet."""
        if self.untold and self.state is not None:
            done, total, fresh, message = self.state
            self.going = self.worker.store.report(self.claimed.id, self.worker.id, done=done, total=total, fresh=fresh, message=message)
            self.told, self.untold = time.monotonic(), False

    def _within(self) -> float:
        """How long what is done in the middle of this may take: what is quick itself is not interrupted by its like, unless it proves to be long."""
        expected = self.claimed.expected
        quick = expected is not None and expected <= QUICK_S and time.monotonic() - self.begun <= QUICK_S
        return -1.0 if quick else QUICK_S


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
