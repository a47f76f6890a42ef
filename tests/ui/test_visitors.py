"""Several people in one served app: each stops and removes what they asked for, and sees whose the rest is."""

from __future__ import annotations

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from explorer.core import allowed_folders, locations, quotas, registry, server_settings
from explorer.core.spec import Look, Make, Study, Trained
from tests.store.test_upkeep import a_run, filled
from tests.ui.conftest import words

ADA, BOB = "ada@example.org", "bob@example.org"


@pytest.fixture
def served(home, tiny, monkeypatch):
    """served(ADA, "runs"): a visitor's page, logged in."""
    monkeypatch.setenv("LOSS_EXPLORER_HIRE", "no")
    monkeypatch.setenv(server_settings.LOGIN, "required")
    monkeypatch.setenv(quotas.VARIABLE, str(quotas.Quotas(requests=3)))
    monkeypatch.setenv(allowed_folders.VARIABLE, str(tiny.folder))
    st.cache_resource.clear()

    def served(who: str, page: str, **query: str) -> AppTest:
        app = AppTest.from_file(str(locations.root() / "app.py"), default_timeout=60)
        app.user = {"is_logged_in": True, "email": who, "email_verified": True}
        app.session_state["expert"] = True
        app.run()
        for key, value in query.items():
            app.query_params[key] = value
        return app.switch_page(str(locations.root() / "pages" / f"{page}.py")).run()

    return served


def said(text: str) -> str:
    """Without what keeps a browser from making a link of an address."""
    return text.replace("\u2060", "")


def buttons(app: AppTest, label: str):
    return [b for b in app.button if b.label == label]


def requests():
    """One of every kind, and a click on a picture."""
    problem = a_run("x").field.problem
    return (
        a_run("line"),
        Look("/somewhere"),
        Make(Trained(problem, registry.method("train", "sgd"), name="mine")),
        Study(problem, (), registry.method("study", registry.names("study")[0])),
        a_run("clicked", sampler=registry.method("sample", "given", {"at": (0.5,)})),
    )


@pytest.mark.parametrize("request_", requests(), ids=["run", "look", "make", "study", "click"])
def test_every_kind_of_request_can_be_stopped_on_runs_by_who_asked_for_it_and_nobody_else(request_, served, store):
    id = store.submit(request_, owner=ADA)
    app = served(BOB, "runs")
    (stop,) = buttons(app, "Stop")
    assert stop.disabled and ADA in said(words(app)) and ADA in said(stop.help)
    (stop,) = buttons(app := served(ADA, "runs"), "Stop")
    assert not stop.disabled
    stop.click().run()
    assert not app.exception
    assert store.status(id).state == "stopped"
    assert not buttons(app, "Stop")


def test_a_run_that_is_done_is_removed_and_pinned_by_who_asked_for_it(served, store):
    one = a_run("one")
    store.submit(one, owner=ADA)
    filled(store, one)
    app = served(BOB, "runs")
    assert [buttons(app, label)[0].disabled for label in ("Remove from the list", "Pin")] == [True, True]
    app = served(ADA, "runs")
    buttons(app, "Pin")[0].click().run()
    assert one.field.id in store.pinned()
    buttons(app, "Remove from the list")[0].click().run()
    assert store.status(one.id) is None and not app.exception


def test_the_store_as_a_whole_is_the_operators(served, visit, store):
    """A sweep, a limit, a compaction, the removal of models."""
    filled(store, a_run("one"))
    assert not [e for e in served(ADA, "runs").expander if e.label == "Store"]


def test_a_checkpoint_is_taken_off_the_list_by_who_registered_it(served, store, registered):
    """The files of a visitor's own; those of the operator stay, and whose they are is said."""
    (button,) = buttons(served(ADA, "checkpoints"), "Remove this family from the list")
    assert button.disabled and "the operator" in button.help
    with store._write() as db:
        db.execute("UPDATE registrant SET owner = ?", (ADA,))
    assert buttons(served(BOB, "checkpoints"), "Remove this family from the list")[0].disabled
    buttons(served(ADA, "checkpoints"), "Remove this family from the list")[0].click().run()
    assert not [f for f in store.checkpoints() if f.path.startswith(str(registered.folder))]


def test_who_asks_for_more_than_their_quota_is_told_so(served, store, registered):
    for name in "abc":
        store.submit(Look(f"/{name}"), owner=ADA)
    app = served(ADA, "checkpoints")
    app.text_input(key="path").set_value(str(registered.a))
    next(b for b in app.button if b.label == "Look").click().run()
    assert not app.exception
    assert "at most 3 requests that are not finished" in app.toast[0].value
    assert "at most 3 requests that are not finished" in words(app.run())
