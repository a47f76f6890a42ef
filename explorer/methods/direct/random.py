"""Random directions: how the loss rises around a model on average, favouring no direction.

Li et al. 2018, "Visualizing the Loss Landscape of Neural Nets". Two Gaussian directions, each scaled to the model's own size, so that
networks whose layers could be rescaled without changing what they compute get comparable pictures:

    filter   every filter of the direction is as long as the model's filter (a filter: the weights that lead to one unit, the first axis of
             a tensor; of an embedding or a transposed convolution, those that lead away from one; a tensor with one axis is one filter)
    layer    every tensor is as long as the model's
    global   the whole direction is as long as the model
    none     as drawn, variance 1

Biases and the scales and shifts of norm layers, tensors with one axis, are left as they are unless `vectors` asks for them: a step in them is often
worth thousands in weights, and hides these. Two random directions in many dimensions are nearly orthogonal; a random plane sees little of what
training moved along, and says nothing about the sharpest directions.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor

from explorer.checkpoints.weights import Weights, own_names
from explorer.core.registry import Range
from explorer.problems.problem import Problem

SMALL = 1e-10
FRESH = True  # another seed gives other directions


def directions(
    weights: Weights,
    problem: Problem,
    *,
    normalise: Literal["filter", "layer", "global", "none"] = "filter",
    vectors: bool = False,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
) -> list[Weights]:
    """Two directions, for every parameter of the network a tensor of its shape and dtype. The same seed gives the same directions.

    A tied parameter is drawn and counted once, and is there under each of its names, so that a moved model has moved under all of them.
    """
    generator = torch.Generator().manual_seed(seed)
    every = own_names(problem.skeleton())
    drawn = [_direction({n: weights[n] for n in dict.fromkeys(every.values())}, normalise, vectors, generator) for _ in range(2)]
    return [{name: direction[own] for name, own in every.items()} for direction in drawn]


def _direction(weights: Weights, normalise: str, vectors: bool, generator: torch.Generator) -> Weights:
    drawn = {n: torch.randn(w.shape, generator=generator, dtype=torch.float64) for n, w in weights.items()}
    for name, weight in weights.items():
        if weight.dim() < 2 and not vectors:
            drawn[name].zero_()
        elif normalise == "filter" and weight.dim() >= 2:
            rows = drawn[name].flatten(1)
            rows *= weight.double().flatten(1).norm(dim=1, keepdim=True) / (rows.norm(dim=1, keepdim=True) + SMALL)
        elif normalise in ("filter", "layer"):
            drawn[name] *= weight.double().norm() / (drawn[name].norm() + SMALL)
    if normalise == "global":
        scale = _norm(weights) / (_norm(drawn) + SMALL)
        for tensor in drawn.values():
            tensor *= scale
    return {n: d.to(weights[n].dtype) for n, d in drawn.items()}


def _norm(weights: Weights) -> Tensor:
    return torch.stack([w.double().square().sum() for w in weights.values()]).sum().sqrt()
