"""The Compare page: many ways of merging, one table."""

import json
import re

import numpy as np
import pytest

from explorer.core import registry
from explorer.core.needs import TITLES, grouped
from explorer.core.points import Points
from explorer.core.spec import Fused, Loaded, Method, ProblemSpec, Trained
from explorer.ui.compare import view as compare_view
from explorer.ui.compare.form import Comparison, Entry
from explorer.ui.compare.mergeable import ancestor, cosines
from explorer.ui.compare.report import report
from explorer.ui.compare.table import INGREDIENT, Candidate, against_best, table
from tests.ui.conftest import folded, words
from tests.ui.test_landscape import button, three


def choose(app, *methods):
    """Merge by these methods and no others, whatever they need."""
    groups = grouped(registry.names("fuse"))
    for which, title in TITLES.items():
        next(m for m in app.multiselect if m.label == title).set_value([n for n in methods if n in groups[which]])
    app.run()


def test_methods_are_compared_on_the_same_samples(visit, store, work, tiny):
    """Ingredients and merged models, measured on both splits, from the lowest validation error on; the check of what is mergeable."""
    models = three(tiny, store, work)
    app = visit("compare", a=models[0].digest)
    assert not app.exception
    choose(app, "average", "uniform_soup")
    button(app, "Compare").click().run()
    assert not app.exception
    work()
    app.run()
    assert not app.exception
    rows = app.dataframe[0].value
    assert set(rows["model"]) == {"a", "b", "c", "average", "uniform soup", "ensemble (mean of probabilities)"}
    assert list(rows["val error (%)"]) == sorted(rows["val error (%)"])
    assert rows[rows[""] != "several models"]["indistinguishable from the best"].iloc[0]
    both = rows[rows["model"].isin(["average", "uniform soup"])]["test error (%), 95 %"]
    assert len(set(both)) == 1, "two names for one mean"
    made = rows[rows["model"] == "uniform soup"].iloc[0]
    assert made["made in (s)"] > 0
    assert made["needs"] == "checkpoints only"
    work()  # classes, once the best ingredient is known
    app.run()
    assert {"Calibration", "Class by class"} <= folded(app)
    assert not app.subheader and not any(fold.proto.expanded for fold in app.expander if "Calibration" in fold.label), (
        "the answer is first, the rest is folded"
    )
    assert any("**Calibration** · " in fold.label for fold in app.expander), "what was found is read without opening it"
    button(app, "Check").click().run()
    work()
    app.run()
    assert not app.exception
    assert "have a barrier, the highest" in words(app)
    assert "trained from different initialisations" in words(app) or "cannot be decided" in words(app)


def test_a_merged_model_says_why_it_fails_and_can_be_taken_away(visit, store, work, tiny):
    """Interference layer by layer, recipe and code; and the report holds all of it and asks nobody for anything."""
    models = three(tiny, store, work)[:2]
    fused = Fused(tiny.problem.spec, models, registry.method("fuse", "uniform_soup"), name="uniform soup")
    comparison = Comparison(tuple(Entry(m, tiny.problem.spec) for m in (*models, fused)))
    for request in (
        *(t.run for t in comparison.tasks()),
        *(comparison.ensemble(s) for s in ("val", "test")),
        comparison.calibration,
    ):
        store.submit(request)
    work()
    app = visit("compare", runs=",".join(e.run.id for e in comparison.entries), look=comparison.entries[2].run.id)
    work()
    app.run()
    work()
    app.run()
    assert not app.exception
    assert "Why uniform soup fails, or does not" in folded(app)
    assert "Activations vary least in" in words(app)
    code = "\n".join(c.value for c in app.code)
    assert "method='uniform_soup'" in code
    assert "loss-explorer make" in code
    known = compare_view.seen(store, comparison)
    text = report(store, comparison, known, table(known, "nat"), compare_view.best_ingredient(known, comparison), comparison.entries[2])
    for part in ("Which is best", "Calibration", "Class by class", "Why uniform soup", "Recipe: uniform soup"):
        assert part in text
    data = json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.S)[1])
    assert Fused.from_json(data["recipes"][2]) == fused
    assert sum(data["models"][0]["test"]["counts"]) == len(tiny.problem.split("test").targets)
    assert text.count("plotly.js v") == 1
    assert "default-src 'none'" in text


