"""What the units of a network respond: the features of every symmetry group, of several models on the same inputs.

A *tap* is a place where a group's units can be read: the input of a layer whose weight has the group on its input axis (the features after the
activation, as the next layer sees them), or, for groups that are the input of no layer (queries and keys), the output of the layer that makes
them. A group may have many taps: a residual stream has one wherever a layer reads it. An axis may hold a unit at several places (a flattened image: one
for each pixel); every place gives observations of that unit.

A grouped convolution says nothing about its input: only its output is read. What no layer reads or makes (weights used without their module
being called, as in torch's own MultiheadAttention) has no tap, and is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from explorer.evaluate.evaluator import CHUNK, inputs_for, network_like
from explorer.evaluate.weighted_layers import axes_of
from explorer.problems.problem import Problem
from explorer.symmetry import Symmetry

Features: TypeAlias = dict[str, list[Tensor]]
"""For each group one matrix per tap, of the network's numbers or float32 where those are halves: (size, observations), or (outer, size, observations) for a group within another."""

Key: TypeAlias = tuple[str, str]
"""A module and its side, INPUT or OUTPUT."""

INPUT, OUTPUT = "input", "output"


@dataclass(frozen=True)
class Tap:
    """One side of a module, and the places on its `data` axis at which each unit of a group stands: (size, m) or (outer, size, m)."""

    module: str
    side: str
    data: int
    rows: Tensor


@dataclass(frozen=True)
class Side:
    """A module's side, and the tensor and axis that say which units stand there, on its `data` axis."""

    module: str
    side: str
    tensor: str
    axis: int
    data: int


@dataclass(frozen=True)
class Activations:
    """features[i]: of models[i], observation by observation on the same inputs as the others'. untapped: groups that cannot be read."""

    features: tuple[Features, ...]
    untapped: tuple[str, ...]


def taps(network: nn.Module, symmetry: Symmetry, example: Tensor) -> dict[str, list[Tap]]:
    """Where each group can be read; none for a group that cannot. Inputs only, where there is one.

    Places of an outer group that belong to groups within it are theirs alone: the units of one head have no common order with those of another.
    A group whose places all belong to others has no taps of its own, and needs none.
    """
    candidates = _candidates(network, symmetry.axes)
    called = _called(network, {(c.module, c.side): c.data for c in candidates}, example)
    found: dict[str, list[Tap]] = {}
    for name in symmetry.groups:
        rows = _own_rows(symmetry, name)
        here = [
            Tap(c.module, c.side, c.data, rows[c.tensor, c.axis]) for c in candidates if (c.module, c.side) in called and (c.tensor, c.axis) in rows
        ]
        found[name] = [tap for tap in here if tap.side == INPUT] or here
    return found


def observe(
    problem: Problem,
    models: Sequence[Mapping[str, Tensor]],
    symmetry: Symmetry,
    *,
    samples: int = 1024,
    observations: int = 8192,
    seed: int = 0,
    device: str = "cpu",
    progress: Callable[[int, int, str], None] = lambda done, total, message: None,
) -> Activations:
    """The features of all models on the first `samples` of the train split, in eval mode.

    `observations`: about how many each tap may give for a unit; where there are more (pixels, tokens), they are drawn at random, from `seed`, and the
    same ones for every model.
    """
    inputs = problem.split("train").inputs[:samples]
    network = network_like(problem, models[0], torch.device(device))
    places = taps(network, symmetry, inputs_for(network, inputs[:1], torch.device(device)))
    done: list[Features] = []
    for i, model in enumerate(models):
        progress(i, len(models), f"Activations of model {i + 1}")
        network.load_state_dict(dict(model))
        done.append(_features(network, inputs, places, observations, seed, torch.device(device)))
    return Activations(tuple(done), _untapped(symmetry, places))


def record(
    problem: Problem,
    models: Sequence[Mapping[str, Tensor]],
    tensors: Container[str],
    *,
    samples: int,
    observations: int,
    seed: int,
    device: str,
    progress: Callable[[int, int, str], None],
) -> tuple[list[Side], list[list[Tensor]]]:
    """Every side, with one of these weights, that a forward pass goes through, and for each model what passes there: (places, observations), as in `observe`."""
    inputs = problem.split("train").inputs[:samples]
    network = network_like(problem, models[0], torch.device(device))
    sides = _candidates(network, tensors)
    places = {(s.module, s.side): s.data for s in sides}
    called = _called(network, places, inputs_for(network, inputs[:1], torch.device(device)))
    sides = [s for s in sides if (s.module, s.side) in called]
    places = {(s.module, s.side): s.data for s in sides}
    done: list[list[Tensor]] = []
    for i, model in enumerate(models):
        progress(i, len(models), f"Activations of model {i + 1}")
        network.load_state_dict(dict(model))
        read = _read(network, inputs, places, dict.fromkeys(places, observations), seed, torch.device(device))
        done.append([read[s.module, s.side].T for s in sides])
    return sides, done


