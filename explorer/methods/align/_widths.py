"""Models of other widths than the first: how many units each of their groups has, their own network, and the same function in the first one's shapes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor
from torch.func import functional_call

from explorer import symmetry
from explorer.checkpoints.weights import Weights
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.evaluate.weighted_layers import uses
from explorer.problems.problem import Problem
from explorer.symmetry import Lattice, Symmetry
from explorer.symmetry.assignment import once
from explorer.symmetry.groups import Axis, leaves, length, resized
from explorer.symmetry.padding import padded

PROBES = 8  # samples that a widened model is tested on
ROUNDING = 1e-3  # of the largest output: what the ε of the norms may change


def rebuilt(problem: Problem, model: Weights, sizes: Mapping[str, int]) -> Problem | None:
    """The problem with the network that has a model's shapes; what shapes leave open, such as the number of heads, is as in the
    problem's own. None where its network cannot be derived from shapes."""
    network = problem.spec.network
    shapes = {name: tuple(t.shape) for name, t in model.items()}
    try:
        recognise = cast(
            "Callable[[Mapping[str, tuple[int, ...]]], dict[str, object] | None]", registry.find("nets", network.name, function="recognise")
        )
    except AttributeError:  # an architecture of somebody else's, without it
        options = None
    else:
        options = recognise(shapes)
    if options is not None:
        for name, value in network.options:
            with suppress(Refused):  # that value goes with no such shapes
                nearer = registry.method("nets", network.name, {**options, name: value})
                if Problem(replace(problem.spec, network=nearer)).shapes() == shapes:
                    options = dict(nearer.options)
        found = Problem(replace(problem.spec, network=registry.method("nets", network.name, options)))
        if {name: group.size for name, group in symmetry.symmetry_of(found).groups.items()} == sizes:
            return found
    return None


def sizes_of(model: Mapping[str, Tensor], reference: Mapping[str, Tensor], found: Symmetry, what: str) -> dict[str, int]:
    """How many units each group has in a model, from the shapes of its tensors. Refused when they are no such network's."""
    if missing := sorted(reference.keys() ^ model.keys()):
        raise Refused(
            f"{what.capitalize()} is of a different architecture: {missing[0]!r} is only in one of the models. Widths may differ, names may not."
        )
    for name, tensor in reference.items():
        if tensor.dim() != model[name].dim() or (name not in found.axes and tensor.shape != model[name].shape):
            raise Refused(
                f"{name} is {_shape(tensor)} in the first model and {_shape(model[name])} in {what}. optimal_transport brings together"
                " hidden units of different numbers; inputs, outputs and all else that keeps its order must agree."
            )
    places = [(name, i, axis) for name, axes in found.axes.items() for i, axis in enumerate(axes)]
    sizes: dict[str, int] = {}
    while len(sizes) < len(found.groups):
        before = len(sizes)
        for name, i, axis in places:
            open_groups = dict.fromkeys(leaf.group for leaf in leaves(axis) if leaf.group not in sizes)
            if len(open_groups) == 1:
                sizes |= {group: _solved(axis, sizes, group, model[name].shape[i]) for group in open_groups}
        if len(sizes) == before:  # heads × dimensions: as many heads as the reference
            group = next(leaf.group for _, _, axis in places for leaf in leaves(axis) if leaf.group not in sizes)
            sizes[group] = found.groups[group].size
    for name, i, axis in places:
        if length(resized(axis, sizes)) != model[name].shape[i]:
            raise Refused(
                f"{name} is {_shape(model[name])} in {what}, and no number of units gives that: its axis {i} does not fit the other tensors"
                f" when it is made like the first model's {_shape(reference[name])}. Choose a model that differs in its hidden widths alone."
            )
    return {name: sizes[name] for name in found.groups}


def _solved(axis: Axis, sizes: Mapping[str, int], group: str, places: int) -> int:
    """The number of units that gives an axis so many places, or the next larger one where none does."""
    return 1 + bisect_left(range(1, places + 1), places, key=lambda n: length(resized(axis, {**sizes, group: n})))


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a scalar"


def of_one_width(models: Sequence[Weights], problem: Problem, lattice: Lattice, method: str) -> tuple[list[Weights], list[str]]:
    """All models in the first one's shapes, each computing what it computed, and a sentence on each that was widened.

    Refused where one has more units than the first somewhere, or cannot be widened without a change of its outputs.
    """
    reference, *others = models
    shapes = {n: tuple(t.shape) for n, t in reference.items()}
    done, notes = [reference], list[str]()
    own = {n: g.size for n, g in lattice.symmetry.groups.items()}
    for k, model in enumerate(others):
        if {n: tuple(t.shape) for n, t in model.items()} == shapes:
            done.append(model)
            continue
        name = f"model {k + 2}"
        sizes = sizes_of(model, reference, lattice.symmetry, name)
        if more := [g for g in own if sizes[g] > own[g]]:
            raise Refused(
                f"{name.capitalize()} has {sizes[more[0]]} units in {more[0]}, the first model {own[more[0]]}. {method} widens the others to the first: give the widest"
                " first, or use optimal_transport."
            )
        widened = padded(model, lattice, shapes, sizes, once(reference, problem.parameters()), _between_queries_and_keys(problem, lattice))
        _tested(problem, model, widened, sizes, name, method)
        done.append(widened)
        changed = ", ".join(f"{g}: {sizes[g]} → {own[g]}" for g in own if sizes[g] != own[g])
        heads = "; its heads are taken to be as many" if any(g.within and sizes[g.name] != g.size for g in lattice.symmetry.groups.values()) else ""
        notes.append(f"{name.capitalize()} was widened to the first one's shapes ({changed}) and computes what it computed{heads}.")
    return done, notes


def _between_queries_and_keys(problem: Problem, lattice: Lattice) -> list[str]:
    """The gauges within heads of whose places no layer reads any."""
    using = uses(problem.network())
    return [n for n, g in lattice.gauges.items() if g.within and not any(using.get(p.tensor) == p.axis for p in g.places)]


@torch.no_grad()
def _tested(problem: Problem, model: Weights, widened: Weights, sizes: Mapping[str, int], name: str, method: str) -> None:
    """Refused unless the widened model gives what the model's own network gives, in float64."""
    theirs = rebuilt(problem, model, sizes)
    if theirs is None:
        raise Refused(
            f"{name.capitalize()} has other widths than the first, and its network cannot be derived from its shapes. Use optimal_transport."
        )
    inputs = problem.split("train").inputs[:PROBES]
    inputs = inputs.double() if inputs.is_floating_point() else inputs
    given: list[Tensor] = []
    for here, weights in ((theirs, model), (problem, widened)):
        wide = {n: t.double() if t.is_floating_point() else t for n, t in weights.items()}
        given.append(functional_call(here.network().double().eval(), wide, (inputs,)))
    off = float((given[0] - given[1]).abs().max() / given[0].abs().max())
    if not off <= ROUNDING:
        raise Refused(
            f"{name.capitalize()} cannot be brought to the first one's widths without a change of what it computes: its outputs differ by {off:.2g} of the largest."
            f" {method} needs equal widths here; optimal_transport does not."
        )
