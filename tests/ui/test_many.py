"""The Paths page's view of many models: barriers between every two, before and after aligning, and their tree."""

from explorer.api import loaded
from explorer.ui.paths import all_pairs_form
from tests.ui.conftest import words
from tests.ui.test_landscape import button, three


def test_every_pair_is_measured_before_and_after(visit, store, work, tiny):
    """Three models make three lines, and three more after aligning; matrices, trees and a table of them."""
    models = three(tiny, store, work)
    app = visit("paths", view="many", a=models[0].digest)
    assert not app.exception
    button(app, "Measure").click().run()
    assert not app.exception
    assert len([s for s in store.statuses("Run") if s.state == "waiting"]) == 6
    work()
    app.run()
    assert not app.exception
    table = app.dataframe[0].value
    assert list(zip(table["A"], table["B"], strict=True)) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert table["line"].str.startswith("/interpolate?run=").all()
    before, after = (table[f"{c}, 95 %"].str.split(" ").str[0].astype(float) for c in ("barrier (points of error)", "aligned"))
    assert (after <= before + 5).all()


def test_an_address_brings_the_models_and_the_method_back(visit, store, work, tiny):
    """Also while nothing is measured yet."""
    a, b = (loaded(p) for p in (tiny.a, tiny.b))
    three(tiny, store, work)
    pairs = [all_pairs_form.line(tiny.problem.spec, a, b, None), all_pairs_form.line(tiny.problem.spec, a, b, "activation_matching")]
    for pair in pairs:
        store.submit(pair.run)
    app = visit("paths", view="many", runs=",".join(p.run.id for p in pairs))
    assert not app.exception
    assert len(next(m for m in app.multiselect if m.label == "Models").value) == 2
    assert next(s for s in app.selectbox if s.label.startswith("And after")).value == "activation_matching"


def test_lines_of_another_store_are_told_of(visit, store, work, tiny):
    """The form is there, and a sentence."""
    three(tiny, store, work)
    app = visit("paths", view="many", runs="abcd")
    assert not app.exception
    assert "not in this store" in words(app)


def test_any_metric_of_the_problem_has_its_barriers(visit, store, work, tiny):
    """Accuracy falls by as much as the error rises, by the same points; a Brier score is measured for on every line."""
    models = three(tiny, store, work)[:2]
    pairs = [all_pairs_form.line(tiny.problem.spec, *models, how) for how in (None, "weight_matching")]
    for pair in pairs:
        store.submit(pair.run)
    work()
    address = {"view": "many", "runs": ",".join(p.run.id for p in pairs)}

    def barriers(metric: str) -> list[float]:
        app = visit("paths", metric=metric, **address)
        assert not app.exception
        (row,) = app.dataframe[0].value.to_dict("records")
        return [float(str(v).split(" ")[0].replace("−", "-")) for c, v in row.items() if c.startswith(("barrier", "aligned"))]

    assert barriers("accuracy") == barriers("error")
    assert not [s for s in store.statuses("Run") if s.active]
    visit("paths", metric="brier", **address)
    assert len([s for s in store.statuses("Run") if s.active]) == 2
    work()
    before, after = barriers("brier")
    assert before > 0.05
    assert after < before
