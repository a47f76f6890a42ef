"""The Landscape page: a first picture at once, planes of every kind, the model at a place."""

import dataclasses
import json
import re
import shutil

import numpy as np
import pytest

from explorer.api import loaded
from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.spec import Look
from explorer.figures.told import shades
from explorer.ui.charts.triangle import lattice
from explorer.ui.frame import auto_start
from explorer.ui.landscape import form as landscape_form
from explorer.ui.landscape.form import COARSE
from explorer.ui.landscape.picture import Picture, Style, current_view
from explorer.ui.widgets.model_picker import key_of
from tests.ui.conftest import click, words


def button(app, label):
    """The button whose label begins so."""
    return next(b for b in app.button if b.label.startswith(label))


def told(app):
    """What the page's picture is told, without its bytes."""
    picture = next(p for p in app.get("bidi_component") if p.proto.component_name.endswith("plane")).proto
    length = int.from_bytes(picture.bytes[:4], "little")
    return json.loads(picture.bytes[4 : 4 + length])


def three(tiny, store, work):
    """The tiny checkpoints and a third one, in a folder of their own, registered."""
    folder = tiny.folder.parent / "three"
    files = tuple(folder / f"{name}.safetensors" for name in "abc")
    if not folder.exists():
        shutil.copytree(tiny.folder, folder)
        a, b = (checkpoint_file.read(p).weights for p in files[:2])
        checkpoint_file.write(files[2], {k: a[k].flip(0).contiguous() + 0.1 * b[k] for k in a})
    store.submit(Look(str(folder)))
    work()
    return tuple(map(loaded, files))


def test_the_first_visit_shows_a_shipped_plane(visit):
    """Measured beforehand: nobody works, and the picture is there."""
    app = visit("landscape")
    assert not app.exception
    assert "The lowest measured loss is" in words(app)
    assert "seed-0 and seed-1" in words(app)


def test_the_colours_are_those_of_the_address(visit):
    """Cividis, unless another scale is chosen; one that there is not leaves the picture as it was."""
    first, chosen, unknown = (visit("landscape", **asked) for asked in ({}, {"colours": "Viridis"}, {"colours": "Jet"}))
    assert not (first.exception or chosen.exception or unknown.exception)
    assert [app.session_state["colours"] for app in (first, chosen, unknown)] == ["Cividis", "Viridis", "Cividis"]
    assert "rgb(68, 1, 84)" in shades("Viridis")[0] and shades("Cividis")[0] != shades("Viridis")[0]


def test_a_plane_of_three_models_is_drawn_and_refined_by_itself(visit, store, work, tiny, monkeypatch):
    """Coarse, then more points where they are needed, then a finer grid, without asking because it is quick, as it is where nothing else is computed."""
    monkeypatch.setattr(auto_start, "PATIENCE_S", 1000.0)
    models = three(tiny, store, work)
    run = landscape_form.through(tiny.problem.spec, models)
    store.submit(run)
    work()
    app = visit("landscape", runs=run.id)
    assert not app.exception
    assert store.status(landscape_form.refined(run).id).state == "waiting"
    assert store.status(landscape_form.finer(run, 33).id) is None
    work()
    app.run()
    assert not app.exception
    assert store.status(landscape_form.finer(run, 33).id).state == "waiting"
    assert "dimensions" in words(app)


def test_a_refined_plane_says_how_wrong_it_may_be_and_cells_say_nothing_of_it(visit, store, work, tiny):
    """The certificate stands under the picture (which is drawn in the browser), as long as a preview is what is shown."""
    run = landscape_form.through(tiny.problem.spec, three(tiny, store, work))
    store.submit(landscape_form.refined(run))
    store.submit(run)
    work()
    smooth, cells = (Style("loss", "nat", True, "relief", smooth) for smooth in (True, False))
    said = [current_view(store, Picture(run, COARSE), style, []).caption(style) for style in (smooth, cells)]
    assert re.search(r"certified by \d+ held-out random ones: .* rms, 95 % interval", said[0])
    assert "cells measured on" in said[1]
    assert "certified" not in said[1]


def test_the_view_is_that_of_the_address(visit, store, work, tiny):
    """Map, relief and, of three models, their triangle are one picture, which switches by itself."""
    run = landscape_form.through(tiny.problem.spec, three(tiny, store, work))
    store.submit(run)
    work()
    for picture, shown in (("map", "map"), ("relief", "relief"), ("triangle", "triangle"), ("unknown", "map")):
        app = visit("landscape", runs=run.id, picture=picture)
        assert not app.exception
        assert told(app)["view"] == shown
        assert told(app)["mixtures"]["names"] == ["a", "b", "c"]


