"""Parts of pages are drawn again when something that they show has changed in the store: the server tells the browser, no browser asks.

One thread watches the store for all sessions. A look is a number of SQLite's that costs microseconds; when somebody has written, three statements say which
of the parts that any session shows are other ones now. What was asked for, has ended or failed is drawn at once; what ends at about the same time, as all
that one click asks for does, is drawn together. How far something is on its way is drawn now and then: the drawing of all sessions together may take a tenth
of one processor, so that it does not slow down what it shows.

A browser that turns to a page takes messages before it has turned: a part of the new page that comes then has no place, and ends the whole app ("Bad delta
path index"). So the browser asks once by itself after it has turned to a page, and is told from then on.

Streamlit runs a fragment again by itself in this way when a file of the app changes, but offers it to nobody else: `possible` says whether this version of
it has what is used here, and a page that cannot be told asks as often as it would.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any

import streamlit as st
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime import Runtime
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_run_context import ThreadState

from explorer.core.errors import Refused
from explorer.store.read_log import Key, noting
from explorer.store.run_store import RunStore

SHARE = 0.1  # of one processor, for drawing how far things are
UNSEEN = 2.5  # what a part of a page costs, sending included, as a multiple of its script
SOON = 0.25  # of the time that something has been followed: so long it is drawn sooner than that
SETTLE_S = 0.05  # between an end and its drawing, for what ends just after it
SPACE_S = 1.0  # at the most between two drawings of what ends: else as long as a drawing takes, so that many ends do not keep a processor busy
SOONEST_S, LATEST_S = 0.03, 0.25  # between two looks, while things change and while they do not
FOLLOWS_S = 0.5  # between the part of a page that answers a click, with the numbers where they are soon there, and the rest of the page
PAGE, ARRIVED, BEHIND = "page-turned-to", "page-arrived-at", "page-is-behind"

Versions = Mapping[Key, tuple[object, object]]


@dataclass
class Drawn:
    """A part of a page in some session, and what it was drawn from. spent: seconds that this took, more of them on a busy machine; every: seconds between two
    drawings at least; since: when it was drawn for the first time; at: when it was drawn; stale, urgent: since when something of it is further, or has ended."""

    session: str
    fragment: str
    versions: Versions
    spent: float
    every: float
    since: float
    at: float
    stale: float | None = None
    urgent: float | None = None

    def compare(self, found: Versions, now: float) -> None:
        """Whether it has to be drawn again."""
        if self.stale is None and any(found[key] != before for key, before in self.versions.items()):
            self.stale = now
        if self.urgent is None and any(found[key][0] != stands for key, (stands, _) in self.versions.items()):
            self.urgent = now

    def due(self, parts: int) -> float:
        """When it is drawn again, where so many parts are followed."""
        if self.stale is None:
            return inf
        if self.urgent is not None:
            return max(self.urgent + SETTLE_S, self.at + min(self.spent, SPACE_S))
        return self.at + max(self.every, min(UNSEEN * self.spent * parts / SHARE, SOON * (self.at - self.since)))


@dataclass
class Due:
    """That the rest of a page is to be drawn. cleared: it was."""

    cleared: bool = False


class Watch:
    """All parts of pages that are followed in this process."""

    def __init__(self, store: RunStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self.clock = store, clock
        self._drawn: dict[tuple[str, str], Drawn] = {}
        self._some = threading.Condition()
        self._thread: threading.Thread | None = None

    def follow(self, drawn: Drawn) -> None:
        """Have a part drawn again, once, when something of it has changed."""
        with self._some:
            self._drawn[drawn.session, drawn.fragment] = drawn
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
                self._thread.start()
            self._some.notify()

    def look(self) -> list[Drawn]:
        """Compare what is followed with the store as it is now; what is to be drawn at this moment."""
        with self._some:
            followed = list(self._drawn.values())
        found, now = self._store.versions({key for drawn in followed for key in drawn.versions}), self.clock()
        for drawn in followed:
            drawn.compare(found, now)
        return self._due(followed)

    def _due(self, followed: list[Drawn]) -> list[Drawn]:
        now = self.clock()
        return [drawn for drawn in followed if drawn.due(len(followed)) <= now]

    def _run(self) -> None:
        seen, wait = -1, SOONEST_S
        while True:
            with self._some:
                while not self._drawn:
                    self._some.wait()
                    seen = -1
                followed = list(self._drawn.values())
            try:
                version = self._store.version()
                changed = version != seen or any(drawn.at > self.clock() - 2 * LATEST_S for drawn in followed)
                seen, wait = version, SOONEST_S if version != seen else min(1.1 * wait, LATEST_S)
                for drawn in self.look() if changed else self._due(followed):
                    self._draw(drawn)
            except Refused:  # the store is not available for now
                wait = 1.0
            time.sleep(wait)

    def _draw(self, drawn: Drawn) -> None:
        if (session := _session(drawn.session)) is None:
            self._forget(drawn)
        else:
            session._event_loop.call_soon_threadsafe(partial(self._rerun, session, drawn))  # pyright: ignore[reportPrivateUsage]  # Streamlit has no public way

    def _rerun(self, session: AppSession, drawn: Drawn) -> None:
        """On the event loop. A session whose script runs at this moment is told when that has ended: what the person does goes first."""
        if not session.has_fragment(drawn.fragment):
            self._forget(drawn)
        elif session._scriptrunner is None:  # pyright: ignore[reportPrivateUsage]  # Streamlit has no public way
            self._forget(drawn)
            state = ClientState()
            state.CopyFrom(session._client_state)  # pyright: ignore[reportPrivateUsage]  # Streamlit has no public way
            state.fragment_id, state.is_auto_rerun = drawn.fragment, True
            session.request_rerun(state)

    def _forget(self, drawn: Drawn) -> None:
        with self._some:
            if self._drawn.get((drawn.session, drawn.fragment)) is drawn:
                del self._drawn[drawn.session, drawn.fragment]


def possible() -> bool:
    """Whether this session can be told."""
    context = get_script_run_ctx()
    return context is not None and _session(context.session_id) is not None


def turned_to(page: str) -> None:
    """Note the page that this session is on, each time that the page as a whole is drawn."""
    if (due := st.session_state.pop(BEHIND, None)) is not None:
        due.cleared = True
    if st.session_state.get(PAGE) != page:
        st.session_state.update({PAGE: page, ARRIVED: False})


def has_arrived() -> bool:
    """Whether the browser is known to show the page that this session is on."""
    return bool(st.session_state.get(ARRIVED, False))


def arrive(every: float) -> None:
    """The browser has asked for the part of the page that is drawn now: it shows the page. From now on it asks once in so many seconds."""
    st.session_state[ARRIVED] = True
    context, fragment = get_script_run_ctx(), ThreadState.get().fragment_id
    if context is not None and fragment is not None:
        message = ForwardMsg()
        message.auto_rerun.interval, message.auto_rerun.fragment_id = every, fragment
        context.enqueue(message)


def whole() -> None:
    """Have the page as a whole drawn soon, unless it is drawn before."""
    context = get_script_run_ctx()
    session = None if context is None else _session(context.session_id)
    if session is not None and BEHIND not in st.session_state:
        st.session_state[BEHIND] = due = Due()
        loop = session._event_loop  # pyright: ignore[reportPrivateUsage]  # Streamlit has no public way
        loop.call_soon_threadsafe(loop.call_later, FOLLOWS_S, _catch_up, session, due)


def _catch_up(session: AppSession, due: Due) -> None:
    """On the event loop, when no script of the session runs."""
    if due.cleared:
        return
    if session._scriptrunner is not None:  # pyright: ignore[reportPrivateUsage]  # Streamlit has no public way
        session._event_loop.call_later(SETTLE_S, _catch_up, session, due)  # pyright: ignore[reportPrivateUsage]  # Streamlit has no public way
        return
    state = ClientState()
    state.CopyFrom(session._client_state)  # pyright: ignore[reportPrivateUsage]  # Streamlit has no public way
    state.fragment_id = ""
    session.request_rerun(state)


@contextmanager
def followed(watch: Watch, store: RunStore, known: set[Key], *, every: float, since: float) -> Generator[None, None, None]:
    """The block draws a part of a page, which is drawn again when something that it read has changed. known: what it read the last time; what it reads is added."""
    version, before, begun = store.version(), store.versions(known), watch.clock()
    with noting() as keys:
        yield
    context, fragment = get_script_run_ctx(), ThreadState.get().fragment_id
    if context is None or fragment is None:
        return
    new = store.versions(keys - known)
    if store.version() != version:  # one of these may be another one already
        new = dict.fromkeys(new, ("", ""))
    known |= keys
    watch.follow(Drawn(context.session_id, fragment, {**before, **new}, (now := watch.clock()) - begun, every, since, now))


def _session(id: str) -> AppSession | None:
    found: Any = Runtime.instance().get_app_session(id) if Runtime.exists() else None
    return (
        found if isinstance(found, AppSession) and all(hasattr(found, name) for name in ("_event_loop", "_scriptrunner", "_client_state")) else None
    )


@st.cache_resource(show_spinner=False)
def watch(_store: RunStore, path: str) -> Watch:
    """The one of a store's file."""
    return Watch(_store)
