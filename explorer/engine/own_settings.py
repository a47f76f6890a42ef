"""Every request is carried out with the settings of a process at rest, whatever was under way when it came up.

A request of a higher rank is carried out inside the progress call of another one. What that one has set for itself meanwhile (inference mode, autocast,
kernels, precision, threads, random state, device) must not decide what the other computes, and is as it was afterwards.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import ExitStack
from contextvars import Context
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from explorer.evaluate.devices import outside_precisely

T = TypeVar("T")
KERNELS = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.CUDNN_ATTENTION, SDPBackend.MATH]


@dataclass(frozen=True)
class Rest:
    """What a process is set to while nothing is under way in it."""

    threads: int
    dtype: torch.dtype

    @classmethod
    def now(cls) -> Rest:
        return cls(torch.get_num_threads(), torch.get_default_dtype())

    def set(self) -> None:
        """Set the process to this."""
        torch.set_num_threads(self.threads)
        torch.set_default_dtype(self.dtype)


def apart(work: Callable[[], T], rest: Rest, device: str) -> T:
    """The work's value; it begins at rest, with the same random state each time."""
    cuda, before = torch.cuda.is_initialized(), Rest.now()
    drawn = random.getstate(), np.random.get_state()  # those a third party may draw from
    with ExitStack() as stack:
        stack.callback(before.set)
        stack.callback(random.setstate, drawn[0])
        stack.callback(np.random.set_state, drawn[1])
        stack.enter_context(torch.random.fork_rng(devices=range(torch.cuda.device_count()) if cuda else ()))
        stack.enter_context(torch.inference_mode(False))  # gradients on, too
        for kind in {"cpu", torch.device(device).type}:
            stack.enter_context(torch.autocast(kind, enabled=False))
        stack.enter_context(sdpa_kernel(KERNELS))
        stack.enter_context(outside_precisely())
        if cuda:
            stack.enter_context(torch.cuda.device(0))
            torch.cuda.manual_seed_all(0)
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        rest.set()
        random.seed(0)
        np.random.seed(0)
        torch.default_generator.manual_seed(0)
        return Context().run(work)
