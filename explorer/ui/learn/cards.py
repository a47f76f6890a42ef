"""All lessons as cards, in the order in which they are taught. Their pictures show no result: that would give the prediction away."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import streamlit as st

from explorer import lessons
from explorer.core import glossary
from explorer.ui.learn import predictions
from explorer.ui.learn.sketches import sketch

COLUMNS = 3


def index(completed: Iterable[str], *, open_lesson: Callable[[str], None]) -> None:
    """A card for each lesson: its title opens it. completed: those that were seen to the end."""
    every, over = lessons.every(), set(completed)
    minutes = sum(lesson.minutes for lesson in every.values())
    st.markdown(
        f"{len(every)} lessons, about {minutes} minutes in all. Each stands by itself; the first ones explain the words that the later ones use."
    )
    names = list(every)
    for begin in range(0, len(names), COLUMNS):
        for column, number in zip(st.columns(COLUMNS), range(begin, len(names)), strict=False):
            name, lesson = names[number], every[names[number]]
            with column, st.container(border=True, height="stretch"):
                st.html(sketch(name))
                st.button(f"**{number + 1} · {lesson.title}**", on_click=open_lesson, args=(name,), key=f"learn-card-{name}", width="stretch")
                st.markdown(glossary.linked(lesson.claim))
                st.caption(f":material/schedule: {lesson.minutes} minutes{_state(name, over)}")


def _state(name: str, over: set[str]) -> str:
    if name in over:
        return " · :material/check: completed"
    return " · :material/edit: predicted" if name in predictions.made() else ""
