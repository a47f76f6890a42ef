"""Pages of an app that is served to others: what a path from a browser leads to, and who sees a page at all."""

import json

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from explorer.core import allowed_folders, locations, server_settings
from explorer.core.spec import Look
from tests import hostile
from tests.ui.conftest import words

PAGES = ["home", "checkpoints", "align", "interpolate", "paths", "landscape", "soup", "compare", "runs"]


@pytest.fixture
def served(tmp_path, monkeypatch, visit):
    """An app whose visitors may have the folder `open` read; a secret file lies beside it, and links lead there."""
    for name in ("open", "secret"):
        (tmp_path / name).mkdir()
        hostile.good_safetensors(tmp_path / name, "w.safetensors")
    (tmp_path / "open" / "link").symlink_to(tmp_path / "secret")
    monkeypatch.setenv(allowed_folders.VARIABLE, str(tmp_path / "open"))
    return tmp_path / "open"


def inspected(store):
    """What was asked for here, besides what ships."""
    return [s for s in store.statuses("Look") if not s.request.path.startswith("sample_models")]


def typed(app, text):
    """The page after a path was typed and looked at."""
    app.text_input(key="path").set_value(str(text))
    return next(b for b in app.button if b.label == "Look").click().run()


def test_a_path_within_an_open_folder_is_looked_at(served, visit, store, work):
    """By a worker that keeps to that folder."""
    app = typed(visit("checkpoints"), served / "w.safetensors")
    assert not app.exception and not app.error
    (request,) = inspected(store)
    assert request.roots == (str(served),)
    work()
    assert store.status(request.id).state == "done"


@pytest.mark.parametrize(
    "way", ["../secret/w.safetensors", "link/w.safetensors", "link", "..", "/etc/passwd", "/proc/self/environ", "~", "a\0b", "~nobody/x"]
)
def test_a_path_that_leads_out_is_refused_in_a_sentence(way, served, visit, store):
    """Nothing is requested, and nobody learns whether it exists."""
    app = typed(visit("checkpoints"), way if way[0] in "/~" else f"{served}/{way}")
    assert len(app.error) == 1
    assert "may be read here" in app.error[0].value or "\0" in way
    assert not app.exception
    assert not inspected(store)


@pytest.mark.parametrize("page", PAGES)
def test_an_address_names_things_by_id_and_never_by_path(page, served, visit, store):
    """Whatever stands in it, no file is requested that was not registered."""
    secret = str(served.parent / "secret" / "w.safetensors")
    for value in (secret, f"../{secret}", "../../etc/passwd", json.dumps({"kind": "Look", "path": secret})):
        before = {s.id for kind in ("Run", "Look", "Make", "Study") for s in store.statuses(kind)}
        app = visit(page, **dict.fromkeys(("run", "runs", "a", "b", "t", "at", "of", "look", "k", "soup", "view", "path", "upload"), value))
        assert not app.exception
        new = [s for kind in ("Run", "Look", "Make", "Study") for s in store.statuses(kind) if s.id not in before]
        assert not [s for s in new if secret in json.dumps(s.request.to_json()) or "passwd" in json.dumps(s.request.to_json())]


def test_a_path_typed_on_ones_own_machine_may_lead_anywhere(tmp_path, visit, store):
    """Only who serves others limits them; and what is no path at all is refused in a sentence here too."""
    hostile.good_safetensors(tmp_path, "w.safetensors")
    assert not typed(visit("checkpoints"), tmp_path / "w.safetensors").error
    assert inspected(store)[0].roots is None
    for text in ("a\0b", "~nobody/x", "x" * 5000, str(hostile.circular_link(tmp_path))):
        app = typed(visit("checkpoints"), text)
        assert len(app.error) == 1 and not app.exception


@pytest.mark.parametrize("page", PAGES)
def test_a_visitor_who_has_not_logged_in_sees_a_door_and_nothing_else(page, home, monkeypatch, store):
    """Whatever the address says."""
    monkeypatch.setenv("LOSS_EXPLORER_HIRE", "no")
    monkeypatch.setenv(server_settings.LOGIN, "required")
    st.cache_resource.clear()
    app = AppTest.from_file(str(locations.root() / "app.py"), default_timeout=60)
    app.secrets["auth"] = {"redirect_uri": "http://x/oauth2callback", "cookie_secret": "0" * 32, "client_id": "x", "ours": {"client_id": "y"}}
    app.run()
    app.query_params["run"] = store.submit(Look("/x"))
    app.switch_page(str(locations.root() / "pages" / f"{page}.py")).run()
    assert [b.label for b in app.button] == ["Log in", "Log in with ours"]
    assert [t.value for t in app.title] == ["Loss-landscape explorer"]
    assert "Please log in" in words(app)
    assert not app.text_input and not app.exception and not app.get("plotly_chart") and not app.get("page_link")
