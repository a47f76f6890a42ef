"""Networks made of other networks' units."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from explorer import symmetry
from explorer.checkpoints import checkpoint_file
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.methods.align.optimal_transport import _Plans, align, sizes_of
from explorer.problems.problem import Problem
from explorer.symmetry import permuted


@pytest.fixture
def models(tiny):
    return [checkpoint_file.read(p).weights for p in (tiny.a, tiny.b)]


def made(tiny, name, seed=0, **options):
    """A problem on the tiny one's data, and random weights."""
    problem = Problem(replace(tiny.problem.spec, network=registry.method("nets", name, options)))
    return problem, {n: t.clone() for n, t in problem.network(seed=seed).state_dict().items()}


def outputs(problem, weights):
    network = problem.network().double()
    network.load_state_dict(weights)
    with torch.no_grad():
        return network(problem.split("test").inputs[:30].double())


def split_in_two(weights, order):
    """An MLP with every hidden unit there twice, each with half of the outgoing weights, in some order."""
    wide = dict(weights)
    layers = len(weights) // 2
    for i in range(layers - 1):
        twice = torch.cat([torch.arange(len(weights[f"layers.{i}.bias"]))] * 2)
        twice = twice[torch.randperm(len(twice), generator=order)]
        for part in ("weight", "bias"):
            wide[f"layers.{i}.{part}"] = wide[f"layers.{i}.{part}"][twice]
        wide[f"layers.{i + 1}.weight"] = wide[f"layers.{i + 1}.weight"][:, twice] / 2
    return wide


def plans(n, m, regularisation=0.0):
    found = symmetry.Symmetry({"g": symmetry.Group("g", n)}, {})
    return _Plans({}, {}, found, {"g": m}, (), {}, "cpu", regularisation)


def costs(n, m):
    return torch.rand(n, m, generator=torch.Generator().manual_seed(n * m), dtype=torch.float64)


# --- one transport ---------------------------------------------------------------------------------------------------------------------------


def test_equal_numbers_of_units_are_permuted():
    """The cheapest of all permutations, found by trying them."""
    cost = costs(6, 6)
    plan = plans(6, 6)._plan("g", cost)
    assert set(plan.unique().tolist()) == {0.0, 1.0}
    assert float((plan * cost).sum()) == pytest.approx(min(float(cost[torch.arange(6), list(p)].sum()) for p in permutations(range(6))))


@pytest.mark.parametrize(("n", "m"), [(4, 7), (7, 4), (3, 6), (1, 5)])
def test_other_numbers_of_units_share_their_mass(n, m):
    """Rows sum to 1, columns to n/m, and the cost is that of the linear programme."""
    cost = costs(n, m)
    plan = plans(n, m)._plan("g", cost)
    rows, columns = np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))
    naive = linprog(cost.flatten().numpy(), A_eq=np.vstack([rows, columns]), b_eq=[*np.full(n, 1 / n), *np.full(m, 1 / m)])
    assert torch.allclose(plan.sum(1), torch.ones(n, dtype=torch.float64))
    assert torch.allclose(plan.sum(0), torch.full((m,), n / m, dtype=torch.float64))
    assert float((plan * cost).sum()) / n == pytest.approx(naive.fun)


def test_little_regularisation_is_exact_and_much_is_uniform():
    """The entropic plan goes from the cheapest to the one that tells nothing apart."""
    cost = costs(4, 6)
    exact = float((plans(4, 6)._plan("g", cost) * cost).sum())
    assert float((plans(4, 6, 0.005)._plan("g", cost) * cost).sum()) == pytest.approx(exact, rel=0.01)
    assert torch.allclose(plans(4, 6, 1000.0)._plan("g", cost), torch.full((4, 6), 1 / 6, dtype=torch.float64), atol=1e-3)


def test_margins_that_are_not_reached_are_said():
    """A plan so sharp that the solver gives up is named."""
    sharp = plans(30, 30, 1e-4)
    sharp._plan("g", costs(30, 30))
    assert sharp.loose == {"g"}


# --- networks of equal widths ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ground", ["weights", "activations"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mlp", {"widths": [64, 12, 8, 10]}),
        ("resnet", {"widths": [4, 6], "blocks": 1}),
        ("vit", {"image": 8, "patch": 4, "dim": 8, "depth": 1, "heads": 2, "ratio": 1}),
    ],
)
def test_a_shuffled_copy_is_restored(tiny, name, options, ground):
    """The very weights come back: residual streams, batch norm's statistics and orders within heads too."""
    problem, weights = made(tiny, name, **options)
    found = symmetry.symmetry_of(problem)
    shuffled = permuted(weights, found, symmetry.random(found, torch.Generator().manual_seed(1)))
    done = align([weights, shuffled], problem, ground=ground)
    assert done.exact
    assert all(torch.equal(done.weights[1][n], t) for n, t in weights.items())
    assert {p.dtype for p in done.maps[1].values()} == {torch.int64}


