"""The Paths page's second view: ways under an adversary, and with a cue taken away."""

from dataclasses import replace

import pytest

from explorer.api import loaded
from explorer.core import registry
from explorer.core.spec import Attack, Run
from explorer.ui.paths import conditions
from explorer.ui.paths import form as paths_form
from tests.ui.conftest import button, words


def cases(tiny, *changes):
    """The straight line between the tiny checkpoints, as it is and under changes."""
    way = paths_form.straight(tiny.problem.spec, loaded(tiny.a), loaded(tiny.b))
    return [Run(change(way.run.field), way.run.sampler) for change in (lambda f: f, *changes)]


def test_an_attack_is_measured_beside_the_inputs_as_they_are(visit, registered, store, work):
    """Measure → the same line twice, once attacked; the attacked one is higher at its ends and at its top."""
    app = visit("paths", view="conditions", a=loaded(registered.a).digest, b=loaded(registered.b).digest)
    assert not app.exception
    next(m for m in app.multiselect if m.label == "Paths from A to B").set_value(["straight line"]).run()
    button(app, "Measure").click().run()
    assert not app.exception
    asked = [s.request for s in store.statuses("Run") if s.state == "waiting"]
    assert {r.field.attack for r in asked} == {None, Attack("linf", 0.1, 10)}
    work()
    app.run()
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table["inputs"]) == ["as they are", "attacked, l∞ ≤ 0.1"]
    plain, attacked = (float(x.split()[0]) for x in table["maximum (%), 95 %"])
    assert attacked > plain


def test_an_address_brings_the_attack_back_into_the_form(visit, registered, store, work):
    """Norm, radius and steps are those of the runs that are shown."""
    runs = cases(registered, lambda f: replace(f, attack=Attack("l2", 0.5, 3)))
    for run in runs:
        store.submit(run)
    work()
    app = visit("paths", view="conditions", runs=",".join(r.id for r in runs))
    assert not app.exception
    assert next(s for s in app.selectbox if s.label == "Norm").value == "l2"
    assert next(n for n in app.number_input if n.label == "Radius").value == 0.5
    assert next(n for n in app.number_input if n.label == "Steps").value == 3


def test_the_words_for_a_condition_say_all_of_it(tiny):
    """A cue and an attack at once are both named."""
    (plain,) = cases(tiny)
    assert conditions.condition_of(plain.field) == "as they are"
    cued = replace(plain.field.problem, data=registry.method("data", "digits_cue", {"cue": "removed"}))
    both = replace(plain.field, problem=cued, attack=Attack("linf", 0.2))
    assert conditions.condition_of(both) == "with the cue removed and attacked, l∞ ≤ 0.2"


def test_runs_of_another_machine_are_told_of(visit, registered):
    """An address that this store does not know leaves the form and a sentence."""
    app = visit("paths", view="conditions", runs="0123456789abcdef")
    assert not app.exception
    assert "not in this store" in words(app)


def test_any_metric_of_the_problem_is_shown_under_every_condition(visit, registered, store, work):
    """Accuracy is read off what is measured, at its lowest; a Brier score is measured for, attacked or not, and quoted at its highest."""
    runs = cases(registered, lambda f: replace(f, attack=Attack("linf", 0.1, 10)))
    for run in runs:
        store.submit(run)
    work()
    address = {"view": "conditions", "runs": ",".join(r.id for r in runs)}
    shown = {metric: visit("paths", metric=metric, **address) for metric in ("error", "accuracy")}
    assert not any(app.exception for app in shown.values())
    error, accuracy = (
        [float(x.split()[0]) for x in app.dataframe[0].value[c]]
        for app, c in zip(shown.values(), ("maximum (%), 95 %", "minimum (%), 95 %"), strict=True)
    )
    assert accuracy == pytest.approx([100 - e for e in error], abs=0.06)
    assert "The lowest measured accuracy on each path" in words(shown["accuracy"])
    assert not [s for s in store.statuses("Run") if s.active]
    visit("paths", metric="brier", **address)
    asked = [s.request for s in store.statuses("Run") if s.active]
    assert {r.field.attack for r in asked} == {r.field.attack for r in runs}
    assert all({"loss", "error", "brier"} <= set(r.field.metrics) for r in asked)
    work()
    app = visit("paths", metric="brier", **address)
    assert not app.exception
    plain, attacked = (float(x.split()[0]) for x in app.dataframe[0].value["maximum, 95 %"])
    assert 0 < plain < attacked < 2
