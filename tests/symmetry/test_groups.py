"""Permutations of groups: what they do to a tensor, place by place; how they are undone and composed; how axes are written and read."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from explorer.core.errors import Refused
from explorer.symmetry.discover import checked
from explorer.symmetry.groups import (
    Axis,
    Concat,
    Fixed,
    Free,
    Maps,
    Product,
    Symmetry,
    compose,
    identity,
    inverse,
    length,
    order,
    parse,
    permuted,
    random,
    text,
    written_by_hand,
)
from tests.symmetry import moves

# Fused attention with two heads more than a stream, an MLP of which only a part moves, and channels × pixels.
TABLE = {
    "qkv.weight": ["heads:4*qk:3@heads + heads:4*qk:3@heads + heads:4*v:2@heads", "stream"],
    "qkv.bias": ["heads:4*qk:3@heads + heads:4*qk:3@heads + heads:4*v:2@heads"],
    "proj.weight": ["stream", "heads:4*v:2@heads"],
    "gate": ["heads", "-"],
    "conv": ["(first:3+second:2)*4", "2*stream:5*3"],
    "twice": ["stream:5*stream:5"],
    "between": ["heads:4*2*v:2@heads"],
    "still": ["-"],
}
SHAPES = {
    "qkv.weight": (32, 5), "qkv.bias": (32,), "proj.weight": (5, 8), "gate": (4, 7), "conv": (20, 30), "twice": (25,), "between": (16,), "still": (3,),
}  # fmt: skip


def symmetry() -> Symmetry:
    return written_by_hand(TABLE, SHAPES)


def weights() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {n: torch.randn(s, generator=generator) for n, s in SHAPES.items()}


def drawn(seed: int) -> Maps:
    return random(symmetry(), torch.Generator().manual_seed(seed))


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)


# --- what a permutation does ------------------------------------------------------------------------------------------------------

Place = tuple[tuple[str, int], ...]


def places(axis: Axis) -> list[Place]:
    """Every place of an axis as the units it belongs to: (group, unit), and for what is fixed or one of several parts (number of it, which)."""
    match axis:
        case Fixed(n):
            return [(("", i),) for i in range(n)]
        case Free(group, n):
            return [((group, i),) for i in range(n)]
        case Concat(parts):
            return [(("part", k), *place) for k, part in enumerate(parts) for place in places(part)]
        case Product(factors):
            return [tuple(unit for place in several for unit in place) for several in product(*map(places, factors))]


def slow_order(axis: Axis, found: Symmetry, maps: Maps) -> list[int]:
    """The definition: at a place afterwards stand the units that its own units are said to come from."""
    everywhere = places(axis)

    def before(place: Place) -> Place:
        came: list[tuple[str, int]] = []
        for group, i in place:
            if group not in found.groups:
                came.append((group, i))
            elif (outer := found.groups[group].within) is None:
                came.append((group, int(maps[group][i])))
            else:
                at = next(j for g, j in place if g == outer)
                came.append((group, int(maps[group][at, i])))
        return tuple(came)

    return [everywhere.index(before(place)) for place in everywhere]


@pytest.mark.parametrize("tensor", TABLE)
def test_an_axis_is_ordered_as_its_units_are(tensor):
    """The fast order of each axis is that of the definition."""
    found, maps = symmetry(), drawn(3)
    for axis in found.axes.get(tensor, ()):
        assert order(axis, maps).tolist() == slow_order(axis, found, maps)
    assert (tensor == "still") == (tensor not in found.axes)


def test_permuted_weights_are_those_of_the_definition():
    """Entry by entry along every axis; what does not move is the caller's own tensor, and nothing is written to."""
    found, maps, given_weights = symmetry(), drawn(4), weights()
    kept = {n: t.clone() for n, t in given_weights.items()}
    moved = permuted(given_weights, found, maps)
    for name, axes in found.axes.items():
        expected = kept[name]
        for i, axis in enumerate(axes):
            expected = torch.stack([expected.select(i, j) for j in slow_order(axis, found, maps)], dim=i)
        assert torch.equal(moved[name], expected)
    assert moved["still"] is given_weights["still"]
    assert equal(given_weights, kept)


