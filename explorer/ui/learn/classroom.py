"""A room on the page: the way in for phones, what they see, and what the lecturer's screen shows of them.

A phone is a visitor like any other; where a login is required, it logs in. It remembers its own predictions, in its session and its address, and the server
only counts (explorer.ui.learn.rooms).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from html import escape
from urllib.parse import urlsplit, urlunsplit

import streamlit as st

from explorer import lessons
from explorer.core.errors import Refused
from explorer.core.markdown import plain
from explorer.core.server_settings import LOGIN, LOOPBACK, network_address
from explorer.ui.frame.polling import ticking
from explorer.ui.learn.rooms import Rooms
from explorer.ui.learn.steps import HOSTING, LessonStep

PHONE_S, SCREEN_S = 2.0, 1.0  # between two looks
ROOM, VOTED = "room", "voted"  # in a phone's address: voted=curves.1,soups.0
BARE = """<style>
[data-testid=stSidebar], [data-testid=stExpandSidebarButton] { display: none }
[data-testid=stMainBlockContainer] { max-width: 640px; padding-top: 3rem }
[data-testid=stMainBlockContainer] [data-testid=stButton] button { min-height: 3.5rem }
</style>"""


@st.cache_resource
def rooms() -> Rooms:
    """Those of this process."""
    return Rooms()


# -- phones --------------------------------------------------------------------------------------------------------------


def joining() -> bool:
    """Whether the address is a phone's."""
    return ROOM in st.query_params


def frame() -> None:
    """The style of a phone's page."""
    if joining():
        st.html(BARE)


def door() -> None:
    """The way in for who was told a code."""
    with st.expander("Join a room", icon=":material/groups:"), st.form("learn-join", border=False):
        code = st.text_input("The code on the lecturer's screen", max_chars=8)
        if st.form_submit_button("Join") and code.strip():
            st.query_params.from_dict({ROOM: code.strip().upper()})
            st.rerun()


def join(code: str) -> None:
    """All that a phone shows."""
    st.title(f"Room {plain(code.upper())}")
    ticking(_phone, every=PHONE_S)(code)


def _phone(code: str) -> None:
    if not rooms().there(code):
        st.info(f"There is no room {plain(code.upper())}: it was closed, or the code is another one. Look at the lecturer's screen.", icon=":material/door_front:")  # fmt: skip
        return
    asked = rooms().asked(code)
    lesson = lessons.every().get(asked.lesson) if asked else None
    if asked is None or lesson is None:
        st.info("Here you are. The first question is about to come.", icon=":material/hourglass_empty:")
        return
    st.markdown(lesson.question)
    mine = _voted().get(asked.lesson)
    for k, choice in enumerate(lesson.choices):
        st.button(
            choice,
            type="primary" if k == mine else "secondary",
            icon=":material/check:" if k == mine else None,
            disabled=not asked.open,
            on_click=_vote,
            args=(code, asked.lesson, k),
            key=f"learn-room-{asked.lesson}-{k}",
            width="stretch",
        )
    if not asked.open:
        st.caption("The result is on the screen.")
    else:
        st.caption("You can change your prediction until the result is shown." if mine is not None else "What do you predict?")


def _vote(code: str, lesson: str, choice: int) -> None:
    mine = _voted()
    if rooms().vote(code, lesson, choice, mine.get(lesson)):
        mine[lesson] = choice
        st.query_params[VOTED] = ",".join(f"{name}.{k}" for name, k in mine.items())


def _voted() -> dict[str, int]:
    """What was predicted on this phone, by lesson."""
    pairs = (part.rpartition(".") for part in st.query_params.get(VOTED, "").split(","))
    return {name: int(k) for name, _, k in pairs if name and k.isdecimal()}


# -- the lecturer's screen -----------------------------------------------------------------------------------------------


def hosted() -> tuple[str, str] | None:
    """The code and key of the room that this screen leads."""
    code, _, key = st.query_params.get(HOSTING, "").partition(".")
    return (code, key) if code and rooms().leads(code, key) else None


def ask(here: LessonStep, *, taking: bool) -> None:
    """Have the room predict this lesson's outcome, or predict no more."""
    if (room := hosted()) is not None:
        rooms().ask(*room, here.name, len(here.lesson.choices), taking=taking)


def votes(here: LessonStep) -> None:
    """The choices with how often each was predicted, and the way into the room; without a room the choices, and a button that opens one."""
    room = hosted()
    if room is None:
        st.html(_bars(here.lesson.choices, ()))
        st.button("Open a room", icon=":material/qr_code_2:", on_click=_open, help="Phones on this network join by a code, and predict.", key="learn-open-room")  # fmt: skip
        if trouble := st.session_state.pop("learn-room-trouble", ""):
            st.error(plain(trouble), icon=":material/error:")
        return
    left, right = st.columns([3, 1], gap="large")
    with left:
        ticking(_counted, every=SCREEN_S)(room[0], here)
    with right:
        _way_in(room[0])
        st.button("Close the room", icon=":material/close:", on_click=_close, args=room, key="learn-close-room")


def tally(here: LessonStep, answer: int) -> str:
    """How many of the room were right, in a sentence; empty without a room."""
    room = hosted()
    counts = rooms().counts(room[0], here.name) if room else ()
    return f"**{counts[answer]} of {sum(counts)}** in the room predicted it." if any(counts) else ""


def _counted(code: str, here: LessonStep) -> None:
    st.html(_bars(here.lesson.choices, rooms().counts(code, here.name)))


def _bars(choices: Sequence[str], counts: Sequence[int]) -> str:
    """A bar for each choice; without counts, the choices alone."""
    whole = max(1, sum(counts))
    rows = [
        f"<li><span>{escape(choice)}</span><b>{counts[k] if counts else ''}</b>"
        f'<div style="width:{100 * (counts[k] if counts else 0) / whole:.1f}%"></div></li>'
        for k, choice in enumerate(choices)
    ]
    total = f"<p>{sum(counts)} prediction{'s' if sum(counts) != 1 else ''}</p>" if counts else ""
    return f'<ol class="votes">{"".join(rows)}</ol>{total}'


def _way_in(code: str) -> None:
    import segno  # only who opens a room needs it

    address = _address(code)
    picture = segno.make(address, error="m").svg_data_uri(scale=8, border=2, light="#fff")
    st.html(f'<img class="way-in" src="{picture}" alt="QR code of {escape(address)}"><p class="code">{code}</p>')
    st.caption(plain(address))
    if urlsplit(address).hostname in LOOPBACK:
        st.warning("No phone can reach this address: the app listens on this machine alone. Start it with `loss-explorer app --serve`.", icon=":material/wifi_off:")  # fmt: skip


def _address(code: str) -> str:
    """Where phones join: as this browser reached the page, and by the network's address where it did so from the same machine."""
    here = urlsplit(st.context.url or "http://localhost/learn")
    host = here.hostname or "localhost"
    if host in LOOPBACK and LOGIN in os.environ and (network := network_address()):
        host = network
    port = f":{here.port}" if here.port else ""
    return urlunsplit((here.scheme, f"{host}{port}", here.path, f"{ROOM}={code}", ""))


def _open() -> None:
    try:
        code, key = rooms().open()
    except Refused as refusal:
        st.session_state["learn-room-trouble"] = str(refusal)
    else:
        st.query_params[HOSTING] = f"{code}.{key}"


def _close(code: str, key: str) -> None:
    rooms().close(code, key)
    st.query_params.pop(HOSTING, None)
