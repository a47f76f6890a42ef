"""What every alignment method returns, and the linear assignment problems that many of them solve.

A method is told the models and the problem, and returns an `Alignment`: the models as they are after it, and for each group of the network's
symmetry what was done to its units. models[0] is the reference, and stays as it is unless the method says otherwise.

Groups are solved by *family*: an outer group together with the groups within it (attention heads, and what lies inside each). Given scores, the
best permutation of a family is exact: an assignment within every pair of outer units, then one of the outer units on the values of those. Two groups
within that share an axis (heads × queries × values) depend on each other: every order of the smaller is tried, with an assignment of the larger for
each. Where those are more than `ORDERS`, they move in turn, one of them together with the heads while the other is held.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import permutations, product
from math import factorial, inf, prod
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from explorer.checkpoints.weights import AT_ONCE, Weights, compatible, gram, place
from explorer.core.errors import Refused
from explorer.core.points import Array
from explorer.symmetry import Group, Maps, Site, Symmetry, identity
from explorer.symmetry.alignment_report import AxisClass, Matched, TensorSimilarity, UnitGroup
from explorer.symmetry.gauges import Elements, Lattice
from explorer.symmetry.groups import Axis, leaves, order
from explorer.symmetry.likeness import likeness

SWEEPS = 100
NOISE = 1e-6  # of a score: what float32 sums may be off by
MATRICES = 2**32  # bytes of the matrices of scores that are being solved
COSTLY = 2048  # units of a group from which on assigning by noise takes seconds: the family that most can be said of goes first then
ORDERS = 720  # tried for each pair of outer units, of inner groups that depend on another


@dataclass(frozen=True)
class Alignment:
    """Models after an alignment, and how they came there.

    weights: the models, in the order given; of the first one's shapes and dtypes.
    maps: for each model and group what became of its units: a permutation as in `explorer.symmetry` (int64), or a transport matrix
        (n of the first model, n of this model) float64 whose row i says which units make up unit i.
    exact: whether every aligned model computes the very function it computed before.
    objective, trace: what was improved, and its value step by step; one sequence for each model that was moved.
    steps: the maps that each value of the trace belongs to, where the method goes from permutation to permutation; the last are those of `maps`.
    notes: sentences for the reader.
    lattice, elements: where more than permutations was used, all classes of the network, and for each model what its gauges did after the permutations.
    """

    weights: tuple[Weights, ...]
    maps: tuple[Maps, ...]
    exact: bool
    objective: str = ""
    trace: tuple[tuple[float, ...], ...] = ()
    notes: tuple[str, ...] = field(default=())
    steps: tuple[tuple[Maps, ...], ...] = ()
    lattice: Lattice | None = None
    elements: tuple[Elements, ...] = ()


def of_equal_widths(models: Sequence[Mapping[str, Tensor]], method: str) -> None:
    """Refused unless all models have the same tensors of the same shapes."""
    if len(models) < 2:
        raise Refused(f"{method} aligns two models or more, got {len(models)}.")
    try:
        compatible(models, [f"model {i}" for i in range(len(models))])
    except Refused as refusal:
        raise Refused(f"{refusal} {method} permutes units, so it needs equal widths; optimal_transport does not.") from refusal


@dataclass(frozen=True)
class Scores:
    """How well each unit of a model would stand in each place of the reference; larger is better.

    outer: (n, n) float64, entry (i, j) for the model's unit j in place i. inner: for each group within, (n, n, k, k): entry (i, j, p, q) for
    the inner unit q of the model's unit j in place p of the reference's unit i. joint: what groups within are worth together where they
    share an axis, (n, n, k, k, l, l): entry (i, j, p, q, r, s) for q in place p of the one and s in place r of the other.
    """

    outer: Tensor
    inner: dict[str, Tensor]
    joint: dict[tuple[str, ...], Tensor] = field(default_factory=dict[tuple[str, ...], Tensor])

    def value(self, symmetry: Symmetry, name: str, maps: Maps) -> float:
        """The score of a permutation of this family."""
        order = maps[name]
        total = float(self.outer.gather(1, order.to(self.outer.device)[:, None]).sum())
        for i, j in enumerate(order.tolist()):
            total += sum(float(_settled(s[i, j], [maps[g][i] for g in several])) for several, s in self._terms())
        return total

    def best(self, name: str) -> Maps:
        """The permutation of this family with the largest score."""
        outer, within = self.outer.clone() if self.inner else self.outer, dict[str, Tensor]()
        n = len(outer)
        for several in coupled(self.inner, self.joint):
            terms = [(groups, scores) for groups, scores in self._terms() if set(groups) <= set(several)]
            orders = {g: torch.empty(n, n, self.inner[g].shape[-1], dtype=torch.int64) for g in several}
            for i in range(n):
                for j in range(n):
                    value, found = _best_of_pair(several, [(groups, scores[i, j]) for groups, scores in terms])
                    outer[i, j] += value
                    for g, chosen in found.items():
                        orders[g][i, j] = chosen
            within |= orders
        order = assign(outer)
        places = torch.arange(len(order))
        return {name: order, **{inner: orders[places, order] for inner, orders in within.items()}}

    def _terms(self) -> list[tuple[tuple[str, ...], Tensor]]:
        return [*(((g,), s) for g, s in self.inner.items()), *self.joint.items()]


def coupled(inner: Mapping[str, object], joint: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The groups within, those together whose best orders depend on each other."""
    sets = [{g} for g in inner]
    for several in joint:
        touched = [s for s in sets if s & set(several)]
        sets = [s for s in sets if s not in touched] + [set[str]().union(*touched)]
    return [tuple(g for g in inner if g in s) for s in sets]