def test_a_site_unfolds_a_tensor_into_one_row_per_unit():
    """Each row has the entries at the places of that unit; within heads, of that unit of that head."""
    found, given_weights = symmetry(), weights()
    looked_at = 0
    for name, group in found.groups.items():
        for site in found.sites(name):
            axis, tensor = found.axes[site.tensor][site.axis], given_weights[site.tensor]
            if site.tensor == "twice":  # a place belongs to two units there, so rows cannot tell
                continue
            rows = site.unfold(tensor)
            looked_at += 1
            for i in range(group.size):
                if group.within is None:
                    at = [k for k, place in enumerate(places(axis)) if (name, i) in place]
                    assert sorted(rows[i].tolist()) == sorted(tensor.movedim(site.axis, 0)[at].flatten().tolist())
                else:
                    for h in range(found.outer(group)):
                        at = [k for k, place in enumerate(places(axis)) if (name, i) in place and (group.within, h) in place]
                        assert sorted(rows[h, i].tolist()) == sorted(tensor.movedim(site.axis, 0)[at].flatten().tolist())
    assert looked_at == 16


# --- laws -------------------------------------------------------------------------------------------------------------------------

seeds = st.integers(0, 2**31)


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_the_inverse_undoes_a_permutation(seed):
    """Both ways round, orders within heads included."""
    found, maps, given_weights = symmetry(), drawn(seed), weights()
    back = inverse(found, maps)
    assert equal(permuted(permuted(given_weights, found, maps), found, back), given_weights)
    assert equal(compose(found, maps, back), identity(found))
    assert equal(compose(found, back, maps), identity(found))
    assert equal(inverse(found, back), maps)


@settings(max_examples=30, deadline=None)
@given(seeds, seeds, seeds)
def test_permutations_compose_as_they_act(a, b, c):
    """permuted(permuted(w, a), b) == permuted(w, compose(a, b)), and composition is associative."""
    found, first, second, third, given_weights = symmetry(), drawn(a), drawn(b), drawn(c), weights()
    both = compose(found, first, second)
    assert equal(permuted(permuted(given_weights, found, first), found, second), permuted(given_weights, found, both))
    assert equal(compose(found, both, third), compose(found, first, compose(found, second, third)))


def test_the_identity_moves_nothing():
    """Of either side of a composition too."""
    found, maps, given_weights = symmetry(), drawn(1), weights()
    assert equal(permuted(given_weights, found, identity(found)), given_weights)
    assert equal(compose(found, identity(found), maps), maps)
    assert equal(compose(found, maps, identity(found)), maps)


def test_random_orders_are_the_generators():
    """The same seed gives the same maps, another one others; every head has an order of its own."""
    assert equal(drawn(1), drawn(1))
    assert not equal(drawn(1), drawn(2))
    assert drawn(1)["qk"].shape == (4, 3) and drawn(1)["heads"].shape == (4,)
    assert len({tuple(row) for row in drawn(1)["qk"].tolist()}) > 1


def test_a_shared_order_is_one_for_all_heads():
    """The smaller symmetry moves as the larger one does when all its rows are alike."""
    found, given_weights = symmetry(), weights()
    small = found.shared()
    maps = random(small, torch.Generator().manual_seed(0))
    assert maps["qk"].shape == (3,)
    rows = {n: p.expand(4, -1) if found.groups[n].within else p for n, p in maps.items()}
    assert equal(permuted(given_weights, small, maps), permuted(given_weights, found, rows))


# --- as text ----------------------------------------------------------------------------------------------------------------------


def axes(depth: int = 2) -> st.SearchStrategy[Axis]:
    """Axes as they are finished: no product in a product, no concatenation in a concatenation."""
    names = st.sampled_from(["a", "layer.0.conv1", "attn.qkv/heads", "attn.qkv[0,1]", "qkv#2"])
    leaf: st.SearchStrategy[Axis] = st.one_of(
        st.builds(Fixed, st.integers(1, 5)), st.builds(Free, names, st.integers(1, 5)), st.builds(Free, names, st.integers(1, 5), names)
    )
    if not depth:
        return leaf
    inner = axes(depth - 1)
    factors = st.lists(inner.filter(lambda a: not isinstance(a, Product)), min_size=2, max_size=3).map(lambda f: Product(tuple(f)))
    parts = st.lists(inner.filter(lambda a: not isinstance(a, Concat)), min_size=2, max_size=3).map(lambda p: Concat(tuple(p)))
    return st.one_of(leaf, factors, parts)


