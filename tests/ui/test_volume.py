"""Volumes on Landscape."""

import json

import numpy as np

from explorer.core import registry
from explorer.core.spec import Shifted
from explorer.store.run_store import RunStore
from explorer.ui.landscape import form, volume
from tests.ui.test_landscape import three, words


def told(app, name):
    """What a component is told as JSON."""
    return json.loads(next(c.proto.json for c in app.get("bidi_component") if c.proto.component_name.endswith(name)))


def around(tiny, store, work, size=3):
    """The run that the form asks for."""
    corners = Shifted.several(tiny.problem.spec, three(tiny, store, work)[0], registry.method("direct", "random", {"seed": 0}), 3)
    return form.box(tiny.problem.spec, corners, around=True, extent=1.0, size=size)


def test_a_volume_is_shown_with_a_slice_its_minima_and_the_picked_model(visit, store: RunStore, work, tiny):
    """Its values are those measured; the picked place is a model; there is no plane for its pictures to talk to."""
    run = around(tiny, store, work)
    store.submit(run)
    work()
    app = visit("landscape", runs=run.id, at="0.5,0.5,0.5", of="0")
    assert not app.exception
    shown = told(app, "volume")
    points = store.points(run.field.id)[0]
    order = np.lexsort(points.coords[:27].T[::-1])
    loss = points.values[:27, 0].sum(axis=1)[order] / points.counts.sum()
    assert np.allclose(shown["values"], loss, rtol=1e-4)
    assert shown["pick"] == [0, 0, 0]
    assert shown["marks"]
    assert "The model at u1 = 0.5, u2 = 0.5, u3 = 0.5" in words(app)
    app.session_state["topology"] = True
    app.run()
    assert not app.exception
    assert told(app, "basins")["plane"] == ""
    assert told(app, "basins")["cells"] is None


def test_a_volume_that_is_not_measured_yet_waits_and_can_be_resumed(visit, store: RunStore, work, tiny):
    """And what is no grid of three coordinates is not drawn as one."""
    run = around(tiny, store, work)
    store.submit(run)
    store.stop(run.id)
    app = visit("landscape", runs=run.id)
    assert not app.exception
    assert any(b.label == "Resume" for b in app.button)
    assert not volume.can(form.through(tiny.problem.spec, three(tiny, store, work)))


def test_the_form_asks_for_a_volume(visit, store: RunStore, work, tiny):
    """Around the first model, along three directions, of two seeds."""
    three(tiny, store, work)
    app = visit("landscape", a=tiny.a)
    next(c for c in app.get("button_group") if c.label == "Plane or volume").set_value(form.BOX_AROUND).run()
    assert not app.exception
    next(b for b in app.button if b.label == "Draw").click().run()
    assert not app.exception
    problem = tiny.problem.spec.id
    (run,) = [s.request for s in store.statuses("Run") if volume.can(s.request) and s.request.field.problem.id == problem]
    assert [type(c).__name__ for c in run.field.corners] == ["Loaded", "Shifted", "Shifted", "Shifted"]
    assert [c.method["seed"] for c in run.field.corners[1:]] == [0, 0, 1]
    assert run.sampler["size"] == form.BOX_SIZE
