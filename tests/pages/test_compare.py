"""The Compare page: many ways of merging, one table."""

import numpy as np
import pytest

from explorer import methods
from explorer.points import Points
from explorer.spec import Fused
from explorer.ui.compare import Entry, check, table
from tests.pages.conftest import words
from tests.pages.test_landscape import button, three


def test_methods_are_compared_on_the_same_samples(visit, store, work, tiny):
    """Ingredients and merged models, measured on both splits, from the lowest validation error on; the check of what is mergeable."""
    models = three(tiny, store, work)
    app = visit("compare", a=models[0].digest)
    assert not app.exception
    next(m for m in app.multiselect if m.label == "Methods").set_value(["average", "uniform_soup"]).run()
    button(app, "Compare").click().run()
    assert not app.exception
    work()
    app.run()
    assert not app.exception
    rows = app.dataframe[0].value
    assert set(rows["model"]) == {"a", "b", "c", "average", "uniform soup"}
    assert list(rows["val error (%)"]) == sorted(rows["val error (%)"])
    assert rows["as good as the best"][0]
    both = rows[rows["model"].isin(["average", "uniform soup"])]["test error (%), 95 %"]
    assert len(set(both)) == 1, "two names for one mean"
    button(app, "Check").click().run()
    work()
    app.run()
    assert not app.exception
    assert "Differences are from the first model" in words(app)


def test_an_address_brings_methods_and_models_back(visit, store, work, tiny):
    """And the model that was looked at."""
    models = three(tiny, store, work)
    fused = Fused(tiny.problem.spec, models[:2], methods.method("fuse", "interpolate", {"t": 0.3}), name="interpolate")
    entries = [Entry(m, tiny.problem.spec) for m in (*models[:2], fused)]
    for entry in entries:
        for split in ("val", "test"):
            store.want(entry.on(split))
    work()
    app = visit("compare", runs=",".join(e.run.id for e in entries), look=entries[2].run.id)
    work()
    app.run()
    assert not app.exception
    assert next(m for m in app.multiselect if m.label == "Methods").value == ["interpolate"]
    assert next(n for n in app.number_input if n.label == "t").value == 0.3
    assert "test accuracy" in words(app)


def test_a_model_is_as_good_as_the_best_when_the_paired_interval_says_so(tiny):
    """The same noise of the samples is paired away: a small constant difference shows, none does not."""
    noise = np.random.default_rng(0).random(64)
    models = [Fused(tiny.problem.spec, (), methods.method("fuse", "average", {"weights": (float(k), 1.0)})) for k in range(3)]
    entries = [Entry(m, tiny.problem.spec) for m in models]
    made = {
        e.run.id: Points(np.ones((1, 1)), np.stack([noise, noise + extra])[None], np.ones(64))
        for e, extra in zip(entries, (0.0, 0.0, 0.05), strict=True)
    }
    rows = table(entries, made, made)
    assert list(rows["as good as the best"]) == [True, True, False]


def test_the_check_gives_distances_and_cosines_of_differences():
    """Two models at right angles seen from the first."""
    models = np.array([[1.0, 0.0], [1.0, 2.0], [4.0, 0.0]])
    found = check(models @ models.T, ["p", "a", "b"])
    assert found["distance from the first"] == ["0", "2", "3"]
    assert found["cosines of its difference with those of the others"] == ["", "0.00", "0.00"]


@pytest.mark.parametrize("runs", ["abc", ""])
def test_unknown_runs_leave_the_form(visit, runs):
    """No traceback."""
    app = visit("compare", runs=runs)
    assert not app.exception
