"""Merging by what layers see: RegMean++ and CAT."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from explorer.methods.fuse import average, cat, regmean, regmean_plus, task_arithmetic
from explorer.problems.problem import Batch, Problem
from tests.methods.fuse import near


class Blocks(nn.Module):
    """Two blocks of two layers each, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 6)) for _ in range(2)])
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(x)


class Drawn(Problem):
    """A problem around a network, with inputs that are drawn."""

    def __init__(self, spec, network: nn.Module, *shape: int) -> None:
        super().__init__(spec)
        self.like, self.inputs = network, torch.randn(shape, generator=torch.Generator().manual_seed(0))

    def network(self, *, seed=0):
        g = torch.Generator().manual_seed(seed)
        network = copy.deepcopy(self.like).float().eval()
        network.load_state_dict({n: torch.randn(t.shape, generator=g) for n, t in network.state_dict().items()})
        return network

    def blank(self, *args, **options):
        return self.network()

    def split(self, name):
        return Batch(self.inputs, torch.zeros(len(self.inputs), dtype=torch.int64))


def state(problem, seed):
    return {n: t.detach().clone() for n, t in problem.network(seed=seed).state_dict().items()}


def test_regmean_plus_solves_each_block_on_what_the_merged_ones_before_give(tiny):
    """Against least squares on features that are computed step by step."""
    problem = Drawn(tiny.problem.spec, Blocks(), 50, 6)
    models = [state(problem, seed) for seed in (1, 2, 3)]
    found = regmean_plus.fuse(models, problem, shrink=1.0, samples=0)
    doubles = [{n: t.double() for n, t in m.items()} for m in models]
    mean = {n: sum(m[n] for m in doubles) / 3 for n in models[0]}
    expected, x = dict(mean), problem.inputs.double()
    for b in range(2):
        inner, outer = f"blocks.{b}.0", f"blocks.{b}.2"
        seen = [functional.relu(functional.linear(x, m[f"{inner}.weight"], m[f"{inner}.bias"])) for m in doubles]
        wanted = [h @ m[f"{outer}.weight"].T for h, m in zip(seen, doubles, strict=True)]
        expected[f"{outer}.weight"] = torch.linalg.lstsq(torch.cat(seen), torch.cat(wanted)).solution.T
        hidden = functional.relu(functional.linear(x, mean[f"{inner}.weight"], mean[f"{inner}.bias"]))
        x = functional.linear(hidden, expected[f"{outer}.weight"], expected[f"{outer}.bias"])
    assert near(found, expected, 1e-4)
    assert not near(regmean.fuse(models, problem, shrink=1.0, samples=0), expected, 1e-2)


def test_regmean_plus_of_blocks_of_one_layer_is_the_average(tiny):
    """All models have the same inputs there, and the least squares are those of the mean."""
    models = [{n: t.detach() for n, t in tiny.problem.network(seed=k).state_dict().items()} for k in range(3)]
    assert near(regmean_plus.fuse(models, tiny.problem), average.fuse(models, tiny.problem), 1e-5)


def test_cat_takes_out_what_the_other_task_would_feel():
    """Task 1 has features along the first input, task 2 along the second. What change 1 does to the second goes, what either does to its own stays."""
    one, two = (torch.tensor([d], dtype=torch.float64).diag_embed() for d in ([1.0, 0.0], [0.0, 1.0]))
    changes = [torch.tensor([[[3.0, 0.0], [0.0, 5.0]]]).double(), torch.tensor([[[0.0, 4.0], [0.0, 0.0]]]).double()]
    found = cat.projected(changes, [one, two], 1, 0.5)
    assert torch.allclose(found[0], torch.tensor([[[3.0, 0.0], [0.0, 0.0]]]).double())
    assert torch.equal(found[1], changes[1])
    assert torch.equal(cat.projected(changes, [one, two], 0, 0.5)[0], changes[0])


def test_cat_weighs_what_a_task_loses_itself():
    """A unit that serves its own task is spared when `keep` is large enough: 25·2 against 25·1."""
    one, two = (torch.tensor([d], dtype=torch.float64).diag_embed() for d in ([1.0], [2.0]))
    changes = [torch.tensor([[[5.0]]]).double(), torch.tensor([[[1.0]]]).double()]
    assert [float(cat.projected(changes, [one, two], 1, keep)[0]) for keep in (0.0, 1.9, 2.1)] == [0, 0, 5]
    powers = [torch.tensor([1.0]).double(), torch.tensor([2.0]).double()]
    vectors = [c.reshape(1) for c in changes]
    assert [float(cat.masked(vectors, powers, 1, keep)[0]) for keep in (0.0, 1.9, 2.1)] == [0, 0, 5]


def test_cat_masks_the_largest_changes_of_biases():
    """Of each the entry that disturbs the other most."""
    changes = [torch.tensor([1.0, -3.0, 0.0]), torch.tensor([2.0, 1.0, 0.5])]
    assert [c.tolist() for c in cat.masked(changes, None, 1, 1.0)] == [[1, 0, 0], [0, 1, 0.5]]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_the_order_of_the_tasks_does_not_matter(order):
    """Nor does what was taken out first."""
    g = torch.Generator().manual_seed(0)
    changes = [torch.randn(1, 6, 4, generator=g).double() for _ in range(3)]
    grams = [(x := torch.randn(1, 9, 4, generator=g).double()).mT @ x for _ in range(3)]
    found = cat.projected(changes, grams, 2, 0.1)
    again = cat.projected([changes[i] for i in order], [grams[i] for i in order], 2, 0.1)
    assert all(torch.allclose(again[place], found[i]) for place, i in enumerate(order))
    assert all(torch.linalg.matrix_rank(f[0]) < torch.linalg.matrix_rank(c[0]) for f, c in zip(found, changes, strict=True))


def test_cat_that_trims_nothing_is_task_arithmetic(tiny):
    """The mean of the changes."""
    problem = Drawn(tiny.problem.spec, Blocks(), 50, 6)
    models = [state(problem, seed) for seed in (1, 2, 3)]
    assert near(cat.fuse(models, problem, trim=0), task_arithmetic.fuse(models, problem))
    assert not near(cat.fuse(models, problem), task_arithmetic.fuse(models, problem), 1e-3)


def test_powers_are_those_of_the_normalised_features(tiny):
    """Before gain and bias, of layer and batch norms, of convolutions too; units are on the first axis there and on the last here."""
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(3, 5), nn.LayerNorm(5))
    problem = Drawn(tiny.problem.spec, network, 40, 2, 3, 3)
    weights = state(problem, 4)
    weights["1.running_var"] = weights["1.running_var"].abs() + 0.5
    found = cat.normalised_powers(problem, weights, samples=40)
    own = problem.network()
    own.load_state_dict(weights)
    with torch.no_grad():
        conv = own[0](problem.inputs)
        z = (conv.flatten(1) - weights["1.running_mean"]) / (weights["1.running_var"] + 1e-5).sqrt()
        assert torch.allclose(found["1.weight"].float(), z.square().mean(0), rtol=1e-5)
        last = functional.layer_norm(own[:4](problem.inputs), (5,))
    assert torch.allclose(found["4.weight"].float(), last.square().mean(0), rtol=1e-4)
    assert set(found) == {"1.weight", "4.weight"}
