"""How much sooner a plane is measured by several workers that share it, and what Ray adds to a point.

The network sleeps, so that as many workers as one likes can be at work on two cores.

    python benchmarks/workers.py --part workers [--side 101] [--sleep 0.05] [--count 1 2 8]
    python benchmarks/workers.py --part ray     [--side 31]  [--sleep 0.01] [--count 1 2 4]
    python benchmarks/workers.py --part driver  [--side 101] [--sleep 0.1]  [--count 8 64] [--profile]

workers: each is a process. The clock starts when all are up and the field is known, and ends when the run is done; printed is how often that time fits into
one worker's.

ray: actors of a cluster on this machine. Told apart are the start (until the cluster answers, until all actors are up, until the first point is there, of
which the import of torch in each actor is most) and what a point takes of an actor from then on, as a multiple of what it takes here, before and after.

driver: the process that asks, hands out and keeps, with actors that only let time pass, so that as many as one likes take nothing of the processor. Printed are
the share of their time that they are at work, the CPU time of the driver for a point, which is what bounds its points a second, and, by --profile, on what
it is spent.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import tempfile
import time
from contextlib import nullcontext
from functools import partial
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from types import SimpleNamespace

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

DEFAULTS = {"workers": (101, 0.05, (1, 2, 8)), "ray": (31, 0.01, (1, 2, 4)), "driver": (101, 0.1, (8, 64))}  # side, sleep, counts


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


class Promised:
    """An answer that is there from a time on."""

    def __init__(self, at: float, found: object) -> None:
        self.at, self.found = at, found


class Idler:
    """An actor that lets time pass, one task after the other."""

    def __init__(self, pause: float, values: Array) -> None:
        self.pause, self.values, self.free, self.busy = pause, values, 0.0, 0.0
        self.ready, self.many, self.opened = (SimpleNamespace(remote=does) for does in (self._ready, self._many, self._opened))

    def _ready(self) -> Promised:
        return Promised(0.0, True)

    def _opened(self, field: Json, corners: list[object]) -> Promised:
        raise AssertionError("the field is known")

    def _many(self, field: Json, corners: list[object], coefficients: Array) -> Promised:
        seconds = self.pause * len(coefficients)
        self.busy += seconds
        self.free = max(self.free, time.monotonic()) + seconds
        return Promised(self.free, (np.repeat(self.values[None], len(coefficients), axis=0), seconds))


class Idle:
    """As much of Ray as a fleet needs, its actors being idlers."""

    exceptions = SimpleNamespace(RayError=OSError, RayTaskError=OSError)

    def __init__(self, count: int, pause: float, values: Array) -> None:
        self.count, self.pause, self.values = count, pause, values
        self.actors: list[Idler] = []

    def cluster_resources(self) -> dict[str, int]:
        return {"CPU": self.count}

    def remote(self, kind: object):
        def hired(device: str) -> Idler:
            self.actors.append(Idler(self.pause, self.values))
            return self.actors[-1]

        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=hired))

    def put(self, thing: object) -> object:
        return thing

    def get(self, promised: Promised) -> object:
        return promised.found

    def wait(self, promises: list[Promised], *, num_returns: int, timeout: float) -> tuple[list[Promised], list[Promised]]:
        if timeout:
            time.sleep(max(0.0, min(timeout, min(p.at for p in promises) - time.monotonic())))
        now = time.monotonic()
        done = [p for p in promises if p.at <= now][:num_returns]
        return done, [p for p in promises if p not in done]

    def kill(self, actor: Idler) -> None:
        self.actors.remove(actor)


def driven(count: int, side: int, pause: float) -> tuple[float, float]:
    """The share of their time that so many actors are at work, and CPU seconds of the driver for a point."""
    with tempfile.TemporaryDirectory() as scratch:
        home, run = Path(scratch), plane(side)
        store = RunStore.within(home)
        keep(Run(run.field, registry.method("sample", "grid", {"size": 2})), store, home, report=lambda *_: True)
        values = store.points(run.field.id)[0].values[0]
        library = Idle(count, pause, values)
        fleet = ray.Fleet(library)
        cpu, begun = time.process_time(), time.monotonic()
        assert keep(run, store, home, report=lambda *_: True, execute=fleet)
        cpu, wall = time.process_time() - cpu, time.monotonic() - begun
        assert len(store.points(run.field.id, bare=True)[0]) == side**2
        return sum(actor.busy for actor in library.actors) / wall / count, cpu / side**2


def driving(side: int, pause: float, counts: list[int], *, profiled: bool = False) -> None:
    """Print how busy one driver keeps so many actors, with points of several lengths."""
    for count in counts:
        for seconds in (pause, pause / 3, pause / 10, pause / 30):
            with cProfile.Profile() if profiled else nullcontext() as profile:
                busy, each = driven(count, side, seconds)
            print(
                f"{count} actors, points of {1e3 * seconds:.1f} ms ({count / seconds:,.0f} a second at most): busy {busy:.2f};"
                f" {1e3 * each:.3f} ms of the driver for a point, so at most {1 / each:,.0f} a second",
                flush=True,
            )
            if profile is not None:
                pstats.Stats(profile).sort_stats("tottime").print_stats(12)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=tuple(DEFAULTS), required=True)
    parser.add_argument("--side", type=int)
    parser.add_argument("--sleep", type=float)
    parser.add_argument("--profile", action="store_true", help="of the part driver")
    parser.add_argument("--count", type=int, nargs="+", help="of workers, or of actors")
    arguments = parser.parse_args()
    side, pause, counts = DEFAULTS[arguments.part]
    does = {"workers": sharing, "ray": on_a_cluster, "driver": partial(driving, profiled=arguments.profile)}[arguments.part]
    does(arguments.side or side, pause if arguments.sleep is None else arguments.sleep, arguments.count or list(counts))


if __name__ == "__main__":
    main()
