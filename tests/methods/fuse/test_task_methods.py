"""TIES, DARE, DELLA, breadcrumbs and Model Stock: known answers."""

import math
from itertools import combinations

import pytest
import torch

from explorer.checkpoints.arithmetic import products, vectors
from explorer.core.errors import Refused
from explorer.methods.fuse import breadcrumbs, dare, della, model_stock, task_arithmetic, ties, uniform_soup
from tests.methods.align import sample
from tests.methods.fuse import drawn, equal, flat, near

BASE = drawn(0)
A, B, C = (drawn(k, BASE, 0.1) for k in (1, 2, 3))


def changes(model, base=None):
    return flat(model) - flat(base or BASE)


@pytest.mark.parametrize("elect", ["mass", "count"])
def test_ties_of_one_model_with_nothing_trimmed_is_that_model(tiny, elect):
    """Density 1, one task vector; bit for bit."""
    assert equal(ties.fuse([BASE, A], tiny.problem, density=1.0, elect=elect), A)


@pytest.mark.parametrize("trim", ["model", "tensor"])
@pytest.mark.parametrize("density", [0.05, 0.2, 0.75, 1.0])
def test_ties_keeps_the_exact_number_of_the_largest_changes(tiny, density, trim):
    """Of the whole model or of each tensor."""
    found = changes(ties.fuse([BASE, A], tiny.problem, density=density, trim=trim))
    parts = [changes(A)] if trim == "model" else [changes({n: A[n]}, {n: BASE[n]}) for n in A]
    stays = torch.cat([p.abs() >= p.abs().sort(descending=True).values[max(1, round(density * len(p))) - 1] for p in parts])
    assert torch.equal(found != 0, stays)
    assert torch.allclose(found[stays], changes(A)[stays], atol=1e-6)


def test_ties_of_models_that_agree_in_sign_is_their_mean(tiny):
    """Nothing to elect; with weights, the weighted mean; `scale` stretches it."""
    b = {n: BASE[n] + 3 * (A[n] - BASE[n]) for n in A}
    assert torch.allclose(changes(ties.fuse([BASE, A, b], tiny.problem, density=1.0)), 2 * changes(A), atol=1e-6)
    merged = ties.fuse([BASE, A, b], tiny.problem, density=1.0, weights=(3.0, 1.0), scale=-2.0)
    assert torch.allclose(changes(merged), -3 * changes(A), atol=1e-6)


def test_ties_by_hand(tiny):
    """Trimmed to two of four; mass elects −, +, nothing, nothing."""
    zero, a, b = ({"w": torch.tensor(v)} for v in ([0.0] * 4, [1.0, 5.0, 4.0, 0.5], [-3.0, 2.0, -1.0, 0.5]))
    assert ties.fuse([zero, a, b], tiny.problem, density=0.5, trim="tensor")["w"].tolist() == pytest.approx([-3, 3.5, 4, 0])
    assert ties.fuse([zero, a, b], tiny.problem, density=1.0, elect="count")["w"].tolist() == pytest.approx([0, 3.5, 0, 0.5])


def test_ties_trims_tied_tensors_once(tiny):
    """The entries of a tensor with two names count once in the whole model's density, and it stays tied."""
    large = {**A, "conv": BASE["conv"] + 100 * (A["conv"] - BASE["conv"])}
    base, a = ({**m, "alias": m["conv"]} for m in (BASE, large))
    merged = ties.fuse([base, a], tiny.problem, density=0.5)
    assert merged["alias"] is merged["conv"]
    alone = ties.fuse([BASE, large], tiny.problem, density=0.5)
    assert equal({n: merged[n] for n in alone}, alone)


@pytest.mark.parametrize("density", [0.0, 1.5])
def test_a_density_outside_is_refused(tiny, density):
    """The sentence says what it means."""
    with pytest.raises(Refused, match="density above 0 and up to 1"):
        ties.fuse([BASE, A], tiny.problem, density=density)


@pytest.mark.parametrize("method", [ties, breadcrumbs, model_stock], ids=lambda m: m.__name__.split(".")[-1])
def test_the_order_of_the_models_does_not_matter(tiny, method):
    """That of the others, after the base."""
    assert near(method.fuse([BASE, A, B, C], tiny.problem), method.fuse([BASE, C, A, B], tiny.problem))


