"""More models than have room as chips: found, chosen, listed, compared and cooked; nothing refuses the twenty-first."""

import json
from dataclasses import replace

import pytest

from explorer.core import registry
from explorer.core.spec import Field, Loaded, Look, Run
from explorer.figures.model_map import ends_of
from explorer.stats import model_pairs
from explorer.ui.checkpoints.view import _alike
from explorer.ui.compare.form import Comparison
from explorer.ui.paths import many_pairs
from explorer.ui.soup.measurements import Kitchen
from explorer.ui.widgets.choose_models import matching
from explorer.ui.widgets.uploads import keep_all
from tests import many_models
from tests.ui.conftest import button, click, words

COUNT = 24
NAMES = {str(k): name for k, name in enumerate(["parent", "tune-1", "tune-2", "moved-010", "moved-011"])}


@pytest.fixture
def family(store, work, tmp_path):
    """As many registered models, of one family."""
    many_models.write(tmp_path / "family", COUNT)
    store.submit(Look(str(tmp_path / "family")))
    work()
    return tuple(Loaded(f.digest, path=f.path, name=f.name, half=f.half) for f in store.checkpoints() if str(tmp_path) in f.path)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("", "01234"),
        ("tune", "12"),
        ("TUNE-?", "12"),
        ("2-3", "12"),
        ("newest 2", "34"),
        ("parent, newest 1", "04"),
        ("!moved-*", "012"),
        ("*, !tune", "034"),
        ("nothing like it", ""),
    ],
)
def test_a_line_names_models_by_name_pattern_place_and_age(line, found):
    """In the order of the list, each once."""
    assert "".join(matching(line, NAMES)) == found


def test_what_is_found_is_chosen_at_once(visit, family):
    """Those of a pattern, then all 24 by their places; with many there are no chips that push the picture down, and their number is said."""
    app = visit("soup", a=family[0].digest)
    assert not app.exception
    find = next(t for t in app.text_input if t.label == "Find")
    find.set_value("moved").run()
    button(app, "Add").click().run()
    assert not app.exception
    assert f"{COUNT - 9} of " in words(app)
    next(t for t in app.text_input if t.label == "Find").set_value(f"1-{COUNT}").run()  # the family's own stand before those of other folders
    button(app, "Only these").click().run()
    assert not app.exception
    assert f"{COUNT} chosen" in words(app)
    assert not [m for m in app.multiselect if m.label == "Ingredients"]
    assert not button(app, "Measure").disabled


def test_a_soup_of_twenty_four_says_how_many_orders_were_drawn(visit, store, work, family):
    """Greedy path, ranked picture, sortable numbers; draws in rounds until they are enough or the budget is spent."""
    kitchen = Kitchen(many_models.problem(), family, orders=8)
    for task in kitchen.tasks():
        store.submit(task.run)
    work()
    app = visit("soup", runs=kitchen.tasks()[0].run.id, orders="8")
    work()
    app.run()
    assert not app.exception
    assert "random orders" in words(app)
    table = next(d.value for d in app.dataframe if "in" in d.value)
    assert len(table) == COUNT
    assert table["Shapley value"].dtype.kind == "f"
    assert table["Shapley value, 95 %"].str.startswith("[").all()


def test_pairs_of_twenty_four_begin_with_some_and_end_with_all(visit, store, work, family):
    """What the random pairs say of all; then every one of the 276."""
    part = many_pairs.first(store, many_models.problem(), family, 40)
    store.submit(part.run)
    work()
    app = visit("paths", view="many", runs=part.run.id)
    assert not app.exception
    assert "drawn at random" in words(app)
    button(app, "Measure all 276 pairs").click().run()
    work()
    app.run()
    assert not app.exception
    assert "of 276 measured pairs" in words(app)
    assert "drawn at random" not in words(app)


