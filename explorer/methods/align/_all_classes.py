"""Weight matching over all classes of symmetry: what weight_matching does with `symmetry=all`, and where others begin.

The descents that are chosen from begin anchored, at inputs and outputs and from there on; where the model stands; and at random permutations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from explorer import symmetry
from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
from explorer.core.progress import Progress
from explorer.methods.align._widths import of_one_width
from explorer.problems.problem import Problem
from explorer.symmetry import Lattice
from explorer.symmetry.assignment import Alignment, once
from explorer.symmetry.closest import Canonical, Descent, Element, restored, total
from explorer.symmetry.gauges import still, vanishing

EXACT = 1e-6  # of the models' norm: a distance that is nothing but rounding

Lowest = Callable[[Mapping[str, Tensor], Sequence[Mapping[str, Tensor]]], int]
"""Which of several candidates is chosen, given the reference."""


@dataclass(frozen=True)
class Pair:
    """A model beside the reference, both canonical, and the element that takes it there. `trace`: of the objective, and `steps`: the
    maps that its values belong to. `same`: it is the reference then, to rounding."""

    reference: Canonical
    model: Canonical
    element: Element
    trace: tuple[float, ...] = ()
    steps: tuple[symmetry.Maps, ...] = ()
    same: bool = False


def lattice_for(models: Sequence[Weights], problem: Problem) -> tuple[Lattice, tuple[str, ...]]:
    """All classes of the network that these models allow, and what has to be said: a gain that one of them cannot be divided by stays where it is."""
    lattice = symmetry.lattice_of(problem)
    stay = frozenset[str]().union(*(vanishing(m, lattice) for m in models if m.keys() >= lattice.folds.keys()))
    if not stay:
        return lattice, lattice.warnings
    note = f"The gains {', '.join(sorted(stay))} have numbers that are nothing beside the others, so they are not moved, and what they multiply keeps its places."
    narrower = symmetry.lattice_of(problem, stay)
    return narrower, (*narrower.warnings, note)


def prepared(models: Sequence[Weights], problem: Problem, method: str) -> tuple[list[Weights], Lattice, tuple[str, ...]]:
    """All models in the first one's shapes, all classes of their network, and what has to be said."""
    if len(models) < 2:
        raise Refused(f"{method} aligns two models or more, got {len(models)}.")
    lattice, notes = lattice_for(models, problem)
    done, said = of_one_width(models, problem, lattice, method)
    return done, lattice, (*notes, *said)


def align(models: Sequence[Weights], problem: Problem, *, restarts: int, seed: int, progress: Progress, lowest: Lowest) -> Alignment:
    """Every model matched to the first by its weights. The first stays as it is."""
    models, lattice, notes = prepared(models, problem, "weight_matching")
    pairs = matched(models, problem, lattice, restarts=restarts, seed=seed, progress=progress, lowest=lowest)
    return told(models, pairs, lattice, objective="distance of the weights, balanced", notes=notes)


def canonical(models: Sequence[Weights], problem: Problem, lattice: Lattice) -> list[Canonical]:
    """Every model in its canonical form."""
    names = once(models[0], problem.parameters())
    return [Canonical.of(model, lattice, names) for model in models]


def matched(
    models: Sequence[Weights], problem: Problem, lattice: Lattice, *, restarts: int, seed: int, progress: Progress, lowest: Lowest
) -> list[Pair]:
    """Every model but the first beside it, matched by weights."""
    found, names = lattice.symmetry, once(models[0], problem.parameters())
    reference, *others = models
    first, *rest = canonical(models, problem, lattice)
    pairs: list[Pair] = []
    for k, (model, there) in enumerate(zip(others, rest, strict=True)):
        descent = Descent(first.weights, there.weights, lattice, names)
        tried: list[Pair] = []
        for i in range(restarts):
            progress(k * restarts + i, restarts * len(others), f"descent {i + 1} of {restarts}")
            rng = np.random.default_rng((seed, k, i))
            start = symmetry.identity(found) if i < 2 else symmetry.random(found, torch.Generator().manual_seed(int(rng.integers(2**62))))
            seen: list[symmetry.Maps] = []
            element, trace = descent.run(start, rng, anchored=i == 0, seen=seen.append)
            tried.append(Pair(first, there, element, tuple(trace), tuple(seen), same=trace[-1] <= EXACT * descent.squares**0.5))
            if tried[-1].same:  # nothing can be nearer
                tried = tried[-1:]
                break
        pairs.append(tried[lowest(reference, [restored(first, there, lattice, t.element, model) for t in tried])])
    return pairs


def told(models: Sequence[Weights], pairs: Sequence[Pair], lattice: Lattice, *, objective: str, notes: Sequence[str]) -> Alignment:
    """The alignment that these pairs are: ordinary weights, the reference as it was."""
    reference, *others = models
    nothing = Pair(pairs[0].reference, pairs[0].reference, Element(symmetry.identity(lattice.symmetry), still(lattice)))
    return Alignment(
        (reference, *(restored(p.reference, p.model, lattice, p.element, m) for p, m in zip(pairs, others, strict=True))),
        tuple(p.element.maps for p in (nothing, *pairs)),
        exact=True,
        objective=objective,
        trace=tuple(p.trace for p in pairs),
        notes=tuple(notes),
        steps=tuple(p.steps for p in pairs) if all(p.steps for p in pairs) else (),
        lattice=lattice,
        elements=tuple(total(p.reference, p.model, lattice, p.element) for p in (nothing, *pairs)),
    )