def _candidates(network: nn.Module, tensors: Container[str]) -> list[Side]:
    found: list[Side] = []
    for name, module in network.named_modules():
        tensor = f"{name}.weight" if name else "weight"
        if tensor not in tensors:
            continue
        if (axes := axes_of(module)) is not None:
            sides = ((INPUT, axes.inputs), (OUTPUT, axes.outputs))
            found += [Side(name, side, tensor, axis, axes.data) for side, axis in sides if axis is not None]
        elif isinstance(module, nn.Embedding):
            found.append(Side(name, OUTPUT, tensor, 1, -1))
    return found


def _own_rows(symmetry: Symmetry, name: str) -> dict[tuple[str, int], Tensor]:
    """For each tensor and axis the places of a group's units, less those of the groups within it."""
    inner: dict[tuple[str, int], list[Tensor]] = {}
    for group in symmetry.inner(name):
        for site in symmetry.sites(group.name):
            inner.setdefault((site.tensor, site.axis), []).append(site.rows.flatten())
    found: dict[tuple[str, int], Tensor] = {}
    for site in symmetry.sites(name):
        left = ~torch.isin(site.rows, torch.cat(inner.get((site.tensor, site.axis), [torch.empty(0, dtype=torch.int64)])))
        if left.any():
            found[site.tensor, site.axis] = site.rows[left].reshape(len(site.rows), -1) if not left.all() else site.rows
    return found


@contextmanager
def _reading(network: nn.Module, places: Mapping[Key, int], keep: Callable[[Key, Tensor], Tensor]) -> Generator[dict[Key, list[Tensor]]]:
    """What passes the sides of modules, call by call, as (observations, places on its `data` axis); `keep` thins it out."""
    seen: dict[Key, list[Tensor]] = {key: [] for key in places}

    def note(key: Key, tensor: object) -> None:
        if isinstance(tensor, Tensor):
            moved = tensor.detach().movedim(places[key], -1)
            kept = keep(key, moved.reshape(-1, moved.shape[-1]))
            seen[key].append(kept.to(torch.promote_types(kept.dtype, torch.float32)))

    def before(key: Key, module: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        note(key, args[0] if args else kwargs.get("input"))

    def after(key: Key, module: nn.Module, args: tuple[object, ...], output: object) -> None:
        note(key, output)

    handles = [
        network.get_submodule(key[0]).register_forward_pre_hook(partial(before, key), with_kwargs=True)
        if key[1] == INPUT
        else network.get_submodule(key[0]).register_forward_hook(partial(after, key))
        for key in places
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def _called(network: nn.Module, places: Mapping[Key, int], example: Tensor) -> set[Key]:
    """The sides that a forward pass goes through."""
    with _reading(network, places, lambda key, rows: rows[:0]) as seen:
        network(example)
    return {key for key, calls in seen.items() if calls}


def _features(network: nn.Module, inputs: Tensor, found: Mapping[str, list[Tap]], most: int, seed: int, device: torch.device) -> Features:
    """One model's features."""
    every = [tap for group in found.values() for tap in group]
    places = {(tap.module, tap.side): tap.data for tap in every}
    width = {key: max(tap.rows.shape[-1] for tap in every if (tap.module, tap.side) == key) for key in places}
    read = _read(network, inputs, places, {key: max(1, most // n) for key, n in width.items()}, seed, device)
    return {name: [_by_unit(read[tap.module, tap.side], tap.rows) for tap in group] for name, group in found.items()}


@torch.no_grad()
def _read(
    network: nn.Module, inputs: Tensor, places: Mapping[Key, int], most: Mapping[Key, int], seed: int, device: torch.device
) -> dict[Key, Tensor]:
    """What passes sides of modules, (observations, places), in chunks of samples, thinned out as they come."""
    draws = {key: np.random.default_rng((seed, i)) for i, key in enumerate(places)}
    share = 1.0

    def keep(key: Key, rows: Tensor) -> Tensor:
        wanted = ceil(most[key] * share)
        if len(rows) <= wanted:
            return rows.clone()  # the network may go on to write into it
        chosen = draws[key].choice(len(rows), wanted, replace=False, shuffle=False)
        return rows[torch.from_numpy(np.sort(chosen)).to(rows.device)]

    with _reading(network, places, keep) as seen:
        for start in range(0, len(inputs), CHUNK):
            chunk = inputs[start : start + CHUNK]
            share = len(chunk) / len(inputs)
            network(inputs_for(network, chunk, device))
    return {key: torch.cat(calls) for key, calls in seen.items()}


def _by_unit(read: Tensor, rows: Tensor) -> Tensor:
    """(observations, places) → (size, m · observations), or (outer, size, m · observations)."""
    return read.T[rows.flatten().to(read.device)].reshape(*rows.shape[:-1], -1)


def _untapped(symmetry: Symmetry, found: Mapping[str, list[Tap]]) -> tuple[str, ...]:
    """Groups without a tap, but for those all of whose places belong to the groups within them."""
    return tuple(name for name, group in found.items() if not group and not any(found[inner.name] for inner in symmetry.inner(name)))