@settings(max_examples=200, deadline=None)
@given(axes())
def test_an_axis_that_is_written_is_read_again(axis):
    """parse(text(axis)) is the axis, with the names that networks give."""
    assert parse(text(axis), length(axis)) == axis


def test_short_forms():
    """A dash keeps the whole axis, a bare name is the group of all its places."""
    assert parse("-", 7) == Fixed(7)
    assert parse("hidden", 7) == Free("hidden", 7)
    assert parse("heads:2 * dim:3@heads", 6) == Product((Free("heads", 2), Free("dim", 3, "heads")))


@pytest.mark.parametrize("written", ["", "a:2*", "*a:2", "(a:2+b:2", "a:2)", "a+b", "a:b", "a:2@", "a::4", "a:4@b@c", "-a:"])
def test_what_is_no_axis_is_refused(written):
    """With the text itself in the message."""
    with pytest.raises(Refused, match="The axis"):
        parse(written, 4)


@pytest.mark.parametrize(("written", "places"), [("a:3", 3), ("a:2*b:3", 6), ("a:2+b:3", 5), ("3", 3)])
def test_an_axis_of_another_size_is_refused(written, places):
    """It says how many places there are, and how many are written."""
    with pytest.raises(Refused, match=f"has {places} places; the tensor has 4"):
        parse(written, 4)


# --- written by hand --------------------------------------------------------------------------------------------------------------

MLP = {"0.weight": ["hidden", "-"], "0.bias": ["hidden"], "2.weight": ["-", "hidden"]}


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 3))


def shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {n: tuple(t.shape) for n, t in network.state_dict().items()}


def test_a_table_is_a_symmetry():
    """The groups it names, where it says, and the share of the parameters that they move."""
    network, example = mlp(), torch.randn(2, 6, generator=torch.Generator().manual_seed(0))
    found = checked(written_by_hand(MLP, shapes(network)), network, (example,))
    assert {g.name: g.size for g in found.groups.values()} == {"hidden": 7}
    assert found.numel == (73, 70)
    assert moves(network, found, (example,)) < 1e-9


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"1.weight": ["hidden"]}, r"names a tensor '1.weight' that the network does not have"),
        ({"0.weight": ["hidden"]}, "gives 1 axes for 0.weight, which has 2"),
        ({"0.bias": ["hidden:6"]}, "has 6 places; the tensor has 7"),
        ({"2.weight": ["hidden", "-"]}, "'hidden' 7 units at one place and 3 at another"),
        ({"0.weight": ["hidden", "a:2*b:3@c"], "0.bias": ["hidden"]}, "'b' within 'c', which is not a group"),
        ({"0.weight": ["hidden", "b:3@a+a:3"]}, r"has 'b' in 0.weight without 'a' to its left .* 'a:3\*b:3@a'"),
        ({"0.weight": ["hidden", "a:2*b:1@a*c:3@b"]}, "'c' within 'b', which itself lies within another"),
        ({"0.weight": ["hidden", "a:2*b:3@a"], "2.weight": ["b:3", "hidden"]}, "differs in '@'"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(changes, says):
    """A tensor, an axis, a size or a nesting: what is wrong, and where."""
    with pytest.raises(Refused, match=says):
        written_by_hand({**MLP, **changes}, shapes(mlp()))


def test_a_table_that_is_no_symmetry_is_refused_by_name():
    """A place that was forgotten changes the output; the group that does is named, the right one is not."""
    network = nn.Sequential(nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 3))
    table = {"0.weight": ["first", "-"], "0.bias": ["first"], "2.weight": ["second", "first"], "4.weight": ["-", "second"]}
    with pytest.raises(Refused, match=r"permuting second changes its output\. Check that every tensor"):
        checked(written_by_hand(table, shapes(network)), network, (torch.randn(2, 6),))
