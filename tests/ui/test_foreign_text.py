"""Titles, names and reasons that are made to be more than text: an image that asks another host, a link that runs something, an icon, a formula."""

import re

import pytest

from explorer.core.markdown import MOST, plain, spoken
from tests import finished
from tests.conftest import TOML, Tiny
from tests.ui.conftest import words

TITLE = "![x](http://evil.example/x.png) <img src=//evil.example> [a](javascript:alert(1)) :material/skull: :skull: :red[r] $\\frac{1}{2}$ `c` **b**"
STEM = "![x](http:evil) <img src=x> [a](javascript:alert(1)) :skull: $\\frac{1}{2}$ `c` **b**"  # what a file's name can be
REASON = f"\x1b[31m\u202e {TITLE}\n\n# heading {'long ' * 5000}"
LIVE = re.compile(
    r"\[[xar]\]|<img(?! alt=\"\" src=\"data:image/svg)|:(?:material/)?skull:|http://evil|\$[^$]*frac|`c`|\*\*b\*\*|^# heading|[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]",
    re.MULTILINE,
)

# What the front end shows as text or reads as data.
NO_MARKDOWN = re.compile(
    r"BidiComponent\.(json|js_content)|Code\.code_text|PlotlyChart\.(spec|alt)|(Selectbox|MultiSelect)\.(options|default|raw_values?|placeholder)|Text\.body"
    r"|TextInput\.(value|default|placeholder)|TextArea\.(value|default)|.*\.(id|key|user_key|form_id|url|query_string)$"
)


def strings(message, at=""):
    """Every string in a message of Streamlit's, with where it stands."""
    for field, value in message.ListFields():
        place = f"{at}.{field.name}"
        for one in [value] if isinstance(value, str) or not hasattr(value, "__iter__") else value:
            if isinstance(one, str):
                yield place, one
            elif hasattr(one, "ListFields"):
                yield from strings(one, place)


def shown(node):
    """Every string that a page sends, with the kind of element and the field."""
    if hasattr(proto := getattr(node, "proto", None), "ListFields"):
        for place, text in strings(proto):
            yield f"{type(proto).__name__}{place}", text
    for child in getattr(node, "children", {}).values():
        yield from shown(child)


def live(app):
    """What of the hostile words a browser would take for more than text."""
    return sorted({(place, text[:300]) for place, text in shown(app._tree) if not NO_MARKDOWN.match(place) and LIVE.search(re.sub(r"\\.", "", text))})


@pytest.fixture(scope="module")
def foreign(tiny, tmp_path_factory):
    """The tiny problem under a hostile title, its models under hostile names."""
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "problem.toml").write_text(TOML.replace('"Tiny digits"', f"'{TITLE}'"), encoding="utf-8")

    class Foreign(Tiny):
        a = folder / f"a {STEM}.safetensors"
        b = folder / f"b {STEM}.safetensors"

    made = Foreign(folder)
    made.a.write_bytes(tiny.a.read_bytes())
    made.b.write_bytes(tiny.b.read_bytes())
    return made


@pytest.fixture(scope="module")
def done(foreign, tmp_path_factory):
    """A folder in which every page has something finished of them to show, and what was asked for, by address."""
    home = tmp_path_factory.mktemp("foreign-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOSS_EXPLORER_HOME", str(home))
        return home, finished.work_off(foreign, home)


def opened(visit, address):
    """The page at an address."""
    page, _, query = address.partition("?")
    app = visit(page, **dict(part.split("=") for part in query.split("&") if part))
    assert not app.exception, address
    return app


def test_no_page_takes_a_name_for_markdown(done, visit, monkeypatch):
    """Neither a finished picture nor a form beside it: what a browser gets of a title, or of a model's name, is text."""
    home, asked = done
    monkeypatch.setenv("LOSS_EXPLORER_HOME", str(home))
    told = 0
    for address in [*asked, "home", "learn"]:
        app = opened(visit, address)
        assert not live(app), address
        told += "frac" in spoken(words(app))
    assert told > 10  # the names do stand on the pages


def test_no_page_takes_a_reason_for_markdown(foreign, visit, store):
    """What a worker says of a file that it could not read holds the file's own words; they are cut, and on one line."""
    for address, asked in finished.requests(foreign).items():
        for request in asked:
            store.submit(request)
        while (claimed := store.claim("w")) is not None:
            store.release(claimed.id, "w", error=REASON)
        if asked and not address.startswith("checkpoints"):
            app = opened(visit, address)
            assert not live(app), address
            assert any("long long" in e.value and len(e.value) < 2 * MOST for e in app.error), address


@pytest.mark.parametrize(
    "text", [TITLE, STEM, "# a", "- a", "1. a", "12:30:45", "a_b_c", "C:\\\\x", "a@b.example www.b.example", ":+1:", "a & b", "2 > 1 ~x~", ""]
)
def test_plain_text_is_the_text(text):
    """Escapes and unseen letters apart, nothing is added and nothing is lost."""
    assert spoken(plain(text)) == text
    assert not LIVE.search(re.sub(r"\\.", "", plain(text)))


def test_plain_text_is_one_line_of_what_can_be_seen():
    """No control character, none that turns the direction of writing, no line of its own, no more than a screen."""
    assert plain("a\r\n\r\n# b\x00\u202e") == "a # b\ufffd\ufffd"
    assert len(plain("x" * 10**6)) == MOST
