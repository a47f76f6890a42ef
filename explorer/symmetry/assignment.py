"""What every alignment method returns, and the linear assignment problems that many of them solve.

A method is told the models and the problem, and returns an `Alignment`: the models as they are after it, and for each group of the network's
symmetry what was done to its units. models[0] is the reference, and stays as it is unless the method says otherwise.

Groups are solved by *family*: an outer group together with the groups within it (attention heads, and what lies inside each). Given scores, the
best permutation of a family is exact: an assignment within every pair of outer units, then one of the outer units on the values of those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from explorer.checkpoints.weights import Weights, compatible, gram
from explorer.core.errors import Refused
from explorer.core.points import Array
from explorer.symmetry import Group, Maps, Site, Symmetry, identity, reorder
from explorer.symmetry.alignment_report import Layer, Matched, UnitGroup
from explorer.symmetry.groups import Axis, leaves, order

SWEEPS = 100
NOISE = 1e-6  # of a score: what float32 sums may be off by


@dataclass(frozen=True)
class Alignment:
    """Models after an alignment, and how they came there.

    weights: the models, in the order given; of the first one's shapes and dtypes.
    maps: for each model and group what became of its units: a permutation as in `explorer.symmetry` (int64), or a transport matrix
        (n of the first model, n of this model) float64 whose row i says which units make up unit i.
    exact: whether every aligned model computes the very function it computed before.
    objective, trace: what was improved, and its value step by step; one sequence for each model that was moved.
    notes: sentences for the reader.
    """

    weights: tuple[Weights, ...]
    maps: tuple[Maps, ...]
    exact: bool
    objective: str = ""
    trace: tuple[tuple[float, ...], ...] = ()
    notes: tuple[str, ...] = field(default=())


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
    the inner unit q of the model's unit j in place p of the reference's unit i.
    """

    outer: Tensor
    inner: dict[str, Tensor]

    def value(self, symmetry: Symmetry, name: str, maps: Maps) -> float:
        """The score of a permutation of this family."""
        order = maps[name]
        places = torch.arange(len(order))
        total = float(self.outer[places, order].sum())
        for inner, scores in self.inner.items():
            chosen = scores[places, order]  # (n, k, k)
            total += float(chosen.gather(2, maps[inner][:, :, None]).sum())
        return total

    def best(self, name: str) -> Maps:
        """The permutation of this family with the largest score."""
        outer, within = self.outer.clone(), dict[str, Tensor]()
        for inner, scores in self.inner.items():
            n, _, k, _ = scores.shape
            orders = torch.empty(n, n, k, dtype=torch.int64)
            for i in range(n):
                for j in range(n):
                    orders[i, j] = assign(scores[i, j])
            within[inner] = orders
            outer += scores.gather(3, orders[..., None]).sum(dim=(2, 3))
        order = assign(outer)
        places = torch.arange(len(order))
        return {name: order, **{inner: orders[places, order] for inner, orders in within.items()}}


def assign(scores: Tensor) -> Tensor:
    """(n,) int64: for each row the column it gets, so that the sum of the chosen entries of a (n, n) matrix is largest.

    Kuhn 1955; SciPy's solver is that of Crouse 2016. Entries that are not finite count as the worst.
    """
    matrix = torch.nan_to_num(scores.detach().double().cpu(), nan=-1e300, posinf=1e300, neginf=-1e300).numpy()
    _, columns = linear_sum_assignment(matrix, maximize=True)
    return torch.from_numpy(columns.astype("int64"))


def families(symmetry: Symmetry) -> list[str]:
    """The groups that stand alone or have others within them; together with those they are all groups."""
    return [name for name, group in symmetry.groups.items() if group.within is None]


