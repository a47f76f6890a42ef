"""An interrupted training run resumes where it stopped, bit for bit."""

import pytest
import torch

from explorer.core import locations, registry
from explorer.core.errors import Stopped
from explorer.core.spec import Trained
from explorer.engine import realise_recipe
from explorer.training.resumable import ResumableTraining
from tests.methods.train.test_train import problem, same

NOISY = {"noise": 0.1, "batch": 300}
CASES = [
    ("sgd", {**NOISY, "epochs": 3, "label_noise": 0.1, "shift": True}),
    ("sgd", {"epochs": 3, "optimizer": "adamw", "lr": 0.01}),
    ("sgd", {"epochs": 3, "momentum": 0.0}),
    ("swa", {**NOISY, "epochs": 2, "begin": 1, "per_epoch": 2}),
    ("swalp", {**NOISY, "epochs": 3}),
    ("sam", {**NOISY, "epochs": 3, "rho": 0.2}),
    ("hwa", {**NOISY, "epochs": 2, "per_epoch": 2}),
    ("papa", {**NOISY, "epochs": 3, "way": "pull", "every": 2}),
    ("papa", {**NOISY, "epochs": 4, "way": "pairs", "pause": 1}),
    ("auxiliary", {**NOISY, "epochs": 3}),
    ("probe", {"epochs": 3}),
]


def together(made):
    """The networks of a snapshot: most trainings have one."""
    return (made,) if isinstance(made, dict) else made


def test_every_training_is_tried():
    """A method that comes later is added above."""
    assert {name for name, _ in CASES} == set(registry.names("train"))


@pytest.mark.parametrize("network", ["mlp", "resnet"])
@pytest.mark.parametrize(("method", "options"), CASES)
def test_a_training_goes_on_where_it_was_left(method, options, network):
    """After each of its snapshots: the rest is, to the bit, what it would have been; running statistics too."""
    task = problem(network, **({"widths": (2,)} if network == "resnet" else {}))
    train = registry.find("train", method)
    training = ResumableTraining()
    whole, states = [], []
    for made in train(task, **options, training=training):
        whole.append(together(made))
        states.append(training.state(len(whole)))
    for state in states if network == "mlp" else states[1:2]:
        rest = [together(made) for made in train(task, **options, training=ResumableTraining(state))]
        assert len(rest) == len(whole) - state.epoch
        assert all(same(a, b) for one, other in zip(rest, whole[state.epoch :], strict=True) for a, b in zip(one, other, strict=True))


def stopping(at, reported):
    """Progress whose every new number is noted (it is told after each step too), and which stops the work at one; None: nowhere."""

    def progress(done, total, message):
        if reported[-1:] != [done]:
            reported.append(done)
        if done == at:
            raise Stopped

    return progress


@pytest.mark.parametrize("member", [0, 1])
def test_a_stopped_training_is_finished_as_if_it_had_not_been_stopped(tiny, store, home, member):
    """Its first epochs are not trained again, and nothing is left behind."""
    how = registry.method("train", "papa", {"members": 2, "epochs": 5})
    recipe, reported = Trained(tiny.problem.spec, how, member=member), []
    with pytest.raises(Stopped):
        realise_recipe.realise(recipe, store, home, progress=stopping(3, reported))
    assert locations.unfinished_at(recipe, home).is_file()
    resumed = realise_recipe.realise(recipe, store, home, progress=stopping(None, reported))
    assert reported == [0, 1, 2, 3, 4, 5]
    assert not locations.unfinished_at(recipe, home).exists()
    assert same(resumed, realise_recipe.realise(recipe, store, home / "another"))


def test_a_process_that_dies_loses_what_came_after_the_last_keeping(tiny, store, home, monkeypatch):
    """No one is told of a death: what was kept on the way is enough."""
    monkeypatch.setattr(realise_recipe, "KEEP_S", 0.0)
    recipe, reported = Trained(tiny.problem.spec, registry.method("train", "sgd", {"epochs": 4})), []

    def die(done, total, message):
        if reported[-1:] != [done]:
            reported.append(done)
        if reported == [0, 1, 2, 3]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        realise_recipe.realise(recipe, store, home, progress=die)
    resumed = realise_recipe.realise(recipe, store, home, progress=die)
    assert reported == [0, 1, 2, 3, 2, 3, 4], "the third epoch is trained again"
    assert same(resumed, realise_recipe.realise(recipe, store, home / "another"))


def test_an_earlier_snapshot_than_where_it_was_left_is_trained_from_the_beginning(tiny, store, home):
    """And what was left farther on is not thrown away for it."""
    how, reported = registry.method("train", "sgd", {"epochs": 5}), []
    with pytest.raises(Stopped):
        realise_recipe.realise(Trained(tiny.problem.spec, how), store, home, progress=stopping(3, reported))
    early = Trained(tiny.problem.spec, how, at=2)
    reported.clear()
    with pytest.raises(Stopped):
        realise_recipe.realise(early, store, home, progress=stopping(2, reported))
    assert reported == [0, 1, 2]
    reported.clear()
    realise_recipe.realise(Trained(tiny.problem.spec, how), store, home, progress=stopping(None, reported))
    assert reported == [3, 4, 5]


def test_of_large_networks_the_next_snapshot_is_trained_from_the_one_before(tiny, store, home, monkeypatch):
    """A trajectory whose snapshots are asked for one after another is trained once."""
    monkeypatch.setattr(realise_recipe, "KEPT_WHOLE", 0)
    how, reported = registry.method("train", "sgd", {"epochs": 4}), []
    made = [realise_recipe.realise(Trained(tiny.problem.spec, how, at=k), store, home, progress=stopping(None, reported)) for k in (1, 2, 3, 4)]
    assert reported == [0, 1, 2, 3, 4]
    assert not locations.unfinished_at(Trained(tiny.problem.spec, how), home).exists()
    assert all(map(same, made, registry.find("train", "sgd")(tiny.problem, epochs=4)))
    assert all(torch.isfinite(t).all() for weights in made for t in weights.values())
