"""How few points a picture of a plane needs, and whether its certificate holds.

Every surface is measured on the full 65 × 65 grid, which is the truth here. Then the sampler `surface` asks for its points, explorer.stats.sparse_grid_surrogate predicts the
rest, and the picture is compared with the truth: rms and largest difference of log-loss, and what the certificate says of the rms. For comparison: even
grids with the same spline. Each surface is taken in its eight orientations, so that exploration points and held-out points fall on other places of it; `covered` is the share
of them in which the true rms lies below the upper end of the certified interval (97.5 % one-sided), and `q95` the same for the 95 % quantile.
Surfaces: planes through three digits-mlp, one through three digits-resnet (128 samples), and formulas with narrow features.

    python benchmarks/surface.py --planes 3
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from explorer.checkpoints import checkpoint_file
from explorer.checkpoints.weights import Weights, gram
from explorer.core.points import Array, Points
from explorer.evaluate.evaluator import Evaluate
from explorer.methods.chart import plane
from explorer.methods.sample import surface
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.stats.sparse_grid_surrogate import nodes_of, preview

SIZE = 65
MODELS = Path(__file__).parents[1] / "sample_models"


class Truth(NamedTuple):
    """values: (65, 65, 1, B) block sums of the loss; counts: (B,)."""

    name: str
    values: Array
    counts: Array


class Outcome(NamedTuple):
    """Of one orientation: points asked for, true rms and largest difference, the certified rms and upper ends, and how many cells differ in being NaN."""

    points: int
    rms: float
    largest: float
    certified: float
    covered: bool
    quantile_covered: bool
    nan_mismatches: int


def main() -> None:
    """Measure, sample, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--planes", type=int, default=5, help="planes through three of the five digits-mlp models, at most 10")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'surface':16s} {'tolerance':>9s} {'points':>7s} {'share':>6s} {'rms':>7s} {'largest':>8s} {'certified':>9s} {'covered':>8s} {'q95':>5s}")
    for truth in surfaces(arguments.planes):
        evens = ", ".join(f"{n}²: {even(truth, n):.4f}" for n in (9, 17, 33))
        for tolerance in (0.01, 0.02):
            runs = [sampled(turned, tolerance) for turned in orientations(truth)]
            points, rms, largest, certified, covered, quantile, nan_mismatches = np.mean(runs, axis=0)
            print(
                f"{truth.name:16s} {tolerance:9.2f} {points:7.0f} {points / SIZE**2:6.1%} {rms:7.4f} {largest:8.3f} {certified:9.4f} {covered:8.0%} {quantile:5.0%}"
                + (f"  {nan_mismatches:.0f} cells torn" if nan_mismatches else "")
            )
        print(f"{'':16s} even grids: {evens}", flush=True)


def surfaces(planes: int) -> Iterator[Truth]:
    """The truths, one after the other."""
    for triple in islice(combinations(range(5), 3), 0, None, max(1, 10 // planes)):
        yield measured("digits-mlp", triple, samples=0, recalibration=1)
    yield measured("digits-resnet", (0, 1, 2), samples=128, recalibration=256)
    formulas: dict[str, Callable[[Array, Array], Array]] = {
        "bowl": lambda x, y: 0.1 + (x - 0.4) ** 2 + 3 * (y - 0.6) ** 2,
        "kink": lambda x, y: 0.2 + np.abs(x - 0.43) + np.abs(y - x),
        "sharp valley": lambda x, y: 0.1 + np.abs(np.tanh((y - 0.3 - 0.4 * x**2) / 0.05)),
        "thin valley": lambda x, y: 2 - 1.9 * np.exp(-(((x + 0.7 * y - 0.8) / 0.03) ** 2)),
        "spike 1/20": lambda x, y: 1 + 3 * np.exp(-((x - 0.313) ** 2 + (y - 0.687) ** 2) / 0.05**2),
        "spike 1/50": lambda x, y: 1 + 3 * np.exp(-((x - 0.313) ** 2 + (y - 0.687) ** 2) / 0.02**2),
        "diverged disc": lambda x, y: np.where((x - 0.8) ** 2 + (y - 0.7) ** 2 < 0.04, np.nan, 0.3 + x + y**2),
    }
    axis = np.linspace(0, 1, SIZE)
    for name, formula in formulas.items():
        yield Truth(name, formula(*np.meshgrid(axis, axis, indexing="ij"))[:, :, None, None], np.ones(1))


def measured(name: str, triple: tuple[int, ...], *, samples: int, recalibration: int, blocks: int = 32) -> Truth:
    """The plane through three models of a problem, all of it."""
    home = Problem(problem_toml.find(name))
    corners = [checkpoint_file.read(MODELS / name / f"seed-{i}.safetensors").weights for i in triple]
    evaluate = Evaluate(home, corners, samples=samples, blocks=blocks, metrics=("loss",), recalibration=recalibration)
    return through(f"{name[7:]} {''.join(map(str, triple))}", evaluate, corners)


def through(name: str, evaluate: Evaluate, corners: Sequence[Weights]) -> Truth:
    """All of the plane through three models."""
    inner = gram(corners, [key for key, _ in evaluate.network.named_parameters()])
    axis = np.linspace(0, 1, SIZE)
    coords = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    values = np.stack([evaluate(c) for c in plane.place(coords, inner)])
    return Truth(name, values.reshape(SIZE, SIZE, *values.shape[1:]), evaluate.counts)


def orientations(truth: Truth) -> Iterator[Truth]:
    """The surface turned and mirrored, eight ways."""
    for values in (truth.values, truth.values.swapaxes(0, 1)):
        for quarter in range(4):
            yield truth._replace(values=np.rot90(values, quarter))


def sampled(truth: Truth, tolerance: float) -> Outcome:
    """What comes of the sampler on a surface."""
    coords, values = np.empty((0, 2)), np.empty((0, *truth.values.shape[2:]))
    while len(todo := surface.ask(Points(coords, values, truth.counts), SIZE**2, tolerance=tolerance)):
        nodes, _ = nodes_of(todo, SIZE)
        coords, values = np.concatenate([coords, todo]), np.concatenate([values, truth.values[tuple(nodes.T)]])
    shown = preview(Points(coords, values, truth.counts), SIZE)
    right = np.log(truth.values[:, :, 0].sum(axis=-1) / truth.counts.sum())
    error = np.abs(np.log(shown.values) - right)
    seen, certificate = error[np.isfinite(error)], shown.certificate
    assert certificate is not None
    rms = float(np.sqrt((seen**2).mean()))
    return Outcome(
        points=len(coords),
        rms=rms,
        largest=float(seen.max()),
        certified=certificate.rms.value,
        covered=rms <= certificate.rms.high,
        quantile_covered=float(np.quantile(seen, 0.95)) <= certificate.quantile_upper,
        nan_mismatches=int((np.isnan(shown.values) != np.isnan(right)).sum()),
    )


def even(truth: Truth, n: int) -> float:
    """The rms difference of the spline through an even grid of n × n points."""
    step = (SIZE - 1) // (n - 1)
    nodes = np.stack(np.meshgrid(*[np.arange(0, SIZE, step)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    shown = preview(Points(nodes / (SIZE - 1), truth.values[tuple(nodes.T)], truth.counts), SIZE)
    error = np.log(shown.values) - np.log(truth.values[:, :, 0].sum(axis=-1) / truth.counts.sum())
    return float(np.sqrt(np.nanmean(error**2)))


if __name__ == "__main__":
    main()
