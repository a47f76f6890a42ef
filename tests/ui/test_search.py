"""The search for a recipe on Compare: asked for, followed, and the merge that is chosen."""

from explorer.core import registry
from explorer.core.spec import Fused, Study
from explorer.ui.compare.form import Comparison, Entry
from tests.ui.conftest import words
from tests.ui.test_landscape import button, three


def compared(tiny, store, work):
    """Three models, measured, as Compare shows them."""
    models = three(tiny, store, work)
    fused = Fused(tiny.problem.spec, models, registry.method("fuse", "uniform_soup"), name="uniform soup")
    comparison = Comparison(tuple(Entry(m, tiny.problem.spec) for m in (*models, fused)))
    for task in comparison.tasks():
        store.submit(task.run)
    work()
    return models, comparison


def test_a_search_is_asked_for_and_followed_to_the_chosen_merge(visit, store, work, tiny):
    """The form files a study of the ingredients; done, the page says the test value and offers the merge."""
    models, comparison = compared(tiny, store, work)
    app = visit("compare", runs=",".join(e.run.id for e in comparison.entries))
    assert not app.exception
    assert not [b for b in app.button if b.label == "Search"], "folded away"
    options = {"methods": ("task_arithmetic",), "sampler": "random", "trials": 5}
    request = Study(tiny.problem.spec, models, registry.method("study", "recipes", options))
    store.submit(request)
    app = visit("compare", runs=",".join(e.run.id for e in comparison.entries), search=request.id)
    assert not app.exception
    assert next(m for m in app.multiselect if m.label == "Methods").value == ["task_arithmetic"]
    assert next(n for n in app.number_input if n.label == "trials").value == 5
    assert button(app, "Search").disabled
    work()
    app.run()
    assert not app.exception
    assert "was chosen among 5 candidates on the validation split" in words(app)
    assert any("numbers" in table.value.columns for table in app.dataframe)
    next(n for n in app.number_input if n.label == "trials").set_value(6).run()
    button(app, "Search").click().run()
    assert not app.exception
    more = Study(tiny.problem.spec, models, registry.method("study", "recipes", {**options, "trials": 6}))
    assert store.status(more.id).state == "waiting"
    assert app.query_params["search"] == more.id


def test_a_range_that_is_none_is_refused_on_the_page(visit, store, work, tiny):
    """With the sentence, and nothing to press."""
    models, comparison = compared(tiny, store, work)
    request = Study(tiny.problem.spec, models, registry.method("study", "recipes", {"methods": ("ties",), "ranges": ("density",)}))
    store.submit(request)
    store.stop(request.id)
    app = visit("compare", runs=",".join(e.run.id for e in comparison.entries), search=request.id)
    assert not app.exception
    assert "A range is name=low" in words(app)
    assert not [b for b in app.button if b.label == "Search"]
