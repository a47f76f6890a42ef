"""CAT Merging: from each task vector goes what the other tasks' features would feel most. The first model is the base.

Sun, Li, Geng & Li 2025, "CAT Merging: A Training-Free Approach for Resolving Conflicts in Model Merging" (ICML), Section 4. With the task vectors
Tᵢ = Wᵢ − W₀, and Xₖ what goes into the layer in model k, on few samples without labels, for every k

    weights     Bₖ: the `trim` leading eigenvectors of Σ_{i≠k} Tᵢ (Xₖᵀ Xₖ − keep · Xᵢᵀ Xᵢ) Tᵢᵀ, those with a value above 0    (Tᵢ: units × inputs)
    gains       the `trim` entries with the largest Σ_{i≠k} (zₖ² − keep · zᵢ²) Tᵢ², z: the normalised features a gain multiplies, z² their mean
    biases      the `trim` entries with the largest Σ_{i≠k} Tᵢ²

are taken out of every Tᵢ, i ≠ k: the first is what the change of the others does to task k (conflict), the second, weighed by `keep` (λ in the paper), what it
does for the task it comes from. Then W = W₀ + scale · mean Tᵢ. (The paper adds scale · the sum: that is a scale of as many as there are models.)

Weights are those of linear layers and convolutions (as matrices on their patches, each group for itself) that no other layer reads, gains those of norm
layers, biases all else of one axis; the rest is averaged. All Bₖ come from the task vectors as they are, and what one Tᵢ loses is its part in
the span of all of them, so that the order of the models does not matter. The paper has a data set for each task, here all models see the problem's. Memory:
a square matrix of each layer's inputs for each model, in float64. Of one model nothing is taken out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Annotated, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from explorer.checkpoints.arithmetic import wide
from explorer.checkpoints.per_tensor import by_tensor, of_number
from explorer.checkpoints.singular_values import svd
from explorer.checkpoints.weights import Weights
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.evaluate.evaluator import CHUNK, network_like
from explorer.methods.fuse._input_gram import as_matrix, as_weight, input_grams, layers_of
from explorer.methods.fuse._task_vectors import WANTED
from explorer.problems.problem import Problem

BASE = True  # the first model is the base
MODELS = (2, None)  # fewest and most models
DATA = "train inputs"  # what it needs besides the models


def fuse(
    models: Sequence[Weights],
    problem: Problem,
    *,
    trim: Annotated[int, Range(0, 4096)] = 2,
    keep: Annotated[float, Range(0, 1000)] = 1.0,
    scale: Annotated[float, Range(-100, 100)] = 1.0,
    samples: Annotated[int, Range(1, 1000000000)] = 64,
    widest: Annotated[int, Range(0, 32768)] = 4096,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Weights:
    """One model of the models' shapes. `samples`: of the train split; the paper needs few."""
    of_number(models, MODELS, "cat", WANTED)
    count = len(models) - 1
    layers = layers_of(problem.network(), widest)
    grams: list[dict[str, Tensor]] = []
    powers: list[dict[str, Tensor]] = []
    for i, model in enumerate(models[1:]):

        def forward(done: int, total: int, message: str, i: int = i) -> None:
            progress(i * total + done, count * total, f"model {i + 1}: {message}")

        grams.append(input_grams(problem, model, samples=samples, widest=widest, device=device, progress=forward))
        powers.append(normalised_powers(problem, model, samples=samples, device=device))

    def kernel(name: str, tensors: Sequence[Tensor]) -> Tensor:
        base = wide(tensors[0])
        changes = [wide(t) - base for t in tensors[1:]]
        if name in grams[0]:
            matrices = [as_matrix(change, layers[name]) for change in changes]
            trimmed = projected(matrices, [g[name].to(base) for g in grams], trim, keep)
            changes = [as_weight(matrix, layers[name], base.shape) for matrix in trimmed]
        elif base.dim() == 1:
            changes = masked(changes, [p[name].to(base) for p in powers] if name in powers[0] else None, trim, keep)
        return base + scale / count * torch.stack(changes).sum(dim=0)

    return by_tensor(models, problem, kernel, buffers=(0.0, *[1 / count] * count), progress=progress)


