"""A store in which another version has written as well: what cannot be read is named, left alone, and in nobody's way."""

import json

import pytest

from explorer.core.spec import Look
from explorer.engine.worker import Worker
from tests.commands.test_main import run as command

PAGES = ["home", "learn", "checkpoints", "interpolate", "align", "paths", "landscape", "train", "soup", "compare", "runs"]


def newer(spec):
    """Requests that this version does not know, by name: (kind, the text of the request, its result)."""
    line = spec.to_json()
    gone = {key: value for key, value in line.items() if key != "sampler"}
    plugged = {**line, "sampler": {"kind": "Method", "name": "sampler_of_a_plugin", "options": []}}
    found = {"kind": "Seen", "files": [{"kind": "Facts", "path": "w", "name": "w", "colour": "green"}], "group": [], "gram": []}
    return {
        "newer-kind": ("Run", {"kind": "Dream", "field": line["field"]}, None),
        "newer-part": ("Run", {**line, "field": {**line["field"], "chart": {"kind": "Spiral", "turns": 3}}}, None),
        "missing-field": ("Run", gone, None),
        "another-field": ("Run", {**line, "colour": "green"}, None),
        "no-json": ("Run", "{", None),
        "no-request": ("Run", line["sampler"], None),
        "plug-in": ("Run", plugged, None),
        "newer-result": ("Look", Look("/w").to_json(), found),
        "newer-make": ("Make", {"kind": "Make", "recipe": {"kind": "Grown", "seed": 1}}, None),
    }


@pytest.fixture
def strange(registered, store):
    """The store with a row for each of these, before and after others; none is done but the look."""
    with store._write() as db:
        for number, (id, (kind, spec, result)) in enumerate(newer(registered.run()).items()):
            text = spec if isinstance(spec, str) else json.dumps(spec)
            done = 1.0 if result else None
            db.execute(
                "INSERT INTO wish (id, kind, subject, urgent, spec, created, finished) VALUES (?, ?, ?, 1, ?, ?, ?)",
                (id, kind, id, text, number if number % 2 else 1e12, done),
            )
            if result:
                db.execute("INSERT INTO result VALUES (?, ?)", (id, json.dumps(result)))
        db.execute("INSERT INTO checkpoint VALUES ('/newer.safetensors', 'd', ?, 1)", (json.dumps({"kind": "Facts", "path": "/n", "mood": 1}),))
        field = json.dumps({"kind": "Field", "shape": "newer"})
        db.execute("INSERT INTO field VALUES ('f', ?, '[1, 2]', ?, ?, '{}', 1)", (field, b"\0" * 8, b"\0" * 8))
        db.execute("INSERT INTO point (field, coords, value, seconds) VALUES ('f', ?, ?, 1)", (b"\0" * 8, b"\0" * 16))
        db.execute("INSERT INTO plan (wish, plan) VALUES ('newer-plan', ?)", (json.dumps({"kind": "Plan", "joules": 1}),))
    return store


def rows(store):
    return store._db.execute("SELECT * FROM wish WHERE worker IS NULL ORDER BY id").fetchall()


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_beside_what_it_cannot_read(visit, strange, page):
    """No exception, and nothing of it is offered."""
    app = visit(page)
    assert not app.exception
    assert not app.error
    assert app.title[0].value


def test_runs_names_what_cannot_be_used_and_why(visit, strange, registered):
    """One row each, with the plug-in that is missing by its name."""
    table = next(d.value for d in visit("runs").dataframe if "why" in d.value)
    why = dict(zip(table["entry"], table["why"], strict=True))
    assert set(why) == {*newer(registered.run()), "/newer.safetensors"}
    assert "'Dream'" in why["newer-kind"]
    assert "'Spiral'" in why["newer-part"]
    assert "sampler_of_a_plugin" in why["plug-in"] and "--plugin" in why["plug-in"]


def test_the_worker_leaves_them_alone_and_does_the_rest(strange, home, registered):
    """They stand before and after a request of this version's, which is done; they are what they were, and count for no work."""
    before = rows(strange)
    assert len(before) >= 9
    id = strange.submit(registered.run(size=3))
    assert strange.waiting()
    Worker(strange, home).work_off()
    assert strange.status(id).state == "done"
    assert not strange.waiting()
    assert strange.status("plug-in").state == "waiting"  # for a worker that has the plug-in
    assert rows(strange) == before


def test_everything_else_of_the_store_is_read(strange, registered):
    """Lists, plans, the pace of points: as if the strange rows were not there."""
    assert {s.id for s in strange.statuses("Run")}.isdisjoint(newer(registered.run()))
    assert [strange.status(id) for id in newer(registered.run()) if id != "plug-in"] == [None] * 8
    assert "/newer.safetensors" not in {f.path for f in strange.checkpoints()}
    assert strange.field("f") is None
    assert strange.plan("newer-plan") is None
    assert strange.pace(registered.field()) is None


def test_the_command_lists_them(strange, home):
    """`loss-explorer runs` says which it cannot read."""
    text = command("runs")
    assert "newer-kind" in text
    assert "unreadable" in text
