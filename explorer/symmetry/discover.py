"""Which units of a network may be permuted together: deduced from its exported graph, then tested.

No architecture is written down by hand. Every parameter's axes begin as unknowns, every operator of the graph says which of them are one
and the same (rules.py), inputs, outputs and constants keep their order, and what is still free at the end is a symmetry group. Then every group
is permuted at random, on weights shaken so that nothing is hidden behind a zero or a one, and the outputs are compared: a group
that does not pass is given up and named.

Hecht-Nielsen 1990; Ainsworth, Hayase & Srinivasa 2023 (permutation specifications, there written by hand).
"""

from __future__ import annotations

import io
import logging
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stderr
from dataclasses import dataclass, replace
from math import prod
from time import perf_counter
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from explorer.checkpoints.weights import AT_ONCE, Weights
from explorer.core.errors import Refused
from explorer.symmetry import groups as g
from explorer.symmetry.axes import Atom, Expression, Plus, Times, atoms, pin, pinned, resolve, size
from explorer.symmetry.borrowed import borrowed
from explorer.symmetry.groups import Axis, Concat, Fixed, Free, Group, Held, Product, Symmetry, leaves, reorder, reorder_within
from explorer.symmetry.rules import Graph, Type, infer, tensors

log = logging.getLogger(__name__)

TOLERANCE = 1e-5  # of the output's scale, in float32
TOLERANCE_DOUBLE = 1e-9
GAINS = (2.0, 4.0)  # of the two tests: the first suits rectifiers, the second what lets less through
INPUTS = "the network's inputs"
MASK = 1e30  # larger numbers stand for infinity
LARGE = 2**24  # parameters above which memory counts more than making weights once again
NARROW = (torch.float32, torch.float16, torch.bfloat16)


def discover(network: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None = None) -> Symmetry:
    """The permutation symmetry of a network, found on example inputs and verified on them. The network is not changed.

    All that the network returns keeps its order: wrap one that hands out hidden states with its answer, and return the answer alone.
    Refused, with the reason, when torch.export cannot trace the network; a symmetry written by hand does not need it.
    """
    with deduced(network, args, kwargs) as found:
        return found.symmetry


@dataclass(frozen=True)
class Deduced:
    """A permutation symmetry with what it was deduced from: the graph, the axes of its nodes, and the probe that it was tested with."""

    symmetry: Symmetry
    program: ExportedProgram
    context: Graph
    probe: _Probe
    types: Mapping[str, Type]
    names: Mapping[Atom, str]
    parameters: frozenset[str]


@contextmanager
def deduced(network: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None = None) -> Generator[Deduced, None, None]:
    """Within: the network is borrowed, and its symmetry found and verified."""
    with (
        borrowed(network),
        _batched_experts(network),
        torch.random.fork_rng(devices=_devices(network)),
    ):  # what a network draws while traced and tested
        begin = perf_counter()
        program = _export(network, args, dict(kwargs or {}))
        exported = perf_counter()
        context = Graph()
        types, made = _types(network, program, context)
        candidate = _Candidate(network, types, made, context)
        inferred = perf_counter()
        probe = _Probe(network, args, dict(kwargs or {}))
        found = _verified(candidate, probe)
        log.debug("export %.2f s, inference %.2f s, verification %.2f s", exported - begin, inferred - exported, perf_counter() - inferred)
        names = {a: name for name, a in candidate.symmetry()[1].items()}
        yield Deduced(found, program, context, probe, types, names, frozenset(candidate.parameters))


def untested(network: nn.Module, args: tuple[Any, ...]) -> Symmetry:
    """What the graph of a network says, before any test: it needs the shapes and types of weights, and none of their values. Refused as in `discover`."""
    with borrowed(network), _batched_experts(network):
        context = Graph()
        types, made = _types(network, _export(network, args, {}), context)
        return _Candidate(network, types, made, context).symmetry()[0]


