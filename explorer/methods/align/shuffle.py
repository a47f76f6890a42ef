"""Shuffle: put the hidden units in a random order. The same function, elsewhere in weight space.

Hecht-Nielsen 1990, "On the algebraic structure of feedforward network weight spaces". Not an alignment, but the problem that alignments solve: a network and
its shuffled copy compute the same function, and still have a barrier between them. Every method that permutes must undo it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch

from explorer import symmetry
from explorer.checkpoints.weights import Weights
from explorer.core.registry import Range
from explorer.problems.problem import Problem
from explorer.symmetry.assignment import Alignment, of_equal_widths

CONTROL = True  # it matches nothing


def align(models: Sequence[Weights], problem: Problem, *, seed: Annotated[int, Range(0, 2147483647)] = 0) -> Alignment:
    """Every model but the first in an order of its own, drawn from the seed."""
    of_equal_widths(models, "shuffle")
    found = symmetry.symmetry_of(problem)
    generator = torch.Generator().manual_seed(seed)
    maps = [symmetry.identity(found), *(symmetry.random(found, generator) for _ in models[1:])]
    return Alignment(tuple(symmetry.permuted(m, found, p) for m, p in zip(models, maps, strict=True)), tuple(maps), exact=True)
