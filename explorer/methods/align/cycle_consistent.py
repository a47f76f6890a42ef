"""Cycle-consistent: put many models into one common order, so that composing the maps around any cycle of models gives the identity.

Crisostomi, Fumero, Baieri, Bernard & Rodolà 2024, "C²M³: Cycle-Consistent Multi-Model Merging", NeurIPS. Every model p has one permutation to a common
*universe*; Σ_{p<q} ⟨P_p(A_p), P_q(A_q)⟩ is maximised over all of them. The map from one model to another goes through the universe, so
P_AC · P_CB · P_BA is the identity by construction, which pairwise matching does not give. Needs only the checkpoints.

As in the paper Frank-Wolfe begins, over soft permutations of all models but the first, whose order is the universe until then; of two models
that is `frank_wolfe`. What follows climbs the same objective model by model and group by group: against the sum of all other models in universe order,
each step is an exact linear assignment and never goes down. A second climb begins at the units' present order, so that the models never end
farther apart, in the root mean square over all pairs; with `restarts` others begin from random orders. The highest end is taken, and
expressed in the order of the first model, which therefore stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from explorer import symmetry
from explorer.checkpoints.weights import Weights, gram
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.methods.align._soft_maps import blended
from explorer.methods.align.frank_wolfe import ascend, degree, expanded
from explorer.problems.problem import Problem
from explorer.symmetry import Maps, Symmetry, compose, identity, inverse, permuted
from explorer.symmetry.assignment import Alignment, WeightScores, assign, descend, of_equal_widths

STEPS = 50  # of Frank-Wolfe
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
    """All models in the order of the first. `restarts`: beginnings to choose from, the first by Frank-Wolfe, the others random."""
    of_equal_widths(models, "cycle_consistent")
    found = symmetry.symmetry_of(problem)
    parameters = problem.parameters()
    best: tuple[float, list[Maps], list[float]] | None = None
    for i in range(restarts):
        rng = np.random.default_rng((seed, i))

        def say(message: str, i: int = i) -> None:
            progress(i, restarts, f"climb {i + 1} of {restarts}: {message}")

        starts = [_relaxed(models, found, parameters, device, say), [identity(found) for _ in models]] if i == 0 else [_random(models, found, rng)]
        for maps in starts:
            trace = climb(models, found, parameters, maps, rng, device, say)
            if best is None or trace[-1] < best[0]:
                best = trace[-1], maps, trace
    assert best is not None
    _, maps, trace = best
    back = inverse(found, maps[0])
    in_first_order = [identity(found), *(compose(found, m, back) for m in maps[1:])]
    weights = (models[0], *(permuted(w, found, m) for w, m in zip(models[1:], in_first_order[1:], strict=True)))
    return Alignment(weights, tuple(in_first_order), exact=True, objective="root mean square distance between two models", trace=(tuple(trace),))


def climb(
    models: Sequence[Weights],
    found: Symmetry,
    parameters: Sequence[str],
    maps: list[Maps],
    rng: np.random.Generator,
    device: str,
    report: Callable[[str], None] = lambda message: None,
) -> list[float]:
    """Improve the maps to the universe in place until none can be; the root mean square distance of two models after every round: it only falls."""
    placed = [permuted(w, found, m) for w, m in zip(models, maps, strict=True)]
    trace = [_distance(placed, parameters)]
    for _ in range(ROUNDS):
        moved = False
        for p in rng.permutation(len(models)).tolist():
            report(f"{trace[-1]:.4g} apart")
            others = {n: _sum([placed[q][n] for q in range(len(models)) if q != p]) for n in parameters if n in models[p]}
            scores = WeightScores(others, models[p], found, parameters, device=device)
            better, _ = descend(scores, found, maps[p], rng)
            if scores.total(better) > scores.total(maps[p]):
                moved = True
                maps[p] = better
                placed[p] = permuted(models[p], found, better)
        if not moved:
            break
        trace.append(_distance(placed, parameters))
    return trace


def _relaxed(models: Sequence[Weights], found: Symmetry, parameters: Sequence[str], device: str, report: Callable[[str], None]) -> list[Maps]:
    """Where Frank-Wolfe ends from the barycentre, rounded. The first model is held: were all of them at the barycentre, no direction would be uphill."""
    shared = found.shared()
    names = [n for n in parameters if n in models[0] and n in shared.axes]

    def parts(p: Mapping[tuple[int, str], Tensor]) -> Iterator[Tensor]:
        for n in names:
            first, *others = (m[n].detach().to(device, torch.float64) for m in models)
            yield agreement([first, *(blended(w, shared.axes[n], {g: p[k, g] for g in shared.groups}) for k, w in enumerate(others, start=1))])

    start = {
        (k, name): torch.full((group.size, group.size), 1 / group.size, dtype=torch.float64, device=device)
        for k in range(1, len(models))
        for name, group in shared.groups.items()
    }
    highest = max((degree(shared.axes[n]) for n in names), default=1) * min(2, len(models) - 1)
    soft, _ = ascend(parts, start, highest, STEPS, lambda step, value: report(f"step {step + 1}, inner product {value:.5g}"))
    rounded = ({name: assign(soft[k, name]) for name in shared.groups} for k in range(1, len(models)))
    return [identity(found), *(expanded(found, m) for m in rounded)]


def agreement(tensors: Sequence[Tensor]) -> Tensor:
    """Σ_{p<q} ⟨p, q⟩, as Σ_q ⟨Σ_{p<q} p, q⟩."""
    before, *others = tensors
    total = before.new_zeros(())
    for tensor in others:
        total = total + (before * tensor).sum()
        before = before + tensor
    return total


def _random(models: Sequence[Weights], found: Symmetry, rng: np.random.Generator) -> list[Maps]:
    return [symmetry.random(found, torch.Generator().manual_seed(int(rng.integers(2**62)))) for _ in models]


def _sum(tensors: Sequence[Tensor]) -> Tensor:
    """In float32 at least."""
    work = torch.promote_types(tensors[0].dtype, torch.float32)
    return torch.stack([t.to(work) for t in tensors]).sum(0)


def _distance(models: Sequence[Weights], parameters: Sequence[str]) -> float:
    """Root mean square over all pairs: unlike the mean it falls whenever Σ_{p<q} ⟨p, q⟩ rises."""
    inner = gram(models, [n for n in parameters if n in models[0]])
    square = np.diag(inner)
    squares = square[:, None] + square[None, :] - 2 * inner
    return float(max(squares[np.triu_indices(len(models), 1)].mean(), 0.0) ** 0.5)
