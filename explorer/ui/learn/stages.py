"""A lesson before a class, on the whole screen, in stages: the question, the predictions, what can be tried, the picture, the formula."""

from __future__ import annotations

import streamlit as st

from explorer.core import glossary
from explorer.lessons import Experiment
from explorer.store.run_store import RunStore
from explorer.ui.charts import lesson_picture
from explorer.ui.learn import classroom, findings, running
from explorer.ui.learn.hands_on import HANDS
from explorer.ui.learn.running import Part
from explorer.ui.learn.steps import LessonStep, presenting
from explorer.ui.widgets.chart_actions import corner

TALL = 660  # px of the picture: on 1080 everything stands above the fold
LARGE = """<style>
[data-testid=stSidebar], [data-testid=stExpandSidebarButton] { display: none }
[data-testid=stMainBlockContainer] { --explorer-text: 19px; max-width: 100%; padding: 2.5rem 4rem 1rem }
[data-testid=stMainBlockContainer] :is([data-testid=stMarkdownContainer] :is(p, li), label p, button p) { font-size: 1.45rem; line-height: 1.45 }
[data-testid=stMainBlockContainer] [data-testid=stMarkdownContainer] h2 { font-size: 2.4rem; line-height: 1.3 }
[data-testid=stMainBlockContainer] [data-testid=stCaptionContainer] p { font-size: 1.1rem }
[data-testid=stMainBlockContainer] h1 { font-size: 2.4rem; padding: 0 }
.katex-display > .katex { font-size: 1.9em }
.votes { list-style: upper-alpha; padding-left: 1.6em; margin: 0; font-size: 1.7rem }
.votes li { margin-bottom: 1.1rem }
.votes b { margin-left: 1rem; font-variant-numeric: tabular-nums }
.votes div { height: 1.6rem; min-width: 2px; border-radius: 4px; background: #0072b2; transition: width 0.4s }
.votes + p { font-size: 1.3rem }
.way-in { width: min(100%, 340px); background: #fff }
.code { font-size: 3.4rem; font-weight: 700; letter-spacing: 0.15em; margin: 0 }
@media (prefers-reduced-motion: reduce) { .votes div { transition: none } }
</style>"""


def frame() -> None:
    """The style of the presenter mode."""
    if presenting():
        st.html(LARGE)


def show(store: RunStore, here: LessonStep, experiment: Experiment, parts: list[Part]) -> None:
    """The stage that the address asks for."""
    classroom.ask(here, taking=here.step in ("question", "vote", "try"))
    lesson = here.lesson
    match here.step:
        case "question":
            st.markdown(glossary.linked(lesson.claim))
            st.markdown(f"## {lesson.question}")
        case "vote":
            st.markdown(lesson.question)
            classroom.votes(here)
        case "try":
            HANDS[lesson.hands]()
        case "picture":
            _picture(store, here, experiment, parts)
        case _:
            findings.tell(lesson)


def _picture(store: RunStore, here: LessonStep, experiment: Experiment, parts: list[Part]) -> None:
    if not running.done(store, parts):
        running.follow(store, here, parts)
        return
    if (seen := findings.outcome(store, here, experiment)) is None:
        return
    left, right = st.columns([2, 1], gap="large")
    with left:
        lesson_picture.draw(seen, key=(key := f"learn-large-{here.key}"), height=TALL, large=True)
        corner(
            key=key,
            stem=here.name,
            title=here.lesson.title,
            figure=lambda: lesson_picture.figure(seen, here.lesson.title),
            explain=f"{seen.sentence}\n\n{lesson_picture.LIMITS}",
            code=findings.code(here.name, experiment),
        )
    with right:
        findings.verdict(here, seen)
        if tally := classroom.tally(here, seen.answer):
            st.markdown(tally)
        st.markdown(seen.sentence)