def checked(symmetry: Symmetry, network: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None = None) -> Symmetry:
    """A symmetry written by hand, after the same test. Refused with the names of the groups that change what the network computes."""
    with borrowed(network), torch.random.fork_rng(devices=_devices(network)):
        probe = _Probe(network, args, dict(kwargs or {}))
        if wrong := probe.wrong(symmetry):
            raise Refused(
                f"The symmetry written by hand is not one of this network: permuting {', '.join(wrong)} changes its output."
                " Check that every tensor that has these units is listed, on the right axis."
            )
    sizes = {name: p.numel() for name, p in network.named_parameters()}  # the table was counted with its buffers
    return replace(symmetry, numel=(sum(sizes.values()), sum(n for name, n in sizes.items() if name in symmetry.axes)))


def _devices(network: nn.Module) -> set[torch.device]:
    return {t.device for t in network.state_dict().values() if isinstance(t, Tensor) and t.is_cuda}


@contextmanager
def _batched_experts(network: nn.Module) -> Generator[None, None, None]:
    """Within: a transformers model computes its experts in one batched product: the loops and sorted groups that it uses otherwise hide their units.

    A choice among ways to compute the same, of the configuration (transformers 5: `experts_implementation`).
    """
    configs = {
        id(c): cast("Any", c) for m in network.modules() if getattr(c := getattr(m, "config", None), "_experts_implementation", None) is not None
    }
    before = [(config, config._experts_implementation) for config in configs.values()]
    for config, _ in before:
        config._experts_implementation = "batched_mm"
    try:
        yield
    finally:
        for config, implementation in before:
            config._experts_implementation = implementation


@contextmanager
def _quiet() -> Generator[None, None, None]:
    """Without what torch says while it traces: before it fails it prints the whole graph, hundreds of lines, and what is refused is said in a sentence."""
    loggers = [each for name, each in logging.root.manager.loggerDict.items() if name.startswith("torch") and isinstance(each, logging.Logger)]
    before = [each.disabled for each in loggers]
    for each in loggers:
        each.disabled = True
    try:
        with redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for each, was in zip(loggers, before, strict=True):
            each.disabled = was