def test_pairs_of_twenty_four_are_shown_by_any_metric(visit, store, work, family):
    """Accuracy falls where the error rises, from the same points; a Brier score is measured for at the same places."""
    part = many_pairs.first(store, many_models.problem(), family, 10)
    store.submit(part.run)
    work()
    tables = {}
    for metric in ("error", "accuracy", "brier"):
        visit("paths", view="many", runs=part.run.id, metric=metric)
        work()
        app = visit("paths", view="many", runs=part.run.id, metric=metric)
        assert not app.exception
        tables[metric] = next(d.value for d in app.dataframe if "A" in d.value)
    error, accuracy, brier = (t.set_index(["A", "B"]).sort_index() for t in tables.values())
    assert (error["Rise in the middle (points of error)"] - accuracy["Fall in the middle (points)"]).abs().max() < 1e-9
    assert len(brier["Rise in the middle (Brier score)"]) == len(error)


def test_of_chosen_pairs_nothing_is_said_of_all(visit, store, work, family):
    """Without one that was drawn at random."""
    far = [k for a, b in reversed(model_pairs.drawn(COUNT, COUNT**2)[-5:].tolist()) for k in (a, b)]
    lines = Field(many_models.problem(), family, registry.method("chart", "mixture"))
    store.submit(run := Run(lines, registry.method("sample", "pairs", {"of": tuple(far)})))
    work()
    app = visit("paths", view="many", runs=run.id)
    assert not app.exception
    assert "of 5 measured pairs" in words(app)
    assert "drawn at random" not in words(app)


def test_the_map_is_drawn_once_it_is_opened_and_asks_for_the_lines_that_tell_most(visit, store, work, family):
    """Basins at a threshold, with how certain they are; a press measures more lines, which the picture then has; those of a clicked model are listed."""
    part = many_pairs.first(store, many_models.problem(), family, 10)
    store.submit(part.run)
    work()
    app = visit("paths", view="many", runs=part.run.id)
    assert not app.exception
    before = len(part.run.sampler["of"]) // 2
    app.session_state["many-map-part"] = True
    app.run()
    assert not app.exception
    assert [c for c in app.get("plotly_chart") if "many-map" in c.proto.id]
    assert "basins" in words(app)
    more = next(b for b in app.button if b.label.startswith("Measure") and "least certain" in b.label)
    more.click().run()
    assert not app.exception
    after = store.status(app.query_params["runs"]).request.sampler["of"]
    assert len(after) // 2 > before
    assert len({tuple(sorted(after[k : k + 2])) for k in range(0, len(after), 2)}) == len(after) // 2
    work()
    app.run()
    assert not app.exception
    assert f"{len(after) // 2:,} of" in words(app)


@pytest.fixture
def mapped(visit, store, work, family):
    """The page of some measured pairs, with its map open."""
    part = many_pairs.first(store, many_models.problem(), family, 10)
    store.submit(part.run)
    work()
    app = visit("paths", view="many", runs=part.run.id)
    app.session_state["many-map-part"] = True
    app.run()
    assert not app.exception
    return app


def _figure(app):
    """What the map shows, as Plotly was told."""
    (shown,) = (p for p in app.get("plotly_chart") if "many-map" in p.proto.id)
    return json.loads(shown.proto.spec)


def _marks(app):
    """The models' marks, of all groups."""
    return [t for t in _figure(app)["data"] if t.get("mode") == "markers" and t["marker"].get("symbol") != "diamond" and "customdata" in t]


def test_picked_models_lead_to_one_to_the_line_of_two_and_to_the_plane_of_three(mapped, work, family):
    """A click picks a model, a second takes it back; names do the same; of one alone the panel shows what it is worth."""
    click(mapped, "plotly_chart", [{"customdata": [4]}], "many-map")
    assert not mapped.exception
    assert f"The model**: {family[4].name}" in words(mapped)
    work()
    mapped.run()
    assert "95 % interval" in words(mapped)
    picker = next(m for m in mapped.multiselect if m.label == "Picked models")
    assert picker.value == [4]
    picker.set_value([4, 7]).run()
    assert "The line between these two" in [link.proto.label for link in mapped.get("page_link")]
    click(mapped, "plotly_chart", [{"customdata": [9]}], "many-map")
    plane = next(link.proto for link in mapped.get("page_link") if link.proto.label == "The plane of these three")
    assert [family[k].digest for k in (4, 7, 9)] == [part.split("=")[1] for part in plane.query_string.split("&")]


