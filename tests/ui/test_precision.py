"""Previews on the pages: asked for in the form, said wherever they are shown, and quoted only by what was measured again in float32."""

from dataclasses import replace
from io import StringIO

import pandas as pd
import pytest

from explorer.api import loaded
from explorer.core import registry
from explorer.core.points import Points
from explorer.core.spec import Run
from explorer.figures import line
from explorer.stats import line_words
from explorer.stats.barriers import barrier, level
from explorer.stats.preview_confirmation import confirmed, exact
from explorer.ui.landscape import export as landscape_export
from explorer.ui.landscape import form as landscape_form
from explorer.ui.landscape.picture import Picture, Style, current_view
from explorer.ui.paths import form as paths_form
from tests.ui.conftest import button, words


def precision(app):
    """The choice in the form."""
    return next(s for s in app.selectbox if s.label == "Precision")


def both(store, field):
    """The points of a preview, and those of its twin."""
    return store.points(field.id)[0], store.points(exact(field).id)[0]


def test_a_preview_of_a_line_is_asked_for_and_quotes_the_barrier_in_float32(visit, registered, store, work):
    """Off by default, one choice in the form; the headline, the words and the table are those of the twin, and the difference is told."""
    a, b = registered.field().corners
    app = visit("interpolate", a=a.digest, b=b.digest)
    assert precision(app).value == "float32"
    assert not any("TF32" in o for o in precision(app).options), "no GPU serves"
    precision(app).select("bfloat16").run()
    assert "has not been measured here yet" in words(app)
    button(app, "Explore").click().run()
    assert not app.exception
    (run,) = (s.request for s in store.statuses("Run") if s.request.field.precision == "bfloat16")
    app = visit("interpolate", run=run.id)
    assert "The picture is a bfloat16 preview." not in words(app), "nothing is there yet"
    work()
    app = visit("interpolate", run=run.id)
    assert not app.exception
    assert precision(app).value == "bfloat16"
    preview, twin = both(store, run.field)
    assert len(twin) < len(preview)
    found = barrier(twin)
    assert app.metric[0].value == f"{found.height.parts()[0]} nat"
    assert "[{1}, {2}]".format(*found.height.parts()) in words(app)
    said = words(app)
    assert "The picture is a bfloat16 preview. Every quoted value was measured again in float32" in said
    assert f"differ by at most {confirmed(preview, twin).apart[0]:.2g} nat of loss" in said
    assert line_words.explain(exact(run.field), twin, "loss").partition(" Between the ")[0] in said
    assert line_words.unseen(run.field, preview, "loss") in said, "of all points of the preview, not of the few that were measured again"
    assert "times as long as a float32 one" in said
    table = pd.DataFrame(line.table(run.field, preview, confirmed(preview, twin)))
    assert list(table.precision) == ["bfloat16"] * len(preview) + ["float32"] * len(twin)
    assert list(pd.read_csv(StringIO(table.to_csv(index=False))).columns)[-1] == "precision"


def test_a_line_that_is_still_a_mere_preview_quotes_nothing(visit, registered, store, home):
    """No barrier, no chord: only what is to come."""
    from explorer.engine.run_loop import keep

    run = registered.run(precision="bfloat16")
    store.submit(run)
    keep(run, store, home, report=lambda *said: "float32" not in said[3])
    app = visit("interpolate", run=run.id)
    assert not app.exception
    assert app.metric[0].value == "…"
    assert "are measured again in float32 when it is complete" in words(app)
    drawn = line.curve(run.field, store.points(run.field.id)[0], "loss")
    assert (drawn.chord, drawn.peak) == (None, None)
    assert drawn.name.endswith("(bfloat16 preview)")


def test_a_model_picked_in_a_preview_is_measured_in_float32(visit, registered, store, work):
    """A click asks the twin, and shows its number."""
    run = registered.run(precision="bfloat16")
    store.submit(run)
    work()
    app = visit("interpolate", run=run.id, t="0.3")
    work()
    app.run()
    assert not app.exception
    preview, twin = both(store, run.field)
    (at,) = (i for i, t in enumerate(twin.coords.ravel()) if t == 0.3)
    assert 0.3 not in preview.coords.ravel()
    there = level(Points(twin.coords[[at]], twin.values[[at]], twin.counts))
    assert f"{there.parts()[0]} nat" in [m.value for m in app.metric]


