"""Vision transformer (ViT), pre-norm, mean over the patches.

Dosovitskiy et al. 2021, with the mean of the patches in place of a class token (an appendix there finds the
two equal). Patches are embedded by a strided convolution; positions are learned.
Parameters: `embed.*`, `positions` (patches, dim), `blocks.i.{norm1,qkv,proj,norm2,up,down}.*`, `norm.*`, `head.*`. The rows
of `qkv` are all queries, then all keys, then all values; within each, head after head.
"""

from __future__ import annotations

from math import isqrt
from typing import Annotated

import torch
from torch import Tensor, nn

from explorer.core.errors import Refused
from explorer.core.registry import Range
from explorer.problems.nets import Shapes, confirmed, count
from explorer.problems.nets._transformer import Block


class ViT(nn.Module):
    """x (n, channels, image, image) → (n, classes)."""

    def __init__(self, channels: int, image: int, patch: int, dim: int, depth: int, heads: int, ratio: int, classes: int) -> None:
        super().__init__()
        self.embed = nn.Conv2d(channels, dim, patch, stride=patch)
        self.positions = nn.Parameter(torch.empty((image // patch) ** 2, dim))
        self.blocks = nn.ModuleList([Block(dim, heads, ratio, causal=False) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, classes)
        nn.init.normal_(self.positions, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).flatten(2).transpose(1, 2) + self.positions
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x).mean(dim=1))


def build(
    *,
    channels: Annotated[int, Range(1, 4096)] = 1,
    image: Annotated[int, Range(1, 4096)] = 8,
    patch: Annotated[int, Range(1, 4096)] = 2,
    dim: Annotated[int, Range(1, 65536)] = 32,
    depth: Annotated[int, Range(1, 256)] = 2,
    heads: Annotated[int, Range(1, 1024)] = 4,
    ratio: Annotated[int, Range(1, 64)] = 2,
    classes: Annotated[int, Range(1, 1048576)] = 10,
) -> nn.Module:
    """Channels and side of the image, side of a patch, width of the stream, blocks, heads, MLP width over stream width, classes."""
    if image % patch:
        raise Refused(f"Patches of side {patch} do not tile an image of side {image}. Choose a divisor of {image}.")
    if dim % heads:
        raise Refused(f"{heads} heads cannot share a width of {dim}. Choose a divisor of {dim}.")
    return ViT(channels, image, patch, dim, depth, heads, ratio, classes)


def recognise(shapes: Shapes) -> dict[str, object] | None:
    """All options but `heads`, which leaves no trace in the shapes: 4 is assumed where it divides the width, else None."""
    embed, positions = shapes.get("embed.weight", ()), shapes.get("positions", ())
    up, head = shapes.get("blocks.0.up.weight", ()), shapes.get("head.weight", ())
    if len(embed) != 4 or len(positions) != 2 or len(up) != 2 or len(head) != 2 or not up[1]:
        return None
    options: dict[str, object] = {
        "channels": embed[1],
        "image": isqrt(positions[0]) * embed[2],
        "patch": embed[2],
        "dim": embed[0],
        "depth": count(shapes, "blocks."),
        "heads": 4,
        "ratio": up[0] // up[1],
        "classes": head[0],
    }
    return confirmed(build, options, shapes) if embed[2] else None
