"""The last epochs of a training that does not settle, beside what is made of all of them.

Which epoch is the last is chance: at a rate that never falls, its loss varies from epoch to epoch by more than an average gains. What a training has at its end is
therefore the mean over the last eight epochs, each measured alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.survey.workshop import Workshop, typical
from explorer.core.points import Points
from explorer.core.spec import ProblemSpec, Recipe

LAST = 8


def late(shop: Workshop, problem: ProblemSpec, epochs: Sequence[Recipe], *models: Recipe, split: str = "test") -> list[Points]:
    """What the last epochs have on average, then each of the models."""
    return [typical(shop.points(problem, *epochs[-LAST:], split=split)), *shop.points(problem, *models, split=split)]
