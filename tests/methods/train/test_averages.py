"""Trainings made for averages: their schedules, their grids, their populations, and how a recipe carries them out."""

import json

import pytest
import torch

from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.locations import made_at
from explorer.core.spec import Fused, Trained
from explorer.engine.ratatouille_recipes import recipes
from explorer.engine.realise_recipe import realise
from explorer.methods.train import auxiliary, swalp
from explorer.training.population import become_mean, pull
from tests.methods.train.test_train import last, problem, same


def apart(a, b):
    """The distance of two models."""
    return sum(float((a[k].double() - b[k].double()).square().sum()) for k in a) ** 0.5


def test_a_constant_swa_rate_is_sgd_at_that_rate():
    """With nothing before it; before it, the rate falls from lr to swa_lr and meets it."""
    tiny = problem()
    plain = list(registry.find("train", "sgd")(tiny, epochs=2, lr=0.05, schedule="constant"))
    assert all(map(same, plain, registry.find("train", "swa")(tiny, epochs=2, begin=0, swa_lr=0.05)))


def test_the_cyclic_rate_falls_to_low_in_every_cycle():
    """One whole-batch step an epoch, c = 2: t = ½, 1, so the second step of each cycle is as long as at `low`."""

    def second(schedule, rate):
        a, b = list(
            registry.find("train", "swa")(problem(), epochs=2, begin=0, swa_lr=rate, low=0.02, cycle=2, schedule=schedule, momentum=0.0, batch=10**6)
        )
        return a, b

    a, b = second("cyclic", 0.08)
    assert same(a, next(registry.find("train", "swa")(problem(), epochs=1, begin=0, swa_lr=0.05, momentum=0.0, batch=10**6)))
    wanted = last(registry.find("train", "swa")(problem(), a, epochs=1, begin=0, swa_lr=0.02, momentum=0.0, batch=10**6))
    assert apart(b, wanted) < 1e-6


def test_several_snapshots_an_epoch_are_on_the_way_to_the_same_end():
    """15 steps an epoch in three snapshots; the last of each epoch is the epoch's."""
    often = list(registry.find("train", "swa")(problem(), epochs=2, per_epoch=3))
    seldom = list(registry.find("train", "swa")(problem(), epochs=2))
    assert len(often) == 6 and same(often[2], seldom[0]) and same(often[5], seldom[1])
    with pytest.raises(Refused, match="15 steps here"):
        next(registry.find("train", "swa")(problem(), epochs=1, per_epoch=16))


def test_stochastic_rounding_is_unbiased_and_stays_on_the_grid():
    """E[Q(x)] = x; what lies on the grid stays; what is out of reach is set to the nearest end."""
    dice = torch.Generator().manual_seed(0)
    x = torch.linspace(-1.9, 1.9, 77)
    mean = torch.stack([swalp.quantised(x, 8, 6, dice) for _ in range(4000)]).mean(dim=0)
    assert torch.allclose(mean, x, atol=5 * 2**-6 / 2 / 4000**0.5)
    grid = torch.arange(-128, 128) / 64
    assert torch.equal(swalp.quantised(grid, 8, 6, dice), grid)
    assert swalp.quantised(torch.tensor([-9.0, 9.0]), 8, 6, dice).tolist() == [-2.0, 127 / 64]


def test_the_average_of_a_noisy_quadratic_is_finer_than_the_grid():
    """w ← Q(w − α g) around 0.3 with δ = ¼: the iterates are never nearer than 0.05, their mean is."""
    dice, w, seen = torch.Generator().manual_seed(0), torch.zeros(200), []
    for _ in range(400):
        w = swalp.quantised(w - 0.5 * (w - 0.3), 8, 2, dice)
        seen.append(w)
    assert float((seen[-1] - 0.3).abs().min()) >= 0.049
    assert float((torch.stack(seen[50:]).mean(dim=0) - 0.3).abs().max()) < 0.06 < 0.25


def test_swalp_learns_on_a_grid():
    """Every parameter of every snapshot is a whole number of 2^−6, and the digits are learned."""
    got = list(registry.find("train", "swalp")(problem(), epochs=4, begin=2))
    assert all(torch.equal((t * 64).round() / 64, t) for m in got for t in m.values())
    assert not same(got[2], got[3])


