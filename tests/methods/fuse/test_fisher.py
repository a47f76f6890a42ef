"""Fisher information by closed forms and by the plainest loop, and the merge that it weighs."""

import numpy as np
import pytest
import torch
from torch.func import functional_call

from explorer.core.errors import Refused
from explorer.methods.fuse import fisher as method
from explorer.methods.fuse._fisher_diagonal import fisher
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from tests.methods.align import sample
from tests.methods.fuse import drawn, equal, flat, near

TINY = {
    "mlp": '[network]\nname = "mlp"\nwidths = [64, 5, 10]\n[data]\nname = "digits"\n',
    "resnet": '[network]\nname = "resnet"\nchannels = 1\nwidths = [2, 3]\nblocks = 1\nclasses = 10\n[data]\nname = "digits"\n',
    "vit": '[network]\nname = "vit"\nchannels = 1\nimage = 8\npatch = 4\ndim = 4\ndepth = 1\nheads = 2\nratio = 1\nclasses = 10\n[data]\nname = "digits"\n',
}
LINEAR = 'loss = "mse"\n[network]\nname = "mlp"\nwidths = [3, 2]\n[data]\nname = "npz"\npath = "data.npz"\n[split]\nval = 0\ntest = 0.1\n'


def made(folder, toml) -> Problem:
    (folder / "problem.toml").write_text(toml, encoding="utf-8")
    return Problem(problem_toml.read(folder))


def state(problem, seed=0):
    """Initial weights, running statistics of batch norm away from where they begin."""
    g = torch.Generator().manual_seed(seed)
    start = problem.network(seed=seed).state_dict()
    return {n: t + torch.rand(t.shape, generator=g) if "running" in n else t for n, t in start.items()}


def one_by_one(problem, weights, samples, labels):
    """A backward pass for each sample and label."""
    network = problem.network().double()
    weights = {n: t.double() if t.is_floating_point() else t for n, t in weights.items()}
    network.load_state_dict(weights)
    parameters = {n: p.detach().requires_grad_() for n, p in network.named_parameters()}
    batch = problem.split("train")
    total = {n: torch.zeros_like(p) for n, p in parameters.items()}
    for x, y in zip(batch.inputs[:samples], batch.targets[:samples], strict=True):
        x = x.double() if x.is_floating_point() else x
        logs = functional_call(network, parameters, (x[None],))[0].log_softmax(dim=-1)
        wanted = (
            [(logs[c], float(logs[c].detach().exp())) for c in range(len(logs))]
            if labels == "exact"
            else [(logs.gather(-1, y[..., None]).sum(), 1.0)]
        )
        for value, p in wanted:
            for n, g in zip(parameters, torch.autograd.grad(value, list(parameters.values()), retain_graph=True), strict=True):
                total[n] += p * g.square()
    return {n: t / samples for n, t in total.items()}


@pytest.mark.parametrize("labels", ["exact", "given"])
@pytest.mark.parametrize("network", TINY)
def test_it_is_the_loop_over_samples_and_labels(tmp_path, network, labels):
    """Linear layers, convolutions, batch norm with its running statistics, attention, embeddings of places."""
    problem = made(tmp_path, TINY[network])
    weights = state(problem)
    found, known = fisher(problem, weights, labels=labels, samples=9), one_by_one(problem, weights, 9, labels)
    assert all(torch.allclose(found[n], known[n], rtol=1e-4, atol=1e-9) for n in known)
    assert {n: f.shape for n, f in found.items()} == {n: p.shape for n, p in problem.network().named_parameters()}


def test_of_a_language_model_with_a_tied_head_too():
    """A text counts with the likelihood of all of its places; an embedding that is also the head collects both uses."""
    problem, (weights,) = sample("char-gpt", 1)
    found, known = fisher(problem, weights, labels="given", samples=3), one_by_one(problem, weights, 3, "given")
    assert all(torch.allclose(found[n], known[n], rtol=1e-3, atol=1e-4 * float(known[n].max())) for n in known)


