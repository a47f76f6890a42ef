"""Weight matching: permute hidden units so that the weights come as close to the reference as they can.

Ainsworth, Hayase & Srinivasa 2023, "Git Re-Basin: Merging Models modulo Permutation Symmetries": coordinate descent over the symmetry
groups; the permutation of one group that maximises the inner product with the reference, all others held, is a linear assignment. It needs the
checkpoints only.

Every step raises the inner product, so it ends. The order in which groups are visited decides in which local optimum it ends, and the closest
weights are not always the lowest barrier: with several restarts the one with the lowest loss at the midpoint, on samples of the train split, is
taken. A group is visited again only after one that shares a weight with it has moved.

With `symmetry=all` every class of symmetry that the network has is used (explorer.symmetry.classes), as in Theus et al. 2025, "Generalized Linear Mode
Connectivity for Transformers": signs, scales, orthogonal maps of a residual stream, invertible maps within attention heads. Both models are brought to their shortest
form first, in which every further step has a closed form (explorer.symmetry.closest). The reference stays as it is, and the models are ordinary checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor

from explorer.checkpoints.weights import Weights
from explorer.core.memory import give_back
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range, UnlessGiven
from explorer.evaluate.evaluator import Evaluate
from explorer.methods.align import _all_classes
from explorer.problems.problem import Problem
from explorer.symmetry import Maps, identity, permuted, random, symmetry_of
from explorer.symmetry.assignment import Alignment, WeightScores, descend, of_equal_widths
from explorer.symmetry.groups import Permuted

SELECTION_SAMPLES = 512
EXACT = 1e-6  # of the models' norm: a distance that is nothing but rounding


def align(
    models: Sequence[Weights],
    problem: Problem,
    *,
    restarts: Annotated[int, Range(1, 100)] = 4,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    symmetry: Annotated[Literal["permutations", "all"], UnlessGiven()] = "permutations",
    device: str = "cpu",
    progress: Progress = quiet,
) -> Alignment:
    """Every model matched to the first. `restarts`: descents to choose from, the first from where the units stand, the others from random orders.
    `symmetry`: whether permutations alone are used or all classes that the network has."""
    if symmetry == "all":
        return _all_classes.align(models, problem, restarts=restarts, seed=seed, progress=progress, lowest=lowest(problem, device))
    of_equal_widths(models, "weight_matching")
    found = symmetry_of(problem)
    parameters = problem.parameters()
    reference, *others = models
    weights, maps, traces, steps = [reference], [identity(found)], list[tuple[float, ...]](), list[tuple[Maps, ...]]()
    total = restarts * len(others)
    for k, model in enumerate(others):
        scores = WeightScores(reference, model, found, parameters, device=device)
        descents: list[tuple[Maps, list[float], list[Maps]]] = []
        for i in range(restarts):
            rng = np.random.default_rng((seed, k, i))
            start = identity(found) if i == 0 else random(found, torch.Generator().manual_seed(int(rng.integers(2**62))))
            progress(k * restarts + i, total, f"descent {i + 1} of {restarts}")
            seen: list[Maps] = []
            maps_here, trace_here = descend(scores, found, start, rng, seen=seen.append)
            if not any(_equal(maps_here, m) for m, *_ in descents):
                descents.append((maps_here, trace_here, seen))
            if trace_here[-1] <= EXACT * scores.squares() ** 0.5:  # nothing can be nearer
                descents = descents[-1:]
                break
        progress((k + 1) * restarts - 1, total, f"choosing among {len(descents)} descents")
        chosen, trace, orders = descents[lowest(problem, device)(reference, [Permuted(model, found, m) for m, *_ in descents])]
        del scores
        give_back()
        weights.append(permuted(model, found, chosen))
        maps.append(chosen)
        traces.append(tuple(trace))
        steps.append(tuple(orders))
    return Alignment(tuple(weights), tuple(maps), exact=True, objective="distance of the weights", trace=tuple(traces), steps=tuple(steps))


def _equal(a: Maps, b: Maps) -> bool:
    return all(torch.equal(a[g], b[g]) for g in a)


def lowest(problem: Problem, device: str) -> _all_classes.Lowest:
    """Chooses the candidate with the lowest loss half-way to the reference."""

    def chosen(reference: Mapping[str, Tensor], candidates: Sequence[Mapping[str, Tensor]]) -> int:
        if len(candidates) == 1:
            return 0
        losses: list[float] = []
        for candidate in candidates:
            evaluate = Evaluate(
                problem,
                [reference, candidate],
                split="train",
                samples=SELECTION_SAMPLES,
                metrics=("loss",),
                recalibration=SELECTION_SAMPLES,
                prepare=False,
                device=device,
            )
            losses.append(float(evaluate(np.array([0.5, 0.5]))[0].sum()))
        return int(np.argmin(np.nan_to_num(losses, nan=np.inf)))

    return chosen
