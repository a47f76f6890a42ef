"""The frame around every page: navigation, the store, and the worker behind it."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import streamlit as st
from streamlit.navigation.page import StreamlitPage
from streamlit.runtime.pages_manager import PagesManager

from explorer import places, roots
from explorer.errors import Refused
from explorer.foresee import foreseen
from explorer.hire import hire
from explorer.spec import Run, Wish
from explorer.store import RunStore
from explorer.ui import gate

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
    "Kept": (("runs", "Runs", ":material/history:"),),
}
PAGES = tuple(page for pages in SECTIONS.values() for page in pages)

# A term shows its definition as the browser's own note when it is pointed at, and here when it has the keyboard's focus. The button in a picture's corner shows its icon alone, and its words to who cannot see it. Captions at Streamlit's own grey have a contrast of 3.9 on white, and white on the dark theme's light blue (buttons, items that
# are chosen in a list) one of 2.3; texts want 4.5.
STYLE = """
[data-testid=stMainBlockContainer] { padding-top: 3rem }
[data-testid=stButtonGroup] [role=radiogroup] { flex-wrap: wrap }
[data-testid=stCaptionContainer] { color: inherit; opacity: 0.85 }
a[href*="view=glossary&term="] { color: inherit; text-decoration: underline dotted; text-underline-offset: 0.2em }
a[href*="view=glossary&term="]:focus-visible::after { content: attr(title) / ""; position: fixed; bottom: 1rem; left: 50%; z-index: 1000; transform: translateX(-50%);
  box-sizing: border-box; width: max-content; max-width: min(40rem, 94vw); padding: 0.6rem 0.9rem; border-radius: 8px; background: #31333f; color: #fff;
  border: 1px solid #888; font-size: 0.95rem; line-height: 1.4 }
[data-testid=stCaptionContainer]:has(:focus-visible) { opacity: 1; position: relative; z-index: 1000 }
@media (max-width: 640px) { .katex-display { font-size: 0.85em; overflow-x: auto; overflow-y: hidden; padding: 0.2rem 0 } }
[class*=st-key-corner-] { margin-top: -0.75rem }
[class*=st-key-corner-] button { min-height: 1.5rem; padding: 0 0.25rem }
[class*=st-key-corner-] button [data-testid=stMarkdownContainer] { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%) }
"""
DARK = "[data-testid=stBaseButton-primary]:not(:disabled) :is(p, span), [data-tag] :is(span, button) { color: #0e1117 }"


def frame() -> None:
    """All of app.py: frame the page that is asked for and run it."""
    # An emoji here keeps Streamlit from asking a font server for the pages' icons.
    st.set_page_config(page_title="Loss-landscape explorer", page_icon="🗺️", layout="wide")
    st.html(f"<style>{STYLE}{DARK if st.context.theme.type == 'dark' else ''}</style>")
    known = gate.known()
    page = navigation(hidden=not known)
    if not known:
        gate.door()
    gate.leave()
    if trouble := st.session_state.pop("trouble", ""):
        st.error(trouble, icon=":material/error:")
    try:
        computing()
        page.run()
    except Refused as refusal:  # that of a store which is not available, for one
        st.error(str(refusal), icon=":material/error:")


def computing() -> None:
    """A line in the sidebar for each device that somebody computes on, with its memory."""
    serving = store().workers()
    st.sidebar.caption("  \n".join(f":material/memory: {s}" for s in serving) or ":material/memory: no worker yet: one starts when there is work")


def navigation(*, hidden: bool = False) -> StreamlitPage:
    """The pages, and from now on `st.navigation` instead of the pages directory; `hidden`: without a list of them."""
    folder = places.root() / "pages"
    return st.navigation(
        {
            section: [st.Page(folder / f"{name}.py", title=title, icon=icon, url_path=name, default=name == "home") for name, title, icon in pages]
            for section, pages in SECTIONS.items()
        },
        position="hidden" if hidden else "sidebar",
        expanded=True,
    )


def require() -> None:
    """Every page starts with this: a link straight to a page of a fresh server runs the page's file without app.py's frame."""
    if getattr(PagesManager, "uses_pages_directory", False) is not False:
        frame()
        st.stop()
    from explorer.ui import tour  # it turns to pages by this module

    tour.strip()


def link(page: str, label: str, *, icon: str | None = None, **query: str) -> None:
    """A link to another page, with its query parameters."""
    st.page_link(places.root() / "pages" / f"{page}.py", label=label, icon=icon, query_params=query or None)


def go(page: str, **query: str) -> NoReturn:
    """Turn to another page, with its query parameters."""
    st.switch_page(places.root() / "pages" / f"{page}.py", query_params=query)


def view(titles: Mapping[str, str]) -> str:
    """Which of a page's views is looked at, from the address; the first when it says none. Choosing another one leaves the rest of the address behind."""
    asked = st.query_params.get("view", "")
    current = asked if asked in titles else next(iter(titles))

    def chosen() -> None:
        st.query_params.from_dict({"view": st.session_state[key] or current})

    key = f"view-{current}"  # its own for each view, so that an address decides, not what was chosen before
    st.segmented_control(
        "View", list(titles), default=current, format_func=titles.__getitem__, key=key, on_change=chosen, label_visibility="collapsed"
    )
    return current


def store() -> RunStore:
    """The user's store, with the shipped samples in it. Refused when it is not available."""
    return _store(places.home())


@st.cache_resource(show_spinner=False)
def _store(home: Path) -> RunStore:
    opened = RunStore.within(home, roots=roots.named())
    hire(opened, home)  # it loads torch while the first page is being read
    if (shipped := places.root() / "sample_models" / "samples.sqlite").is_file():
        opened.absorb(shipped)
    return opened


def want(wish: Wish, *, urgent: bool = False, idle: bool = False) -> str:
    """Put a wish down and see to it that somebody takes it up. What the store has against it is said at the head of the page."""
    with _excused():
        if isinstance(wish, Run) and not urgent and (plan := foreseen(wish, store())) is not None and plan.points:
            store().foresee(wish.id, plan.to_json())
        store().want(wish, urgent=urgent, idle=idle)
        tend()
    return wish.id


def resume(wish: Wish) -> None:
    """Take a wish up again (a callback of buttons)."""
    want(wish)


def stop(*ids: str) -> None:
    """Give wishes up (a callback of buttons)."""
    with _excused():
        for id in ids:
            store().stop(id)


def forget(id: str) -> None:
    """Take a wish off the list (a callback of buttons)."""
    with _excused():
        store().forget(id)


def unregister(*paths: str) -> None:
    """Take checkpoints off the list (a callback of buttons)."""
    with _excused():
        for path in paths:
            store().unregister(path)


def tend() -> None:
    """Hire a worker when something waits and nobody is there."""
    with _excused():
        if store().waiting():
            hire(store(), places.home())


@contextmanager
def _excused() -> Generator[None, None, None]:
    """A callback or a fragment has no page to speak on: what is refused in it is said beside the page now, and at its head when it runs again."""
    try:
        yield
    except Refused as refusal:
        st.toast(str(refusal), icon=":material/error:")
        st.session_state["trouble"] = str(refusal)
