"""RegMean: merged layers whose outputs, on each model's own features, are as close as possible to that model's.

Jin, Ren, Preotiuc-Pietro & Cheng 2023, "Dataless Knowledge Fusion by Merging Weights of Language Models" (ICLR). Layer by layer

    W* = argmin_W Σᵢ ‖Xᵢ W − Xᵢ Wᵢ‖²  =  (Σ Ĝᵢ)⁻¹ Σ Ĝᵢ Wᵢ,        Gᵢ = Xᵢᵀ Xᵢ,   Ĝᵢ = α Gᵢ + (1 − α) diag Gᵢ

in closed form, without a gradient; Xᵢ: what goes into the layer in model i, on the train split. Linear layers and convolutions (as linear layers of
their patches; each group of channels for itself). Everything else, biases among it, is averaged; so are layers with more inputs than `widest`,
weights that several layers share, transposed convolutions, and attention that is not made of linear layers.

`shrink` is α: 1 solves the least squares as they are, 0 weighs every input by its own power. Where the features say nothing (inputs that are always
zero; without shrinking also directions that no sample has) the average stays: what is solved for is the step from the average to W*. `ridge` holds
this step small, as a share of the inputs' power. Needs inputs of the train split, no labels. Memory: a square matrix of each layer's inputs, in
float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from torch import Tensor

from explorer.checkpoints.arithmetic import combined
from explorer.checkpoints.per_tensor import by_tensor
from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
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
    equal = (1 / len(models),) * len(models)
    sums = LeastSquares(models, layers_of(problem.network(), widest), shrink, ridge)
    for i, model in enumerate(models):

        def forward(done: int, total: int, message: str, i: int = i) -> None:
            progress(i * total + done, len(models) * total, f"model {i + 1}: {message}")

        sums.add(model, input_grams(problem, model, samples=samples, widest=widest, device=device, progress=forward))

    def kernel(name: str, tensors: Sequence[Tensor]) -> Tensor:
        if name not in sums:
            return combined(tensors, equal)
        progress(len(models), len(models), f"Solving {name}")
        return sums.solved(name)

    return by_tensor(models, problem, kernel, buffers=equal)
