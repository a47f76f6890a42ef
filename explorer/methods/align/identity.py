"""No alignment: every unit stays where it is.

What the others are compared with.
"""

from __future__ import annotations

from collections.abc import Sequence

from explorer import symmetry
from explorer.checkpoints.weights import Weights
from explorer.problems.problem import Problem
from explorer.symmetry.assignment import Alignment, of_equal_widths

CONTROL = True  # it matches nothing


def align(models: Sequence[Weights], problem: Problem) -> Alignment:
    """The models as they are."""
    of_equal_widths(models, "identity")
    still = symmetry.identity(symmetry.symmetry_of(problem))
    return Alignment(tuple(models), tuple(still for _ in models), exact=True)
