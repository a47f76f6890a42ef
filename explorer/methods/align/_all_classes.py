"""Weight matching over all classes of symmetry: what weight_matching does with `symmetry=all`.

The descents that are chosen from begin anchored, at inputs and outputs and from there on; where the model stands; and at random permutations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from explorer import symmetry
from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress
from explorer.problems.problem import Problem
from explorer.symmetry import Lattice
from explorer.symmetry.assignment import Alignment, once
from explorer.symmetry.closest import Canonical, Descent, restored, total
from explorer.symmetry.gauges import vanishing

EXACT = 1e-6  # of the models' norm: a distance that is nothing but rounding


def lattice_for(models: Sequence[Weights], problem: Problem) -> tuple[Lattice, tuple[str, ...]]:
    """All classes of the network that these models allow, and what has to be said: a gain that one of them cannot be divided by stays where it is."""
    lattice = symmetry.lattice_of(problem)
    stay = frozenset[str]().union(*(vanishing(m, lattice) for m in models))
    if not stay:
        return lattice, lattice.warnings
    note = f"The gains {', '.join(sorted(stay))} have numbers that are nothing beside the others, so they are not moved, and what they multiply keeps its places."
    narrower = symmetry.lattice_of(problem, stay)
    return narrower, (*narrower.warnings, note)


def align(
    models: Sequence[Weights], problem: Problem, *, restarts: int, seed: int, progress: Progress, lowest: Callable[[Weights, list[Weights]], int]
) -> Alignment:
    """Every model matched to the first, which stays as it is. `lowest`: which of several candidates is chosen."""
    lattice, notes = lattice_for(models, problem)
    reference, *others = models
    names = once(reference, problem.parameters())
    canonical = Canonical.of(reference, lattice, names)
    found = lattice.symmetry
    weights, maps, elements, traces = [reference], [symmetry.identity(found)], [total(canonical, canonical, lattice)], list[tuple[float, ...]]()
    steps = list[tuple[symmetry.Maps, ...]]()
    for k, model in enumerate(others):
        there = Canonical.of(model, lattice, names)
        descent = Descent(canonical.weights, there.weights, lattice, names)
        tried = list[tuple[Weights, symmetry.Maps, dict[str, torch.Tensor], list[float], list[symmetry.Maps]]]()
        for i in range(restarts):
            progress(k * restarts + i, restarts * len(others), f"descent {i + 1} of {restarts}")
            rng = np.random.default_rng((seed, k, i))
            start = symmetry.identity(found) if i < 2 else symmetry.random(found, torch.Generator().manual_seed(int(rng.integers(2**62))))
            seen: list[symmetry.Maps] = []
            element, trace = descent.run(start, rng, anchored=i == 0, seen=seen.append)
            tried.append((restored(canonical, there, lattice, element, model), element.maps, total(canonical, there, lattice, element), trace, seen))
            if trace[-1] <= EXACT * descent.squares**0.5:  # nothing can be nearer
                tried = tried[-1:]
                break
        chosen = tried[lowest(reference, [t[0] for t in tried])]
        weights.append(chosen[0])
        maps.append(chosen[1])
        elements.append(chosen[2])
        traces.append(tuple(chosen[3]))
        steps.append(tuple(chosen[4]))
    return Alignment(
        tuple(weights),
        tuple(maps),
        exact=True,
        objective="distance of the weights, balanced",
        trace=tuple(traces),
        notes=notes,
        steps=tuple(steps),
        lattice=lattice,
        elements=tuple(elements),
    )
