"""Merging by singular vectors: TSV-M, Iso-C, Iso-CTS, KnOTS, and WUDI."""

import pytest
import torch

from explorer.core.errors import Refused
from explorer.methods.fuse import iso_c, iso_cts, knots, task_arithmetic, ties, tsv_m, wudi
from tests.methods.fuse import drawn, near

METHODS = (tsv_m, iso_c, iso_cts, knots, wudi)


def orthonormal(m, n, seed=0):
    return torch.linalg.qr(torch.randn(m, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))[0]


def apart(sigmas, m=9, n=7):
    """Task matrices whose row spaces are orthogonal, and whose column spaces are."""
    u, v, start, found = orthonormal(m, n, 1), orthonormal(n, n, 2), 0, []
    for values in sigmas:
        which = slice(start, start + len(values))
        found.append(u[:, which] * torch.tensor(values, dtype=torch.float64) @ v[:, which].T)
        start += len(values)
    return found


def merged(method, changes, tiny, **options):
    """What a method adds to a base."""
    base = {"w": torch.randn(changes[0].shape, generator=torch.Generator().manual_seed(7), dtype=torch.float64)}
    return method.fuse([base, *({"w": base["w"] + c} for c in changes)], tiny.problem, **options)["w"] - base["w"]


@pytest.mark.parametrize(("method", "options"), [(tsv_m, {}), (wudi, {}), (wudi, {"solve": "exact"}), (knots, {"density": 1.0})])
def test_one_model_is_itself(tiny, method, options):
    """Its change has no other to give way to."""
    base = drawn(0)
    model = drawn(1, base, 0.1)
    assert near(method.fuse([base, model], tiny.problem, **options), model)


@pytest.mark.parametrize(("method", "options"), [(tsv_m, {}), (wudi, {"lr": 1e-6}), (wudi, {"solve": "exact"})])
def test_tasks_in_orthogonal_spaces_add_up(tiny, method, options):
    """Neither disturbs the other: the sum. Adam makes steps of noise, too."""
    changes = apart([[3.0, 2.0], [1.5, 0.5]])
    assert torch.allclose(merged(method, changes, tiny, **options), sum(changes), rtol=0, atol=1e-5 if options == {"lr": 1e-6} else 1e-9)


def test_tsv_m_keeps_the_leading_components_of_each_task(tiny):
    """Seven over two is three; the fourth and weaker ones go."""
    changes = apart([[4.0, 3.0, 2.0, 1.0], [5.0, 0.5]])
    kept = apart([[4.0, 3.0, 2.0, 0.0], [5.0, 0.5]])
    assert torch.allclose(merged(tsv_m, changes, tiny, scale=2.0), 2 * sum(kept), atol=1e-9)


def test_tsv_m_of_two_equal_directions_makes_them_orthogonal(tiny):
    """By hand, with two by two: both tasks point along u·vᵀ and [u u] has as nearest orthonormal columns a pair around u, each 45° away."""
    u = torch.tensor([[1.0, 0.0]], dtype=torch.float64).T
    c, s = 0.8, 0.6
    a, b = torch.cat([u, u], 1), torch.tensor([[1.0, c], [0.0, s]], dtype=torch.float64)  # the second task's right vector is turned
    changes = [2 * a[:, :1] @ b[:, :1].T, a[:, 1:] @ b[:, 1:].T]
    found = merged(tsv_m, changes, tiny)
    values = torch.linalg.svdvals(found)
    assert torch.allclose(values, torch.tensor([2.0, 1.0], dtype=torch.float64), atol=1e-9)  # the singular values stay those of the tasks


def test_iso_c_makes_the_sums_singular_values_equal(tiny):
    """To their mean; directions stay; those that are not there stay away."""
    changes = apart([[6.0, 3.0], [2.0, 1.0]])
    expected = sum(apart([[3.0, 3.0], [3.0, 3.0]]))
    assert torch.allclose(merged(iso_c, changes, tiny), expected, atol=1e-9)
    assert torch.allclose(merged(iso_c, changes, tiny, scale=0.5), expected / 2, atol=1e-9)


def test_iso_cts_with_everything_in_common_is_iso_c(tiny):
    """The share is 1, and no direction is a task's own."""
    models = [drawn(k) for k in range(4)]
    assert near(iso_cts.fuse(models, tiny.problem, common=1.0), iso_c.fuse(models, tiny.problem))


def test_iso_cts_gives_a_weak_task_a_direction_of_its_own(tiny):
    """Three common directions are the first task's; of the four others each gets two, and the second task's strength counts with the rest."""
    changes = apart([[9.0, 8.0, 7.0], [0.2, 0.1]])
    found = merged(iso_cts, changes, tiny, common=3 / 7)
    mean = (9 + 8 + 7 + 0.2 + 0.1) / 5
    expected = sum(apart([[mean] * 3, [mean] * 2]))
    assert torch.allclose(found, expected, atol=1e-9)


