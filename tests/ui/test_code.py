"""The code under each picture: run as it is printed, it measures what the picture shows."""

from dataclasses import replace

import plotly.io
import pytest

from explorer.api import loaded
from explorer.core import registry
from explorer.core.spec import Attack, Fused, Run, Trained
from explorer.stats import instability_analysis
from explorer.ui.align import form as align_form
from explorer.ui.align import view as align_view
from explorer.ui.compare import view as compare_view
from explorer.ui.compare.form import Comparison, Entry
from explorer.ui.interpolate import view as interpolate_view
from explorer.ui.landscape import form as landscape_form
from explorer.ui.landscape import takeaway as landscape_takeaway
from explorer.ui.paths import all_pairs, conditions
from explorer.ui.paths import form as paths_form
from explorer.ui.paths import stability as stability_view
from explorer.ui.paths import takeaway as paths_takeaway
from explorer.ui.paths.stability_form import Pair
from explorer.ui.soup import view as soup_view
from explorer.ui.soup.measurements import Kitchen
from explorer.ui.train import takeaway as train_takeaway
from explorer.ui.train.trajectories import Trajectory


def _line(tiny):
    run = tiny.run()
    return interpolate_view.program(run), [run]


def _align(tiny):
    made = align_form.Comparison(tiny.problem.spec, (loaded(tiny.a), loaded(tiny.b)), registry.method("align", "weight_matching"))
    return align_view.program(made), [made.before(1), made.after(1)]


def _plane(tiny):
    run = landscape_form.around(tiny.problem.spec, loaded(tiny.a), registry.method("direct", "random"), 0.5, samples=64)
    return landscape_takeaway.program(run), [run]


def _previews(tiny):
    ends = loaded(tiny.a), loaded(tiny.b)
    run, plane = tiny.run(precision="bfloat16"), _plane(tiny)[1][0]
    plane = replace(plane, field=replace(plane.field, precision="bfloat16"))
    way = paths_form._in("bfloat16", paths_form.straight(tiny.problem.spec, *ends))
    return "\n".join([interpolate_view.program(run), landscape_takeaway.program(plane), paths_takeaway.program([way])]), [run, plane, way.run]


def _ways(tiny):
    spec, a, b = tiny.problem.spec, loaded(tiny.a), loaded(tiny.b)
    curve = paths_form.trained(spec, a, b, registry.method("connect", "bezier", {"epochs": 1}))
    ways = [paths_form.straight(spec, a, b), paths_form.matched(spec, a, b), curve]
    return paths_takeaway.program(ways), [w.run for w in ways]


def _many(tiny):
    models = loaded(tiny.a), loaded(tiny.b)
    pairs = [all_pairs._line(tiny.problem.spec, *models, how) for how in (None, "weight_matching")]
    return all_pairs.program(pairs, "error"), [p.run for p in pairs]


def _conditions(tiny):
    runs = [tiny.run(3), tiny.run(3, attack=Attack("linf", 0.1, 2))]
    return conditions.program([conditions.Case("straight line", conditions.condition_of(r.field), r) for r in runs]), runs


def _stability(tiny):
    trunk = registry.method("train", "sgd", {"epochs": 2})
    pairs = [
        Pair(b.k, instability_analysis.line(tiny.problem.spec, b)) for b in instability_analysis.branches(tiny.problem.spec, trunk, [0, 1], (1, 2))
    ]
    return stability_view.program(pairs), [p.run for p in pairs]


def _soup(tiny):
    kitchen = Kitchen(tiny.problem.spec, (loaded(tiny.a), loaded(tiny.b)))
    return soup_view.program(kitchen), [kitchen.tasks()[0].run]


def _compare(tiny):
    spec, models = tiny.problem.spec, (loaded(tiny.a), loaded(tiny.b))
    made = Fused(spec, models, registry.method("fuse", "uniform_soup"))
    entries = tuple(Entry(m, spec) for m in (*models, made))
    return compare_view.program(Comparison(entries)), [Run(e.field("test"), registry.method("sample", "given", {"at": (1.0,)})) for e in entries]


def _train(tiny):
    how = registry.method("train", "sgd", {"epochs": 4})
    models = tuple(Trained(tiny.problem.spec, how, at=k) for k in (2, 4))
    ways = tuple(registry.method("sample", "trajectory", {"average": average}) for average in ("swa", "ema"))
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
