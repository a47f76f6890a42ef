"""What comes under a lesson's picture to think about: a common misconception, exercises, and their answers."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from explorer.core import glossary
from explorer.lessons import Lesson


def folded(lesson: Lesson) -> None:
    """What is often believed, exercises, and their answers: each folded."""
    if lesson.misconception:
        with st.expander("A common misconception", icon=":material/lightbulb:"):
            st.markdown(glossary.linked(lesson.misconception))
    if lesson.exercises:
        with st.expander("Exercises", icon=":material/edit:"):
            st.markdown(_numbered(exercise.question for exercise in lesson.exercises))
        with st.expander("Answers", icon=":material/key:"):
            st.markdown(_numbered(exercise.answer for exercise in lesson.exercises))


def _numbered(texts: Iterable[str]) -> str:
    return "\n".join(f"{i}. {glossary.linked(text)}" for i, text in enumerate(texts, start=1))
