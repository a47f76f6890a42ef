"""How the cost of a run grows: with points, samples, parameters, corners and workers; what theory says, what is measured, and what a schedule predicts.

    python benchmarks/scaling.py [--parts points samples parameters corners workers schedule] [--seconds 1.0]

On paper a point costs  a + b·(corners·parameters) + c·samples·parameters : mixing reads every corner once, a forward multiplies every weight with every
sample. So seconds grow like the first power of points and of samples (exponent 1), of parameters once the products are large enough to run at full rate
(below, fixed costs flatten it), and of corners only as far as mixing weighs against the forward. Exponents are the slope of log seconds over log size
between the largest sizes.

With W workers a run of n points that are asked for w at a time takes  ⌈w/W⌉·s for each batch, and so s / W for each point when batches are long: the
schedule is simulated with drawn times; the points a second of as many processes as there are cores are measured.
"""

from __future__ import annotations

import argparse
import heapq
import math
import multiprocessing as mp
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import torch

from explorer.checkpoints.weights import Weights
from explorer.evaluate.evaluator import Evaluate
from explorer.problems import problem_toml
from explorer.problems.problem import Problem

PARTS = ("points", "samples", "parameters", "corners", "workers", "schedule")
SAMPLES, WIDTH = 2048, 256
BATCH = 16  # points for each worker in a batch, as in explorer.engine.execute.ray


def main() -> None:
    """Measure, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each measurement")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)

        def seconds(*, points: int = 1, samples: int = SAMPLES, width: int = WIDTH, corners: int = 2) -> float:
            problem, models = case(folder, width, corners)
            return points * a_point(Evaluate(problem, models, samples=samples), corners, arguments.seconds, points)

        if "points" in arguments.parts:
            grown("points", [4, 16, 64, 256], lambda n: seconds(points=n, samples=256), "1")
        if "samples" in arguments.parts:
            grown("samples", [256, 512, 1024, 2048], lambda n: seconds(samples=n), "1")
        if "parameters" in arguments.parts:
            sizes = {numbers(w): w for w in (64, 128, 256, 512, 1024)}
            grown("parameters", list(sizes), lambda p: seconds(width=sizes[p]), "1, less while small")
        if "corners" in arguments.parts:
            grown("corners", [2, 4, 8, 16], lambda c: seconds(corners=c, samples=256), "0 to 1: mixing against the forward")
        if "workers" in arguments.parts:
            workers(folder, arguments.seconds)
        if "schedule" in arguments.parts:
            schedule()


def case(folder: Path, width: int, corners: int) -> tuple[Problem, list[Weights]]:
    """An MLP 784-w-w-10 on drawn images, its first layer not shared, for what a network costs is meant."""
    here = folder / f"w{width}"
    if not here.is_dir():
        here.mkdir()
        rng = np.random.default_rng(0)
        np.savez(here / "data.npz", x=rng.standard_normal((4200, 784), dtype=np.float32), y=np.arange(4200) % 10)
        text = f'[network]\nname = "mlp"\nwidths = [784, {width}, {width}, 10]\n[data]\nname = "npz"\npath = "data.npz"\n[split]\ntest = 0.5\n'
        (here / "problem.toml").write_text(text, encoding="utf-8")
    problem = Problem(problem_toml.read(here))
    return problem, [{k: v.detach().clone() for k, v in problem.network(seed=s).state_dict().items()} for s in range(corners)]


def numbers(width: int) -> int:
    """Parameters of that MLP."""
    return 785 * width + (width + 1) * width + (width + 1) * 10


def a_point(evaluate: Evaluate, corners: int, seconds: float, least: int = 1) -> float:
    """Seconds of a point between the corners, the median of as many as fit and of so many at least."""
    rng, taken = np.random.default_rng(0), list[float]()
    evaluate(np.full(corners, 1 / corners))
    end = time.perf_counter() + seconds
    while len(taken) < least or time.perf_counter() < end:
        shares = rng.random(corners) + 0.1
        started = time.perf_counter()
        evaluate(shares / shares.sum())
        taken.append(time.perf_counter() - started)
    return float(np.median(taken))


def grown(what: str, sizes: Sequence[int], seconds: Callable[[int], float], expected: str) -> None:
    """A table of one size, the measured exponent, and what the smaller sizes predict for the largest."""
    found = [seconds(n) for n in sizes]
    print(f"\n{what}\n" + "\n".join(f"{n:>12,}{1000 * s:>14.2f} ms" for n, s in zip(sizes, found, strict=True)))
    slope = math.log(found[-1] / found[-2]) / math.log(sizes[-1] / sizes[-2])
    line = np.polyfit(sizes[:-1], found[:-1], 1)
    predicted = float(np.polyval(line, sizes[-1]))
    print(f"exponent {slope:.2f} at the largest (on paper {expected}); a + b·{what} of the smaller predicts {1000 * predicted:.2f} ms, ", end="")
    print(f"measured {1000 * found[-1]:.2f} ({found[-1] / predicted:.2f} ×)", flush=True)


def workers(folder: Path, seconds: float) -> None:
    """Points a second of 1, 2, … processes, as many as there are cores."""
    case(folder, WIDTH, 2)
    context = mp.get_context("spawn")
    alone = 0.0
    print("\nworkers")
    for count in range(1, min(os.cpu_count() or 1, 8) + 1):
        ready, rates = context.Barrier(count), context.Queue()
        crew = [context.Process(target=shift, args=(folder, seconds, ready, rates)) for _ in range(count)]
        for process in crew:
            process.start()
        speed = sum(rates.get(timeout=120) for _ in crew)
        for process in crew:
            process.join()
        alone = alone or speed
        print(f"{count:>12}{speed:>14.1f} points/s, predicted {alone * count:.1f}, efficiency {speed / alone / count:.2f}", flush=True)


def shift(folder: Path, seconds: float, ready: Barrier, rates: mp.Queue[float]) -> None:
    """One worker, begun when all are ready."""
    torch.set_num_threads(1)
    problem, models = case(folder, WIDTH, 2)
    evaluate = Evaluate(problem, models)
    ready.wait()
    rates.put(1 / a_point(evaluate, 2, seconds))


def schedule() -> None:
    """A plane of 2601 points on W workers whose times vary by a fifth: asked for in batches as the cluster's executor does, beside all at once."""
    rng = np.random.default_rng(0)
    times = rng.gamma(25.0, 1 / 25.0, 51 * 51)  # mean 1, deviation 1/5
    print(
        "\nschedule of 2601 points (simulated; a point takes 1 ± 0.2)\n"
        + f"{'workers':>12}{'on paper':>12}{'all at once':>13}{'in batches of 16 W':>19}"
    )
    for count in (1, 2, 4, 8, 16, 32, 64, 128):
        ideal = times.sum() / count
        whole = makespan(times, count)
        batches = sum(makespan(times[i : i + BATCH * count], count) for i in range(0, len(times), BATCH * count))
        print(f"{count:>12}{ideal:>12.1f}{ideal / whole:>12.0%} {ideal / batches:>18.0%}")


def makespan(times: Sequence[float] | np.ndarray[tuple[int], np.dtype[np.float64]], count: int) -> float:
    """When the last of `count` workers is done, each taking the next point as soon as it is free."""
    free = [0.0] * count
    for t in times:
        heapq.heappush(free, heapq.heappop(free) + t)
    return max(free)


if __name__ == "__main__":
    main()
