"""The code under each picture: run as it is printed, it measures what the picture shows, with nothing but `explorer.api`."""

import ast
import builtins
import re
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import plotly.io
import pytest

import explorer.ui
from explorer import api, lessons
from explorer.api import loaded
from explorer.core import locations, registry
from explorer.core.spec import Attack, Fused, Run, Trained
from explorer.lessons import Shelf
from explorer.stats import instability_analysis
from explorer.store.run_store import RunStore
from explorer.ui.align import details as align_details
from explorer.ui.align import form as align_form
from explorer.ui.align import view as align_view
from explorer.ui.compare import view as compare_view
from explorer.ui.compare.form import Comparison, Entry
from explorer.ui.interpolate import view as interpolate_view
from explorer.ui.landscape import export as landscape_export
from explorer.ui.landscape import form as landscape_form
from explorer.ui.learn import findings
from explorer.ui.paths import all_pairs, all_pairs_form, conditions
from explorer.ui.paths import export as paths_export
from explorer.ui.paths import form as paths_form
from explorer.ui.paths import stability as stability_view
from explorer.ui.paths.stability_form import Pair
from explorer.ui.soup import view as soup_view
from explorer.ui.soup.measurements import Kitchen
from explorer.ui.train import export as train_export
from explorer.ui.train.trajectories import Trajectory
from explorer.ui.widgets import python_source, recipe_view


def _line(tiny):
    run = tiny.run()
    return interpolate_view.program(run), [run]


def _align(tiny):
    made = align_form.Comparison(tiny.problem.spec, (loaded(tiny.a), loaded(tiny.b)), registry.method("align", "weight_matching"))
    code = align_view.program(made)
    figures = [align_details._code(code, drawn) for drawn in ("aligned.layer_figure(1)", "aligned.convergence_figure()")]
    return "\n".join([code, *figures]), [made.before(1), made.after(1)]


def _plane(tiny):
    run = landscape_form.around(tiny.problem.spec, loaded(tiny.a), registry.method("direct", "random"), landscape_form.wide(0.5), samples=64)
    return landscape_export.program(run), [run]


def _previews(tiny):
    ends = loaded(tiny.a), loaded(tiny.b)
    run, plane = tiny.run(precision="bfloat16"), _plane(tiny)[1][0]
    plane = replace(plane, field=replace(plane.field, precision="bfloat16"))
    ways = [paths_form._in("bfloat16", "test", way(tiny.problem.spec, *ends)) for way in (paths_form.straight, paths_form.matched)]
    programs = [interpolate_view.program(run), landscape_export.program(plane), paths_export.program(ways)]
    return "\n".join(programs), [run, plane, *(way.run for way in ways)]


def _ways(tiny):
    spec, a, b = tiny.problem.spec, loaded(tiny.a), loaded(tiny.b)
    curve = paths_form.trained(spec, a, b, registry.method("connect", "bezier", {"epochs": 1}))
    ways = [paths_form.straight(spec, a, b), paths_form.matched(spec, a, b), curve]
    return paths_export.program(ways), [w.run for w in ways]


def _many(tiny):
    models = loaded(tiny.a), loaded(tiny.b)
    pairs = [all_pairs_form.line(tiny.problem.spec, *models, how) for how in (None, "weight_matching")]
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
    whole = Trajectory(tiny.problem.spec, models, ways).measured_for("brier")
    return train_export.program(whole), [task.run for task in whole.tasks()]


def _corner(tiny):
    """As a picture prints it that stands beside others: the plane, the triangle, the confusion matrix."""
    run = tiny.run(3)
    return python_source.program(python_source.runs({"plane": run}) + 'print(measured["plane"].means())'), [run]


def _learn(tiny):
    shelf = RunStore(tiny.folder.parent / "shelf.sqlite")
    shelf.absorb(locations.root() / "sample_models" / "samples.sqlite")
    experiment = lessons.every()["permutations"].experiment(Shelf.from_checkpoints(shelf.checkpoints()), 0)
    return findings.code("permutations", experiment), list(experiment.runs.values())


def _recipe(tiny):
    made = Fused(tiny.problem.spec, (loaded(tiny.a), loaded(tiny.b)), registry.method("fuse", "uniform_soup"))
    return recipe_view.as_python(made, "soup.json"), []


PAGES = [_line, _align, _plane, _previews, _ways, _many, _conditions, _stability, _soup, _compare, _train, _corner, _learn, _recipe]


@pytest.mark.parametrize("page", PAGES)
def test_the_code_measures_what_the_picture_shows(tiny, store, home, monkeypatch, capsys, page):
    """In an empty store of its own it fills the very fields of the picture, and says something."""
    monkeypatch.setattr(plotly.io.renderers, "default", "")  # .show() opens no browser
    code, runs = page(tiny)
    exec(compile(code, page.__name__, "exec"), {"__name__": "notebook"})
    assert capsys.readouterr().out.strip()
    assert all(len(store.points(run.field.id)[0]) for run in runs), code


@pytest.mark.parametrize("page", [*PAGES, lambda _: (python_source.drawn("plane"), [])])
def test_the_code_imports_from_the_api_alone(tiny, page):
    """Beside it the standard library and what the explorer depends on; what it imports is there, and every name it uses is imported, made or built in."""
    tree = ast.parse(page(tiny)[0])
    known = set(dir(builtins))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.module == "explorer.api" or node.module in sys.stdlib_module_names, ast.unparse(node)
            assert all(hasattr(import_module(node.module), name.name) for name in node.names), ast.unparse(node)
            known |= {name.asname or name.name for name in node.names}
        elif isinstance(node, ast.Import):
            assert not any(name.name.startswith("explorer") for name in node.names), ast.unparse(node)
            known |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            known.add(node.id)
    assert {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} <= known


def test_no_page_writes_an_import_of_its_own():
    """Printed imports of the explorer come from one function, which knows the api and nothing else; so this holds for whatever a page prints."""
    texts = {
        (file.name, node.value)
        for file in Path(explorer.ui.__path__[0]).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert len(texts) > 1000
    assert not [text for text in texts if re.search(r"(from|import)\s+explorer\b", text[1])]
    assert python_source.ROOMS["explorer.api"] == tuple(api.__all__)
    assert not set(api.__all__) & set(python_source.ROOMS["itertools"])
