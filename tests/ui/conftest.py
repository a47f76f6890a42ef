"""Pages without a browser: AppTest, with the worker in this process."""

from __future__ import annotations

import json
from contextvars import ContextVar
from functools import cache, wraps

import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.testing.v1 import AppTest

from explorer.core import locations
from explorer.core.spec import Look
from explorer.engine.worker import Worker

# Else each of hundreds of visits reads the metadata of every installed package again, which takes a second.
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)


@pytest.fixture(autouse=True)
def no_fragment_in_one_that_looks_again(monkeypatch):
    """Streamlit may send what is in such a fragment before the place where it belongs (explorer.ui.frame.polling)."""
    plain, looks_again, found = st.fragment, ContextVar("looks_again", default=False), set()

    def fragment(draw, *, run_every=None):
        @wraps(draw)
        def watched(*args, **kwargs):
            if looks_again.get():
                found.add(f"{draw.__module__}.{draw.__qualname__}")
            before = looks_again.set(looks_again.get() or run_every is not None)
            try:
                draw(*args, **kwargs)
            finally:
                looks_again.reset(before)

        return plain(watched, run_every=run_every)

    monkeypatch.setattr(st, "fragment", fragment)
    yield
    assert not found


@pytest.fixture
def work(store, home):
    """Do everything that has been requested."""
    return lambda: Worker(store, home).work_off()


@pytest.fixture
def visit(home, monkeypatch):
    """visit("runs", run=…): a fresh visitor's page, run once, that of an expert unless said otherwise; nobody but the test works on requests."""
    monkeypatch.setenv("LOSS_EXPLORER_HIRE", "no")
    st.cache_resource.clear()

    def visit(page: str, *, expert: bool = True, **query: str) -> AppTest:
        app = AppTest.from_file(str(locations.root() / "app.py"), default_timeout=60)
        app.session_state["expert"] = expert
        app.run()
        for key, value in query.items():
            app.query_params[key] = value
        app.switch_page(str(locations.root() / "pages" / f"{page}.py"))
        return app.run()

    return visit


@pytest.fixture
def registered(tiny, store, work):
    """The two tiny checkpoints, looked at and registered."""
    store.submit(Look(str(tiny.folder)))
    work()
    return tiny


def folded(app: AppTest) -> set[str]:
    """The titles of what is folded away."""
    return {fold.label.removeprefix("**").partition("**")[0] for fold in app.expander}


def words(app: AppTest) -> str:
    """Everything the page says, as one text."""
    kinds = ("title", "markdown", "caption", "info", "warning", "error", "success", "metric")
    return "\n".join(str(getattr(e, "value", "")) + str(getattr(e, "label", "")) for kind in kinds for e in getattr(app, kind))


def button(app: AppTest, label: str):
    """The button with this label."""
    return next(b for b in app.button if b.label == label)


def click(app, kind, points, key=""):
    """Run the page as if the points of its one picture of this kind had been clicked; key: of the picture where there are several."""
    (picture,) = (p for p in app.get(kind) if key in p.proto.id)
    states = app._tree.get_widget_states()  # AppTest has no hand for pictures
    states.widgets.append(WidgetState(id=picture.proto.id, string_value=json.dumps({"selection": {"points": points}})))
    app._run(states)
