"""The Soup page: cook, read what every ingredient is worth, and taste a soup of one's own."""

from tests.pages.conftest import words
from tests.pages.test_landscape import button, three


def test_every_ingredient_has_its_worth(visit, store, work, tiny):
    """Cook → greedy path, leave one out and Shapley values on the validation split, and the soups on the test split."""
    models = three(tiny, store, work)
    app = visit("soup", a=models[0].digest)
    assert not app.exception
    button(app, "Cook").click().run()
    assert not app.exception
    work()
    app.run()
    work()  # the greedy soups on the test split
    app.run()
    assert not app.exception
    splits = {s.wish.field.split for s in store.statuses("Run") if s.wish.field.chart.name == "mixture"}
    assert splits == {"val", "test"}
    soups = app.dataframe[-1].value
    assert soups["soup"][0].startswith("best alone")
    assert "…" not in "".join(soups["test error (%)"])
    assert len(store.points(next(s for s in store.statuses("Run") if s.wish.field.split == "val").wish.field.id)[0]) == 7, (
        "all subsets of three models"
    )


def test_a_link_brings_the_own_soup_and_its_model_back(visit, store, work, tiny):
    """Weights, values on both splits, and the model with its distances to the ingredients."""
    models = three(tiny, store, work)
    from explorer.ui.soup import Kitchen

    kitchen = Kitchen(tiny.problem.spec, models)
    for task in kitchen.tasks():
        store.want(task.run)
    work()
    address = {"runs": kitchen.tasks()[0].run.id, "soup": "1,0.5,0"}
    app = visit("soup", **address)
    assert not app.exception
    work()
    app.run()
    assert not app.exception
    assert "0.667 a + 0.333 b" in words(app)
    assert "your soup" in list(app.dataframe[-1].value["soup"])


def test_weights_that_are_no_soup_are_not_asked_for(visit, store, work, tiny):
    """All zero, too few, or no numbers: the page stands without them."""
    models = three(tiny, store, work)
    from explorer.ui.soup import Kitchen

    kitchen = Kitchen(tiny.problem.spec, models)
    for task in kitchen.tasks():
        store.want(task.run)
    work()
    for soup in ("0,0,0", "1,2", "a,b,c", "1,-1,0", "nan,1,1"):
        app = visit("soup", runs=kitchen.tasks()[0].run.id, soup=soup)
        assert not app.exception
        assert "your soup" not in list(app.dataframe[-1].value["soup"])
