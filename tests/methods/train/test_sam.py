"""SAM: known steps, plain SGD without its distance, and weights that are where they were."""

import pytest
import torch

from explorer.core import registry
from explorer.methods.train import sam
from tests.methods.train.test_train import accuracy, last, problem, same

sgd, train = registry.find("train", "sgd"), registry.find("train", "sam")


@pytest.mark.parametrize("w", [2.0, -0.5])
def test_on_a_parabola_the_gradient_is_that_of_a_point_rho_farther_up(w):
    """L = ½ a w²: w − α a (w + ρ sgn w)."""
    a, rho, rate = 3.0, 0.1, 0.05
    x = torch.tensor([w], dtype=torch.float64)
    (step,) = sam.ascents({"w": a * x}, rho).values()
    assert float(x - rate * a * (x + step)) == pytest.approx(w - rate * a * (w + rho * (1 if w > 0 else -1)))


def test_the_way_up_is_as_long_as_rho_over_all_tensors_together():
    """(3, 4) has the length 5; nowhere is up where the gradient is zero."""
    found = sam.ascents({"a": torch.tensor([3.0]), "b": torch.tensor([4.0])}, 0.5)
    assert torch.allclose(torch.cat([*found.values()]), torch.tensor([0.3, 0.4]))
    assert torch.equal(sam.ascents({"a": torch.zeros(2)}, 0.5)["a"], torch.zeros(2))


def test_a_step_is_the_gradient_at_the_worst_point():
    """A whole-batch step without momentum, by hand."""
    tiny = problem()
    network, batch = tiny.network(seed=5), tiny.split("train")

    def gradients():
        network.zero_grad()
        tiny.losses(network(batch.inputs), batch.targets).mean().backward()
        return {k: p.grad.clone() for k, p in network.named_parameters()}

    first = gradients()
    before = {k: p.detach().clone() for k, p in network.named_parameters()}
    norm = torch.sqrt(sum(g.square().sum() for g in first.values()))
    with torch.no_grad():
        for k, p in network.named_parameters():
            p.add_(0.3 * first[k] / norm)
    second = gradients()
    got = last(train(tiny, epochs=1, lr=0.2, momentum=0.0, batch=10**6, seed=5, schedule="constant", rho=0.3))
    assert all(torch.allclose(got[k], before[k] - 0.2 * second[k], atol=1e-6) for k in before)


def test_without_a_distance_it_is_sgd():
    """Bit for bit, batch-norm statistics too."""
    resnet = problem("resnet", widths=(4,))
    assert same(last(train(resnet, epochs=2, lr=0.01, rho=0.0)), last(sgd(resnet, epochs=2, lr=0.01)))


def test_statistics_are_those_of_the_first_pass():
    """After one step, as those of SGD, which saw the same batch at the same weights; counted once."""
    resnet = problem("resnet", widths=(4,))
    mine, plain = (last(by(resnet, epochs=1, lr=0.01, batch=10**6, **own)) for by, own in ((train, {"rho": 0.5}), (sgd, {})))
    assert int(mine["stem_norm.num_batches_tracked"]) == 1
    assert torch.equal(mine["stem_norm.running_mean"], plain["stem_norm.running_mean"])
    assert not same(mine, plain)


def test_it_learns_the_digits():
    """As well as SGD does."""
    tiny = problem()
    assert accuracy(tiny, last(train(tiny, epochs=10))) > 0.9
