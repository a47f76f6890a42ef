"""Averages of snapshots: exact where they must be, in the span where they are searched, and as wide as the snapshots scatter."""

import numpy as np
import pytest
import torch

from explorer.checkpoints import checkpoint_file
from explorer.checkpoints.weights import gram
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.evaluate.evaluator import Evaluate
from explorer.methods.fuse import ema, graft, lawa, swa, swad, swag, twa
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.stats.averaging_coefficients import swad as valley
from explorer.training.classifier_head import head_of
from explorer.training.swag_posterior import Gaussian, Spread
from tests.methods.align import sample

ALONG = (swa.fuse, ema.fuse, lawa.fuse, swad.fuse)


def same(a, b):
    return all(torch.equal(a[k], b[k]) for k in a)


@pytest.fixture
def steps(tiny):
    """Six models along a line with noise, as a training would leave them."""
    a, b = (checkpoint_file.read(p).weights for p in (tiny.a, tiny.b))
    g = torch.Generator().manual_seed(0)
    return [{k: a[k] + t * (b[k] - a[k]) + 0.01 * torch.randn(a[k].shape, generator=g) for k in a} for t in np.linspace(0.8, 1.0, 6)]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("fuse", ALONG)
def test_a_constant_trajectory_is_unchanged_bit_for_bit(tiny, steps, fuse, dtype):
    """In every precision, whatever the coefficients."""
    model = {k: v.to(dtype) for k, v in steps[0].items()}
    assert same(fuse([model] * 7, tiny.problem), model)


def test_swa_is_the_mean_in_float64(tiny, steps):
    """Rounded once."""
    mean = swa.fuse(steps, tiny.problem)
    for k, v in mean.items():
        assert torch.allclose(v.double(), torch.stack([m[k].double() for m in steps]).mean(dim=0), rtol=2**-24, atol=1e-12)


def test_swa_of_noise_around_an_optimum_errs_by_a_share_of_n(tiny):
    """The variance of the mean of n is 1/n of theirs: of 100 snapshots within a fifth of it."""
    g = torch.Generator().manual_seed(1)
    shapes = tiny.problem.shapes()
    many = [{k: torch.randn(s, generator=g) for k, s in shapes.items()} for _ in range(100)]
    mean = swa.fuse(many, tiny.problem)
    assert float(torch.cat([v.flatten() for v in mean.values()]).var()) == pytest.approx(0.01, rel=0.2)


def test_one_snapshot_is_kept_bit_for_bit(tiny, steps):
    """β = 0, k = 1, and a cycle as long as the training."""
    for made in (ema.fuse(steps, tiny.problem, decay=0.0), lawa.fuse(steps, tiny.problem, latest=1), swa.fuse(steps, tiny.problem, every=6)):
        assert same(made, steps[-1])


def test_swad_chooses_by_the_validation_loss(tiny, steps):
    """The valley of the losses as they are measured one by one; the two broken snapshots at the end are not in it."""
    broken = [{k: 30 * v for k, v in steps[0].items()}] * 2
    evaluate = Evaluate(tiny.problem, [*steps, *broken], split="val")
    losses = [float(evaluate.alone(i)[0].sum() / evaluate.counts.sum()) for i in range(8)]
    row = valley(losses, tolerance=1)
    assert row[-2:].tolist() == [0, 0]
    wanted = sum(c * m["layers.0.weight"].double() for c, m in zip(row, [*steps, *broken], strict=True)).float()
    assert torch.allclose(swad.fuse([*steps, *broken], tiny.problem, tolerance=1)["layers.0.weight"], wanted, atol=1e-6)


@pytest.mark.parametrize("span", ["affine", "linear"])
@pytest.mark.parametrize("changed", [{"epochs": 0}, {"lr": 0.0, "epochs": 2}])
def test_twa_that_does_not_move_is_swa(tiny, steps, span, changed):
    """It begins at the mean."""
    made, mean = twa.fuse(steps, tiny.problem, span=span, **changed), swa.fuse(steps, tiny.problem)
    assert all(torch.allclose(made[k], mean[k], atol=1e-6) for k in mean)


@pytest.mark.parametrize("span", ["affine", "linear"])
def test_twa_stays_in_the_span_and_lowers_the_loss(tiny, steps, span):
    """What is left of the result beside the snapshots' span is rounding; it is better on what it was searched on than the mean."""
    made = twa.fuse(steps, tiny.problem, span=span, split="val", epochs=10)
    flat = [torch.cat([v.double().flatten() for v in m.values()]) for m in (*steps, made)]
    origin = torch.stack(flat[:-1]).mean(dim=0) if span == "affine" else torch.zeros_like(flat[0])
    rest, basis = flat[-1] - origin, torch.linalg.qr(torch.stack([f - origin for f in flat[: -1 - (span == "affine")]]).T)[0]
    assert float((rest - basis @ (basis.T @ rest)).norm()) <= 1e-5 * float(rest.norm())
    evaluate = Evaluate(tiny.problem, [made, swa.fuse(steps, tiny.problem)], split="val")
    assert evaluate.alone(0)[0].sum() < evaluate.alone(1)[0].sum()


@pytest.fixture(scope="module")
def regression(tmp_path_factory):
    """A linear regression, whose loss is a quadratic of the weights, and three models."""
    folder = tmp_path_factory.mktemp("regression")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4))
    y = x @ rng.normal(size=(4, 1)) + 0.1 * rng.normal(size=(200, 1))
    np.savez(folder / "data.npz", x=x.astype(np.float32), y=y.astype(np.float32))
    toml = 'loss = "mse"\n[network]\nname = "mlp"\nwidths = [4, 1]\n[data]\nname = "npz"\npath = "data.npz"\n'
    (folder / "problem.toml").write_text(toml, encoding="utf-8")
    problem = Problem(problem_toml.read(folder))
    return problem, [problem.network(seed=s).state_dict() for s in range(3)]


