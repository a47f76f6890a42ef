"""The Align page: from the form to the barrier before and after, and what became of the units."""

import json

import pytest

from explorer.api import loaded
from explorer.checkpoints import checkpoint_file
from explorer.core import locations, registry
from explorer.core.spec import Aligned, Look, Make
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.stats.alignment_words import freedom
from explorer.symmetry.alignment_report import Matched
from explorer.ui.align.form import Comparison, shuffled
from tests.ui.conftest import button, words

train = registry.find("train", "sgd")


def comparison(tiny, method="weight_matching", **options):
    """The two tiny checkpoints."""
    return Comparison(tiny.problem.spec, (loaded(tiny.a), loaded(tiny.b)), registry.method("align", method, options))


def requested(store, found):
    """Put the requests down that the page's button puts down."""
    for i in range(1, len(found.models)):
        store.submit(found.before(i))
        store.submit(found.after(i))
    return found.after(1).id


def test_two_models_are_aligned_and_the_barrier_is_shown_before_and_after(visit, registered, store, work):
    """Align → waiting → the worker → both barriers, the reduction with its interval, and equal ends."""
    found = comparison(registered)
    app = visit("align", a=found.models[0].digest, b=found.models[1].digest)
    assert not app.exception
    button(app, "Align").click().run()
    assert not app.exception
    assert {s.request.id for s in store.statuses("Run") if s.state == "waiting"} == {found.before(1).id, found.after(1).id}
    work()
    app.run()
    assert not app.exception
    text = words(app)
    assert "The alignment lowers the barrier by" in text
    assert "computes the same function as before" in text
    assert "1 group of interchangeable units" in text
    assert {"Barrier before (nat)", "Barrier after (nat)"} <= {m.label for m in app.metric}


def test_a_permalink_brings_an_alignment_back(visit, registered, store, work):
    """The link alone: models, method, options and numbers."""
    found = comparison(registered, restarts=2)
    id = requested(store, found)
    work()
    app = visit("align", run=id)
    assert not app.exception
    assert "The alignment lowers the barrier by" in words(app)
    assert next(n for n in app.number_input if n.label == "restarts").value == 2


def test_the_descent_is_played_from_what_the_matching_measured(visit, registered, store, work):
    """The distance after every step as it was recorded, which falls by as much as the models come nearer; the curves of both barriers play too."""
    found = comparison(registered, restarts=1)
    id = requested(store, found)
    work()
    app = visit("align", run=id)
    assert not app.exception
    line, units, descent = (json.loads(picture.proto.json) for picture in app.get("bidi_component"))
    recorded = Matched.read(locations.matched(found.aligned[0], locations.home()))
    assert line["play"] and descent["play"] and descent["xTitle"] == "step" and descent["yTitle"] == "distance of the weights"
    (drawn,) = descent["curves"]
    assert drawn["y"] == list(recorded.trace[0]) and drawn["x"] == list(range(len(recorded.trace[0])))
    assert len(drawn["y"]) > 1 and drawn["y"][-1] < drawn["y"][0]
    (orders,) = recorded.steps[1].values()
    assert units["steps"] == orders.tolist() and units["values"] == drawn["y"]
    assert units["group"] == descent["group"] != ""
    nearer = recorded.before[0, 1] ** 2 - recorded.after[0, 1] ** 2  # what no unit can move is in these distances and not in those of the steps
    assert drawn["y"][0] ** 2 - drawn["y"][-1] ** 2 == pytest.approx(nearer, rel=1e-3)


def test_all_classes_of_symmetry_are_listed_with_what_was_done(visit, registered, store, work):
    """The axis, its class, why it is not more, and the factors that its units took."""
    id = requested(store, comparison(registered, symmetry="all", restarts=1))
    work()
    app = visit("align", run=id)
    assert not app.exception
    text = words(app)
    assert "1 axis allows more than permutations" in text
    assert "due to the order of the units" not in text
    (table,) = [d.value for d in app.dataframe if "class" in d.value.columns]
    assert (table["class"][0], table["places"][0], table["not more, because of"][0]) == ("scaled", 12, "relu")
    assert table["what was done"][0].startswith("scaled by")
    assert "12 places came closer" in text


def test_a_shuffled_copy_is_put_back(visit, registered, store, work):
    """The demonstration: the same function in another order has a barrier, and it vanishes to zero."""
    a = loaded(registered.a)
    spec = registered.problem.spec
    found = Comparison(spec, (a, shuffled(spec, a)), registry.method("align", "weight_matching"))
    id = requested(store, found)
    work()
    app = visit("align", run=id)
    assert not app.exception
    numbers = {m.label: float(m.value) for m in app.metric}
    assert numbers["Barrier before (nat)"] > 0.05
    assert abs(numbers["Barrier after (nat)"]) < 1e-6


def test_an_alignment_with_a_model_that_is_gone_waits_for_nothing(visit, registered, store, work, tmp_path):
    """The failure is said once; no number is announced, and nothing offered that would fail again."""
    copy = tmp_path / "gone.safetensors"
    checkpoint_file.write(copy, {name: w * 1.001 for name, w in checkpoint_file.read(registered.b).weights.items()})
    found = Comparison(registered.problem.spec, (loaded(registered.a), loaded(copy)), registry.method("align", "weight_matching"))
    copy.unlink()
    id = requested(store, found)
    work()
    app = visit("align", run=id)
    assert not app.exception
    (error,) = app.error
    assert "is not where it was" in error.value
    assert not app.metric
    assert "Align again" not in [b.label for b in app.button]


