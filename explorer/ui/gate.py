"""Who is there? Before any page of a served app whose login is required (explorer.serve)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NoReturn

import streamlit as st

from explorer.serve import LOGIN


def known() -> bool:
    """Whether the visitor has logged in, or nobody has to."""
    return os.environ.get(LOGIN) != "required" or st.user.get("is_logged_in") is True


def door() -> NoReturn:
    """The way in, and nothing else."""
    st.title("Loss-landscape explorer")
    st.info("This explorer is open to those who log in.", icon=":material/lock:")
    for provider in _providers():
        st.button(
            f"Log in{f' with {provider}' if provider else ''}", icon=":material/login:", on_click=st.login, args=(provider,), key=f"login-{provider}"
        )
    st.stop()


def _providers() -> list[str | None]:
    """The named providers of [auth]; None stands for the one without a name."""
    auth = st.secrets["auth"]
    named: list[str | None] = [str(name) for name, value in auth.items() if isinstance(value, Mapping)]
    return [*([None] if "client_id" in auth else []), *named]


def leave() -> None:
    """The way out, for who is logged in."""
    if os.environ.get(LOGIN) == "required":
        st.sidebar.button(
            "Log out", icon=":material/logout:", on_click=st.logout, key="logout", help=str(st.user.get("email") or st.user.get("name") or "")
        )