def members(symmetry: Symmetry, name: str) -> list[Group]:
    """A family: its outer group, then those within it."""
    return [symmetry.groups[name], *symmetry.inner(name)]


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
        self.names = [n for n in _once(reference, parameters) if n in symmetry.axes]
        self.a = {n: _work(reference[n], device) for n in self.names}
        self.b = {n: _work(model[n], device) for n in self.names}
        known = set(self.names)
        self.sites: dict[str, list[Site]] = {g: [s for s in symmetry.sites(g) if s.tensor in known] for g in symmetry.groups}

    def neighbours(self, name: str) -> set[str]:
        """The families whose scores change when this one moves."""
        mine = {s.tensor for member in members(self.symmetry, name) for s in self.sites[member.name]}
        return {other for other in families(self.symmetry) if other != name and self._tensors(other) & mine}

    def twice(self, name: str) -> bool:
        """Whether the family stands on several axes of one tensor: its scores then depend on where it stands itself."""
        seen = {(s.tensor, s.axis) for member in members(self.symmetry, name) for s in self.sites[member.name]}
        return len({tensor for tensor, _ in seen}) < len(seen)

    def _tensors(self, name: str) -> set[str]:
        return {s.tensor for member in members(self.symmetry, name) for s in self.sites[member.name]}

    def __call__(self, name: str, maps: Maps) -> Scores:
        """The scores of one family, given the maps of all others."""
        group, inner = self.symmetry.groups[name], self.symmetry.inner(name)
        mine = {group.name, *(g.name for g in inner)}
        outer = torch.zeros(group.size, group.size, dtype=torch.float64, device=self.sums)
        within = {g.name: torch.zeros(group.size, group.size, g.size, g.size, dtype=torch.float64, device=self.sums) for g in inner}
        covered: dict[tuple[str, int], Tensor] = {}
        for member in inner:
            for site in self.sites[member.name]:
                a, b = self._unfolded(site, maps, mine)  # (n, k, m)
                within[member.name] += torch.einsum("ipm,jqm->ijpq", a, b).to(self.sums).double()
                key = (site.tensor, site.axis)
                covered[key] = torch.cat([covered.get(key, torch.empty(0, dtype=torch.int64)), site.rows.flatten()])
        for site in self.sites[name]:
            if (places := covered.get((site.tensor, site.axis))) is not None:
                left = ~torch.isin(site.rows, places)
                if not left.any():
                    continue
                site = Site(site.tensor, site.axis, site.rows[left].reshape(group.size, -1))
            a, b = self._unfolded(site, maps, mine)
            outer += (a @ b.T).to(self.sums).double()
        return Scores(outer.cpu(), {g: scores.cpu() for g, scores in within.items()})

    def _unfolded(self, site: Site, maps: Maps, mine: set[str]) -> tuple[Tensor, Tensor]:
        """Both models' tensors with a row per unit; the model's with every other axis as it stands now."""
        axes = self.symmetry.axes[site.tensor]
        moved = self.b[site.tensor]
        for i, axis in enumerate(axes):
            held = {g: p for g, p in maps.items() if i != site.axis or g not in mine}
            moved = _along(moved, i, axis, held)
        return site.unfold(self.a[site.tensor]), site.unfold(moved)

    def total(self, maps: Maps) -> float:
        """⟨A, π(B)⟩ over all movable parameters, in float64."""
        return sum(float((self.a[n].double() * reorder(self.b[n], self.symmetry.axes[n], maps).double()).sum()) for n in self.names)

    def squares(self) -> float:
        """‖A‖² + ‖B‖² over all movable parameters."""
        return sum(float(t.double().square().sum()) for side in (self.a, self.b) for t in side.values())

    def distance(self, maps: Maps) -> float:
        """‖A − π(B)‖ over all movable parameters."""
        return max(self.squares() - 2 * self.total(maps), 0.0) ** 0.5


