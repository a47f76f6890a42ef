"""The Soup page: cook, read what every ingredient is worth, and taste a soup of one's own."""

import json

import numpy as np
import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState

from explorer.api import loaded
from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.spec import Fused, Look
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.stats.soup_analysis import row_of
from explorer.ui.compare.form import Entry
from explorer.ui.soup import view as page
from explorer.ui.soup.measurements import Kitchen, to_the_soup
from explorer.ui.widgets.model_inspector import recipe
from explorer.ui.widgets.recipe_view import file_name
from tests.ui.conftest import click, words
from tests.ui.test_landscape import button, three


def table_with(app, column):
    """The first table of the page that has such a column."""
    return next(d.value for d in app.dataframe if column in d.value)


def test_every_ingredient_has_its_worth(visit, store, work, tiny):
    """Measure → greedy path, leave one out and Shapley values on the validation split, and the soups on the test split."""
    models = three(tiny, store, work)
    app = visit("soup", a=models[0].digest)
    assert not app.exception
    button(app, "Measure").click().run()
    assert not app.exception
    work()
    app.run()
    work()  # the greedy soups on the test split
    app.run()
    assert not app.exception
    splits = {
        s.request.field.split for s in store.statuses("Run") if s.request.field.chart.name == "mixture" and s.request.field.problem.name == "three"
    }
    assert splits == {"val", "test"}
    soups = table_with(app, "soup")
    assert soups["soup"][0].startswith("best alone")
    assert "…" not in "".join(soups["test error (%)"])
    assert list(soups["soup"])[-1].startswith("ensemble of all")
    assert "the best model alone" in words(app)
    points, _ = store.points(
        next(s for s in store.statuses("Run") if s.request.field.split == "val" and s.request.field.problem.name == "three").request.field.id
    )
    assert len(points) == 7 + 9, "all subsets of three models, and three places on each one's way to the soup of all"
    table = table_with(app, "in")
    assert all("[" in text for text in table["barrier to the soup (nat)"])
    assert table["cosine"].between(-1, 1).all()
    assert table["opposite signs (%)"].between(0, 100).all()


def test_a_tick_is_taken_up_before_the_page_is_drawn(visit, store, work, tiny, monkeypatch):
    """The page is drawn once for it, with the soup in its address and its requests put down."""
    models = three(tiny, store, work)
    app = visit("soup", a=models[0].digest)
    button(app, "Measure").click().run()
    drawn, plain = [], page.ingredients
    monkeypatch.setattr(page, "ingredients", lambda *given, **how: drawn.append(given[5]) or plain(*given, **how))
    table = next(e for e in app.dataframe if "in" in e.value and e.proto.id)
    states = app._tree.get_widget_states()  # AppTest has no hand for tables
    edits = {"edited_rows": {"1": {"in": True}, "2": {"in": True, "weight": 2.0}}, "added_rows": [], "deleted_rows": []}
    states.widgets.append(WidgetState(id=table.proto.id, string_value=json.dumps(edits)))
    app._run(states)
    assert not app.exception
    assert drawn == [(0.0, 1.0, 2.0)]
    assert app.query_params["soup"] in ("0,1,2", ["0,1,2"])
    asked = [s.request for s in store.statuses("Run") if s.urgent and s.request.sampler.name == "given"]
    assert sorted((r.field.split, r.field.metrics[0]) for r in asked) == [("test", "confusion"), ("test", "loss"), ("val", "loss")]


def test_the_triangle_of_three_ingredients_is_measured_when_asked_for(visit, store, work, tiny):
    """All 45 soups of eighths, drawn at true distances; the corners are the models alone."""
    from explorer.ui.soup.triangle import grid, soups

    models = three(tiny, store, work)
    kitchen = Kitchen(tiny.problem.spec, models)
    for task in kitchen.tasks():
        store.submit(task.run)
    work()
    app = visit("soup", runs=kitchen.tasks()[0].run.id)
    button(app, "Measure the triangle").click().run()
    work()
    app.run()
    assert not app.exception
    assert "The lowest validation error is" in words(app)
    assert len(grid()) == 45
    assert (grid().sum(axis=1) == 1).all()
    assert (soups(kitchen, [2, 0, 1])[:, 2] == grid()[:, 0]).all()


