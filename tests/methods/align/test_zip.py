"""Zipping: merge and unmerge, within and across, and what it comes down to when nothing is merged inside a model."""

import numpy as np
import pytest
import torch

from explorer import symmetry
from explorer.core import registry, trust
from explorer.methods.align.zip import align, greedy
from tests import odd_networks as odd
from tests.methods.align import sample

FAMILIES = ["digits-mlp", "digits-resnet", "digits-vit"]


def average(done):
    return {k: sum(w[k] for w in done.weights) / len(done.weights) for k in done.weights[0]}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_shuffled_copy_zips_to_the_model_itself(name):
    """The average of the parts is the model, to rounding."""
    problem, (a, _) = sample(name)
    found = symmetry.symmetry_of(problem)
    shuffled = symmetry.permuted(a, found, symmetry.random(found, torch.Generator().manual_seed(4)))
    zipped = average(align([a, shuffled], problem, budget=0.0))
    network = problem.network()
    inputs = problem.split("test").inputs[:64]
    network.load_state_dict(a)
    expected = network(inputs)
    network.load_state_dict(zipped)
    assert (network(inputs) - expected).abs().max() <= 1e-4 * expected.abs().max()


def test_without_zipping_it_is_activation_matching():
    """share 0: every group is matched one to one, and the average is that of activation matching."""
    problem, models = sample("digits-mlp")
    zipped = average(align(models, problem, share=0.0))
    matched = registry.find("align", "activation_matching")(models, problem)
    expected = average(matched)
    assert all(torch.allclose(zipped[k], expected[k], atol=1e-6) for k in expected)


def test_duplicated_units_of_one_model_are_merged_into_each_other():
    """Model A has every unit twice, with half of the outgoing weights each: zipped, A's twins are one unit, and A's function survives beside B's.

    Both models compute the same four features of the input; A spends eight units on them, B four, and four that are dead.
    """
    generator = torch.Generator().manual_seed(0)
    likeness = torch.eye(8, dtype=torch.float64).repeat(2, 2)
    features = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3, 0, 1, 2, 3, 4, 5, 6, 7])
    likeness = (features[:, None] == features[None, :]).double()
    likeness += 1e-9 * torch.rand(16, 16, generator=generator, dtype=torch.float64)
    labels = greedy((likeness + likeness.T) / 2, 2, within=8, alpha=1.0)
    assert len(labels.unique()) == 8
    for feature in range(4):
        assert len(labels[features == feature].unique()) == 1
    assert len({int(x) for x in labels[features >= 4]}) == 4, "the units that B alone has keep places of their own"


