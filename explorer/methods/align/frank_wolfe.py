"""Frank-Wolfe: match the weights of all groups at once, over soft permutations, so that no order of groups decides.

Crisostomi, Fumero, Baieri, Bernard & Rodolà 2024, "C²M³: Cycle-Consistent Multi-Model Merging". Weight matching as one problem: maximise
f(P) = ⟨A, P(B)⟩ over a doubly stochastic matrix per group (Frank & Wolfe 1956). Each step goes from P towards the permutations that are best for the
gradient, one linear assignment per group, by an exact line search: along a segment f is a polynomial whose degree is the number of groups on one tensor.
Needs the checkpoints only, and no random numbers.

From the barycentre, where every unit is matched with every other alike, the first step is the one an all-groups view suggests. In the end P is
rounded to permutations, and coordinate descent gains what rounding has left over; heads get one order for their inner units until then, and
orders of their own after. The result is never farther from the reference than that of coordinate descent from the units' present order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from explorer import symmetry
from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.methods.align._soft_maps import Matrices, blended
from explorer.problems.problem import Problem
from explorer.symmetry import Maps, Symmetry, permuted
from explorer.symmetry.assignment import Alignment, WeightScores, assign, descend, of_equal_widths
from explorer.symmetry.groups import Axis, Concat, Fixed, Free, Product

K = TypeVar("K")  # what the matrices go by
GAP = 1e-4  # of |f|: how much a step could still gain, at most, when it ends


def align(
    models: Sequence[Weights],
    problem: Problem,
    *,
    start: Literal["barycentre", "identity"] = "barycentre",
    steps: Annotated[int, Range(1, 10000)] = 50,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Alignment:
    """Every model matched to the first. `start`: P in the beginning; `steps`: at most so many."""
    of_equal_widths(models, "frank_wolfe")
    found = symmetry.symmetry_of(problem)
    parameters = problem.parameters()
    reference, *others = models
    weights, maps, traces = [reference], [symmetry.identity(found)], list[tuple[float, ...]]()
    for k, model in enumerate(others):
        scores = WeightScores(reference, model, found, parameters, device=device)

        def report(step: int, value: float, done: int = k * steps) -> None:
            progress(done + step, steps * len(others), f"step {step + 1}: inner product {value:.5g}")

        soft, trace = relaxed(scores, found.shared(), start, steps, report)
        rounded = expanded(found, {name: assign(p) for name, p in soft.items()})
        rng = np.random.default_rng(0)
        candidates = [descend(scores, found, begin, rng)[0] for begin in (rounded, symmetry.identity(found))]
        chosen = min(candidates, key=scores.distance)
        weights.append(permuted(model, found, chosen))
        maps.append(chosen)
        traces.append((*trace, scores.total(chosen)))
    return Alignment(tuple(weights), tuple(maps), exact=True, objective="inner product of the weights", trace=tuple(traces))


def relaxed(scores: WeightScores, shared: Symmetry, start: str, steps: int, report: Callable[[int, float], None]) -> tuple[Matrices, list[float]]:
    """(a doubly stochastic matrix per group, ⟨A, P(B)⟩ after every step: it only rises)."""

    def parts(p: Mapping[str, Tensor]) -> Iterator[Tensor]:
        for n in scores.names:
            yield (scores.a[n].double() * blended(scores.b[n].double(), shared.axes[n], p)).sum()

    p: Matrices = {}
    for name, group in shared.groups.items():
        eye = torch.eye(group.size, dtype=torch.float64, device=scores.device)
        p[name] = eye if start == "identity" else torch.full_like(eye, 1 / group.size)
    return ascend(parts, p, max((degree(shared.axes[n]) for n in scores.names), default=1), steps, report)


def ascend(
    parts: Callable[[Mapping[K, Tensor]], Iterator[Tensor]], start: Mapping[K, Tensor], degree: int, steps: int, report: Callable[[int, float], None]
) -> tuple[dict[K, Tensor], list[float]]:
    """Frank-Wolfe from given doubly stochastic matrices: (where it ends, the value after every step).

    The value is the sum of `parts`, along any segment a polynomial of that degree at most. They are differentiated one by one, so that no more
    than one of them is in memory with what its derivative needs.
    """
    p = dict(start)
    trace = [_sum(parts(p))]
    for step in range(steps):
        report(step, trace[-1])
        gradients = _gradients(parts, p)
        ends = {key: torch.eye(len(g), dtype=g.dtype, device=g.device)[assign(g).to(g.device)] for key, g in gradients.items()}
        gap = sum(float((gradients[key] * (ends[key] - p[key])).sum()) for key in p)
        if gap <= GAP * abs(trace[-1]):
            break
        share = best_share(lambda t, p=p, ends=ends: _sum(parts({key: torch.lerp(p[key], ends[key], t) for key in p})), degree)
        if share <= 0:
            break
        p = {key: torch.lerp(p[key], ends[key], share) for key in p}
        trace.append(_sum(parts(p)))
    return p, trace


def _sum(parts: Iterator[Tensor]) -> float:
    return sum(map(float, parts))


def _gradients(parts: Callable[[Mapping[K, Tensor]], Iterator[Tensor]], p: Mapping[K, Tensor]) -> dict[K, Tensor]:
    free = {key: matrix.clone().requires_grad_() for key, matrix in p.items()}
    for part in parts(free):
        if part.requires_grad:
            part.backward()
    return {key: torch.zeros_like(matrix) if matrix.grad is None else matrix.grad for key, matrix in free.items()}


def degree(axes: Sequence[Axis]) -> int:
    """How many matrices are multiplied onto one and the same entry of a tensor, at most."""
    return sum(map(_degree, axes))


def _degree(axis: Axis) -> int:
    match axis:
        case Fixed():
            return 0
        case Free():
            return 1
        case Product(factors):
            return sum(map(_degree, factors))
        case Concat(parts):
            return max(map(_degree, parts), default=0)


def best_share(f: Callable[[float], float], degree: int) -> float:
    """Where in [0, 1] a polynomial of a known degree is largest."""
    nodes = (1 - np.cos(np.pi * np.arange(degree + 1) / max(degree, 1))) / 2
    polynomial = np.polynomial.Polynomial.fit(nodes, [f(float(t)) for t in nodes], degree, domain=[0, 1])
    roots = polynomial.deriv().roots() if degree > 1 else np.empty(0)
    inside = [float(r.real) for r in roots if abs(r.imag) < 1e-9 and 0 < r.real < 1]
    candidates = [0.0, 1.0, *inside]
    return candidates[int(np.argmax([polynomial(t) for t in candidates]))]


def expanded(found: Symmetry, maps: Maps) -> Maps:
    """Permutations of the shared symmetry as ones of the full: every unit of an outer group with the same order within."""
    return {name: maps[name].expand(found.outer(group), -1).clone() if group.within else maps[name] for name, group in found.groups.items()}
