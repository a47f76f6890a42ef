"""Is the engine right on a result others have: two independent MLPs on Fashion-MNIST, and the straight line between them.

    python benchmarks/fashion_mnist_line.py [--data FOLDER] [--epochs 6]

Trains two seeds of an MLP 784-256-256-10 (about a minute on two cores) and prints the test error at both ends and the worst on the
segment. Expected from an independent implementation: ends near 11.2 %, worst point near 20 %.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from explorer.api import interpolate
from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.figures.line import shown
from explorer.problems import problem_toml
from explorer.problems.problem import Problem

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
"""


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"), help="folder with the IDX files")
    parser.add_argument("--epochs", type=int, default=6)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "problem.toml").write_text(TOML.format(data=arguments.data.resolve()), encoding="utf-8")
        problem = Problem(problem_toml.read(folder))
        for seed in (0, 1):
            started = time.perf_counter()
            *_, weights = train(problem, epochs=arguments.epochs, lr=0.05, batch=128, seed=seed, order_seed=seed)
            checkpoint_file.write(folder / f"seed-{seed}.safetensors", weights)
            print(f"seed {seed}: trained {arguments.epochs} epochs in {time.perf_counter() - started:.0f} s")
        started = time.perf_counter()
        line = interpolate(folder / "seed-0.safetensors", folder / "seed-1.safetensors", problem=problem.spec, home=folder)
        spent = time.perf_counter() - started
        dense = interpolate(
            folder / "seed-0.safetensors", folder / "seed-1.safetensors", problem=problem.spec, home=folder, sampler="grid", options={"size": 101}
        )
    for metric in ("error", "loss"):
        found, full = line.barrier(metric), dense.barrier(metric)
        scale, unit = (100, "%") if metric == "error" else (1, "nat")
        print(
            f"{metric}: ends {scale * found.ends[0]:.4g} and {scale * found.ends[1]:.4g} {unit}, worst on the segment {scale * found.peak:.4g} {unit}"
        )
        print(f"  barrier, adaptive, {found.points} points in {spent:.1f} s: {shown(found)} at t = {found.at:.3f}")
        print(f"  barrier, grid and adaptive together, {full.points} points: {shown(full)} at t = {full.at:.3f}")


if __name__ == "__main__":
    main()