def projected(changes: Sequence[Tensor], grams: Sequence[Tensor], trim: int, keep: float) -> list[Tensor]:
    """(groups, units, inputs) task matrices without what conflicts; grams: (groups, inputs, inputs) Xᵀ X of each task."""
    bases: list[Tensor] = []
    for k, own in enumerate(grams):
        felt = torch.zeros_like(changes[0] @ changes[0].mT)
        for i, change in enumerate(changes):
            if i != k:
                felt = felt + change @ (own - keep * grams[i]) @ change.mT
        values, vectors = torch.linalg.eigh(felt)
        noise = values.abs().amax(dim=-1, keepdim=True) * values.shape[-1] * torch.finfo(values.dtype).eps
        leading = vectors[..., max(values.shape[-1] - trim, 0) :]
        bases.append(leading * (values > noise)[..., max(values.shape[-1] - trim, 0) :].unsqueeze(-2))
    found: list[Tensor] = []
    for i, change in enumerate(changes):
        if not (others := [b for k, b in enumerate(bases) if k != i]):
            return list(changes)
        span = torch.cat(others, dim=-1)  # (groups, units, ≤ trim · others)
        u, s, _ = svd(span)
        u = u * (s > 1e-6).unsqueeze(-2)  # lengths of orthonormal vectors and noughts
        found.append(change - u @ (u.mT @ change))
    return found


def masked(changes: Sequence[Tensor], powers: Sequence[Tensor] | None, trim: int, keep: float) -> list[Tensor]:
    """Task vectors of one axis without the entries that conflict; powers: of each task the mean square of what each entry multiplies, None of a bias."""
    stays = [torch.ones_like(change) for change in changes]
    for k in range(len(changes)):
        felt = torch.zeros_like(changes[0])
        for i, change in enumerate(changes):
            if i != k:
                felt += change.square() * (1.0 if powers is None else powers[k] - keep * powers[i])
        places = felt.topk(min(trim, felt.numel())).indices
        for i, stay in enumerate(stays):
            if i != k:
                stay[places] *= (felt[places] <= 0).to(stay)
    return [change * stay for change, stay in zip(changes, stays, strict=True)]


def normalised_powers(problem: Problem, weights: Mapping[str, Tensor], *, samples: int, device: str = "cpu") -> dict[str, Tensor]:
    """For each gain of a norm layer by name, (units,) the mean square of the normalised features that it multiplies, on the train split in eval mode."""
    network = network_like(problem, weights, torch.device(device))
    network.load_state_dict({n: weights[n] for n in network.state_dict()})
    inputs = problem.split("train").inputs[:samples]
    sums: dict[str, tuple[Tensor, int]] = {}

    def note(name: str, module: nn.Module, args: tuple[object, ...], kwargs: dict[str, object], output: object) -> None:
        if noting:
            return
        noting.append(name)  # the call below comes here again
        plain = {n: torch.ones_like(p) if n == "weight" else torch.zeros_like(p) for n, p in module.named_parameters(recurse=False)}
        z = cast("Tensor", functional_call(module, plain, args, kwargs)).detach().double()
        noting.clear()
        units = plain["weight"].numel()
        axis = 1 if z.shape[-1] != units or isinstance(module, nn.modules.batchnorm._BatchNorm | nn.GroupNorm) else -1  # pyright: ignore[reportPrivateUsage]  (the common base)
        rows = z.movedim(axis, -1).reshape(-1, units)
        total, seen = sums.get(name, (torch.zeros(units, dtype=torch.float64, device=z.device), 0))
        sums[name] = (total + rows.square().sum(dim=0), seen + len(rows))

    noting: list[str] = []
    with ExitStack() as stack, torch.no_grad():
        for name, module in network.named_modules():
            weight = getattr(module, "weight", None)
            if "norm" in type(module).__name__.lower() and isinstance(weight, nn.Parameter) and weight.dim() == 1:
                stack.callback(module.register_forward_hook(partial(note, f"{name}.weight"), with_kwargs=True).remove)
        for start in range(0, len(inputs), CHUNK):
            chunk = inputs[start : start + CHUNK].to(device)
            network(chunk.to(next(network.parameters()).dtype) if chunk.is_floating_point() else chunk)
    return {name: (total / seen).cpu() for name, (total, seen) in sums.items()}
