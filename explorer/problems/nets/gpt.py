"""Decoder-only language model (GPT), pre-norm, learned positions.

Radford et al. 2019 (GPT-2), without dropout. Input: int64 tokens (n, L), L ≤ context; output: logits
(n, L, vocab) of the next token at each place.
Parameters: `tokens.weight` (vocab, dim), `positions.weight` (context, dim), `blocks.i.{norm1,qkv,proj,norm2,up,down}.*`,
`norm.*`, and `head.weight` unless `tied`: then the output uses `tokens.weight`, which is stored once. The rows of `qkv` are
all queries, then all keys, then all values; within each, head after head.
"""

from __future__ import annotations

from math import sqrt
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional

from explorer.core.errors import Refused
from explorer.core.registry import Range
from explorer.problems.nets import Shapes, confirmed, count
from explorer.problems.nets._transformer import Block


class GPT(nn.Module):
    """tokens (n, L) int64 → (n, L, vocab)."""

    def __init__(self, vocab: int, context: int, dim: int, depth: int, heads: int, ratio: int, tied: bool) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocab, dim)
        self.positions = nn.Embedding(context, dim)
        self.blocks = nn.ModuleList([Block(dim, heads, ratio, causal=True) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        self.head = None if tied else nn.Linear(dim, vocab, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                # What is added to the stream shrinks with the number of additions, so that the stream's scale does not grow.
                nn.init.normal_(parameter, std=0.02 / (sqrt(2 * depth) if "proj" in name or "down" in name else 1))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens) + self.positions(torch.arange(tokens.shape[1], device=tokens.device))
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        return functional.linear(x, self.tokens.weight) if self.head is None else self.head(x)


def build(
    *,
    vocab: Annotated[int, Range(1, 1048576)] = 64,
    context: Annotated[int, Range(1, 65536)] = 64,
    dim: Annotated[int, Range(1, 65536)] = 64,
    depth: Annotated[int, Range(1, 256)] = 2,
    heads: Annotated[int, Range(1, 1024)] = 4,
    ratio: Annotated[int, Range(1, 64)] = 4,
    tied: bool = True,
) -> nn.Module:
    """Symbols, longest input, width of the stream, blocks, heads, MLP width over stream width, output tied to the embedding."""
    if dim % heads:
        raise Refused(f"{heads} heads cannot share a width of {dim}. Choose a divisor of {dim}.")
    return GPT(vocab, context, dim, depth, heads, ratio, tied)


def recognise(shapes: Shapes) -> dict[str, object] | None:
    """All options but `heads`, which leaves no trace in the shapes: 4 is assumed where it divides the width, else None."""
    tokens, positions, up = shapes.get("tokens.weight", ()), shapes.get("positions.weight", ()), shapes.get("blocks.0.up.weight", ())
    if len(tokens) != 2 or len(positions) != 2 or len(up) != 2 or not up[1]:
        return None
    options: dict[str, object] = {
        "vocab": tokens[0],
        "context": positions[0],
        "dim": tokens[1],
        "depth": count(shapes, "blocks."),
        "heads": 4,
        "ratio": up[0] // up[1],
        "tied": "head.weight" not in shapes,
    }
    return confirmed(build, options, shapes)
