"""The lattice of symmetry classes: its laws, and groups that are really contained in one another."""

from itertools import product

import pytest
import torch

from explorer.symmetry.classes import SymmetryClass, meet, within
from explorer.symmetry.gauges import _drawn  # pyright: ignore[reportPrivateUsage]

C = SymmetryClass
MOVING = [c for c in C if c.moves]


def is_one(m, cls):
    """Whether a matrix is a linear map of a class, by definition."""
    n = len(m)
    one, eye = torch.ones(n, dtype=m.dtype), torch.eye(n, dtype=m.dtype)
    places = (m.abs() > 1e-9).sum()
    monomial = places == n and bool(((m.abs() > 1e-9).sum(0) == 1).all())
    orthogonal = torch.allclose(m @ m.T, eye)
    turn = torch.zeros(n, n, dtype=m.dtype)
    turn[: n // 2, n // 2 :], turn[n // 2 :, : n // 2] = -eye[: n // 2, : n // 2], eye[: n // 2, : n // 2]
    diagonal_blocks = all(abs(m[i, j]) < 1e-9 for i, j in product(range(n), repeat=2) if (i - j) % (n // 2))
    commutes = torch.allclose(m @ turn, turn @ m) and diagonal_blocks
    return {
        C.SIGNED: monomial and orthogonal,
        C.SCALED: monomial and bool((m >= 0).all()),
        C.MONOMIAL: monomial,
        C.CENTRED: orthogonal and torch.allclose(m @ one, one),
        C.ORTHOGONAL: orthogonal,
        C.ROTARY: commutes,
        C.ROTATIONS: commutes and orthogonal,
        C.INVERTIBLE: abs(torch.linalg.det(m)) > 1e-9,
    }[cls]


@pytest.mark.parametrize("a", C)
@pytest.mark.parametrize("b", C)
def test_meet_is_the_largest_class_within_both(a, b):
    """Commutative, within both, and nothing within both is larger."""
    found = meet(a, b)
    assert found == meet(b, a)
    assert within(found, a)
    assert within(found, b)
    assert all(within(c, found) for c in C if within(c, a) and within(c, b))


@pytest.mark.parametrize("cls", MOVING)
def test_random_elements_are_of_their_class_and_of_those_that_contain_it(cls):
    """By the definition of each class, not by the lattice; and some element is of no smaller class."""
    generator = torch.Generator().manual_seed(0)
    drawn = _drawn(cls, 20, 6, generator, 0.5)
    matrices = torch.diag_embed(drawn) if drawn.dim() == 2 else drawn
    for larger in MOVING:
        if within(cls, larger):
            assert all(is_one(m, larger) for m in matrices), larger
        elif cls != C.SCALED or larger != C.SIGNED:
            assert not all(is_one(m, larger) for m in matrices), larger


@pytest.mark.parametrize("cls", MOVING)
def test_a_class_holds_its_products_and_inverse_transposes(cls):
    """It is a group, and what reads takes an element of it too."""
    generator = torch.Generator().manual_seed(1)
    drawn = _drawn(cls, 4, 6, generator, 0.5)
    m = torch.diag_embed(drawn) if drawn.dim() == 2 else drawn
    assert is_one(m[0] @ m[1], cls)
    assert is_one(torch.linalg.inv(m[2]).T, cls)


def test_written_and_read_by_one_map_is_orthogonal_at_most():
    """Of scales only ones are left, of monomial maps signs, of invertible ones the orthogonal."""
    assert [c.compact for c in (C.SCALED, C.MONOMIAL, C.INVERTIBLE, C.ROTARY, C.CENTRED)] == [
        C.PERMUTATION,
        C.SIGNED,
        C.ORTHOGONAL,
        C.ROTATIONS,
        C.CENTRED,
    ]