def test_a_method_that_changes_the_function_says_so(visit, registered, store, work, monkeypatch):
    """The ends of the two curves differ, and the page says that they do."""
    found = comparison(registered, "identity")
    other = Comparison(found.problem, (found.models[1], found.models[0]), found.method)
    monkeypatch.setattr(Comparison, "before", lambda self, i: other.after(i))
    id = requested(store, found)
    work()
    app = visit("align", run=id)
    assert not app.exception
    assert any("changes what the models compute" in w.value for w in app.warning)


def test_a_failed_alignment_says_why(visit, registered, store, work):
    """A file that is gone: one sentence, no exception."""
    found = comparison(registered)
    id = requested(store, found)
    registered.b.rename(registered.b.with_suffix(".away"))
    try:
        work()
        app = visit("align", run=id)
    finally:
        registered.b.with_suffix(".away").rename(registered.b)
    assert not app.exception
    assert any("is not where it was" in e.value for e in app.error)


def test_a_stopped_alignment_can_be_resumed(visit, registered, store):
    """Stop, and Resume puts both requests down again."""
    found = comparison(registered)
    id = requested(store, found)
    app = visit("align", run=id)
    button(app, "Stop").click().run()
    assert {store.status(r.id).state for r in (found.before(1), found.after(1))} == {"stopped"}
    button(app, "Resume").click().run()
    assert {store.status(r.id).state for r in (found.before(1), found.after(1))} == {"waiting"}
    assert not app.exception


def test_aligned_files_that_are_gone_can_be_made_again(visit, registered, store, work, home):
    """The numbers are in the store; the files can be removed and come back."""
    found = comparison(registered)
    id = requested(store, found)
    work()
    for file in (home / "models").iterdir():
        file.unlink()
    app = visit("align", run=id)
    assert not app.exception
    button(app, "Align again").click().run()
    work()
    app.run()
    assert not app.exception
    assert locations.matched_at(found.aligned[0], home).is_file()
    assert store.status(Make(found.aligned[1]).id).state == "done"


@pytest.mark.parametrize("run", ["0123456789abcdef", "a line"])
def test_a_link_to_something_else_is_not_taken_for_an_alignment(visit, registered, store, run):
    """What is missing, and how to get it."""
    if run == "a line":
        run = store.submit(registered.run())
    app = visit("align", run=run)
    assert not app.exception
    assert any("There is no alignment" in w.value for w in app.warning)


def test_an_aligned_model_can_stand_at_an_end_of_any_other_line(visit, registered, store, work):
    """What was made here is offered by the Interpolate form, under its own name."""
    found = comparison(registered)
    requested(store, found)
    work()
    app = visit("interpolate", a=found.models[0].digest, b=found.aligned[1].id)
    assert not app.exception
    end = next(s for s in app.selectbox if s.label == "B, at t = 1")
    assert end.value == found.aligned[1].id
    assert "b (weight matching)" in end.options
    button(app, "Explore").click().run()
    work()
    app.run()
    assert not app.exception
    assert "95 % interval" in words(app)


def test_a_plane_is_drawn_of_two_models_and_the_aligned_copy(visit, registered, store, work):
    """The copy of the second that is closest to the first stands in the plane beside both."""
    found = comparison(registered)
    requested(store, found)
    work()
    app = visit("landscape", a=found.models[0].digest, b=found.models[1].digest, c=found.aligned[1].id)
    assert not app.exception
    assert [s.value for s in app.selectbox if s.label in ("A", "B", "C")] == [*(m.digest for m in found.models), found.aligned[1].id]


def test_a_model_of_other_widths_is_transported(visit, registered, store, work, tmp_path):
    """It is offered in the form, there is no line before, and the page says why."""
    folder = tmp_path / "wide"
    folder.mkdir()
    (folder / "problem.toml").write_text((registered.folder / "problem.toml").read_text().replace("64, 12, 10", "64, 20, 10"))
    wide = Problem(problem_toml.read(folder))
    checkpoint_file.write(folder / "wide.safetensors", list(train(wide, epochs=4))[-1], {})
    store.submit(Look(str(folder)))
    work()
    app = visit("align", a=loaded(registered.a).digest)
    others = next(m for m in app.multiselect if m.label == "Align with it")
    assert any("wide" in option for option in others.options)
    models = (loaded(registered.a), loaded(folder / "wide.safetensors"))
    found = Comparison(registered.problem.spec, models, registry.method("align", "optimal_transport"))
    assert found.runs(store) == [found.after(1)]
    store.submit(found.after(1))
    work()
    app = visit("align", run=found.after(1).id)
    assert not app.exception
    assert not app.error
    assert "has different widths from" in words(app)


def test_what_a_barrier_was_due_to_follows_what_was_free(registered):
    """The order of the units, or all symmetries: where they are asked for, and where a method uses them by itself."""
    models = (loaded(registered.a), loaded(registered.b))

    def free(name, **options):
        return freedom(Aligned.every(registered.problem.spec, models, registry.method("align", name, options)))

    assert free("weight_matching") == "order of the units"
    assert free("weight_matching", symmetry="all") == free("learned") == "symmetries of the network"
