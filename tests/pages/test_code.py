"""The code under each picture: run as it is printed, it measures what the picture shows."""

from dataclasses import replace

import plotly.io
import pytest

from explorer import methods, stability
from explorer.api import loaded
from explorer.spec import Attack, Fused, Run, Trained
from explorer.ui import (
    align_form,
    align_view,
    compare,
    conditions,
    landscape_form,
    landscape_takeaway,
    line_view,
    many,
    paths_form,
    paths_takeaway,
    soup,
    train_takeaway,
)
from explorer.ui import stability as stability_view
from explorer.ui.compare_form import Comparison, Entry
from explorer.ui.soup_kitchen import Kitchen
from explorer.ui.stability_form import Pair
from explorer.ui.trajectories import Trajectory


def _line(tiny):
    run = tiny.run()
    return line_view.program(run), [run]


def _align(tiny):
    made = align_form.Comparison(tiny.problem.spec, (loaded(tiny.a), loaded(tiny.b)), methods.method("align", "weight_matching"))
    return align_view.program(made), [made.before(1), made.after(1)]


def _plane(tiny):
    run = landscape_form.around(tiny.problem.spec, loaded(tiny.a), methods.method("direct", "random"), 0.5, samples=64)
    return landscape_takeaway.program(run), [run]


def _previews(tiny):
    ends = loaded(tiny.a), loaded(tiny.b)
    run, plane = tiny.run(precision="bfloat16"), _plane(tiny)[1][0]
    plane = replace(plane, field=replace(plane.field, precision="bfloat16"))
    way = paths_form._in("bfloat16", paths_form.straight(tiny.problem.spec, *ends))
    return "\n".join([line_view.program(run), landscape_takeaway.program(plane), paths_takeaway.program([way])]), [run, plane, way.run]


def _ways(tiny):
    spec, a, b = tiny.problem.spec, loaded(tiny.a), loaded(tiny.b)
    curve = paths_form.trained(spec, a, b, methods.method("connect", "bezier", {"epochs": 1}))
    ways = [paths_form.straight(spec, a, b), paths_form.matched(spec, a, b), curve]
    return paths_takeaway.program(ways), [w.run for w in ways]


def _many(tiny):
    models = loaded(tiny.a), loaded(tiny.b)
    pairs = [many._line(tiny.problem.spec, *models, how) for how in (None, "weight_matching")]
    return many.program(pairs, "error"), [p.run for p in pairs]


def _conditions(tiny):
    runs = [tiny.run(3), tiny.run(3, attack=Attack("linf", 0.1, 2))]
    return conditions.program([conditions.Case("straight line", conditions.condition_of(r.field), r) for r in runs]), runs


def _stability(tiny):
    trunk = methods.method("train", "sgd", {"epochs": 2})
    pairs = [Pair(b.k, stability.line(tiny.problem.spec, b)) for b in stability.branches(tiny.problem.spec, trunk, [0, 1], (1, 2))]
    return stability_view.program(pairs), [p.run for p in pairs]


def _soup(tiny):
    kitchen = Kitchen(tiny.problem.spec, (loaded(tiny.a), loaded(tiny.b)))
    return soup.program(kitchen), [kitchen.tasks()[0].run]


def _compare(tiny):
    spec, models = tiny.problem.spec, (loaded(tiny.a), loaded(tiny.b))
    made = Fused(spec, models, methods.method("fuse", "uniform_soup"))
    entries = tuple(Entry(m, spec) for m in (*models, made))
    return compare.program(Comparison(entries)), [Run(e.field("test"), methods.method("sample", "given", {"at": (1.0,)})) for e in entries]


def _train(tiny):
    how = methods.method("train", "sgd", {"epochs": 4})
    models = tuple(Trained(tiny.problem.spec, how, at=k) for k in (2, 4))
    ways = tuple(methods.method("sample", "trajectory", {"average": average}) for average in ("swa", "ema"))
    whole = Trajectory(tiny.problem.spec, models, ways)
    return train_takeaway.program(whole), [task.run for task in whole.tasks()]


@pytest.mark.parametrize("page", [_line, _align, _plane, _previews, _ways, _many, _conditions, _stability, _soup, _compare, _train])
def test_the_code_measures_what_the_picture_shows(tiny, store, home, monkeypatch, capsys, page):
    """In an empty store of its own it fills the very fields of the picture, and says something."""
    monkeypatch.setattr(plotly.io.renderers, "default", "")  # .show() opens no browser
    code, runs = page(tiny)
    exec(compile(code, page.__name__, "exec"), {"__name__": "notebook"})
    assert capsys.readouterr().out.strip()
    assert all(len(store.points(run.field.id)[0]) for run in runs), code
