"""Many mixtures of the same corners at once, for networks that are made of matrix products: the weights of K points are stacked and multiplied together.

On a GPU this turns K small products into one that fills the device. Not for convolutions (stacked, they become grouped ones, which are slow) and not
for batch norm (whose statistics are measured point after point), nor on a CPU, where stacking is slower than a loop.
"""

from __future__ import annotations

from contextlib import nullcontext, suppress
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]  (the only common base of the batch norms)
from torch.nn.modules.conv import _ConvNd  # pyright: ignore[reportPrivateUsage]

from explorer.evaluate.corner_matrix import CornerMatrix
from explorer.evaluate.devices import halved
from explorer.evaluate.shared_first_layer import Shortcuts, close

WIDEST = 64  # points
STACKED = 2**29  # bytes of their weights
ALIVE = 2**29  # bytes of the largest activation of all of them


def of_products(network: nn.Module) -> bool:
    """Whether a network may be batched over points."""
    return not any(isinstance(m, _ConvNd | _BatchNorm) for m in network.modules())


def _given(answer: Tensor, _: Tensor) -> Tensor:
    return answer


class Batched:
    """The answers of K mixtures to the same inputs, (K, n, …).

    `width`: the most points that pay. `chunk`: how many samples go through at once. A first layer that `shortcuts` shares is mixed here, too.
    """

    def __init__(self, network: nn.Module, corner_matrix: CornerMatrix, shortcuts: Shortcuts, inputs: Tensor) -> None:
        self.network, self.corner_matrix, self.shortcuts, self.inputs = network, corner_matrix, shortcuts, inputs
        self.width = max(1, min(WIDEST, STACKED // corner_matrix.row.nbytes))
        self.chunk = max(1, min(len(inputs), int(ALIVE / self.width / shortcuts.each)))

    @classmethod
    def if_exact(cls, network: nn.Module, corner_matrix: CornerMatrix, shortcuts: Shortcuts, inputs: Tensor) -> Batched | None:
        """None for a network that cannot be batched, or that answers otherwise when it is."""
        found = cls(network, corner_matrix, shortcuts, inputs)
        return found if of_products(network) and found._right() else None

    def halve(self) -> int:
        """Let half as many samples go through at once: how many; 0 when it was one."""
        left = halved(self.chunk)
        self.chunk = left or 1
        return left

    def __call__(self, stacked: dict[str, Tensor], shares: Tensor, rows: slice) -> Tensor:
        """`stacked`: what the corner matrix makes of the shares (K, C). rows: which inputs."""
        first, inputs = self.shortcuts.first, self.inputs[rows]
        answers = torch.zeros(len(shares), 1, device=shares.device) if first is None else self.shortcuts.mixtures(shares, rows)

        def one(tensors: dict[str, Tensor], answer: Tensor) -> Tensor:
            if first is not None:
                first.forward = partial(_given, answer)
            return functional_call(self.network, tensors, (inputs,))

        try:
            with nullcontext() if inputs.is_cuda else sdpa_kernel(SDPBackend.MATH):  # the CPU's other kernel cannot be batched
                return torch.vmap(one)(stacked, answers)
        finally:
            if first is not None:
                first.__dict__.pop("forward", None)

    @torch.no_grad()
    def _right(self) -> bool:
        """Whether this equals the network, one mixture after the other, at two random points."""
        shares = torch.rand(2, len(self.corner_matrix.rows), generator=torch.Generator().manual_seed(1)).to(self.corner_matrix.row) + 0.1
        shares /= shares.sum(dim=1, keepdim=True)
        rows = slice(0, min(8, len(self.inputs)))
        plain: list[Tensor] = []
        for c in shares:
            self.corner_matrix.mix(c)
            plain.append(self.network(self.inputs[rows]))
        with suppress(RuntimeError, NotImplementedError):  # what vmap has no rule for
            return close(self(self.corner_matrix.stacked(shares), shares, rows), torch.stack(plain))
        return False
