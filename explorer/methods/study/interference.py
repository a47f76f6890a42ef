"""Interference: in which layers a merged model loses what its ingredients had.

The first model is the merged one, the others are its ingredients. For every layer

    spread      standard deviation of what the layer gives, mean over its units, in the merged model by the mean of the ingredients'. Well below 1 is
                variance collapse (Jordan et al. 2023, "REPAIR"): units that do not correspond average to nearly nothing.
    conflicts   share of the weights whose signs oppose each other among the ingredients, and what is `cancelled` of their magnitude when they are
                added (explorer.methods.study._sign_conflicts); with `base`, of the differences from the first ingredient.
    rise        how much the loss rises when this layer alone is replaced by the merged one, mean over the ingredients, paired sample by sample: the
                barrier layer by layer (Adilova et al. 2024, "Layer-wise linear mode connectivity", for the average).

Layers are modules that own parameters. Batch-norm statistics are re-estimated wherever weights were put together. Rises of layers do not add up to
that of the whole. On the first `samples` of the split.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
import torch
from torch import nn

from explorer.checkpoints.weights import Weights, own_names
from explorer.core.errors import Refused
from explorer.core.points import Array
from explorer.core.progress import Progress, quiet
from explorer.core.registry import Range
from explorer.core.spec import Json, SplitName
from explorer.evaluate.evaluator import RECALIBRATION_SAMPLES, Evaluate, inputs_for, network_like
from explorer.evaluate.repair import moments
from explorer.evaluate.weighted_layers import axes_of
from explorer.methods.study._sign_conflicts import conflicts, vectors
from explorer.problems.problem import Problem
from explorer.stats.intervals import mean

EVERY_CALL = 2**30  # a layer may be called any number of times in a pass
CHUNK = 256


def study(
    models: Sequence[Weights],
    problem: Problem,
    *,
    base: bool = False,
    split: Literal["train", "val", "test"] = "val",
    samples: Annotated[int, Range(0, 10000000)] = 512,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Json:
    """{"layers": [{"name", "parameters", "spread", "conflicts", "cancelled", "loss": [value, low, high], "error"}], "whole": {"loss", "error"}}.

    None where there is nothing to count, or a value is not finite. Refused without two ingredients, or with a base without three.
    """
    merged, *ingredients = models
    if len(ingredients) < 2 + base:
        raise Refused(f"Interference is between two models or more{', besides the base' * base}; got {len(ingredients)} ingredients.")
    network = problem.network()
    layers = owned(network)
    own = [n for names in layers.values() for n in names]
    moved = vectors(ingredients, own, base=base)
    spreads = [_spreads(problem, m, layers, split, samples, device) for m in models]
    tested = ingredients[base:]
    alone = [_sums(problem, m, split, samples, device) for m in tested]
    counts = alone[0][1]
    total, done = len(layers) * len(tested), 0
    rows: list[Json] = []
    for layer, names in layers.items():
        rises: list[Array] = []
        for model, (before, _) in zip(tested, alone, strict=True):
            progress(done, total, f"replacing {layer or 'the layer'}: {done} of {total}")
            replaced = {**model, **{n: merged[n] for n in _with_ties(network, names)}}
            rises.append(_sums(problem, replaced, split, samples, device)[0] - before)
            done += 1
        clash = conflicts(moved, names)
        mean = float(np.mean([s[layer] for s in spreads[1:]])) if all(layer in s for s in spreads) else 0.0
        rows.append(
            {
                "name": layer or "(network)",
                "parameters": sum(merged[n].numel() for n in names),
                "spread": _plain(spreads[0][layer] / mean) if mean else None,
                "conflicts": _plain(clash.share),
                "cancelled": _plain(clash.cancelled),
                **_rise(np.mean(rises, axis=0), counts),
            }
        )
    whole = _sums(problem, merged, split, samples, device)[0] - np.mean([a for a, _ in alone], axis=0)
    return {"layers": rows, "whole": _rise(whole, counts)}


def owned(network: nn.Module) -> dict[str, list[str]]:
    """Modules that own parameters → the names of these; one that two modules share belongs to the first."""
    named = dict(network.named_parameters())
    found: dict[str, list[str]] = {}
    for name in named:
        found.setdefault(name.rpartition(".")[0], []).append(name)
    return found


def _with_ties(network: nn.Module, names: Sequence[str]) -> list[str]:
    """All names in the state dict of the tensors that go by these names."""
    return [every for every, own in own_names(network).items() if own in names]


def _spreads(problem: Problem, weights: Weights, layers: dict[str, list[str]], split: SplitName, samples: int, device: str) -> dict[str, float]:
    """Mean over units of the standard deviation of what each layer with a weight matrix gives, the model as it is."""
    network = network_like(problem, weights, torch.device(device))
    network.load_state_dict({n: weights[n] for n in network.state_dict()})
    inputs = inputs_for(network, problem.split(split).inputs[: samples or None], torch.device(device))
    read = [n for n in layers if axes_of(network.get_submodule(n)) is not None]
    found = moments(network, dict.fromkeys(read, EVERY_CALL), inputs.split(CHUNK))
    return {name: float(m.std.mean()) for name, m in found.items() if m.std.dim()}  # a layer that is never called has none


def _sums(problem: Problem, weights: Weights, split: SplitName, samples: int, device: str) -> tuple[Array, Array]:
    """(2, blocks) sums of loss and error, batch norm re-estimated, and (blocks,) items."""
    corner = {n: weights[n] for n in problem.shapes()}
    evaluate = Evaluate(problem, [corner], split=split, samples=samples, recalibration=RECALIBRATION_SAMPLES // 4, prepare=False, device=device)
    return evaluate.alone(0, recalibrated=True), evaluate.counts


def _rise(blocks: Array, counts: Array) -> dict[str, Json]:
    found = {name: mean(sums, counts, counted=name == "error") for name, sums in zip(("loss", "error"), blocks, strict=True)}
    return {name: [_plain(e.value), _plain(e.low), _plain(e.high)] for name, e in found.items()}


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
