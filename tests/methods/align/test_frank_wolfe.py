"""Frank-Wolfe over soft permutations: exact line search, a rising objective, planted permutations."""

import numpy as np
import pytest
import torch

from explorer import symmetry
from explorer.core import registry
from explorer.methods.align._soft_maps import blended
from explorer.methods.align.frank_wolfe import align, best_share, degree, relaxed
from explorer.problems import problem_toml
from explorer.problems.problem import Problem
from explorer.symmetry.assignment import WeightScores
from tests.methods.align import sample

FAMILIES = ["digits-mlp", "digits-resnet", "digits-vit"]


@pytest.mark.parametrize("start", ["barycentre", "identity"])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_planted_permutation_is_found_exactly(name, start):
    """Also with orders of their own within heads, which the soft phase does not know."""
    problem, (a, _) = sample(name)
    found = symmetry.symmetry_of(problem)
    shuffled = symmetry.permuted(a, found, symmetry.random(found, torch.Generator().manual_seed(2)))
    done = align([a, shuffled], problem, start=start)
    assert all(torch.equal(done.weights[1][k], a[k]) for k in a)


@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_the_line_search_is_exact(degree):
    """Held to a fine grid, for polynomials of every degree that occurs."""
    rng = np.random.default_rng(degree)
    for _ in range(20):
        polynomial = np.polynomial.Polynomial(rng.normal(size=degree + 1))
        grid = np.linspace(0, 1, 20001)
        share = best_share(lambda t, p=polynomial: float(p(t)), degree)
        assert polynomial(share) >= polynomial(grid).max() - 1e-9


@pytest.mark.parametrize("name", FAMILIES)
def test_the_objective_only_rises_and_the_matrices_stay_doubly_stochastic(name):
    """Step by step in the soft phase; rows and columns sum to one, nothing is negative."""
    problem, (a, b) = sample(name)
    found = symmetry.symmetry_of(problem)
    scores = WeightScores(a, b, found, [n for n, _ in problem.network().named_parameters()])
    p, trace = relaxed(scores, found.shared(), "barycentre", 20, lambda step, value: None)
    assert (np.diff(trace) > 0).all()
    for matrix in p.values():
        assert float(matrix.min()) >= 0
        assert torch.allclose(matrix.sum(0), torch.ones(len(matrix), dtype=torch.float64))
        assert torch.allclose(matrix.sum(1), torch.ones(len(matrix), dtype=torch.float64))


def test_the_result_is_no_farther_than_coordinate_descent_from_where_units_stand():
    """The promise of the docstring, on a network with heads where the two differ."""
    problem, models = sample("digits-vit")

    def distance(done):
        a, b = done.weights
        return sum((a[n].double() - b[n].double()).square().sum() for n, _ in problem.network().named_parameters()) ** 0.5

    descent = registry.find("align", "weight_matching")(models, problem, restarts=1)
    assert distance(align(models, problem)) <= distance(descent) * (1 + 1e-3)


@pytest.mark.parametrize("name", ["digits-resnet", "digits-vit"])
def test_the_value_along_a_segment_is_a_polynomial_of_the_stated_degree(name):
    """What the line search rests on: tensor by tensor, degree + 1 points foretell all others, also where queries, keys and values are one tensor."""
    problem, (a, b) = sample(name)
    shared = symmetry.symmetry_of(problem).shared()
    generator = torch.Generator().manual_seed(3)
    ends = [{g.name: torch.rand(g.size, g.size, generator=generator, dtype=torch.float64) for g in shared.groups.values()} for _ in range(2)]
    for tensor, axes in shared.axes.items():
        if not a[tensor].is_floating_point():
            continue

        def value(t, tensor=tensor, axes=axes):
            return float((a[tensor].double() * blended(b[tensor].double(), axes, {g: torch.lerp(ends[0][g], ends[1][g], t) for g in ends[0]})).sum())

        nodes = np.linspace(0, 1, degree(axes) + 1)
        values = [value(t) for t in nodes]
        predicted = np.polynomial.Polynomial.fit(nodes, values, degree(axes), domain=[0, 1])(0.37)
        assert predicted == pytest.approx(value(0.37), rel=1e-9, abs=1e-9 * max(map(abs, values)))


def test_a_network_without_hidden_units_stays_as_it_is(tmp_path):
    """Nothing to permute is no error: there are no matrices to differentiate by."""
    (tmp_path / "problem.toml").write_text('[network]\nname = "mlp"\nwidths = [64, 10]\n[data]\nname = "digits"\n', encoding="utf-8")
    problem = Problem(problem_toml.read(tmp_path))
    models = [problem.network(seed=seed).state_dict() for seed in range(3)]
    for method in ("frank_wolfe", "cycle_consistent", "zip"):
        done = registry.find("align", method)(models, problem)
        assert all(torch.equal(after[k], before[k]) for after, before in zip(done.weights, models, strict=True) for k in before)