def test_of_logistic_regression_at_zero_it_is_the_mean_square_of_the_inputs_over_four(tmp_path):
    """p = ½, so Σ_c p_c (e_c − p)² = ¼ for each of the two outputs."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 3)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x, y=rng.integers(0, 2, 50))
    problem = made(tmp_path, LINEAR.replace("mse", "cross_entropy"))
    found = fisher(problem, {"layers.0.weight": torch.zeros(2, 3), "layers.0.bias": torch.zeros(2)})
    train = problem.split("train").inputs.double()
    assert torch.allclose(found["layers.0.weight"], train.square().mean(dim=0).expand(2, 3) / 4, rtol=1e-6)
    assert torch.allclose(found["layers.0.bias"], torch.full((2,), 0.25, dtype=torch.float64), rtol=1e-6)


def test_of_linear_regression_it_is_the_power_of_the_inputs(tmp_path):
    """Gaussian outputs of variance 1: diag XᵀX/n for each output, wherever it is taken; drawn targets come near it."""
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", x=rng.normal(size=(2000, 3)).astype(np.float32), y=rng.normal(size=(2000, 2)).astype(np.float32))
    problem = made(tmp_path, LINEAR)
    known = problem.split("train").inputs.double().square().mean(dim=0).expand(2, 3)
    for seed in range(2):
        weights = state(problem, seed)
        assert torch.allclose(fisher(problem, weights)["layers.0.weight"], known, rtol=1e-6)
        assert torch.allclose(fisher(problem, weights, labels="sampled", seed=seed)["layers.0.weight"], known, rtol=0.15)


def test_it_does_not_depend_on_how_many_samples_go_at_once(tiny, monkeypatch):
    """One by one, or many: not the square of a batch's gradient. Drawn labels are the same ones, too."""
    weights = state(tiny.problem)
    many = {labels: fisher(tiny.problem, weights, labels=labels, samples=40) for labels in ("exact", "sampled", "given")}
    monkeypatch.setattr("explorer.methods.fuse._fisher_diagonal.AT_ONCE", 1)
    for labels, found in many.items():
        assert near(fisher(tiny.problem, weights, labels=labels, samples=40), found, 1e-6)


def test_drawn_labels_have_the_exact_one_as_their_mean(tiny):
    """Over many draws; each draw is another seed's."""
    weights = state(tiny.problem)
    exact = flat(fisher(tiny.problem, weights, labels="exact", samples=60))
    draws = torch.stack([flat(fisher(tiny.problem, weights, labels="sampled", samples=60, seed=s)) for s in range(60)])
    assert not torch.equal(draws[0], draws[1])
    mean = draws.mean(dim=0)
    assert float((mean - exact).norm() / exact.norm()) < 0.1
    assert float((draws[0] - exact).norm() / exact.norm()) > 0.1


def test_too_many_labels_and_numbers_that_overflow_are_refused(tiny):
    """In a sentence that says what to do."""
    problem, (weights,) = sample("char-gpt", 1)
    with pytest.raises(Refused, match="outputs here, too many.*labels='sampled'"):
        fisher(problem, weights, labels="exact", samples=1)
    weights = {n: t * 1e30 for n, t in state(tiny.problem).items()}
    with pytest.raises(Refused, match="not a finite number"):
        fisher(tiny.problem, weights, samples=4)


def test_equal_informations_give_the_average_and_one_alone_gives_its_model(tiny):
    """The two ends of what a weighted mean can be."""
    a, b, ones = drawn(1), drawn(2), {n: torch.ones_like(t) for n, t in drawn(1).items()}
    zeros = {n: torch.zeros_like(t) for n, t in ones.items()}
    options = {"normalise": False, "floor": 0.0}
    both = method.merged([a, b], [ones, ones], tiny.problem, (0.5, 0.5), **options)
    assert near(both, {n: (a[n] + b[n]) / 2 for n in a})
    assert near(method.merged([a, b], [zeros, ones], tiny.problem, (0.5, 0.5), **options), b, 1e-7)
    assert near(method.merged([a, b], [zeros, zeros], tiny.problem, (0.25, 0.75), **options), {n: 0.25 * a[n] + 0.75 * b[n] for n in a})


def test_of_two_quadratics_it_is_their_joint_minimum(tiny):
    """Diagonal Hessians H_i around W_i: Σ λᵢ Hᵢ (W − Wᵢ) = 0."""
    models = [drawn(s) for s in (1, 2, 3)]
    hessians = [{n: t.double().exp() for n, t in drawn(s).items()} for s in (4, 5, 6)]
    λ = (0.2, 0.5, 0.3)
    w = method.merged([{n: t.double() for n, t in m.items()} for m in models], hessians, tiny.problem, λ, normalise=False, floor=0.0)
    for n in w:
        slope = sum(share * h[n] * (w[n] - m[n].double()) for share, h, m in zip(λ, hessians, models, strict=True))
        assert torch.allclose(slope, torch.zeros_like(slope), atol=1e-12)


