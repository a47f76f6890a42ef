"""Unification of axes: two axes said to be the same are permuted alike, whatever else is said of them before or after."""

from __future__ import annotations

from itertools import product
from math import prod
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.symmetry.axes import Atom, Expression, Plus, Times, atoms, cut, pieces, pin, pinned, regroup, resolve, size, unify

SIZES = (2, 3, 4, 6, 8, 12, 24)


def places(e: Expression, orders: dict[Atom, list[int]]) -> list[int]:
    """Which old place comes to each place of an axis: the definition, place by place."""
    match resolve(e):
        case Atom() as a:
            return list(range(a.size)) if a.pinned else orders[a]
        case Times(factors):
            strides = [prod(map(size, factors[i + 1 :])) for i in range(len(factors))]
            return [sum(p * s for p, s in zip(at, strides, strict=True)) for at in product(*(places(f, orders) for f in factors))]
        case Plus(parts):
            found: list[int] = []
            for part in parts:
                found += [p + len(found) for p in places(part, orders)]
            return found


def shuffled(expressions: list[Expression], random: Random) -> dict[Atom, list[int]]:
    """An order for every free atom in them."""
    return {a: random.sample(range(a.size), a.size) for e in expressions for a in atoms(e)}


def drawn(n: int, random: Random, pool: list[Atom]) -> Expression:
    """A random axis of n places, some of its atoms from a pool and so shared with other axes."""
    kind = random.random()
    divisors = [d for d in range(2, n) if n % d == 0]
    if kind < 0.35 and divisors:
        d = random.choice(divisors)
        return Times((drawn(d, random, pool), drawn(n // d, random, pool)))
    if kind < 0.6 and n > 3:
        at = random.randrange(1, n)
        return Plus((drawn(at, random, pool), drawn(n - at, random, pool)))
    fitting = [a for a in pool if a.size == n]
    if fitting and random.random() < 0.6:
        return random.choice(fitting)
    pool.append(Atom(n, pinned=random.random() < 0.1))
    return pool[-1]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32))
def test_axes_that_were_unified_are_permuted_alike_for_good(seed):
    """Any number of unifications of axes that share atoms: each pair moves as one at the end, under every order of what is free."""
    random = Random(seed)
    pool: list[Atom] = []
    pairs: list[tuple[Expression, Expression]] = []
    for _ in range(random.randrange(1, 7)):
        n = random.choice(SIZES)
        x, y = drawn(n, random, pool), drawn(n, random, pool)
        unify(x, y)
        pairs.append((x, y))
    orders = shuffled([e for pair in pairs for e in pair], random)
    for x, y in pairs:
        assert places(x, orders) == places(y, orders)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32))
def test_an_axis_seen_in_another_shape_is_permuted_alike(seed):
    """Regrouping the axes of a tensor leaves the order of its places, in row-major order, as it is."""
    random = Random(seed)
    pool: list[Atom] = []
    axes = [drawn(random.choice(SIZES), random, pool) for _ in range(random.randrange(1, 4))]
    shape, left = [], prod(map(size, axes))
    while left > 1:
        shape.append(random.choice([d for d in range(2, left + 1) if left % d == 0]))
        left //= shape[-1]
    shape.insert(random.randrange(len(shape) + 1), 1)
    seen = regroup(axes, shape)
    assert [size(e) for e in seen] == shape
    orders = shuffled([*axes, *seen], random)
    assert places(Times(tuple(axes)), orders) == places(Times(tuple(seen)), orders)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_pieces_of_an_axis_are_permuted_as_they_are_in_it(seed):
    """Cut anywhere, the pieces one after the other are the axis."""
    random = Random(seed)
    pool: list[Atom] = []
    e = drawn(random.choice(SIZES[3:]), random, pool)
    ends = sorted(random.sample(range(1, size(e)), random.randrange(1, 3)))
    sizes = [b - a for a, b in zip([0, *ends], [*ends, size(e)], strict=True)]
    found = pieces(e, sizes)
    assert [size(p) for p in found] == sizes
    orders = shuffled([e, *found], random)
    assert places(Plus(tuple(found)), orders) == places(e, orders)


def test_two_atoms_become_one():
    """An order of the one is an order of the other."""
    a, b = Atom(5), Atom(5)
    unify(a, b)
    assert resolve(a) is resolve(b)
    assert atoms(a) == [resolve(b)]


def test_a_product_refines_an_atom_everywhere():
    """Flattened channels × pixels: the features behind are blocks, wherever the atom stood."""
    features, channels = Atom(12), Atom(3)
    elsewhere = Plus((features, Atom(2)))
    unify(features, Times((channels, pinned(4))))
    assert atoms(elsewhere)[0] is channels
    assert [a.pinned for a in atoms(elsewhere)] == [False, True, False]


def test_products_split_an_atom_where_sizes_divide():
    """4 × 6 against 8 × 3: the common refinement 4 × 2 × 3 is free."""
    x, y = Times((Atom(4), Atom(6))), Times((Atom(8), Atom(3)))
    unify(x, y)
    assert [a.size for a in atoms(x)] == [4, 2, 3]
    assert atoms(x) == atoms(y)
    assert not any(a.pinned for a in atoms(x))


def test_products_that_do_not_divide_are_pinned():
    """4 × 3 against 3 × 4 has no common refinement."""
    x, y = Times((Atom(4), Atom(3))), Times((Atom(3), Atom(4)))
    unify(x, y)
    assert all(a.pinned for a in [*atoms(x), *atoms(y)])


def test_axes_of_different_sizes_are_pinned():
    """They cannot be one axis."""
    x, y = Atom(4), Times((Atom(2), Atom(3)))
    unify(x, y)
    assert all(a.pinned for a in [*atoms(x), *atoms(y)])


def test_a_pin_reaches_what_is_bound_later():
    """Whatever a pinned atom turns out to be keeps its order."""
    fixed, parts = pinned(6), Plus((Atom(2), Atom(4)))
    unify(fixed, parts)
    assert all(a.pinned for a in atoms(parts))
    whole, halves = Atom(6), Times((Atom(2), Atom(3)))
    unify(whole, halves)
    pin(whole)
    assert all(a.pinned for a in atoms(halves))


def test_concatenations_are_cut_where_either_ends_a_part():
    """2 + 4 against 3 + 3 is 2 + 1 + 3."""
    x, y = Plus((Atom(2), Atom(4))), Plus((Atom(3), Atom(3)))
    unify(x, y)
    assert [a.size for a in atoms(x)] == [a.size for a in atoms(y)] == [2, 1, 3]


def test_a_product_is_cut_between_its_blocks_only():
    """4 × 3 can be cut at 6, not at 5; what cannot be cut is pinned."""
    e = Times((Atom(4), Atom(3)))
    halves = cut(e, 6)
    assert halves is not None and [size(h) for h in halves] == [6, 6]
    assert cut(e, 5) is None
    assert [a.pinned for a in pieces(e, [5, 7])] == [True, True]
    assert all(a.pinned for a in atoms(e))


@pytest.mark.parametrize("shape", [(-1, 6), (0, 6), (2, -1, 3)])
def test_a_shape_known_only_with_the_data_pins(shape):
    """Sizes that depend on the data fit nothing."""
    a = Atom(6)
    found = regroup([Atom(2), a], shape)
    assert a.pinned
    assert all(f.pinned for f in found if isinstance(f, Atom)) and len(found) == len(shape)
