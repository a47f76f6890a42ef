"""Sinkhorn: learn soft permutations by gradient descent on a distance or on the midpoint loss, then round them.

Peña, Medeiros, Dubail, Aminbeidokhti, Granger & Pedersoli 2023, "Re-basin via Implicit Sinkhorn Differentiation", CVPR. Every group has a free
matrix X; its soft permutation is P = Sinkhorn(X / τ), the doubly stochastic matrix exp(X/τ + f + g) (Sinkhorn & Knopp 1967; Cuturi 2013), found in
the log domain. Adam moves X down one of the paper's three losses:

    l2        ‖A − P(B)‖², from the checkpoints alone
    midpoint  the network's loss at (A + P(B)) / 2, on batches of the train split
    random    the same at a random point of the line, another one at every step

Gradients do not run back through the iterations: at the fixed point the marginals pin f and g, and one linear system of 2n − 1 unknowns says what a
change of X does to them. Every few steps each P is rounded to the nearest permutation, by linear assignment, and judged as a permutation: by the
distance for l2, else by the loss half-way on samples that no batch contains. The best one seen is the result, the identity among them, so the
alignment is exact and by its own measure never worse than none. Where every unit of an outer group (a head) has an order of its own within, every
place of the outer group has a matrix of its own.

Where it starts decides. Near the identity P is sharp and its gradients all but vanish, and small rates do not get away from there. Here X starts at
small noise, so P is all but flat, nothing is ruled out, and groups beside the inputs and outputs find their order first, which then shows their
neighbours theirs. With that, l2 restores shuffled copies and ends near weight matching on independent models, mostly a little above, for much more
time. What the losses on data bring depends on the network: on small MLPs midpoint is about as good as weight matching (lower on the held samples
that it was chosen by, equal on others); networks with residual streams it soon freezes into a poor permutation; random, which also sees the line
near its ends, gets further there, to below weight matching or above it by pair. Neither need restore a shuffled copy unit by unit: units that
hardly matter stay anywhere. Compare before use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor

from explorer import symmetry
from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.methods.align._midpoint_loss import Between
from explorer.methods.align._soft_maps import Matrices, blended
from explorer.problems.problem import Problem
from explorer.symmetry import Maps, Symmetry, permuted
from explorer.symmetry.assignment import Alignment, WeightScores, assign, of_equal_widths

Loss: TypeAlias = Callable[[Matrices], Tensor]
Judge: TypeAlias = Callable[[Maps], float]

TOLERANCE = 1e-9  # of the sums of rows
SWEEPS = 200  # a step; the next step goes on where it ended
RIDGE = 1e-12
NOISE = 0.1  # of X at the start: enough to tell units apart where symmetry would hold the gradient at zero
CHECK = 5  # steps from one rounding to the next
SHARP = 0.01  # from a permutation: nothing moves any more


class SoftPermutation(torch.autograd.Function):
    """X (…, n, n) → the doubly stochastic matrix of the form exp(X + f + g), differentiated implicitly.

    A change dX moves f and g so that all sums stay 1: K (df, dg) = −(row sums, column sums) of P∘dX, with K = [[1, P], [Pᵀ, 1]]. K is symmetric,
    so a gradient G on P gives (a, b) = K⁻¹ (row sums, column sums) of P∘G, and on X the gradient P∘(G − a − b). K has the null vector (1, −1),
    because f + c and g − c give one P: the last b is set to 0, which leaves 2n − 1 unknowns.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        plan = balanced(x).exp()
        ctx.save_for_backward(plan)
        return plan

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:
        (plan,), (gradient,) = cast("tuple[Tensor, ...]", ctx.saved_tensors), grad_outputs
        n = plan.shape[-1]
        flow = plan * gradient
        sums = torch.cat([flow.sum(-1), flow.sum(-2)], dim=-1)[..., :-1]
        one = torch.eye(n, dtype=plan.dtype, device=plan.device).expand_as(plan)
        k = torch.cat([torch.cat([one, plan], -1), torch.cat([plan.mT, one], -1)], -2)[..., :-1, :-1]
        # Where P is all but a permutation, K is all but singular. The ridge picks one of its solutions; they all give the same gradient.
        duals = torch.linalg.solve(k + RIDGE * torch.eye(2 * n - 1, dtype=plan.dtype, device=plan.device), sums)
        a, b = duals[..., :n], torch.nn.functional.pad(duals[..., n:], (0, 1))
        return plan * (gradient - a[..., :, None] - b[..., None, :])


def balanced(x: Tensor) -> Tensor:
    """Sinkhorn's iteration on logits (…, n, n): log P, its columns normalised last, its rows within the tolerance.

    Sharp matrices that are not there after `SWEEPS` are returned as they are then.
    """
    for _ in range(SWEEPS):
        x = x - x.logsumexp(dim=-2, keepdim=True)
        rows = x.logsumexp(dim=-1, keepdim=True)
        if float(rows.detach().expm1().abs().max()) < TOLERANCE:
            break
        x = x - rows
    return x - x.logsumexp(dim=-2, keepdim=True)


