"""Learned: move a model along all of its network's symmetries by gradient descent on the loss between it and the reference.

Theus et al. 2025, "Generalized Linear Mode Connectivity for Transformers". Weight matching over all classes comes first, with both models in their
canonical forms (explorer.symmetry.closest). From there every map is learned: the network at (1 − t) A + t g(B), t drawn at random around ½, has a loss on a batch
of the train split, and its gradient moves g. Scales, orthogonal and invertible maps move along their own class (explorer.symmetry.tangents), signs and
orders of units by straight-through gradients: what is used is the sign, or the permutation by linear assignment, of numbers that the gradient is applied to as if
they were used themselves (Bengio, Léonard & Courville 2013).

g stays a symmetry at every step, so that the model computes what it did. Every few steps the loss is measured at a quarter, half and
three quarters of the line on samples that no batch contains, the highest of these counts, and the best
one is the result; weight matching's own is among them, so that the result is never worse there; a model that is the reference already stays. It needs labelled data and
about as much time as two or three times the number of training steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import cos, pi
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.methods.align import _all_classes, weight_matching
from explorer.methods.align._all_classes import Pair
from explorer.methods.align._midpoint_loss import Between
from explorer.methods.align._soft_maps import Matrices, blended
from explorer.problems.problem import Problem
from explorer.symmetry import Lattice, Maps, compose, identity, permuted
from explorer.symmetry.assignment import Alignment, assign
from explorer.symmetry.classes import SymmetryClass
from explorer.symmetry.closest import Element, carried
from explorer.symmetry.gauges import Elements, after, changed
from explorer.symmetry.tangents import exponential, tangents

LINE = (0.25, 0.5, 0.75)  # where a model on its way is measured
CHECK = 10  # steps from one measurement on the held samples to the next
SIGNED = (SymmetryClass.SIGNED, SymmetryClass.MONOMIAL)


def align(
    models: Sequence[Weights],
    problem: Problem,
    *,
    steps: Annotated[int, Range(1, 100000)] = 200,
    rate: Annotated[float, Range(1e-7, 100)] = 0.01,
    batch: Annotated[int, Range(2, 65536)] = 128,
    spread: Annotated[float, Range(0, 1)] = 0.2,
    restarts: Annotated[int, Range(1, 100)] = 4,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Alignment:
    """Every model matched to the first. `rate` is Adam's, at the start; `batch`: samples per step; `spread`: t is drawn from ½ ± half of it, 0 for half-way alone;
    `restarts`: of the weight matching to begin with."""
    models, lattice, notes = _all_classes.prepared(models, problem, "learned")
    many = len(models) - 1

    def first(done: int, _: int, message: str) -> None:
        progress(done, (restarts + steps) * many, message)

    starts = _all_classes.matched(
        models, problem, lattice, restarts=restarts, seed=seed, progress=first, lowest=weight_matching.lowest(problem, device)
    )
    work = {n: torch.promote_types(w.dtype, torch.float32) if w.is_floating_point() else w.dtype for n, w in models[0].items()}
    reference = {n: w.to(work[n]) for n, w in starts[0].reference.weights.items()}
    between = Between(problem, reference, device=device)
    pairs, said = list[Pair](), list[str]()
    for k, start in enumerate(starts):
        model = {n: w.to(work[n]) for n, w in start.model.weights.items()}
        way = Way(between, model, lattice, start.element, rate, np.random.default_rng((seed, k)))
        for step in range(0 if start.same else steps):
            if step % CHECK == 0:
                progress(
                    restarts * many + k * steps + step, (restarts + steps) * many, f"step {step + 1} of {steps}: {way.trace[-1]:.4g} on the line"
                )
                way.judge()
            way.step(batch, spread, (1 + cos(pi * step / steps)) / 2)
            if step + 1 == steps:
                way.judge()
        pairs.append(replace(start, element=way.best, trace=tuple(way.trace), steps=()))
        said.append(
            f"Model {k + 2}: the highest loss at a quarter, half and three quarters of the line, on samples held out of the learning, went from {way.trace[0]:.4g} (weight matching) to {way.trace[-1]:.4g}."
        )
    return _all_classes.told(models, pairs, lattice, objective="highest loss on the line, on held-out train samples", notes=(*notes, *said))


class Way:
    """One model on its way, both canonical: what has been learned, and the best of it.

    The gauges come first, seen from the places of `start`, and the orders of units after them: so a head that changes places takes its maps along.
    """

    def __init__(self, between: Between, model: Weights, lattice: Lattice, start: Element, rate: float, rng: np.random.Generator) -> None:
        self.between, self.lattice, self.start, self.rate, self.rng = between, lattice, start, rate, rng
        like = next(iter(between.reference.values()))
        self.model = permuted(model, lattice.symmetry, start.maps)
        self.tensors = {n: self.model[n].detach().to(a) for n, a in between.reference.items()}
        self.turns = {n: v.to(like) for n, v in start.turns.items()}
        covered = {g.group for g in lattice.gauges.values() if g.covers}
        self.tangents = {n: x.to(like).requires_grad_() for n, x in tangents(lattice).items()}
        self.signs = {n: torch.ones_like(self.turns[n]).requires_grad_() for n, g in lattice.gauges.items() if g.cls in SIGNED}
        still = identity(lattice.symmetry)
        self.orders = {n: torch.eye(p.shape[-1]).to(like).repeat(*p.shape[:-1], 1, 1).requires_grad_() for n, p in still.items() if n not in covered}
        free = [*self.tangents.values(), *self.signs.values(), *self.orders.values()]
        self.optimiser = torch.optim.Adam(free, lr=rate) if free else None
        self.best = start
        self.trace = [between.held(changed(self.model, lattice, start.turns), LINE)]

    def step(self, batch: int, spread: float, share: float) -> None:
        """One batch moves everything. `share`: of the rate."""
        if self.optimiser is None:
            return
        t = 0.5 + spread * (self.rng.uniform() - 0.5)
        loss = self.between.loss(self._placed(), self.between.batch(batch, self.rng), t)
        self.optimiser.param_groups[0]["lr"] = share * self.rate
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()

    @torch.no_grad()
    def judge(self) -> None:
        """Measure what there is by now, and keep it if it is the best."""
        maps, turns = self._maps(), {n: v.cpu().double() for n, v in self._turns().items()}
        found = self.lattice.symmetry
        own = Element(compose(found, self.start.maps, maps), {n: carried(v, self.lattice, self.lattice.gauges[n], maps) for n, v in turns.items()})
        value = self.between.held(permuted(changed(self.model, self.lattice, turns), found, maps), LINE)
        if value < self.trace[-1]:
            self.best = own
        self.trace.append(min(value, self.trace[-1]))

    def _turns(self) -> Elements:
        """The gauges by now: where each began, and what was learned since."""
        turns = dict(self.turns)
        for n, x in self.tangents.items():
            turns[n] = after(exponential(self.lattice.gauges[n].cls, x), turns[n])
        for n, x in self.signs.items():
            turns[n] = turns[n] * straight_through(torch.where(x < 0, -1.0, 1.0), x)
        return turns

    def _maps(self) -> Maps:
        """The orders by now."""
        still = identity(self.lattice.symmetry)
        return {n: _order(self.orders[n]) if n in self.orders else p for n, p in still.items()}

    def _placed(self) -> Mapping[str, Tensor]:
        """The model as it stands, differentiable in all that is learned."""
        there = changed(self.tensors, self.lattice, self._turns())
        matrices: Matrices = {n: straight_through(_matrix(_order(x)), x) for n, x in self.orders.items()}
        axes = self.lattice.symmetry.axes
        return {n: blended(t, axes[n], matrices) if n in axes else t for n, t in there.items()}


def straight_through(used: Tensor, latent: Tensor) -> Tensor:
    """The one in value, with the gradient of the other."""
    return used.to(latent) + (latent - latent.detach())


def _order(latent: Tensor) -> Tensor:
    return assign(latent) if latent.dim() == 2 else torch.stack([assign(x) for x in latent])


def _matrix(order: Tensor) -> Tensor:
    return torch.eye(order.shape[-1])[order]
