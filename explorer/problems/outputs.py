"""What of a network's answer is compared with the targets: the answer itself, or one tensor of a tuple, a dict or an object of outputs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from torch import Tensor, nn

from explorer.core.errors import Refused

USUAL = "logits"


def tensors_of(answer: object) -> dict[str, Tensor]:
    """The tensors of an answer by their names, or by their numbers where it is a tuple."""
    match answer:
        case Mapping():
            parts = cast("Mapping[object, object]", answer)
        case tuple() if hasattr(answer, "_fields"):
            parts = dict(zip(cast("Any", answer)._fields, cast("tuple[object, ...]", answer), strict=True))
        case tuple() | list():
            parts = dict(enumerate(cast("tuple[object, ...]", answer)))
        case _:
            parts = getattr(answer, "__dict__", {})
    return {str(name): part for name, part in parts.items() if isinstance(part, Tensor)}


def answer_of(answer: object, output: str = "") -> Tensor | None:
    """The output of that name or number; without one the answer itself, or its `logits`. None where there is none."""
    if isinstance(answer, Tensor):
        return None if output else answer
    return tensors_of(answer).get(output or USUAL)


def answering(network: nn.Module, output: str = "") -> nn.Module:
    """The network, which answers with one tensor from now on: the output of that name or number; without one the only one there is, or `logits`."""
    network.register_forward_hook(partial(_answer, output=output))
    return network


def several(network: str, answer: object, how: str) -> str:
    """The sentence for an answer of which it is not clear, or wrongly said, what is meant. how: how one of them is named."""
    found = tensors_of(answer)
    there = f"its outputs are {', '.join(found)}" if found else "there is no tensor in it"
    return f"The network {network} returns a {type(answer).__name__}, and one tensor is expected; {there}. {how}"


def _answer(network: nn.Module, args: object, answer: object, *, output: str) -> Tensor:
    if isinstance(answer, Tensor) and not output:
        return answer
    kind = type(network).__name__
    if isinstance(answer, Tensor):
        raise Refused(f"The network {kind} returns one tensor and has no output {output!r}. Leave output out, under [network] in problem.toml.")
    if (chosen := answer_of(answer, output)) is not None:
        return chosen
    if not output and len(found := tensors_of(answer)) == 1:
        return next(iter(found.values()))
    wrong = f"There is no output {output!r}. " if output else ""
    raise Refused(wrong + several(kind, answer, 'Name one as output = "…", under [network] in problem.toml.'))
