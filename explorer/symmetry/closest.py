"""The element of all of a network's symmetries that brings a model closest to a reference, by coordinate descent.

Both models are folded and balanced first (gauges.py, balance.py). What is left are maps that keep lengths, so that every step has a closed form, and the distance
falls with each:

- units: a linear assignment, in which a pair that may change its sign is worth the absolute value of its inner product;
- heads: an assignment of heads, a pair being worth what the best maps within it are (as many orders of the queries of a head of keys as there are are tried);
- orthogonal maps: Procrustes, the polar factor of the cross-Gram matrix (Schönemann 1966), on the complement of the ones where those are kept;
- rotations: one angle for each plane.

Then the reference's own balance and gains are given to both: the reference is as it was, and the line between the two computes, point by point, what
the line between the balanced ones does, as all of this is linear in the weights and a symmetry.

Theus et al. 2025, "Generalized Linear Mode Connectivity for Transformers"; Ainsworth, Hayase & Srinivasa 2023.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from math import factorial, prod

import numpy as np
import torch
from torch import Tensor

from explorer.checkpoints.singular_values import singular_values, svd
from explorer.checkpoints.weights import Weights
from explorer.symmetry import groups
from explorer.symmetry.assignment import ORDERS, WeightScores, assign, families, unwatched
from explorer.symmetry.balance import balanced
from explorer.symmetry.classes import SymmetryClass
from explorer.symmetry.gauges import Elements, Gauge, Lattice, after, centred_basis, changed, folding, inverted, labels, planes, rows_of, still
from explorer.symmetry.groups import Axis, Concat, Free, Maps, Product, compose, identity, permuted

SWEEPS = 100
GAIN = 1e-12  # of ‖A‖² + ‖B‖²: a step that is worth less is none


@dataclass(frozen=True)
class Element:
    """One element of all symmetries of a network: the folds of a model undone or made, permutations, then maps."""

    maps: Maps
    turns: Elements


@dataclass(frozen=True)
class Canonical:
    """A model with its gains folded and its gauges balanced, float64, and what led there."""

    weights: Weights
    folds: Elements
    balance: Elements

    @classmethod
    def of(cls, weights: Mapping[str, Tensor], lattice: Lattice, names: Sequence[str]) -> Canonical:
        """`names`: the parameters, a tied one once."""
        wide = {n: w.detach().double() if w.is_floating_point() else w for n, w in weights.items()}
        folds = folding(wide, lattice)
        done, balance = balanced(changed(wide, lattice, folds, folds=True), lattice, names)
        return cls(done, folds, balance)

    def undone(self, weights: Mapping[str, Tensor], lattice: Lattice) -> Weights:
        """Weights that stand in this model's canonical form, in the form that the model had."""
        return changed(changed(weights, lattice, inverted(self.balance)), lattice, inverted(self.folds), folds=True)


def restored(reference: Canonical, model: Canonical, lattice: Lattice, element: Element, like: Mapping[str, Tensor]) -> Weights:
    """The model after an element, with the reference's balance and gains, in the dtypes of `like`."""
    there = changed(permuted(model.weights, lattice.symmetry, element.maps), lattice, element.turns)
    return {n: w.to(like[n].dtype) for n, w in reference.undone(there, lattice).items()}


def total(reference: Canonical, model: Canonical, lattice: Lattice, element: Element | None = None) -> Elements:
    """What every gauge did in all, after the permutations: the model's balance, the element's maps (or none), the reference's balance undone."""
    element = element or Element(identity(lattice.symmetry), still(lattice))
    own = {n: carried(v, lattice, lattice.gauges[n], element.maps) for n, v in model.balance.items()}
    return {n: after(inverted({n: reference.balance[n]})[n], after(element.turns[n], own[n])) for n in own}


def carried(value: Tensor, lattice: Lattice, gauge: Gauge, maps: Mapping[str, Tensor]) -> Tensor:
    """A gauge's value seen from the places that its units come to."""
    if gauge.within in maps:
        value = value[maps[gauge.within]]
    if gauge.group in maps and not gauge.covers:
        p = maps[gauge.group] if maps[gauge.group].dim() == 2 else maps[gauge.group][None]
        p = p.expand(len(value), -1)
        value = value.gather(1, p) if value.dim() == 2 else value.gather(1, p[:, :, None].expand_as(value)).gather(2, p[:, None, :].expand_as(value))
    return value


# --- closed forms ----------------------------------------------------------------------------------------------------------------------------------


