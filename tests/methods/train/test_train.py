"""Training: it learns, repeats itself, branches, and leaves everything else alone."""

import pytest
import torch

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.spec import ProblemSpec
from explorer.problems.problem import Problem

train = registry.find("train", "sgd")


def problem(network="mlp", **options):
    """Digits with a small network."""
    options = options or ({"widths": (64, 12, 10)} if network == "mlp" else {})
    return Problem(ProblemSpec(registry.method("nets", network, options), registry.method("data", "digits")))


def same(a, b):
    """Bit for bit."""
    return all(torch.equal(a[k], b[k]) for k in a)


def last(snapshots):
    """The end of a run."""
    *_, final = snapshots
    return final


def accuracy(problem, weights):
    """On the test split."""
    network, batch = problem.network(), problem.split("test")
    network.load_state_dict(weights)
    with torch.inference_mode():
        return 1 - float(problem.wrong(network(batch.inputs), batch.targets).float().mean())


@pytest.mark.parametrize("options", [{"lr": 0.1}, {"lr": 0.03, "optimizer": "adamw"}, {"lr": 0.1, "schedule": "constant", "noise": 0.1}])
def test_it_learns_the_digits(options):
    """Well above 90 % after ten epochs, from about 10 %."""
    tiny = problem()
    assert accuracy(tiny, tiny.network().state_dict()) < 0.3
    assert accuracy(tiny, last(train(tiny, epochs=10, **options))) > 0.9


def test_the_same_seeds_give_the_same_bits():
    """Whatever the global random state is."""
    torch.manual_seed(1)
    a = list(train(problem(), epochs=2, noise=0.1, label_noise=0.1))
    torch.manual_seed(2)
    b = list(train(problem(), epochs=2, noise=0.1, label_noise=0.1))
    assert len(a) == 2 and all(same(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(
    "changed", [{"seed": 1}, {"order_seed": 1}, {"noise": 0.1}, {"shift": True}, {"label_noise": 0.3}, {"warmup": 9}, {"weight_decay": 0.1}]
)
def test_every_option_has_an_effect(changed):
    """None is accepted and then forgotten."""
    assert not same(last(train(problem(), epochs=1)), last(train(problem(), epochs=1, **changed)))


def test_one_plain_step_is_the_gradient_times_the_rate():
    """A whole-batch step without momentum, held to w − lr · ∂loss."""
    tiny = problem()
    network, batch = tiny.network(seed=5), tiny.split("train")
    tiny.losses(network(batch.inputs), batch.targets).mean().backward()
    wanted = {k: p.detach() - 0.3 * p.grad for k, p in network.named_parameters()}
    got = last(train(tiny, epochs=1, lr=0.3, momentum=0.0, batch=10**6, seed=5))
    assert all(torch.allclose(got[k], wanted[k], atol=1e-6) for k in wanted)


def test_the_cosine_falls_to_zero_and_the_constant_rate_does_not():
    """The last of two whole-batch steps at rate lr · (1 + cos(π/2)) / 2 is half as long as at a constant rate."""

    def second_step(schedule):
        a, b = train(problem(), epochs=2, lr=0.1, momentum=0.0, batch=10**6, schedule=schedule)
        return b["layers.0.weight"] - a["layers.0.weight"]

    assert torch.allclose(second_step("cosine"), second_step("constant") / 2, atol=1e-6)


def test_a_start_is_taken_up_and_not_written_to():
    """With a rate of 0 it comes back; the caller's tensors and later snapshots do not move each other."""
    tiny = problem()
    start = tiny.network(seed=7).state_dict()
    before = {k: v.clone() for k, v in start.items()}
    assert same(last(train(tiny, start, epochs=1, lr=0.0)), before)
    a, b = train(tiny, start, epochs=2)
    assert same(start, before) and not same(a, b)


def test_children_of_one_start_differ_by_their_order_alone():
    """Branching: same start, other batches."""
    tiny = problem()
    start = last(train(tiny, epochs=1))
    a, b, again = (last(train(tiny, start, epochs=1, order_seed=o)) for o in (1, 2, 1))
    assert same(a, again) and not same(a, b)


def test_snapshots_hold_batch_norm_statistics_too():
    """Parameters and buffers, under the names of the state dict; the statistics have moved."""
    resnet = problem("resnet", widths=(4,))
    got = last(train(resnet, epochs=1, lr=0.01))
    assert {k: tuple(v.shape) for k, v in got.items()} == resnet.shapes()
    assert int(got["stem_norm.num_batches_tracked"]) == 15  # 898 train samples in parts of at most 64
    assert not torch.equal(got["stem_norm.running_mean"], torch.zeros(4))


def test_a_rest_of_one_sample_does_not_break_batch_norm():
    """898 = 3 · 299 + 1: the parts are made of nearly equal size."""
    assert next(train(problem("resnet", widths=(2,)), epochs=1, batch=299, lr=0.01))


def test_divergence_is_refused_in_a_sentence():
    """Instead of weights that are not numbers."""
    with pytest.raises(Refused, match="diverged in epoch .*smaller lr than 100"):
        list(train(problem(), epochs=5, lr=100.0, weight_decay=100.0))


def test_the_random_state_and_the_threads_stay_as_they_were():
    """Also in the middle of a run."""
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    run = train(problem(), epochs=2, noise=0.1)
    next(run)
    assert torch.equal(torch.get_rng_state(), state)
    next(run)
    assert torch.equal(torch.get_rng_state(), state) and torch.get_num_threads() == threads