def test_a_preview_of_a_plane_quotes_its_lowest_and_highest_place_in_float32(visit, registered, store, work):
    """And reads nothing off its cells. The axis, the name, the words and the table say what it is."""
    run = landscape_form.around(registered.problem.spec, loaded(registered.a), registry.method("direct", "random"), landscape_form.wide(0.5), size=5)
    run = replace(run, field=replace(run.field, precision="bfloat16"))
    store.submit(run)
    work()
    app = visit("landscape", runs=run.id, picture="relief")
    assert not app.exception
    _, twin = both(store, run.field)
    low, high = (level(Points(twin.coords[[k]], twin.values[[k]], twin.counts)).parts()[0] for k in twin.means()[:, 0].argsort()[[0, -1]])
    said = words(app)
    assert f"The lowest measured loss is **{low} nat**" in said
    assert f"the highest {high} nat" in said
    assert "bfloat16 preview" in landscape_form.name_of(run)
    seen = current_view(store, Picture(run, 17), Style("loss", "nat", False, False, False), [])
    assert "bfloat16 preview" in seen.caption(Style("loss", "nat", False, False, False))
    assert landscape_form.triangle(run, 8).field.precision == "float32"
    assert line.y_title(run.field, "loss") == "test loss, bfloat16 preview (nat)"
    table = landscape_export._table([(Picture(run, 17), seen)])
    assert set(table.precision) == {"bfloat16", "float32"}
    precision(app).select("bfloat16").run()
    button(app, "Draw").click().run()
    assert any(
        s.request.field.precision == "bfloat16" and s.request.sampler["size"] == 17
        for s in store.statuses("Run")
        if "size" in s.request.sampler.kwargs()
    )


def test_ways_in_a_preview_are_compared_by_their_float32_numbers(visit, registered, store, work):
    """The row of a way is marked; its barrier and its maximum are the twin's; a mean over a few places is not told."""
    first = loaded(registered.a)
    app = visit("paths", a=first.digest, b=loaded(registered.b).digest)
    next(m for m in app.multiselect if m.label == "Paths from A to B").set_value(["straight line"]).run()
    precision(app).select("bfloat16").run()
    button(app, "Compare").click().run()
    work()
    app.run()
    assert not app.exception
    (run,) = (s.request for s in store.statuses("Run") if s.request.field.precision == "bfloat16")
    assert paths_form.name_of(run) == "straight line"
    row = app.dataframe[0].value.iloc[0]
    _, twin = both(store, run.field)
    assert row["path"] == "straight line (bfloat16 preview)"
    assert row["barrier (nat), 95 %"] == barrier(twin).height.formatted()
    assert row["path mean (nat)"] == ""


@pytest.mark.parametrize(
    ("page", "query"),
    [("interpolate", "ab"), ("align", "ab"), ("paths", "ab"), ("landscape", "a"), ("soup", "a"), ("compare", "a"), ("train", "")],
)
def test_every_start_button_says_what_it_will_take(visit, registered, page, query):
    """Points, samples, memory and bytes under the form; the time is left open where nothing was measured, and so is that of an alignment or a training."""
    ends = {"a": loaded(registered.a).digest, "b": loaded(registered.b).digest}
    app = visit(page, **{k: ends[k] for k in query})
    assert not app.exception
    (said,) = (c.value for c in app.caption if c.value.startswith(":material/schedule:"))
    started = page == "train" and said.endswith("All of this is measured already.")  # its first picture ships measured
    assert started or ("point" in said and "samples" in said and "of weights mixed" in said), said


def test_the_plan_follows_what_is_measured_and_what_is_unknown(visit, registered, store, work):
    """Time not known → all of it is there; a model that nobody looked at cannot be estimated."""
    a, b = registered.field().corners
    app = visit("interpolate", a=a.digest, b=b.digest)
    assert "about 20, up to 151 points on 539 samples · time not known yet" in words(app)
    store.submit(Run(registered.field(), registry.method("sample", "adaptive")))
    app.run()
    assert "This has been started" in words(app)
    assert "measured already" not in words(app)
    work()
    app.run()
    assert "This has been started" not in words(app)
    assert "All of this is measured already." in words(app)
    store.submit(Run(registered.field(), registry.method("sample", "grid", {"size": 77})))
    app.run()
    assert "All of this is measured already; more points of it are still to come" in words(app)
    store.unregister(str(registered.b))
    run = registered.run(size=9)
    store.submit(run)
    app = visit("interpolate", run=run.id)
    assert "cannot be estimated: not all of these models have been inspected yet" in words(app)
