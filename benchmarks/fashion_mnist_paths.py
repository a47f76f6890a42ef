"""Does a curved way remove the barrier: two independent MLPs on Fashion-MNIST, the segment, a Bézier curve and a polygonal chain between them.

    python benchmarks/fashion_mnist_paths.py [--data FOLDER] [--epochs 6] [--path-epochs 30] [--device cpu]

Trains two seeds of an MLP 784-256-256-10, then the ways, each with one bend, and prints the worst test error on 61 evenly spaced points of each with
its 95 % interval. Expected from an independent implementation: ends near 11.2 %, the segment near 20 %, curve and chain within half a point of the ends.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np

from explorer.checkpoints.weights import Weights, gram
from explorer.core import registry
from explorer.core.points import Points
from explorer.evaluate.evaluator import Evaluate
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.stats import arc_length
from explorer.stats.arc_length import ChartFunction
from explorer.stats.barriers import barrier

train = registry.find("train", "sgd")

TOML = """
title = "Fashion-MNIST MLP"

[network]
name = "mlp"
widths = [784, 256, 256, 10]

[data]
name = "idx"
path = "{data}"
mean = 0.286
std = 0.353

[split]
val = 0.0
test = 0.0
"""


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"), help="folder with the IDX files")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--path-epochs", type=int, default=30)
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "problem.toml").write_text(TOML.format(data=arguments.data.resolve()), encoding="utf-8")
        problem = Problem(problem_toml.read(Path(scratch)))
    ends = [list(train(problem, epochs=arguments.epochs, lr=0.05, batch=128, seed=s, order_seed=s, device=arguments.device))[-1] for s in (0, 1)]
    print(f"{'way':<12}{'ends, %':>16}{'worst, %':>10}{'rise above the ends, 95 %':>30}{'loss barrier, 95 %':>28}{'length':>9}{'trained in':>12}")
    measure(problem, ends, "line", arguments.device, 0.0)
    for name in ("bezier", "polychain"):
        started = time.perf_counter()
        connect = cast("Callable[..., object]", registry.find("connect", name))
        options = registry.method("connect", name, {"epochs": arguments.path_epochs, "lr": arguments.lr}).kwargs()
        last = list(connect(ends, problem, **options, device=arguments.device))[-1]  # pyright: ignore[reportArgumentType]
        measure(problem, [ends[0], *last.corners, ends[1]], name, arguments.device, time.perf_counter() - started)


def measure(problem: Problem, corners: list[Weights], chart: str, device: str, seconds: float) -> None:
    """One row."""
    place = cast("ChartFunction", registry.find("chart", chart))
    names = [n for n, _ in problem.network().named_parameters()]
    inner = gram(corners, names)
    evaluate = Evaluate(problem, corners, device=device)
    t = np.linspace(0, 1, 61)
    points = Points(t[:, None], np.stack([evaluate(c) for c in place(t[:, None], inner)]), evaluate.counts)
    loss, error = barrier(points, 0, name="loss"), barrier(points, 1, name="error")
    assert loss is not None
    assert error is not None
    rise = next(e for name, e in error.others if "worse end" in name)
    shown = f"{100 * rise.value:.2f} [{100 * rise.low:.2f}, {100 * rise.high:.2f}]"
    ends = f"{100 * error.ends[0]:.2f}, {100 * error.ends[1]:.2f}"
    height = f"{loss.height.value:.4f} [{loss.height.low:.4f}, {loss.height.high:.4f}]"
    worst = 100 * float(points.means()[:, 1].max())
    print(
        f"{chart:<12}{ends:>16}{worst:>10.2f}{shown:>30}{height:>28}{arc_length.at(place, inner, np.array([1.0]))[0]:>9.2f}{seconds:>10.0f} s",
        flush=True,
    )


if __name__ == "__main__":
    main()
