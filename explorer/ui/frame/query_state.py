"""What a person picked, kept in the page's address, so that a link brings it back.

Use this from callbacks instead of writing to `st.query_params`. A polling fragment sends the address that the browser had when it asked; one that was
asked for just before a click is answered just after it, with the address from before the click, and what was picked would be gone for good.
So what was written is written once more when the old address comes back, unless the person went back in the browser's history.
"""

from __future__ import annotations

import time
from typing import TypedDict, TypeVar, cast
from urllib.parse import urlencode

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

MEMORY = "address: last written"
T = TypeVar("T")
HOLDS_S = 10.0  # so long may a question that was asked before the click be on its way


class _Written(TypedDict):
    page: str
    before: dict[str, str]
    values: dict[str, str | None]
    at: float


def put(**values: str | None) -> None:
    """Write parameters into the address; None takes one out. Others stay."""
    st.session_state[MEMORY] = _Written(page=_page(), before=st.query_params.to_dict(), values=values, at=time.monotonic())
    _write(values)


def get(name: str) -> str | None:
    """A parameter of the address, as it was last written here or typed by the person."""
    _restore()
    return st.query_params.get(name)


def whole() -> dict[str, str]:
    """All parameters of the address."""
    _restore()
    return st.query_params.to_dict()


def link(page: str, **values: str) -> str:
    """What brings the page back as it is, with these values in it."""
    return f"/{page}?{urlencode(whole() | values, safe=',')}"


def moved(key: str, stood: T) -> T | None:
    """What a control was turned to, for its callback; None where it stands as it stood, and is set back to that where nothing is chosen.

    A control whose key says where it stands is another one as soon as it was turned. For a moment the browser still sends the value of the one before, which
    Streamlit, who has forgotten it, takes for a change: it must not turn the page back.
    """
    now = cast("T | None", st.session_state.get(key))
    if now is None:
        st.session_state[key] = stood
    return None if now == stood else now


def _restore() -> None:
    """Write once more what an answer to an older question has taken out."""
    written = cast("_Written | None", st.session_state.get(MEMORY))
    if written is not None:
        if written["page"] != _page() or _went_back() or time.monotonic() - written["at"] > HOLDS_S:
            del st.session_state[MEMORY]
        elif st.query_params.to_dict() == written["before"]:
            _write(written["values"])


def _write(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            st.query_params.pop(name, None)
        else:
            st.query_params[name] = value


# Two facts about a run that Streamlit knows and does not document: both are read so that a version without them costs nothing but this safety.


def _page() -> str:
    return str(getattr(get_script_run_ctx(), "page_script_hash", ""))


def _went_back() -> bool:
    """Whether the browser's Back or Forward made this run."""
    return bool(getattr(get_script_run_ctx(), "is_history_navigation", False))
