"""Straight-through: learn which weights to match, so that the midpoint loss, not the distance, decides the permutation.

Ainsworth, Hayase & Srinivasa 2023, "Git Re-Basin: Merging Models modulo Permutation Symmetries". Free weights Ŵ of the reference's
shapes are kept. At every step the permutation π of the model that brings it nearest to Ŵ is found by weight matching (coordinate descent from the
last π, so usually little is left to do); the network half-way, (A + π(B)) / 2, has a loss on a batch of the train split; and its gradient with
respect to π(B) is applied to Ŵ as if the projection were not there (the straight-through estimator of Bengio, Léonard & Courville 2013). Ŵ starts
at A, where the projection is weight matching itself.

π changes only when Ŵ has moved far enough, so losses stay level for long and then jump, occasionally upwards. Every new π is measured half-way on
samples that no batch contains, and the best one is the result; weight matching's own is among them, so the result is never worse there. It needs
labelled data and about as much time as the same number of training steps, plus one weight matching for each.
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
from explorer.methods.align import weight_matching
from explorer.methods.align._midpoint_loss import Between
from explorer.problems.problem import Problem
from explorer.symmetry import Maps, Symmetry, permuted
from explorer.symmetry.assignment import Alignment, WeightScores, descend, of_equal_widths

CHANCE = 0.01  # of the held loss: a permutation that is better by less is not chosen over one that was closer


def align(
    models: Sequence[Weights],
    problem: Problem,
    *,
    steps: Annotated[int, Range(1, 100000)] = 100,
    rate: Annotated[float, Range(1e-7, 100)] = 0.01,
    batch: Annotated[int, Range(2, 65536)] = 128,
    restarts: Annotated[int, Range(1, 100)] = 4,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Alignment:
    """Every model matched to the first. `rate` is Adam's, of Ŵ; `batch`: samples per step; `restarts`: of the weight matching to begin with."""
    of_equal_widths(models, "straight_through")
    found = symmetry.symmetry_of(problem)
    reference, *others = models
    weights, maps, traces, notes = [reference], [symmetry.identity(found)], list[tuple[float, ...]](), list[str]()
    total = restarts * len(others) + steps * len(others)
    matched = weight_matching.align(
        models, problem, restarts=restarts, seed=seed, device=device, progress=lambda done, _, message: progress(done, total, message)
    )
    between = Between(problem, reference, device=device)
    for k, model in enumerate(others):
        descent = _Descent(between, model, found, matched.maps[k + 1], rate, np.random.default_rng((seed, k)))
        for step in range(steps):
            progress(restarts * len(others) + k * steps + step, total, f"step {step + 1} of {steps}: {descent.value:.4g} at the midpoint")
            descent.step(batch)
        weights.append(permuted(model, found, descent.best))
        maps.append(descent.best)
        traces.append(tuple(descent.losses))
        notes.append(
            f"Model {k + 1}: {descent.tried} permutations were tried; at the midpoint, on held-out samples, the loss went from {descent.start:.4g}"
            f" (weight matching) to {descent.value:.4g}."
        )
    return Alignment(
        tuple(weights), tuple(maps), exact=True, objective="loss at the midpoint, batch by batch", trace=tuple(traces), notes=tuple(notes)
    )


class _Descent:
    """Ŵ on its way, and the best permutation seen."""

    def __init__(self, between: Between, model: Weights, found: Symmetry, start: Maps, rate: float, rng: np.random.Generator) -> None:
        self.between, self.model, self.found, self.rng = between, model, found, rng
        self.free = {n: between.reference[n].clone() for n, _ in between.network.named_parameters()}
        self.tensors = {n: model[n].detach().to(a) for n, a in between.reference.items()}
        self.scores = WeightScores(self.free, self.tensors, found, list(self.free), device=between.device)
        self.optimiser = torch.optim.Adam(self.free.values(), lr=rate)
        self.maps, self.best = start, start
        self.start = self.value = between.held(permuted(model, found, start))
        self.losses: list[float] = []
        self.tried = 1

    def step(self, batch: int) -> None:
        """One batch: its loss half-way moves Ŵ, Ŵ the permutation, and a new permutation is measured."""
        placed = {n: t.detach().requires_grad_() for n, t in permuted(self.tensors, self.found, self.maps).items()}
        loss = self.between.loss(placed, self.between.batch(batch, self.rng))
        gradients = torch.autograd.grad(loss, [placed[n] for n in self.free], allow_unused=True)
        self.losses.append(float(loss.detach()))
        for w, g in zip(self.free.values(), gradients, strict=True):
            w.grad = g
        self.optimiser.step()
        self.scores.a = {n: self.free[n] for n in self.scores.names}  # what π(B) is to come near
        maps, _ = descend(self.scores, self.found, self.maps, self.rng)
        if all(torch.equal(maps[n], p) for n, p in self.maps.items()):
            return
        self.maps, self.tried = maps, self.tried + 1
        if (value := self.between.held(permuted(self.model, self.found, maps))) < (1 - CHANCE) * self.value:
            self.best, self.value = maps, value
