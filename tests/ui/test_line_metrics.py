"""Pages of lines and paths offer every metric that suits, and measure them for the one that is asked for."""

import numpy as np

from explorer.api import interpolate
from explorer.core import registry
from explorer.core.spec import Trained
from explorer.stats import metrics
from explorer.stats.barriers import level
from explorer.ui.train.trajectories import Trajectory, values_at
from tests.ui import test_align, test_paths, test_stability
from tests.ui.conftest import words


def number(text: str) -> float:
    return float(text.split(" ")[0].replace("−", "-"))


def test_a_line_is_shown_by_a_metric_that_it_was_not_measured_for(visit, registered, store, home, work):
    """It is measured for it, and the barrier is the one of the api; accuracy needs nothing new, and is said to fall."""
    id = store.submit(registered.run(size=9))
    work()
    visit("interpolate", run=id)
    before = len(store.statuses("Run"))
    app = visit("interpolate", run=id, metric="accuracy")
    assert not app.exception and "falls below the straight line" in words(app)
    assert len(store.statuses("Run")) == before
    visit("interpolate", run=id, metric="brier")
    work()
    app = visit("interpolate", run=id, metric="brier")
    assert not app.exception
    line = interpolate(registered.a, registered.b, problem=registered.folder, metrics=["brier"], sampler="grid", options={"size": 9})
    assert line.barrier("brier").height.parts()[0] in words(app)
    assert "At the measured points the Brier score rises" in words(app)


def test_paths_are_shown_by_any_metric(visit, registered, store, work):
    """The accuracy falls by as much as the error rises, and its worst value is the lowest one; a Brier score is measured for on every path."""
    found = test_paths.ways(registered, "bezier")
    for way in found:
        store.submit(way.run)
    work()
    rows = {}
    for metric in ("error", "accuracy", "brier"):
        visit("paths", runs=test_paths.address(found), metric=metric)
        work()
        app = visit("paths", runs=test_paths.address(found), metric=metric)
        assert not app.exception
        rows[metric] = app.dataframe[0].value.to_dict("list")
    (error, accuracy, brier) = rows.values()
    rises, falls = (
        [number(v) for v in values[name]] for values, name in ((error, "barrier (points of error), 95 %"), (accuracy, "barrier (points), 95 %"))
    )
    assert rises == falls
    highest, lowest = ([number(v) for v in values[name]] for values, name in ((error, "maximum (%)"), (accuracy, "minimum (%)")))
    assert [round(100 - high, 6) for high in highest] == [round(low, 6) for low in lowest]
    assert all(number(v) > 0 for v in brier["maximum"])
    assert "the highest Brier score is" in words(app)


def test_an_alignment_is_judged_by_any_metric(visit, registered, store, work):
    """What it lowers of the Brier score's barrier, measured for before and after; of the accuracy as much as of the error."""
    id = test_align.requested(store, test_align.comparison(registered))
    work()
    shown = {}
    for metric in ("error", "accuracy", "brier"):
        visit("align", run=id, metric=metric)
        work()
        app = visit("align", run=id, metric=metric)
        assert not app.exception
        assert "The alignment lowers the barrier by" in words(app)
        shown[metric] = [m.value for m in app.metric if m.label.startswith("Barrier")]
    assert shown["accuracy"] == shown["error"]
    assert len(shown["brier"]) == 2 and shown["brier"] != shown["error"]


def test_stability_is_shown_by_any_metric(visit, registered, store, work):
    """A column more, beside error and loss, by which the page judges in any case."""
    pairs = test_stability.trained(registered, [0, 2])
    for pair in pairs:
        store.submit(pair.run)
    work()
    address = {"view": "stability", "runs": test_stability.address(pairs), "metric": "brier"}
    visit("paths", **address)
    work()
    app = visit("paths", **address)
    assert not app.exception
    table = app.dataframe[0].value
    assert len(table) == 2
    assert {"barrier (points of error), 95 %", "barrier (nat), 95 %", "barrier (Brier score), 95 %"} <= set(table)
    assert "Called a barrier" in words(app)


def test_a_training_is_shown_by_any_metric(visit, registered, store, work):
    """Its snapshots and averages are measured for a Brier score, whose row is the one of the points; the accuracy's differences are those of the error, turned."""
    how = registry.method("train", "sgd", {"epochs": 3})
    models = tuple(Trained(registered.problem.spec, how, at=k) for k in (1, 2, 3))
    ways = tuple(
        registry.method("sample", "trajectory", {"average": average, "skip": 1} if average == "swa" else {"average": average})
        for average in ("swa", "ema")
    )
    training = Trajectory(registered.problem.spec, models, ways)
    for task in training.tasks():
        store.submit(task.run)
    address, tables, said = ",".join(task.run.id for task in training.tasks()), {}, {}
    for metric in ("error", "accuracy", "brier"):
        for _ in range(2):
            work()
            app = visit("train", runs=address, metric=metric)
            assert not app.exception, app.exception[0].value
        work()
        app.run()
        assert not any("not for what this form says" in info.value for info in app.info)
        tables[metric], said[metric] = app.dataframe[0].value, words(app)
    apart, turned = (
        tables[m][name] for m, name in (("error", "minus the last's (points of error), 95 %"), ("accuracy", "minus the last's (points), 95 %"))
    )
    assert [-number(v) for v in apart[1:]] == [number(v) for v in turned[1:]]
    assert not [name for name in tables["brier"] if "loss" in name or "error" in name], "one metric is chosen, and that is shown"
    measured = training.measured_for("brier").field("test")
    points, _ = store.points(measured.id)
    last = values_at(points, np.eye(3)[-1:])
    assert level(metrics.column(last, measured.metrics, "brier")).formatted() == tables["brier"]["test Brier score, 95 %"][0]
    assert "its Brier score is" in said["brier"] and "its Brier score is" not in said["error"]


def test_a_metric_reads_as_people_write_it_and_is_known_by_its_name(visit, registered, store, work):
    """The address names it as the command line does; the usual one needs no name there, and an address of another one wins over what was chosen before."""
    id = store.submit(registered.run(size=3))
    work()
    app = visit("interpolate", run=id)
    assert {"loss (nat)", "error (%)", "Brier score"} <= set(app.selectbox(key="metric").options)
    app.selectbox(key="metric").set_value("brier").run()
    assert not app.exception and "".join(app.query_params["metric"]) == "brier"
    app.query_params["metric"] = "accuracy"
    app.run()
    assert app.selectbox(key="metric").value == "accuracy"
    app.selectbox(key="metric").set_value("loss").run()
    assert not app.exception and "metric" not in app.query_params