def heavy(seed, size=300):
    """Changes of many orders of magnitude."""
    g = torch.Generator().manual_seed(seed)
    return torch.randn(20, size // 20, generator=g).exp() ** 2 * torch.randn(20, size // 20, generator=g).sign()


@pytest.mark.parametrize(
    ("method", "options"),
    [(dare, {"drop": 0.5}), (dare, {"drop": 0.9}), (della, {"drop": 0.5, "spread": 0.8, "elect": "none"})],
)
def test_dropping_and_rescaling_leaves_the_expectation(tiny, method, options):
    """The mean over many seeds is the plain mean, entry by entry within five standard errors, heavy tails included."""
    base, a, b = {"w": torch.zeros(20, 15)}, {"w": heavy(1)}, {"w": heavy(2)}
    runs = torch.stack([method.fuse([base, a, b], tiny.problem, seed=k, **options)["w"] for k in range(400)]).double()
    error = (runs.mean(0) - (a["w"] + b["w"]).double() / 2) / (runs.std(0) / 20)
    assert error.abs().max() < 5
    assert error.square().mean().sqrt() == pytest.approx(1, abs=0.2)


def test_dare_drops_the_share_asked_for_and_scales_up_what_stays(tiny):
    """Every entry is 0 or τ/(1 − p); the two models are thinned independently of each other."""
    base, a = {"w": torch.zeros(100, 100)}, {"w": torch.ones(100, 100)}
    merged = dare.fuse([base, a], tiny.problem, drop=0.8)["w"]
    assert set(merged.unique().tolist()) == {0, torch.tensor(1 / (1 - 0.8)).item()}
    assert (merged == 0).double().mean() == pytest.approx(0.8, abs=0.02)
    both = dare.fuse([base, a, a], tiny.problem, drop=0.8)["w"]
    assert (both == 0).double().mean() == pytest.approx(0.64, abs=0.02)


@pytest.mark.parametrize("method", [dare, della])
def test_a_seed_gives_the_same_model_and_another_one_another(tiny, method):
    """And the global generator is not touched."""
    state = torch.get_rng_state()
    first = method.fuse([BASE, A, B], tiny.problem, seed=5)
    assert equal(first, method.fuse([BASE, A, B], tiny.problem, seed=5))
    assert not equal(first, method.fuse([BASE, A, B], tiny.problem, seed=6))
    assert torch.equal(state, torch.get_rng_state())


def test_nothing_dropped_is_the_method_that_drops_nothing(tiny):
    """dare is then the mean of the models, and with an election ties; so are della and breadcrumbs."""
    mean, elected = task_arithmetic.fuse([BASE, A, B, C], tiny.problem), ties.fuse([BASE, A, B, C], tiny.problem, density=1.0)
    assert near(dare.fuse([BASE, A, B, C], tiny.problem, drop=0.0), mean)
    assert near(della.fuse([BASE, A, B, C], tiny.problem, drop=0.0, spread=0.0, elect="none"), mean)
    assert near(breadcrumbs.fuse([BASE, A, B, C], tiny.problem, smallest=0.0, largest=0.0), mean)
    assert equal(dare.fuse([BASE, A, B, C], tiny.problem, drop=0.0, elect="mass"), elected)
    assert equal(della.fuse([BASE, A, B, C], tiny.problem, drop=0.0, spread=0.0), elected)
    assert equal(breadcrumbs.fuse([BASE, A, B, C], tiny.problem, smallest=0.0, largest=0.0, elect="mass"), elected)


def test_della_without_spread_is_dare(tiny):
    """The same draws, the same scale."""
    assert equal(della.fuse([BASE, A, B], tiny.problem, spread=0.0, seed=3), dare.fuse([BASE, A, B], tiny.problem, elect="mass", seed=3))


def test_dellas_probabilities_fall_with_the_magnitude_in_each_row():
    """Evenly spaced around `drop`, whose mean they keep; a tensor with one axis is one row; equal magnitudes in order."""
    p = della.probabilities(torch.tensor([[[0.1, -5.0], [2.0, 0.0]], [[1.0, 1.0], [-1.0, 7.0]]], dtype=torch.float64), 0.5, 0.4)
    assert p.flatten().tolist() == pytest.approx([0.55, 0.35, 0.45, 0.65, 0.45, 0.55, 0.65, 0.35])
    assert della.probabilities(torch.tensor([3.0, 1.0]), 0.5, 0.4).tolist() == pytest.approx([0.4, 0.6])
    assert float(della.probabilities(torch.tensor(3.0), 0.5, 0.4)) == pytest.approx(0.5)


@pytest.mark.parametrize(("drop", "spread"), [(0.05, 0.2), (0.95, 0.2)])
def test_della_refuses_probabilities_that_are_none(tiny, drop, spread):
    """Below 0 or above 1."""
    with pytest.raises(Refused, match="must lie between 0 and 1"):
        della.fuse([BASE, A], tiny.problem, drop=drop, spread=spread)


def test_breadcrumbs_leaves_out_the_largest_and_the_smallest(tiny):
    """Of each tensor as many as asked for; the rest is untouched."""
    base, a = {"w": torch.zeros(10)}, {"w": torch.tensor([5.0, -1.0, 9.0, 0.1, -7.0, 3.0, 2.0, -4.0, 6.0, 8.0])}
    found = breadcrumbs.fuse([base, a], tiny.problem, smallest=0.3, largest=0.2)["w"]
    assert found.tolist() == [5, 0, 0, 0, -7, 3, 0, -4, 6, 0]


def test_breadcrumbs_counts_equal_changes_and_refuses_to_leave_nothing(tiny):
    """85 % of ten equal changes are eight, the later ones; shares that add up to all are refused, and a tensor too small for them stays the base's."""
    base, a = {"w": torch.zeros(10), "s": torch.zeros(())}, {"w": torch.ones(10), "s": torch.ones(())}
    found = breadcrumbs.fuse([base, a], tiny.problem)
    assert found["w"].tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    assert float(found["s"]) == 0
    with pytest.raises(Refused, match="leave something"):
        breadcrumbs.fuse([base, a], tiny.problem, smallest=0.9, largest=0.1)


def test_model_stock_of_equal_models_is_that_model_and_at_right_angles_the_base(tiny):
    """t = 1 and t = 0."""
    assert near(model_stock.fuse([BASE, A, A, A], tiny.problem), A)
    base, x, y = ({"w": torch.tensor(v)} for v in ([1.0, 1.0], [3.0, 1.0], [1.0, 8.0]))
    assert equal(model_stock.fuse([base, x, y], tiny.problem), base)
    away = {"w": torch.tensor([-1.0, 1.0])}
    assert equal(model_stock.fuse([base, x, away], tiny.problem), base)


def test_model_stock_at_sixty_degrees_by_hand(tiny):
    """cos θ = ½ and N = 2: t = 2·½/(1 + ½) = ⅔."""
    base = {"w": torch.zeros(2)}
    x, y = {"w": torch.tensor([1.0, 0.0])}, {"w": torch.tensor([0.5, math.sqrt(0.75)])}
    assert model_stock.fuse([base, x, y], tiny.problem)["w"].tolist() == pytest.approx([2 / 3 * 0.75, 2 / 3 * math.sqrt(0.75) / 2])


def test_model_stocks_angle_is_the_mean_over_all_pairs():
    """All at once against pair by pair; a model equal to the base is at right angles to all."""
    tensors = [drawn(k)["conv"] + 1 for k in range(5)]
    v = [(t - tensors[0]).double().flatten() for t in tensors[1:]]
    plain = [float(a @ b / (a.norm() * b.norm())) for a, b in combinations(v, 2)]
    assert model_stock.mean_cosine(products([list(vectors(tensors))])) == pytest.approx(sum(plain) / 6, rel=1e-6)
    assert model_stock.mean_cosine(products([list(vectors([*tensors, tensors[0]]))])) == pytest.approx(sum(plain) / 10, rel=1e-6)


def test_model_stock_finds_the_centre_when_its_assumption_holds(tiny):
    """Fine-tuned models at equal distances and right angles around a centre c: of the plane through them and the base it takes the point nearest to c."""
    g = torch.Generator().manual_seed(0)
    frame = torch.linalg.qr(torch.randn(50, 4, generator=g, dtype=torch.float64)).Q.T
    base, centre = torch.zeros(50, dtype=torch.float64), 2 * frame[0]
    models = [centre + 3 * frame[k] for k in (1, 2, 3)]
    found = model_stock.fuse([{"w": base}, *({"w": m} for m in models)], tiny.problem)["w"]
    mean = sum(models) / 3
    nearest = mean * float(centre @ mean / (mean @ mean))
    assert torch.allclose(found, nearest, atol=1e-12)


def test_half_precision_is_computed_in_single(tiny):
    """The same as from the same numbers in single precision, rounded once."""
    models = [{n: t.to(torch.bfloat16) for n, t in m.items()} for m in (BASE, A, B)]
    single = [{n: t.float() for n, t in m.items()} for m in models]
    for method in (ties, dare, della, breadcrumbs, model_stock, uniform_soup):
        found, expected = method.fuse(models, tiny.problem), method.fuse(single, tiny.problem)
        assert near({n: t.float() for n, t in found.items()}, {n: t.to(torch.bfloat16).float() for n, t in expected.items()}, 2**-8)
        assert all(t.dtype == torch.bfloat16 for t in found.values())


def test_buffers_are_the_mean_of_the_fine_tuned_models():
    """Running statistics are no task vectors: they are averaged with the models' weights, the base's left out."""
    problem, (base, a, b) = sample("digits-resnet", 3)
    names = [n for n in base if n.endswith(("running_mean", "running_var"))]
    merged = ties.fuse([base, a, b], problem, weights=(3.0, 1.0))
    assert names
    assert all(torch.allclose(merged[n], 0.75 * a[n] + 0.25 * b[n], atol=1e-6) for n in names)
    merged = model_stock.fuse([base, a, b], problem)
    assert all(torch.allclose(merged[n], (a[n] + b[n]) / 2, atol=1e-6) for n in names)


@pytest.mark.parametrize(
    ("method", "few", "message"), [(ties, 1, "a base, and one or more"), (dare, 1, "one or more"), (model_stock, 2, "two or more")]
)
def test_too_few_models_are_refused(tiny, method, few, message):
    """The sentence says what is wanted and how many came."""
    with pytest.raises(Refused, match=rf"{message}.*got {few} model"):
        method.fuse([BASE, A][:few], tiny.problem)


def test_as_many_weights_as_there_are_models_after_the_base(tiny):
    """The base has none."""
    with pytest.raises(Refused, match="needs 2 weights"):
        ties.fuse([BASE, A, B], tiny.problem, weights=(1.0, 1.0, 1.0))


@pytest.mark.parametrize("trim", ["model", "tensor"])
def test_exactly_the_share_stays_where_changes_are_equally_large(tiny, trim):
    """All changes are one size, so which stay is a matter of order: the first 30 %, of each tensor or of both together, block borders or not."""
    base = {"hidden.weight": torch.zeros(300, 400), "out.weight": torch.zeros(10, 20)}
    tuned = {name: torch.where(torch.arange(t.numel()).reshape(t.shape) % 2 == 0, 1.0, -1.0) for name, t in base.items()}
    found = ties.fuse([base, tuned], tiny.problem, density=0.3, trim=trim)
    kept = {name: torch.nonzero(found[name].flatten()).flatten() for name in base}
    total = 300 * 400 + 10 * 20
    wanted = {"hidden.weight": round(0.3 * 120_000), "out.weight": 60} if trim == "tensor" else {"hidden.weight": round(0.3 * total), "out.weight": 0}
    for name, count in wanted.items():
        assert torch.equal(kept[name], torch.arange(count)), name


def test_exactly_the_share_goes_on_both_sides(tiny):
    """Breadcrumbs on ten equal changes, 20 % of the largest and 50 % of the smallest left out: the third to the fifth stay."""
    base = {"w": torch.zeros(10)}
    found = breadcrumbs.fuse([base, {"w": torch.ones(10)}], tiny.problem, smallest=0.5, largest=0.2)
    assert found["w"].tolist() == [0, 0, 1, 1, 1, 0, 0, 0, 0, 0]
