"""Several test sets on Compare: the table of models against tasks, interference, and each task's landscape; the same in the report."""

import numpy as np

from explorer.core import locations, registry
from explorer.core.spec import Fused
from explorer.problems import problem_toml
from explorer.ui.compare import tasks
from explorer.ui.compare.form import Comparison
from explorer.ui.compare.report import report
from explorer.ui.compare.table import table
from explorer.ui.compare.view import seen
from tests.ui.conftest import folded, words
from tests.ui.test_landscape import button

FAMILY = locations.root() / "sample_models" / "digits-tasks"


def compared(store, work):
    """The trunk and its three fine-tunes, and their average, measured."""
    from explorer import api

    models = tuple(api.loaded(FAMILY / f"{name}.safetensors") for name in ("trunk", "upright", "turned", "inverted"))
    comparison = Comparison.between(problem_toml.find("digits-tasks"), models, [registry.method("fuse", "task_arithmetic")])
    for task in comparison.tasks():
        store.submit(task.run)
    work()
    return comparison


def test_models_are_told_task_by_task(visit, store, work):
    """Ownership by name, what is left, interference beyond chance, and the planes once they are asked for."""
    comparison = compared(store, work)
    app = visit("compare", runs=",".join(e.run.id for e in comparison.entries))
    assert not app.exception
    assert {"Task by task", "Interference between tasks"} <= folded(app)
    said = words(app)
    assert "upright for upright, turned for turned, inverted for inverted" in said
    assert "Beyond sampling error worse than trunk: inverted on turned" in said
    rows = next(t.value for t in app.dataframe if "mean over tasks" in t.value.columns)
    own = rows[rows["model"] == "turned"].iloc[0]
    assert own["turned: minus its own model"] == "its own"
    assert rows[rows["model"] == "task arithmetic"].iloc[0]["on the front"]
    button(app, "Draw the landscape of each task").click().run()
    work()
    app.run()
    assert not app.exception
    assert "The landscape of each task" in folded(app)


def test_a_notebook_has_the_tables_of_the_page(store, work, home):
    """Values, differences, shares, the front and interference, written as the page writes them."""
    from explorer import api

    comparison = compared(store, work)
    methods, transfer, *_ = tasks.sections(store, comparison, seen(store, comparison))
    models = list(comparison.ingredients)
    found = api.tasks(*models, api.fuse(*models, method="task_arithmetic", problem="digits-tasks"), problem="digits-tasks", home=home)
    assert list(methods.table["model"]) == list(found.table.models) == ["trunk", "upright", "turned", "inverted", "task arithmetic"]
    for _, row in methods.table.iterrows():
        model = row["model"]
        assert row["mean over tasks"] == found.average(model).formatted(scale=100)
        assert row["on the front"] == (model in found.front())
        for task in ("upright", "turned", "inverted"):
            assert row[f"{task}: accuracy (%)"] == found.value(model, task).formatted(scale=100)
            own = found.own(task) == model
            assert row[f"{task}: minus its own model"] == ("its own" if own else found.difference(model, task).formatted(scale=100, signed=True))
            assert row[f"{task}: of its own model (%)"] == ("100" if own else found.left(model, task).formatted(scale=100))
    interference = found.interference()
    for _, row in transfer.table.iterrows():
        for task in ("upright", "turned", "inverted"):
            assert row[f"{task} (points)"] == interference[row["tuned model"]][task].formatted(scale=100, signed=True)
    assert "5 models on 3 tasks" in repr(found)


def test_the_planes_are_the_right_way_round(store, work):
    """Under each task the lowest of the measured points lies nearest to the model that was tuned on it."""
    comparison = compared(store, work)
    for task in tasks.landscapes(comparison):
        store.submit(task.run)
    work()
    known = seen(store, comparison)
    section = next(s for s in tasks.sections(store, comparison, known) if s.title == "The landscape of each task")
    maps = [trace for trace in section.figure.data if trace.type == "heatmap"]
    marks = [trace for trace in section.figure.data if trace.type == "scatter"]
    assert len(maps) == len(marks) == 3
    for number, (plane, models) in enumerate(zip(maps, marks, strict=True)):
        row, column = np.unravel_index(np.argmin(plane.z), plane.z.shape)
        away = np.hypot(np.array(models.x) - plane.x[column], np.array(models.y) - plane.y[row])
        assert int(np.argmin(away)) == number
    rows = table(known, "nat")
    text = report(store, comparison, known, rows, None, None)
    assert "Task by task" in text
    assert "The landscape of each task" in text


def test_a_problem_of_one_task_has_no_such_section(visit, store, work, tiny):
    """Nor a button."""
    from tests.ui.test_landscape import three

    models = three(tiny, store, work)
    fused = Fused(tiny.problem.spec, models, registry.method("fuse", "uniform_soup"), name="uniform soup")
    comparison = Comparison.between(tiny.problem.spec, models, [fused.method])
    assert tasks.landscapes(comparison) == []
    assert tasks.sections(store, comparison, seen(store, comparison)) == []
