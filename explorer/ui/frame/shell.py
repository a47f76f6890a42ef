"""The frame around every page: navigation, the store, and the worker behind it."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from explorer.core import allowed_folders, locations, quotas
from explorer.core.errors import Refused
from explorer.core.markdown import plain
from explorer.core.spec import Request, Run
from explorer.store.estimate_cost import estimate, expected, load
from explorer.store.run_store import RunStore
from explorer.store.spawn_workers import start_workers
from explorer.store.visitors import NO_LOAD
from explorer.ui.frame import login, query_state

# Section of the sidebar → (file, title, icon); a page's address is the name of its file.
SECTIONS = {
    "": (
        ("home", "Home", ":material/explore:"),
        ("learn", "Learn", ":material/school:"),
        ("checkpoints", "Checkpoints", ":material/inventory_2:"),
    ),
    "See": (
        ("interpolate", "Interpolate", ":material/show_chart:"),
        ("align", "Align", ":material/join_inner:"),
        ("paths", "Paths", ":material/route:"),
        ("landscape", "Landscape", ":material/landscape:"),
    ),
    "Merge": (
        ("train", "Train", ":material/fitness_center:"),
        ("soup", "Soup", ":material/soup_kitchen:"),
        ("compare", "Compare", ":material/balance:"),
    ),
    "History": (("runs", "Runs", ":material/history:"),),
}
PAGES = tuple(page for pages in SECTIONS.values() for page in pages)


def navigation(*, hidden: bool = False) -> StreamlitPage:
    """The pages, and from now on `st.navigation` instead of the pages directory; `hidden`: without a list of them."""
    folder = locations.root() / "pages"
    return st.navigation(
        {
            section: [st.Page(folder / f"{name}.py", title=title, icon=icon, url_path=name, default=name == "home") for name, title, icon in pages]
            for section, pages in SECTIONS.items()
        },
        position="hidden" if hidden else "sidebar",
        expanded=True,
    )


def link(page: str, label: str, *, icon: str | None = None, **query: str) -> None:
    """A link to another page, with its query parameters."""
    st.page_link(locations.root() / "pages" / f"{page}.py", label=label, icon=icon, query_params=query or None)


def go(page: str, **query: str) -> NoReturn:
    """Turn to another page, with its query parameters."""
    st.switch_page(locations.root() / "pages" / f"{page}.py", query_params=query)


def view(titles: Mapping[str, str]) -> str:
    """Which of a page's views is looked at, with the choice of another one drawn."""
    choose_view(titles)
    return view_of(titles)


def view_of(titles: Mapping[str, str]) -> str:
    """Which of a page's views is looked at, from the address; the first when it says none."""
    asked = st.query_params.get("view", "")
    return asked if asked in titles else next(iter(titles))


def choose_view(titles: Mapping[str, str]) -> None:
    """Draw the choice of a page's view. Choosing another one leaves the rest of the address behind."""
    current = view_of(titles)

    def chosen() -> None:
        if (now := query_state.moved(key, current)) is not None:
            st.query_params.from_dict({"view": now})

    key = f"view-{current}"  # its own for each view, so that an address decides, not what was chosen before
    st.segmented_control(
        "View",
        list(titles),
        default=current,
        format_func=titles.__getitem__,
        key=key,
        on_change=chosen,
        label_visibility="collapsed",
        width="content",
    )


def store() -> RunStore:
    """The user's store, with the shipped samples in it. Refused when it is not available."""
    return _store(locations.home())


@st.cache_resource(show_spinner=False)
def _store(home: Path) -> RunStore:
    opened = RunStore.within(home, roots=allowed_folders.named())
    if opened.read_only:
        return opened
    if opened.waiting():  # what somebody asked for before goes on
        start_workers(opened, home)
    if (shipped := locations.root() / "sample_models" / "samples.sqlite").is_file():
        opened.absorb(shipped, pinned=True)
    return opened


def submit(request: Request, *, urgent: bool = False, idle: bool = False, again: bool = False) -> str:
    """Put a request down, `again` where it is done already, and see to it that somebody takes it up. What the store has against it is said at the head of the page."""
    with _excused():
        seconds = None
        if isinstance(request, Run) and not urgent:
            if (plan := estimate(request, store())) is not None and plan.points:
                store().keep_estimate(request.id, plan.to_json())
                seconds = None if plan.first else plan.whole
        elif not urgent:
            seconds = expected(request, store())
        owner = "" if idle else login.visitor() or ""
        bounds = quotas.in_force() if owner else None
        takes = NO_LOAD if bounds is None else load(request, store())
        store().submit(request, urgent=urgent, idle=idle, again=again, expected=seconds, owner=owner, load=takes, quotas=bounds)
        tend()
    return request.id


def resume(request: Request) -> None:
    """Take a request up again (a callback of buttons)."""
    submit(request)


def stop(*ids: str) -> None:
    """Give requests up (a callback of buttons)."""
    with _excused():
        for id in ids:
            if not store().stop(id, by=login.visitor()):
                st.toast("It goes on, for somebody else asked for it too.", icon=":material/group:")


def forget(id: str) -> None:
    """Take a request off the list (a callback of buttons)."""
    with _excused():
        if not store().forget(id, by=login.visitor()):
            st.toast("It stays on the list, for somebody else asked for it too.", icon=":material/group:")


def pin(field: str, pinned: bool) -> None:
    """Keep the points of a field, or no longer (a callback of buttons)."""
    with _excused():
        store().pin(field, pinned, by=login.visitor())


def unregister(*paths: str) -> None:
    """Take checkpoints off the list (a callback of buttons)."""
    with _excused():
        for path in paths:
            store().unregister(path, by=login.visitor())


def tend() -> None:
    """Hire a worker when something waits and nobody is there."""
    with _excused():
        if store().waiting():
            start_workers(store(), locations.home())


@contextmanager
def _excused() -> Generator[None, None, None]:
    """A callback or a fragment has no page to speak on: what is refused in it is said beside the page now, and at its head when it runs again."""
    try:
        yield
    except Refused as refusal:
        st.toast(plain(str(refusal)), icon=":material/error:")
        st.session_state["trouble"] = str(refusal)