def test_a_click_in_the_triangle_makes_that_soup_ones_own(visit, store, work, tiny):
    """It stands in the address, is measured on both splits, and looked at."""
    from explorer.ui.soup.triangle import grid

    kitchen = Kitchen(tiny.problem.spec, three(tiny, store, work))
    for task in kitchen.tasks():
        store.submit(task.run)
    work()
    app = visit("soup", runs=kitchen.tasks()[0].run.id)
    button(app, "Measure the triangle").click().run()
    work()
    app.run()
    mark = next(i for i, soup in enumerate(grid().tolist()) if soup == [0.5, 0.125, 0.375])
    click(app, "plotly_chart", [{"curve_number": 0, "point_index": mark, "x": 0.0, "y": 0.0}])
    assert not app.exception
    assert app.query_params["soup"] == "0.5,0.125,0.375"
    work()
    app.run()
    assert not app.exception
    assert "your soup" in list(table_with(app, "soup")["soup"])
    for split in ("val", "test"):
        points, _ = store.points(kitchen.field(split).id)
        assert row_of(points, (0.5, 0.125, 0.375)) is not None
    assert "0.5 a + 0.125 b + 0.375 c" in words(app)
    model = recipe(store, kitchen.field("test"), (0.5, 0.125, 0.375))
    assert file_name(model) == "0.5-a-+-0.125-b-+-0.375-c"
    assert [b.label for b in app.button].count("Save as checkpoint") == 2, "where it is looked at, and where it is exported"
    button(app, "Save as checkpoint").click().run()
    work()
    app.run()
    assert [d.proto.label for d in app.get("download_button")].count("Download .safetensors") == 2, "one file, under one name"
    assert "Save as checkpoint" not in [b.label for b in app.button]


def test_the_barrier_to_the_soup_is_that_of_the_line(tiny, store, work):
    """The same points as on a line from the model to the average, by another road."""
    from explorer.core import registry
    from explorer.core.spec import Field, Fused, Run
    from explorer.stats.barriers import barrier

    models = three(tiny, store, work)
    kitchen = Kitchen(tiny.problem.spec, models)
    for task in kitchen.tasks():
        store.submit(task.run)
    mean = Fused(tiny.problem.spec, models, registry.method("fuse", "uniform_soup"))
    line = Run(
        Field(tiny.problem.spec, (models[1], mean), registry.method("chart", "line"), split="val"), registry.method("sample", "grid", {"size": 5})
    )
    store.submit(line)
    work()
    points, _ = store.points(line.field.id)
    found = to_the_soup(kitchen, store.points(kitchen.field("val").id)[0], 1)
    twin = barrier(points)
    assert [e.value for _, e in found.others] == pytest.approx([e.value for _, e in twin.others], rel=1e-4)
    assert found.height.value == pytest.approx(twin.height.value, abs=1e-6)


def test_a_link_brings_the_own_soup_and_its_model_back(visit, store, work, tiny):
    """Weights, values on both splits, and the model with its distances to the ingredients."""
    models = three(tiny, store, work)

    kitchen = Kitchen(tiny.problem.spec, models)
    for task in kitchen.tasks():
        store.submit(task.run)
    work()
    address = {"runs": kitchen.tasks()[0].run.id, "soup": "1,0.5,0"}
    app = visit("soup", **address)
    assert not app.exception
    work()
    app.run()
    assert not app.exception
    assert "0.667 a + 0.333 b" in words(app)
    assert "your soup" in list(table_with(app, "soup")["soup"])


