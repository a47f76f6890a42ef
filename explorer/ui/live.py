"""A part of a page that looks again while something is under way.

A click inside a fragment redraws that fragment alone, and what the rest of the page says of the picked point, or a link out of it, stays as it was. So a
fragment that rests, or whose address is another than when the page was drawn, has the whole page drawn. It is a fragment at rest, too: a picture that moved
out of one would be mounted anew.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import streamlit as st

from explorer.ui import address

P = ParamSpec("P")


def live(draw: Callable[P, None], *, every: float, busy: bool) -> Callable[P, None]:
    """`draw`, to be called once; drawn anew every so many seconds as long as something is busy."""
    before = address.whole()
    drawn = False

    @wraps(draw)
    def followed(*args: P.args, **kwargs: P.kwargs) -> None:
        nonlocal drawn
        if drawn and (not busy or address.whole() != before):
            st.rerun()
        drawn = True
        draw(*args, **kwargs)

    return st.fragment(followed, run_every=every if busy else None)
