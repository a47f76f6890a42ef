"""Zip: merge units that respond alike, also within one model, so that networks that share little still fit into one.

Stoica, Bolya, Bjorner, Ramesh, Hearn & Hoffman 2024, "ZipIt! Merging Models from Different Tasks without Training", sections 4.1 and 4.2. The N·n units of
a group in all models are merged greedily, the most correlated pair first, until n are left. A merged unit is the average of its members; what reads
it gets the sum of what read them: W* = Σᵢ Mᵢ Wᵢ Uᵢ, with Mᵢ the averaging and Uᵢ the copying back of model i's units. A merged unit is as like a third
one as its least like member, times `alpha`. `budget` bounds the merges inside a model to that share of all (N − 1)·n; with 0 every merged unit has one
member of each model, and merging is matching. Unlabelled inputs decide; batch-norm statistics have to be re-estimated.

Returned as one model for each input whose plain average is W*: N·Mᵢ Wᵢ Uᵢ. Each alone is not a working network, so judge the middle, not the ends. The paper's
partial zip, which leaves the last layers of every model apart, has several heads and is not a checkpoint of this architecture; `share` is the nearest
thing to it: groups after that share of the network are matched one to one. So are attention heads and what lies in them, whose orders depend on each other,
units that never respond, and groups that cannot be read. A tied table, which makes units and reads them, is averaged. Of a weight under weight
normalisation it is the weight g·v/‖v‖ that is zipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from explorer import symmetry
from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.evaluate.unit_activations import observe
from explorer.evaluate.weighted_layers import NormedWeight, normed_weights, uses
from explorer.methods.align import activation_matching
from explorer.methods.align._soft_maps import Matrices, along, as_matrices
from explorer.problems.problem import Problem
from explorer.symmetry import Symmetry
from explorer.symmetry.assignment import Alignment, families, of_equal_widths
from explorer.symmetry.groups import Axis

TIE = 1e-6  # of a correlation: what matched pairs have ahead of others that are just as alike


def align(
    models: Sequence[Weights],
    problem: Problem,
    *,
    budget: Annotated[float, Range(0, 1)] = 1.0,
    alpha: Annotated[float, Range(0, 1)] = 0.3,
    share: Annotated[float, Range(0, 1)] = 1.0,
    samples: Annotated[int, Range(2, 1048576)] = 1024,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Alignment:
    """Parts whose average is the zipped model."""
    of_equal_widths(models, "zip")
    found = symmetry.symmetry_of(problem)
    matched = activation_matching.align(models, problem, samples=samples, seed=seed, device=device, progress=progress)
    seen = observe(problem, models, found, samples=samples, seed=seed, device=device)
    orders = [as_matrices(found, m) for m in matched.maps]
    merges: list[Matrices] = [dict(o) for o in orders]
    reads: list[Matrices] = [dict(o) for o in orders]
    alone = [name for name in families(found) if not found.inner(name)]
    for k, name in enumerate(alone):
        progress(k, len(alone), f"zipping {name}")
        if k >= share * len(alone) or not seen.features[0][name]:
            continue
        pairs = torch.stack([m[name] for m in matched.maps])
        n = found.groups[name].size
        labels = greedy(
            _likeness([torch.cat(f[name], dim=1) for f in seen.features], pairs), len(models), round(budget * (len(models) - 1) * n), alpha
        )
        members = torch.nn.functional.one_hot(labels, n).double().T  # (n, N·n)
        average = members / members.sum(dim=1, keepdim=True)
        for i in range(len(models)):
            own = slice(i * n, (i + 1) * n)
            merges[i][name], reads[i][name] = len(models) * average[:, own], members[:, own]
    weights = _zipped(models, problem, found, merges, reads)
    return Alignment(weights, tuple(merges), exact=False, notes=matched.notes)


def greedy(likeness: Tensor, models: int, within: int, alpha: float) -> Tensor:
    """(N·n,) the merged unit of every unit: the most alike pair first, until n are left; at most `within` merges inside one model.

    Of three models or more the most alike pairs may be such that in the end nothing fits: {a₁, b₁}, {a₂, c₁}, {b₂, c₂} cannot become two units without
    a merge inside a model. It always goes on while there are at most n units of several members, and one more for each merge that may still be
    inside; a pair that would break this has to wait. Of two models none ever does.
    """
    count = len(likeness)
    n = count // models
    scores = likeness.clone()
    scores.fill_diagonal_(-torch.inf)
    owners = torch.eye(models).repeat_interleave(n, dim=0)  # (N·n, N): how many units of each model a merged one has
    labels = torch.arange(count)
    if not within:
        scores[owners @ owners.T > 0] = -torch.inf
    top = scores.amax(dim=1)
    for _ in range(count - n):
        merged = owners.sum(dim=1) > 1
        room = n + within - int(merged.sum())
        if within and room < 2:  # no pair takes more
            takes = 1 - merged[:, None].long() - merged[None, :].long() + (owners @ owners.T > 0).long()
            i, j = sorted(divmod(int(torch.where(takes <= room, scores, -torch.inf).argmax()), count))
        else:  # without merges inside, all that may have to wait is a pair of single units
            rows = top if room else torch.where(merged, top, -torch.inf)
            i, j = sorted(_largest(scores, rows))
            top = rows if room else torch.where(merged, rows, top)
        inside = bool(owners[i] @ owners[j] > 0)
        labels[labels == j] = i
        owners[i] += owners[j]
        owners[j] = 0
        likest = torch.minimum(scores[i], scores[j])
        likest = torch.where(likest > 0, alpha * likest, likest)
        likest[i] = -torch.inf
        scores[i], scores[:, i] = likest, likest
        scores[j], scores[:, j], top[j] = -torch.inf, -torch.inf, -torch.inf
        if inside:
            within -= 1
            if not within:
                scores[owners @ owners.T > 0] = -torch.inf
        elif not within:
            shared = owners @ owners[i] > 0
            scores[i, shared], scores[shared, i] = -torch.inf, -torch.inf
    return labels.unique(return_inverse=True)[1]


def _largest(scores: Tensor, top: Tensor) -> tuple[int, int]:
    """Where the largest score is. `top`: of every row, no less than its largest; scores only fall, so a row is examined again only when it would win."""
    while True:
        i = int(top.argmax())
        j = int(scores[i].argmax())
        if not scores[i, j] < top[i]:
            return i, j
        top[i] = scores[i, j]


def _likeness(features: list[Tensor], pairs: Tensor) -> Tensor:
    """(N·n, N·n) correlations of all units of all models. A unit that never responds is like those it was matched with."""
    models, n = pairs.shape
    x = torch.cat(features).double()
    x = x - x.mean(dim=1, keepdim=True)
    norm = x.norm(dim=1, keepdim=True)
    x = torch.where(norm > 0, x / norm, 0)
    likeness = (x @ x.T).cpu()
    silent = (norm[:, 0] == 0).cpu()
    for i in range(models):
        for j in range(models):
            a, b = i * n + pairs[i], j * n + pairs[j]
            likeness[a, b] += torch.where(silent[a] & silent[b], 1.0, TIE) if i != j else 0.0
    return likeness


def _zipped(
    models: Sequence[Weights], problem: Problem, found: Symmetry, merges: Sequence[Matrices], reads: Sequence[Matrices]
) -> tuple[Weights, ...]:
    """N·M W U of each model: averaged where units are made, summed where they are read."""
    network = problem.network()
    using = uses(network)

    def moved(name: str, axes: Sequence[Axis], tensor: Tensor, i: int) -> Tensor:
        for k, axis in enumerate(axes):
            tensor = along(tensor, k, axis, reads[i] if using.get(name) == k else merges[i])
        return tensor

    def part(name: str, tensor: Tensor, i: int) -> Tensor:
        return moved(name, found.axes[name], tensor.double(), i).to(tensor.dtype) if name in found.axes and tensor.is_floating_point() else tensor

    done: list[Weights] = [{name: part(name, tensor, i) for name, tensor in model.items()} for i, model in enumerate(models)]
    for name, normed in normed_weights(network).items():
        if normed.direction not in found.axes:
            continue
        weights = [moved(name, found.axes[normed.direction], normed.of(model), i) for i, model in enumerate(models)]
        for model, own in zip(done, _normed(weights, normed), strict=True):
            model |= {n: tensor.to(model[n].dtype) for n, tensor in own.items()}
    return tuple(done)


def _normed(parts: Sequence[Tensor], normed: NormedWeight) -> list[Weights]:
    """g and v of each part, whose averages stand for the average weight W*: ‖W*‖ for every g, and for v the parts, which add up to N·W*.

    A part that is zero has no direction, and W*'s does not change where it takes that; where W* is zero any does, as g is.
    """
    mean = torch.stack(list(parts)).mean(dim=0)
    length = normed.norm(mean)
    whole = torch.where(length > 0, mean, torch.ones_like(mean))
    return [{normed.length: length, normed.direction: torch.where(normed.norm(p) > 0, p, whole)} for p in parts]