@pytest.mark.parametrize("span", ["affine", "linear"])
def test_twa_on_a_quadratic_comes_to_the_closed_form(regression, span):
    """The least squares solution among the mixtures of the snapshots."""
    problem, models = regression
    made = twa.fuse(models, problem, span=span, epochs=800, lr=0.05, batch=10**6)
    batch = problem.split("train")
    x = torch.cat([batch.inputs, torch.ones(len(batch.inputs), 1)], dim=1).double()
    w = torch.stack([torch.cat([m["layers.0.weight"].flatten(), m["layers.0.bias"]]) for m in models]).double()
    origin, directions = (w[0], w[1:] - w[0]) if span == "affine" else (torch.zeros(5).double(), w)
    z = torch.linalg.lstsq(x @ directions.T, batch.targets.double() - (x @ origin)[:, None]).solution[:, 0]
    wanted = origin + z @ directions
    assert torch.allclose(torch.cat([made["layers.0.weight"].flatten(), made["layers.0.bias"]]).double(), wanted, atol=1e-3)


def test_the_basis_is_orthonormal_and_knows_its_rank(tiny, steps):
    """Of a model twice there is one direction less; far from the origin, too."""
    names = list(steps[0])
    inner = gram([*steps, steps[0]], names)
    for origin, rank in ((np.zeros(7), 6), (np.full(7, 1 / 7), 5)):
        rows = twa.basis(inner, origin)
        assert len(rows) == rank
        assert rows @ inner @ rows.T == pytest.approx(np.eye(rank), abs=1e-6)


def test_welford_is_stable_where_the_mean_is_much_larger_than_the_scatter():
    """10⁶ ± 10⁻³ in float64: the textbook difference of squares would be off by more than itself."""
    g = torch.Generator().manual_seed(0)
    many = [1e6 + 1e-3 * torch.randn(500, generator=g, dtype=torch.float64) for _ in range(30)]
    spread = Spread.fitted(many, rank=0)
    exact = torch.stack(many).var(dim=0, correction=0)
    assert torch.allclose(spread.variance, exact, rtol=1e-5)
    textbook = torch.stack([m.square() for m in many]).mean(dim=0) - torch.stack(many).mean(dim=0).square()
    assert not torch.allclose(textbook, exact, rtol=0.5)


def test_the_deviations_are_from_the_mean_so_far():
    """Of 1, 3, 8: means 1, 2, 4; the last two deviations 1 and 4."""
    spread = Spread.fitted([torch.tensor([v], dtype=torch.float64) for v in (1.0, 3.0, 8.0)], rank=2)
    assert spread.deviations.flatten().tolist() == [1, 4]
    assert float(spread.mean) == 4 and float(spread.variance) == pytest.approx(26 / 3)


def test_the_samples_covariance_is_the_one_that_was_asked_for():
    """½ (Σ_d + D̂ D̂ᵀ/(K − 1)); with K = 0 and s = 1 the variance alone."""
    g = torch.Generator().manual_seed(0)
    spread = Spread.fitted([torch.randn(3, generator=g, dtype=torch.float64) for _ in range(6)], rank=4)
    rng = np.random.default_rng(0)
    drawn = torch.stack([spread.drawn(0.5, rng.standard_normal(3), rng.standard_normal(4)) for _ in range(40000)])
    wanted = (spread.variance.diag() + spread.deviations.T @ spread.deviations / 3) / 2
    assert torch.allclose(drawn.T.cov(), wanted, atol=0.03)
    assert torch.allclose(drawn.mean(dim=0), spread.mean, atol=0.02)
    diagonal = Spread(spread.mean, spread.variance, spread.deviations[:0])
    drawn = torch.stack([diagonal.drawn(1.0, rng.standard_normal(3), rng.standard_normal(0)) for _ in range(40000)])
    assert torch.allclose(drawn.T.cov(), spread.variance.diag(), atol=0.03)


def test_a_swag_sample_depends_on_its_own_number_alone(tiny, steps):
    """Number 0 is the mean; the same number is the same model, another one another."""
    mean = swag.fuse(steps, tiny.problem, sample=0)
    assert all(torch.allclose(mean[k], v, atol=1e-6) for k, v in swa.fuse(steps, tiny.problem).items())
    first = Gaussian(steps, tiny.problem, rank=3, scale=0.5)
    assert same(first.sample(0, 2), swag.fuse(steps, tiny.problem, sample=2, rank=3))
    assert not same(first.sample(0, 2), first.sample(0, 1)) and not same(first.sample(0, 2), first.sample(1, 2))
    constant = swag.fuse([steps[0]] * 4, tiny.problem, sample=3)
    assert same(constant, steps[0])


def test_a_graft_is_a_body_with_another_head(tiny, steps):
    """Bit for bit; the head is the last layer."""
    assert head_of(tiny.problem) == {"layers.1.weight", "layers.1.bias"}
    made = graft.fuse(steps[:2], tiny.problem)
    assert all(torch.equal(made[k], steps[k.startswith("layers.1")][k]) for k in made)
    problem, _ = sample("char-gpt")
    with pytest.raises(Refused, match="not linear"):
        head_of(problem)


def test_all_are_methods_by_name():
    """What the app and a recipe find."""
    assert {"swa", "ema", "lawa", "swad", "swag", "twa", "graft"} <= set(registry.names("fuse"))
