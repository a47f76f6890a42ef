"""What models answer on the samples of a split, in the blocks in which every point of the problem is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.progress import Progress, quiet
from explorer.core.spec import SplitName
from explorer.evaluate.evaluator import CHUNK, inputs_for, network_like
from explorer.evaluate.steady_answers import ASKED, steady
from explorer.methods.study._output_ensemble import together
from explorer.problems.problem import Problem

BLOCKS = 256


def outputs(problem: Problem, weights: Mapping[str, Tensor], split: SplitName, *, device: str = "cpu") -> Tensor:
    """(n, …, classes) outputs on a split, on the CPU."""
    return each(problem, weights, split, lambda outputs, _targets: outputs, device=device)


def each(problem: Problem, weights: Mapping[str, Tensor], split: SplitName, of: Callable[[Tensor, Tensor], Tensor], *, device: str = "cpu") -> Tensor:
    """(n, …) what `of` makes of the outputs and the targets of some samples at a time, on the CPU: the outputs of a language model do not fit into memory."""
    network = network_like(problem, weights, torch.device(device))
    network.load_state_dict({name: weights[name] for name in network.state_dict()})
    steady(network, inputs_for(network, problem.split(split).inputs[:ASKED], torch.device(device)))
    with torch.inference_mode():
        batch = problem.split(split)
        parts = zip(batch.inputs.split(CHUNK), batch.targets.split(CHUNK), strict=True)
        return torch.cat([of(network(inputs_for(network, part, torch.device(device))).cpu(), targets) for part, targets in parts])


def asked(
    problem: Problem,
    models: Sequence[Mapping[str, Tensor]],
    split: SplitName,
    *,
    ensemble: int = 0,
    device: str = "cpu",
    progress: Progress = quiet,
) -> Iterator[Tensor]:
    """The outputs of one model after the other; then, where `ensemble` is 2 or more, what the first so many say together (the mean of their probabilities).

    Refused unless the problem is one of classes.
    """
    if not registry.labelled(problem.spec.loss):
        raise Refused(f"Confidence and accuracy by class need classes. With {problem.spec.loss} there is no true class for each answer.")
    kept: list[Tensor] = []
    for i, model in enumerate(models):
        progress(i, len(models), f"evaluating model {i + 1} of {len(models)}")
        found = outputs(problem, model, split, device=device)
        if i < ensemble:
            kept.append(found)
        yield found
    if ensemble > 1:
        yield together(kept, "probabilities")


def blocks_of(targets: Tensor) -> Tensor:
    """Which of the fixed blocks each item lies in, in the targets' flattened order."""
    block = torch.arange(len(targets)) % min(BLOCKS, len(targets))
    return block.repeat_interleave(targets[0].numel()) if len(targets) else block
