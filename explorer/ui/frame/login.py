"""Who is there? Before any page of a served app whose login is required (explorer.core.server_settings)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NoReturn

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from explorer.core.server_settings import GUESTS, LOGIN


def known() -> bool:
    """Whether the visitor may see the pages: nobody has to log in, or they have and are one of those who may."""
    return os.environ.get(LOGIN) != "required" or (_logged_in() and _welcome())


def visitor() -> str | None:
    """By what name the requests of whoever is here are filed (explorer.store.visitors): a verified e-mail address, else what the provider knows them by. None
    where nobody has to log in: then all are as the operator."""
    if os.environ.get(LOGIN) != "required":
        return None
    address = str(st.user.get("email") or "").lower()
    return address if address and _verified() else f"{st.user.get('sub') or 'somebody'} at {st.user.get('iss') or 'this login'}"


def _logged_in() -> bool:
    return st.user.get("is_logged_in") is True


def _welcome() -> bool:
    """Whether all are, or this visitor's e-mail address is one of those named. An address that the provider does not say to have verified is nobody's:
    with many providers people type it in themselves."""
    guests = [guest.lower() for guest in os.environ.get(GUESTS, "").split(",") if guest]
    return not guests or (_verified() and str(st.user.get("email", "")).lower() in guests)


def _verified() -> bool:
    return str(st.user.get("email_verified", False)).lower() == "true"  # some providers say it as text


def door() -> NoReturn:
    """The way in, and nothing else; for who may not come in, the way back."""
    st.title("Loss-landscape explorer")
    if _logged_in():
        unverified = (
            "" if _verified() else " Your login provider did not confirm (`email_verified`) that the e-mail address is yours, so it does not count."
        )
        st.warning(
            f"You have no access to this explorer.{unverified} Whoever runs it can give you access; or log out and log in as somebody else.",
            icon=":material/lock:",
        )
        _out(st.container())
        st.stop()
    st.info("Please log in to use this explorer.", icon=":material/lock:")
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
    """Who is here, and the way out, for who is logged in."""
    if os.environ.get(LOGIN) == "required":
        _out(st.sidebar)


def _out(place: DeltaGenerator) -> None:
    place.text(f"Logged in as {st.user.get('email') or st.user.get('name') or 'somebody without a name'}")
    place.button("Log out", icon=":material/logout:", on_click=st.logout, key="logout")