def test_a_robust_soup_says_what_it_is_worth_under_each_threat(visit, store, work, tiny):
    """As it was made: clean and under both attacks, as the method found them on the validation split; the clean ones are what is measured there."""
    models = three(tiny, store, work)[:2]
    method = registry.method("fuse", "robust_soup", {"samples": 0, "steps": 2})
    entries = [Entry(m, tiny.problem.spec) for m in (*models, Fused(tiny.problem.spec, models, method, name="robust soup"))]
    for entry in entries:
        for split in ("val", "test"):
            store.submit(entry.on(split))
    work()
    app = visit("compare", runs=",".join(e.run.id for e in entries), look=entries[2].run.id)
    assert not app.exception
    reported = store.noted(entries[2].model.id)["told"]
    assert [t.split(":")[0] for t in reported] == ["clean inputs", "linf within 0.03", "l2 within 0.3"]
    assert all(t in words(app) for t in reported)
    loss, error = store.points(entries[2].field("val").id)[0].means()[0]
    assert f"loss {loss:.4g}, error {100 * error:.2f} % on" in reported[0]
    losses = [float(re.search(r"loss ([\d.e+-]+)", t)[1]) for t in reported]
    assert min(losses[1:]) > losses[0]


def test_an_address_brings_methods_and_models_back(visit, store, work, tiny):
    """And the model that was looked at."""
    models = three(tiny, store, work)
    fused = Fused(tiny.problem.spec, models[:2], registry.method("fuse", "interpolate", {"t": 0.3}), name="interpolate")
    entries = [Entry(m, tiny.problem.spec) for m in (*models[:2], fused)]
    for entry in entries:
        for split in ("val", "test"):
            store.submit(entry.on(split))
    work()
    app = visit("compare", runs=",".join(e.run.id for e in entries), look=entries[2].run.id)
    work()
    app.run()
    assert not app.exception
    assert {m.label: m.value for m in app.multiselect if m.label in TITLES.values()} == {
        t: ["interpolate"] * (t == "Weights alone") for t in TITLES.values()
    }
    assert next(n for n in app.number_input if n.label == "t").value == 0.3
    assert "test accuracy" in words(app)


def test_a_model_is_as_good_as_the_best_when_the_paired_interval_says_so():
    """The same noise of the samples is paired away: a small constant difference shows, none does not; an ensemble is not the best, it is no model."""
    noise = np.random.default_rng(0).random(64)

    def made(extra):
        return Points(np.ones((1, 1)), np.stack([noise, noise + extra])[None], np.ones(64))

    seen = [Candidate(str(extra), kind, made(extra), made(extra)) for extra, kind in ((0.0, ""), (0.0, ""), (0.05, ""), (-0.1, "several models"))]
    rows = table(seen, "nat")
    assert list(rows["model"]) == ["-0.1", "0.0", "0.0", "0.05"]
    assert list(rows["indistinguishable from the best"]) == [True, True, True, False]


def test_cosines_and_ancestors():
    """Two models at right angles seen from the first; a parent among its children; strangers; and a recipe that tells."""
    models = np.array([[10.0, 0.0, 0.0], [10.0, 2.0, 0.0], [10.0, 0.0, 3.0]])
    assert cosines(models @ models.T, based=True) == pytest.approx(np.eye(2))
    assert "nearest to all is p" in ancestor([Loaded("1"), Loaded("2"), Loaded("3")], models @ models.T, ["p", "a", "b"])
    assert "different initialisations" in ancestor([Loaded("1"), Loaded("2")], np.eye(2), ["a", "b"])
    assert "cannot be decided" in ancestor([Loaded("1"), Loaded("2")], np.array([[1.0, 0.3], [0.3, 1.0]]), ["a", "b"])
    start = Loaded("0", name="parent")
    problem = ProblemSpec(Method("mlp"), Method("digits"))
    tuned = [Trained(problem, Method("sgd", (("seed", i),)), start) for i in range(2)]
    assert ancestor(tuned, np.eye(2), ["a", "b"]) == "By their recipes they all descend from parent."


@pytest.mark.parametrize("runs", ["abc", ""])
def test_unknown_runs_leave_the_form(visit, runs):
    """No traceback."""
    app = visit("compare", runs=runs)
    assert not app.exception


def test_a_model_that_turns_out_better_is_not_called_worse_or_alike():
    """Of three, one has the same test samples as the best by validation, one a little more loss at each, one a little less."""
    noise = np.random.default_rng(0).random(64)

    def points(extra):
        return Points(np.ones((1, 1)), np.stack([noise, noise + extra])[None], np.ones(64))

    seen = [
        Candidate(name, INGREDIENT, points(val), points(test))
        for name, val, test in (("best", 0, 0), ("same", 1, 0), ("worse", 2, 0.1), ("better", 3, -0.1))
    ]
    found = against_best(seen)
    assert found is not None
    assert "Of 3 others, **1 cannot be told from it** on these samples; 1 are worse by more than chance and 1 better" in found.says()