def test_one_replica_is_plain_sgd_and_two_meet():
    """HWA with K = 1 bit for bit; the mean of two replicas is not either of them, and syncing oftener changes it."""
    tiny = problem()
    assert all(map(same, registry.find("train", "hwa")(tiny, replicas=1, epochs=2), registry.find("train", "sgd")(tiny, epochs=2)))
    one = next(registry.find("train", "hwa")(tiny, replicas=2, epochs=1))
    ends = [next(registry.find("train", "sgd")(tiny, epochs=1, order_seed=k)) for k in (0, 1)]
    assert all(torch.allclose(one[k], (ends[0][k] + ends[1][k]) / 2, atol=1e-7) for k in one)
    often = list(registry.find("train", "hwa")(tiny, replicas=2, epochs=1, per_epoch=3))
    assert len(often) == 3 and not same(often[-1], one)


def test_a_mean_of_replicas_has_its_own_batch_norm_statistics():
    """Measured, not one replica's."""
    resnet = problem("resnet", widths=(4,))
    made = next(registry.find("train", "hwa")(resnet, replicas=2, epochs=1, lr=0.01))
    alone = next(registry.find("train", "hwa")(resnet, replicas=1, epochs=1, lr=0.01))
    assert not torch.equal(made["stem_norm.running_var"], alone["stem_norm.running_var"])


@pytest.mark.parametrize("way", ["pull", "all", "pairs"])
def test_a_population_left_alone_is_independent_trainings(way):
    """α = 1, or no average within the training: bit for bit what sgd gives with the same order."""
    tiny = problem()
    got = last(registry.find("train", "papa")(tiny, members=3, way=way, alpha=1.0, pause=99, epochs=2))
    assert all(same(g, last(registry.find("train", "sgd")(tiny, epochs=2, order_seed=i))) for i, g in enumerate(got))


def test_a_pull_keeps_the_mean_and_shrinks_the_spread():
    """By α."""
    g = torch.Generator().manual_seed(0)
    many = [{"w": torch.randn(50, generator=g)} for _ in range(4)]
    mean, spread = (f(torch.stack([m["w"] for m in many]), dim=0) for f in (torch.mean, torch.std))
    pull(many, 0.9)
    after = torch.stack([m["w"] for m in many])
    assert torch.allclose(after.mean(dim=0), mean, atol=1e-6)
    assert torch.allclose(after.std(dim=0), 0.9 * spread, atol=1e-6)
    become_mean(many)
    assert all(torch.equal(m["w"], many[0]["w"]) for m in many)


def test_pulled_to_the_mean_at_every_step_all_are_one():
    """α = 0, k = 1."""
    a, b = last(registry.find("train", "papa")(problem(), members=2, alpha=0.0, every=1, epochs=1, anneal=False))
    assert same(a, b)


def test_a_population_is_closer_together_for_being_pulled_or_averaged():
    """Than trainings left alone; all three in the ways all and pairs, and the last epoch leaves them apart."""
    tiny = problem()
    alone = last(registry.find("train", "papa")(tiny, members=3, alpha=1.0, epochs=4))
    for way in ("pull", "all", "pairs"):
        got = last(registry.find("train", "papa")(tiny, members=3, way=way, pause=2, epochs=4))
        assert apart(got[0], got[1]) > 0 and sum(apart(got[0], g) for g in got) < sum(apart(alone[0], g) for g in alone)


def test_a_recipe_has_members_and_older_ones_keep_their_ids(tiny, store, home):
    """Each member of each epoch is kept by one training; member 0 is the recipe as it was."""
    spec = tiny.problem.spec
    how = registry.method("train", "papa", {"members": 2, "epochs": 2})
    made = [realise(Trained(spec, how, at=1, member=i), store, home) for i in range(2)]
    wanted = next(registry.find("train", "papa")(tiny.problem, members=2, epochs=2))
    assert same(made[0], wanted[0]) and same(made[1], wanted[1])
    assert all(made_at(Trained(spec, how, at=2, member=i), home).exists() for i in range(2))
    assert same(realise(Trained(spec, how, member=1), store, home), realise(Trained(spec, how, at=2, member=1), store, home))
    with pytest.raises(Refused, match="2 networks together here; there is no number 3"):
        realise(Trained(spec, how, member=2), store, home)
    assert Trained(spec, how, at=1, member=0).id == Trained(spec, how, at=1).id != Trained(spec, how, at=1, member=1).id


def test_snapshots_within_an_epoch_are_counted(tiny, store, home):
    """`at` goes up to epochs × per_epoch."""
    how = registry.method("train", "swa", {"epochs": 2, "per_epoch": 3})
    assert registry.snapshots_of(how) == 6
    wanted = list(registry.find("train", "swa")(tiny.problem, epochs=2, per_epoch=3))
    assert same(realise(Trained(tiny.problem.spec, how, at=4), store, home), wanted[3])
    assert same(realise(Trained(tiny.problem.spec, how), store, home), wanted[5])