def align(
    models: Sequence[Weights],
    problem: Problem,
    *,
    loss: Literal["l2", "midpoint", "random"] = "l2",
    steps: Annotated[int, Range(1, 100000)] = 150,
    rate: Annotated[float, Range(1e-6, 1000)] = 0.1,
    temperature: Annotated[float, Range(1e-4, 1000)] = 1.0,
    batch: Annotated[int, Range(2, 65536)] = 128,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Alignment:
    """Every model matched to the first by gradient descent. `rate` is Adam's, of X; `temperature` is τ; `batch`: samples per step."""
    of_equal_widths(models, "sinkhorn")
    found = symmetry.symmetry_of(problem)
    parameters = problem.parameters()
    reference, *others = models
    weights, maps, traces = [reference], [symmetry.identity(found)], list[tuple[float, ...]]()
    between = None if loss == "l2" else Between(problem, reference, device=device)
    total = steps * len(others)
    for k, model in enumerate(others):
        rng = np.random.default_rng((seed, k))
        if between is None:
            soft, judge = _distance(WeightScores(reference, model, found, parameters, device=device))
        else:
            soft, judge = _way(between, model, found, rng, batch, everywhere=loss == "random")

        def report(step: int, value: float, before: int = k * steps) -> None:
            progress(before + step, total, f"step {step + 1} of {steps}: {value:.4g}")

        chosen, trace = descend(soft, judge, found, rng, steps=steps, rate=rate, temperature=temperature, device=device, report=report)
        weights.append(permuted(model, found, chosen))
        maps.append(chosen)
        traces.append(tuple(trace))
    objective = "distance of the weights" if loss == "l2" else "loss at the midpoint, on held-out train samples"
    return Alignment(tuple(weights), tuple(maps), exact=True, objective=objective, trace=tuple(traces))


def descend(
    soft: Loss,
    judge: Judge,
    found: Symmetry,
    rng: np.random.Generator,
    *,
    steps: int,
    rate: float,
    temperature: float,
    device: str,
    report: Callable[[int, float], None],
) -> tuple[Maps, list[float]]:
    """Adam on the soft loss: (the best permutation that a rounding gave, the best value after every rounding, the identity's first)."""
    best = symmetry.identity(found)
    value = judge(best)
    trace, last = [value], best
    noise = {name: rng.normal(size=tuple(p.shape) + p.shape[-1:]) for name, p in best.items()}
    free = {name: torch.from_numpy(NOISE * temperature * x).to(device).requires_grad_() for name, x in noise.items()}
    optimiser = torch.optim.Adam(free.values(), lr=rate)
    for step in range(steps + 1):
        with torch.no_grad():  # P stays the same when f and g go into X, and the next iteration starts where this one ended
            for x in free.values():
                x.copy_(balanced(x / temperature) * temperature)
        plans = {name: cast("Tensor", SoftPermutation.apply(x / temperature)) for name, x in free.items()}
        done = step == steps or all(_sharp(p) for p in plans.values())
        if step % CHECK == 0 or done:
            last, before = {name: _rounded(p) for name, p in plans.items()}, last
            if any(not torch.equal(last[name], before[name]) for name in last) and (now := judge(last)) < value:
                best, value = last, now
            trace.append(value)
        if done:
            break
        report(step, value)
        optimiser.zero_grad()
        soft(plans).backward()
        optimiser.step()
    return best, trace


def _distance(scores: WeightScores) -> tuple[Loss, Judge]:
    """‖A − P(B)‖², in shares of ‖A‖² + ‖B‖², and the distance of a permutation."""
    scale = scores.squares() or 1.0
    axes = scores.symmetry.axes

    def soft(plans: Matrices) -> Tensor:
        parts = [(scores.a[n] - blended(scores.b[n], axes[n], plans)).square().sum() for n in scores.names]
        return torch.stack(parts).sum() / scale

    return soft, scores.distance


def _way(between: Between, model: Weights, found: Symmetry, rng: np.random.Generator, batch: int, *, everywhere: bool) -> tuple[Loss, Judge]:
    """The loss half-way (everywhere: at a random point), and that of a permutation on the held samples."""
    tensors = {n: model[n].detach().to(a) for n, a in between.reference.items()}

    def soft(plans: Matrices) -> Tensor:
        there = {n: blended(t, found.axes[n], plans) if n in found.axes else t for n, t in tensors.items()}
        return between.loss(there, between.batch(batch, rng), rng.uniform() if everywhere else 0.5)

    return soft, lambda maps: between.held(permuted(model, found, maps))


def _rounded(plan: Tensor) -> Tensor:
    """The permutation nearest to a doubly stochastic matrix; one for each place of an outer group."""
    return assign(plan) if plan.dim() == 2 else torch.stack([assign(p) for p in plan])


def _sharp(plan: Tensor) -> bool:
    return float((plan.detach() - plan.detach().round()).abs().max()) < SHARP
