"""The block that the shipped transformers share."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class Block(nn.Module):
    """Attention and an MLP, each on the normed stream and added to it; `causal`: no place sees a later one.

    The rows of `qkv` are all queries, then all keys, then all values; within each, head after head.
    """

    def __init__(self, dim: int, heads: int, ratio: int, *, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.norm1 = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.up = nn.Linear(dim, ratio * dim)
        self.down = nn.Linear(ratio * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(n, L, dim) → (n, L, dim)."""
        n, length, dim = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(n, length, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.proj(mixed.transpose(1, 2).reshape(n, length, dim))
        return x + self.down(functional.gelu(self.up(self.norm2(x))))
