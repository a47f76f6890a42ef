"""How much sooner a plane is measured by several workers that share it, and what Ray adds to a point.

The network sleeps, so that as many workers as one likes can be at work on two cores.

    python benchmarks/workers.py --part workers [--side 101] [--sleep 0.05] [--count 1 2 8]
    python benchmarks/workers.py --part ray     [--side 31]  [--sleep 0.01] [--count 1 2 4]

workers: each is a process. The clock starts when all are up and the field is known, and ends when the run is done; printed is how often that time fits into
one worker's.

ray: actors of a cluster on this machine. Told apart are the start (until the cluster answers, until all actors are up, until the first point is there, of
which the import of torch in each actor is most) and what a point takes of an actor from then on, as a multiple of what it takes here, before and after.
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
from explorer.core.spec import Field, Json, Run
from explorer.engine.execute import Execute, local, ray
from explorer.engine.run_loop import keep
from explorer.engine.worker import Worker
from explorer.problems import problem_toml
from explorer.store.run_store import RunStore

DEFAULTS = {"workers": (101, 0.05, (1, 2, 8)), "ray": (31, 0.01, (1, 2, 4))}  # side, sleep, counts


class Asleep(local.Local):
    """Points that take a while."""

    pause = 0.05

    def map(self, coefficients: Array):
        time.sleep(self.pause * len(coefficients))
        yield from super().map(coefficients)


class AsleepThere(ray.Hand):
    """The same on a cluster. It travels there as it is written here, with the pause."""

    pause = 0.01

    def many(self, field: Json, corners: list[object], coefficients: Array) -> tuple[Array, float]:
        time.sleep(self.pause * len(coefficients))
        values, seconds = super().many(field, corners, coefficients)
        return values, seconds + self.pause * len(coefficients)


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


def sharing(side: int, pause: float, counts: list[int]) -> None:
    """Print what several workers make of a plane."""
    alone = 0.0
    for count in counts:
        seconds = measured(count, side, pause)
        alone = alone or seconds * count
        print(f"{count} workers: {seconds:.1f} s for {side}² points, {alone / seconds:.2f} × one", flush=True)


def a_point(side: int, execute: Execute) -> tuple[float, float]:
    """Seconds from a plane's beginning to its first point, and for each of the others."""
    with tempfile.TemporaryDirectory() as home:
        times = [time.monotonic()]

        def report(done: int, total: int, fresh: int, message: str) -> bool:
            if fresh and len(times) == 1:
                times.append(time.monotonic())
            return True

        run = plane(side)
        store = RunStore.within(Path(home))
        assert keep(run, store, Path(home), report=report, execute=execute)
        assert len(store.points(run.field.id, bare=True)[0]) == side**2
        return times[1] - times[0], (time.monotonic() - times[1]) / (side**2 - 1)


def on_a_cluster(side: int, pause: float, counts: list[int]) -> None:
    """Print what Ray takes to start, and what it adds to a point."""
    import ray as library

    Asleep.pause = AsleepThere.pause = pause
    ray.Hand = AsleepThere
    os.environ.update(ray.QUIET)
    for count in counts:
        before = a_point(side, lambda field, corners: Asleep(field, corners, device="cpu"))[1]
        begun = time.monotonic()
        library.init(num_cpus=count, include_dashboard=False, _node_ip_address="127.0.0.1", log_to_driver=False, logging_level="warning")
        answers = time.monotonic()
        fleet = ray.Fleet(library)
        try:
            hands = [fleet.take(wait=True) for _ in range(count)]
            up = time.monotonic()
            for hand in hands:
                fleet.give(hand)
            first, _ = a_point(2, fleet)
            there = a_point(side, fleet)[1] * count
        finally:
            fleet.close()
            library.shutdown()
        after = a_point(side, lambda field, corners: Asleep(field, corners, device="cpu"))[1]
        here = (before + after) / 2
        print(
            f"{count} actors: start {answers - begun:.1f} s to the cluster, {up - answers:.1f} s to its actors, {first:.1f} s to the first point; then"
            f" {1e3 * there:.2f} ms of an actor for a point, here {1e3 * before:.2f} and {1e3 * after:.2f} ms: {there / here:.2f} ×",
            flush=True,
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=tuple(DEFAULTS), required=True)
    parser.add_argument("--side", type=int)
    parser.add_argument("--sleep", type=float)
    parser.add_argument("--count", type=int, nargs="+", help="of workers, or of actors")
    arguments = parser.parse_args()
    side, pause, counts = DEFAULTS[arguments.part]
    does = {"workers": sharing, "ray": on_a_cluster}[arguments.part]
    does(arguments.side or side, pause if arguments.sleep is None else arguments.sleep, arguments.count or list(counts))


if __name__ == "__main__":
    main()
