"""The symmetry of a network, deduced and applied to its weights: permutations of units, and beyond them signs, scales, rotations and linear maps."""

from __future__ import annotations

from functools import lru_cache, partial

import torch
from torch import Tensor, nn

from explorer.core.spec import ProblemSpec
from explorer.problems.problem import Problem
from explorer.symmetry import repeated
from explorer.symmetry.discover import checked, discover
from explorer.symmetry.gauges import Lattice
from explorer.symmetry.groups import Group, Maps, Site, Symmetry, compose, identity, inverse, permuted, random, reorder, written_by_hand
from explorer.symmetry.widen import widen

PROBES = 3  # samples the symmetry is found and tested on
TOKENS = 16  # of a text that a large network is tested on


def symmetry_of(problem: Problem) -> Symmetry:
    """The symmetry of a problem's network, deduced or as its problem.toml writes it; found and tested once per process."""
    return _symmetry_of(problem.spec)


def lattice_of(problem: Problem, keep: frozenset[str] = frozenset()) -> Lattice:
    """All classes of symmetry of a problem's network, found and tested once per process. `keep`: gains that are not moved.

    Where the symmetry is written by hand there are permutations alone, and a warning says so.
    """
    return _lattice_of(problem.spec, keep)


@lru_cache(maxsize=32)
def _symmetry_of(spec: ProblemSpec) -> Symmetry:
    if not spec.symmetry and spec.network.name != "live":
        problem = Problem(spec)
        if sum(p.numel() for p in problem.skeleton().parameters()) > repeated.LARGE:
            few = (_example_text(problem),)
            if (found := repeated.discover_repeated(partial(problem.blank, dtype=torch.bfloat16), few)) is not None:
                return found
    network, example = _example(spec)
    if spec.symmetry:
        return checked(written_by_hand(dict(spec.symmetry), Problem(spec).shapes()), network, example)
    return discover(network, example)


@lru_cache(maxsize=32)
def _lattice_of(spec: ProblemSpec, keep: frozenset[str]) -> Lattice:
    if spec.symmetry:
        only = "The symmetry of this problem is written by hand, which names permutations alone: no other class is used."
        return Lattice(_symmetry_of(spec), {}, {}, warnings=(only,))
    network, example = _example(spec)
    return widen(network, example, keep=keep)


def _example_text(problem: Problem) -> Tensor:
    """One sample for a large network; of a text some tokens, since the answer to each is as large as the vocabulary."""
    batch = problem.split("train")
    text = problem.spec.network.name == "hugging_face" and not problem.parts and batch.inputs.shape == batch.targets.shape
    return batch.inputs[:1, :TOKENS] if text else batch.inputs[:1]


def _example(spec: ProblemSpec) -> tuple[nn.Module, tuple[Tensor]]:
    """A problem's network and the samples that its symmetry is found on."""
    problem = Problem(spec)
    network, example = problem.network(), (problem.split("train").inputs[:PROBES],)
    if spec.network.name == "live":
        with torch.no_grad():
            network(*example)  # what looks its samples up by their rows has them at hand then, and does not while it is traced
    return network, example


__all__ = [
    "Group",
    "Lattice",
    "Maps",
    "Site",
    "Symmetry",
    "compose",
    "discover",
    "identity",
    "inverse",
    "lattice_of",
    "permuted",
    "random",
    "reorder",
    "symmetry_of",
    "widen",
]
