"""Five minutes through the app: eight stops, each a page with something finished to look at. A strip on top leads from one to the next."""

from __future__ import annotations

from dataclasses import dataclass, field

import streamlit as st

from explorer.store.run_store import RunStore
from explorer.ui.frame import shell, shipped_stories

AT = "tour"  # in the session: the number of the stop, from 0; absent when nobody is on tour


@dataclass(frozen=True)
class Stop:
    """A page, what to look at there, and what it is for."""

    page: str
    title: str
    text: str
    query: dict[str, str] = field(default_factory=dict[str, str])
    story: str = ""  # the shipped run that is opened there


STOPS = (
    Stop("home", "A line between two networks", "Hover along the curve: every point is a model between the two. Choose another **sample** above it and compare the barriers."),
    Stop("checkpoints", "What there is to compare", "Every file was recognised and measured. Under **Add your own** a folder of yours can join them; nothing in it is run."),
    Stop(
        "interpolate",
        "A barrier, and how certain it is",
        "The bracket is the barrier, the number beside it its 95 % interval. Click the curve at its top: below appears the model there, and which classes it confuses.",
        story="Two seeds: a barrier",
    ),
    Stop("align", "Is it only the order of the units?", "The hidden units of one network are put in the order of the other's: the barrier before and after. Under **Method** there are other alignment methods."),
    Stop("paths", "A path around the barrier", "A curve between the same two networks was trained until the loss was lower all along it. Point at the curve to see that model on the plane beside it."),
    Stop("landscape", "The landscape between three networks", "Every point of the map is a model; click one. **Relief** shows the same in three dimensions."),
    Stop("train", "The average of a training run", "The snapshots of one training run, and their average after each of them. Which curve ends lowest? The words beside the plane below say how certain that is."),
    Stop("soup", "Which models belong in an average?", "Eight fine-tuned networks: in the table, which of them the greedy soup keeps and what each contributes. Tick some to make your own soup."),
)  # fmt: skip


def page(store: RunStore) -> None:
    """What is to be seen, and the button to set out."""
    st.markdown("Eight stops, five minutes in all. A strip at the top of every page says what to look at and leads to the next.")
    st.markdown("\n".join(f"{i}. **{stop.title}** ({stop.page.capitalize()})" for i, stop in enumerate(STOPS, start=1)))
    if st.button("Start the tour", type="primary", icon=":material/tour:", key="tour-start"):
        _to(store, 0)


def strip() -> None:
    """Where one is on the tour, on top of the page; nothing when nobody is on tour."""
    asked = st.query_params.get(AT, "")
    if asked.isdecimal() and 1 <= int(asked) <= len(STOPS):
        st.session_state[AT] = int(asked) - 1
    at: int | None = st.session_state.get(AT)
    if at is None:
        return
    stop = STOPS[at]
    with st.container(border=True, key="tour-strip"):
        st.markdown(f"**Tour {at + 1} of {len(STOPS)} · {stop.title}**  \n{stop.text}")
        with st.container(horizontal=True):
            if at and st.button("Back", icon=":material/arrow_back:", key="tour-back"):
                _to(shell.store(), at - 1)
            if at + 1 < len(STOPS) and st.button("Next stop", type="primary", icon=":material/arrow_forward:", key="tour-next"):
                _to(shell.store(), at + 1)
            if at + 1 == len(STOPS) and st.button("To the lessons", type="primary", icon=":material/school:", key="tour-end"):
                _end()
                shell.go("learn")
            st.button("Leave the tour", icon=":material/close:", on_click=_end, key="tour-leave")


def _end() -> None:
    st.session_state.pop(AT, None)
    st.query_params.pop(AT, None)


def _to(store: RunStore, at: int) -> None:
    st.session_state[AT] = at
    stop = STOPS[at]
    status = shipped_stories.stories(store).get(stop.story)
    shell.go(stop.page, **stop.query, **({"run": status.id} if status else {}))
