"""The Paths page's view of stability: of shipped branches, and trained anew."""

from dataclasses import replace

import pytest

from explorer.core import registry
from explorer.core.spec import Run
from explorer.stats.barriers import Barrier
from explorer.stats.instability_analysis import branches, line
from explorer.stats.intervals import Estimate
from explorer.ui.paths import stability
from explorer.ui.paths.stability import Found
from tests.ui.conftest import words
from tests.ui.test_landscape import button


def waiting(store):
    """The runs that nobody has taken up yet."""
    return [s.request for s in store.statuses("Run") if s.state == "waiting" and isinstance(s.request, Run)]


def trained(tiny, ks, seeds=(101, 202), **changes):
    """Pairs of a training of three epochs."""
    trunk = registry.method("train", "sgd", {"epochs": 3, "noise": 0.1})
    return [stability.Pair(b.k, line(tiny.problem.spec, b)) for b in branches(tiny.problem.spec, trunk, ks, seeds, **changes)]


def address(pairs):
    return ",".join(p.run.id for p in pairs)


def field(app, kind, label):
    """The input of this kind with this label."""
    return next(e for e in getattr(app, kind) if e.label == label)


def test_the_shipped_branches_are_found_by_their_names_and_measured(visit, store, work):
    """Five pairs; the table has the barrier of each, and a sentence says from which epoch on they are connected."""
    app = visit("paths", view="stability")
    assert not app.exception
    button(app, "Measure").click().run()
    assert not app.exception
    work()
    app.run()
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table["k"]) == [0, 1, 2, 5, 10]
    assert "Called a barrier" in words(app)


def test_a_first_visit_shows_the_shipped_branches(visit, store):
    """Nothing is pressed and nothing is asked for: their lines ship measured."""
    app = visit("paths", view="stability")
    assert not app.exception
    assert not waiting(store)
    assert "runs" not in app.query_params
    assert list(app.dataframe[0].value["k"]) == [0, 1, 2, 5, 10]


def test_a_training_anew_is_branched_where_it_was_asked(visit, registered, store, work):
    """The address brings trunk, epochs, seeds, noise and shift back into the form; the last epoch's copies are one model."""
    pairs = trained(registered, [0, 1, 3], (7, 8), noise=0.5, shift=True)
    for pair in pairs:
        store.submit(pair.run)
    work()
    app = visit("paths", view="stability", runs=address(pairs), k="1")
    assert not app.exception
    assert field(app, "text_input", "Branch at epochs").value == "0 1 3"
    assert field(app, "text_input", "Seeds of the copies").value == "7 8"
    assert field(app, "number_input", "epochs").value == 3
    assert field(app, "number_input", "noise").value == 0.1
    assert field(app, "number_input", "Noise of their inputs").value == 0.5
    assert field(app, "checkbox", "Shift their images").value is True
    table = app.dataframe[0].value
    assert list(table["k"]) == [0, 1, 3]
    assert table["barrier (points of error), 95 %"].iloc[-1] == "0 [0, 0]"
    assert table["barrier (nat), 95 %"].iloc[-1] == "0 [0, 0]"
    assert float(table["barrier (nat), 95 %"].iloc[0].split()[0]) > 0
    # The same choice is the same request: nothing is left to do.
    button(app, "Measure").click().run()
    assert not app.exception
    assert app.query_params["runs"] == address(pairs)
    assert not waiting(store)


def test_each_pair_opens_as_a_line(visit, registered, store, work):
    """What the table links to is a run that Interpolate shows."""
    (pair,) = pairs = trained(registered, [2])
    store.submit(pair.run)
    work()
    app = visit("paths", view="stability", runs=address(pairs))
    assert field(app, "text_input", "Seeds of the copies").value == "101 202"
    assert app.dataframe[0].value["line"][0] == f"/interpolate?run={pair.run.id}"
    app = visit("interpolate", run=pair.run.id)
    assert not app.exception
    assert not app.warning
    assert "barrier" in words(app)


def test_stop_and_resume(visit, registered, store):
    """All pairs that still go on, and all again."""
    pairs = trained(registered, [0, 1])
    for pair in pairs:
        store.submit(pair.run)
    app = visit("paths", view="stability", runs=address(pairs))
    button(app, "Stop").click().run()
    assert {store.status(p.run.id).state for p in pairs} == {"stopped"}
    button(app, "Resume").click().run()
    assert {store.status(p.run.id).state for p in pairs} == {"waiting"}
    assert not app.exception


def test_a_training_that_diverges_says_so(visit, registered, store, work):
    """In one sentence for each of its pairs, without a table."""
    trunk = registry.method("train", "sgd", {"epochs": 3, "lr": 100.0, "weight_decay": 100.0})
    pairs = [stability.Pair(b.k, line(registered.problem.spec, b)) for b in branches(registered.problem.spec, trunk, [1])]
    store.submit(pairs[0].run)
    work()
    app = visit("paths", view="stability", runs=address(pairs))
    assert not app.exception
    assert any("diverged" in e.value for e in app.error)
    assert not app.dataframe


