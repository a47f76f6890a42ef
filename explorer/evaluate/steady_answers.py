"""What must hold before a network is measured: its answer to a sample is decided by its weights and that sample alone.

A network that draws random numbers, or counts its calls, answers differently each time, and the difference would be taken for a barrier. One that looks
at the whole batch has another loss for every way in which samples are put together. Both are asked about a few samples more than once, and refused.
What a forward writes into its buffers (running means of its inputs, counters, caches) it writes into copies: `leaving_buffers`.
"""

from __future__ import annotations

import random
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]  (the only common base of the batch norms)
from torch.utils._python_dispatch import TorchDispatchMode

from explorer.core.errors import Refused

ASKED = 4  # samples
LARGE = 2**24  # parameters above which two are enough
AGAIN = 64  # times at most, where random numbers are drawn: a layer may be left out only now and then
EACH_TIME = 1e-5  # of the answers' norm: by so much a GPU may differ from itself
ALONE = 1e-3  # likewise, what another order of the same sums may do to the answers of a deep network


def leaving_buffers(network: nn.Module) -> nn.Module:
    """The same network; from now on its forward leaves every buffer as it was, but for those of parts in train mode, such as batch norms that are measured."""
    held: list[tuple[dict[str, Tensor | None], str, Tensor]] = []

    def before(network: nn.Module, given: object) -> None:
        for module in network.modules():
            if module.training or isinstance(module, _BatchNorm):  # which writes in train mode only
                continue
            registered: dict[str, Tensor | None] = module.__dict__["_buffers"]
            held.extend((registered, name, buffer) for name, buffer in registered.items() if buffer is not None)
        copies: dict[int, Tensor] = {}
        for registered, name, buffer in held:
            registered[name] = copies.setdefault(id(buffer), buffer.clone())

    def after(network: nn.Module, given: object, answer: object) -> None:
        for registered, name, buffer in held:
            registered[name] = buffer
        held.clear()

    if any(m.__dict__["_buffers"] for m in network.modules() if not isinstance(m, _BatchNorm)):
        network.register_forward_pre_hook(before)
        network.register_forward_hook(after, always_call=True)
    return network


@torch.no_grad()
def steady(network: nn.Module, inputs: Tensor) -> Tensor:
    """What the network, as it stands, answers to some of these inputs. Refused unless it is the same each time, and when they are asked one by one. Random
    generators stay as they were."""
    few = inputs[: ASKED if sum(p.numel() for p in network.parameters()) <= LARGE else 2]
    with torch.random.fork_rng(devices={few.device} if few.is_cuda else ()):
        others = random.getstate(), np.random.get_state()
        try:
            drawn = _states(few)
            first = network(few)
            times, rounding = AGAIN if _states(few) != drawn else 1, max(EACH_TIME, torch.finfo(first.dtype).eps)
            alone = torch.cat([network(one) for one in few.split(1)])
            if times == 1 and _alike(alone, first, rounding):
                return first  # again the same, then, too
            if not all(_alike(network(few), first, rounding) for _ in range(times)):
                raise Refused(
                    f"The network answers the same inputs differently each time{_where(network, few)}. Its loss would differ from call to call, and that"
                    " would be taken for a barrier. Let it be random while it is trained only (as nn.Dropout is, or functional.dropout with"
                    " training=self.training), and keep nothing from one call to the next."
                )
        finally:
            random.setstate(others[0])
            np.random.set_state(others[1])
    if not _alike(alone, first, max(ALONE, 4 * torch.finfo(first.dtype).eps)):
        raise Refused(
            "The network's answer to a sample depends on the others in the batch, so its loss would depend on how samples are batched. Let its forward"
            " look at each sample by itself: no mean, norm, sort or branch over the first axis."
        )
    return first


def unanswered(outputs: Tensor) -> Tensor:
    """(n,) the samples that the network has not answered, since something of its answer is not finite: neither right nor wrong. The outputs of a language model
    are larger than anything else of a chunk, so no copy is made of them: NaN and infinity survive the largest and the smallest."""
    each = outputs.flatten(1)
    return ~(torch.isfinite(each.amax(dim=1)) & torch.isfinite(each.amin(dim=1)))


def _alike(a: Tensor, b: Tensor, tolerance: float) -> bool:
    """Equal but for rounding; what is not finite in one must be so in the other."""
    finite = torch.isfinite(a)
    if a.shape != b.shape or not torch.equal(finite, torch.isfinite(b)):
        return False
    if not finite.all():  # else no copies, which are large where a vocabulary is
        a, b = a[finite], b[finite]
    wide = torch.promote_types(a.dtype, torch.float32)
    return bool((a - b).norm(dtype=wide) <= tolerance * b.norm(dtype=wide))


def _states(inputs: Tensor) -> tuple[object, ...]:
    """Where the global random generators stand."""
    torches = [torch.get_rng_state(), *([torch.cuda.get_rng_state(inputs.device)] if inputs.is_cuda else [])]
    name, keys, *rest = np.random.get_state()
    return *(t.numpy().tobytes() for t in torches), random.getstate(), name, np.asarray(keys).tobytes(), *rest


def _where(network: nn.Module, inputs: Tensor) -> str:
    """The first operator that draws random numbers, and the line that asks for it; nothing where torch draws none."""
    with _Drawing() as seen:
        network(inputs)
    return f": {seen.first}" if seen.first else ""


class _Drawing(TorchDispatchMode):
    """Notes the first operator that draws random numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = ""

    def __torch_dispatch__(self, func: Any, types: object, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        if not self.first and torch.Tag.nondeterministic_seeded in func.tags:
            own = [f for f in traceback.extract_stack() if not _of_torch(f.filename) and f.filename != __file__]
            line = f" in {Path(own[-1].filename).name}, line {own[-1].lineno}: {own[-1].line}" if own else ""
            self.first = f"it draws random numbers by {func.overloadpacket.__name__}{line}"
        return func(*args, **(kwargs or {}))


def _of_torch(file: str) -> bool:
    return Path(torch.__file__).parent in Path(file).parents