def test_a_line_that_is_clicked_is_opened(mapped, family):
    """On Interpolate, between its two models."""
    (number, *_) = next(t for t in _figure(mapped)["data"] if t.get("marker", {}).get("symbol") == "diamond")["customdata"]
    i, j = ends_of(number, COUNT)
    click(mapped, "plotly_chart", [{"customdata": [number]}], "many-map")
    assert not mapped.exception
    assert mapped.query_params["a"] == family[i].digest
    assert mapped.query_params["b"] == family[j].digest


def test_marks_have_the_size_of_sharpness_once_it_is_measured(mapped, work):
    """Before they are alike; the button is gone when the numbers are there, and colours may go by them or by groups."""
    assert {size for t in _marks(mapped) for size in t["marker"]["size"]} == {9.0}
    button(mapped, "Measure sharpness").click().run()
    work()
    mapped.run()
    assert not mapped.exception
    assert len({size for t in _marks(mapped) for size in t["marker"]["size"]}) > COUNT // 2
    assert "Measure sharpness" not in [b.label for b in mapped.button]
    assert "Size: by how much the train loss rises" in words(mapped)
    colour = next(c for c in mapped.get("button_group") if c.label == "Colour")
    colour.set_value("name").run()
    assert not mapped.exception
    assert any(t["name"] == f"moved ({COUNT - 9})" for t in _marks(mapped))


def test_twenty_four_are_compared_without_a_method(visit, store, work, family):
    """The answer first: which, by how much, and how many cannot be told from it."""
    comparison = Comparison.between(many_models.problem(), family, ())
    for task in comparison.tasks():
        store.submit(task.run)
    work()
    app = visit("compare", runs=",".join(e.run.id for e in comparison.entries))
    assert not app.exception
    assert "cannot be told from it" in words(app)
    table = next(d.value for d in app.dataframe if "indistinguishable from the best" in d.value)
    assert len(table) == COUNT
    assert table["minus the best ingredient (points)"].dtype.kind == "f"


def test_checkpoints_are_filtered_and_named_together(visit, store, family):
    """24 rows, fifteen of a pattern; what a look found is said once for all that are alike."""
    app = visit("checkpoints")
    assert not app.exception
    next(t for t in app.text_input if t.label == "Filter").set_value("moved").run()
    assert not app.exception
    assert f"{COUNT - 9} of {COUNT}" in words(app)
    own = [f for f in store.checkpoints() if f.path in {m.path for m in family}]
    assert [len(alike) for alike in _alike(own)] == [COUNT]
    assert [len(alike) for alike in _alike(own[:3])] == [1, 1, 1], "a few have a sentence each"
    assert [len(alike) for alike in _alike([replace(f, problem=None, why="unknown") for f in own[:2]])] == [2], "what none of them is is said once"


def test_files_uploaded_together_are_one_folder(home):
    """Else each would be a family of its own; the same two again take no more room."""
    files = [("a.safetensors", b"a"), ("b.safetensors", b"b")]
    folder = keep_all(files)
    assert sorted(p.name for p in folder.iterdir()) == ["a.safetensors", "b.safetensors"]
    assert keep_all(files) == folder
    assert keep_all(files[:1]).is_file()


def test_what_all_files_of_a_family_share_is_said_once(visit, store, family):
    """Above the table, which has columns for what differs."""
    app = visit("checkpoints")
    (table,) = (d.value for d in app.dataframe if "test accuracy" in d.value)
    assert not {"parameters", "precision", "recognised as", "notes"} & set(table)
    assert "path" in table
    assert "8,970 parameters; float32; recognised as" in words(app)