def _settled(scores: Tensor, orders: Sequence[Tensor]) -> Tensor:
    """(k, k, l, l, …) with the first groups in given orders: what is left of the others' axes."""
    for units in orders:
        scores = scores[torch.arange(len(units)), units].sum(dim=0)
    return scores


def _best_of_pair(groups: Sequence[str], terms: Sequence[tuple[tuple[str, ...], Tensor]]) -> tuple[float, Maps]:
    """The largest score within one pair of outer units, and the orders that reach it: of the largest group by an assignment, of others by trying all.

    The sum of what every row, or column, would be worth at most is no less than an assignment's value: most orders need no assignment.
    """
    size = {g: s.shape[0] for several, s in terms for g in several if len(several) == 1}
    last = max(groups, key=size.__getitem__)
    rest = [g for g in groups if g != last]
    tried: list[tuple[float, float, Tensor, Maps]] = []
    for orders in product(*(permutations(range(size[g])) for g in rest)):
        held: Maps = {g: torch.tensor(o, dtype=torch.int64) for g, o in zip(rest, orders, strict=True)}
        alone, matrix = 0.0, torch.zeros(size[last], size[last], dtype=torch.float64)
        for several, scores in terms:
            if last in several:  # its own axes to the end
                where = 2 * several.index(last)
                moved = scores.movedim((where, where + 1), (-2, -1))
                matrix = matrix + _settled(moved, [held[g] for g in several if g != last])
            else:
                alone += float(_settled(scores, [held[g] for g in several]))
        bound = alone + float(torch.minimum(matrix.amax(dim=0).sum(), matrix.amax(dim=1).sum()))
        tried.append((bound, alone, matrix, held))
    best, found = -inf, dict[str, Tensor]()
    for bound, alone, matrix, held in sorted(tried, key=lambda t: -t[0]):
        if found and not bound > best:
            break
        order = assign(matrix)
        if (value := alone + float(_settled(matrix, [order]))) > best or not found:
            best, found = value, {**held, last: order}
    return best, found


def assign(scores: Tensor) -> Tensor:
    """(n,) int64: for each row the column it gets, so that the sum of the chosen entries of a (n, n) matrix is largest.

    Kuhn 1955; SciPy's solver is that of Crouse 2016. Entries that are not finite count as the worst. Where every row is best off with another column, that is
    the answer: nothing can exceed it.
    """
    best, finite = scores.detach().argmax(dim=1).cpu() if len(scores) else torch.empty(0, dtype=torch.int64), bool(scores.isfinite().all())
    if len(best.unique()) == len(scores) and finite:
        return best
    values = scores.detach().double().cpu()
    matrix = (values if finite else torch.nan_to_num(values, nan=-1e300, posinf=1e300, neginf=-1e300)).numpy()
    _, columns = linear_sum_assignment(matrix, maximize=True)
    return torch.from_numpy(columns.astype("int64"))


