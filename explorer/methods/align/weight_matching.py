"""Weight matching: permute hidden units so that the weights come as close to the reference as they can.

Ainsworth, Hayase & Srinivasa 2023, "Git Re-Basin: Merging Models modulo Permutation Symmetries": coordinate descent over the symmetry
groups; the permutation of one group that maximises the inner product with the reference, all others held, is a linear assignment. It needs the
checkpoints only.

Every step raises the inner product, so it ends. The order in which groups are visited decides in which local optimum it ends, and the closest
weights are not always the lowest barrier: with several restarts the one with the lowest loss at the midpoint, on samples of the train split, is
taken. A group is visited again only after one that shares a weight with it has moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import torch

from explorer import symmetry
from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.evaluate.evaluator import Evaluate
from explorer.problems.problem import Problem
from explorer.symmetry import Maps, permuted
from explorer.symmetry.assignment import Alignment, WeightScores, descend, of_equal_widths

SELECTION_SAMPLES = 512
EXACT = 1e-6  # of the models' norm: a distance that is nothing but rounding


def align(
    models: Sequence[Weights],
    problem: Problem,
    *,
    restarts: Annotated[int, Range(1, 100)] = 4,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Alignment:
    """Every model matched to the first. `restarts`: descents to choose from, the first from where the units stand, the others from random orders."""
    of_equal_widths(models, "weight_matching")
    found = symmetry.symmetry_of(problem)
    parameters = problem.parameters()
    reference, *others = models
    weights, maps, traces = [reference], [symmetry.identity(found)], list[tuple[float, ...]]()
    total = restarts * len(others)
    for k, model in enumerate(others):
        scores = WeightScores(reference, model, found, parameters, device=device)
        descents: list[tuple[Maps, list[float]]] = []
        for i in range(restarts):
            rng = np.random.default_rng((seed, k, i))
            start = symmetry.identity(found) if i == 0 else symmetry.random(found, torch.Generator().manual_seed(int(rng.integers(2**62))))
            progress(k * restarts + i, total, f"descent {i + 1} of {restarts}")
            maps_here, trace_here = descend(scores, found, start, rng)
            if not any(_equal(maps_here, m) for m, _ in descents):
                descents.append((maps_here, trace_here))
            if trace_here[-1] <= EXACT * scores.squares() ** 0.5:  # nothing can be nearer
                descents = descents[-1:]
                break
        progress((k + 1) * restarts - 1, total, f"choosing among {len(descents)} descents")
        chosen, trace = descents[_lowest(problem, reference, [permuted(model, found, m) for m, _ in descents], device)]
        weights.append(permuted(model, found, chosen))
        maps.append(chosen)
        traces.append(tuple(trace))
    return Alignment(tuple(weights), tuple(maps), exact=True, objective="distance of the weights", trace=tuple(traces))


def _equal(a: Maps, b: Maps) -> bool:
    return all(torch.equal(a[g], b[g]) for g in a)


def _lowest(problem: Problem, reference: Weights, candidates: Sequence[Weights], device: str) -> int:
    """The candidate with the lowest loss half-way to the reference."""
    if len(candidates) == 1:
        return 0
    middle = np.array([0.5, 0.5])
    few = SELECTION_SAMPLES
    losses = [
        Evaluate(problem, [reference, c], split="train", samples=few, metrics=("loss",), recalibration=few, prepare=False, device=device)(middle)[
            0
        ].sum()
        for c in candidates
    ]
    return int(np.argmin(np.nan_to_num(losses, nan=np.inf)))
