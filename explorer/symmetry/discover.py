"""Which units of a network may be permuted together: deduced from its exported graph, then tested.

No architecture is written down by hand. Every parameter's axes begin as unknowns, every operator of the graph says which of them are one
and the same (rules.py), inputs, outputs and constants keep their order, and what is still free at the end is a symmetry group. Then every group
is permuted at random, on weights shaken so that nothing is hidden behind a zero or a one, and the outputs are compared: a group
that does not pass is given up and named.

Hecht-Nielsen 1990; Ainsworth, Hayase & Srinivasa 2023, appendix A (permutation specifications, there written by hand).
"""

from __future__ import annotations

import copy
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.utils._pytree import tree_map

from explorer.errors import Refused
from explorer.symmetry import groups as g
from explorer.symmetry.axes import Atom, Expression, Plus, Times, pin, pinned, resolve
from explorer.symmetry.groups import Axis, Concat, Fixed, Free, Group, Product, Symmetry, leaves, permuted
from explorer.symmetry.rules import Graph, Type, infer, tensors
from explorer.weights import Weights

log = logging.getLogger(__name__)

TOLERANCE = 1e-5  # of the output's scale, in float32
TOLERANCE_DOUBLE = 1e-9


def discover(network: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None = None) -> Symmetry:
    """The permutation symmetry of a network, found on example inputs and verified on them. The network is not changed.

    Refused, with the reason, when torch.export cannot trace the network; a symmetry written by hand does not need it.
    """
    network = copy.deepcopy(network).eval()
    program = _export(network, args, dict(kwargs or {}))
    context = Graph()
    types = _types(network, program, context)
    fits = _Candidate(network, types, tuple(sorted(context.unknown)))
    return _verified(fits, network, args, dict(kwargs or {}))


def checked(symmetry: Symmetry, network: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None = None) -> Symmetry:
    """A symmetry written by hand, after the same test. Refused with the names of the groups that change what the network computes."""
    probe = _Probe(copy.deepcopy(network).eval(), args, dict(kwargs or {}))
    moved = g.random(symmetry, torch.Generator().manual_seed(0))
    if not probe.passes(symmetry, moved):
        still = g.identity(symmetry)
        wrong = [name for name in symmetry.groups if not probe.passes(symmetry, {**still, name: moved[name]})]
        raise Refused(
            f"The symmetry written by hand is not one of this network: permuting {', '.join(wrong or symmetry.groups)} changes its output."
            " Check that every tensor in which these units stand is listed, on the right axis."
        )
    return symmetry