def families(symmetry: Symmetry) -> list[str]:
    """The groups that stand alone or have others within them; together with those they are all groups."""
    return [name for name, group in symmetry.groups.items() if group.within is None]


def members(symmetry: Symmetry, name: str) -> list[Group]:
    """A family: its outer group, then those within it."""
    return [symmetry.groups[name], *symmetry.inner(name)]


@dataclass(frozen=True)
class Cell:
    """Places on one axis of a tensor that belong to a family's outer group and to the same of its groups within: `rows` (n, k, l, …, m)."""

    tensor: str
    axis: int
    groups: tuple[str, ...]
    rows: Tensor


def _cells(family: Sequence[tuple[str, Sequence[Site]]]) -> list[Cell]:
    """The cells of a family: its outer group first, and the sites of each of its groups."""
    (_, outer), *inner = family
    cells: list[Cell] = []
    for site in outer:
        here = {g: s.rows for g, sites in inner for s in sites if (s.tensor, s.axis) == (site.tensor, site.axis)}
        size = 1 + int(site.rows.max())
        unit = {g: _units(rows.movedim(1, 0).flatten(1), size) for g, rows in here.items()}
        which = sum(((u >= 0).long() << d for d, u in enumerate(unit.values())), torch.zeros(size, dtype=torch.int64))
        outermost = _units(site.rows, size)
        for mask in which[outermost >= 0].unique().tolist():
            groups = tuple(g for d, g in enumerate(here) if mask >> d & 1)
            shape = (len(site.rows), *(here[g].shape[1] for g in groups))
            places = ((which == mask) & (outermost >= 0)).nonzero()[:, 0]
            label = outermost[places]
            for g, k in zip(groups, shape[1:], strict=True):
                label = label * k + unit[g][places]
            cells.append(Cell(site.tensor, site.axis, groups, places[label.argsort(stable=True)].reshape(*shape, -1)))
    return cells


def _units(rows: Tensor, size: int) -> Tensor:
    """(size,) which unit each place of an axis belongs to, by (units, places); −1 where to none."""
    unit = torch.full((size,), -1, dtype=torch.int64)
    unit[rows] = torch.arange(len(rows))[:, None].expand_as(rows)
    return unit


def _pairs(a: Tensor, b: Tensor, still: Mapping[int, Tensor]) -> Tensor:
    """Inner products of all pairs of units: (n, k, l, …, m) twice → (n, n, k, k, l, l, …).

    `still`: inner groups, by number, that keep an order (n, k) at every place of the reference, and are summed over.
    """
    free = [d for d in range(a.dim() - 2) if d not in still]
    shape = [a.shape[d + 1] for d in free]

    def flat(t: Tensor) -> Tensor:
        return t.movedim([d + 1 for d in free], [*range(1, 1 + len(free))]).reshape(len(t), prod(shape), -1)

    def held(i: int) -> Tensor:
        there = b
        for d, units in still.items():
            there = there.index_select(d + 1, units[i])
        return flat(there)

    if still:
        found = torch.stack([torch.einsum("pm,jqm->jpq", one, held(i)) for i, one in enumerate(flat(a))])
    else:
        found = torch.einsum("ipm,jqm->ijpq", flat(a), flat(b))
    n, k = len(a), len(shape)
    return found.reshape(n, n, *shape, *shape).permute(0, 1, *(2 + d + side * k for d in range(k) for side in (0, 1)))