@pytest.mark.parametrize("typed", [{"runs": "0123456789abcdef"}, {"runs": "nonsense,too", "k": "x"}, {"runs": ","}, {"k": "-1"}])
def test_an_address_of_pairs_that_are_not_here_says_so(visit, registered, typed):
    """No blank page, no exception."""
    app = visit("paths", view="stability", **typed)
    assert not app.exception
    assert bool(app.warning) == (typed.get("runs", ",") != ",")


def test_a_line_between_other_models_is_no_pair(visit, registered, store):
    """A warning, and the form."""
    app = visit("paths", view="stability", runs=store.submit(registered.run()))
    assert not app.exception
    assert "not copies of one training" in app.warning[0].value


@pytest.mark.parametrize(
    ("label", "typed", "said"),
    [
        ("Branch at epochs", "1 seven", "seven"),
        ("Branch at epochs", "21", "from 0 to 20"),
        ("Branch at epochs", "-1", "from 0 to 20"),
        ("Branch at epochs", "  ", "No epoch"),
        ("Seeds of the copies", "1", "Two seeds"),
        ("Seeds of the copies", "1 99999999999", "must lie in 0"),
    ],
)
def test_nonsense_in_the_form_is_a_sentence(visit, registered, store, label, typed, said):
    """And nothing can be asked for."""
    app = visit("paths", view="stability")
    next(c for c in app.get("button_group") if c.label == "Copies").set_value("train now").run()
    field(app, "text_input", label).set_value(typed).run()
    assert not app.exception
    assert any(said in e.value for e in app.error), [e.value for e in app.error]
    assert button(app, "Measure").disabled


def found(tiny, rises, *, done=True, diverged=0, half=0.01):
    """What is known of copies that branched at these epochs: the barrier of the error, with an interval of ± half."""
    made = []
    for pair in trained(tiny, list(rises)):
        rise = Estimate(rises[pair.k], rises[pair.k] - half, rises[pair.k] + half)
        known = Barrier("error", rise, 0.5, rise.value, (0.05, 0.05), 0.1, (), 11, 540, diverged, 2.5, 0.004)
        made.append(Found(pair, {"error": known, "loss": replace(known, metric="loss")}, done))
    return made


@pytest.mark.parametrize(
    ("rises", "asked", "said"),
    [
        ({0: 0.2, 1: 0.1, 2: 0.005}, 3, "From epoch **2** on the copies are connected. Those that branched at epoch 1 have a barrier."),
        ({0: 0.2, 1: 0.005, 2: 0.016}, 3, "No pair is connected for certain. Those that branched at epoch 2 have a barrier."),
        ({0: 0.005, 1: 0.0}, 2, "From epoch **0** on the copies are connected. No pair has a barrier beyond sampling error."),
        ({1: 0.0}, 2, "So far, 1 of 2 pairs: from epoch **1** on the copies are connected"),
        ({2: 0.2, 3: 0.0}, 2, "because nothing was left to train. Those that branched at epoch 2 have a barrier."),
        ({3: 0.0}, 1, "The copies of epoch 3 are the same model"),
    ],
)
def test_the_sentence_follows_the_rule_it_states(tiny, rises, asked, said):
    """Connected where all of the interval is below two points of error, from there on without a gap; open where it holds zero and more than that."""
    assert said in stability.words(found(tiny, rises), asked)
    assert "Open: epochs 1, 2." in stability.words(found(tiny, {0: 0.2, 1: 0.02, 2: 0.02}, half=0.03), 3)


def test_a_pair_in_work_has_no_say(tiny):
    """Two ends measured look like no barrier; a place where the loss was lost is named."""
    assert "No pair is fully measured" in stability.words(found(tiny, {0: 0.0}, done=False), 1)
    assert "at least what is shown" in stability.words(found(tiny, {0: 0.0}, diverged=1), 1)


def test_a_rise_of_the_loss_is_told_beside_the_error(tiny):
    """Of the latest epoch whose interval lies above zero, and of none where no interval does."""
    assert "still rises beyond sampling error between the copies of epoch 1" in stability.words(found(tiny, {0: 0.2, 1: 0.014, 2: 0.004}), 3)
    assert "rises beyond sampling error" not in stability.words(found(tiny, {0: 0.01}), 1)


def test_the_file_has_numbers(tiny):
    """One row for each pair and metric, in shares and nats."""
    table = stability.numbers(found(tiny, {0: 0.2, 2: 0.1}))
    assert list(table["k"]) == [0, 0, 2, 2]
    assert list(table["metric"]) == ["error", "loss"] * 2
    assert list(table["barrier"]) == [0.2, 0.2, 0.1, 0.1]
    assert (table["barrier_low"] < table["barrier"]).all()
