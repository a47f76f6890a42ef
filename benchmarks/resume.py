"""A large plane that is finished although its workers are killed again and again, and how much memory that takes.

A real worker process measures the plane through three models on size × size points; each time that its share of them is there it is killed (SIGKILL), and
the next one goes on. In the end every point must be there once. A point under way when a worker dies is measured again; all others are kept.

The peak of the resident memory of each worker (VmHWM) is printed for a small plane and for the large one: it must not grow with the plane. What a worker
holds is the corners, one network, one chunk of activations, the samples and a list of coordinates (16 bytes a point); the values lie in the store.

    python benchmarks/resume.py --problem digits-resnet --size 101 --samples 32 --kills 6

Linux only (/proc).
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from explorer.api import loaded
from explorer.core import registry
from explorer.core.spec import Field, Run
from explorer.problems import problem_toml
from explorer.store.run_store import RunStore

MODELS = Path(__file__).parents[1] / "sample_models"
POLL_S = 0.05


class Outcome(NamedTuple):
    """Of one plane: points in the store and how many of them differ, workers, seconds, and each worker's peak in bytes."""

    points: int
    different: int
    workers: int
    seconds: float
    peaks: list[int]


def main() -> None:
    """A small plane without kills, the large one with them; then what must be true."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problem", default="digits-resnet", help="a sample problem with seed-0, seed-1, seed-2")
    parser.add_argument("--size", type=int, default=101, help="points along each side of the large plane")
    parser.add_argument("--small", type=int, default=11, help="and of the small one")
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--kills", type=int, default=6)
    arguments = parser.parse_args()
    corners = tuple(loaded(MODELS / arguments.problem / f"seed-{i}.safetensors") for i in range(3))
    with tempfile.TemporaryDirectory() as scratch:
        peaks: list[int] = []
        for size, kills in ((arguments.small, 0), (arguments.size, arguments.kills)):
            field = Field(problem_toml.find(arguments.problem), corners, registry.method("chart", "plane"), samples=arguments.samples)
            store = RunStore(Path(scratch) / f"{size}.sqlite")
            found = finish(store, Run(field, registry.method("sample", "grid", {"size": size})), kills)
            peaks.append(max(found.peaks))
            print(
                f"{arguments.problem}, {size} × {size}: {found.points} points, {found.different} different ones, {found.workers} workers of which {kills} were killed,"
                f" {found.seconds:.0f} s; peak of a worker {min(found.peaks) / 2**20:.0f} to {max(found.peaks) / 2**20:.0f} MiB",
                flush=True,
            )
            assert found.points == found.different == size**2
    print(f"peak of the large plane / peak of the small one: {peaks[1] / peaks[0]:.3f}")


def finish(store: RunStore, run: Run, kills: int) -> Outcome:
    """Request for a run and see it through with one worker after another, all but the last of which are killed in the middle of it."""
    id, started = store.submit(run), time.monotonic()
    size = int(str(run.sampler["size"]))
    peaks: list[int] = []
    for i in range(kills + 1):
        share = size**2 * (i + 1) // (kills + 1)
        worker = subprocess.Popen([sys.executable, "-m", "explorer", "worker", "--store", str(store.path), "--device", "cpu", "--idle", "600"])
        peak = 0
        while (status := store.status(id)) is not None and status.state != "done" and (i == kills or status.done < share):
            assert status.state != "failed", status.error
            assert worker.poll() is None, "the worker went home"
            peak = max(peak, _peak(worker.pid))
            time.sleep(POLL_S)
        peaks.append(max(peak, _peak(worker.pid)))
        os.kill(worker.pid, signal.SIGKILL if i < kills else signal.SIGTERM)
        worker.wait()
    coords = store.points(run.field.id)[0].coords
    return Outcome(len(coords), len(np.unique(coords, axis=0)), kills + 1, time.monotonic() - started, peaks)


def _peak(pid: int) -> int:
    """The most memory that a process has held so far, in bytes; 0 when it is gone."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
    except OSError:
        return 0
    return 1024 * int(found[1]) if found else 0


if __name__ == "__main__":
    main()
