"""What a lecturer takes from a lesson's page: its link, a frame for another site, a notebook, and a worksheet with an answer key."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from urllib.parse import urlsplit, urlunsplit

import streamlit as st

from explorer.lessons import Outcome, _handout
from explorer.ui.learn.steps import LessonStep
from explorer.ui.widgets.download import download


def offer(here: LessonStep, seen: Callable[[], Outcome | None]) -> None:
    """All of it, folded. seen: what was measured, for the answer key; None where nothing is yet."""
    with st.popover("Share and hand out", icon=":material/share:"):
        address = _address(here)
        st.markdown("**Link to this lesson**, without your predictions")
        st.code(address, language=None)
        st.markdown("**In a page of another site**")
        st.code(_frame(here, address), language="html", wrap_lines=True)
        st.caption("The app has to be started with `--embed-in` and that site's address; otherwise browsers show no frame.")
        st.markdown("**For the class**")
        name, lesson = here.name, here.lesson
        download("Notebook", lambda: _handout.notebook(name, lesson, here.on), f"{name}.ipynb", key="learn-notebook", icon=":material/code_blocks:")
        download(
            "Worksheet with answer key",
            lambda: _handout.worksheet(lesson, seen()),
            f"{name}-worksheet.html",
            key="learn-worksheet",
            icon=":material/print:",
            mime="text/html",
        )
        st.caption("The worksheet is printed from the browser; the key begins on a page of its own.")


def _address(here: LessonStep) -> str:
    """Where the lesson begins, at the address by which this browser reached the page."""
    page = urlsplit(st.context.url or "http://localhost:8501/learn")
    on = f"&on={here.on}" if here.on else ""
    return urlunsplit((page.scheme, page.netloc, page.path, f"lesson={here.name}{on}", ""))


def _frame(here: LessonStep, address: str) -> str:
    title = escape(here.lesson.title, quote=True)
    return f'<iframe src="{escape(address, quote=True)}&amp;embed=true" title="{title}" width="100%" height="800" style="border: 0"></iframe>'
