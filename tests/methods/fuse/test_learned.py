"""Coefficients by descent: learned soup, AdaMerging, and the descent of the robust soup."""

import numpy as np
import pytest
import torch

from explorer.checkpoints import checkpoint_file
from explorer.core.errors import Refused
from explorer.evaluate.evaluator import Evaluate
from explorer.methods.fuse import adamerging, average, learned_soup, robust_soup, task_arithmetic
from explorer.methods.fuse._learned_coefficients import Coefficients, Descent, groups_of, learned, mixed, softmax
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from tests.methods.align import sample
from tests.methods.fuse import equal, near


@pytest.fixture
def models(tiny):
    """Two that were trained, and one that was not."""
    return [checkpoint_file.read(tiny.a).weights, checkpoint_file.read(tiny.b).weights, tiny.problem.network(seed=5).state_dict()]


def losses(problem, weights, split="val"):
    """(loss, error) on the split the coefficients are learned on."""
    evaluate = Evaluate(problem, [weights], split=split)
    return evaluate(np.ones(1)).sum(axis=1) / evaluate.counts.sum()


def entropy(problem, weights):
    network = problem.network()
    network.load_state_dict(weights)
    with torch.no_grad():
        p = network(problem.split("val").inputs).softmax(dim=-1)
    return float(torch.special.entr(p).sum(dim=-1).mean())


def test_groups_are_one_or_modules_or_parameters(tiny):
    """A tied parameter is in one group under both of its names."""
    network = tiny.problem.network()
    assert set(groups_of(network, "model").values()) == {0}
    assert groups_of(network, "layer") == {"layers.0.weight": 0, "layers.0.bias": 0, "layers.1.weight": 1, "layers.1.bias": 1}
    assert list(groups_of(network, "tensor").values()) == [0, 1, 2, 3]
    network.layers[1].bias = torch.nn.Parameter(torch.zeros(10))
    network.again = network.layers[0]
    assert groups_of(network, "layer")["again.weight"] == groups_of(network, "layer")["layers.0.weight"] == 0


def test_a_step_goes_down_the_gradient_of_the_coefficients(tiny, models):
    """Against differences of the loss at mixtures nearby: Adam's first step is lr in the gradient's sign."""
    rng_free = Descent(1, 0.01, 100000, 0, 0)
    problem = tiny.problem

    def objective(outputs, inputs, targets):
        return problem.losses(outputs(inputs), targets).mean()

    found = learned(models, problem, objective, torch.clone, (0.5, 0.3, 0.2), per="layer", split="val", how=rng_free)
    start = torch.tensor([[0.5, 0.3, 0.2]]).repeat(2, 1).double()
    for g in range(2):
        for i in range(3):
            sides = []
            for eps in (-1e-3, 1e-3):
                rows = start.clone()
                rows[g, i] += eps
                sides.append(losses(problem, mixed(models, problem, Coefficients(rows, found.group)))[0])
            assert float(found.rows[g, i] - start[g, i]) == pytest.approx(-0.01 * np.sign(sides[1] - sides[0]), rel=1e-2)


@pytest.mark.parametrize("per", ["model", "layer", "tensor"])
def test_without_a_step_a_learned_soup_is_the_average(tiny, models, per):
    """Both forms begin there."""
    for form in ("softmax", "free"):
        assert near(learned_soup.fuse(models, tiny.problem, per=per, form=form, epochs=0), average.fuse(models, tiny.problem))


@pytest.mark.parametrize("per", ["model", "layer", "tensor"])
def test_a_learned_soup_has_a_lower_validation_loss_than_the_average(tiny, models, per):
    """What it is for; and more freedom lowers it further than none."""
    soup = learned_soup.fuse(models, tiny.problem, per=per, epochs=30, lr=0.2, scale=False)
    assert losses(tiny.problem, soup)[0] < losses(tiny.problem, average.fuse(models, tiny.problem))[0] - 0.1


def test_among_bad_models_the_soup_is_not_worse_than_the_good_one(tiny, models):
    """The loss is lower still than that of the good one alone, which is too sure of itself, and so is mixed with its opposite."""
    good, _, bad = models
    worse = {n: -t for n, t in good.items()}
    soup = learned_soup.fuse([bad, good, worse], tiny.problem, epochs=100, lr=0.3, scale=False)
    assert losses(tiny.problem, soup)[0] < losses(tiny.problem, good)[0]


def test_a_scale_of_the_outputs_keeps_coefficients_from_correcting_how_sure_the_mixture_is(tiny, models):
    """A model five times too sure, and one that says nothing: with the scale it is mixed less with silence."""
    loud = {n: t * 5 if n.startswith("layers.1") else t for n, t in models[0].items()}
    silent = {n: 0 * t if n.startswith("layers.1") else t for n, t in loud.items()}
    shares = []
    for scale in (False, True):
        soup = learned_soup.fuse([loud, silent], tiny.problem, epochs=60, lr=0.1, scale=scale)
        shares.append(float(soup["layers.1.weight"].norm() / loud["layers.1.weight"].norm()))
    assert shares[0] < 0.25
    assert shares[1] > 1.3 * shares[0], shares


