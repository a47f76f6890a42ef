"""Concrete task arithmetic: task vectors through a mask that is learned to make predictions sure. The first model is the base.

Tang, Shen, Luo, Ding, Hu, Du & Tao 2023, "Concrete Subspace Learning based Interference Elimination for Multi-task Model Fusion" (arXiv 2312.06173). One mask
for all tasks, with a logit x for every weight; while it is learned it is drawn from the Concrete distribution (Maddison et al. 2017), u uniform on 0 … 1:

    m = sigmoid((log u − log(1 − u) + x) / temperature)        m̂ = m / the tensor's mean of m        W = W₀ + scale · m̂ ∘ Σᵢ (Wᵢ − W₀)

and x goes down the mean entropy of softmax f(x, W) over inputs without labels, by Adam. What comes out is made with m = sigmoid(x), the probability that a
weight is on (the authors draw once more). Each tensor's mean change stays: changes are moved from weights that harm to others.

Inputs of the validation split, no labels; the paper adapts to the inputs that it is tested on, with a data set for each task. `scale` is that of task
arithmetic, to be chosen before (0.3 in the paper, for the sum of the task vectors). Low entropy does not mean high accuracy: watch the
accuracy on labelled samples. Classification and language models only. Memory: five numbers for each weight beside the models.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import torch
from torch import Tensor

from explorer.checkpoints.arithmetic import mean, vectors, wide
from explorer.checkpoints.per_tensor import by_tensor, of_number
from explorer.checkpoints.weights import Weights, own_names
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.evaluate.evaluator import network_like
from explorer.methods.fuse._entropy import confidence_is_known, entropy
from explorer.methods.fuse._learned_coefficients import Descent, descend
from explorer.methods.fuse._task_vectors import WANTED
from explorer.problems.problem import Problem
from explorer.training.curve_training import batch_statistics

BASE = True
MODELS = (2, None)
DATA = "val inputs"  # what it needs besides the models


def fuse(
    models: Sequence[Weights],
    problem: Problem,
    *,
    scale: Annotated[float, Range(-10, 10)] = 0.3,
    temperature: Annotated[float, Range(0.01, 100)] = 0.5,
    epochs: Annotated[int, Range(0, 10000)] = 20,
    lr: Annotated[float, Range(0, 100)] = 0.01,
    batch: Annotated[int, Range(1, 1048576)] = 128,
    samples: Annotated[int, Range(0, 1000000000)] = 0,
    seed: Annotated[int, Range(0, 2147483647)] = 0,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Weights:
    """One model of the models' shapes. `samples`: of the split, 0 for all; 0 epochs: task arithmetic with the coefficient `scale`."""
    of_number(models, MODELS, "concrete", WANTED)
    confidence_is_known("concrete", problem)
    network = batch_statistics(network_like(problem, models[0], torch.device(device)))
    network.load_state_dict({n: models[0][n] for n in network.state_dict()})
    own = own_names(network)
    base = {n: p.detach() for n, p in network.named_parameters()}
    change = {n: (mean(vectors([wide(m[n]) for m in models]), [scale] * (len(models) - 1))).to(device, p.dtype) for n, p in base.items()}
    logits = {n: torch.zeros_like(p, requires_grad=True) for n, p in base.items()}
    generator = torch.Generator().manual_seed(seed)

    def point() -> dict[str, Tensor]:
        return {n: base[n] + change[n] * rescaled(drawn(x, temperature, generator)) for n, x in logits.items()}

    how = Descent(epochs, lr, batch, samples, seed)
    sure = partial(entropy, problem)
    descend(network, problem, list(logits.values()), point, sure, split="val", how=how, held=lambda: None, device=device, progress=progress)
    masks = {n: rescaled(x.detach().sigmoid()).cpu() for n, x in logits.items()}

    def kernel(name: str, tensors: Sequence[Tensor]) -> Tensor:
        added = mean(vectors([wide(t) for t in tensors]), [scale] * (len(models) - 1))
        return wide(tensors[0]) + (added * masks[own[name]].to(added) if name in own else added)

    return by_tensor(models, problem, kernel, buffers=(0.0, *[1 / (len(models) - 1)] * (len(models) - 1)))


def drawn(logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """A mask between 0 and 1 from the Concrete distribution, differentiable in the logits."""
    u = torch.rand(logits.shape, generator=generator).clamp_(1e-6, 1 - 1e-6).to(logits)
    return ((u.logit() + logits) / temperature).sigmoid()


def rescaled(mask: Tensor) -> Tensor:
    """The mask with the mean 1."""
    return mask / mask.mean() if mask.numel() else mask
