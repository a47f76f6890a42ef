"""Would a picture of a plane be cheaper if points were measured on few samples, and on more only where these do not say enough?

The points are those that `surface` asks for; what a point costs is the share of the 256 blocks of samples that it is measured on. Scouts, held-out points and the first
grid are measured on all of them, so that the certificate means what it says. Two rules for the others, both doubling the blocks until the standard error is
below a share of the tolerance: `value` of the mean itself, `rest` of what is left over a prediction of every block by the spline through the coarser levels
(a control variate, as in multilevel Monte Carlo; Giles 2015, "Multilevel Monte Carlo methods"). Blocks without a measurement get prediction + mean rest.
Compare costs at the same rms difference from measuring everything: `gain` is what the sampler alone would take for that rms (between its tolerances the
logarithm of the points is taken straight over that of the rms; nan beyond them), over what racing takes.

    python benchmarks/racing.py --planes 2 [--data FOLDER]      # of Fashion-MNIST's idx files: on its 10,000 test samples, too; three MLPs are trained
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import combinations, islice
from pathlib import Path

import numpy as np
import torch
from fashion_mnist_line import TOML
from surface import SIZE, Truth, measured, through

from explorer.core import registry
from explorer.core.points import Array, Points
from explorer.evaluate.evaluator import Evaluate
from explorer.methods.sample import surface
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.stats.sparse_grid_surrogate import Lattice, Nodes, levels, nodes_of, panel, preview, steps

train = registry.find("train", "sgd")

TOLERANCES = (0.04, 0.02, 0.01, 0.005, 0.0025)
FIRST = 8  # nodes from one to the next on the grid that the sampler begins with


def main() -> None:
    """Measure, race, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--planes", type=int, default=2, help="planes through three of the five digits-mlp models, at most 10")
    parser.add_argument("--data", help="folder with the idx files of Fashion-MNIST")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for triple in islice(combinations(range(5), 3), 0, None, max(1, 10 // arguments.planes)):
        race(measured("digits-mlp", triple, samples=0, recalibration=1, blocks=256))
    if arguments.data:
        race(fashion(arguments.data))


def fashion(data: str) -> Truth:
    """The plane through three seeds of an MLP, two epochs each."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "problem.toml").write_text(TOML.format(data=data), encoding="utf-8")
        home = Problem(problem_toml.read(folder))
    corners = [[dict(weights) for weights in train(home, epochs=2, seed=seed)][-1] for seed in range(3)]
    return through("fashion 012", Evaluate(home, corners, blocks=256, metrics=("loss",)), corners)


def race(truth: Truth) -> None:
    """All rules and tolerances on one plane."""
    asked = {tolerance: chosen(truth, tolerance) for tolerance in TOLERANCES}
    plain = [(rms(truth, nodes, truth.values[tuple(nodes.T)]), len(nodes)) for nodes in asked.values()]
    print(f"{truth.name}: " + ", ".join(f"{points} points {error:.4f}" for error, points in plain))
    by_rms = np.log(np.array(sorted(plain)))
    for rule in ("value", "rest"):
        for tolerance, nodes in asked.items():
            for share in (1.0, 0.5, 0.25):
                cost, values = raced(truth, nodes, tolerance * share, predict=rule == "rest")
                error = rms(truth, nodes, values)
                alone = np.exp(np.interp(np.log(error), *by_rms.T, left=np.nan, right=np.nan))
                print(
                    f"  {rule:6s} tolerance {tolerance:.4f}, standard error {share:.2f} of it: cost {cost:4.0f}, rms {error:.4f}, gain {alone / cost:.2f}",
                    flush=True,
                )


def chosen(truth: Truth, tolerance: float) -> Nodes:
    """(K, 2) the nodes that the sampler asks for."""
    coords, values = np.empty((0, 2)), np.empty((0, *truth.values.shape[2:]))
    while len(todo := surface.ask(Points(coords, values, truth.counts), SIZE**2, tolerance=tolerance)):
        nodes, _ = nodes_of(todo, SIZE)
        coords, values = np.concatenate([coords, todo]), np.concatenate([values, truth.values[tuple(nodes.T)]])
    return nodes_of(coords, SIZE)[0]


def rms(truth: Truth, nodes: Nodes, values: Array) -> float:
    """How far the picture is from the truth, in log-loss."""
    shown = preview(Points(nodes / (SIZE - 1), values, truth.counts), SIZE).values
    return float(np.sqrt(np.nanmean((np.log(shown) - np.log(truth.values[:, :, 0].sum(axis=-1) / truth.counts.sum())) ** 2)))


def raced(truth: Truth, nodes: Nodes, error: float, *, predict: bool, fewest: int = 8) -> tuple[float, Array]:
    """What the points cost, in points on all samples, and their (K, 1, B) sums over blocks. error: relative standard error that is enough."""
    blocks = len(truth.counts)
    order = np.random.default_rng(0).permutation(blocks)
    found, have = np.full((SIZE, SIZE, blocks), np.nan), np.zeros((SIZE, SIZE), dtype=bool)
    whole = np.zeros((SIZE, SIZE), dtype=bool)
    for group in panel(SIZE, 2):
        whole[tuple(group.T)] = True
    spent = 0
    for step in steps(SIZE):
        here = [tuple(node) for node in nodes if not have[tuple(node)] and not (node % step).any()]
        # Influences go through the levels like values do: one for each block.
        guess = levels(Lattice(np.concatenate([found[..., :1], found], axis=-1), have, False), step)[-1].values[..., 1:] if step < FIRST else None
        for node in here:
            true = truth.values[node][0]
            base = guess[node[0] // step, node[1] // step] if guess is not None and predict else np.zeros(blocks)
            used = blocks if step >= FIRST or whole[node] else fewest
            while True:
                seen, rest = order[:used], order[used:]
                left = true[seen] - base[seen]
                rate = left.sum() / truth.counts[seen].sum()
                sums = true.copy()
                sums[rest] = base[rest] + rate * truth.counts[rest]
                spread = np.std(left - rate * truth.counts[seen], ddof=1) * np.sqrt((1 - used / blocks) / used) * blocks
                if used == blocks or spread <= error * abs(sums.sum()):
                    break
                used = min(2 * used, blocks)
            found[node] = sums
            spent += used
        have[tuple(np.array(here, dtype=int).reshape(-1, 2).T)] = True
    return spent / blocks, found[tuple(nodes.T)][:, None]


if __name__ == "__main__":
    main()
