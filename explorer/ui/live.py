"""A part of a page that looks again while something is under way.

A click inside a fragment redraws that fragment alone, and what the rest of the page says of the picked point, or a link out of it, stays as it was. So a
part that rests is no fragment, and one that does not has the whole page follow as soon as the address is another than when the page was drawn.
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
    if not busy:
        return draw
    before = address.whole()

    @wraps(draw)
    def followed(*args: P.args, **kwargs: P.kwargs) -> None:
        if address.whole() != before:
            st.rerun()
        draw(*args, **kwargs)

    return st.fragment(followed, run_every=every)
