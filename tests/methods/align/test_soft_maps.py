"""Matrices in the place of permutations: held to Kronecker products that are really built."""

import torch

from explorer.methods.align._soft_maps import along, as_matrices, blended
from explorer.symmetry.groups import Concat, Fixed, Free, Group, Product, Symmetry, length, permuted, random, resized

HEADS, DIM, DEEP = Free("heads", 3), Free("dim", 2), Free("deep", 4, within="heads")


def generator():
    return torch.Generator().manual_seed(0)


def soft(*shape):
    return torch.rand(*shape, generator=generator(), dtype=torch.float64)


def test_products_and_concatenations_follow_their_expression():
    """Kronecker for a product, blocks for a concatenation, the identity for what is fixed."""
    h, d = soft(3, 5), soft(2, 2)
    axis = Concat((Product((HEADS, Fixed(2), DIM)), Fixed(3), HEADS))
    eye = torch.eye(2, dtype=torch.float64)
    whole = torch.block_diag(torch.kron(torch.kron(h, eye), d), torch.eye(3, dtype=torch.float64), h)
    x = soft(6, whole.shape[1])
    assert torch.allclose(along(x, 1, axis, {"heads": h, "dim": d}), x @ whole.T)


def test_a_group_without_a_matrix_stays():
    """Only what is given is multiplied."""
    d, x = soft(2, 2), soft(6, 4)
    assert torch.allclose(along(x, 0, Product((HEADS, DIM)), {"dim": d}), torch.kron(torch.eye(3, dtype=torch.float64), d) @ x)
    assert along(x, 0, Product((HEADS, DIM)), {}) is x


def test_each_outer_place_has_a_matrix_of_its_own():
    """new[i, p] = Σ_q inner[i][p, q] Σ_j outer[i, j] old[j, q]."""
    outer, inner, x = soft(3, 5), soft(3, 4, 6), soft(5, 6, 7)
    naive = torch.einsum("ipq,ij,jqf->ipf", inner, outer, x).reshape(12, 7)
    assert torch.allclose(along(x.reshape(30, 7), 0, Product((HEADS, DEEP)), {"heads": outer, "deep": inner}), naive)


def test_a_permutation_is_a_matrix_of_zeros_and_ones():
    """Blending by it is reordering, bit for bit, with an order per head too."""
    axes = {"w": (Concat((Product((HEADS, DEEP)), Fixed(2))), DIM), "v": (DIM,)}
    found = Symmetry({"heads": Group("heads", 3), "dim": Group("dim", 2), "deep": Group("deep", 4, "heads")}, axes)
    weights, maps = {"w": soft(14, 2), "v": soft(2)}, random(found, generator())
    wanted = permuted(weights, found, maps)
    assert all(torch.equal(blended(weights[n], axes[n], as_matrices(found, maps)), wanted[n]) for n in weights)
    assert not torch.equal(wanted["w"], weights["w"])


def test_gradients_reach_the_matrices():
    """It is differentiable in every matrix."""
    outer, inner, x = soft(3, 3).requires_grad_(), soft(3, 4, 4).requires_grad_(), soft(12)
    assert torch.autograd.gradcheck(lambda o, i: along(x, 0, Product((HEADS, DEEP)), {"heads": o, "deep": i}), (outer, inner))


def test_an_axis_is_written_for_other_sizes():
    """Groups that are named change, all else stays."""
    axis = Concat((Product((HEADS, DEEP)), Fixed(2), DIM))
    assert length(resized(axis, {"heads": 5, "dim": 7})) == 5 * 4 + 2 + 7
