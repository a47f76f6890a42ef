"""What failed can be tried again where it is shown."""

from explorer.core.spec import Run
from explorer.store.spawn_workers import LOG, last_lines
from tests.finished import requests
from tests.ui.conftest import button

REASON = "The checkpoint a is not where it was. Register its folder again."


def fail(store, asked):
    """Every request claimed by a worker and failed for the same reason."""
    for request in asked:
        store.submit(request)
    while (claimed := store.claim("w")) is not None:
        store.release(claimed.id, "w", error=REASON)


def test_every_page_offers_to_try_again_what_failed(visit, registered, store, home):
    """One reason is said once, whatever failed for it; the button takes all of those up again, and the log stands folded beside it."""
    (home / LOG).write_text("INFO first\nWARNING the last line\n", encoding="utf-8")
    for address, asked in requests(registered).items():
        page, _, query = address.partition("?")
        if page == "checkpoints" or not asked:  # what was looked at belongs to a visit
            continue
        fail(store, asked)
        before = [w for w in asked if store.status(w.id).state == "failed"]
        app = visit(page, **dict(part.split("=") for part in query.split("&") if part))
        assert not app.exception, address
        assert [e for e in app.error if REASON in e.value], address
        assert any("WARNING the last line" in c.value for c in app.code), address
        for _ in range(4):  # different things on one page may have failed
            if any(b.label == "Try again" for b in app.button):
                button(app, "Try again").click().run()
        assert not app.exception, address
        left = [w for w in before if isinstance(w, Run) and store.status(w.id).state == "failed"]
        assert len(left) < len([w for w in before if isinstance(w, Run)]), address
        assert not [e.value for e in app.error if REASON in e.value], address


def test_a_failed_look_is_tried_again_on_its_page(visit, store, home, tiny):
    """As for runs."""
    app = visit("checkpoints")
    app.text_input(key="path").set_value(str(tiny.folder))
    button(app, "Look").click().run()
    (id,) = app.session_state["looks"]
    store.claim("w")
    store.release(id, "w", error=REASON)
    app.run()
    assert [e.value for e in app.error] == [f"**{tiny.folder}**: {REASON}"]
    button(app, "Try again").click().run()
    assert store.status(id).state == "waiting"


def test_the_log_is_not_shown_to_visitors_of_a_server(visit, registered, store, home, monkeypatch):
    """It speaks of other people's files."""
    (home / LOG).write_text("of somebody else\n", encoding="utf-8")
    run = registered.run()
    fail(store, [run])
    monkeypatch.setenv("LOSS_EXPLORER_ROOTS", str(registered.folder))
    app = visit("interpolate", run=run.id)
    assert REASON in app.error[0].value
    assert not any("somebody else" in c.value for c in app.code)


def test_the_log_is_read_from_its_end(home):
    """Twenty lines of however many; nothing where nobody started a worker."""
    assert last_lines(home) == ""
    (home / LOG).write_text("".join(f"line {i}\n" for i in range(5000)), encoding="utf-8")
    assert last_lines(home).splitlines() == [f"line {i}" for i in range(4980, 5000)]
