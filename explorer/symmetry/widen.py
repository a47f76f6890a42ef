"""From permutations to all classes: a second walk over the exported graph, in which every axis carries a basis as well.

Permutations are found first (discover.py), and stay what they are. Then every leaf of every parameter's axes begins in a basis of its own, free to take any
invertible map; every operator says what it lets through (bases.py, relations.py); inputs, outputs and constants are fixed. What is left is a gauge: one basis with
all its sites, of the largest class that every operator on its way allows. This is done twice: the first walk shows which gains can be moved into what reads
them, the second takes those for ones. In the end random elements of all gauges at once, with random permutations and the gains moved, must
leave the outputs as they are; a gauge that does not is given up and named.

Theus et al. 2025, "Generalized Linear Mode Connectivity for Transformers" (the classes, there written by hand for two architectures).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import nn
from torch.export.graph_signature import InputKind
from torch.fx import Node

from explorer.checkpoints.weights import Weights
from explorer.symmetry import groups
from explorer.symmetry.axes import Atom, Expression, Plus, Times, resolve
from explorer.symmetry.bases import Axes, Basis, Leaf, Relation, Slices, Value, every, relate, restrict
from explorer.symmetry.classes import SymmetryClass
from explorer.symmetry.discover import Deduced, axis_of, deduced
from explorer.symmetry.gauges import Elements, Gauge, Lattice, Place, changed, drawn, folding, left_of
from explorer.symmetry.groups import permuted
from explorer.symmetry.rotary import rotary, rotated
from explorer.symmetry.rules.operation import Operation, Segmented, Stacked, arguments_of, operator_name
from explorer.symmetry.rules.walk import that_matter

C = SymmetryClass
SEED = 0
SAME = ("to", "_to_copy", "alias", "detach", "clone", "contiguous", "lift_fresh_copy")


def widen(network: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None = None, *, keep: frozenset[str] = frozenset()) -> Lattice:
    """Every symmetry of a network that is a permutation or a linear map of an axis, found on example inputs and verified on them.

    `keep`: gains that stay where they are, as they cannot be divided by. Refused, with the reason, when torch.export cannot trace the network.
    """
    with deduced(network, args, kwargs) as found:
        first = _Walk(found, None)
        folds = {
            name: gauge
            for name, leaf in first.gains.items()
            if name not in keep and (gauge := first.gauge(leaf)) is not None and gauge.cls == C.MONOMIAL
        }
        second = _Walk(found, frozenset(folds))
        return _verified(replace(second.lattice(), folds=folds), found)


@dataclass(frozen=True)
class _Site:
    place: Place
    leaf: Leaf


class _Walk:
    """One walk: what became of the bases. `folded`: gains that count as ones; None where that is still to be found."""

    def __init__(self, found: Deduced, folded: frozenset[str] | None) -> None:
        self.found, self.folded = found, folded
        self.by_name = {name: atom for atom, name in found.names.items()}
        self.gains: dict[str, Leaf] = {}
        self.leaves: list[Leaf] = []
        self.nodes: dict[str, str] = {}
        self.tensors: dict[int, Axes] = {}
        self.values: dict[Node, Value] = {}
        inner = {self.by_name[g.name]: self.by_name[g.within] for g in found.symmetry.groups.values() if g.within}
        self.axes = {n: tuple(axis_of(resolve(e), found.names, inner) for e in found.types[n]) for n in sorted(found.parameters)}
        self._infer()
        self.sites = self._sites()

    def _infer(self) -> None:
        graph, signature = self.found.program.graph, self.found.program.graph_signature
        parameters = {
            cast("Any", s.arg).name: str(s.target)
            for s in signature.input_specs
            if s.kind in (InputKind.PARAMETER, InputKind.BUFFER) and s.target in self.found.types
        }
        turns, inside = rotary(graph)
        matter = that_matter(graph)
        for node in graph.nodes:
            if node.op == "output":
                self._fix(self._filled(node.args[0]), "the network's outputs")
            elif node.op == "placeholder" and node.name in parameters:
                self.values[node] = self._of_tensor(parameters[node.name])
                self.nodes[node.name] = parameters[node.name]
            elif node.op != "call_function":
                self.values[node] = self._fresh(self.found.context.types.get(node))
                self._fix(self.values[node], "the network's inputs and constants")
            elif node in matter and node not in inside:
                self._operator(node, turns.get(node))

    def _operator(self, node: Node, turned: Node | None) -> None:
        given = {name: self._filled(value) for name, value in arguments_of(node).items()}
        if operator_name(node) == "getitem" and isinstance(given["0"], tuple):
            self.values[node] = given["0"][given["1"]]
            return
        self.values[node] = out = self._fresh(self.found.context.types.get(node))
        op = Relation(node, Operation(node, self.found.context).where, out, self.folded, self.gains, self._parameter)
        if turned is not None:
            rotated(op, self.values[turned])
        else:
            relate(op, given)

    def _parameter(self, node: Any) -> str | None:
        while isinstance(node, Node) and node.op == "call_function" and operator_name(node) in SAME:
            node = node.args[0]
        name = self.nodes.get(node.name) if isinstance(node, Node) else None
        return name if name in self.found.parameters else None

    def _filled(self, value: Any) -> Value:
        if isinstance(value, Node):
            return self.values.get(value)
        if isinstance(value, (list, tuple)):
            return tuple(map(self._filled, cast("Iterable[Any]", value)))
        return value

    def _fix(self, value: Value, why: str) -> None:
        for leaf in every(value):
            restrict(leaf, C.FIXED, why)

    def _of_tensor(self, name: str) -> Axes:
        type_ = self.found.types[name]
        if id(type_) not in self.tensors:  # tied tensors are one
            self.tensors[id(type_)] = self._fresh(type_)
        return self.tensors[id(type_)]

    def _fresh(self, value: Any) -> Value:
        """The leaves of a type, each in a basis of its own."""
        if isinstance(value, Stacked):
            return Slices(value.axis, [self._fresh(s) for s in value.slices])
        if isinstance(value, Segmented):
            return Slices(-1, [self._fresh(s) for s in value.segments])
        if isinstance(value, tuple):
            return tuple(map(self._fresh, cast("tuple[Any, ...]", value)))
        if not isinstance(value, list):
            return value
        axes = [_parts(resolve(e), self.found.names) for e in cast("list[Expression]", value)]
        beside = frozenset(self.found.names[a] for axis in axes for atoms, _, free in axis if free for a in atoms)
        made = [[_leaf(*part, beside) for part in axis] for axis in axes]
        self.leaves += [leaf for axis in made for leaf in axis]
        return made

    def _sites(self) -> dict[Basis, list[_Site]]:
        """Where each basis stands in the parameters."""
        sites: dict[Basis, list[_Site]] = {}
        for name in self.axes:
            for i, axis in enumerate(self._of_tensor(name)):
                for k, leaf in enumerate(axis):
                    root, inverted = leaf.basis.root()
                    sites.setdefault(root, []).append(_Site(Place(name, i, k, inverted), leaf))
        return sites

    def gauge(self, leaf: Leaf) -> Gauge | None:
        """The gauge of a leaf's basis, the leaf itself not inverted; None where nothing but permutations is free."""
        root, inverted = leaf.basis.root()
        sites = self.sites.get(root, [])
        if not root.cls.moves or not sites or (not self._group(leaf) and not root.turned):
            return None
        places = tuple(replace(s.place, inverted=s.place.inverted != inverted) for s in sites)
        group = self._group(leaf)
        whys = [why for _, why in root.why if why]
        return Gauge("", root.cls, leaf.size, places, group, self._outer(root, sites), self._covers(root, group), whys[-1] if whys else "")

    def _group(self, leaf: Leaf) -> str:
        return next((g for g in (self.found.names.get(a) for a in leaf.key) if g), "")

    def _outer(self, root: Basis, sites: list[_Site]) -> str:
        """The group each of whose units has a map of its own: it stands beside every leaf of this basis, and to its left in all weights."""
        outermost = {n for n, g in self.found.symmetry.groups.items() if g.within is None}
        for leaf in self.leaves:
            if leaf.basis.root()[0] is root:
                outermost &= leaf.beside
        for s in sites:
            outermost &= set(left_of(self.axes[s.place.tensor][s.place.axis], s.place.leaf))
        return max(sorted(outermost), key=lambda n: self.found.symmetry.groups[n].size, default="")

    def _covers(self, root: Basis, group: str) -> bool:
        """Whether permuting the group is one of the maps: its class holds permutations, and the group stands nowhere else but in gains that are ones."""
        if root.cls.diagonal or not group:
            return False
        others = [s for r, sites in self.sites.items() if r is not root for s in sites if self._group(s.leaf) == group]
        return all(s.place.tensor in (self.folded or ()) for s in others)

    def lattice(self) -> Lattice:
        """All gauges, named after the group that they widen, else after the first tensor in which they stand."""
        gauges: dict[str, Gauge] = {}
        for sites in self.sites.values():
            leaf = next((s for s in sites if not s.place.inverted), sites[0]).leaf
            if (gauge := self.gauge(leaf)) is None:
                continue
            layer = gauge.places[0].tensor.removesuffix(".weight")
            name = gauge.group or f"{layer} (planes)"
            name = name if name not in gauges else f"{name} ({layer})"
            while name in gauges:
                name += "'"
            gauges[name] = replace(gauge, name=name)
        return Lattice(self.found.symmetry, self.axes, gauges, held=self._held({g.group for g in gauges.values()}))

    def _held(self, widened: set[str]) -> tuple[str, ...]:
        said: list[str] = []
        for name, group in self.found.symmetry.groups.items():
            if name in widened:
                continue
            why = next((r.why[-1][1] for r, sites in self.sites.items() if r.why for s in sites if self._group(s.leaf) == name), "")
            said.append(f"{name}: {group.size} places, permutation" + (f"; not more, because of {why}." if why else "."))
        return tuple(said)