def test_in_a_linear_network_free_coefficients_are_the_least_squares(tmp_path):
    """Outputs of a mixture are the mixture of outputs: the best coefficients solve normal equations. A regression has no scale to learn."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x, y=(x @ rng.normal(size=(3, 2)) + 0.3 * rng.normal(size=(300, 2))).astype(np.float32))
    toml = 'loss = "mse"\n[network]\nname = "mlp"\nwidths = [3, 2]\n[data]\nname = "npz"\npath = "data.npz"\n'
    (tmp_path / "problem.toml").write_text(toml, encoding="utf-8")
    problem = Problem(problem_toml.read(tmp_path))
    models = [
        {n: torch.randn(t.shape, generator=torch.Generator().manual_seed(s)) for n, t in problem.network().state_dict().items()} for s in (1, 2)
    ]
    val = problem.split("val")
    outputs = torch.stack([(val.inputs @ m["layers.0.weight"].T + m["layers.0.bias"]).flatten() for m in models], dim=1)
    c = torch.linalg.lstsq(outputs, val.targets.reshape(-1, 1)).solution[:, 0].tolist()
    soup = learned_soup.fuse(models, problem, form="free", epochs=400, lr=0.05, batch=1000)
    assert near(soup, average.fuse(models, problem, weights=tuple(c)), 1e-3)
    with pytest.raises(Refused, match="a regression has no confidence"):
        adamerging.fuse(models, problem)


def test_adamerging_without_a_step_is_task_arithmetic(tiny, models):
    """With the coefficient it begins with; the base is the first model."""
    found = adamerging.fuse(models, tiny.problem, epochs=0, start=0.4)
    assert near(found, task_arithmetic.fuse(models, tiny.problem, coefficients=(0.4, 0.4)))


@pytest.mark.parametrize("per", ["model", "layer"])
def test_adamerging_lowers_the_entropy_and_sees_no_labels(tiny, models, per):
    """Targets shuffled among the samples change nothing."""

    class Mislabelled(Problem):
        def split(self, name, most=None):
            batch = super().split(name, most)
            return type(batch)(batch.inputs, batch.targets.roll(1))

    given = [models[2], models[0], models[1]]
    merged = adamerging.fuse(given, tiny.problem, per=per, epochs=10, lr=0.05)
    assert entropy(tiny.problem, merged) < entropy(tiny.problem, adamerging.fuse(given, tiny.problem, epochs=0)) - 0.1
    assert equal(merged, adamerging.fuse(given, Mislabelled(tiny.problem.spec), per=per, epochs=10, lr=0.05))


def test_adamerging_holds_its_coefficients_between_0_and_1(tiny, models):
    """Larger weights make surer answers: without a hold the coefficient of the only other model passes 1."""
    given = [{n: torch.zeros_like(t) for n, t in models[0].items()}, models[0]]
    options = {"per": "model", "epochs": 60, "lr": 0.2}
    assert near(adamerging.fuse(given, tiny.problem, **options), models[0], 1e-6)
    free = adamerging.fuse(given, tiny.problem, hold=False, **options)
    assert float(free["layers.0.weight"].norm() / models[0]["layers.0.weight"].norm()) > 1.5


def test_the_descent_of_a_robust_soup_lowers_the_worst_threat(tiny, models):
    """Against the average, under each threat that was named."""
    options = {"linf": 0.05, "l2": 0.0, "attack_steps": 3, "samples": 100, "search": "gradient", "lr": 0.3}
    worst = [robust_soup.fuse(models, tiny.problem, epochs=epochs, **options) for epochs in (0, 20)]
    assert near(worst[0], average.fuse(models, tiny.problem))
    before, after = (losses(tiny.problem, w)[0] for w in worst)
    assert after < before - 0.1


def test_the_seed_draws_the_batches(tiny, models):
    """Same seed, same soup; another one, another."""
    soups = [learned_soup.fuse(models, tiny.problem, epochs=2, batch=32, seed=s) for s in (0, 0, 1)]
    assert equal(soups[0], soups[1])
    assert not equal(soups[0], soups[2])


def test_a_search_that_diverges_is_refused(tiny, models):
    """The sentence names the rate."""
    with pytest.raises(Refused, match="Use a smaller lr than 100"):
        learned_soup.fuse([{n: t * 1e30 for n, t in m.items()} for m in models], tiny.problem, form="free", lr=100.0)


def test_progress_may_stop_it_at_any_step(tiny, models):
    """It is told of every batch."""

    class Enough(Exception):
        pass

    def stop(done, total, message):
        if done == 3:
            raise Enough(f"{total} {message}")

    with pytest.raises(Enough, match="8 epoch 2 of 4: "):
        learned_soup.fuse(models, tiny.problem, epochs=4, batch=200, progress=stop)


@pytest.mark.parametrize(("name", "options"), [("digits-resnet", {}), ("char-gpt", {"samples": 8})])
def test_it_works_on_batch_norm_and_on_text(name, options):
    """Batch norms see their batch; running statistics come out as a mean that cannot be negative."""
    problem, models = sample(name)
    for fuse in (learned_soup.fuse, adamerging.fuse):
        fused = fuse(models, problem, epochs=1, **options)
        assert all(t.isfinite().all() for t in fused.values())
        assert all((t >= 0).all() for n, t in fused.items() if n.endswith("running_var"))
        assert not equal(fused, fuse(models, problem, epochs=0))


def test_softmax_is_positive_and_sums_to_one():
    """Whatever the numbers are."""
    c = softmax(torch.tensor([[0.0, 700.0, -700.0], [0.0, 0.0, 0.0]]).double())
    assert torch.allclose(c.sum(dim=1), torch.ones(2).double())
    assert (c >= 0).all()
