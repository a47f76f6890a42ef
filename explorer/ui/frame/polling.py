"""A part of a page that looks again while something is under way.

A click inside a fragment redraws that fragment alone, and what the rest of the page says of the picked point, or a link out of it, stays as it was. So a
fragment that rests, or whose address is another than when the page was drawn, has the whole page drawn. It is a fragment at rest, too: a picture that moved
out of one would be remounted.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import ParamSpec

import streamlit as st

from explorer.ui.frame import query_state

P = ParamSpec("P")

_looks_again: ContextVar[bool] = ContextVar("looks_again", default=False)


def live(draw: Callable[P, None], *, every: float, busy: bool) -> Callable[P, None]:
    """`draw`, to be called once; redrawn every so many seconds as long as something is busy."""
    before = query_state.whole()
    drawn = False

    @wraps(draw)
    def followed(*args: P.args, **kwargs: P.kwargs) -> None:
        nonlocal drawn
        if drawn and (not busy or query_state.whole() != before):
            st.rerun()
        drawn = True
        before_it = _looks_again.set(busy)
        try:
            draw(*args, **kwargs)
        finally:
            _looks_again.reset(before_it)

    return st.fragment(followed, run_every=every if busy else None)


def apart(draw: Callable[P, None]) -> Callable[P, None]:
    """`draw`, drawn alone when something in it is used. Inside of a part that looks again it is a piece of that.

    A fragment there would sooner or later break the page: what is not sent yet of a fragment that restarts, Streamlit drops, but not what is in
    fragments inside of it, and the browser gets that without the place where it belongs ("Bad delta path index").
    """

    @wraps(draw)
    def followed(*args: P.args, **kwargs: P.kwargs) -> None:
        if _looks_again.get():
            with st.container():  # as a fragment has one: what is in it stays mounted when the looking ends
                draw(*args, **kwargs)
        else:
            st.fragment(draw)(*args, **kwargs)

    return followed