def test_dead_units_are_told_apart_by_their_weights(tiny):
    """Units that never respond have no activations to go by; a shuffled copy is restored all the same."""
    problem, weights = made(tiny, "mlp", widths=[64, 12, 8, 10])
    weights["layers.0.bias"][:5] -= 100
    found = symmetry.symmetry_of(problem)
    shuffled = permuted(weights, found, symmetry.random(found, torch.Generator().manual_seed(1)))
    done = align([weights, shuffled], problem, ground="activations")
    assert all(torch.equal(done.weights[1][n], t) for n, t in weights.items())


def test_permuted_models_come_closer_and_compute_what_they_did(tiny, models):
    """Equal widths and the exact solver: a permutation, with a shorter distance."""
    before = [{n: t.clone() for n, t in m.items()} for m in models]
    done = align(models, tiny.problem)
    far, near = (sum(float((a - b[n]).square().sum()) for n, a in models[0].items()) ** 0.5 for b in (models[1], done.weights[1]))
    assert near < 0.98 * far
    assert done.trace[0][-1] == pytest.approx(near, rel=1e-5)
    assert torch.allclose(outputs(tiny.problem, done.weights[1]), outputs(tiny.problem, models[1]))
    assert all(torch.equal(m[n], b[n]) for m, b in zip(models, before, strict=True) for n in m)


def test_blends_are_no_permutations(tiny, models):
    """The entropic solver gives matrices of rows that sum to 1, and says that the function is another."""
    done = align(models, tiny.problem, solver="entropic")
    (plan,) = done.maps[1].values()
    assert not done.exact
    assert plan.dtype == torch.float64
    assert torch.allclose(plan.sum(1), torch.ones(12, dtype=torch.float64), atol=1e-6)
    assert float(plan.max(dim=1).values.min()) < 0.9
    assert torch.allclose(done.weights[1]["layers.0.weight"], (plan @ models[1]["layers.0.weight"].double()).float(), atol=1e-6)
    assert torch.allclose(done.weights[1]["layers.1.weight"], (models[1]["layers.1.weight"].double() @ plan.T).float(), atol=1e-6)


# --- networks of other widths ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ground", ["weights", "activations"])
def test_a_network_split_in_two_comes_back(tiny, ground):
    """Every hidden unit twice, with half of its outgoing weights: made one again, to rounding."""
    problem, weights = made(tiny, "mlp", widths=[64, 12, 8, 10])
    wide = split_in_two(weights, torch.Generator().manual_seed(0))
    done = align([weights, wide], problem, ground=ground)
    assert not done.exact
    assert all(torch.allclose(done.weights[1][n], t, atol=1e-6) for n, t in weights.items())
    for plan, (n, m) in zip(done.maps[1].values(), ((12, 24), (8, 16)), strict=True):
        assert torch.allclose(plan.sum(1), torch.ones(n, dtype=torch.float64))
        assert torch.allclose(plan.sum(0), torch.full((m,), n / m, dtype=torch.float64))
    assert "layers.0: 24 → 12" in done.notes[0]


def test_a_narrow_network_in_a_wide_shape_computes_what_it_did(tiny):
    """Every unit is used twice, and hands on half each time."""
    problem, wide = made(tiny, "mlp", widths=[64, 12, 8, 10], seed=1)
    narrow_problem, narrow = made(tiny, "mlp", widths=[64, 6, 4, 10], seed=2)
    done = align([wide, narrow], problem)
    assert {n: t.shape for n, t in done.weights[1].items()} == {n: t.shape for n, t in wide.items()}
    assert torch.allclose(outputs(problem, done.weights[1]), outputs(narrow_problem, narrow), atol=1e-6)


@pytest.mark.parametrize("ground", ["weights", "activations"])
@pytest.mark.parametrize(
    ("name", "ours", "theirs"),
    [
        ("resnet", {"widths": [4, 6], "blocks": 1}, {"widths": [5, 4], "blocks": 1}),
        ("vit", {"image": 8, "patch": 4, "dim": 8, "depth": 1, "heads": 2}, {"image": 8, "patch": 4, "dim": 12, "depth": 1, "heads": 2}),
        ("vit", {"image": 8, "patch": 4, "dim": 8, "depth": 1, "heads": 2}, {"image": 8, "patch": 4, "dim": 8, "depth": 1, "heads": 2, "ratio": 3}),
    ],
)
def test_other_widths_come_in_the_first_ones_shapes(tiny, name, ours, theirs, ground):
    """Residual streams and heads too; the result loads and gives numbers."""
    problem, reference = made(tiny, name, **ours)
    _, model = made(tiny, name, seed=1, **theirs)
    done = align([reference, model], problem, ground=ground)
    assert {n: (t.shape, t.dtype) for n, t in done.weights[1].items()} == {n: (t.shape, t.dtype) for n, t in reference.items()}
    assert outputs(problem, done.weights[1]).isfinite().all()
    found = symmetry.symmetry_of(problem)
    for group, plan in done.maps[1].items():
        assert torch.allclose(plan.sum(-1), torch.ones(plan.shape[:-1], dtype=torch.float64), atol=1e-9)
        assert plan.shape[-2] == found.groups[group].size


