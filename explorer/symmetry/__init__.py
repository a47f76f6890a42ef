"""Permutation symmetry: deduced from the network, applied to its weights."""

from __future__ import annotations

from functools import lru_cache, partial

import torch

from explorer.core.spec import ProblemSpec
from explorer.problems.problem import Problem
from explorer.symmetry import repeated
from explorer.symmetry.discover import checked, discover
from explorer.symmetry.groups import Group, Maps, Site, Symmetry, compose, identity, inverse, permuted, random, reorder, written_by_hand

PROBES = 3  # samples the symmetry is found and tested on


def symmetry_of(problem: Problem) -> Symmetry:
    """The symmetry of a problem's network, deduced or as its problem.toml writes it; found and tested once per process."""
    return _symmetry_of(problem.spec)


@lru_cache(maxsize=32)
def _symmetry_of(spec: ProblemSpec) -> Symmetry:
    problem = Problem(spec)
    example = (problem.split("train").inputs[:PROBES],)
    large = sum(p.numel() for p in problem.skeleton().parameters()) > repeated.LARGE
    if large and not spec.symmetry and spec.network.name != "live":
        found = repeated.discover_repeated(partial(problem.blank, dtype=torch.bfloat16), (example[0][:1],))
        if found is not None:
            return found
    network = problem.network()
    if problem.spec.network.name == "live":
        with torch.no_grad():
            network(*example)  # what looks its samples up by their rows has them at hand then, and does not while it is traced
    if spec.symmetry:
        return checked(written_by_hand(dict(spec.symmetry), problem.shapes()), network, example)
    return discover(network, example)


__all__ = ["Group", "Maps", "Site", "Symmetry", "compose", "discover", "identity", "inverse", "permuted", "random", "reorder", "symmetry_of"]
