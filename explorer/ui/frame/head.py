"""The picture first: what stands above a page's picture, and the place that is kept for it.

Before anything is drawn, a page has its title, what it is for, and its form. Once there is a picture all of this is one line, a summary in the form's own
words that opens into the form. What is in the form is drawn in either case, so that nothing chosen is lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, contextmanager
from typing import TypeAlias

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from explorer.core import glossary
from explorer.core.markdown import plain
from explorer.core.spec import Recipe

HEIGHT = 580  # pixels of a first picture, near two thirds of a screen of 900
ROOM = HEIGHT + 64  # with the lines of text under it
LANDSCAPE = ROOM + 84  # of a plane, with its views and what one can do with them
ANSWERS = 292  # of what the models answer, under that
BESIDE = 360  # of a small picture beside the first one
SAID = 300  # of the words above that, which are few until something is measured
# The style sheet comes with the document (explorer.ui.frame.early_style): a container that is high enough from the first frame is as high as what is in it, on
# a phone about as high as wide. Where the app is served without that, it comes when the page's head is drawn already, and what is below moves.
STYLE = f"""
[class*=st-key-first-picture], :has(> [class*=st-key-first-picture]) {{ height: auto !important; flex-basis: auto !important }}
[class*=st-key-first-picture] {{ min-height: {ROOM}px; overflow: visible !important }}
[class*=st-key-first-picture]:has([class*=st-key-room-answers]) {{ min-height: {ROOM + ANSWERS}px }}
:has(> [class*=st-key-room-]) {{ display: none }}
.st-key-first-picture-landscape {{ min-height: {LANDSCAPE}px }}
[class*=st-key-beside], :has(> [class*=st-key-beside]) {{ height: auto !important; flex-basis: auto !important }}
[class*=st-key-beside] {{ min-height: {BESIDE}px; overflow: visible !important }}
.st-key-verdict {{ min-height: {SAID}px }}
@media (max-width: 1100px) {{ :has(> [data-testid=stColumn] [class*=st-key-first-picture]) > [data-testid=stColumn] {{ min-width: 100% }} }}
@media (max-width: 640px) {{ .st-key-first-picture-landscape {{ min-height: 100vw }} }}
:has(> :is([class*=st-key-first-picture-map], [class*=st-key-first-picture-matrix])) {{ container-type: inline-size }}
:is([class*=st-key-first-picture-map], [class*=st-key-first-picture-matrix]) {{ min-height: min({ROOM}px, 90cqw) }}
@media (min-width: 641px) {{ .st-key-head summary p {{ white-space: nowrap; overflow: hidden; text-overflow: ellipsis }} }}
.st-key-controls {{ flex-wrap: nowrap; overflow: auto hidden; scrollbar-width: thin }}
.st-key-controls > * {{ flex-shrink: 0 }}
.st-key-controls > :has([data-testid=stSelectbox]) {{ flex-shrink: 1; min-width: 8rem }}
.st-key-views {{ overflow: auto hidden; scrollbar-width: none }}
:is(.st-key-controls, .st-key-views) [role=radiogroup] {{ flex-wrap: nowrap !important }}
:is(.st-key-controls, .st-key-views) [role=radiogroup] > *, .st-key-views > * {{ flex-shrink: 0 }}
@media (max-width: 640px) {{ :is(.st-key-controls, .st-key-views) {{ padding-right: 2rem; mask-image: linear-gradient(to left, transparent, #000 2rem) }} }}
@media (max-width: 640px) {{ .st-key-filters, :has(> .st-key-filters) {{ height: auto !important }} }}
"""
WIDTH, VIEWS = 950, 440  # pixels of the line that the head is folded to, and of the choice of views in it; fixed, so that nothing waits for its words
LETTER = 6  # pixels of one in the head, about
NAMED = 4  # models that a summary names; more are counted


Form: TypeAlias = Callable[..., AbstractContextManager[None]]  # form() of a page with several views, its title and views given


@contextmanager
def form(title: str, intro: str, *, shown: str = "", key: str = "", views: Callable[[], None] | None = None) -> Generator[None]:
    """Draw the head, and in it the form that the block draws. intro: what the page is for, its terms marked as explorer.core.glossary says. shown: what
    the form stood at when what is drawn was asked for, in a few words; empty while nothing is drawn. key: of what is drawn; another one folds the form
    again. views: draws the choice of the page's views."""
    if not shown:
        st.title(title)
        st.caption(glossary.linked(intro))
        if views is not None:
            views()
        with st.container(border=True):
            yield
        return
    named = 40 + 17 * len(title)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="head"):
        st.title(title, width=named, help=glossary.linked(intro), anchor=False)
        if views is not None:
            with st.container(height=44, width=VIEWS, border=False, key="views"):
                views()
        room = WIDTH - named - (VIEWS + 20 if views is not None else 0)
        with st.expander(f"{shortened(shown, room - 120)} · **edit**", icon=":material/edit:", key=f"form-{key}", width=room):
            yield


def controls() -> DeltaGenerator:
    """The place of how the picture is looked at: one row on top of it, which on a phone is moved sideways."""
    return st.container(height=44, border=False, horizontal=True, vertical_alignment="center", gap="small", key="controls")


def filters() -> DeltaGenerator:
    """The place of what narrows a list: one row of fields with labels, as high from the first frame on as it will be."""
    return st.container(height=72, border=False, horizontal=True, vertical_alignment="bottom", gap="small", key="filters")


def picture(name: str = "curve", *, answers: bool = False) -> DeltaGenerator:
    """The place of the page's first picture, or of one of several: as high from the first frame on as the picture will be. name: "map", or one that begins with
    "matrix", where it is about square, as high as its column is wide; "landscape" for such a one that fills its page. answers: whether what the models answer
    is part of it: they may come, or go, and the picture stays mounted, as its own container stays the same."""
    room = LANDSCAPE if name == "landscape" else ROOM + ANSWERS * answers
    place = st.container(height=room, border=False, key=f"first-picture-{name}")
    with place:
        kept = "answers" if answers else "picture"
        st.container(height=1, border=False, key=f"room-{kept}-{name}")  # unseen: the style sheet tells by it how much is kept
    return place


def beside(name: str) -> DeltaGenerator:
    """The place of a small picture beside the first one, kept from the first frame on. name: of its own among the page's."""
    return st.container(height=BESIDE, border=False, key=f"beside-{name}")


def summary(*parts: str) -> str:
    """Words of a form as the one line that it folds to; empty ones are left out."""
    return " · ".join(plain(part) for part in parts if part)


def shortened(line: str, pixels: int) -> str:
    """A line of plain text, cut where it would be wider: what wraps at first and is cut by the style sheet later would move the page."""
    letters, most = re.findall(r"\\.|.", line), pixels // LETTER
    return line if len(letters) <= most else "".join(letters[: most - 1]).rstrip() + "…"


def names(models: Iterable[Recipe]) -> str:
    """Models by their names, as far as they fit on a line."""
    known = [m.name or m.id for m in models]
    return ", ".join(known) if len(known) <= NAMED else f"{known[0]} … {known[-1]} ({len(known)} models)"
