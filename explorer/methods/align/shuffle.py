"""Shuffle: put the hidden units in a random order. The same function, elsewhere in weight space.

Hecht-Nielsen 1990, "On the algebraic structure of feedforward network weight spaces". Not an alignment, but the problem that alignments solve: a network and
its shuffled copy compute the same function, and still have a barrier between them. Every method that permutes must undo it. With `symmetry=all` a random
element of every class is applied as well: signs, scales, rotations, linear maps, and gains moved into what reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch

from explorer.checkpoints.weights import Weights
from explorer.core.registry import Range, UnlessGiven
from explorer.methods.align._all_classes import lattice_for
from explorer.problems.problem import Problem
from explorer.symmetry import identity, permuted, random, symmetry_of
from explorer.symmetry.assignment import Alignment, of_equal_widths
from explorer.symmetry.gauges import displaced

CONTROL = True  # it matches nothing


def align(
    models: Sequence[Weights],
    problem: Problem,
    *,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    symmetry: Annotated[Literal["permutations", "all"], UnlessGiven()] = "permutations",
) -> Alignment:
    """Every model but the first in an order of its own, drawn from the seed."""
    of_equal_widths(models, "shuffle")
    generator = torch.Generator().manual_seed(seed)
    if symmetry == "all":
        lattice, notes = lattice_for(models, problem)
        moved = [displaced(m, lattice, generator) for m in models[1:]]
        weights, maps = [models[0], *(w for w, _ in moved)], [identity(lattice.symmetry), *(p for _, p in moved)]
        return Alignment(tuple(weights), tuple(maps), exact=True, notes=notes)
    found = symmetry_of(problem)
    maps = [identity(found), *(random(found, generator) for _ in models[1:])]
    return Alignment(tuple(permuted(m, found, p) for m, p in zip(models, maps, strict=True)), tuple(maps), exact=True)
