"""Activation matching over all classes of symmetry: what activation_matching does with `symmetry=all`.

What passes a layer is written in the same basis as the axis of the weight that writes it, and read by the inverse of that which reads it. So activations stand
beside the weights as tensors more, with one axis of units and one of observations, and the descent of weight matching (explorer.symmetry.closest) does for
them what it does for weights: assignments, signs, rotations, Procrustes. The weights themselves count for `SHARE` of it, which decides what no activation tells:
groups that no layer reads, units that never respond, directions that no sample goes in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from explorer import symmetry
from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress
from explorer.evaluate.unit_activations import INPUT, Side, record
from explorer.methods.align import _all_classes
from explorer.methods.align._all_classes import Pair
from explorer.problems.problem import Problem
from explorer.symmetry import Lattice
from explorer.symmetry.assignment import Alignment, once
from explorer.symmetry.closest import Descent
from explorer.symmetry.gauges import Gauge
from explorer.symmetry.groups import Axis, Fixed

SHARE = 1e-3  # of the squares: the weights beside the activations
OBSERVATIONS = 2048  # of a unit at one place where it is read


def align(
    models: Sequence[Weights],
    problem: Problem,
    *,
    standard: Callable[[Tensor], Tensor] | None,
    samples: int,
    seed: int,
    device: str,
    progress: Progress,
) -> Alignment:
    """Every model matched to the first, which stays as it is. `standard`: how units are brought to one scale where a class does not mix them; None to leave all."""
    models, lattice, notes = _all_classes.prepared(models, problem, "activation_matching")
    names = once(models[0], problem.parameters())
    canonical = _all_classes.canonical(models, problem, lattice)
    sides, seen = record(
        problem,
        [c.weights for c in canonical],
        {n for n, axes in lattice.axes.items() if any(not isinstance(a, Fixed) for a in axes)},
        samples=samples,
        observations=OBSERVATIONS,
        seed=seed,
        device=device,
        progress=lambda done, _, message: progress(done, 2 * len(models) - 1, message),
    )
    extended = beside(lattice, sides)
    first, *rest = [together(c.weights, names, s, sides, lattice, standard) for c, s in zip(canonical, seen, strict=True)]
    pairs: list[Pair] = []
    for k, there in enumerate(rest):
        progress(len(models) + k, 2 * len(models) - 1, f"Maps of model {k + 2}")
        descent = Descent(first, there, extended, [*names, *map(title, sides)])
        element, trace = descent.run(symmetry.identity(lattice.symmetry), np.random.default_rng((seed, k)), anchored=True)
        pairs.append(Pair(canonical[0], canonical[k + 1], element, tuple(trace)))
    return _all_classes.told(models, pairs, lattice, objective="distance of the activations", notes=(*notes, *_unread(lattice, sides)))


def title(side: Side) -> str:
    """The name of a side's activations among the weights."""
    return f"{side.side} of {side.module}"


def beside(lattice: Lattice, sides: Sequence[Side]) -> Lattice:
    """The lattice of a network's weights and what passes these sides: (places, observations) each."""
    more: dict[str, tuple[Axis, ...]] = {title(s): (lattice.axes[s.tensor][s.axis], Fixed(1)) for s in sides}

    def widened(gauge: Gauge) -> Gauge:
        here = [
            replace(p, tensor=title(s), axis=0, inverted=p.inverted != (s.side == INPUT))
            for s in sides
            for p in gauge.places
            if (p.tensor, p.axis) == (s.tensor, s.axis)
        ]
        return replace(gauge, places=(*gauge.places, *here))

    found = replace(lattice.symmetry, axes={**lattice.symmetry.axes, **more})
    return replace(lattice, symmetry=found, axes={**lattice.axes, **more}, gauges={n: widened(g) for n, g in lattice.gauges.items()})


def together(
    weights: Weights,
    names: Sequence[str],
    seen: Sequence[Tensor],
    sides: Sequence[Side],
    lattice: Lattice,
    standard: Callable[[Tensor], Tensor] | None,
) -> Weights:
    """A model's activations, and its weights scaled down to their share, float64."""
    done = {title(s): _scaled(x.cpu().double(), s, lattice, standard) for s, x in zip(sides, seen, strict=True)}
    own, all_weights = (sum(float(t.square().sum()) for t in some) for some in (done.values(), [weights[n] for n in names]))
    factor = (SHARE * own / all_weights) ** 0.5 if own and all_weights else 1.0
    return {**{n: factor * w if w.is_floating_point() else w for n, w in weights.items()}, **done}


def _scaled(x: Tensor, side: Side, lattice: Lattice, standard: Callable[[Tensor], Tensor] | None) -> Tensor:
    """One side's activations: as they are, each unit by itself, or, where a class mixes them, centred and by one factor for all."""
    if standard is None:
        return x
    mixing = (g for g in lattice.gauges.values() if g.cls.compact.moves and not g.cls.diagonal)
    if not any((p.tensor, p.axis) == (side.tensor, side.axis) for g in mixing for p in g.places):
        return standard(x)
    centred = x - x.mean(dim=1, keepdim=True)
    return centred * (len(x) ** 0.5 / centred.norm().clamp_min(torch.finfo(x.dtype).tiny))


def _unread(lattice: Lattice, sides: Sequence[Side]) -> tuple[str, ...]:
    """A sentence on what no layer reads or writes."""
    seen = {(s.tensor, s.axis) for s in sides}
    places: Mapping[str, set[tuple[str, int]]] = {
        **{g: {(s.tensor, s.axis) for s in lattice.symmetry.sites(g)} for g in lattice.symmetry.groups},
        **{n: {(p.tensor, p.axis) for p in g.places} for n, g in lattice.gauges.items()},
    }
    lost = [n for n, where in places.items() if not where & seen]
    return (f"No layer that could be observed reads or writes {', '.join(lost)}, so the weights decided there.",) if lost else ()
