"""Parts of pages are drawn again when, and only when, what they show has changed."""

import numpy as np
import pytest

from explorer.store.read_log import LIST, Key
from explorer.ui.frame import page
from explorer.ui.frame.wake import SHARE, UNSEEN, Drawn, Watch


@pytest.fixture
def watch(store, monkeypatch):
    """A watch that is looked through by the test alone."""
    monkeypatch.setattr(Watch, "_run", lambda self: None)
    return Watch(store)


def drawn(store, *keys, session="s", every=0.0, spent=0.0, since=0.0):
    part = Drawn(session, "f", store.versions(keys), spent, every, since)
    return part


def test_what_has_not_changed_is_not_drawn_again(watch, store, tiny):
    """Whatever happens to other runs."""
    mine, other = tiny.run(size=5), tiny.run(size=9)
    store.submit(mine)
    watch.follow(drawn(store, Key("request", mine.id), Key("field", mine.field.id)))
    assert watch.look() == []
    store.submit(other)
    assert watch.look() == []
    store.claim("w")
    assert [part.session for part in watch.look()] == ["s"]


def test_all_sessions_are_compared_by_one_question(watch, store, tiny, monkeypatch):
    """Ten sessions that look at one run ask the store once."""
    mine = tiny.run(size=5)
    store.submit(mine)
    for n in range(10):
        watch.follow(drawn(store, Key("request", mine.id), LIST, session=f"s{n}"))
    asked, plain = [], store.versions
    monkeypatch.setattr(store, "versions", lambda keys: asked.append(keys) or plain(keys))
    store.claim("w")
    assert len(watch.look()) == 10
    assert asked == [{Key("request", mine.id), LIST}]


def test_what_ends_is_drawn_at_once_and_what_goes_on_now_and_then(watch, store, tiny):
    """A part that takes long is drawn rarely while it only fills, and at once when it is finished."""
    mine = tiny.run(size=5)
    store.submit(mine)
    store.claim("w")
    part = drawn(store, Key("request", mine.id), every=0.5, spent=60.0)
    watch.follow(part)
    store.report(mine.id, "w", done=1, total=5)
    assert watch.look() == []
    assert part.stale
    store.release(mine.id, "w", finished=True)
    assert watch.look() == [part]


@pytest.mark.parametrize(("age", "parts", "pause"), [(0.0, 1, 0.5), (8.0, 1, 2.0), (1e4, 1, UNSEEN * 0.2 / SHARE), (1e4, 10, UNSEEN * 2.0 / SHARE)])
def test_drawing_takes_a_tenth_of_the_time_in_the_long_run(age, parts, pause):
    """Twice a second at first, later the rarer the longer a drawing takes and the more sessions there are."""
    part = Drawn("s", "f", {}, 0.2, 0.5, since=1000.0, at=1000.0 + age)
    assert part.due(parts) - part.at == pytest.approx(pause)


def test_points_of_a_field_wake_who_shows_them(watch, store, tiny):
    """A click that measures a point of somebody else's run."""
    field = tiny.field()
    store.open_field(field, shape=(2, 1), counts=np.ones(1), gram=np.eye(2), facts={})
    watch.follow(drawn(store, Key("field", field.id)))
    assert watch.look() == []
    store.append(field.id, np.array([[0.5]]), np.zeros((1, 2, 1)), seconds=1.0)
    assert len(watch.look()) == 1


def test_nothing_is_greyed_out_while_a_page_computes():
    """Streamlit marks what may be out of date and makes it pale."""
    assert "[data-stale=true] { opacity: 1 !important; transition: none !important }" in page.STYLE