class WeightScores:
    """Scores of a family by inner products of weights: Σ over its places of ⟨A, P B⟩, all other groups held as they are now.

    Ainsworth, Hayase & Srinivasa 2023. Parameters alone count: running statistics move along. Half precision is computed
    in float32. On `device` everything is kept once; only the score matrices leave it.
    """

    def __init__(
        self,
        reference: Mapping[str, Tensor],
        model: Mapping[str, Tensor],
        symmetry: Symmetry,
        parameters: Sequence[str],
        *,
        device: str = "cpu",
    ) -> None:
        self.symmetry, self.device = symmetry, device
        self.sums = "cpu" if torch.device(device).type == "mps" else device  # Metal has no float64
        self.names = [n for n in once(reference, parameters) if n in symmetry.axes]
        self.a: Mapping[str, Tensor] = _Compared(reference, self.names, device)
        self.b: Mapping[str, Tensor] = _Compared(model, self.names, device)
        known = set(self.names)
        self.sites: dict[str, list[Site]] = {g: [s for s in symmetry.sites(g) if s.tensor in known] for g in symmetry.groups}
        self.cells: dict[str, list[Cell]] = {}

    def neighbours(self, name: str) -> set[str]:
        """The families whose scores change when this one moves."""
        mine = {s.tensor for member in members(self.symmetry, name) for s in self.sites[member.name]}
        return {other for other in families(self.symmetry) if other != name and self._tensors(other) & mine}

    def twice(self, name: str) -> bool:
        """Whether the family stands on several axes of one tensor: its scores then depend on where it stands itself."""
        seen = {(s.tensor, s.axis) for member in members(self.symmetry, name) for s in self.sites[member.name]}
        return len({tensor for tensor, _ in seen}) < len(seen)

    def alone(self, name: str) -> int:
        """How many numbers a family orders by itself, whatever the others are: those of tensors on which no other stands."""
        others = set[str]().union(*(self._tensors(other) for other in families(self.symmetry) if other != name))
        return sum(self.a[n].numel() for n in self._tensors(name) - others)

    def _tensors(self, name: str) -> set[str]:
        return {s.tensor for member in members(self.symmetry, name) for s in self.sites[member.name]}

    def parts(self, name: str) -> list[tuple[str, ...]]:
        """The groups within a family that move at once, together with its outer one. One part, unless their orders are too many to be tried."""
        inner = {g.name: g.size for g in self.symmetry.inner(name)}
        free, parts = list[str](), list[tuple[str, ...]]()
        for several in coupled(inner, [cell.groups for cell in self._cells(name) if len(cell.groups) > 1]):
            tried = prod(map(factorial, sorted(inner[g] for g in several)[:-1]))
            parts, free = (parts, [*free, *several]) if tried <= ORDERS else ([*parts, *((g,) for g in several)], free)
        return [(*free, *part) for part in parts] or [tuple(free)]

    def __call__(self, name: str, maps: Maps, moving: Sequence[str] | None = None) -> Scores:
        """The scores of one family, given the maps of all others. `moving`: the groups within that may move, all unless said; the others are held."""
        n, inner = self.symmetry.groups[name].size, self.symmetry.inner(name)
        mine = {name, *(g.name for g in inner)}
        free = [g.name for g in inner if moving is None or g.name in moving]
        sums: dict[tuple[str, ...], Tensor] = {}
        for cell in self._cells(name):
            own = tuple(g for g in cell.groups if g in free)
            a, b = (t.reshape(*cell.rows.shape[:-1], -1) for t in self._unfolded(cell, maps, mine))
            still = {d: maps[g].to(b.device) for d, g in enumerate(cell.groups) if g not in free}
            found = _pairs(a, b, still).to(self.sums)
            sums[own] = sums[own].add_(found) if own in sums else found.double()
        for g in free:
            k = self.symmetry.groups[g].size
            sums.setdefault((g,), torch.zeros(n, n, k, k, dtype=torch.float64))
        if not free and () in sums:  # of single units, of which there are many: the assignment looks at them where they are
            return Scores(sums[()], {})
        cpu = {several: scores.cpu() for several, scores in sums.items()}
        outer = cpu.pop((), torch.zeros(n, n, dtype=torch.float64))
        return Scores(outer, {g: cpu.pop((g,)) for g in free}, cpu)

    def _cells(self, name: str) -> list[Cell]:
        if name not in self.cells:
            self.cells[name] = _cells([(member.name, self.sites[member.name]) for member in members(self.symmetry, name)])
        return self.cells[name]

    def _unfolded(self, cell: Cell, maps: Maps, mine: set[str]) -> tuple[Tensor, Tensor]:
        """Both models' tensors with a row per unit; the model's with every other axis as it stands now."""
        moved = self.b[cell.tensor]
        for i, axis in enumerate(self.symmetry.axes[cell.tensor]):
            held = {g: p for g, p in maps.items() if i != cell.axis or g not in mine}
            moved = _along(moved, i, axis, held)
        site = Site(cell.tensor, cell.axis, cell.rows.flatten(0, -2))
        return site.unfold(self.a[cell.tensor]), site.unfold(moved)

    def ready(self) -> None:
        """Let a thread compute where the scores lie: torch asks for a device to be chosen in each."""
        if torch.device(self.device).type == "cuda":
            torch.cuda.set_device(self.device)

    def total(self, maps: Maps) -> float:
        """⟨A, π(B)⟩ over all movable parameters, in float64."""
        pairs = ((self.a[n], self.b[n], self.symmetry.axes[n]) for n in self.names)
        return sum(float((x.double() * y.double()).sum()) for a, b, axes in pairs for x, y in _abreast(a, b, axes, maps))

    def squares(self) -> float:
        """‖A‖² + ‖B‖² over all movable parameters."""
        return sum(float(part.double().square().sum()) for side in (self.a, self.b) for t in side.values() for part in t.reshape(-1).split(AT_ONCE))

    def distance(self, maps: Maps) -> float:
        """‖A − π(B)‖ over all movable parameters."""
        return max(self.squares() - 2 * self.total(maps), 0.0) ** 0.5