def worth(cls: SymmetryClass, s: Tensor) -> Tensor:
    """(…) the largest ⟨M, S⟩ of a compact class, S (…, n, n) the inner products of the reference's places (rows) with the model's (columns)."""
    match cls:
        case SymmetryClass.SIGNED:
            return s.diagonal(dim1=-2, dim2=-1).abs().sum(-1)
        case SymmetryClass.ROTATIONS:
            return torch.hypot(*_planar(s)).sum(-1)
        case SymmetryClass.CENTRED:
            basis = centred_basis(s.shape[-1])
            return s.sum((-2, -1)) / s.shape[-1] + singular_values(basis.mT @ s @ basis).sum(-1)
        case _:
            return singular_values(s).sum(-1)


def best(cls: SymmetryClass, s: Tensor) -> Tensor:
    """The map of a compact class that reaches it: (…, n) signs, or (…, n, n)."""
    match cls:
        case SymmetryClass.SIGNED:
            return torch.where(s.diagonal(dim1=-2, dim2=-1) < 0, -1.0, 1.0).double()
        case SymmetryClass.ROTATIONS:
            a, b = _planar(s)
            r = torch.hypot(a, b)
            return planes(torch.where(r > 0, a / r.clamp_min(1e-300), 1), torch.where(r > 0, b / r.clamp_min(1e-300), 0))
        case SymmetryClass.CENTRED:
            basis = centred_basis(s.shape[-1])
            return 1 / s.shape[-1] + basis @ _polar(basis.mT @ s @ basis) @ basis.mT
        case _:
            return _polar(s)


def _planar(s: Tensor) -> tuple[Tensor, Tensor]:
    h = s.shape[-1] // 2
    d = torch.arange(h)
    return s[..., d, d] + s[..., d + h, d + h], s[..., d + h, d] - s[..., d, d + h]


def _polar(s: Tensor) -> Tensor:
    u, _, v = svd(s)
    return u @ v


# --- the descent -----------------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Cell:
    """Places of one axis that belong to a family: `rows` (n, k, d, m) by the outer unit, the orders within (those of `inner`, as one), and the place of a gauge.

    `gauge` stands on the units themselves where `own`, and d is 1; it is empty where there is none.
    """

    tensor: str
    axis: int
    inner: tuple[str, ...]
    gauge: str
    own: bool
    rows: Tensor