def test_weights_that_are_no_soup_are_not_asked_for(visit, store, work, tiny):
    """All zero, too few, or no numbers: the page stands without them."""
    models = three(tiny, store, work)

    kitchen = Kitchen(tiny.problem.spec, models)
    for task in kitchen.tasks():
        store.submit(task.run)
    work()
    for soup in ("0,0,0", "1,2", "a,b,c", "1,-1,0", "nan,1,1"):
        app = visit("soup", runs=kitchen.tasks()[0].run.id, soup=soup)
        assert not app.exception
        assert "your soup" not in list(table_with(app, "soup")["soup"])


def test_soups_and_comparisons_of_regressions_go_by_the_loss(visit, store, work, tmp_path):
    """Nothing is right or wrong there: no error is shown, the first turn is that of the lowest loss, and the greedy soup is chosen by it."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x, y=x @ rng.normal(size=(3, 2)).astype(np.float32))
    (tmp_path / "problem.toml").write_text(
        'loss = "mse"\n[network]\nname = "mlp"\nwidths = [3, 8, 2]\n[data]\nname = "npz"\npath = "data.npz"\n', encoding="utf-8"
    )
    problem = Problem(problem_toml.read(tmp_path))
    *_, base = registry.find("train", "sgd")(problem, epochs=2, lr=0.02)
    for i, epochs in enumerate((1, 4, 2)):
        *_, tuned = registry.find("train", "sgd")(problem, base, epochs=epochs, lr=0.02, order_seed=i)
        checkpoint_file.write(tmp_path / f"tune-{i}.safetensors", tuned)
    models = tuple(loaded(tmp_path / f"tune-{i}.safetensors") for i in range(3))
    store.submit(Look(str(tmp_path)))
    kitchen = Kitchen(problem.spec, models)
    for task in kitchen.tasks():
        store.submit(task.run)
    work()
    app = visit("soup", runs=kitchen.tasks()[0].run.id)
    work()
    app.run()
    button(app, "Measure the triangle").click().run()
    work()
    app.run()
    assert not app.exception, app.exception[0].value
    table, soups = table_with(app, "in"), table_with(app, "soup")
    assert not [c for c in (*table.columns, *soups.columns) if "error" in c]
    assert table["val loss"].idxmin() == list(table["turn"]).index(1)
    assert soups["soup"][0] == f"best alone: tune-{table['val loss'].idxmin()}"
    assert "[" in soups["test loss"][2] and "0.00 [0.00, 0.00]" not in words(app)
    assert "of test loss" in words(app) or "The greedy soup consists of the best model alone." in words(app)
    assert "The lowest validation loss is" in words(app)
    entries = [Entry(m, problem.spec) for m in (*models, Fused(problem.spec, models, registry.method("fuse", "uniform_soup")))]
    for entry in entries:
        for split in ("val", "test"):
            store.submit(entry.on(split))
    work()
    app = visit("compare", runs=",".join(e.run.id for e in entries))
    assert not app.exception, app.exception[0].value
    rows = app.dataframe[0].value
    assert not [c for c in rows.columns if "error" in c] and rows["val loss"].is_monotonic_increasing
    assert f"**{rows['model'][0]}** has the lowest validation loss" in words(app)


def test_a_page_that_asks_for_the_greedy_soup_waits_for_it(visit, store, work, tiny):
    """Whoever comes when all else is measured: the page asks for the soups on the test split, and looks again until they are there."""
    kitchen = Kitchen(problem_toml.read(tiny.folder), tuple(three(tiny, store, work)))
    want = [task.run for task in kitchen.tasks()] + kitchen.studies()
    for request in want:
        store.submit(request)
    work()
    assert not page._busy(store, kitchen)
    assert not visit("soup", runs=want[0].id).exception
    assert page._busy(store, kitchen)
    work()
    assert not page._busy(store, kitchen)
    assert "the best model alone" in words(visit("soup", runs=want[0].id))
