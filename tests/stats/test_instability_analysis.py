"""Branching a training: what must be identical, and what is trained once."""

import json
from itertools import islice

import pytest
import torch

from explorer.checkpoints import checkpoint_file
from explorer.commands.build_samples import FAMILIES
from explorer.core import locations, registry
from explorer.core.errors import Refused, Stopped
from explorer.core.spec import Spec, Trained
from explorer.engine.realise_recipe import realise
from explorer.engine.run_loop import keep
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.stats.barriers import barrier
from explorer.stats.instability_analysis import branches, line

TRUNK = registry.method("train", "sgd", {"epochs": 4, "noise": 0.1})


def same(a, b):
    return all(torch.equal(a[k], b[k]) for k in a)


def test_from_the_last_epoch_on_the_barrier_is_exactly_zero(tiny, store, home):
    """Both copies are the trunk."""
    (branch,) = branches(tiny.problem.spec, TRUNK, [4])
    run = line(tiny.problem.spec, branch)
    keep(run, store, home, report=lambda *_: True)
    found = barrier(store.points(run.field.id)[0])
    assert found.height.value == 0.0
    assert found.height.high == 0.0


def test_the_same_seed_gives_the_same_copy_and_another_another(tiny, store, home):
    """To the bit; and copies of one epoch begin at the same weights."""
    (twins,) = branches(tiny.problem.spec, TRUNK, [2], seeds=(5, 5))
    (others,) = branches(tiny.problem.spec, TRUNK, [2], seeds=(5, 6))
    a, b, c = (realise(r, store, home) for r in (twins.a, twins.b, others.b))
    assert same(a, b)
    assert not same(a, c)
    assert others.a.start.id == others.b.start.id == Trained(tiny.problem.spec, TRUNK, at=2).id


def test_a_copy_without_other_noise_than_the_trunk_s_is_the_trunk_where_nothing_was_drawn_yet(tiny, store, home):
    """Branched at epoch 0 with the trunk's own order: the whole training again."""
    (branch,) = branches(tiny.problem.spec, TRUNK, [0], seeds=(0, 1))
    assert same(realise(branch.a, store, home), realise(Trained(tiny.problem.spec, TRUNK), store, home))


def test_the_trunk_is_trained_once_for_all_epochs(tiny, store, home):
    """One snapshot asked for, and those of the other epochs of a small network are there too; the last is the training's end."""
    realise(Trained(tiny.problem.spec, TRUNK, at=1), store, home)
    reported = []
    for k in (2, 3, 4):
        realise(Trained(tiny.problem.spec, TRUNK, at=k), store, home, progress=lambda *said: reported.append(said))
    end = realise(Trained(tiny.problem.spec, TRUNK), store, home, progress=lambda *said: reported.append(said))
    assert reported == [], "nothing was trained again"
    assert same(end, realise(Trained(tiny.problem.spec, TRUNK, at=4), store, home))


def test_copies_begin_at_the_rate_the_trunk_has_reached(tiny):
    """Half-way down the cosine it is half; what is changed for the copies is changed in them alone."""
    (branch,) = branches(tiny.problem.spec, TRUNK, [2], noise=0.5)
    assert branch.a.method["lr"] == pytest.approx(TRUNK["lr"] / 2)
    assert branch.a.method["epochs"] == 2
    assert branch.a.method["noise"] == 0.5
    assert branch.a.start.method["noise"] == 0.1


def test_a_stopped_training_leaves_no_half_file(tiny, store, home):
    """It is told after each epoch, and may be stopped there."""

    def stop(done, total, message):
        raise Stopped

    recipe = Trained(tiny.problem.spec, TRUNK)
    with pytest.raises(Stopped):
        realise(recipe, store, home, progress=stop)
    assert not locations.made_at(recipe, home).exists()
    assert not list((home / "models").glob(".*"))
    assert realise(recipe, store, home)


def test_a_recipe_comes_back_from_json_with_its_id(tiny):
    """Names are not part of it."""
    (branch,) = branches(tiny.problem.spec, TRUNK, [3])
    again = Spec.from_json(branch.a.to_json())
    assert again == branch.a
    assert again.id == Trained(branch.a.problem, branch.a.method, branch.a.start).id


@pytest.mark.parametrize("k", [-1, 5])
def test_an_epoch_that_is_not_there_is_refused(tiny, k):
    """With the range."""
    with pytest.raises(Refused, match="0 to 4"):
        branches(tiny.problem.spec, TRUNK, [k])


def test_the_shipped_branches_are_trained_the_same_way(store, home):
    """The family's own maker is the twin: equal bits, at epoch 0 and at a later one."""
    spec = problem_toml.find("digits-mlp-branches")
    trunk = registry.method("train", "sgd", {"epochs": 20, "lr": 0.1, "batch": 16, "weight_decay": 1e-3, "noise": 0.25})
    shipped = {stem: weights for stem, weights, _ in islice(FAMILIES["digits-mlp-branches"](Problem(spec)), 3)}
    initial, later = branches(spec, trunk, [0, 1])
    assert same(realise(initial.b, store, home), shipped["epoch-0-b"])
    assert same(realise(later.a, store, home), shipped["epoch-1-a"])


def test_a_copy_warms_up_where_the_trunk_would(tiny):
    """At the initial weights, and not after an epoch."""
    trunk = registry.method("train", "sgd", {"epochs": 4, "warmup": 30})
    assert [b.a.method["warmup"] for b in branches(tiny.problem.spec, trunk, [0, 2])] == [30, 0]


def test_a_snapshot_that_was_not_asked_for_is_not_called_like_the_one_that_was(tiny, store, home):
    """The file of epoch 2 does not say that it is epoch 1."""
    asked = Trained(tiny.problem.spec, TRUNK, at=1, name="trunk, epoch 1")
    realise(asked, store, home)
    named = {k: checkpoint_file.read(locations.made_at(Trained(tiny.problem.spec, TRUNK, at=k), home)).metadata["recipe"] for k in (1, 2)}
    assert Spec.from_json(json.loads(named[1])) == asked
    assert Spec.from_json(json.loads(named[2])) == Trained(tiny.problem.spec, TRUNK, at=2)
