"""What stands around every page: the style, who may come in, who computes, and the tour's strip."""

from __future__ import annotations

from contextlib import suppress

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

from explorer.core.errors import Refused
from explorer.core.markdown import plain
from explorer.ui.frame import expertise, garbage, head, login, shell, tour, upload_gate, wake

# A term shows its definition as the browser's own note when it is pointed at, and here when it has the keyboard's focus. The button in a picture's corner
# shows its icon alone, and its words to who cannot see it. Captions at Streamlit's own grey have a contrast of 3.9 on white, and white on the dark theme's
# light blue (buttons, items that are chosen in a list) one of 2.3; texts want 4.5. Plotly's toolbar, which comes with the pointer, would always lie over a
# picture's title where there is none; what it offers is in the picture's corner. Nothing is greyed out while a page computes: what it says holds until it
# says something else.
STYLE = """
[data-stale=true] { opacity: 1 !important; transition: none !important }
[data-testid=stButtonGroup] [role=radiogroup] { flex-wrap: wrap }
[data-testid=stCaptionContainer] { color: inherit; opacity: 0.85 }
a[href*="view=glossary&term="] { color: inherit; text-decoration: underline dotted; text-underline-offset: 0.2em }
a[href*="view=glossary&term="]:focus-visible::after { content: attr(title) / ""; position: fixed; bottom: 1rem; left: 50%; z-index: 1000; transform: translateX(-50%);
  box-sizing: border-box; width: max-content; max-width: min(40rem, 94vw); padding: 0.6rem 0.9rem; border-radius: 8px; background: #31333f; color: #fff;
  border: 1px solid #888; font-size: 0.95rem; line-height: 1.4 }
[data-testid=stCaptionContainer]:has(:focus-visible) { opacity: 1; position: relative; z-index: 1000 }
@media (max-width: 640px) { .katex-display { font-size: 0.85em; overflow-x: auto; overflow-y: hidden; padding: 0.2rem 0 } }
@media (hover: none), (max-width: 640px) { .modebar-container { display: none } }
[class*=st-key-corner-] { margin-top: -0.75rem }
[class*=st-key-corner-] button { min-height: 1.5rem; padding: 0 0.25rem }
[class*=st-key-corner-] button [data-testid=stMarkdownContainer] { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%) }
"""
SHEET = STYLE + head.STYLE  # in both themes
DARK = "[data-testid=stBaseButton-primary]:not(:disabled) :is(p, span), [data-tag] :is(span, button) { color: #0e1117 }"
READ_ONLY = "The explorer's folder may not be written to: what it holds is shown, and nothing new can be computed. Change its permissions, or choose another with LOSS_EXPLORER_HOME."


def frame() -> None:
    """All of app.py: frame the page that is asked for and run it."""
    # An emoji here keeps Streamlit from asking a font server for the pages' icons.
    st.set_page_config(page_title="Loss-landscape explorer", page_icon="🗺️", layout="wide")
    st.html(f"<style>{SHEET}{DARK if st.context.theme.type == 'dark' else ''}</style>")
    known = login.known()
    upload_gate.let_in(known)
    page = shell.navigation(hidden=not known)
    wake.turned_to(page.url_path)
    if not known:
        login.door()
    if trouble := st.session_state.pop("trouble", ""):
        st.error(plain(trouble), icon=":material/error:")
    with suppress(Refused):  # which is said below
        if shell.store().read_only:
            st.info(READ_ONLY, icon=":material/lock:")
    try:
        page.run()
    except Refused as refusal:  # that of a store which is not available, for one
        st.error(plain(str(refusal)), icon=":material/error:")
    finally:  # under the list of the pages, which comes late and would push it down
        beside()
        garbage.set_aside()


def beside() -> None:
    """What stands in the sidebar under the list of the pages."""
    expertise.switch()
    login.leave()
    with suppress(Refused):  # which is said on the page
        computing()


def computing() -> None:
    """A line in the sidebar for each device that somebody computes on, with its memory."""
    serving = shell.store().workers()
    st.sidebar.caption("  \n".join(f":material/memory: {plain(str(s))}" for s in serving) or ":material/memory: Idle")


def require() -> None:
    """Every page starts with this: a link straight to a page of a fresh server runs the page's file without app.py's frame."""
    if getattr(PagesManager, "uses_pages_directory", False) is not False:
        frame()
        st.stop()
    tour.strip()
    with suppress(Refused):
        shell.store().opened(*f"{st.query_params.get('run', '')},{st.query_params.get('runs', '')}".split(","))