def test_a_plane_from_one_model_towards_two_has_the_first_in_its_middle(visit, store, work, tiny):
    """Any two models give the directions; all three stand in the picture, and the code makes it again."""
    models = three(tiny, store, work)
    run = landscape_form.towards(tiny.problem.spec, models, landscape_form.wide(1.5))
    store.submit(run)
    work()
    app = visit("landscape", runs=run.id)
    assert not app.exception
    assert landscape_form.name_of(run) == "a, towards b and c"
    assert "towards=(" in app.code[0].value
    points, _ = store.points(run.field.id)
    a = next(s for s in store.field(run.field.id).facts["alone"])
    assert points.means()[np.flatnonzero((points.coords == 0.5).all(axis=1))[0]] == pytest.approx(a)


def test_a_place_of_the_address_is_the_model_there(visit, store, work, tiny):
    """Quality, distances to the corners, and its mistakes when somebody asks."""
    models = three(tiny, store, work)
    run = landscape_form.through(tiny.problem.spec, models)
    store.submit(run)
    work()
    app = visit("landscape", runs=run.id, at="0.5,0.5", of="0")
    assert not app.exception
    work()
    app.run()
    assert "The model at u = 0.5, v = 0.5" in words(app)
    assert "Distance to a" in words(app)
    button(app, "Show its mistakes").click().run()
    work()
    app.run()
    assert not app.exception
    assert "samples wrong" in words(app)


def test_random_directions_with_several_seeds_stand_side_by_side(visit, store, work, tiny):
    """One picture for each, around the same model; the first is the model itself."""
    three(tiny, store, work)
    runs = [
        landscape_form.around(tiny.problem.spec, loaded(tiny.a), registry.method("direct", "random", {"seed": s}), landscape_form.wide(0.5))
        for s in (0, 1)
    ]
    for run in runs:
        store.submit(run)
    work()
    app = visit("landscape", runs=",".join(r.id for r in runs))
    assert not app.exception
    assert "seed 0" in words(app)
    assert "seed 1" in words(app)
    middle = [store.points(r.field.id)[0] for r in runs]
    centre = [p.means()[np.flatnonzero((p.coords == 0.5).all(axis=1))[0], 0] for p in middle]
    assert centre[0] == centre[1], "both planes go through the same model"


def test_an_address_with_nonsense_leaves_a_page(visit, store, work, tiny):
    """Unknown runs, a place that is no number, a plane that is not there."""
    for query in ({"runs": "feed"}, {"at": "a,b"}, {"at": "0.5,0.5", "of": "7"}, {"at": "nan,inf"}):
        app = visit("landscape", **query)
        assert not app.exception


def test_a_link_from_any_model_begins_a_plane_through_three(visit, store, work, tiny):
    """Wherever that model stands among the others; the same model twice is said, and not drawn."""
    for model in three(tiny, store, work):
        app = visit("landscape", a=model.digest)
        a, b, c = (next(s for s in app.selectbox if s.label == label) for label in "ABC")
        assert a.value == key_of(model)
        assert len({a.value, b.value, c.value}) == 3
        assert not button(app, "Draw").disabled
    b.select(a.value).run()
    assert "is chosen twice" in words(app)
    assert button(app, "Draw").disabled


def test_a_plane_without_labels_is_asked_for_in_the_form(visit, store, work, tiny):
    """Loss → divergence → Explore: the plane of distances from the first model, which is 0 there; the form remembers the choice."""
    models = three(tiny, store, work)
    app = visit("landscape", a=models[0].digest)
    loss = next(s for s in app.selectbox if s.label == "Loss")
    assert loss.value == "cross_entropy"
    loss.select("divergence").run()
    button(app, "Draw").click().run()
    assert not app.exception
    (run,) = (s.request for s in store.statuses("Run") if s.request.field.problem.loss == "divergence")
    assert run.field.problem.data == tiny.problem.spec.data
    work()
    app = visit("landscape", runs=run.id)
    assert not app.exception
    assert next(s for s in app.selectbox if s.label == "Loss").value == "divergence"
    alone = store.field(run.field.id).facts["alone"]
    assert alone[0][0] == pytest.approx(0, abs=1e-6) and min(row[0] for row in alone[1:]) > 0.01


def test_a_plane_is_drawn_by_any_metric_of_its_problem(visit, store, work, tiny):
    """Accuracy is made of what is there; for a Brier score the plane is measured again, by itself as it is quick, and picture, words and data follow."""
    run = landscape_form.through(tiny.problem.spec, three(tiny, store, work))
    store.submit(run)
    work()
    app = visit("landscape", runs=run.id, metric="accuracy")
    assert not app.exception
    assert re.search(r"The highest measured accuracy is \*\*[\d.]+ %\*\* \[", words(app))
    scored = landscape_form.measured_for(run, "brier")
    assert landscape_form.measured_for(run, "accuracy") == run and store.status(scored.id) is None
    app.selectbox(key=next(s.key for s in app.selectbox if s.label == "Metric")).select("brier").run()
    assert store.status(scored.id).state == "waiting"
    work()
    app = visit("landscape", runs=run.id, metric="brier", at="0.5,0.5", of="0")
    work()
    app.run()
    assert not app.exception
    assert "The lowest measured Brier score is" in words(app)
    assert {"test loss", "test accuracy", "test Brier score", "test overconfidence"} <= {m.label for m in app.metric}
    assert "scores=True" in app.code[0].value and "figure('brier')" in app.code[0].value