def _leaf(atoms: tuple[Atom, ...], n: int, free: bool, beside: frozenset[str]) -> Leaf:
    return Leaf(atoms, n, Basis(C.INVERTIBLE if free else C.FIXED if n % 2 else C.ROTARY), beside)


def _parts(e: Expression, names: Mapping[Atom, str]) -> list[tuple[tuple[Atom, ...], int, bool]]:
    """The leaves of an expression as `axis_of` makes them, (atoms, places, whether a group): neighbours that keep their order are one."""
    match e:
        case Atom():
            return [((e,), e.size, e in names)]
        case Times(inner) | Plus(inner):
            parts: list[list[tuple[tuple[Atom, ...], int, bool]]] = []
            for here in (_parts(p, names) for p in inner):
                if parts and len(here) == len(last := parts[-1]) == 1 and not here[0][2] and not last[0][2]:
                    n = last[0][1] * here[0][1] if isinstance(e, Times) else last[0][1] + here[0][1]
                    parts[-1] = [((*last[0][0], *here[0][0]), n, False)]
                else:
                    parts.append(here)
            return [leaf for part in parts for leaf in part]


# --- the test ---------------------------------------------------------------------------------------------------------------------------------------


def _verified(lattice: Lattice, found: Deduced) -> Lattice:
    """Less every fold and gauge that changes what the network computes."""
    generator = torch.Generator().manual_seed(SEED)
    maps, elements = groups.random(lattice.symmetry, generator), drawn(lattice, generator)

    def passes(some: Elements, folds: dict[str, Gauge]) -> bool:
        def change(weights: Weights) -> Weights:
            folded = replace(lattice, folds=folds)
            weights = changed(weights, folded, folding(weights, folded), folds=True)
            return changed(permuted(weights, lattice.symmetry, maps), lattice, some)

        return found.probe.unchanged(change)

    if passes(elements, lattice.folds):
        return lattice
    warnings: list[str] = []
    folds = dict(lattice.folds)
    if not passes({}, folds):
        for name in list(folds):
            if not passes({}, {name: folds[name]}):
                del folds[name]
                warnings.append(f"Moving the gain {name} into what reads it changed the output, so it stays.")
    kept: Elements = {}
    for name in elements:
        if passes({**kept, name: elements[name]}, folds):
            kept[name] = elements[name]
        else:
            warnings.append(f"A random {lattice.gauges[name].cls} map of {name} changed the output, so no more than permutations are used there.")
    gauges = {n: g for n, g in lattice.gauges.items() if n in kept}
    return replace(lattice, gauges=gauges, folds=folds, warnings=tuple(warnings))
