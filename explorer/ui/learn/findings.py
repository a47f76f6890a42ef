"""What a lesson's experiment shows: the verdict on the prediction, the formula, what is behind it, and Python that measures the same."""

from __future__ import annotations

import streamlit as st

from explorer.core import glossary
from explorer.core.errors import Refused
from explorer.core.markdown import plain
from explorer.lessons import Experiment, Lesson, Outcome
from explorer.store.run_store import RunStore
from explorer.ui.learn import predictions
from explorer.ui.learn.steps import LessonStep
from explorer.ui.widgets import python_source

# Formulas fit their page, so none of them is a region to scroll in, which the keyboard could not reach.
FITTED = "<style>.katex-display { overflow: visible !important } @media (max-width: 640px) { .katex-display > .katex { font-size: min(1.1em, 3.3vw) } }</style>"


def outcome(store: RunStore, here: LessonStep, experiment: Experiment) -> Outcome | None:
    """What was measured shows; None, after an error was drawn, when it shows nothing."""
    measured = {name: store.points(run.field.id)[0] for name, run in experiment.runs.items()}
    studied = {name: status.result for name, study in experiment.studies.items() if (status := store.status(study.id)) is not None}
    try:
        return here.lesson.answer(measured, studied)
    except Refused as refusal:
        st.error(plain(str(refusal)), icon=":material/error:")
        return None


def verdict(here: LessonStep, seen: Outcome) -> None:
    """The prediction against what was measured."""
    guess = predictions.made().get(here.name)
    right = here.lesson.choices[seen.answer]
    if guess is None:
        st.info(f"{here.lesson.question} Measured: **{right}**.", icon=":material/visibility:")
    elif guess == seen.answer:
        st.success(f"You predicted **{right}**: correct.", icon=":material/check:")
    else:
        st.warning(f"You predicted **{here.lesson.choices[guess]}**. Measured: **{right}**.", icon=":material/lightbulb:")


def formula(lesson: Lesson) -> None:
    """In lines, and on a narrow screen in letters that fit it."""
    st.html(FITTED)
    st.latex(r"\begin{gathered}" + r"\\[6pt] ".join(lesson.formula.split(r"\qquad")) + r"\end{gathered}")


def tell(lesson: Lesson) -> None:
    """The formula, what is behind it, and the paper."""
    if lesson.formula:
        formula(lesson)
    st.markdown(glossary.linked(lesson.text))
    if lesson.paper:
        st.caption(lesson.paper)


def code(name: str, experiment: Experiment) -> str:
    """Python that measures the same and reads the same answer."""
    body, studied = python_source.runs(experiment.runs), ""
    if experiment.studies:
        body += python_source.studies(experiment.studies)
        studied = ", studied"
    return python_source.program(f"{body}seen = lesson({name!r}).answer(measured{studied})\nprint(seen.answer, seen.sentence)")
