"""Runs: what pages and this package ask for, measured as it is written there; and the answers that lessons read from them."""

# `takes` has put every default in before one of these is called.
# pyright: reportTypedDictNotRequiredAccess=false

from __future__ import annotations

from typing import Unpack

from explorer import lessons
from explorer.api import _measuring
from explorer.api._keywords import Watched, takes
from explorer.api._progress import progress_of
from explorer.core import locations
from explorer.core.errors import Refused
from explorer.core.points import Points
from explorer.core.spec import Json, Run
from explorer.engine.run_study import examine
from explorer.lessons import Lesson, Outcome, Shelf


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


@takes(Watched)
def run_lesson(name: str, variant: int = 0, **how: Unpack[Watched]) -> Outcome:
    """Carry out a lesson's experiment on the sample models: which choice is right (`answer`), the finding in words (`sentence`), the picture (`figure()`).

    variant: which of the lesson's `variants` it is run on, counted from 0. Refused when there is no such lesson or variant.

    >>> run_lesson("two_neurons").answer  # the choice "exactly one"
    1
    """
    taught = lesson(name)
    if not 0 <= variant < len(taught.variants):
        raise Refused(f"The lesson {name} has {len(taught.variants)} variants, counted from 0; got {variant}.")
    store, home = _measuring.store_of(how)
    store.absorb(locations.root() / "sample_models" / "samples.sqlite", pinned=True)
    experiment = taught.experiment(Shelf.from_checkpoints(store.checkpoints()), variant)
    measured = {one: _measuring.measured(run, how) for one, run in experiment.runs.items()}
    studied: dict[str, Json] = {}
    for one, request in experiment.studies.items():
        with progress_of(how["progress"], one) as progress:
            studied[one] = examine(request, store, home, device=how["device"], progress=progress)
    return taught.answer(measured, studied)