def test_batch_norm_of_a_network_split_in_two_comes_back(tiny):
    """A convolution network with a residual stream, every channel twice: its running statistics are made one again too."""
    problem, weights = made(tiny, "resnet", widths=[4], blocks=1)
    uneven = torch.Generator().manual_seed(0)
    weights = {n: torch.rand(t.shape, generator=uneven) + 0.5 if "norm" in n and t.is_floating_point() else t for n, t in weights.items()}
    twice = torch.arange(4).repeat_interleave(2)
    wide = {}
    for n, t in weights.items():
        wide[n] = t[twice] if t.dim() and not n.startswith("head") else t
        if t.dim() > 1 and not n.startswith("stem"):
            wide[n] = wide[n][:, twice] / 2
    done = align([weights, wide], problem)
    assert all(torch.allclose(done.weights[1][n], t, atol=1e-6) for n, t in weights.items())


def test_half_precision_comes_back_as_it_was(tiny, models):
    """float16 in, float16 out, permuted or blended."""
    half = [{n: t.half() for n, t in m.items()} for m in models]
    for solver in ("exact", "entropic"):
        assert {t.dtype for t in align(half, tiny.problem, solver=solver).weights[1].values()} == {torch.float16}


def test_widths_are_told_from_shapes(tiny):
    """Every group's, through products and concatenations; where heads × dimensions leave a choice, as many heads."""
    options = {"image": 8, "patch": 4, "depth": 1}
    problem, reference = made(tiny, "vit", dim=8, heads=2, **options)
    _, model = made(tiny, "vit", dim=12, heads=2, ratio=3, **options)
    found = symmetry.symmetry_of(problem)
    sizes = sizes_of(model, reference, found, "model 1")
    assert sizes["embed"] == 12
    assert sorted(sizes.values()) == [2, 6, 6, 12, 36]
    assert sizes_of(reference, reference, found, "model 1") == {n: g.size for n, g in found.groups.items()}


# --- refusals ---------------------------------------------------------------------------------------------------------------------------------------------


def test_other_outputs_are_refused(tiny, models):
    """Classes keep their order and number."""
    other = {n: t[:9] if n.startswith("layers.1") else t for n, t in models[1].items()}
    with pytest.raises(Refused, match=r"layers.1.\w+ is .*10.* in the first model and .*9.* in model 1"):
        align([models[0], other], tiny.problem)


def test_another_architecture_is_refused(tiny, models):
    """The names must be the same."""
    with pytest.raises(Refused, match=r"'layers.2.bias' is only in one"):
        align([models[0], made(tiny, "mlp", widths=[64, 12, 8, 10])[1]], tiny.problem)


def test_widths_that_do_not_work_out_are_refused(tiny, models):
    """A bias of one length and a weight of another are no network."""
    with pytest.raises(Refused, match="no number of units gives that"):
        align([models[0], {**models[1], "layers.0.bias": torch.zeros(13)}], tiny.problem)


def test_a_network_that_cannot_be_rebuilt_has_no_activations(tiny):
    """Widths that no option of the architecture gives: weights can be compared, activations cannot."""
    problem, reference = made(tiny, "resnet", widths=[4], blocks=1)
    _, model = made(tiny, "resnet", widths=[4], blocks=1, seed=1)
    inside = {n: t[:3] if n.startswith(("stages.0.0.conv1", "stages.0.0.norm1")) and t.dim() else t for n, t in model.items()}
    inside["stages.0.0.conv2.weight"] = inside["stages.0.0.conv2.weight"][:, :3]
    with pytest.raises(Refused, match="Use ground='weights'"):
        align([reference, inside], problem, ground="activations")
    assert align([reference, inside], problem).weights[1]["stages.0.0.conv1.weight"].shape == (4, 4, 3, 3)


def test_weights_that_are_no_numbers_are_refused(tiny, models):
    """Nothing is repaired."""
    with pytest.raises(Refused, match="not finite"):
        align([models[0], {n: torch.full_like(t, torch.nan) for n, t in models[1].items()}], tiny.problem)


def test_one_model_is_refused(tiny, models):
    """There is nothing to bring together."""
    with pytest.raises(Refused, match="two models or more, got 1"):
        align(models[:1], tiny.problem)