def _export(network: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ExportedProgram:
    try:
        with torch.no_grad(), _quiet():
            return torch.export.export(network, args, kwargs, strict=False)
    except Exception as error:  # whatever the network's own code raises while it is traced
        first = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise Refused(
            f"torch.export cannot trace this network ({type(error).__name__}: {first}), so its symmetry cannot be deduced. Avoid branches on"
            " tensor values in its forward pass, or write the symmetry by hand, as [symmetry] in problem.toml, or symmetry= of live_problem."
        ) from error


def _types(network: nn.Module, program: ExportedProgram, context: Graph) -> tuple[dict[str, Type], list[Made]]:
    """The axes of every tensor of the state dict after all rules have spoken, and those of them that a layer makes, in the order of the graph."""
    state = {n: t for n, t in network.state_dict(keep_vars=True).items() if isinstance(t, Tensor)}
    types: dict[str, Type] = {}
    known: dict[int, Type] = {}
    for name, tensor in state.items():  # tied tensors are one
        types[name] = known.setdefault(id(tensor), [Atom(n) for n in tensor.shape])
    origin = {id(e): (name, e) for name in reversed(types) for e in types[name]}
    given: dict[torch.fx.Node, Any] = {}
    nodes = {n.name: n for n in program.graph.nodes if n.op == "placeholder"}
    for spec in program.graph_signature.input_specs:
        node = nodes[cast("Any", spec.arg).name]
        value = node.meta.get("val")
        if spec.kind is InputKind.CONSTANT_TENSOR and spec.target in program.constants:
            node.meta["numbers"] = program.constants[spec.target]
        if spec.kind in (InputKind.PARAMETER, InputKind.BUFFER) and spec.target in types:
            given[node] = types[spec.target]
        else:
            why = INPUTS if spec.kind is InputKind.USER_INPUT else "constants"
            given[node] = [pinned(int(n), why) for n in value.shape] if isinstance(value, Tensor) else value
    done = infer(program.graph, given, context, program.graph_module)
    for t in tensors(done):
        pin(*t, why="the network's outputs")
    used = {a for t in context.used for e in t for a in atoms(e)}
    pin(*(a for t in types.values() for e in t for a in atoms(e) if a not in used), why="being unused")
    return types, [origin[id(e)] for e in context.made if id(e) in origin]


Made: TypeAlias = tuple[str, Expression]
"""An axis of a weight along which a layer makes its units: (tensor, axis)."""


class _Candidate:
    """A symmetry as it stands: atoms can still be pinned, and lose their outer group."""

    def __init__(self, network: nn.Module, types: Mapping[str, Type], made: Sequence[Made], context: Graph) -> None:
        self.types = types
        self.made = made
        self.unknown = tuple(sorted(context.unknown))
        self.context = context
        self.warnings: list[str] = []
        self.loose: set[Atom] = set()  # atoms that must have one order for all outer units
        self.parameters = {name for name, _ in network.named_parameters(remove_duplicate=False)}
        self.shapes = {name: tuple(p.shape) for name, p in network.named_parameters()}

    def symmetry(self) -> tuple[Symmetry, dict[str, Atom]]:
        """What is free now, and the atom of each group."""
        resolved = {name: [resolve(e) for e in t] for name, t in self.types.items()}
        free = {a: None for name, t in resolved.items() if name in self.parameters for e in t for a in atoms(e) if not a.pinned}
        within = {a: w for a, w in _within(resolved, free).items() if a not in self.loose}
        names = _names(resolved, self.made, self.shapes, free, within)
        groups = {names[a]: Group(names[a], a.size, names[w] if (w := within.get(a)) else None) for a in free}
        axes = {name: tuple(axis_of(e, names, within) for e in t) for name, t in resolved.items()}
        axes = {name: t for name, t in axes.items() if any(True for a in t for _ in leaves(a))}
        numel, held = self._still(resolved, free)
        found = Symmetry(groups, axes, numel, self.unknown, tuple(self.warnings), held)
        return found, {names[a]: a for a in free}

    def _still(self, resolved: Mapping[str, Sequence[Expression]], free: Mapping[Atom, None]) -> tuple[tuple[int, int], tuple[Held, ...]]:
        """The number of all parameters and of those that move, and what does not."""
        written, read = ({a for e in axes for a in atoms(e)} for axes in (self.context.written, self.context.read))
        units = {a for a in written & read if a.pinned and a.size > 1 and a.why != INPUTS}
        moving = 0.0
        held: dict[tuple[str, int, bool], dict[str, None]] = {}
        for name, shape in self.shapes.items():
            moves = [any(a in free for a in atoms(e)) for e in resolved[name]]
            could = [m or not units.isdisjoint(atoms(e)) for m, e in zip(moves, resolved[name], strict=True)]
            if any(moves):
                moving += prod(shape) * sum(moves) / sum(could)
            for e, m, c in zip(resolved[name], moves, could, strict=True):
                if not m and (c or not any(moves)) and size(e) > 1:
                    why = next((a.why for a in atoms(e) if a in units), "") or next((a.why for a in atoms(e) if a.why), "")
                    held.setdefault((why, size(e), c), {})[name] = None
        done = tuple(Held(why, n, c, tuple(tensors)) for (why, n, c), tensors in sorted(held.items(), key=lambda h: not h[0][2]))
        return (sum(map(prod, self.shapes.values())), round(moving)), done


def axis_of(e: Expression, names: Mapping[Atom, str], within: Mapping[Atom, Atom]) -> Axis:
    """The finished form of an expression; neighbours that both keep their order are joined."""
    match e:
        case Atom():
            return Free(names[e], e.size, names[within[e]] if e in within else None) if e in names else Fixed(e.size)
        case Times(inner):
            factors: list[Axis] = []
            for a in (axis_of(f, names, within) for f in inner):
                if isinstance(a, Fixed) and factors and isinstance(last := factors[-1], Fixed):
                    factors[-1] = Fixed(last.size * a.size)
                else:
                    factors.append(a)
            return factors[0] if len(factors) == 1 else Product(tuple(factors))
        case Plus(inner):
            parts: list[Axis] = []
            for a in (axis_of(p, names, within) for p in inner):
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


def _names(
    types: Mapping[str, Sequence[Expression]],
    made: Sequence[Made],
    shapes: Mapping[str, Sequence[int]],
    free: Mapping[Atom, None],
    within: Mapping[Atom, Atom],
) -> dict[Atom, str]:
    """Each group is called after the layer that first makes its units, in the order of the graph; else after the first tensor in which it stands.

    conv1 · attn.qkv/heads (units with others within them; /groups of a convolution) · attn.qkv[0,1] (of the parts of a fused layer, queries and keys).
    """
    names: dict[Atom, str] = {}
    taken: Counter[str] = Counter()
    outer = set(within.values())
    for tensor, e in [*made, *((tensor, e) for tensor, t in types.items() for e in t)]:
        whole = resolve(e)
        for a in atoms(whole):
            if a not in free or a in names:
                continue
            layer = tensor.partition(".parametrizations.")[0]  # a reparametrised weight is called after its layer too
            stem = (layer.rpartition(".")[0] if layer.endswith((".weight", ".bias")) else layer) + _part(a, whole, free)
            if a in outer and a is not whole:
                stem += "/heads" if len(shapes.get(tensor, ())) <= 2 else "/groups"
            taken[stem] += 1
            names[a] = stem if taken[stem] == 1 else f"{stem}#{taken[stem]}"
    return names


def _part(a: Atom, e: Expression, free: Mapping[Atom, None]) -> str:
    """In which parts of a concatenation an atom stands, as `[0,1]`; nothing where there is one part, or where it stands in all of them."""
    match e:
        case Atom():
            return ""
        case Times(factors):
            return next(_part(a, f, free) for f in factors if a in atoms(f))
        case Plus(parts):
            joined: list[list[Atom]] = []  # what keeps its order counts as one part
            for inside in map(atoms, parts):
                if not joined or any(x in free for x in inside + joined[-1]):
                    joined.append(inside)
            at = [i for i, inside in enumerate(joined) if a in inside]
            deeper = next(_part(a, p, free) for p in parts if a in atoms(p))
            return (f"[{','.join(map(str, at))}]" if len(at) < len(joined) else "") + deeper


# --- the test ---------------------------------------------------------------------------------------------------------------------------------


def _verified(candidate: _Candidate, probe: _Probe) -> Symmetry:
    """The candidate, less every group that changes what the network computes: first the freedom of each outer unit goes, then the group."""
    while True:
        found, atom = candidate.symmetry()
        wrong = probe.wrong(found)
        if not wrong:
            return found
        if inner := [name for name in wrong if found.groups[name].within]:
            candidate.loose.update(atom[name] for name in inner)
            continue
        for name in wrong:
            pin(atom[name], why="a change of the output when they were permuted")
            candidate.warnings.append(f"Permuting {name} ({found.groups[name].size} units) changed the output, so it is held fixed.")


class _Probe:
    """A network with shaken weights at two scales, and what it gives for the example inputs: in float64 where it can.

    Of a large network the weights are made again for each test, and its own are out of the way meanwhile: there is one copy in float64 at a time.
    """

    def __init__(self, network: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.given, self.network = (args, kwargs), network
        self.parameters = {name for name, _ in network.named_parameters(remove_duplicate=False)}
        once: dict[int, Tensor] = {}  # tied tensors stay one
        self.own = {n: once.setdefault(id(t), t.detach()) for n, t in network.state_dict(keep_vars=True).items() if isinstance(t, Tensor)}
        self.large = sum(t.numel() for t in once.values()) > LARGE
        self.kept: dict[float, Weights] = {}
        whole = {name: p.data for name, p in network.named_parameters()}
        for dtype, emptied in ((torch.float64, True), (torch.float64, False), (torch.float32, False)):
            if emptied and not self.large:
                continue
            for name, p in network.named_parameters():  # NaN, so that a network which reaches past the weights it is given shows
                p.data = torch.full((), torch.nan, dtype=dtype).expand(p.shape) if emptied and p.is_floating_point() else whole[name]
            self.dtype = dtype
            _ = network.double() if dtype == torch.float64 else network.float()
            self.kept.clear()
            try:
                self.cases = [self._case(gain) for gain in GAINS]
                break
            except Refused:
                if not emptied:
                    raise
            except (AssertionError, RuntimeError, TypeError, ValueError):  # a network that insists on float32
                if dtype == torch.float32:
                    raise
        self.tolerance = TOLERANCE_DOUBLE if self.dtype == torch.float64 else TOLERANCE

    def _case(self, gain: float) -> tuple[float | None, list[Tensor]]:
        """A scale and the outputs that weights of it give; the network's own scale, None, where it cannot bear another."""
        for scale in (gain, None):
            expected = self._outputs(self._weights(scale))
            if not expected:
                raise Refused("The network returns no tensor, so its symmetry cannot be tested. Let its forward pass return the outputs.")
            if not any(e.isnan().any() for e in expected):
                return scale, expected
        raise Refused("The network's outputs on the example inputs are not all numbers, so its symmetry cannot be tested. Give other inputs.")

    def _weights(self, scale: float | None) -> Weights:
        """Shaken weights of a scale, the same at every call; a dictionary of the caller's own."""
        key = scale or 0.0
        if key in self.kept:
            return dict(self.kept[key])
        weights = shaken(self.own, self.parameters, self.dtype, scale)
        if not self.large:
            self.kept[key] = weights
        return dict(weights)

    @torch.no_grad()
    def _outputs(self, weights: Weights) -> list[Tensor]:
        """The outputs, all tensors in them. What the network may write to is a copy: its buffers and inputs."""

        def copied(value: Any) -> Any:
            return (value.to(self.dtype, copy=True) if value.is_floating_point() else value.clone()) if isinstance(value, Tensor) else value

        weights = {n: t if n in self.parameters else t.clone() for n, t in weights.items()}
        args, kwargs = cast("tuple[tuple[Any, ...], dict[str, Any]]", tree_map(copied, self.given))
        with _Double() if self.dtype == torch.float64 else nullcontext():
            done = torch.func.functional_call(self.network, weights, args, kwargs, tie_weights=False)
        return [t.clone() for t in tree_leaves(done) if isinstance(t, Tensor) and t.numel()]

    def unchanged(self, change: Callable[[Weights], Weights]) -> bool:
        """Whether the network gives what it gave before when its weights are changed so: to 1e-7 of the outputs' scale in float64."""
        tolerance = 100 * self.tolerance  # matrices round more than permutations
        return all(
            all(_close(o, e, tolerance) for o, e in zip(self._outputs(change(self._weights(scale))), expected, strict=True))
            for scale, expected in self.cases
        )

    def wrong(self, symmetry: Symmetry) -> list[str]:
        """The groups that change the outputs when they are permuted, or that do so only with others: none when the symmetry is right.

        A cycle through all units, and the same with two neighbours swapped: together they generate every order.
        """
        generator = torch.Generator().manual_seed(0)
        for swap, (scale, expected) in zip((False, True), self.cases, strict=True):
            maps = {name: _cycles(symmetry, group, generator, swap=swap) for name, group in symmetry.groups.items()}

            def passes(some: g.Maps, scale: float | None = scale, expected: list[Tensor] = expected, symmetry: Symmetry = symmetry) -> bool:
                weights, moved = self._weights(scale), set[int]()
                for name, axes in symmetry.axes.items():
                    if not self.large:
                        weights[name] = reorder(weights[name], axes, some)
                    elif id(weights[name]) not in moved:  # made for this test, a tied one once
                        moved.add(id(weights[name]))
                        reorder_within(weights[name], axes, some)
                outputs = self._outputs(weights)
                return all(_close(o, e, self.tolerance) for o, e in zip(outputs, expected, strict=True))

            if passes(maps):
                continue
            still = g.identity(symmetry)
            if not passes(still):
                raise Refused("This network gives different outputs for the same inputs, so no symmetry can be tested. Switch its randomness off.")
            if alone := [name for name in maps if not passes({**still, name: maps[name]})]:
                return alone
            together: list[str] = []
            for name in maps:
                if passes({**still, name: maps[name]}):
                    still[name] = maps[name]
                else:
                    together.append(name)
            return together
        return []


def _close(output: Tensor, expected: Tensor, tolerance: float) -> bool:
    """Equal within rounding, on the scale of the largest number; infinities and what stands for them in a mask must be the same."""
    if output.shape != expected.shape:
        return False
    if not expected.is_floating_point() and not expected.is_complex():
        return torch.equal(output, expected)
    plain = expected.abs() < MASK
    o, e = output[plain], expected[plain]
    return torch.equal(output[~plain], expected[~plain]) and (not len(e) or bool((o - e).abs().max() <= tolerance * e.abs().max()))


def _cycles(symmetry: Symmetry, group: Group, generator: torch.Generator, *, swap: bool) -> Tensor:
    """A permutation that moves every unit of a group; another for each unit of an outer group."""
    orders: list[Tensor] = []
    for _ in range(symmetry.outer(group)):
        ring = torch.randperm(group.size, generator=generator)
        order = torch.empty(group.size, dtype=torch.int64)
        order[ring] = ring.roll(1)
        if swap and group.size > 2:
            order[ring[:2]] = order[ring[:2].flip(0)]
        orders.append(order)
    return torch.stack(orders) if group.within else orders[0]


class _Double(TorchFunctionMode):
    """Every number in float64: a network that computes a part of itself in float32 would otherwise hide small errors in rounding."""

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        if func in (Tensor.float, Tensor.half, Tensor.bfloat16):
            func = Tensor.double
        args, kwargs = cast("tuple[tuple[Any, ...], dict[str, Any]]", tree_map(_wide, (args, kwargs or {})))
        return tree_map(_wide, func(*args, **kwargs))


def _wide(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.double() if value.dtype in NARROW else value
    return torch.float64 if isinstance(value, torch.dtype) and value in NARROW else value


def shaken(own: Mapping[str, Tensor], parameters: Collection[str], dtype: torch.dtype, gain: float | None = None) -> Weights:
    """Weights such that a wrong permutation shows, from a network's own; with decimals of `dtype`. What is one tensor under two names stays one.

    Constant tensors (biases of zero, scales of one) are made uneven. With a gain, matrices and kernels get std² = gain / fan-in (He et al. 2015, where
    it is 2): at the 0.02 that many networks begin with, attention is flat, and what went in is lost in the biases of twenty layers.
    """
    generator = np.random.default_rng(1)  # draws five times as fast as torch's
    done: dict[int, Tensor] = {}
    result: Weights = {}
    for name, tensor in own.items():
        if id(tensor) not in done:
            value = tensor.to(dtype, copy=True).contiguous() if tensor.is_floating_point() else tensor.clone()
            if value.is_floating_point() and value.numel() > 1:
                std, size = float(value.std()), float(torch.linalg.vector_norm(value, 1)) / value.numel()
                for part in value.view(-1).split(AT_ONCE):
                    noise = torch.from_numpy(generator.random(len(part), np.float32 if dtype == torch.float32 else np.float64)).to(dtype)
                    if not size:
                        part.copy_(noise.sub_(0.5).mul_(0.2))
                    elif std <= 1e-3 * size:
                        part.sign_().mul_(noise.add_(0.5))
                    else:
                        part.mul_(noise.mul_(0.4).add_(0.8))
                if std > 1e-3 * size and gain is not None and name in parameters and value.dim() > 1:
                    value.mul_((gain / prod(value.shape[1:])) ** 0.5 / std)
            done[id(tensor)] = value
        result[name] = done[id(tensor)]
    return result