class Descent:
    """A model on its way to a reference, both canonical."""

    def __init__(self, reference: Weights, model: Weights, lattice: Lattice, names: Sequence[str]) -> None:
        self.lattice, self.symmetry = lattice, lattice.symmetry
        self.names = [n for n in names if n in lattice.axes and any(True for _ in _groups_of(lattice, n))]
        self.a = {n: reference[n] for n in self.names}
        self.start = {n: model[n] for n in self.names}
        self.scores = WeightScores(self.a, self.start, self.symmetry, self.names)
        self.squares = sum(float(t.square().sum()) for side in (self.a, self.start) for t in side.values())
        self.gauges = {n: g for n, g in lattice.gauges.items() if g.cls.compact.moves}
        covered = {g.group for g in self.gauges.values() if g.covers}
        self.loose = {n: [g.name for g in self.symmetry.inner(n) if g.name not in covered] for n in families(self.symmetry) if n not in covered}
        self.tried = {n: prod(factorial(self.symmetry.groups[i].size) for i in inner) <= ORDERS for n, inner in self.loose.items()}
        self.joint = {n: self._joint(n) for n in self.loose}
        self.cells = {n: self._cells(n) for n in self.loose if self.tried[n]}
        self.steps = [*(f"units of {n}" for n in self.loose), *self.gauges]
        self.still = identity(self.symmetry)

    def _joint(self, name: str) -> tuple[str, ...]:
        """The gauges that are found together with the order of a family's units: their own signs, and what lies within each."""
        if not self.tried[name]:
            return ()
        return tuple(n for n, g in self.gauges.items() if g.within == name or (g.group == name and g.cls.diagonal and not self.symmetry.inner(name)))

    def run(
        self, maps: Maps, rng: np.random.Generator, *, anchored: bool = False, seen: Callable[[Maps], None] = unwatched
    ) -> tuple[Element, list[float]]:
        """From permutations to begin with: (what was found, the distance after every step).

        `anchored`: each family and gauge is first found once from the tensors whose other axes are known already, beginning at inputs and outputs.
        `seen` is told the permutations at the start and after every step.
        """
        self.b = permuted(self.start, self.symmetry, maps)
        self.found = Element(dict(maps), still(self.lattice))
        trace = [self.distance(self.b)]
        seen(self.found.maps)
        if anchored:
            before = self.b, self.found
            self._anchor()
            if (now := self.distance(self.b)) < trace[0]:
                trace.append(now)
                seen(self.found.maps)
            else:
                self.b, self.found = before
        for _ in range(SWEEPS):
            before = trace[-1]
            for step in rng.permutation(self.steps).tolist():
                moved = self._step(step, self.names)
                after_it = changed(permuted(self.b, self.symmetry, moved.maps), self.lattice, moved.turns)
                now = self.distance(after_it)
                if trace[-1] ** 2 - now**2 > GAIN * self.squares:
                    self.b = after_it
                    self._remember(moved)
                    trace.append(now)
                    seen(self.found.maps)
            if trace[-1] == before:
                break
        return self.found, trace

    def _anchor(self) -> None:
        """Once through all steps, those first for which most numbers are known."""
        together = {g for several in self.joint.values() for g in several}
        known, left = set[str](), [s for s in self.steps if s not in together]
        touch = {n: {s for s in left if self._stands(s, n)} for n in self.names}
        while left:
            usable = {s: [n for n in self.names if s in touch[n] and touch[n] - {s} <= known] for s in left}
            step = max(left, key=lambda s: sum(self.a[n].numel() for n in usable[s]))
            moved = self._step(step, usable[step] or self.names)
            self.b = changed(permuted(self.b, self.symmetry, moved.maps), self.lattice, moved.turns)
            self._remember(moved)
            known.add(step)
            left.remove(step)

    def _stands(self, step: str, tensor: str) -> bool:
        if step in self.gauges:
            return any(p.tensor == tensor for p in self.gauges[step].places)
        name = step.removeprefix("units of ")
        return not {name, *self.loose[name]}.isdisjoint(g for axis in self.lattice.axes[tensor] for g in leaf_groups(axis))

    def _step(self, step: str, names: Sequence[str]) -> Element:
        """The best of one family or gauge, all else held, judged by these tensors."""
        return Element({}, {step: self._turn(step, names)}) if step in self.gauges else self._units(step.removeprefix("units of "), names)

    def distance(self, b: Mapping[str, Tensor]) -> float:
        """‖A − B‖."""
        return sum(float((self.a[n] - b[n]).square().sum()) for n in self.names) ** 0.5

    def _remember(self, moved: Element) -> None:
        maps = compose(self.symmetry, self.found.maps, {**self.still, **moved.maps})
        turns = {n: carried(v, self.lattice, self.lattice.gauges[n], moved.maps) for n, v in self.found.turns.items()}
        for n, v in moved.turns.items():
            turns[n] = after(v, turns[n])
        self.found = Element(maps, turns)

    def _turn(self, name: str, names: Sequence[str]) -> Tensor:
        gauge = self.gauges[name]
        s = torch.zeros(self.lattice.outer(gauge), gauge.size, gauge.size, dtype=torch.float64)
        for place in gauge.places:
            if place.tensor in names:
                rows = rows_of(self.lattice.axes[place.tensor][place.axis], place.leaf, gauge.within)
                x, y = (t[place.tensor].movedim(place.axis, 0)[rows].flatten(2) for t in (self.a, self.b))
                s += x @ y.mT
        return best(gauge.cls.compact, s)

    def _units(self, name: str, names: Sequence[str]) -> Element:
        """The order of a family's units, with the maps that go with it."""
        if not self.tried[name]:
            self.scores.b = self.b
            loose = {name, *self.loose[name]}
            return Element({n: p for n, p in self.scores(name, self.still).best(name).items() if n in loose}, {})
        n = self.symmetry.groups[name].size
        sums: dict[tuple[tuple[str, ...], str], Tensor] = {}
        for cell in (c for c in self.cells[name] if c.tensor in names):
            x, y = (t[cell.tensor].movedim(cell.axis, 0)[cell.rows].flatten(3) for t in (self.a, self.b))
            key = (cell.inner, cell.gauge)
            found = torch.einsum("ikax,jlbx->ijklab", x, y)
            sums[key] = sums[key] + found if key in sums else found
        inner = self.loose[name]
        orders = list(product(*(permutations(range(self.symmetry.groups[g].size)) for g in inner)))
        values = torch.stack([self._worth(name, sums, dict(zip(inner, o, strict=True))) for o in orders])
        top, which = values.max(dim=0)
        order = assign(top)
        chosen = [orders[int(which[i, j])] for i, j in enumerate(order.tolist())]
        maps: Maps = {name: order, **{g: torch.tensor([o[k] for o in chosen]) for k, g in enumerate(inner)}}
        turns: Elements = {}
        for gauge in self.joint[name]:
            crosses = {o: self._cross(sums, gauge, dict(zip(inner, o, strict=True)), n) for o in set(chosen)}
            s = torch.stack([crosses[o][i, j] for i, (j, o) in enumerate(zip(order.tolist(), chosen, strict=True))])
            own = self.gauges[gauge].group == name
            turns[gauge] = torch.where(s[:, 0, 0] < 0, -1.0, 1.0).double()[None] if own else best(self.gauges[gauge].cls.compact, s)
        return Element(maps, turns)

    def _worth(self, name: str, sums: Mapping[tuple[tuple[str, ...], str], Tensor], orders: Mapping[str, Sequence[int]]) -> Tensor:
        """(n, n) what each pair is worth with these orders within."""
        n = self.symmetry.groups[name].size
        value = self._cross(sums, "", orders, n).sum((-2, -1)) if any(not g for _, g in sums) else torch.zeros(n, n, dtype=torch.float64)
        for gauge in self.joint[name]:
            value = value + worth(self.gauges[gauge].cls.compact, self._cross(sums, gauge, orders, n))
        return value

    def _cross(self, sums: Mapping[tuple[tuple[str, ...], str], Tensor], gauge: str, orders: Mapping[str, Sequence[int]], n: int) -> Tensor:
        """(n, n, d, d) inner products of the places of one gauge, summed over what keeps an order."""
        found: Tensor | None = None
        for (inner, g), t in sums.items():
            if g == gauge:
                sizes = [self.symmetry.groups[i].size for i in inner]
                mixed = torch.arange(prod(sizes)).reshape(sizes)
                for axis, i in enumerate(inner):
                    mixed = mixed.index_select(axis, torch.tensor(orders[i]))
                here = t[:, :, torch.arange(t.shape[2]), mixed.flatten()].sum(dim=2)
                found = here if found is None else found + here
        size = 1 if not gauge or self.gauges[gauge].within == "" else self.gauges[gauge].size
        return found if found is not None else torch.zeros(n, n, size, size, dtype=torch.float64)

    def _cells(self, name: str) -> list[_Cell]:
        cells: list[_Cell] = []
        inner = self.loose[name]
        for tensor in self.names:
            for i, axis in enumerate(self.lattice.axes[tensor]):
                marks = {(p.leaf): g for g in self.joint[name] for p in self.gauges[g].places if (p.tensor, p.axis) == (tensor, i)}
                cells += _cut(tensor, i, axis, name, inner, marks, self.symmetry)
        return cells


