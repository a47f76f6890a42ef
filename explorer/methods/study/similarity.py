"""Similarity: how alike models are, by what their layers represent, by what they predict, and by their weights.

Between the models, layer by layer: linear CKA, plain and debiased, and Procrustes, each with its interval (explorer.stats.representations: 1 for representations that a rotation and a scale
make equal, as those of networks whose units are in another order); and between all layers of the first two models, debiased. Beside them the share of samples on which
their predictions differ, with its interval, and the cosine and distance of their weights, which know nothing of the order of units. On the first
`samples` of the split; a layer's outputs are all that it gives for a sample: pixels and tokens as well as units.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Annotated, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from explorer.checkpoints.weights import Weights, gram
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.points import Array
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.core.spec import Json
from explorer.evaluate.evaluator import inputs_for, network_like
from explorer.evaluate.weighted_layers import axes_of
from explorer.methods.study._model_outputs import blocks_of
from explorer.problems.problem import Problem
from explorer.stats.intervals import mean
from explorer.stats.representations import SAMPLES, Alike, centred, cka, cka_intervals, procrustes_intervals, unbiased

CHUNK = 256
MOST = 64  # models


def study(
    models: Sequence[Weights],
    problem: Problem,
    *,
    split: Literal["train", "val", "test"] = "val",
    samples: Annotated[int, Range(16, 4096)] = 512,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Json:
    """{"layers": L names, "cka", "debiased", "procrustes": for each layer n rows of n, "between": L rows of L, "disagree": n rows of n [value, low, high] or None,
    "cosine", "distance": n rows of n, "samples", "intervals": {"cka", "debiased", "procrustes": for each layer n rows of n [low, high]}}. None: a layer that does not vary. Refused for one model, for more than 64, and for too few samples.
    """
    if not 2 <= len(models) <= MOST:
        raise Refused(f"Similarity is between 2 to {MOST} models; got {len(models)}. Choose some of them.")
    inputs, targets = problem.split(split).inputs[:samples], problem.split(split).targets[:samples]
    if len(inputs) < SAMPLES:
        raise Refused(f"CKA needs {SAMPLES} samples or more, and the {split} split has {len(inputs)}. Choose another split.")
    inner: list[dict[str, Array]] = []
    outputs: list[Tensor] = []
    for i, weights in enumerate(models):
        progress(i, len(models) + 1, f"evaluating model {i + 1} of {len(models)}")
        layers, said = _represented(problem, weights, inputs, device)
        inner.append(layers)
        outputs.append(said)
    names = [name for name in inner[0] if all(name in layers for layers in inner)]
    progress(len(models), len(models) + 1, "comparing")
    found: dict[str, list[Alike]] = {"cka": [], "debiased": [], "procrustes": []}
    for name in names:
        mine = np.stack([centred(layers[name]) for layers in inner])
        found["cka"].append(cka_intervals(mine))
        found["procrustes"].append(procrustes_intervals(mine))
        found["debiased"].append(cka_intervals(np.stack([unbiased(layers[name]) for layers in inner])))
    both = cka(np.stack([unbiased(layers[name]) for layers in inner[:2] for name in names]))
    products = gram(models, problem.parameters())
    sizes = np.sqrt(products.diagonal())
    square = products.diagonal()[:, None] + products.diagonal() - 2 * products
    return {
        "layers": list(names),
        **{name: [_rows(alike.value) for alike in each] for name, each in found.items()},
        "intervals": {name: [_ends(alike) for alike in each] for name, each in found.items()},
        "between": _rows(both[: len(names), len(names) :]),
        "disagree": _disagreement(problem, outputs, targets),
        "cosine": _rows(products / (sizes[:, None] * sizes)),
        "distance": _rows(np.sqrt(np.maximum(square, 0.0))),
        "samples": len(inputs),
    }


def _represented(problem: Problem, weights: Weights, inputs: Tensor, device: str) -> tuple[dict[str, Array], Tensor]:
    """(n, n) inner products of what each layer with a weight matrix gives, in the order in which they are called first, and the network's outputs."""
    place = torch.device(device)
    network = network_like(problem, weights, place)
    network.load_state_dict({name: weights[name] for name in network.state_dict()})
    network.eval()
    seen: dict[str, list[Tensor]] = {}
    said: list[Tensor] = []
    with torch.inference_mode():
        for part in inputs.split(CHUNK):
            with _read(network, len(part)) as found:
                said.append(network(inputs_for(network, part, place)).cpu())
            for name, features in found.items():
                seen.setdefault(name, []).append(features)
        whole = {name: torch.cat(parts) for name, parts in seen.items() if sum(map(len, parts)) == len(inputs)}
        return {name: (rows.double() @ rows.double().T).cpu().numpy() for name, rows in whole.items()}, torch.cat(said)


@contextmanager
def _read(network: nn.Module, batch: int) -> Generator[dict[str, Tensor], None, None]:
    """What each layer gives for a batch, flattened; of one that is called several times the last, of one whose first axis is not the samples' nothing."""
    found: dict[str, Tensor] = {}

    def keep(name: str, output: object) -> None:
        if isinstance(output, Tensor) and output.dim() > 1 and len(output) == batch:
            found[name] = output.flatten(1)

    def hook(name: str) -> torch.utils.hooks.RemovableHandle:
        return network.get_submodule(name).register_forward_hook(lambda _module, _args, output: keep(name, cast("object", output)))

    handles = [hook(name) for name, module in network.named_modules() if axes_of(module) is not None]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _disagreement(problem: Problem, outputs: Sequence[Tensor], targets: Tensor) -> Json:
    """Shares of samples on which two models' largest outputs are of different classes; None where there are no classes."""
    if not registry.labelled(problem.spec.loss):
        return None
    answers = torch.stack([o.argmax(dim=-1).flatten() for o in outputs]).numpy()
    block = blocks_of(targets).numpy()
    counts = np.bincount(block).astype(np.float64)

    def apart(a: Array, b: Array) -> Json:
        wrong = np.bincount(block, weights=(a != b).astype(np.float64), minlength=len(counts)).astype(np.float64)
        found = mean(wrong, counts, counted=True)
        return [found.value, max(found.low, 0.0), min(found.high, 1.0)] if a is not b else [0.0, 0.0, 0.0]

    return [[apart(a, b) for b in answers] for a in answers]


def _ends(alike: Alike) -> Json:
    """n rows of n [low, high]; None where there is no number."""
    return [
        [[float(low), float(high)] if np.isfinite(low) and np.isfinite(high) else None for low, high in zip(*row, strict=True)]
        for row in zip(alike.low, alike.high, strict=True)
    ]


def _rows(values: Array) -> list[Json]:
    return [[float(v) if np.isfinite(v) else None for v in row] for row in values]
