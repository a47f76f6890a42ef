"""The bridge: teachers that are known, one pass at inference, blocks that are those of every other picture."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.modules.module import register_module_forward_hook

from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.locations import root
from explorer.core.progress import quiet
from explorer.evaluate.evaluator import Evaluate
from explorer.methods.study._bridge_network import Bridge, bridge, cost, judge, last_linear, point, predict
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.stats.barriers import difference

QUICK = {"epochs": 15, "hidden": 16}


@dataclass(frozen=True)
class Family:
    """A shipped problem, its first two models and the middle of a curve between them."""

    problem: Problem
    a: dict
    b: dict
    middle: dict


@pytest.fixture(scope="module")
def digits() -> Family:
    problem = Problem(problem_toml.find("digits-mlp"))
    a, b = (checkpoint_file.read(root() / f"sample_models/digits-mlp/seed-{i}.safetensors").weights for i in (0, 1))
    *_, last = registry.find("connect", "bezier")([a, b], problem, epochs=30)
    return Family(problem, a, b, point(problem, [a, *last.corners, b], "bezier"))


@pytest.fixture(scope="module")
def made(digits):
    return bridge(digits.problem, digits.a, digits.middle, **QUICK)


def test_a_teacher_that_is_the_model_itself_is_a_copy(digits):
    """Nothing is left of the divergence when the rate has come down; the ensemble is then the model."""
    copy = bridge(digits.problem, digits.a, digits.a, **QUICK)
    judged = judge(digits.problem, copy, digits.a, digits.a)
    assert copy.losses[-1] < 1e-4
    assert judged.divergence.means().item() < 1e-4
    assert judged.bridged.means() == pytest.approx(judged.alone.means(), abs=1e-3)
    assert judged.copied.means().item() == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("hidden", [0, 16])
def test_a_teacher_that_differs_in_its_last_layer_is_learned(digits, hidden):
    """It is an affine function of the features, so that almost nothing is left of a divergence that was large."""
    generator = torch.Generator().manual_seed(0)
    turned = {**digits.a, "layers.2.weight": digits.a["layers.2.weight"][torch.randperm(10, generator=generator)] / 2}
    found = bridge(digits.problem, digits.a, turned, epochs=60, hidden=hidden)
    judged = judge(digits.problem, found, digits.a, turned)
    assert judged.copied.means().item() > 1
    assert judged.divergence.means().item() < 0.02


def test_on_held_out_samples_it_is_nearer_than_the_model_itself(digits, made):
    """Than its output as it is, and at the best temperature, beyond the choice of samples."""
    judged = judge(digits.problem, made, digits.a, digits.middle)
    assert difference(judged.divergence, judged.copied).high < 0
    assert difference(judged.divergence, judged.tempered).high < 0
    assert judged.tempered.means() < judged.copied.means()


def test_the_answers_are_those_of_the_two_networks(digits, made):
    """Alone and the target as Evaluate measures them, block by block; the mixtures and divergences by probabilities in float64."""
    judged = judge(digits.problem, made, digits.a, digits.middle, blocks=7)
    evaluate = Evaluate(digits.problem, [digits.a, digits.middle], blocks=7)
    for found, corner in ((judged.alone, 0), (judged.target, 1)):
        assert found.values[0] == pytest.approx(evaluate.alone(corner), rel=1e-5)
        assert (found.counts == evaluate.counts).all()

    def weights_of(w):
        return {k: v.double() for k, v in w.items()}

    test = digits.problem.split("test")
    block = np.arange(len(test.targets)) % 7
    x = test.inputs.double().flatten(1)
    a, t = weights_of(digits.a), weights_of(digits.middle)

    def features(w):
        z = functional.relu(x @ w["layers.0.weight"].T + w["layers.0.bias"])
        return functional.relu(z @ w["layers.1.weight"].T + w["layers.1.bias"])

    p_a, p_t = ((features(w) @ w["layers.2.weight"].T + w["layers.2.bias"]).softmax(dim=-1) for w in (a, t))
    z = features(a)
    hidden = functional.relu(z @ made.u.double().T + made.c)
    p_s = (z @ made.w.double().T + made.b + hidden @ made.v.double().T).softmax(dim=-1)
    for found, p in ((judged.ensemble, (p_a + p_t) / 2), (judged.bridged, (p_a + p_s) / 2)):
        loss = -p[torch.arange(len(x)), test.targets].log().numpy()
        error = (p.argmax(dim=-1) != test.targets).double().numpy()
        assert found.values[0] == pytest.approx(np.stack([np.bincount(block, weights=v, minlength=7) for v in (loss, error)]), rel=1e-4)
    for found, q in ((judged.divergence, p_s), (judged.copied, p_a)):
        kl = (p_t * (p_t / q).log()).sum(dim=-1).numpy()
        assert found.values[0, 0] == pytest.approx(np.bincount(block, weights=kl, minlength=7), rel=1e-3, abs=1e-5)
    assert predict(digits.problem, made, digits.a, test.inputs).double() == pytest.approx((p_a + p_s).numpy() / 2, abs=1e-5)


def test_predicting_passes_once_through_the_model_and_never_through_the_target(digits, made):
    """Forward calls of whole networks, and whose weights they held."""
    seen: list[torch.Tensor] = []

    def note(module, given, output):
        if isinstance(module, type(digits.problem.network())):
            seen.append(module.state_dict()["layers.0.weight"].clone())

    hook = register_module_forward_hook(note)
    try:
        predict(digits.problem, made, digits.a, digits.problem.split("test").inputs[:100])
        assert len(seen) == 1 and torch.equal(seen[0], digits.a["layers.0.weight"])
        judge(digits.problem, made, digits.a, digits.middle)  # the counter does notice the target where it is needed
        assert any(torch.equal(w, digits.middle["layers.0.weight"]) for w in seen)
    finally:
        hook.remove()


def test_the_cost_is_counted_in_multiplications(digits, made):
    """64·64 twice and 64·10 in the network; 64·10 and 16·(64 + 10) in the head."""
    assert cost(digits.problem, made, digits.a) == pytest.approx((640 + 16 * 74) / (2 * 64 * 64 + 640))


def test_the_same_seed_gives_the_same_bridge_and_nothing_else_is_touched(digits):
    """Bit for bit, whatever the global random state is, which stays, as do the weights that came in; another seed gives another one."""
    before = [{k: v.clone() for k, v in w.items()} for w in (digits.a, digits.middle)]
    torch.manual_seed(1)
    one = bridge(digits.problem, digits.a, digits.middle, epochs=2, seed=4)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    two = bridge(digits.problem, digits.a, digits.middle, epochs=2, seed=4)
    assert torch.equal(torch.get_rng_state(), state)
    other = bridge(digits.problem, digits.a, digits.middle, epochs=2, seed=5)
    assert all(torch.equal(getattr(one, k), getattr(two, k)) for k in "wbucv") and one.losses == two.losses
    assert not torch.equal(one.u, other.u)
    assert all(torch.equal(w[k], b[k]) for w, b in zip((digits.a, digits.middle), before, strict=True) for k in w)


def test_half_precision_models_have_a_bridge_in_single_precision(digits):
    """Close to that of the models they were rounded from."""
    halves = [{k: v.half() for k, v in w.items()} for w in (digits.a, digits.middle)]
    found, plain = (bridge(digits.problem, *pair, epochs=3) for pair in (halves, (digits.a, digits.middle)))
    assert found.w.dtype == torch.float32
    assert found.losses == pytest.approx(plain.losses, rel=0.05)


def test_progress_is_told_and_may_stop_the_work(digits):
    """At the end of every epoch; what it raises goes through."""
    reported: list[tuple[int, int]] = []

    def tell(done, total, message):
        reported.append((done, total))
        if len(reported) == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        bridge(digits.problem, digits.a, digits.middle, epochs=5, batch=4096, progress=tell)
    assert reported == [(1, 5), (2, 5)]
    assert quiet(1, 5, "") is None


def test_logits_are_the_formula_in_its_docstring():
    """W z + b + V·relu(U z + c), along the last axis of any number of them."""
    made = Bridge("head", *map(torch.tensor, ([[2.0]], [1.0], [[1.0], [-1.0]], [0.0, 0.5], [[3.0, 10.0]])))
    assert made.logits(torch.tensor([[[1.0], [-1.0]]])).tolist() == [[[2 + 1 + 3], [-2 + 1 + 15]]]


def test_a_point_of_a_curve_is_the_mixture_with_statistics_of_its_own(digits):
    """On a line the middle is the mean of the parameters; at an end it is that end, bit for bit."""
    middle = point(digits.problem, [digits.a, digits.b], "line")
    assert all(torch.allclose(middle[k], (digits.a[k] + digits.b[k]) / 2) for k in middle)
    start = point(digits.problem, [digits.a, digits.b], "line", r=0.0)
    assert all(torch.equal(start[k], digits.a[k]) for k in start)


@pytest.mark.parametrize("name", ["digits-resnet", "digits-vit"])
def test_other_networks_have_a_bridge_too(name):
    """A network with batch norm and one with attention: the layer is found, and on held-out samples the bridge is nearer than the model."""
    problem = Problem(problem_toml.find(name))
    a, b = (checkpoint_file.read(root() / f"sample_models/{name}/seed-{i}.safetensors").weights for i in (0, 1))
    found = bridge(problem, a, point(problem, [a, b], "line"), epochs=2)
    judged = judge(problem, found, a, point(problem, [a, b], "line"))
    assert found.layer == "head"
    assert difference(judged.divergence, judged.copied).high < 0
    assert judged.cost < 0.1


def test_a_network_that_goes_on_after_its_last_linear_layer_is_refused():
    """The sentence names the layer; with none at all it says so."""
    with pytest.raises(Refused, match="its last linear layer is '0', and another operation follows it"):
        last_linear(nn.Sequential(nn.Linear(3, 2), nn.Tanh()), torch.ones(1, 3))
    with pytest.raises(Refused, match="it has no linear layer"):
        last_linear(nn.Sequential(nn.Tanh()), torch.ones(1, 3))
    assert last_linear(nn.Sequential(nn.Linear(3, 2), nn.Flatten(), nn.Linear(2, 2)), torch.ones(1, 3)) == "2"


def test_tokens_are_not_mixed():
    """A language model needs mixup 0; where its output is tied to its embedding there is no layer to read."""
    problem = Problem(problem_toml.find("char-gpt"))
    a, b = (checkpoint_file.read(root() / f"sample_models/char-gpt/seed-{i}.safetensors").weights for i in (0, 1))
    with pytest.raises(Refused, match="Use mixup = 0"):
        bridge(problem, a, b, epochs=1)


def test_a_regression_is_refused(tmp_path):
    """There are no classes."""
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", x=rng.normal(size=(40, 3)).astype("float32"), y=rng.normal(size=(40, 2)).astype("float32"))
    (tmp_path / "problem.toml").write_text(
        'loss = "mse"\n[network]\nname = "mlp"\nwidths = [3, 4, 2]\n[data]\nname = "npz"\npath = "data.npz"\n', encoding="utf-8"
    )
    problem = Problem(problem_toml.read(tmp_path))
    weights = problem.network().state_dict()
    with pytest.raises(Refused, match="the loss of this problem is mse"):
        bridge(problem, weights, weights)
