"""Teleportation: move a model along its orbit, where it computes the same, and measure how sharp it is there.

Dinh, Pascanu, Bengio & Bengio 2017, "Sharp Minima Can Generalize For Deep Nets": a network can be rescaled without a change of its function, and its sharpness in the
plain ball changes by any factor; so that sharpness alone says nothing of generalisation. Zhao, Dehmamy, Walters & Yu 2022, "Symmetry Teleportation for Accelerated
Optimization", go along the same orbits to train faster.

A direction is drawn at random along every class of symmetry that the network has (explorer.symmetry): logarithms of scales, angles, matrices. `along` says how far
the model goes in it: at 1 a scale is e times as large where its direction is 1. Rotations alone leave the plain ball as it is; scales and invertible maps do not. Sharpness is
that of the study of this name: `global` in the plain ball, `element` with every weight measured by its own size, which does not see scales.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Annotated, cast

import torch

from explorer import symmetry
from explorer.checkpoints.weights import Weights
from explorer.core.errors import Refused
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.core.spec import Json
from explorer.methods.study import sharpness
from explorer.problems.problem import Problem
from explorer.symmetry import Lattice
from explorer.symmetry.gauges import Elements, changed, folding, inverted, vanishing
from explorer.symmetry.tangents import exponential, tangents


def study(
    models: Sequence[Weights],
    problem: Problem,
    *,
    along: tuple[float, ...] = (0.0, 0.5, 1.0),
    radius: Annotated[float, Range(1e-6, 10)] = 0.1,
    ball: Annotated[float, Range(1e-6, 100)] = 0.3,
    directions: Annotated[int, Range(2, 1000)] = 10,
    samples: Annotated[int, Range(0, 10000000)] = 512,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Json:
    """{"along", "models": [{"distance": from where it was, of its length, "sharpness": what the study of that name says of each place on the way}]}.

    radius, ball: those of sharpness. Refused where permutations are all that the network has.
    """
    if not along or not all(map(isfinite, along)):
        raise Refused(f"A model is moved by one finite number or more, such as 0 0.5 1; got {list(along)}.")
    found: list[Json] = []
    for i, model in enumerate(models):
        lattice = symmetry.lattice_of(problem, vanishing(model, symmetry.lattice_of(problem)))
        direction = drawn(lattice, seed)
        if not direction:
            raise Refused("The symmetries of this network are permutations, and signs at most: no way leads along its orbit.")
        places = [teleported(model, lattice, {n: t * x for n, x in direction.items()}) for t in along]

        def report(done: int, total: int, message: str, i: int = i) -> None:
            progress(i * total + done, len(models) * total, message)

        sharp = sharpness.study(
            places, problem, radii=(radius,), balls=(ball,), directions=directions, samples=samples, seed=seed, device=device, progress=report
        )
        found.append({"distance": [_apart(model, p) for p in places], "sharpness": sharp})
    return cast("Json", {"along": list(along), "models": found})


def drawn(lattice: Lattice, seed: int) -> Elements:
    """A random tangent of every gauge, its matrices of about unit size."""
    generator = torch.Generator().manual_seed(seed)
    found: Elements = {}
    for name, x in tangents(lattice).items():
        z = torch.randn(x.shape, generator=generator, dtype=x.dtype)
        found[name] = z if x.dim() == 2 else z / x.shape[-1] ** 0.5
    return found


def teleported(model: Weights, lattice: Lattice, way: Elements) -> Weights:
    """The model at the end of tangents, with its own gains and dtypes."""
    wide = {n: w.detach().double() if w.is_floating_point() else w for n, w in model.items()}
    gains = folding(wide, lattice)
    moved = changed(changed(wide, lattice, gains, folds=True), lattice, {n: exponential(lattice.gauges[n].cls, x) for n, x in way.items()})
    return {n: w.to(model[n].dtype) for n, w in changed(moved, lattice, inverted(gains), folds=True).items()}


def _apart(a: Weights, b: Weights) -> float:
    real = [n for n, w in a.items() if w.is_floating_point()]
    squares = [sum(float(t.double().square().sum()) for t in some) for some in ((a[n].double() - b[n].double() for n in real), (a[n] for n in real))]
    return (squares[0] / squares[1]) ** 0.5
