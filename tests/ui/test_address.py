"""What was picked stays in the address, whatever a late question says. A late browser is one whose address is put back by hand."""

from __future__ import annotations

import time

from streamlit.testing.v1 import AppTest


def script():
    import streamlit as st

    from explorer.ui.frame import query_state

    st.button("pick", on_click=query_state.put, kwargs={"t": "0.3"})
    st.button("take away", on_click=query_state.put, kwargs={"t": None})
    st.text(f"t is {query_state.get('t')}")


def said(app: AppTest) -> str:
    return app.text[0].value


def test_a_pick_is_not_lost_to_a_question_that_was_asked_before_it():
    """The next run comes with the address from before the click; the pick is there all the same."""
    app = AppTest.from_function(script).run()
    assert said(app) == "t is None"
    app.button[0].click().run()
    assert said(app) == "t is 0.3"
    assert said(app.run()) == "t is 0.3"
    app.query_params.clear()
    assert said(app.run()) == "t is 0.3"


def test_a_pick_that_was_taken_away_does_not_come_back():
    """The same for a late address that still has the pick."""
    app = AppTest.from_function(script)
    app.query_params["t"] = "0.7"
    assert said(app.run()) == "t is 0.7"
    app.button[1].click().run()
    assert said(app) == "t is None"
    app.query_params["t"] = "0.7"
    assert said(app.run()) == "t is None"


def test_another_address_is_the_persons_own():
    """What has been typed, or reached by a link, is neither the old address nor the new one, and counts."""
    app = AppTest.from_function(script).run()
    app.button[0].click().run()
    app.query_params.clear()
    app.query_params["runs"] = "abc"
    assert said(app.run()) == "t is None"


def test_after_a_while_the_address_is_believed(monkeypatch):
    """No question is on its way for so long: the old address is meant."""
    app = AppTest.from_function(script).run()
    app.button[0].click().run()
    app.query_params.clear()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 60)
    assert said(app.run()) == "t is None"


def turning():
    import streamlit as st

    from explorer.ui.frame import query_state, shell

    titles = {"one": "One", "two": "Two", "three": "Three"}
    shell.choose_view(titles)
    st.text(f"{shell.view_of(titles)} {query_state.get('again') or ''}")
    st.button("go on", on_click=query_state.put, kwargs={"again": "yes"})


def test_what_a_control_said_before_it_was_turned_does_not_turn_the_page_back():
    """A browser that is asked soon after a turn still sends the control of the page before: Streamlit calls its callback once more."""
    app = AppTest.from_function(turning).run()
    late = app._tree.get_widget_states()
    app.segmented_control[0].select("two").run()
    assert said(app).strip() == "two"
    again = app.button[0].click()
    every = app._tree.get_widget_states
    app._tree.get_widget_states = lambda: _with(late, every())
    again.run()
    assert said(app) == "two yes"


def _with(before, now):
    """The states of now, and those of before that are of no control of now."""
    known = {state.id for state in now.widgets}
    now.widgets.extend(state for state in before.widgets if state.id not in known)
    return now
