"""Activation matching: permute hidden units so that they respond to data as the reference's units do.

Li, Yosinski, Clune, Lipson & Hopcroft 2015, "Convergent Learning" (correlation and mutual information of pairs of units); Tatro et al. 2020,
"Optimizing Mode Connectivity via Neuron Alignment" (the assignment before a path); Ainsworth, Hayase & Srinivasa 2023 (least squares).

Both models see the same samples of the train split. For units i and j, with features a and b, a pair is worth, summed over the places where the group is
read (explorer.evaluate.unit_activations):

- correlation: cov(aᵢ, bⱼ) / (σᵢ σⱼ), 0 where a unit never changes;
- l2: ⟨aᵢ, bⱼ⟩, so that the best permutation minimises ‖A − P B‖²;
- mutual_information: Σ p(u, v) log p(u, v) / (p(u) p(v)) over `bins` quantile bins of each unit, in nats. Equal values share a bin, so that the many
  zeros of a ReLU unit are one event. Two independent units come out near (bins − 1)² / 2n instead of 0.

One assignment per family of groups, and each is exact: how a model's units respond does not depend on how other units are ordered. It needs
inputs, but no labels. Groups that cannot be read are matched by their weights, all others held; so are, among themselves, the units
about which the activations say nothing (dead ones; under mutual information also those that are almost always zero).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypeAlias

import torch
from torch import Tensor

from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range, UnlessGiven
from explorer.evaluate.unit_activations import Features, observe
from explorer.methods.align import _classes_by_activations
from explorer.problems.problem import Problem
from explorer.symmetry import Maps, Symmetry, identity, permuted, symmetry_of
from explorer.symmetry.assignment import Alignment, Scores, WeightScores, assign, families, members, of_equal_widths

OBSERVATIONS = 8192  # of a unit at one place where it is read
STILL = 1e-6  # a standard deviation below this part of the largest value is rounding
ROUNDING = 1e-9  # nats
SWEEPS = 10  # over the groups that are matched by weights

Cost: TypeAlias = Literal["correlation", "l2", "mutual_information"]
OBJECTIVES: dict[Cost, str] = {
    "correlation": "mean correlation of matched units",
    "l2": "distance of the activations",
    "mutual_information": "mean mutual information of matched units (nat)",
}


def align(
    models: Sequence[Weights],
    problem: Problem,
    *,
    cost: Literal["correlation", "l2", "mutual_information"] = "correlation",
    samples: Annotated[int, Range(2, 1048576)] = 1024,
    bins: Annotated[int, Range(2, 64)] = 16,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    symmetry: Annotated[Literal["permutations", "all"], UnlessGiven()] = "permutations",
    device: str = "cpu",
    progress: Progress = quiet,
) -> Alignment:
    """Every model matched to the first. `samples` of the train split; `bins` for mutual information alone; `seed` draws pixels and tokens.
    `symmetry`: whether permutations alone are used or all classes that the network has."""
    if symmetry == "all":
        if cost == "mutual_information":
            raise Refused(
                "Mutual information compares unit with unit and says nothing of maps that mix them. With symmetry=all use correlation or l2."
            )
        standard = _standard if cost == "correlation" else None
        return _classes_by_activations.align(models, problem, standard=standard, samples=samples, seed=seed, device=device, progress=progress)
    of_equal_widths(models, "activation_matching")
    found = symmetry_of(problem)
    parameters = problem.parameters()
    total = 2 * len(models) - 1
    seen = observe(
        problem,
        models,
        found,
        samples=samples,
        observations=OBSERVATIONS,
        seed=seed,
        device=device,
        progress=lambda done, _, message: progress(done, total, message),
    )
    reference, *others = models
    weights, maps, traces, silences = [reference], [identity(found)], list[tuple[float, ...]](), list[int]()
    for k, model in enumerate(others):
        progress(len(models) + k, total, f"Assignments of model {k + 2}")
        chosen, trace, silent = _match(seen.features[0], seen.features[k + 1], found, cost, bins)
        if seen.untapped or silent:
            _by_weights(WeightScores(reference, model, found, parameters, device=device), found, chosen, seen.untapped, silent)
        weights.append(permuted(model, found, chosen))
        maps.append(chosen)
        traces.append(trace)
        silences.append(sum(map(len, silent.values())))
    return Alignment(tuple(weights), tuple(maps), exact=True, objective=OBJECTIVES[cost], trace=tuple(traces), notes=_notes(seen.untapped, silences))


def _match(a: Features, b: Features, found: Symmetry, cost: Cost, bins: int) -> tuple[Maps, tuple[float, ...], dict[str, Tensor]]:
    """The best permutation of every family that can be read; the objective before and after each; and the places where silence met silence."""
    maps = identity(found)
    every = {name: _scores(a, b, found, name, cost, bins) for name in families(found)}
    values = {name: scores.value(found, name, maps) for name, scores in every.items()}
    trace = [_objective(sum(values.values()), a, b, cost)]
    silent: dict[str, Tensor] = {}
    for name, scores in every.items():
        if not any(a[member.name] for member in members(found, name)):
            continue
        maps |= scores.best(name)
        values[name] = scores.value(found, name, maps)
        trace.append(_objective(sum(values.values()), a, b, cost))
        unheard = ~scores.outer.any(dim=1) & ~scores.outer.any(dim=0)[maps[name]]
        if not found.inner(name) and unheard.sum() > 1:
            silent[name] = unheard.nonzero()[:, 0]
    return maps, tuple(trace), silent


def _scores(a: Features, b: Features, found: Symmetry, name: str, cost: Cost, bins: int) -> Scores:
    """What each pair of units of a family is worth, summed over its taps; without the inner groups that have none."""
    n = found.groups[name].size
    outer = torch.zeros(n, n, dtype=torch.float64)
    for x, y in zip(a[name], b[name], strict=True):
        outer += pairs(x, y, cost=cost, bins=bins)
    within: dict[str, Tensor] = {}
    for group in found.inner(name):
        for x, y in zip(a[group.name], b[group.name], strict=True):  # (n, k, observations)
            found_here = pairs(x.flatten(0, 1), y.flatten(0, 1), cost=cost, bins=bins).unflatten(0, (n, -1)).unflatten(2, (n, -1))
            within[group.name] = within.get(group.name, 0) + found_here.transpose(1, 2)
    return Scores(outer, within)


def pairs(x: Tensor, y: Tensor, *, cost: Cost = "correlation", bins: int = 16) -> Tensor:
    """(n, n) float64: what it is worth to put unit j of y (n, observations) in the place of unit i of x, observed on the same inputs."""
    match cost:
        case "correlation":
            return (_standard(x) @ _standard(y).T).cpu().double()
        case "l2":
            return (x @ y.T).cpu().double()
        case "mutual_information":
            return _mutual_information(_binned(x, bins), _binned(y, bins), bins)


def _standard(x: Tensor) -> Tensor:
    """Rows of mean 0 and norm 1; a row that does not change becomes 0."""
    centred = x - x.mean(dim=1, keepdim=True)
    norm = centred.norm(dim=1, keepdim=True)
    still = norm <= STILL * x.shape[1] ** 0.5 * x.abs().amax(dim=1, keepdim=True)
    return torch.where(still, 0, centred / torch.where(still, 1, norm))


def _binned(x: Tensor, bins: int) -> Tensor:
    """Which of its quantile bins each value lies in; equal values lie in one, so that a bin may be empty."""
    n = x.shape[1]
    edges = x.sort(dim=1).values[:, [i * n // bins for i in range(1, bins)]]
    return torch.searchsorted(edges.contiguous(), x.contiguous(), right=True)


def _mutual_information(x: Tensor, y: Tensor, bins: int) -> Tensor:
    """(n, n) in nats, of rows of bins: Σ p(u, v) log p(u, v) − Σ p(u) log p(u) − Σ p(v) log p(v)."""
    n = x.shape[1]
    total = -_information(x, bins)[:, None] - _information(y, bins)[None, :]
    for u in range(bins):
        here = (x == u).float()
        for v in range(bins):
            joint = (here @ (y == v).float().T).cpu().double() / n  # whole numbers: float32 counts them exactly
            total += torch.special.xlogy(joint, joint)
    return torch.where(total > ROUNDING, total, 0)


def _information(x: Tensor, bins: int) -> Tensor:
    share = torch.stack([(x == u).sum(dim=1) for u in range(bins)]).cpu().double() / x.shape[1]
    return torch.special.xlogy(share, share).sum(dim=0)


def _objective(value: float, a: Features, b: Features, cost: Cost) -> float:
    """From the sum of what the matched pairs are worth."""
    if cost == "l2":
        squares = sum(float(x.double().square().sum()) for side in (a, b) for taps in side.values() for x in taps)
        return max(squares - 2 * value, 0.0) ** 0.5
    return value / max(1, sum(x[..., 0].numel() for taps in a.values() for x in taps))


def _by_weights(scores: WeightScores, found: Symmetry, maps: Maps, untapped: Sequence[str], silent: Mapping[str, Tensor]) -> None:
    """Match by weights, in place and given all others: the groups that cannot be read, and among themselves the units at `silent` places."""
    for _ in range(SWEEPS):
        before = {name: maps[name] for name in (*untapped, *silent)}
        for name in families(found):
            order = maps[name]
            if name in untapped:
                for part in scores.parts(name):
                    maps |= scores(name, maps, part).best(name)
            elif lost := [group.name for group in found.inner(name) if group.name in untapped]:
                for inner in lost:
                    here = scores(name, maps, (inner,)).inner[inner]
                    maps[inner] = torch.stack([assign(s) for s in here[torch.arange(len(order)), order]])
            elif (places := silent.get(name)) is not None:
                units = order[places]
                maps[name] = order.index_copy(0, places, units[assign(scores(name, maps).outer[places][:, units])])
        if all(torch.equal(maps[name], p) for name, p in before.items()):
            break


def _notes(untapped: Sequence[str], silences: Sequence[int]) -> tuple[str, ...]:
    notes: list[str] = []
    if untapped:
        notes.append(
            f"The units of {', '.join(untapped)} are read and produced by no layer that could be observed, so they were matched by their weights."
        )
    if any(silences):
        notes.append(f"Units that never respond were matched among themselves by their weights ({', '.join(map(str, silences))} in each model).")
    return tuple(notes)