def test_where_no_two_inputs_go_together_it_is_the_least_squares_of_all_data(tmp_path):
    """One input at a time: the Fisher information is diagonal, and two tasks' solutions merge into that of both, by the product's own Fisher."""
    rng = np.random.default_rng(0)
    problems, solutions, data = [], [], []
    for name in ("a", "b"):
        x = (np.eye(3)[rng.integers(0, 3, 60)] * rng.uniform(0.2, 3, (60, 1))).astype(np.float32)
        y = rng.normal(size=(60, 2)).astype(np.float32)
        folder = tmp_path / name
        folder.mkdir()
        np.savez(folder / "data.npz", x=x, y=y)
        problems.append(made(folder, LINEAR))
        train = problems[-1].split("train")
        data.append((train.inputs.double(), train.targets.double()))
        solutions.append({"layers.0.weight": least_squares(*data[-1]), "layers.0.bias": torch.zeros(2)})
    informations = [fisher(problem, w) for problem, w in zip(problems, solutions, strict=True)]
    shares = [len(x) for x, _ in data]
    merged = method.merged(solutions, informations, problems[0], [n / sum(shares) for n in shares], normalise=False, floor=0.0)
    both = least_squares(*(torch.cat(part) for part in zip(*data, strict=True)))
    assert torch.allclose(merged["layers.0.weight"], both, atol=1e-5)
    assert not torch.allclose((solutions[0]["layers.0.weight"] + solutions[1]["layers.0.weight"]) / 2, both, atol=1e-2)


def least_squares(x, y):
    """(k, d) weights without a bias."""
    return torch.linalg.lstsq(x, y).solution.T.float()


def test_where_inputs_go_together_the_diagonal_can_be_worse_than_the_mean(tmp_path):
    """Two ellipses by hand: a circle around (0, 0), and H = (4, −3; −3, 4) around (1, 1), long along the line between them. The minimum of both is half-way; the
    diagonal sees a narrow second ellipse, and goes to (0.8, 0.8)."""
    np.savez(tmp_path / "data.npz", x=np.ones((10, 3), np.float32), y=np.ones((10, 2), np.float32))
    problem = made(tmp_path, LINEAR)
    hessians = [torch.eye(2, dtype=torch.float64), torch.tensor([[4.0, -3.0], [-3.0, 4.0]], dtype=torch.float64)]
    centres = [torch.zeros(2), torch.ones(2)]

    def whole(place):
        return {"layers.0.weight": torch.stack([torch.cat([place, torch.zeros(1)])] * 2), "layers.0.bias": torch.zeros(2)}

    informations = [{n: t.double() for n, t in whole(h.diagonal().float()).items()} for h in hessians]
    merged = method.merged([whole(c) for c in centres], informations, problem, (0.5, 0.5), normalise=False, floor=0.0)["layers.0.weight"][0, :2]
    assert torch.allclose(merged, torch.full((2,), 0.8))
    joint = [sum((w - c).double() @ h @ (w - c).double() for h, c in zip(hessians, centres, strict=True)) for w in (merged, torch.full((2,), 0.5))]
    assert [float(j) for j in joint] == pytest.approx([1.36, 1.0])


def test_the_floor_is_a_share_of_the_mean_and_normalising_takes_a_models_scale_away(tiny):
    """A hundredfold information counts as before once each is divided by its mean."""
    a, b = drawn(1), drawn(2)
    f, g = ({n: t.double().exp() for n, t in drawn(s).items()} for s in (3, 4))
    hundred = {n: 100 * t for n, t in g.items()}
    options = {"normalise": True, "floor": 0.0}
    assert near(
        method.merged([a, b], [f, g], tiny.problem, (0.5, 0.5), **options), method.merged([a, b], [f, hundred], tiny.problem, (0.5, 0.5), **options)
    )
    equal_by_floor = method.merged([a, b], [f, g], tiny.problem, (0.5, 0.5), normalise=False, floor=1e6)
    assert near(equal_by_floor, {n: (a[n] + b[n]) / 2 for n in a})


def test_the_method_is_the_merge_of_the_models_own_informations(tiny):
    """Samples, labels, floor and weights arrive where they belong, and copies come back to the bit."""
    models = [state(tiny.problem, s) for s in range(3)]
    found = method.fuse(models, tiny.problem, labels="given", samples=50, floor=0.01, weights=(1, 2, 1))
    informations = [fisher(tiny.problem, m, labels="given", samples=50) for m in models]
    assert equal(found, method.merged(models, informations, tiny.problem, (0.25, 0.5, 0.25), normalise=False, floor=0.01))
    assert equal(method.fuse([models[0]] * 3, tiny.problem, samples=20), models[0])


def test_dead_units_are_averaged(tiny):
    """No sample's likelihood minds what never responds."""
    models = [state(tiny.problem, s) for s in range(2)]
    for m in models:
        m["layers.0.bias"][0], m["layers.0.weight"][0] = -1e3, 0.0
    models[1]["layers.0.bias"][0] = -3e3
    fused = method.fuse(models, tiny.problem, samples=30)
    assert float(fused["layers.0.bias"][0]) == pytest.approx(-2e3)
    assert all(t.isfinite().all() for t in fused.values())


def test_progress_may_stop_it(tiny):
    """Between two models, or within one."""

    class Enough(Exception):
        pass

    def stop(done, total, message):
        if done > total // 2:
            raise Enough(message)

    with pytest.raises(Enough, match="model 2: Fisher"):
        method.fuse([state(tiny.problem, s) for s in range(2)], tiny.problem, progress=stop)
