"""Cycle-consistent: put many models into one common order, so that going from model to model in a circle leads back exactly.

Crisostomi, Fumero, Baieri, Bernard & Rodolà 2024, "C²M³: Cycle-Consistent Multi-Model Merging", NeurIPS. Every model p has one permutation to a common
*universe*; Σ_{p<q} ⟨P_p(A_p), P_q(A_q)⟩ is maximised over all of them. The map from one model to another goes through the universe, so
P_AC · P_CB · P_BA is the identity by construction, which pairwise matching does not give. Needs the checkpoints only.

The paper maximises by Frank-Wolfe; here the same objective is climbed model by model and group by group: against the sum of all other models in
universe order, each step is an exact linear assignment and never goes down. `restarts` begin from matching every model with the first, then from random
orders, and the highest end is taken. The result is told in the order of the first model, which therefore stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import torch

from explorer import symmetry
from explorer.matching import Alignment, Progress, WeightScores, descend, of_equal_widths, quiet
from explorer.methods import Range
from explorer.problem import Problem
from explorer.symmetry import Maps, Symmetry, compose, identity, inverse, permuted
from explorer.weights import Weights, gram

ROUNDS = 100


def align(
    models: Sequence[Weights],
    problem: Problem,
    *,
    restarts: Annotated[int, Range(1, 100)] = 4,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Alignment:
    """All models in the order of the first. `restarts`: climbs to choose from."""
    of_equal_widths(models, "cycle_consistent")
    found = symmetry.of(problem)
    parameters = [name for name, _ in problem.network().named_parameters()]
    best: tuple[float, list[Maps], list[float]] | None = None
    for i in range(restarts):
        rng = np.random.default_rng((seed, i))
        progress(i, restarts, f"climb {i + 1} of {restarts}")
        maps = _start(models, found, parameters, rng, device, matched=i == 0)
        trace = climb(models, found, parameters, maps, rng, device)
        if best is None or trace[-1] < best[0]:
            best = trace[-1], maps, trace
    assert best is not None
    _, maps, trace = best
    back = inverse(found, maps[0])
    told = [identity(found), *(compose(found, m, back) for m in maps[1:])]
    weights = (models[0], *(permuted(w, found, m) for w, m in zip(models[1:], told[1:], strict=True)))
    return Alignment(weights, tuple(told), exact=True, objective="mean distance between two models", trace=(tuple(trace),))


def climb(
    models: Sequence[Weights], found: Symmetry, parameters: Sequence[str], maps: list[Maps], rng: np.random.Generator, device: str
) -> list[float]:
    """Improve the maps to the universe in place until none can be; the mean distance of two models after every round."""
    placed = [permuted(w, found, m) for w, m in zip(models, maps, strict=True)]
    trace = [_mean_distance(placed, parameters)]
    for _ in range(ROUNDS):
        moved = False
        for p in rng.permutation(len(models)).tolist():
            others = {n: torch.stack([placed[q][n].float() for q in range(len(models)) if q != p]).sum(0) for n in parameters if n in models[p]}
            scores = WeightScores(others, models[p], found, parameters, device=device)
            better, _ = descend(scores, found, maps[p], rng)
            if scores.total(better) > scores.total(maps[p]):
                moved = True
                maps[p] = better
                placed[p] = permuted(models[p], found, better)
        if not moved:
            break
        trace.append(_mean_distance(placed, parameters))
    return trace


def _start(
    models: Sequence[Weights], found: Symmetry, parameters: Sequence[str], rng: np.random.Generator, device: str, *, matched: bool
) -> list[Maps]:
    if not matched:
        return [symmetry.random(found, torch.Generator().manual_seed(int(rng.integers(2**62)))) for _ in models]
    still = identity(found)
    return [still, *(descend(WeightScores(models[0], m, found, parameters, device=device), found, still, rng)[0] for m in models[1:])]


def _mean_distance(models: Sequence[Weights], parameters: Sequence[str]) -> float:
    inner = gram(models, [n for n in parameters if n in models[0]])
    square = np.diag(inner)
    distances = np.sqrt(np.maximum(square[:, None] + square[None, :] - 2 * inner, 0.0))
    return float(distances[np.triu_indices(len(models), 1)].mean())
