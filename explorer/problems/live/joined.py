"""Networks that answer in the explorer's form: one tensor in, one tensor out.

Where samples are one tensor and the output is one, a network stays as it is. Otherwise the inputs are numbers of rows, (n, 1), and the network puts the
samples of these rows together, asks itself about them, and gives what is compared with the targets, or straight away the loss of each sample.
It does so as an object of a class made for it, so that the names in its state dict stay as they are.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor, nn

from explorer.core.errors import Refused
from explorer.problems.live.answers import Asked, Form, asked, at_work
from explorer.problems.live.losses import LossFunction, of_outputs
from explorer.problems.live.trees import Samples
from explorer.problems.outputs import answer_of

Forward: TypeAlias = "Callable[[Any, Any], Any]"
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_forward_hooks_always_called", "_forward_hooks_with_kwargs", "_forward_pre_hooks_with_kwargs")


@dataclass(frozen=True)
class Shaped:
    """One tensor in; the output brought into the explorer's shape."""

    form: Form
    output: str = ""

    def answer(self, network: nn.Module, inputs: Tensor) -> Tensor:
        """(n, …) as the loss takes it."""
        found = answer_of(network(inputs), self.output)
        assert found is not None
        return self.form.answers(found)


@dataclass(frozen=True)
class OfBatches:
    """Whatever a batch is; the output's tensor in the explorer's shape. told: the network is given the targets too, as a decoder is that continues them."""

    form: Form
    told: bool = False
    output: str = ""

    def answer(self, network: nn.Module, batch: object) -> Tensor:
        """(n, …) as the loss takes it."""
        parts = asked(batch, network)
        found = answer_of((parts.telling if self.told else parts).to(network), self.output)
        assert found is not None
        return self.form.answers(found)


@dataclass(frozen=True)
class OfItems:
    """Whatever a batch is; the loss of each sample, and metrics beside it: (n, 1 + k).

    forward: somebody's own way there, `forward(model, batch)`, or else `loss(outputs, targets)`, or else the model's own `outputs.loss`. alone: it averages
    over its batch, and is asked about each sample by itself. metrics: further values of each sample, by functions, or by names in what forward returns.
    """

    forward: Forward | None
    loss: LossFunction | None
    alone: bool
    metrics: tuple[tuple[str, LossFunction | None], ...] = ()
    output: str = ""

    def answer(self, network: nn.Module, batch: object) -> Tensor:
        """(n, 1 + k) of a batch; of one that is averaged, (1, 1 + k)."""
        if self.forward is not None:
            return self._given(cast("object", self.forward(network, batch)))
        parts = asked(batch, network)
        n = _length(parts)
        if self.loss is None:
            outputs = parts.telling.to(network)
            losses = _own_loss(outputs, network).reshape(-1)
        else:
            outputs = parts.to(network)
            outputs = answer_of(outputs, self.output) if self.output else outputs
            losses = of_outputs(self.loss, outputs, parts.targets, n)
        columns = [losses]
        for name, function in self.metrics:
            assert function is not None, name
            columns.append(_each(function, outputs, parts.targets, n))
        if len({len(c) for c in columns}) > 1:  # the mean of a batch beside values of its samples
            columns = [c.mean().reshape(1) for c in columns]
        return torch.stack([c.float() if c.dtype != torch.float64 else c for c in columns], dim=1)

    def _given(self, found: object) -> Tensor:
        parts = cast("Mapping[str, object]", found) if isinstance(found, Mapping) else {"loss": found}
        if "loss" not in parts:
            raise Refused(f"forward returned a dict with {', '.join(parts)}, and no 'loss'. Put the loss of each sample there, (n,).")
        columns: list[Tensor] = []
        for name in ("loss", *(n for n, _ in self.metrics)):
            value = parts.get(name)
            if not isinstance(value, Tensor) or not value.is_floating_point():
                came = f"a {value.dtype} tensor" if isinstance(value, Tensor) else f"a {type(value).__name__}"
                raise Refused(f"forward gives {came} for {name!r}; a tensor of real numbers is expected, the value of each sample, (n,).")
            columns.append(value.reshape(len(value), -1).mean(dim=1) if value.dim() else value.reshape(1))
        if len({len(c) for c in columns}) != 1:
            raise Refused(
                f"forward gives {', '.join(str(len(c)) for c in columns)} values for the loss and the metrics; each needs one for each sample."
            )
        return torch.stack(columns, dim=1)


Way: TypeAlias = "Shaped | OfBatches | OfItems"


def join(network: nn.Module, way: Way, samples: Samples | None) -> nn.Module:
    """The network, answering in that way from now on; `samples`: what numbers of rows stand for."""
    kind = type(network)
    last: list[Any] = []  # the batches of the last call: while a graph is traced, rows have no numbers

    def batches(rows: Tensor, each: int, device: torch.device, dtype: torch.dtype) -> list[Any]:
        if not torch.compiler.is_exporting():
            assert samples is not None
            last[:] = [at_work(samples.batch(part), device, dtype) for part in rows.split(each)]
        return last

    def forward(self: nn.Module, inputs: Tensor) -> Tensor:
        inner = _inner(self, kind)
        if isinstance(way, Shaped):
            return way.answer(inner, inputs)
        weight, rows = next(self.parameters()), inputs.reshape(-1)
        together = any(m.training for m in self.modules())  # statistics are of a batch, and so is the mean that is trained on
        each = 1 if isinstance(way, OfItems) and way.alone and not together else len(rows)
        modes = [(module, module.training) for module in self.modules()] if isinstance(way, OfItems) and way.forward is not None else []
        try:
            found = torch.cat([way.answer(inner, batch) for batch in batches(rows, each, weight.device, weight.dtype)])
        finally:
            for module, training in modes:  # a forward may switch to the mode in which a detector gives its losses
                module.training = training
        if together and len(found) == 1:
            return found.expand(len(rows), -1)
        if len(found) != len(rows):
            raise Refused(
                f"{len(found)} losses came back for {len(rows)} samples; one for each sample is expected, (n,), or their mean. Average what belongs to one"
                " sample over its own axis."
            )
        return found

    network.__class__ = type(kind.__name__, (kind,), {"forward": forward, "__module__": kind.__module__})
    return network


def _inner(network: nn.Module, kind: type[nn.Module]) -> nn.Module:
    """The network as it was, on the same weights: what somebody's own code calls. It has no hooks: they are the outer one's."""
    inner = copy.copy(network)
    inner.__class__ = kind
    for name in _HOOKS:
        inner.__dict__[name] = OrderedDict()
    return inner


def _own_loss(outputs: object, network: nn.Module) -> Tensor:
    found = outputs.get("loss") if isinstance(outputs, Mapping) else getattr(outputs, "loss", None)
    if not isinstance(found, Tensor):
        raise Refused(f"{type(network).__name__} gives no 'loss' among its outputs. Give a loss, loss=, or forward=.")
    return found


def _each(function: LossFunction, outputs: object, targets: object, n: int) -> Tensor:
    found = cast("object", function(outputs, targets))
    if not isinstance(found, Tensor) or not found.dim() or len(found) != n:
        raise Refused(
            "Where outputs are not one tensor, a metric is a function of outputs and targets that gives a tensor with the value of each sample, (n,). Or"
            " let forward= return a dict with 'loss' and the metrics."
        )
    return found.reshape(n, -1).float().mean(dim=1)


def _length(parts: Asked) -> int:
    found = next((t for t in (*parts.args, *parts.named.values(), parts.targets) if isinstance(t, Tensor) and t.dim()), None)
    return 0 if found is None else len(found)
