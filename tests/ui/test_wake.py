"""Parts of pages are drawn again when, and only when, what they show has changed."""

import numpy as np
import pytest

from explorer.store.read_log import LIST, Key
from explorer.ui.frame import page
from explorer.ui.frame.wake import SETTLE_S, SHARE, SPACE_S, UNSEEN, Drawn, Watch


@pytest.fixture
def now():
    """The time, in seconds, as a list of one number."""
    return [1000.0]


@pytest.fixture
def watch(store, now, monkeypatch):
    """A watch that is looked through by the test alone, and whose time is the test's."""
    monkeypatch.setattr(Watch, "_run", lambda self: None)
    return Watch(store, clock=lambda: now[0])


def drawn(store, *keys, session="s", every=0.0, spent=0.0, since=0.0, at=1000.0):
    return Drawn(session, "f", store.versions(keys), spent, every, since, at)


def looked(watch, now):
    """What a look finds, and one after what has ended had time to settle."""
    at_once = watch.look()
    now[0] += SETTLE_S
    return at_once or watch.look()


def test_what_has_not_changed_is_not_drawn_again(watch, now, store, tiny):
    """Whatever happens to other runs."""
    mine, other = tiny.run(size=5), tiny.run(size=9)
    store.submit(mine)
    watch.follow(drawn(store, Key("request", mine.id), Key("field", mine.field.id)))
    assert looked(watch, now) == []
    store.submit(other)
    assert looked(watch, now) == []
    store.claim("w")
    assert [part.session for part in looked(watch, now)] == ["s"]


def test_all_sessions_are_compared_by_one_question(watch, store, tiny, monkeypatch):
    """Ten sessions that look at one run ask the store once, by three statements."""
    mine = tiny.run(size=5)
    store.submit(mine)
    for n in range(10):
        watch.follow(drawn(store, Key("request", mine.id), LIST, session=f"s{n}"))
    asked, plain = [], store.versions
    monkeypatch.setattr(store, "versions", lambda keys: asked.append(keys) or plain(keys))
    store.claim("w")
    statements = []
    store._db.set_trace_callback(statements.append)
    assert len(watch.look()) == 10
    store._db.set_trace_callback(None)
    assert asked == [{Key("request", mine.id), LIST}]
    assert len(statements) == 3


def test_what_ends_is_drawn_at_once_and_what_goes_on_now_and_then(watch, now, store, tiny):
    """A part that takes long is drawn rarely while it only fills, and at once when it is finished."""
    mine = tiny.run(size=5)
    store.submit(mine)
    store.claim("w")
    part = drawn(store, Key("request", mine.id), every=0.5, spent=60.0)
    watch.follow(part)
    now[0] += SPACE_S
    store.report(mine.id, "w", done=1, total=5)
    assert looked(watch, now) == []
    assert part.stale
    store.release(mine.id, "w", finished=True)
    assert looked(watch, now) == [part]


def test_what_ends_together_is_drawn_once(watch, now, store, tiny):
    """A click asks for several things, which end one after the other; the page is not drawn before the last of them where that is soon."""
    runs = [tiny.run(size=size) for size in (5, 9)]
    for run in runs:
        store.submit(run)
    watch.follow(part := drawn(store, *(Key("request", run.id) for run in runs)))
    for run in runs:
        store.claim("w")
        store.release(run.id, "w", finished=True)
        assert watch.look() == []
        now[0] += SETTLE_S / 2
    assert watch.look() == [part]


@pytest.mark.parametrize(("spent", "pause"), [(0.0, SETTLE_S), (0.3, 0.3), (60.0, SPACE_S)])
def test_many_ends_do_not_keep_a_processor_busy(watch, now, store, tiny, spent, pause):
    """Between two drawings is as much time as a drawing takes, up to a second."""
    mine = tiny.run(size=5)
    store.submit(mine)
    watch.follow(part := drawn(store, Key("request", mine.id), spent=spent))
    store.claim("w")
    store.release(mine.id, "w", finished=True)
    watch.look()
    assert part.due(1) - part.at == pytest.approx(pause)


def test_that_somebody_works_on_it_is_drawn_with_what_comes_of_it(watch, now, store, tiny):
    """A click is measured while the page is still being drawn: it is not drawn once more in between."""
    mine = tiny.run(size=5)
    store.submit(mine)
    watch.follow(part := drawn(store, Key("request", mine.id), LIST, every=0.5))
    store.claim("w")
    assert looked(watch, now) == []
    now[0] += 0.5
    assert watch.look() == [part]


@pytest.mark.parametrize(("age", "parts", "pause"), [(0.0, 1, 0.5), (8.0, 1, 2.0), (1e4, 1, UNSEEN * 0.2 / SHARE), (1e4, 10, UNSEEN * 2.0 / SHARE)])
def test_drawing_takes_a_tenth_of_the_time_in_the_long_run(age, parts, pause):
    """Twice a second at first, later the rarer the longer a drawing takes and the more sessions there are."""
    part = Drawn("s", "f", {}, 0.2, 0.5, since=1000.0, at=1000.0 + age, stale=1000.0 + age)
    assert part.due(parts) - part.at == pytest.approx(pause)


def test_points_of_a_field_wake_who_shows_them(watch, now, store, tiny):
    """A click that measures a point of somebody else's run."""
    field = tiny.field()
    store.open_field(field, shape=(2, 1), counts=np.ones(1), gram=np.eye(2), facts={})
    watch.follow(drawn(store, Key("field", field.id)))
    assert looked(watch, now) == []
    store.append(field.id, np.array([[0.5]]), np.zeros((1, 2, 1)), seconds=1.0)
    assert len(looked(watch, now)) == 1


def test_nothing_is_greyed_out_while_a_page_computes():
    """Streamlit marks what may be out of date and makes it pale."""
    assert "[data-stale=true] { opacity: 1 !important; transition: none !important }" in page.STYLE