def test_the_triangle_of_the_plane_is_measured_by_itself(visit, store, work, tiny):
    """Of the same three models: corners are the models, marks the mixtures, told to the same picture as map and relief."""
    run = landscape_form.through(tiny.problem.spec, three(tiny, store, work))
    store.submit(run)
    work()
    app = visit("landscape", runs=run.id, picture="triangle", metric="accuracy")
    request = landscape_form.triangle(run, 8)
    assert store.status(request.id).state == "waiting"
    work()
    app.run()
    assert not app.exception
    assert "The highest test accuracy (%) is" in words(app)
    points, _ = store.points(request.field.id)
    assert len(points) == 45
    alone = store.field(request.field.id).facts["alone"]
    for place, own in zip(([0, 0], [1, 0], [0, 1]), alone, strict=True):
        assert points.means()[np.flatnonzero((points.coords == place).all(axis=1))[0]] == pytest.approx(own)
    mixtures = told(app)["mixtures"]
    assert np.array(mixtures["shares"]) == pytest.approx(lattice(8))
    index = request.field.metrics.index("error")
    for place, value in zip(mixtures["shares"], mixtures["values"], strict=True):
        (row,) = np.flatnonzero(np.abs(points.coords - place[1:]).max(axis=1) < 1e-12)
        assert value == pytest.approx(100 * (1 - points.means()[row, index]))


@pytest.mark.parametrize("name", ["sharpness", "spectrum", "similarity"])
def test_the_shape_around_the_models_is_measured_once_somebody_opens_the_panel(visit, store, work, tiny, name):
    """Sharpness by three measures for each model with intervals, the Hessian's eigenvalues with their words."""
    models = three(tiny, store, work)
    store.submit(run := landscape_form.through(tiny.problem.spec, models))
    work()
    app = visit("landscape", runs=run.id)
    assert not [b for b in app.button if b.label == "Measure"]
    app.session_state[f"{name}-study"] = True
    app.run()
    button(app, "Measure").click()
    app.run()
    assert not app.exception
    work()
    app.run()
    assert not app.exception
    if name == "sharpness":
        (table,) = [frame.value for frame in app.dataframe if "model" in frame.value]
        assert list(table["model"]) == [m.name for m in models for _ in range(3)]
        assert all(re.fullmatch(r"−?[\d.e+−-]+ \[.*\]", cell) for cell in table["worst rise, r = 0.1"])
    elif name == "similarity":
        (table,) = [frame.value for frame in app.dataframe if "distance of weights" in frame.value]
        assert len(table) == 3
        (cells,) = [table[name] for name in table if name.startswith("debiased CKA, ")]
        assert all(re.fullmatch(r"−?[\d.]+ \[.*\]", cell) for cell in cells)
        assert len([key for chart in app.get("plotly_chart") if "similarity-" in (key := chart.proto.id)]) == 3
        click(app, "plotly_chart", [{"customdata": [1]}], "similarity-functions")
        assert not app.exception
        assert [app.query_params[end] for end in "ab"] == [key_of(models[0]), key_of(models[2])]
    else:
        assert len([key for chart in app.get("plotly_chart") if "spectrum" in (key := chart.proto.id)]) == 2
        assert "eigenvalue" in words(app)


def test_the_extremes_of_a_picture_on_few_samples_are_decided_on_all(visit, store, work, tiny):
    """The places that few samples do not tell apart are measured on all; the words quote that, and what a run on all samples finds there."""
    run = landscape_form.through(tiny.problem.spec, three(tiny, store, work), samples=32)
    store.submit(run)
    app = visit("landscape", runs=run.id)
    for _ in range(3):  # coarse, refined, finer
        work()
        app.run()
    third = tiny.folder.parent / "three" / "c.safetensors"
    away = third.rename(third.with_suffix(".away"))
    button(app, "All samples where they matter").click()
    app.run()
    assert "on all samples" in "".join(p.text for p in app.get("progress"))
    work()
    away.rename(third)
    app.run()
    (error,) = app.error
    assert "on all samples**: The checkpoint c is not where it was" in error.value
    button(app, "All samples where they matter").click()
    app.run()
    assert not app.error
    work()
    app.run()
    assert not app.exception
    (said,) = set(
        re.findall(
            r"These two were measured on all (\d+) samples, among (?:the )?(\d+) (?:of the )?points that 32 samples cannot distinguish from them\.",
            words(app),
        )
    )
    every, places = map(int, said)
    assert every == len(tiny.problem.split("test").targets)
    points, _ = store.points(dataclasses.replace(run.field, samples=0).id)
    assert len(points) == places
    (lowest,) = set(re.findall(r"The lowest measured loss is \*\*([\d.]+) nat", words(app)))
    assert float(lowest) == pytest.approx(points.means()[:, 0].min(), abs=0.006)
    assert "All samples where they matter" not in [b.label for b in app.button]