def _export(network: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ExportedProgram:
    try:
        with torch.no_grad():
            return torch.export.export(network, args, kwargs, strict=False)
    except Exception as error:  # whatever the network's own code raises while it is traced
        first = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise Refused(
            f"torch.export cannot trace this network ({type(error).__name__}: {first}), so its symmetry cannot be deduced. Avoid branches on"
            " tensor values in its forward pass, or write the symmetry by hand, as [symmetry] in problem.toml."
        ) from error


def _types(network: nn.Module, program: ExportedProgram, context: Graph) -> dict[str, Type]:
    """The axes of every tensor of the state dict after all rules have spoken."""
    state = dict(network.state_dict(keep_vars=True))
    types: dict[str, Type] = {}
    known: dict[int, Type] = {}
    for name, tensor in state.items():  # tied tensors are one
        types[name] = known.setdefault(id(tensor), [Atom(n) for n in tensor.shape])
    given: dict[torch.fx.Node, Any] = {}
    nodes = {n.name: n for n in program.graph.nodes if n.op == "placeholder"}
    for spec in program.graph_signature.input_specs:
        node = nodes[cast("Any", spec.arg).name]
        value = node.meta.get("val")
        if spec.kind in (InputKind.PARAMETER, InputKind.BUFFER) and spec.target in types:
            given[node] = types[spec.target]
        else:
            given[node] = [pinned(int(n)) for n in value.shape] if isinstance(value, Tensor) else value
    done = infer(program.graph, given, context, program.graph_module)
    for t in tensors(done):
        pin(*t)
    return types


class _Candidate:
    """A symmetry as it stands: atoms can still be pinned, and lose their outer group."""

    def __init__(self, network: nn.Module, types: Mapping[str, Type], unknown: tuple[str, ...]) -> None:
        self.types = types
        self.unknown = unknown
        self.warnings: list[str] = []
        self.loose: set[Atom] = set()  # atoms that must have one order for all outer units
        self.parameters = {name for name, _ in network.named_parameters(remove_duplicate=False)}
        self.shapes = {name: tuple(t.shape) for name, t in network.state_dict().items()}
        self.tied = {id(p): name for name, p in network.named_parameters()}.values()

    def symmetry(self) -> tuple[Symmetry, dict[str, Atom]]:
        """What is free now, and the atom of each group."""
        resolved = {name: [resolve(e) for e in t] for name, t in self.types.items()}
        free = {a: None for name, t in resolved.items() if name in self.parameters for e in t for a in _atoms(e) if not a.pinned}
        within = {a: w for a, w in _within(resolved, free).items() if a not in self.loose}
        names = _names(resolved, free)
        groups = {names[a]: Group(names[a], a.size, names[w] if (w := within.get(a)) else None) for a in free}
        axes = {name: tuple(_axis(e, names, within) for e in t) for name, t in resolved.items()}
        axes = {name: t for name, t in axes.items() if any(True for a in t for _ in leaves(a))}
        total = sum(prod(self.shapes[n]) for n in self.tied)
        moving = sum(prod(self.shapes[n]) for n in self.tied if n in axes)
        found = Symmetry(groups, axes, (total, moving), self.unknown, tuple(self.warnings))
        return found, {names[a]: a for a in free}


def _atoms(e: Expression) -> list[Atom]:
    match e:
        case Atom():
            return [e]
        case Times(inner) | Plus(inner):
            return [a for f in inner for a in _atoms(f)]


def _axis(e: Expression, names: Mapping[Atom, str], within: Mapping[Atom, Atom]) -> Axis:
    """The finished form of an expression; neighbours that both keep their order are joined."""
    match e:
        case Atom():
            return Free(names[e], e.size, names[within[e]] if e in within else None) if e in names else Fixed(e.size)
        case Times(inner):
            factors: list[Axis] = []
            for a in (_axis(f, names, within) for f in inner):
                if isinstance(a, Fixed) and factors and isinstance(last := factors[-1], Fixed):
                    factors[-1] = Fixed(last.size * a.size)
                else:
                    factors.append(a)
            return factors[0] if len(factors) == 1 else Product(tuple(factors))
        case Plus(inner):
            parts: list[Axis] = []
            for a in (_axis(p, names, within) for p in inner):
                if isinstance(a, Fixed) and parts and isinstance(last := parts[-1], Fixed):
                    parts[-1] = Fixed(last.size + a.size)
                else:
                    parts.append(a)
            return parts[0] if len(parts) == 1 else Concat(tuple(parts))


def _within(types: Mapping[str, Sequence[Expression]], free: Mapping[Atom, None]) -> dict[Atom, Atom]:
    """Atoms that stand, wherever they stand, to the right of one and the same free atom: each of its units can order them by itself."""
    left: dict[Atom, list[Atom]] = {}

    def walk(e: Expression, before: list[Atom]) -> None:
        match e:
            case Atom():
                if e in free:
                    left[e] = [a for a in left[e] if a in before] if e in left else list(before)
            case Plus(parts):
                for part in parts:
                    walk(part, before)
            case Times(factors):
                so_far = list(before)
                for f in factors:
                    walk(f, so_far)
                    if isinstance(f, Atom) and f in free:
                        so_far.append(f)

    for t in types.values():
        for e in t:
            walk(e, [])
    outermost = {a for a, outer in left.items() if not outer}
    chosen = {a: [o for o in outer if o in outermost] for a, outer in left.items()}
    return {a: outer[-1] for a, outer in chosen.items() if outer}


def _names(types: Mapping[str, Sequence[Expression]], free: Mapping[Atom, None]) -> dict[Atom, str]:
    """Each group is called after the first tensor that makes its units: the output axis of a weight, else any axis."""
    names: dict[Atom, str] = {}
    taken: Counter[str] = Counter()
    for axis_of_makers in (True, False):
        for tensor, t in types.items():
            for i, e in enumerate(t):
                if axis_of_makers != (i == 0 and len(t) > 1 and not tensor.endswith("embeddings.weight")):
                    continue
                for a in _atoms(e):
                    if a in free and a not in names:
                        stem = tensor.removesuffix(".weight").removesuffix(".bias")
                        taken[stem] += 1
                        names[a] = stem if taken[stem] == 1 else f"{stem}#{taken[stem]}"
    return names


# --- the test ---------------------------------------------------------------------------------------------------------------------------------


def _verified(candidate: _Candidate, network: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Symmetry:
    """The candidate, less every group that changes what the network computes."""
    probe = _Probe(network, args, kwargs)
    found, atoms = candidate.symmetry()
    generator = torch.Generator().manual_seed(0)
    if probe.passes(found, g.random(found, generator)):
        return found
    still = g.identity(found)
    moved = g.random(found, generator)
    for name, group in found.groups.items():
        if probe.passes(found, {**still, name: moved[name]}):
            continue
        if group.within:
            candidate.loose.add(atoms[name])
        else:
            atoms[name].pinned = True
            candidate.warnings.append(f"Permuting {name} ({group.size} units) changed the output, so it is held fixed.")
    found, atoms = candidate.symmetry()
    while not probe.passes(found, g.random(found, generator)):
        moved, still = g.random(found, generator), g.identity(found)
        wrong = [n for n in found.groups if not probe.passes(found, {**still, n: moved[n]})] or list(found.groups)
        if not wrong:
            raise Refused("This network gives different outputs for the same inputs, so no symmetry can be tested. Switch its randomness off.")
        for name in wrong:
            atoms[name].pinned = True
            candidate.warnings.append(f"Permuting {name} ({found.groups[name].size} units) changed the output, so it is held fixed.")
        found, atoms = candidate.symmetry()
    return found


class _Probe:
    """A network with shaken weights, and what it gives for the example inputs."""

    def __init__(self, network: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.network, self.args, self.kwargs = network, args, kwargs
        self.weights = shaken(network)
        try:
            self._double()
            self.expected = self._outputs(self.weights)
            self.tolerance = TOLERANCE_DOUBLE
        except (RuntimeError, TypeError, ValueError):  # a network that insists on float32
            self.network, self.args, self.kwargs = copy.deepcopy(network).float(), args, kwargs
            self.weights = {n: t.float() if t.is_floating_point() else t for n, t in self.weights.items()}
            self.expected = self._outputs(self.weights)
            self.tolerance = TOLERANCE
        if any(not e.isfinite().all() for e in self.expected):
            raise Refused("The network's outputs on the example inputs are not finite numbers, so its symmetry cannot be tested.")

    def _double(self) -> None:
        self.network = copy.deepcopy(self.network).double()
        self.weights = {n: t.double() if t.is_floating_point() else t for n, t in self.weights.items()}
        self.args, self.kwargs = _as_double(self.args), _as_double(self.kwargs)

    @torch.no_grad()
    def _outputs(self, weights: Weights) -> list[Tensor]:
        done = torch.func.functional_call(self.network, weights, self.args, self.kwargs, tie_weights=False)
        return [t for t in _tensors(done) if t.is_floating_point()]

    def passes(self, symmetry: Symmetry, maps: g.Maps) -> bool:
        """Whether the outputs stay, within rounding, when the groups are permuted."""
        outputs = self._outputs(permuted(self.weights, symmetry, maps))
        pairs = zip(outputs, self.expected, strict=True)
        return all(
            o.shape == e.shape and bool((o - e).abs().max() <= self.tolerance * max(float(e.abs().max()), 1e-30)) for o, e in pairs if e.numel()
        )


def shaken(network: nn.Module) -> Weights:
    """The network's weights with every constant tensor (biases of zero, scales of one) made uneven, so that a wrong permutation shows."""
    generator = torch.Generator().manual_seed(1)
    done: dict[int, Tensor] = {}
    result: Weights = {}
    for name, tensor in network.state_dict(keep_vars=True).items():
        if id(tensor) not in done:
            value = tensor.detach().clone()
            if value.is_floating_point() and value.numel() > 1:
                noise = torch.rand(value.shape, generator=generator).to(value.dtype)
                if float(value.std()) <= 1e-3 * float(value.abs().mean()) or not value.any():
                    value = (noise - 0.5) * 0.2 if not value.any() else (0.5 + noise) * value.sign()
                else:
                    value = value * (0.8 + 0.4 * noise)
            done[id(tensor)] = value
        result[name] = done[id(tensor)]
    return result


def _as_double(value: Any) -> Any:
    def one(v: Any) -> Any:
        return v.double() if isinstance(v, Tensor) and v.is_floating_point() else v

    return tree_map(one, value)


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        return [t for v in cast("Mapping[str, Any]", value).values() for t in _tensors(v)]
    if isinstance(value, (list, tuple)):
        return [t for v in cast("Sequence[Any]", value) for t in _tensors(v)]
    return []
