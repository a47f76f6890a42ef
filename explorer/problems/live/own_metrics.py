"""Metrics of somebody's own: functions of outputs and targets, by name.

One that gives a value for each sample is a mean, and is kept as sums over blocks like the error. One that gives a single number for all samples (F1, an
area under a curve) is asked for the whole and for the whole without each block (explorer.evaluate.whole_metrics).
Which values are the better ones is said with the function, `("high", f1)`, or by its attribute `higher_is_better`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor, nn

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.problems import held
from explorer.problems.data import Dataset
from explorer.problems.held import HeldMetric
from explorer.problems.live.answers import Form
from explorer.problems.live.joined import OfItems, Way

Function: TypeAlias = "Callable[[Any, Any], Any]"
Good: TypeAlias = Literal["high", "low", "any"]
Metric: TypeAlias = "Function | tuple[str, Function | None] | None"

TRIED = 64  # samples


def named(metrics: Mapping[str, Metric] | None) -> tuple[tuple[str, Function | None, Good], ...]:
    """(name, function, which values are good) of each. Refused for a name that is taken, or for what is no function."""
    found: list[tuple[str, Function | None, Good]] = []
    for name, metric in (metrics or {}).items():
        good, function = metric if isinstance(metric, tuple) else (_good(metric), metric)
        if name in (*registry.names("metric"), "loss", "error") or not name.replace("_", "").replace("-", "").replace(" ", "").isalnum():
            raise Refused(
                f"A metric cannot be called {name!r}: that is one of the explorer's own, or contains characters other than letters, digits and _. Rename it."
            )
        if good not in ("high", "low", "any") or not (function is None or callable(function)):
            raise Refused(
                f"The metric {name!r} is a function of outputs and targets, or ('high', function) or ('low', function); got {metric!r:.60}."
            )
        found.append((name, function, good))
    return tuple(found)


def hold_metrics(
    metrics: Mapping[str, Metric] | None, network: nn.Module, dataset: Dataset, form: Form | None, way: Way | None, key: Callable[..., str]
) -> tuple[str, ...]:
    """Put them where the evaluator finds them, under the names that are returned: name@good-digest."""
    names: list[str] = []
    for i, (name, function, good) in enumerate(named(metrics)):
        if isinstance(way, OfItems):
            kept = HeldMetric(partial(_column, 1 + i), True)
            digest = key(name)
        else:
            if function is None:
                raise Refused(f"The metric {name!r} is None; a function of outputs and targets is expected, unless forward= returns its values.")
            digest = key(function)
            adding = callable(getattr(function, "reset", None))  # from call to call, as those of torchmetrics do: a copy of it is asked
            known = partial(_called, name, copy.deepcopy(function) if adding else function, form)
            kept = HeldMetric(known, _gives_each(name, known, network, dataset))
        full = f"{name}@{good}-{digest}"
        held.hold_metric(full, kept)
        names.append(full)
    return tuple(names)


def _good(function: object) -> Good:
    higher = getattr(function, "higher_is_better", None)
    return "any" if higher is None else "high" if higher else "low"


def _column(column: int, outputs: Tensor, targets: Tensor) -> Tensor:
    return outputs[:, column : column + 1]


def _called(name: str, function: Function, form: Form | None, outputs: Tensor, targets: Tensor) -> Tensor:
    """The metric's value, as a tensor in float64 or as it came."""
    if form is not None:
        outputs, targets = form.restored(outputs, targets)
    if callable(reset := getattr(function, "reset", None)):
        reset()
    try:
        found = cast("object", function(outputs, targets))
    except Exception as error:  # whatever somebody's function raises
        said = next(iter(str(error).splitlines()), type(error).__name__)[:160]
        raise Refused(
            f"The metric {name!r} does not take outputs {tuple(outputs.shape)} and targets {tuple(targets.shape)}: {type(error).__name__}: {said}. Correct it."
        ) from error
    if isinstance(found, Tensor):
        return found.detach()
    if isinstance(found, bool | int | float | np.ndarray | np.generic):
        return torch.as_tensor(np.asarray(found, dtype=np.float64))
    raise Refused(f"The metric {name!r} returns a {type(found).__name__}; a number is expected, or a tensor with one for each sample.")


def _gives_each(name: str, function: Callable[[Tensor, Tensor], Tensor], network: nn.Module, dataset: Dataset) -> bool:
    n = min(TRIED, len(dataset.inputs))
    found = function(network(dataset.inputs[:n]), dataset.targets[:n])
    if not found.dim() or found.numel() == 1:
        return False
    if len(found) != n or found.numel() > max(dataset.targets[:n].numel(), network(dataset.inputs[:n]).numel()):
        raise Refused(f"The metric {name!r} returns {tuple(found.shape)} for {n} samples; one number is expected, or one for each sample, (n,).")
    return True
