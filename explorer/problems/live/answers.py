"""How a network is asked about a batch, and what of its answer is compared with the targets.

A batch is a tensor, a tuple with the targets last, or a dict with the targets under one of `TARGETS`; the rest goes into the network's forward in order or
by name. Outputs are a tensor, or are found under `logits` or the name that is given (explorer.problems.outputs). Where classes lie on the second axis, as torch has them for images, or numbers have no axis of
their own, a `Form` brings both into the explorer's shapes, and a person's own loss and metrics see them as they were.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, cast

import torch
from torch import Tensor, nn

from explorer.core.errors import Refused
from explorer.problems.live.trees import mapped

TARGETS = ("labels", "label", "targets", "target", "y")
IGNORED = -100  # torch's own number for a target that is not asked for

Kind: TypeAlias = Literal["classes", "masked", "numbers"]


@dataclass(frozen=True)
class Asked:
    """A batch as a network takes it, and its targets."""

    args: tuple[Any, ...]
    named: dict[str, Any]
    targets: Any
    target: str = ""  # what the targets are called, where they have a name

    @property
    def plain(self) -> bool:
        """Whether the network takes one tensor and nothing else."""
        return not self.named and len(self.args) == 1 and isinstance(self.args[0], Tensor)

    @property
    def telling(self) -> Asked:
        """The same with the targets among what the network is given, by their name."""
        return replace(self, named={**self.named, self.target: self.targets})

    def to(self, network: nn.Module) -> object:
        """What the network answers."""
        return network(*self.args, **self.named)


def asked(batch: object, network: nn.Module) -> Asked:
    """A batch taken apart. Refused for what has no such parts."""
    match batch:
        case Tensor():
            return Asked((batch,), {}, None)
        case Mapping():
            inside = cast("Mapping[str, Any]", batch)
            target = next((name for name in TARGETS if name in inside), "")
            rest = {name: part for name, part in inside.items() if name != target}
            taken = _taken(network)
            fitting = rest if taken is None else {name: part for name, part in rest.items() if name in taken}
            targets = inside[target] if target else None
            return Asked((), fitting, targets, target) if fitting else Asked(tuple(rest.values()), {}, targets, target)
        case tuple() | list() if len(cast("tuple[object, ...]", batch)) > 1:
            *inputs, targets = cast("tuple[object, ...]", batch)
            if len(inputs) == 1 and isinstance(inputs[0], Mapping):
                return Asked((), dict(cast("Mapping[str, Any]", inputs[0])), targets)
            return Asked(tuple(inputs), {}, targets)
        case tuple() | list() if len(cast("tuple[object, ...]", batch)) == 1:
            return asked(cast("tuple[object, ...]", batch)[0], network)
        case _:
            raise Refused(
                f"A batch is a {type(batch).__name__}, and it is not clear how the network takes it. Give forward=lambda model, batch: …, which returns the"
                " loss of each sample, (n,)."
            )


@dataclass(frozen=True)
class Form:
    """Shapes of outputs and targets as somebody has them, and as the explorer does: classes last, one row of numbers or items for each sample.

    outputs, targets: of one sample. axis: of the classes in the outputs. shifted: outputs are compared with the targets one place later, as those of a
    causal language model are with its own inputs. ignored: the number of a class that is not asked for.
    """

    kind: Kind
    outputs: tuple[int, ...]
    targets: tuple[int, ...]
    dtype: torch.dtype
    axis: int = -1
    shifted: bool = False
    ignored: int = IGNORED

    def answers(self, outputs: Tensor) -> Tensor:
        """Outputs as the explorer takes them."""
        if self.shifted:
            outputs = outputs[:, :-1]
        if self.kind == "numbers":
            return outputs.flatten(1) if outputs.dim() > 1 else outputs[:, None]
        if self.axis == 1 and outputs.dim() > 2:
            return outputs.movedim(1, -1).flatten(1, -2)
        return outputs.flatten(1, -2) if outputs.dim() > 3 else outputs

    def expected(self, targets: Tensor) -> Tensor:
        """Targets as the explorer takes them."""
        if self.shifted:
            targets = targets[:, 1:]
        if self.kind == "numbers":
            return (targets.flatten(1) if targets.dim() > 1 else targets[:, None]).float()
        flat = targets.reshape(len(targets), -1).long()
        flat = torch.where(flat == self.ignored, -1, flat) if self.kind == "masked" else flat
        return flat[:, 0] if flat.shape[1] == 1 and len(self.outputs) == 1 else flat

    def restored(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Both as somebody's own function knows them, classes int64, real numbers in the outputs' precision; of a language model what is compared."""
        n = len(outputs)
        if self.shifted:
            return outputs, torch.where(targets < 0, self.ignored, targets)
        if self.kind == "numbers":
            dtype = outputs.dtype if self.dtype.is_floating_point else self.dtype
            return outputs.reshape(n, *self.outputs), targets.reshape(n, *self.targets).to(dtype)
        if self.kind == "masked":
            targets = torch.where(targets < 0, self.ignored, targets)
        if self.axis == 1 and len(self.outputs) > 1:
            outputs = outputs.movedim(-1, 1)
        return outputs.reshape(n, *self.outputs), targets.reshape(n, *self.targets)


def form_of(outputs: Tensor, targets: Tensor, whole: Tensor, ignored: int = IGNORED) -> Form | None:
    """How outputs and targets of a few samples belong together; `whole`: all targets; `ignored`: which is not asked for. None where their shapes do not."""
    o, t = tuple(outputs.shape[1:]), tuple(targets.shape[1:])
    if not targets.is_floating_point() and not targets.is_complex() and outputs.is_floating_point():
        kind: Kind = "masked" if bool((whole == ignored).any()) else "classes"
        flat = t[:-1] if t[-1:] == (1,) and len(t) == len(o) else t
        if o[:-1] == flat and len(o) == len(flat) + 1:
            return Form(kind, o, t, targets.dtype, ignored=ignored)
        if o[1:] == flat:
            return Form(kind, o, t, targets.dtype, axis=1, ignored=ignored)
    if o in (t, (*t, 1)) or t == (*o, 1):
        return Form("numbers", o, t, targets.dtype)
    return None


def at_work(tree: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """A batch on the network's device, its real numbers in the network's precision; what is no tensor and knows how to move, such as a graph, moves."""

    def moved(part: Any) -> Any:
        move = cast("Callable[[torch.device], Any] | None", getattr(part, "to", None))
        return move(device) if move is not None else part

    return mapped(lambda t: t.to(device, dtype) if t.is_floating_point() else t.to(device), tree, moved)


def _taken(network: nn.Module) -> frozenset[str] | None:
    """The names that its forward takes; None for any."""
    found = inspect.signature(network.forward).parameters.values()
    return None if any(p.kind is p.VAR_KEYWORD for p in found) else frozenset(p.name for p in found)
