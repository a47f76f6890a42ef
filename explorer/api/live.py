"""A problem of objects in memory: a network, a loader, a loss function, as one has them in a notebook."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from explorer.core.spec import ProblemSpec
from explorer.problems.live.assemble import Given, assemble

if TYPE_CHECKING:
    from torch import nn


def live_problem(
    network: nn.Module,
    data: object,
    *,
    train: object = None,
    val: object = None,
    loss: str | Callable[[Any, Any], Any] | None = None,
    forward: Callable[[Any, Any], Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
    take: int = 0,
    output: str | int = "",
    symmetry: Mapping[str, Sequence[str]] | None = None,
) -> ProblemSpec:
    """What `data=`, `loss=` and so on of the other functions make, once for several calls: give it to them as `problem=`.

    `network`: any torch module; a copy of it in eval mode is used, and nothing of it is changed: weights, buffers, mode, gradients, hooks, device.

    `data`, `train`, `val`: a DataLoader, a Dataset (of torch or of `datasets`), a tuple of tensors or arrays (inputs, …, targets), a dict of them, a data frame
    (the last column is the target), or a list of batches. Read once, in order: where a loader shuffles, in the order of its data set. A batch is a tensor, a
    tuple with the targets last, or a dict with the targets under `labels`, `label`, `targets`, `target` or `y`; the rest goes into the network. Models are
    measured on `data`; batch-norm statistics and trainings use `train`, soups choose on `val`. Without `train`, 30 % of the samples are measured on, 20 % are
    `val` and 50 % `train`, drawn once from a fixed seed; without `val` alone, 20 % of `train` are taken for it.

    `loss`: a function or module of outputs and targets, or the name of one of the explorer's. It gives the loss of each sample, or their mean: one with a
    `reduction` is asked for the items, any other that averages is asked about each sample alone. None: cross-entropy where targets are whole numbers, mean
    squared error where they are real, or the loss that the model itself gives with its outputs. `output`: which output the loss is about, where there are several
    and none is called `logits`: a name of a dict or an object, the number of one of a tuple. `forward(model, batch)` replaces both where inputs, outputs or
    targets are anything else (graphs, detection, diffusion): it returns the loss of each sample, (n,), or a dict with `loss` and further metrics, (n,) each.

    `metrics`: {name: function of outputs and targets}, measured beside loss and error. One value for each sample: a mean, with its interval. One number for
    all: its interval is from the jackknife over blocks of samples, for which it is asked 256 times more at every point. `("high", function)` or
    `("low", function)` says which values are better, which a barrier needs. `take`: how many samples are read of each source, 0 for all.

    `symmetry`: only where it cannot be deduced which units may be permuted: of each tensor, the group on each axis, "-" for none:
    {"fc1.weight": ["hidden", "-"], "fc1.bias": ["hidden"], "fc2.weight": ["-", "hidden"]}; it is tested before it is used.

    What is measured is kept under the content of weights and data, and the code of network, loss and metrics: the same objects find it again tomorrow. The app
    shows it; more of it is measured only where the objects are. Refused, in a sentence, for what does not go together.

    >>> import torch
    >>> x, y = torch.randn(200, 8, generator=torch.Generator().manual_seed(0)), torch.arange(200) % 3
    >>> problem = live_problem(torch.nn.Linear(8, 3), (x, y))
    >>> problem.loss, problem.title
    ('cross_entropy', 'Linear, 200 samples in memory (a fixed split: 30 % test, 20 % val, 50 % train)')
    """
    return assemble(Given(network, data, train, val, loss, forward, metrics, take, output, symmetry))[0]
