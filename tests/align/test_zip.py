"""Zipping: merge and unmerge, within and across, and what it comes down to when nothing is merged inside a model."""

import numpy as np
import pytest
import torch

from explorer import methods, symmetry
from explorer.align.zip import align, greedy
from tests.align import sample

FAMILIES = ["digits-mlp", "digits-resnet", "digits-vit"]


def average(done):
    return {k: sum(w[k] for w in done.weights) / len(done.weights) for k in done.weights[0]}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_shuffled_copy_zips_to_the_model_itself(name):
    """The average of the parts is the model, to rounding."""
    problem, (a, _) = sample(name)
    found = symmetry.of(problem)
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
    matched = methods.find("align", "activation_matching")(models, problem)
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


@pytest.mark.parametrize("models", [2, 3])
def test_without_a_budget_every_merged_unit_has_one_member_of_each_model(models):
    """Held on random likenesses; of three models, what is left over may not fit any other way."""
    generator = torch.Generator().manual_seed(models)
    x = torch.rand(models * 6, models * 6, generator=generator, dtype=torch.float64)
    labels = greedy((x + x.T) / 2, models, within=0, alpha=1.0)
    assert sorted(labels.unique().tolist()) == list(range(6))
    if models == 2:
        assert sorted(labels[:6].tolist()) == sorted(labels[6:].tolist()) == list(range(6))


def test_a_budget_bounds_the_merges_inside_a_model():
    """Every unit of A is like every other of A: without a bound they would all be merged."""
    likeness = torch.zeros(8, 8, dtype=torch.float64)
    likeness[:4, :4] = 1.0
    labels = greedy(likeness, 2, within=1, alpha=1.0)
    assert len(labels[:4].unique()) == 3
    assert len(greedy(likeness, 2, within=4, alpha=1.0)[:4].unique()) == 1


def test_greedy_takes_the_pairs_that_a_plain_search_takes():
    """Held to a slow twin that keeps sets and looks at every pair of clusters anew."""
    generator = torch.Generator().manual_seed(7)
    x = torch.rand(10, 10, generator=generator, dtype=torch.float64)
    likeness = (x + x.T) / 2

    clusters = {i: [i] for i in range(10)}
    score = {(i, j): float(likeness[i, j]) for i in range(10) for j in range(10) if i < j}
    while len(clusters) > 5:
        i, j = max(score, key=score.__getitem__)
        clusters[i] += clusters.pop(j)
        for k in clusters:
            if k not in (i, j):
                here = tuple(sorted((i, k)))
                score[here] = 0.5 * min(score[here], score[tuple(sorted((j, k)))])
        score = {pair: v for pair, v in score.items() if j not in pair}
    labels = greedy(likeness, 2, within=10, alpha=0.5)
    assert sorted(map(sorted, clusters.values())) == sorted(sorted((labels == c).nonzero().flatten().tolist()) for c in labels.unique())


def test_the_zipped_model_is_far_better_than_the_plain_average():
    """Two independently trained networks: what the method is for, on the test split."""
    from explorer.measure import Evaluate

    problem, models = sample("digits-resnet")

    def middle(weights):
        evaluate = Evaluate(problem, weights)
        return evaluate(np.array([0.5, 0.5]))[1].sum() / evaluate.counts.sum()

    assert middle(align(models, problem).weights) < 0.25 * middle(models)
