"""The lessons of the Learn page: predict, run, see. The directory is the registry: one file, one lesson, found by its `LESSON`; a plug-in adds its own.

A lesson asks a question, requests runs on the shipped models, and reads the answer from what was measured: which of its choices is right, and every
number of its sentences, come from the points. Nothing here loads torch or draws in a browser.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.points import Points
from explorer.core.spec import Json, Loaded, ProblemSpec, Run, Study
from explorer.figures.bars import Bar
from explorer.figures.curve import Curve
from explorer.figures.plane import Marker, Surface, Trace
from explorer.store.records import Facts

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True, eq=False)
class Lines:
    """A picture of values along a path."""

    curves: tuple[Curve, ...]
    x_title: str
    y_title: str
    log: bool = False


@dataclass(frozen=True, eq=False)
class Bars:
    """A picture of single values with their intervals."""

    rows: tuple[Bar, ...]
    x_title: str


@dataclass(frozen=True, eq=False)
class Relief:
    """A picture of values on a plane, and paths on it. `log`: colours by the logarithm. `played`: it is the landscape of two neurons, which can be played with."""

    surface: Surface
    markers: tuple[Marker, ...]
    x_title: str
    y_title: str
    z_title: str
    traces: tuple[Trace, ...] = ()
    log: bool = False
    played: bool = False


@dataclass(frozen=True, eq=False)
class Outcome:
    """What was measured shows: which choice is right, the finding in words, and the picture."""

    answer: int
    sentence: str
    picture: Lines | Bars | Relief

    def figure(self, title: str = "") -> go.Figure:
        """The picture on paper."""
        from explorer.lessons import _drawn  # which is made of what stands above

        return _drawn.figure(self, title)


@dataclass(frozen=True)
class Target:
    """A page of the app, filled in."""

    page: str
    query: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Experiment:
    """Runs and studies by name, and where to go on with one's own models. A study is an `ensemble`, and read as points."""

    runs: Mapping[str, Run]
    target: Target
    studies: Mapping[str, Study] = field(default_factory=dict[str, Study])

    @property
    def requests(self) -> Mapping[str, Run | Study]:
        """All that has to be done before there is an answer."""
        return {**self.runs, **self.studies}


@dataclass(frozen=True)
class Shelf:
    """The shipped models, by family and name."""

    facts: Mapping[tuple[str, str], Facts]

    @classmethod
    def from_checkpoints(cls, checkpoints: Iterable[Facts]) -> Shelf:
        """Of all registered checkpoints, those that ship with the explorer."""
        shipped = [f for f in checkpoints if f.path.startswith("sample_models/")]
        return cls({(Path(f.path).parent.name, f.name): f for f in shipped})

    def model(self, family: str, name: str) -> Loaded:
        """A shipped checkpoint. Refused when the samples are not installed."""
        found = self._found(family, name)
        return Loaded(found.digest, path=found.path, name=found.name, half=found.half)

    def problem(self, family: str) -> ProblemSpec:
        """What a family was trained for."""
        name = next((n for f, n in self.facts if f == family), "")
        problem = self._found(family, name).problem
        assert problem is not None
        return problem

    def _found(self, family: str, name: str) -> Facts:
        if (found := self.facts.get((family, name))) is None or found.problem is None:
            raise Refused(
                f"This lesson needs the sample model {name} of {family}, which is not installed. Install the explorer with its sample models."
            )
        return found


@dataclass(frozen=True)
class Exercise:
    """A question to think about, and its answer; terms may be marked."""

    question: str
    answer: str


@dataclass(frozen=True)
class Lesson:
    """One lesson.

    claim: what it is about, one sentence. question, choices: what is predicted. variants: the models it can be run on, by name. formula: LaTeX.
    text: two or three sentences, its terms marked as explorer.core.glossary says. hands: a thing to try by hand, by its name in explorer.ui.learn.hands_on; "" for none.
    descends: whether its matchings are shown step by step. misconception: what is often believed and is wrong, and why. minutes: what it takes in a class.
    """

    order: int
    title: str
    claim: str
    question: str
    choices: tuple[str, ...]
    experiment: Callable[[Shelf, int], Experiment]
    see: Callable[[Mapping[str, Points]], Outcome]
    formula: str
    text: str
    paper: str
    variants: tuple[str, ...] = ("the shipped models",)
    hands: str = ""
    descends: bool = False
    misconception: str = ""
    exercises: tuple[Exercise, ...] = ()
    minutes: int = 10

    def answer(self, measured: Mapping[str, Points], studied: Mapping[str, Json] | None = None) -> Outcome:
        """What the experiment shows: `see`, with what its studies found among the points."""
        return self.see({**measured, **{name: together(found) for name, found in (studied or {}).items()}})


def together(found: Json) -> Points:
    """What the study `ensemble` found, as two points: 0, the ensemble; 1, the mean of its models' losses and errors."""
    sums = cast("Mapping[str, list[list[float]]]", found)
    models = np.array(sums["models"], dtype=np.float64)
    values = np.stack([np.array(sums["ensemble"], dtype=np.float64), models.mean(axis=0)])
    return Points(np.array([[0.0], [1.0]]), values, np.array(sums["counts"], dtype=np.float64))


def every() -> Mapping[str, Lesson]:
    """All lessons by name, in the order in which they are taught; those of packages, modules and folders of somebody else's among them."""
    found: dict[str, Lesson] = {}
    for name in registry.names("lesson"):
        lesson = registry.value("lesson", name)
        if not isinstance(lesson, Lesson):
            raise Refused(f"The LESSON of {name} is a {type(lesson).__name__}. Make it an explorer.lessons.Lesson.")
        found[name] = lesson
    from explorer.lessons import _markdown  # which is made of what stands above

    found |= _markdown.found()
    return dict(sorted(found.items(), key=lambda pair: pair[1].order))


def add(folders: Iterable[Path]) -> None:
    """Offer the lessons of these folders as well, Markdown files and Python modules with a LESSON, to this process and to those that it starts. Refused when
    a folder holds neither."""
    from explorer.lessons import _markdown

    _markdown.add(folders)