class _Compared(Mapping[str, Tensor]):
    """A model's tensors in the type and on the device in which they are compared: on a CPU when they are asked for, so that a file that is mapped stays where it
    is; on another device they are kept."""

    def __init__(self, model: Mapping[str, Tensor], names: Sequence[str], device: str) -> None:
        self._model, self._names, self._device = model, names, device
        self._kept = {} if device == "cpu" else {n: _work(model[n], device) for n in names}

    def __getitem__(self, name: str) -> Tensor:
        return self._kept[name] if name in self._kept else _work(self._model[name], self._device)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _abreast(a: Tensor, b: Tensor, axes: Sequence[Axis], maps: Maps) -> Iterator[tuple[Tensor, Tensor]]:
    """A tensor and another one that is reordered, some of their rows at a time: neither is copied as a whole."""
    if not a.dim():
        yield a, b
        return
    first, *others = axes
    rows = order(first, maps).to(b.device) if any(leaf.group in maps for leaf in leaves(first)) else None
    for start in range(0, len(a), many := max(1, AT_ONCE * len(a) // max(1, a.numel()))):
        part = b[start : start + many] if rows is None else b.index_select(0, rows[start : start + many])
        for i, axis in enumerate(others, start=1):
            part = _along(part, i, axis, maps)
        yield a[start : start + many], part


def unwatched(_maps: Maps) -> None:
    """Nobody looks on."""


def descend(
    scores: WeightScores, found: Symmetry, start: Maps, rng: np.random.Generator, *, seen: Callable[[Maps], None] = unwatched
) -> tuple[Maps, list[float]]:
    """Coordinate descent on the distance, one family after the other in an order drawn from `rng`: (maps, the distance after every step).

    Every step is an exact assignment and comes nearer, so it ends. Families that share no weight are solved side by side, with the outcome of one after the other. A family is visited again only after one that shares a weight with it moved.
    `seen` is told the maps at the start and after every step.
    """
    maps = dict(start)
    squares, product = scores.squares(), scores.total(maps)
    trace = [_distance(squares, product)]
    seen(dict(maps))
    parts = {name: scores.parts(name) for name in families(found)}
    twice = {name for name in parts if scores.twice(name)}
    around = {name: scores.neighbours(name) | ({name} if name in twice or len(parts[name]) > 1 else set()) for name in parts}
    dirty = set(around)

    def solved(name: str, part: Sequence[str], maps: Maps) -> tuple[float, float, Maps]:
        """The value of a family as it stands, how much more its best permutation is worth, and that."""
        here = scores(name, maps, part)
        before, best = here.value(found, name, maps), here.best(name)
        return before, here.value(found, name, {**maps, **best}) - before, best

    with ThreadPoolExecutor(_side_by_side(found), initializer=scores.ready) as threads:
        for sweep in range(SWEEPS):
            waiting = rng.permutation(sorted(around)).tolist()
            if not sweep and _largest(found) >= COSTLY:
                waiting.sort(key=scores.alone, reverse=True)
            while waiting:
                together = _independent(waiting, dirty, around)
                ahead = {name: threads.submit(solved, name, parts[name][0], dict(maps)) for name in together if len(parts[name]) == 1}
                for name in together:
                    dirty.discard(name)
                    for part in parts[name]:
                        before, rise, best = ahead[name].result() if name in ahead else solved(name, part, maps)
                        if rise <= NOISE * max(abs(before), abs(before + rise)):
                            continue
                        if name in twice:  # on several axes of one tensor the score is only a linear part: what counts is the distance itself
                            rise = scores.total({**maps, **best}) - product
                            if rise <= NOISE * abs(product):
                                continue
                        maps |= best
                        product += rise
                        dirty |= around[name]
                        trace.append(_distance(squares, product))
                        seen(dict(maps))
            if not dirty:
                break
    trace[-1] = scores.distance(maps)  # the steps were summed in float32
    return maps, trace


def _independent(waiting: list[str], dirty: Collection[str], around: Mapping[str, Collection[str]]) -> list[str]:
    """The next families to be visited, taken from the front of those that wait: as far as none shares a weight with another, so that all can be solved at once
    with the outcome of one after the other. What need not be visited is left out."""
    together: list[str] = []
    while waiting and not any(waiting[0] in around[name] or name in around[waiting[0]] for name in together):
        name = waiting.pop(0)
        if name in dirty:
            together.append(name)
    return together


def _side_by_side(found: Symmetry) -> int:
    """How many families are solved at once: as many as there are cores, and as memory for their scores. SciPy's solver holds no lock."""
    return max(1, min(os.cpu_count() or 1, MATRICES // (4 * 8 * _largest(found) ** 2)))


def _largest(found: Symmetry) -> int:
    return max((group.size for group in found.groups.values()), default=1)


def _distance(squares: float, product: float) -> float:
    return max(squares - 2 * product, 0.0) ** 0.5


def _along(tensor: Tensor, i: int, axis: Axis, maps: Mapping[str, Tensor]) -> Tensor:
    if not any(leaf.group in maps for leaf in leaves(axis)):
        return tensor
    return tensor.index_select(i, order(axis, maps).to(tensor.device))


def once(weights: Mapping[str, Tensor], names: Sequence[str]) -> list[str]:
    """Names of tensors, a tied one once."""
    first: dict[object, str] = {}
    for name in names:
        if name in weights:
            first.setdefault(place(weights, name, weights[name]), name)
    return list(first.values())


def _work(tensor: Tensor, device: str) -> Tensor:
    tensor = tensor.detach().to(device)
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


DRAWN = 512  # units of the largest group whose similarity matrix, and whose order after every step, is kept


def describe(
    models: Sequence[Mapping[str, Tensor]],
    alignment: Alignment,
    found: Symmetry,
    parameters: Sequence[str],
    *,
    names: Sequence[str],
    method: str,
    seconds: float,
) -> Matched:
    """An alignment as plain arrays, with what can be said of it from the weights alone."""
    reference = alignment.weights[0]
    same = [n for n in once(reference, parameters) if all(m[n].shape == reference[n].shape for m in models)]
    equal = len(same) == len(once(reference, parameters))
    layers = [
        TensorSimilarity(n, tuple(_cosine(models[0], m, n) for m in models[1:]), tuple(_cosine(reference, m, n) for m in alignment.weights[1:]))
        for n in same
        if reference[n].dim() > 1
    ]
    unit_groups = tuple(
        UnitGroup(g.name, g.size, g.within or "", tuple(dict.fromkeys(s.tensor for s in found.sites(g.name)))) for g in found.groups.values()
    )
    nothing = np.full((len(models), len(models)), np.nan)
    return Matched(
        names=tuple(names),
        method=method,
        exact=alignment.exact,
        objective=alignment.objective,
        trace=alignment.trace,
        notes=alignment.notes,
        seconds=seconds,
        movable=found.movable,
        unknown=found.unknown,
        warnings=found.warnings,
        held=tuple(map(str, found.held)),
        groups=unit_groups,
        layers=tuple(layers),
        before=_distances(models, parameters) if equal else nothing,
        after=_distances(alignment.weights, parameters),
        maps=tuple({n: p.cpu().numpy() for n, p in maps.items()} for maps in alignment.maps),
        similarity=tuple(
            {}
            if not equal or not i
            else _similarities(reference, m, found, parameters, maps)
            if alignment.lattice is None
            else {n: s[:, maps[n].argsort().numpy()] for n, s in _similarities(reference, done, found, parameters, identity(found)).items()}
            for i, (m, done, maps) in enumerate(zip(models, alignment.weights, alignment.maps, strict=True))
        ),
        steps=({}, *(_ordered(steps, found) for steps in alignment.steps)) if alignment.steps else (),
        **_classes(models, alignment, same),
    )


def _ordered(steps: Sequence[Maps], found: Symmetry) -> dict[str, Array]:
    """Of the groups that are small enough to draw, the order of their units step by step."""
    drawn = [name for name, group in found.groups.items() if group.size <= DRAWN]
    return {name: torch.stack([maps[name] for maps in steps]).short().cpu().numpy() for name in drawn}


def _classes(models: Sequence[Mapping[str, Tensor]], alignment: Alignment, names: Sequence[str]) -> dict[str, Any]:
    """What a report says of classes beyond permutations; nothing where they were not used."""
    lattice = alignment.lattice
    if lattice is None:
        return {}
    rows = (
        AxisClass(
            g.name, str(g.cls), g.size, g.within, tuple(dict.fromkeys(p.tensor for p in g.places)), g.why, lattice.outer(g) * g.cls.dimension(g.size)
        )
        for g in lattice.gauges.values()
    )
    return {
        "classes": tuple(rows),
        "folded": tuple(lattice.folds),
        "permutations_only": lattice.held,
        "elements": tuple({n: v.cpu().numpy() for n, v in e.items()} for e in alignment.elements),
        "likeness": tuple(
            {n: np.stack([before, after[n]]) for n, before in likeness(alignment.weights[0], model, lattice, names).items()}
            for model, after in ((m, likeness(alignment.weights[0], w, lattice, names)) for m, w in zip(models, alignment.weights, strict=True))
        ),
    }


def _similarities(
    reference: Mapping[str, Tensor], model: Mapping[str, Tensor], found: Symmetry, parameters: Sequence[str], maps: Maps
) -> dict[str, Array]:
    """(n, n) cosines of units, for the groups that are permuted as a whole."""
    if any(p.is_floating_point() for p in maps.values()):
        return {}
    if not (drawn := [name for name in families(found) if found.groups[name].size <= DRAWN and not found.inner(name)]):
        return {}
    cross = WeightScores(reference, model, found, parameters)
    own, other = WeightScores(reference, reference, found, parameters), WeightScores(model, model, found, parameters)
    still = identity(found)
    done: dict[str, Array] = {}
    for name in drawn:
        scores = cross(name, maps).outer
        norm = own(name, still).outer.diagonal().sqrt()[:, None] * other(name, still).outer.diagonal().sqrt()[None, :]
        done[name] = torch.where(norm > 0, scores / norm, 0).float().numpy()
    return done


def _distances(models: Sequence[Mapping[str, Tensor]], parameters: Sequence[str]) -> Array:
    inner = gram(models, parameters)
    square = np.diag(inner)
    return np.sqrt(np.maximum(square[:, None] + square[None, :] - 2 * inner, 0.0))


def _cosine(a: Mapping[str, Tensor], b: Mapping[str, Tensor], name: str) -> float:
    (xx, xy), (_, yy) = gram([a, b], [name])
    return float(xy / (xx * yy) ** 0.5) if xx * yy else 0.0
