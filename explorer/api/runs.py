"""Runs: what pages and this package ask for, measured as it is written there; and the answers that lessons read from them."""

from __future__ import annotations

from typing import Unpack

from explorer import lessons
from explorer.api import _measuring
from explorer.api._keywords import Watched, takes
from explorer.core.errors import Refused
from explorer.core.points import Points
from explorer.core.spec import Run
from explorer.lessons import Lesson


@takes(Watched)
def points(run: Run, **how: Unpack[Watched]) -> Points:
    """Measure any run, for instance one that a page gives as code; its points by rising coordinates.

    >>> ends = tuple(loaded(f"sample_models/digits-mlp/seed-{i}.safetensors") for i in range(2))
    >>> field = Field(read_problem("digits-mlp"), ends, method("chart", "line"))
    >>> points(Run(field, method("sample", "grid", {"size": 3}))).means().round(2)  # loss and error at t = 0, ½ and 1
    array([[0.07, 0.02],
           [0.82, 0.13],
           [0.07, 0.02]])
    """
    return _measuring.measured(run, how)


def lesson(name: str) -> Lesson:
    """A lesson of the Learn page: its question and choices, and what it sees in measured runs (`Lesson.see`). Refused when there is none of that name.

    >>> lesson("permutations").choices
    ('it falls', 'it stays exactly the same', 'it rises')
    """
    if name not in (known := lessons.every()):
        raise Refused(f"There is no lesson {name!r}. There are: {', '.join(known)}.")
    return known[name]
