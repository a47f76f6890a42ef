"""A function whose kernels are launched all at once: captured as a CUDA graph when it is first called, replayed from then on.

A small network is so quick on a GPU that it waits for its kernels to be launched, one by one, by Python. A graph launches all kernels of a point
(mixing, batch-norm statistics, every chunk of samples, sums over blocks) with one call. Where there is no CUDA device the function is simply called.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator
from contextlib import contextmanager

import torch
from torch import Tensor

WARM = 3  # calls before capturing: what libraries set up at first must not be captured


class Replayed:
    """`function` of one tensor of a fixed shape, which must not ask the device for a value and must write to the same places each time.

    The answer is overwritten by the next call. Raises RuntimeError when something in the function cannot be captured.
    """

    def __init__(self, function: Callable[[Tensor], Tensor], example: Tensor) -> None:
        self.function = function
        self.given = example.clone()
        self.graph: torch.cuda.CUDAGraph | None = None
        if not example.is_cuda:
            return
        with torch.cuda.device(example.device):
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(WARM):
                    function(self.given)
            torch.cuda.current_stream().wait_stream(side)
            self.graph = torch.cuda.CUDAGraph()
            with _uncollected(), torch.cuda.graph(self.graph):
                self.answer = function(self.given)

    def __call__(self, given: Tensor) -> Tensor:
        """The function's value."""
        if self.graph is None:
            return self.function(given)
        self.given.copy_(given)
        self.graph.replay()
        return self.answer


@contextmanager
def _uncollected() -> Generator[None, None, None]:
    """Nothing is collected within: giving back the graph of an evaluation that is over would spoil the one that is being captured."""
    collects = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
