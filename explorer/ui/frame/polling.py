"""A part of a page that is drawn again while something is under way: when it has changed (explorer.ui.frame.wake).

A click inside a fragment redraws that fragment alone, and what the rest of the page says of the picked point, or a link out of it, stays as it was. So a
fragment that rests, or whose address is another than when the page was drawn, has the whole page drawn. Where the fragment itself shows what was picked, it
answers first, in half the time, and the page follows. It is a fragment at rest, too: a picture that moved out of one would be remounted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from functools import wraps
from typing import ParamSpec

import streamlit as st

from explorer.store.read_log import Key
from explorer.ui.frame import query_state, shell, wake

P = ParamSpec("P")
SELDOM_S = 30.0  # between two looks of the browser at what the server tells it by itself: a worker that died says nothing
ARRIVAL_S = 0.3  # until the browser, which has just turned to a page, asks for the first time

_looks_again: ContextVar[bool] = ContextVar("looks_again", default=False)
_answers_first: ContextVar[bool] = ContextVar("answers_first", default=False)


def live(draw: Callable[P, None], *, every: float, busy: bool, answers: bool = False) -> Callable[P, None]:
    """`draw`, to be called once; as long as something is busy it is redrawn when something that it reads from the store has changed, after so many seconds at
    the soonest where that is only how far something is. answers: whether it reads what was picked from the address by itself, and not from its arguments."""
    before = query_state.whole()
    drawn = False
    known: set[Key] = set()
    told, since = busy and wake.possible(), time.monotonic()
    arriving = told and not wake.has_arrived()

    @wraps(draw)
    def followed(*args: P.args, **kwargs: P.kwargs) -> None:
        nonlocal drawn
        first = drawn and answers and wake.possible()
        behind = drawn and (not busy or query_state.whole() != before)
        if behind and not first:
            st.rerun()
        if drawn and arriving:
            wake.arrive(SELDOM_S)
        looked, answered = _looks_again.set(busy or first), _answers_first.set(first)
        try:
            with _followed(known, every, since) if first or (told and (drawn or not arriving)) else nullcontext():
                drawn = True
                draw(*args, **kwargs)
        finally:
            _looks_again.reset(looked)
            _answers_first.reset(answered)
        if behind:
            wake.whole()

    return st.fragment(followed, run_every=(ARRIVAL_S if arriving else SELDOM_S if told else every) if busy else None)


def turned(was_busy: bool, busy: bool) -> None:
    """Have the page as a whole decide whether to look again, where what is drawn is no longer as busy as it was: at once, or when this part has answered."""
    if was_busy != busy:
        if not _answers_first.get():
            st.rerun()
        wake.whole()


def ticking(draw: Callable[P, None], *, every: float) -> Callable[P, None]:
    """`draw`, to be called once, and redrawn every so many seconds: for what lies in this process, where no store tells of it."""
    before = query_state.whole()

    @wraps(draw)
    def followed(*args: P.args, **kwargs: P.kwargs) -> None:
        if query_state.whole() != before:
            st.rerun()
        before_it = _looks_again.set(True)
        try:
            draw(*args, **kwargs)
        finally:
            _looks_again.reset(before_it)

    return st.fragment(followed, run_every=every)


def _followed(known: set[Key], every: float, since: float) -> AbstractContextManager[None]:
    store = shell.store()
    return wake.followed(wake.watch(store, str(store.path)), store, known, every=every, since=since)


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