def descend(scores: WeightScores, found: Symmetry, start: Maps, rng: np.random.Generator) -> tuple[Maps, list[float]]:
    """Coordinate descent on the distance, one family after the other in an order drawn from `rng`: (maps, the distance after every step).

    Every step is an exact assignment and comes nearer, so it ends. A family is visited again only after one that shares a weight with it moved.
    """
    maps = dict(start)
    squares, product = scores.squares(), scores.total(maps)
    trace = [_distance(squares, product)]
    around = {name: scores.neighbours(name) | ({name} if scores.twice(name) else set()) for name in families(found)}
    dirty = set(around)
    for _ in range(SWEEPS):
        for name in rng.permutation(sorted(around)).tolist():
            if name not in dirty:
                continue
            dirty.discard(name)
            here = scores(name, maps)
            before, best = here.value(found, name, maps), here.best(name)
            rise = here.value(found, name, {**maps, **best}) - before
            if rise <= NOISE * max(abs(before), abs(before + rise)):
                continue
            if name in around[name]:  # on several axes of one tensor the score is only a linear part: what counts is the distance itself
                rise = scores.total({**maps, **best}) - product
                if rise <= NOISE * abs(product):
                    continue
            maps |= best
            product += rise
            dirty |= around[name]
            trace.append(_distance(squares, product))
        if not dirty:
            break
    trace[-1] = scores.distance(maps)  # the steps were summed in float32
    return maps, trace


def _distance(squares: float, product: float) -> float:
    return max(squares - 2 * product, 0.0) ** 0.5


def _along(tensor: Tensor, i: int, axis: Axis, maps: Mapping[str, Tensor]) -> Tensor:
    if not any(leaf.group in maps for leaf in leaves(axis)):
        return tensor
    return tensor.index_select(i, order(axis, maps).to(tensor.device))


def _once(weights: Mapping[str, Tensor], names: Sequence[str]) -> list[str]:
    """Names of tensors, a tied one once."""
    seen: set[int] = set()
    return [n for n in names if n in weights and not (weights[n].data_ptr() in seen or seen.add(weights[n].data_ptr()))]


def _work(tensor: Tensor, device: str) -> Tensor:
    tensor = tensor.detach().to(device)
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


DRAWN = 512  # units of the largest group whose similarity matrix is kept


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
    same = [n for n in _once(reference, parameters) if all(m[n].shape == reference[n].shape for m in models)]
    equal = len(same) == len(_once(reference, parameters))
    layers = [
        Layer(n, tuple(_cosine(models[0][n], m[n]) for m in models[1:]), tuple(_cosine(reference[n], m[n]) for m in alignment.weights[1:]))
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
            _similarities(reference, m, found, parameters, maps) if equal and i else {}
            for i, (m, maps) in enumerate(zip(models, alignment.maps, strict=True))
        ),
    )


def _similarities(
    reference: Mapping[str, Tensor], model: Mapping[str, Tensor], found: Symmetry, parameters: Sequence[str], maps: Maps
) -> dict[str, Array]:
    """(n, n) cosines of units, for the groups that are permuted as a whole."""
    if any(p.is_floating_point() for p in maps.values()):
        return {}
    cross = WeightScores(reference, model, found, parameters)
    own, other = WeightScores(reference, reference, found, parameters), WeightScores(model, model, found, parameters)
    still = identity(found)
    done: dict[str, Array] = {}
    for name in families(found):
        if found.groups[name].size > DRAWN or found.inner(name):
            continue
        scores = cross(name, maps).outer
        norm = own(name, still).outer.diagonal().sqrt()[:, None] * other(name, still).outer.diagonal().sqrt()[None, :]
        done[name] = torch.where(norm > 0, scores / norm, 0).float().numpy()
    return done


def _distances(models: Sequence[Mapping[str, Tensor]], parameters: Sequence[str]) -> Array:
    inner = gram(models, parameters)
    square = np.diag(inner)
    return np.sqrt(np.maximum(square[:, None] + square[None, :] - 2 * inner, 0.0))


def _cosine(x: Tensor, y: Tensor) -> float:
    x, y = x.double().flatten(), y.double().flatten()
    norm = float(x.norm() * y.norm())
    return float(x @ y) / norm if norm else 0.0
