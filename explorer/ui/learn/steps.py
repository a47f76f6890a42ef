"""Where in which lesson one is: what the address says, and how to turn to another step.

Alone one goes through a lesson in three steps; before a class it is revealed in stages, on the whole screen.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from explorer import lessons
from explorer.lessons import Lesson
from explorer.ui.learn import predictions

STEPS = {"predict": "1 · Predict", "run": "2 · Run", "see": "3 · Compare"}
STAGES = {"question": "Question", "vote": "Vote", "try": "Try it", "picture": "Picture", "formula": "Formula"}
SHOWN = {"predict": "question", "run": "vote", "see": "picture"}  # the stage that has what a step has
ALONE = {"question": "predict", "vote": "run", "try": "run", "picture": "see", "formula": "see"}  # and the other way round
HOSTING = "hosting"  # in the address of who leads a class: the room's code and key (explorer.ui.learn.classroom)


@dataclass(frozen=True)
class LessonStep:
    """Where in which lesson one is. step: of STEPS, or of STAGES while presenting."""

    name: str
    step: str
    on: int

    @property
    def lesson(self) -> Lesson:
        return lessons.every()[self.name]

    @property
    def key(self) -> str:
        return f"{self.name}-{self.on}"


def presenting() -> bool:
    """Whether the address asks for large type and one picture."""
    return st.query_params.get("present") == "1"


def of(lesson: Lesson) -> dict[str, str]:
    """The steps of a lesson in order, and what they are called; of one without anything to try, without that stage."""
    return {name: title for name, title in STAGES.items() if name != "try" or lesson.hands} if presenting() else STEPS


def current_step() -> LessonStep:
    """What the address asks for: a lesson by name or number; what it does not know is the first one."""
    every = lessons.every()
    asked = st.query_params.get("lesson", "")
    names = list(every)
    numbered = {str(i): name for i, name in enumerate(names, start=1)}
    name = asked if asked in every else numbered.get(asked, names[0])
    step = st.query_params.get("step", "")
    step = (SHOWN if presenting() else ALONE).get(step, step)
    known = of(every[name])
    on = st.query_params.get("on", "0")
    there = on.isdecimal() and int(on) < len(every[name].variants)
    return LessonStep(name, step if step in known else next(iter(known)), int(on) if there else 0)


def go(name: str, step: str = "", on: int = 0) -> None:
    """Turn to a step of a lesson, the first by itself (a callback)."""
    step = step or next(iter(of(lessons.every()[name])))
    st.query_params.from_dict({"lesson": name, "step": step, **({"on": str(on)} if on else {}), **kept()})


def leave() -> None:
    """To the list of lessons (a callback)."""
    st.query_params.from_dict(predictions.address())


def present() -> None:
    """To and from the whole screen, at the same place (a callback)."""
    here = current_step()
    if presenting():
        st.query_params.pop("present")
        st.query_params["step"] = ALONE[here.step]
    else:
        st.query_params["present"] = "1"
        st.query_params["step"] = SHOWN[here.step]


def kept() -> dict[str, str]:
    """What stays in the address from step to step."""
    stays = {name: value for name in ("present", HOSTING) if (value := st.query_params.get(name))}
    return {**stays, **predictions.address()}
