"""What the models along a line answer is worked out once, after the line, and told to its curve."""

import json

from explorer.core.spec import Study


def asked(store, tiny):
    """The requests for answers along a path, but those that ship."""
    found = [s.request for s in store.statuses("Study") if isinstance(s.request, Study) and s.request.method.name == "along"]
    return [request for request in found if request.problem == tiny.problem.spec]


def told(app):
    """What the page's first curve is told of answers."""
    (picture, *_) = app.get("bidi_component")
    return json.loads(picture.proto.json)["answers"]


def test_a_measured_line_gets_its_answers_by_itself_and_once(visit, registered, store, work):
    """Their place is kept while they are worked out; a second visit asks for nothing."""
    id = store.submit(registered.run(size=9))
    work()
    app = visit("interpolate", run=id)
    assert not app.exception
    assert len(asked(store, registered)) == 1
    assert told(app)["x"] == [] and told(app)["title"] == "What the models between a and b answer"
    work()
    app = visit("interpolate", run=id)
    assert not app.exception
    seen = told(app)
    assert seen["x"] == [k / 8 for k in range(9)]
    assert len(seen["wrong"]) == 9 and max(seen["wrong"]) > 0 and seen["counts"] is not None and seen["samples"]
    assert len(asked(store, registered)) == 1


def test_a_line_that_takes_long_is_asked_for(visit, registered, store, work, monkeypatch):
    """Nothing is drawn in its place; a button has it."""
    id = store.submit(registered.run(size=9))
    work()
    monkeypatch.setattr("explorer.ui.frame.auto_start.PATIENCE_S", 0.0)
    app = visit("interpolate", run=id)
    assert told(app) is None and not asked(store, registered)
    next(b for b in app.button if b.label == "Show the answers along the path").click().run()
    assert not app.exception
    work()
    assert len(told(visit("interpolate", run=id))["x"]) == 9
