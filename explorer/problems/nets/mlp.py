"""Fully connected network (MLP) with ReLU.

The input is flattened. `widths` are those of the input, of every hidden layer and of the output. Parameters:
`layers.i.weight`, `layers.i.bias`.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from explorer.core.errors import Refused
from explorer.problems.nets import Shapes, confirmed, count


class MLP(nn.Module):
    """x (n, …) → (n, widths[-1])."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in pairwise(widths)])

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        *hidden, last = self.layers
        for layer in hidden:
            x = functional.relu(layer(x))
        return last(x)


def build(*, widths: tuple[int, ...] = (64, 64, 64, 10)) -> nn.Module:
    """Widths of input, hidden layers and output."""
    if len(widths) < 2 or min(widths) < 1:
        raise Refused(f"An MLP needs at least two widths (input and output), none below 1; got {list(widths)}.")
    return MLP(widths)


def recognise(shapes: Shapes) -> dict[str, object] | None:
    """The widths, from the shapes of the weights."""
    weights = [shapes.get(f"layers.{i}.weight", ()) for i in range(count(shapes, "layers."))]
    if not weights or any(len(w) != 2 for w in weights):
        return None
    return confirmed(build, {"widths": (weights[0][1], *(w[0] for w in weights))}, shapes)
