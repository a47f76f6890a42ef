"""A class predicts together: rooms by themselves, and phones and the lecturer's screen as visitors of one server."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from explorer.core.errors import Refused
from explorer.lessons import every
from explorer.ui.learn import rooms as rooms_module
from explorer.ui.learn.rooms import AGE_S, MOST_ROOMS, MOST_VOTES, Rooms
from tests.ui.conftest import words
from tests.ui.test_pages import button


@pytest.fixture
def room():
    """A room that is asked a lesson of three choices, with its code and key."""
    found = Rooms()
    code, key = found.open()
    found.ask(code, key, "curves", 3, taking=True)
    return found, code, key


def test_forty_phones_are_counted_once_each(room):
    """All at a time, from threads of their own, in small letters; half of them change their mind."""
    found, code, _ = room

    def phone(k):
        assert found.vote(code.lower(), "curves", k % 3)
        return k % 2 == 0 or found.vote(code, "curves", 2, before=k % 3)

    with ThreadPoolExecutor(40) as pool:
        assert all(pool.map(phone, range(40)))
    stays = [k % 3 for k in range(40) if k % 2 == 0]
    assert found.counts(code, "curves") == (stays.count(0), stays.count(1), stays.count(2) + 20)


def test_what_is_not_asked_is_not_counted(room):
    """Another lesson, a choice that there is not, another room, and a question whose result is shown; who has no key cannot ask."""
    found, code, key = room
    assert not found.vote(code, "soups", 0)
    assert not found.vote(code, "curves", 3)
    assert not found.vote("none", "curves", 0)
    found.ask(code, "wrong", "soups", 3, taking=True)
    assert found.asked(code).lesson == "curves"
    assert found.vote(code, "curves", 1)
    found.ask(code, key, "curves", 3, taking=False)
    assert not found.vote(code, "curves", 0, before=1)
    assert found.counts(code, "curves") == (0, 1, 0)


def test_a_question_takes_so_many_votes_and_a_server_so_many_rooms(room):
    """Beyond the bound nothing is counted, but a change of mind still is."""
    found, code, _ = room
    assert all(found.vote(code, "curves", 0) for _ in range(MOST_VOTES))
    assert not found.vote(code, "curves", 1)
    assert found.vote(code, "curves", 1, before=0)
    for _ in range(MOST_ROOMS - 1):
        found.open()
    with pytest.raises(Refused, match="rooms are open already"):
        found.open()


def test_a_room_that_nobody_uses_is_forgotten():
    """A vote keeps it, a phone that only looks does not; a closed one is gone at once."""
    now = [0.0]
    found = Rooms(clock=lambda: now[0])
    code, key = found.open()
    found.ask(code, key, "curves", 3, taking=True)
    now[0] = AGE_S - 1
    assert found.vote(code, "curves", 0)
    now[0] = 2 * AGE_S - 2
    assert found.there(code)
    now[0] += 2
    assert not found.there(code)
    assert found.counts(code, "curves") == ()
    code, key = found.open()
    found.close(code, "wrong")
    assert found.there(code)
    found.close(code, key)
    assert not found.there(code)


def test_only_numbers_are_kept(room):
    """Of forty votes, three counts; the code has no letters that are mistaken for one another."""
    found, code, _ = room
    for k in range(40):
        found.vote(code, "curves", k % 3)
    (kept,) = found._rooms.values()
    assert kept.counts == {"curves": [14, 13, 13]}
    assert set(code) <= set(rooms_module.LETTERS)
    assert not set(rooms_module.LETTERS) & set("IL1O0")


def test_phones_predict_and_the_screen_counts_them(visit):
    """A lecturer opens a room; three phones join, follow the lesson, predict, and one changes its mind; at the picture no more is taken."""
    screen = visit("learn", lesson="two_neurons", step="vote", present="1")
    button(screen, "Open a room").click().run()
    assert not screen.exception
    hosting = screen.query_params["hosting"]
    hosting = hosting[0] if isinstance(hosting, list) else hosting
    code = hosting.partition(".")[0]
    phones = [visit("learn", room=code) for _ in range(3)]
    choices = every()["two_neurons"].choices
    for phone, pick in zip(phones, (1, 1, 0), strict=True):
        assert not phone.exception
        assert every()["two_neurons"].question in words(phone)
        button(phone, choices[pick]).click().run()
    button(phones[2], choices[2]).click().run()
    screen.run()
    shown = "".join(h.body for h in screen.get("html"))
    assert "3 predictions" in shown
    assert [shown.partition(c)[2].partition("<b>")[2][0] for c in choices] == ["0", "2", "1"]
    button(screen, "Next").click().run()
    button(screen, "Next").click().run()
    assert screen.query_params["step"] in ("picture", ["picture"])
    assert "**2 of 3** in the room predicted it." in words(screen)
    phone = phones[0].run()
    assert all(b.disabled for b in phone.button if b.label in choices)
    again = visit("learn", room=code, voted="two_neurons.1")
    assert "The result is on the screen." in words(again)


def test_a_wrong_code_and_a_closed_room_say_so(visit):
    """On the phone, instead of a question."""
    assert "There is no room XYZW" in words(visit("learn", room="xyzw"))
    screen = visit("learn", lesson="two_neurons", step="vote", present="1")
    button(screen, "Open a room").click().run()
    code = "".join(screen.query_params["hosting"]).partition(".")[0]
    assert "Room" in visit("learn", room=code).title[0].value
    button(screen, "Close the room").click().run()
    assert f"There is no room {code}" in words(visit("learn", room=code))
    assert button(screen, "Open a room")
