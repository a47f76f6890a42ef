"""The Compare page: many ways of merging, one table."""

import numpy as np
import pytest

from explorer import methods
from explorer.points import Points
from explorer.spec import Fused
from explorer.ui.compare import Entry, Seen, check, table
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
    assert set(rows["model"]) == {"a", "b", "c", "average", "uniform soup", "ensemble of the ingredients"}
    assert list(rows["val error (%)"]) == sorted(rows["val error (%)"])
    assert rows[rows[""] != "reference, several models"]["as good as the best"].iloc[0]
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


def test_a_model_is_as_good_as_the_best_when_the_paired_interval_says_so():
    """The same noise of the samples is paired away: a small constant difference shows, none does not; an ensemble is not the best, it is no model."""
    noise = np.random.default_rng(0).random(64)

    def made(extra):
        return Points(np.ones((1, 1)), np.stack([noise, noise + extra])[None], np.ones(64))

    seen = [
        Seen(str(extra), kind, made(extra), made(extra)) for extra, kind in ((0.0, ""), (0.0, ""), (0.05, ""), (-0.1, "reference, several models"))
    ]
    rows = table(seen)
    assert list(rows["model"]) == ["-0.1", "0.0", "0.0", "0.05"]
    assert list(rows["as good as the best"]) == [True, True, True, False]


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