def _cut(tensor: str, i: int, axis: Axis, name: str, inner: Sequence[str], marks: Mapping[int, str], symmetry: groups.Symmetry) -> list[_Cell]:
    """One axis, cut into places with the same groups and gauge."""
    found = list(zip(leaf_groups(axis), labels(axis, name), strict=True))
    if not any(group == name for group, _ in found):
        return []
    n = len(found[0][1][0])
    nowhere = torch.full((n,), -1)
    unit = {g: nowhere.clone() for g in (name, *inner)}
    which, at = nowhere.clone(), nowhere.clone()
    gauges = list(dict.fromkeys(marks.values()))
    own = set[str]()
    for k, (group, (places, _)) in enumerate(found):
        here = places >= 0
        if group in unit:
            unit[group][here] = places[here]
        if k in marks:
            which[here] = gauges.index(marks[k])
            at[here] = 0 if group == name else places[here]
            own |= {marks[k]} if group == name else set()
    cells: list[_Cell] = []
    kind = torch.stack([which, *((unit[g] >= 0).long() for g in inner)], dim=1)
    for one in kind[unit[name] >= 0].unique(dim=0):
        places = ((kind == one).all(dim=1) & (unit[name] >= 0)).nonzero()[:, 0]
        gauge = gauges[int(one[0])] if int(one[0]) >= 0 else ""
        present = tuple(g for g, there in zip(inner, one[1:].tolist(), strict=True) if there)
        d = int(at[places].max()) + 1 if gauge else 1
        label = unit[name][places]
        for g in present:
            label = label * symmetry.groups[g].size + unit[g][places]
        label = label * d + (at[places] if gauge else 0)
        k = prod(symmetry.groups[g].size for g in present)
        rows = places[label.argsort(stable=True)].reshape(symmetry.groups[name].size, k, d, -1)
        cells.append(_Cell(tensor, i, present, gauge, gauge in own, rows))
    return cells


def leaf_groups(axis: Axis) -> list[str]:
    """The group of each leaf of an axis, empty where the leaf is no group."""
    match axis:
        case Free(group):
            return [group]
        case Product(several) | Concat(several):
            return [g for one in several for g in leaf_groups(one)]
        case _:
            return [""]


def _groups_of(lattice: Lattice, tensor: str) -> set[str]:
    own = {g for axis in lattice.axes[tensor] for g in leaf_groups(axis) if g}
    return own | {g.name for g in lattice.gauges.values() if any(p.tensor == tensor for p in g.places)}
