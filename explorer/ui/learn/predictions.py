"""What was predicted, by lesson. It lies in the session and in the page's address, so that it survives a reload; the server keeps nothing of it."""

from __future__ import annotations

import streamlit as st

from explorer import lessons

SESSION, ADDRESS = "learn-guesses", "predicted"  # the address: predicted=barrier.1,curves.0


def made() -> dict[str, int]:
    """The choice made in each lesson, to be written to. A session begins with those of its address, as far as there are such lessons and choices."""
    if SESSION not in st.session_state:
        st.session_state[SESSION] = _read(st.query_params.get(ADDRESS, ""))
    return st.session_state[SESSION]


def address() -> dict[str, str]:
    """The parameter that brings the predictions back; none without any."""
    return {ADDRESS: ",".join(f"{name}.{choice}" for name, choice in made().items())} if made() else {}


def keep() -> None:
    """Have the address say what was predicted."""
    if (wanted := address().get(ADDRESS, "")) != st.query_params.get(ADDRESS, ""):
        if wanted:
            st.query_params[ADDRESS] = wanted
        else:
            st.query_params.pop(ADDRESS, None)


def _read(text: str) -> dict[str, int]:
    known = lessons.every()
    pairs = (part.rpartition(".") for part in text.split(","))
    return {name: int(n) for name, _, n in pairs if name in known and n.isdecimal() and int(n) < len(known[name].choices)}