@pytest.mark.parametrize("models", [2, 3, 4])
def test_without_a_budget_every_merged_unit_has_one_member_of_each_model(models):
    """Held on random likenesses, which lead into dead ends when the most alike pair is always taken."""
    for seed in range(20):
        x = torch.rand(models * 6, models * 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        labels = greedy((x + x.T) / 2, models, within=0, alpha=1.0)
        assert all(sorted(own) == list(range(6)) for own in labels.reshape(models, 6).tolist())


def test_a_pair_that_leads_into_a_dead_end_has_to_wait():
    """a1-b1, a2-c1 and b2-c2 are the most alike, in this order; the third would leave three pairs that fit nowhere. a1-b1 and a2-c1 it is."""
    likeness = torch.zeros(6, 6, dtype=torch.float64)  # a1 a2 b1 b2 c1 c2
    for i, j, value in ((0, 2, 0.9), (1, 4, 0.8), (3, 5, 0.7)):
        likeness[i, j] = likeness[j, i] = value
    labels = greedy(likeness, 3, within=0, alpha=1.0)
    assert labels.tolist() == [0, 1, 0, 1, 1, 0]
    free = greedy(likeness, 3, within=4, alpha=1.0)
    assert free[3] == free[5], "with a budget nothing has to wait"


@pytest.mark.parametrize("within", range(13))
def test_any_budget_ends_with_as_many_units_as_one_model_has(within):
    """Also where it runs out half-way."""
    for seed in range(5):
        x = torch.rand(18, 18, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        assert sorted(greedy((x + x.T) / 2, 3, within=within, alpha=0.3).unique().tolist()) == list(range(6))


def test_three_models_without_a_budget_are_permuted_and_nothing_else():
    """Every part then computes what its model does."""
    problem, models = sample("digits-mlp", 3)
    done = align(models, problem, budget=0.0)
    network = problem.network()
    inputs = problem.split("test").inputs[:64]
    for before, after in zip(models, done.weights, strict=True):
        network.load_state_dict(before)
        expected = network(inputs)
        network.load_state_dict(after)
        assert (network(inputs) - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_the_budget_is_a_share_of_all_merges():
    """Of three models with n units 2n merges are made. One model has nothing but twins, n of its merges would be its own: half of them are allowed."""
    problem, (a, b, c) = sample("digits-mlp", 3)
    twins = {k: v.clone() for k, v in a.items()}
    twins["layers.0.weight"][:] = a["layers.0.weight"][:1]
    twins["layers.0.bias"][:] = a["layers.0.bias"][:1]
    done = align([twins, b, c], problem, budget=0.25, alpha=1.0)
    first = next(name for name, m in done.maps[0].items() if m.shape[0] == 64)
    rows = (done.maps[0][first] > 0).sum(dim=1)
    assert int((rows - 1).clamp(min=0).sum()) == 32


def test_a_budget_bounds_the_merges_inside_a_model():
    """Every unit of A is like every other of A: without a bound they would all be merged."""
    likeness = torch.zeros(8, 8, dtype=torch.float64)
    likeness[:4, :4] = 1.0
    labels = greedy(likeness, 2, within=1, alpha=1.0)
    assert len(labels[:4].unique()) == 3
    assert len(greedy(likeness, 2, within=4, alpha=1.0)[:4].unique()) == 1


@pytest.mark.parametrize("seed", range(8))
def test_greedy_takes_the_pairs_that_a_plain_search_takes(seed):
    """Held to a slow twin that keeps sets and looks at every pair of clusters anew; half of the cases are full of ties."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(14, 14, generator=generator, dtype=torch.float64) - 0.2
    likeness = (x + x.T) / 2 if seed % 2 else ((x + x.T) * 2).round() / 4

    clusters = {i: [i] for i in range(14)}
    score = {(i, j): float(likeness[i, j]) for i in range(14) for j in range(14) if i < j}
    while len(clusters) > 7:
        i, j = max(score, key=score.__getitem__)
        clusters[i] += clusters.pop(j)
        score = {pair: v for pair, v in score.items() if pair != (i, j)}
        for k in clusters:
            if k != i:
                here = (min(i, k), max(i, k))
                least = min(score[here], score[min(j, k), max(j, k)])
                score[here] = 0.5 * least if least > 0 else least
        score = {pair: v for pair, v in score.items() if j not in pair}
    labels = greedy(likeness, 2, within=14, alpha=0.5)
    assert sorted(map(sorted, clusters.values())) == sorted(sorted((labels == c).nonzero().flatten().tolist()) for c in labels.unique())


def test_the_zipped_model_is_far_better_than_the_plain_average():
    """Two independently trained networks: what the method is for, on the test split."""
    from explorer.evaluate.evaluator import Evaluate

    problem, models = sample("digits-resnet")

    def middle(weights):
        evaluate = Evaluate(problem, weights)
        return evaluate(np.array([0.5, 0.5]))[1].sum() / evaluate.counts.sum()

    assert middle(align(models, problem).weights) < 0.25 * middle(models)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # that weight_norm is the old one
@pytest.mark.parametrize(("network", "plain"), [(odd.HookedNorm, odd.Normed), (odd.ParametrisedNorm, odd.Plain)])
def test_a_weight_under_weight_normalisation_is_zipped_as_the_weight_that_it_is(tmp_path, monkeypatch, network, plain):
    """The average computes what that of the same networks without weight normalisation does, and the ends are finite: a unit that is all the other's has a
    direction as well."""
    folders = [tmp_path / "normed", tmp_path / "plain"]
    for folder in folders:
        folder.mkdir()
    problem, twin = (odd.problem_of(n, f, monkeypatch) for n, f in zip((network, plain), folders, strict=True))
    monkeypatch.setattr(trust, "given", frozenset(f"{odd.__name__}:{n.__name__}" for n in (network, plain)))
    models, same = [], []
    for seed in range(2):
        model = problem.network(seed=seed)
        models.append({n: t.clone() for n, t in model.state_dict().items()})
        inputs = problem.split("test").inputs[:64]
        with torch.no_grad():
            model(inputs)  # the old one makes its weight at the call
        modules = dict(model.named_modules())
        own = {n: modules[n.rpartition(".")[0]].weight if n.endswith("weight") else models[-1][n] for n in twin.shapes()}
        same.append({n: t.detach().clone() for n, t in own.items()})
    zipped = [align(m, p, samples=256) for m, p in ((models, problem), (same, twin))]
    outputs = []
    for done, p in zip(zipped, (problem, twin), strict=True):
        net = p.network()
        net.load_state_dict(average(done))
        outputs.append(net(inputs).detach())
    assert (outputs[0] - outputs[1]).abs().max() <= 1e-4 * outputs[1].abs().max()
    for end in zipped[0].weights:
        net = problem.network()
        net.load_state_dict(end)
        assert torch.isfinite(net(inputs)).all()


def test_one_length_for_a_whole_weight_is_zipped_too(tmp_path, monkeypatch):
    """A shuffled copy zips to the model itself, where what reads the units is under weight normalisation as well."""
    problem = odd.problem_of(odd.AllNormed, tmp_path, monkeypatch)
    a, found = dict(problem.network(seed=1).state_dict()), symmetry.symmetry_of(problem)
    shuffled = symmetry.permuted(a, found, symmetry.random(found, torch.Generator().manual_seed(4)))
    inputs, network = problem.split("test").inputs[:64], problem.network()
    network.load_state_dict(a)
    expected = network(inputs)
    network.load_state_dict(average(align([a, shuffled], problem, budget=0.0)))
    assert (network(inputs) - expected).abs().max() <= 1e-4 * expected.abs().max()