def test_an_auxiliary_task_groups_the_classes():
    """Groups of nearly equal size, another for each task; the body is trained from its start, the head anew."""
    found = [auxiliary.grouping(10, 3, task) for task in (0, 1)]
    assert all(sorted(g.bincount().tolist()) == [3, 3, 4] for g in found) and not torch.equal(*found)
    tiny = problem()
    start = next(registry.find("train", "sgd")(tiny, epochs=1))
    assert (
        apart(
            next(registry.find("train", "auxiliary")(tiny, start, lr=0.0, epochs=1)),
            {**start, **{k: v for k, v in tiny.network(seed=0).state_dict().items() if "1" in k}},
        )
        < 1e-6
    )
    with pytest.raises(Refused, match="10 classes cannot be put into 11 groups"):
        next(registry.find("train", "auxiliary")(tiny, groups=11))


def test_a_probe_leaves_the_features_alone():
    """Parameters and statistics, bit for bit; the head is learned."""
    resnet = problem("resnet", widths=(4,))
    start = resnet.network(seed=3).state_dict()
    made = next(registry.find("train", "probe")(resnet, start, epochs=1))
    moved = {k for k in made if not torch.equal(made[k], start[k])}
    assert moved == {k for k in made if k.startswith(list(resnet.network().named_parameters())[-1][0].rpartition(".")[0])}


def test_a_ratatouille_records_its_stages(tiny, store, home):
    """Five of them in the soup's own file; all that are tuned begin at one head and at bodies of their own."""
    tuning = registry.method("train", "sgd", {"epochs": 1})
    made = recipes(tiny.problem.spec, None, tuning, tasks=2, auxiliary_epochs=1, probe_epochs=1)
    soup = made.soup(tiny.problem.spec)
    realise(soup, store, home)
    written = json.loads(checkpoint_file.read(made_at(soup, home)).metadata["recipe"])
    kinds = []
    while written:
        kinds.append(written["method"]["name"])
        written = (written.get("models") or [written.get("start")])[0]
    assert kinds == ["uniform_soup", "sgd", "graft", "auxiliary", "sgd"]
    assert [words for words, _ in made.stages()][1] == "trained on auxiliary task 0, 1"
    starts = [realise(t.start, store, home) for t in made.tuned]
    assert torch.equal(starts[0]["layers.1.weight"], starts[1]["layers.1.weight"])
    assert not torch.equal(starts[0]["layers.0.weight"], starts[1]["layers.0.weight"])


def test_without_auxiliary_epochs_it_is_a_soup_of_fine_tunes_with_one_head(tiny, store, home):
    """All begin at the probe, and differ in their order alone."""
    tuning = registry.method("train", "sgd", {"epochs": 1})
    made = recipes(tiny.problem.spec, None, tuning, tasks=2, auxiliary_epochs=0, probe_epochs=1)
    assert {t.start for t in made.tuned} == {made.probe} and not made.auxiliary
    start = realise(made.probe, store, home)
    wanted = [next(registry.find("train", "sgd")(tiny.problem, start, epochs=1, order_seed=i)) for i in range(2)]
    soup = realise(Fused(tiny.problem.spec, made.tuned, registry.method("fuse", "uniform_soup")), store, home)
    assert all(torch.allclose(soup[k], (wanted[0][k] + wanted[1][k]) / 2, atol=1e-6) for k in soup)
    with pytest.raises(Refused, match="at least 2"):
        recipes(tiny.problem.spec, None, tuning, tasks=1)


def test_the_api_returns_recipes_that_are_averaged_like_checkpoints(tiny, home):
    """Every second snapshot; of a population, all members of each."""
    from explorer.api import train

    got = train(tiny.folder, method="papa", method_options={"members": 2, "epochs": 4}, every=2, home=home)
    assert [(r.at, r.member) for r in got] == [(2, 0), (2, 1), (4, 0), (4, 1)]
    assert all(made_at(r, home).is_file() for r in got)
    again = train(tiny.folder, start=tiny.a, method_options={"epochs": 1, "lr": 0.0}, home=home)
    assert same(checkpoint_file.read(made_at(again[0], home)).weights, checkpoint_file.read(tiny.a).weights)
    with pytest.raises(Refused, match="Choose from 1 to 4"):
        train(tiny.folder, method_options={"epochs": 4}, every=9, home=home)
