"""RegMean++: RegMean on what the merged model's own earlier layers give, block after block.

Nguyen, Huu-Tien, Suzuki & Nguyen 2025, "RegMean++: Enhancing Effectiveness and Generalization of Regression Mean for Model Merging". RegMean merges every layer
for inputs that come out of each single model's earlier layers, which are not there any more when the merged model runs. Here blocks are merged in the order in
which they are called; in block b of model i

    W* = (Σ Ĝᵢ)⁻¹ Σ Ĝᵢ Wᵢ,        Gᵢ = Xᵢᵀ Xᵢ of what model i's block gives inside when the blocks before it are the merged ones

with Ĝᵢ and all else as in regmean. A block is a numbered part of the network (`layers.3`), or a layer that is in none; what has no Gram matrix (norms,
embeddings, biases) is averaged.

Inputs of the train split, no labels; the paper has a data set for each task, here all models see the problem's. The first layer of a block then has the same
inputs in all models, and is averaged: in a network whose blocks are single layers that is all. Costs a pass over the samples for every model and block.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from explorer.checkpoints.layer_names import NUMBERED
from explorer.checkpoints.per_tensor import in_memory
from explorer.checkpoints.weights import Weights, stored_type
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.methods.fuse import average
from explorer.methods.fuse._input_gram import input_grams, layers_of
from explorer.methods.fuse._least_squares import LeastSquares
from explorer.problems.problem import Problem

DATA = "train inputs"  # what it needs besides the models


def fuse(
    models: Sequence[Weights],
    problem: Problem,
    *,
    shrink: Annotated[float, Range(0, 1)] = 0.9,
    ridge: Annotated[float, Range(0, 1000)] = 0.0,
    samples: Annotated[int, Range(0, 1000000000)] = 1024,
    widest: Annotated[int, Range(0, 32768)] = 4096,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Weights:
    """One model of the models' shapes. `samples`: 0 for the whole train split."""
    in_memory(models, "regmean_plus needs inputs of the train split")
    layers = layers_of(problem.network(), widest)
    merged = average.fuse(models, problem)
    called = input_grams(problem, models[0], samples=1, widest=widest, device=device)
    blocks = list(dict.fromkeys(map(block_of, called)))
    waiting = set(blocks)
    for step, block in enumerate(blocks):
        inside = [name for name in called if block_of(name) == block]
        sums = LeastSquares(models, layers, shrink, ridge)
        for i, model in enumerate(models):

            def forward(done: int, total: int, message: str, at: int = step * len(models) + i, block: str = block) -> None:
                progress(at * total + done, len(blocks) * len(models) * total, f"{block}: {message}")

            behind = {name: tensor if block_of(name) in waiting else merged[name] for name, tensor in model.items()}
            sums.add(model, input_grams(problem, behind, only=inside, samples=samples, widest=widest, device=device, progress=forward))
        merged |= {name: sums.solved(name).to(stored_type(models, name)) for name in inside}
        waiting.remove(block)
    return merged


def block_of(name: str) -> str:
    """The numbered part of a network that a tensor is in, or its module."""
    found = NUMBERED.match(name)
    return f"{found[1]}.{found[2]}" if found else name.rpartition(".")[0]
