"""The tensors of a state dict copied to the CPU while a training goes on: what the next step changes is no longer theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from explorer.checkpoints.weights import Weights


def copied(state: Mapping[str, object]) -> tuple[Weights, Callable[[], None]]:
    """(copies, a function that returns when they are whole): tied tensors are copied once and stay tied; what is no tensor is left out.

    From a CUDA device the copies go into pinned memory, in the order of its current stream: later steps on that stream may change the originals at once.
    """
    copies: dict[object, Tensor] = {}
    places: dict[str, object] = {}
    devices: set[torch.device] = set()
    with torch.no_grad():
        for name, tensor in state.items():
            if not isinstance(tensor, Tensor):
                continue
            place = (tensor.device, tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype) if tensor.numel() else name
            places[name] = place
            if place in copies:
                continue
            if tensor.device.type == "cuda":
                copies[place] = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(tensor, non_blocking=True)
                devices.add(tensor.device)
            else:
                copies[place] = tensor.detach().to("cpu", copy=True)
    events = [torch.cuda.current_stream(device).record_event() for device in devices]

    def wait() -> None:
        for event in events:
            event.synchronize()

    return {name: copies[place] for name, place in places.items()}, wait


def halved(weights: Weights, parameters: frozenset[str]) -> Weights:
    """The parameters in float16, tied ones once; buffers, such as running statistics, stay as they are. A value that is too large becomes infinite."""
    halves = {id(t): t.to(torch.float16) for name, t in weights.items() if name in parameters and t.dtype in (torch.float32, torch.float64)}
    return {name: halves.get(id(t), t) if name in parameters else t for name, t in weights.items()}
