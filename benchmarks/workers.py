"""How much sooner a plane is measured by several workers that share it.

Each worker is a process; the network sleeps, so that as many of them as one likes can be at work on two cores. The clock starts when all are up and the
field is known, and ends when the run is done. Printed is how often that time fits into one worker's.

    python benchmarks/workers.py [--side 101] [--sleep 0.05] [--workers 1 2 8]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np

from explorer.api import loaded
from explorer.core import locations, registry
from explorer.core.points import Array
from explorer.core.spec import Field, Run
from explorer.engine.execute import local
from explorer.engine.run_loop import keep
from explorer.engine.worker import Worker
from explorer.problems import problem_toml
from explorer.store.run_store import RunStore


class Asleep(local.Local):
    """Points that take a while."""

    pause = 0.05

    def map(self, coefficients: Array):
        time.sleep(self.pause * len(coefficients))
        yield from super().map(coefficients)


def plane(side: int) -> Run:
    """Through three of the shipped digits networks."""
    models = [loaded(p) for p in sorted((locations.root() / "sample_models" / "digits-mlp").glob("seed-*.safetensors"))[:3]]
    field = Field(problem_toml.find("digits-mlp"), tuple(models), registry.method("chart", "plane"), samples=64)
    return Run(field, registry.method("sample", "grid", {"size": side}))


def work(home: Path, pause: float, ready: Barrier) -> None:
    """One worker, until nothing was to be done for a while."""
    Asleep.pause = pause
    worker = Worker(RunStore.within(home), home, execute=lambda field, corners: Asleep(field, corners, device="cpu"))
    ready.wait()
    worker.serve(idle_s=3.0)


def measured(count: int, side: int, pause: float) -> float:
    """Seconds that so many workers take."""
    with tempfile.TemporaryDirectory() as scratch:
        home, run = Path(scratch), plane(side)
        store = RunStore.within(home)
        keep(Run(run.field, registry.method("sample", "grid", {"size": 2})), store, home, report=lambda *_: True)
        context = get_context("spawn")
        ready = context.Barrier(count + 1)
        workers = [context.Process(target=work, args=(home, pause, ready)) for _ in range(count)]
        for worker in workers:
            worker.start()
        ready.wait()
        store.submit(run)
        begun = time.monotonic()
        while (status := store.status(run.id)) is None or status.state != "done":
            time.sleep(0.02)
        seconds = time.monotonic() - begun
        for worker in workers:
            worker.join()
        points, _ = store.points(run.field.id, bare=True)
        assert len(np.unique(points.coords, axis=0)) == len(points) == side**2
        return seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=101)
    parser.add_argument("--sleep", type=float, default=0.05)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 8])
    arguments = parser.parse_args()
    alone = 0.0
    for count in arguments.workers:
        seconds = measured(count, arguments.side, arguments.sleep)
        alone = alone or seconds * count
        print(f"{count} workers: {seconds:.1f} s for {arguments.side}² points, {alone / seconds:.2f} × one", flush=True)


if __name__ == "__main__":
    main()