def test_knots_without_trimming_or_election_is_the_mean(tiny):
    """The basis is taken and given back."""
    models = [drawn(k) for k in range(4)]
    assert near(knots.fuse(models, tiny.problem, density=1.0, elect="none"), task_arithmetic.fuse(models, tiny.problem))


def test_knots_of_tasks_with_one_output_is_ties_of_their_inputs(tiny):
    """Of u·v₁ᵀ and u·v₂ᵀ the basis is u, and what is left to merge are the rows v."""
    u = orthonormal(5, 1)
    v = torch.randn(2, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    rows = ties.fuse([{"w": torch.zeros(8).double()}, {"w": v[0]}, {"w": v[1]}], tiny.problem, density=0.5, trim="tensor")["w"]
    found = merged(knots, [u @ v[:1], u @ v[1:]], tiny, density=0.5)
    assert torch.allclose(found, u @ rows[None], atol=1e-9)


def test_knots_takes_adapters_of_different_ranks(tiny):
    """Side by side they have the sum of the ranks, at most."""
    g = torch.Generator().manual_seed(0)
    changes = [torch.randn(9, r, generator=g).double() @ torch.randn(r, 7, generator=g).double() for r in (1, 3)]
    assert torch.linalg.matrix_rank(merged(knots, changes, tiny), atol=1e-9) <= 4


def loss(merged, changes):
    """As the paper writes it."""
    return sum((((merged - c) @ c.T).square().sum() / c.square().sum()) for c in changes)


def test_wudis_exact_solution_is_the_minimum(tiny):
    """The gradient of the paper's loss is zero there, and no step of Adam from the sum gets below it."""
    changes = [torch.randn(6, 4, generator=torch.Generator().manual_seed(k), dtype=torch.float64) for k in range(3)]
    found = merged(wudi, changes, tiny, solve="exact").requires_grad_()
    value = loss(found, changes)
    (gradient,) = torch.autograd.grad(value, found)
    assert gradient.abs().max() < 1e-9
    steps = [float(loss(merged(wudi, changes, tiny, steps=k, lr=0.01), changes)) for k in (0, 10, 300)]
    value = float(value.detach())
    assert steps[0] > steps[1] > steps[2] > value
    assert steps[2] == pytest.approx(value, rel=0.02)


def test_wudis_steps_are_adams_on_the_papers_loss(tiny):
    """Against automatic differentiation of it."""
    changes = [torch.randn(6, 4, generator=torch.Generator().manual_seed(k), dtype=torch.float64) for k in range(3)]
    plain = torch.nn.Parameter(sum(changes))
    optimizer = torch.optim.Adam([plain], lr=0.01)
    for _ in range(20):
        optimizer.zero_grad()
        loss(plain, changes).backward()
        optimizer.step()
    assert torch.allclose(merged(wudi, changes, tiny, steps=20, lr=0.01), plain.detach(), atol=1e-9)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.__name__.split(".")[-1])
def test_vectors_are_averaged_and_kernels_are_matrices(tiny, method):
    """A bias has no singular vectors; a convolution's kernel has a row for each output channel."""
    base, a, b = drawn(0), drawn(1), drawn(2)
    found = method.fuse([base, a, b], tiny.problem, scale=0.5)
    assert torch.allclose(found["a.bias"], base["a.bias"] + 0.5 * ((a["a.bias"] + b["a.bias"]) / 2 - base["a.bias"]), atol=1e-6)
    flat = [{"conv": m["conv"].flatten(1)} for m in (base, a, b)]
    assert torch.allclose(method.fuse(flat, tiny.problem, scale=0.5)["conv"], found["conv"].flatten(1), atol=1e-6)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.__name__.split(".")[-1])
def test_the_order_of_the_models_does_not_matter(tiny, method):
    """That of the others, after the base."""
    base, a, b, c = (drawn(k) for k in range(4))
    assert near(method.fuse([base, a, b, c], tiny.problem), method.fuse([base, c, a, b], tiny.problem), 1e-5)


def test_more_tasks_than_directions_leave_each_one(tiny):
    """A matrix of two rows and three tasks: none is dropped."""
    changes = [torch.randn(2, 5, generator=torch.Generator().manual_seed(k), dtype=torch.float64) for k in range(3)]
    assert merged(tsv_m, changes, tiny).abs().max() > 0.1


def test_a_density_outside_is_refused(tiny):
    """The sentence says what it means."""
    with pytest.raises(Refused, match="density above 0 and up to 1"):
        knots.fuse([drawn(0), drawn(1)], tiny.problem, density=0.0)
