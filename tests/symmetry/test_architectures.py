"""The symmetry that is found in small networks of many kinds: the right groups, which move nothing, and nothing where a naive guess would be wrong."""

from __future__ import annotations

import random as python_random
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from explorer.core.errors import Refused
from explorer.symmetry import discover
from tests.symmetry import moves, silent

EXACT = 1e-9  # in float64
VISIBLE = 1e-6


@dataclass(frozen=True)
class Case:
    """A network, an example input, and the groups it should have: name → units, or (units, the group they lie within)."""

    network: nn.Module
    example: Tensor
    groups: dict[str, int | tuple[int, str]]
    share: float
    silent: frozenset[str] = frozenset()


CASES: dict[str, Callable[[], Case]] = {}


def case(build: Callable[[], Case]) -> Callable[[], Case]:
    CASES[build.__name__] = build
    return build


def images(channels: int = 3, pixels: int = 8) -> Tensor:
    return torch.randn(2, channels, pixels, pixels, generator=torch.Generator().manual_seed(0))


def vectors(size: int = 6) -> Tensor:
    return torch.randn(3, size, generator=torch.Generator().manual_seed(0))


def sequences(dim: int = 16) -> Tensor:
    return torch.randn(2, 5, dim, generator=torch.Generator().manual_seed(0))


TOKENS = torch.arange(10).reshape(2, 5)


class Made(nn.Module):
    """Layers and a forward pass that uses them."""

    def __init__(self, forward: Callable[..., Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self.run = forward
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.run(self, *inputs)


# --- perceptrons and convolutions ---------------------------------------------------------------------------------------------


@case
def mlp() -> Case:
    """Hidden layers are groups; inputs and classes keep their order."""
    network = nn.Sequential(nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 5), nn.Tanh(), nn.Linear(5, 4))
    return Case(network, vectors(), {"0": 7, "2": 5}, 0.95)


@case
def vgg_with_flatten() -> Case:
    """A channel becomes a block of features where pixels are flattened."""
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(8 * 4, 9), nn.ReLU(), nn.Dropout(0.5), nn.Linear(9, 4),
    )  # fmt: skip
    return Case(network, images(), {"0": 6, "4": 8, "9": 9}, 0.99)


class Residual(nn.Module):
    """Two convolutions around a shortcut: the identity, a projection, or zeros for the missing channels (option A)."""

    def __init__(self, before: int, after: int, stride: int = 1, option: str = "B") -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after)
        self.conv2, self.bn2 = nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after)
        self.stride, self.missing = stride, after - before
        self.shortcut = (
            nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)) if self.missing and option == "B" else None
        )

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        if self.shortcut is not None:
            x = self.shortcut(x)
        elif self.missing:
            x = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.missing // 2, self.missing // 2))
        y += x
        return functional.relu(y)


def resnet(option: str) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, 1, 1, bias=False), nn.BatchNorm2d(6), nn.ReLU(),
        Residual(6, 6), Residual(6, 10, 2, option), Residual(10, 10),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(10, 4),
    )  # fmt: skip


@case
def resnet_with_projections() -> Case:
    """One group for the whole stream of a stage; the projection begins another."""
    return Case(resnet("B"), images(), {"0": 6, "3.conv1": 6, "4.conv1": 10, "4.conv2": 10, "5.conv1": 10}, 0.99)


@case
def resnet_option_a() -> Case:
    """Channels padded with zeros: the middle of the wider stream is the narrower stream, and the two ends are free."""
    groups = {"0": 6, "3.conv1": 6, "4.conv1": 10, "4.conv2[0]": 2, "4.conv2[2]": 2, "5.conv1": 10}
    return Case(resnet("A"), images(), groups, 0.99)


@case
def group_norm() -> Case:
    """Whole norm groups, and the channels within each."""
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.GroupNorm(1, 6), nn.Flatten(), nn.Linear(96, 4))
    return Case(network, images(), {"0/groups": 2, "0": (4, "0/groups"), "3": 6}, 0.99)


@case
def depthwise_and_grouped() -> Case:
    """A depthwise convolution carries its input's order on; a grouped one has whole groups, and outputs within each."""
    network = nn.Sequential(
        nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 16, 3, groups=8), nn.ReLU6(inplace=True),
        nn.Conv2d(16, 12, 1), nn.Hardswish(inplace=True), nn.Conv2d(12, 6, 3, groups=3), nn.Flatten(), nn.Linear(24, 4),
    )  # fmt: skip
    groups = {"0": 8, "2": (2, "0"), "4/groups": 3, "4": 4, "6": (2, "4/groups")}
    return Case(network, images(), groups, 0.99)


@case
def transposed_convolutions() -> Case:
    """Their weights are (in, out): an autoencoder, one layer of it grouped."""
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3, 2, 1), nn.ELU(inplace=True), nn.ConvTranspose2d(6, 8, 4, 2, 1), nn.BatchNorm2d(8), nn.SiLU(),
        nn.ConvTranspose2d(8, 6, 3, groups=2), nn.LeakyReLU(), nn.Conv2d(6, 3, 1),
    )  # fmt: skip
    groups = {"0": 6, "2/groups": 2, "2": (4, "2/groups"), "5": 3}
    return Case(network, images(), groups, 0.99)


@case
def dense_blocks() -> Case:
    """What is concatenated keeps groups of its own, in the norms and convolutions behind as well."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = torch.cat([x, self.conv1(self.norm1(x).relu())], 1)
        x = torch.cat([x, self.conv2(self.norm2(x).relu())], 1)
        return self.head(self.norm(x).relu().mean((2, 3)))

    layers = {
        "stem": nn.Conv2d(3, 6, 3), "norm1": nn.BatchNorm2d(6), "conv1": nn.Conv2d(6, 4, 3, 1, 1), "norm2": nn.BatchNorm2d(10),
        "conv2": nn.Conv2d(10, 5, 3, 1, 1), "norm": nn.BatchNorm2d(15), "head": nn.Linear(15, 4),
    }  # fmt: skip
    return Case(Made(forward, **layers), images(), {"stem": 6, "conv1": 4, "conv2": 5}, 0.98)


@case
def squeeze_excite() -> Case:
    """The gate of a channel is permuted with the channel."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        x = self.conv(x).relu()
        gate = self.up(self.down(x.mean((2, 3), keepdim=True)).relu()).sigmoid()
        return self.head((x * gate).amax((2, 3)))

    layers = {"conv": nn.Conv2d(3, 8, 3), "down": nn.Conv2d(8, 3, 1), "up": nn.Conv2d(3, 8, 1), "head": nn.Linear(8, 4)}
    return Case(Made(forward, **layers), images(), {"conv": 8, "down": 3}, 0.98)


@case
def channel_shuffle() -> Case:
    """ShuffleNet's transposition of a product: either factor has an order of its own, neither one within the other."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        x = self.conv(x)
        x = x.view(2, 2, 4, 6, 6).transpose(1, 2).reshape(2, 8, 6, 6)
        return self.head(self.second(x).relu().mean((2, 3)))

    layers = {"conv": nn.Conv2d(3, 8, 3), "second": nn.Conv2d(8, 5, 3), "head": nn.Linear(5, 4)}
    return Case(Made(forward, **layers), images(), {"conv": 2, "conv#2": 4, "second": 5}, 0.98)


@case
def pixel_shuffle() -> Case:
    """Only whole channels move where parts of them become pixels."""
    network = nn.Sequential(nn.Conv2d(3, 16, 3), nn.PixelShuffle(2), nn.PReLU(4), nn.Conv2d(4, 3, 3))
    return Case(network, images(), {"0": 4}, 0.98)


@case
def written_in_place() -> Case:
    """Parts of a buffer that are written one by one have the axes of what is written there."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        whole = x.new_zeros(3, 9)
        whole[:, :5] = self.first(x).relu()
        whole[:, 5:].copy_(self.second(x))
        return self.head(whole.mul_(2))

    layers = {"first": nn.Linear(6, 5), "second": nn.Linear(6, 4), "head": nn.Linear(9, 3)}
    return Case(Made(forward, **layers), vectors(), {"first": 5, "second": 4}, 0.95)


@case
def weights_made_of_weights() -> Case:
    """Weight normalisation, standardised kernels, a low-rank addition: the axes of a product of weights are those of its factors."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        x = self.first(x).relu()
        variance, mean = torch.var_mean(self.second.weight, dim=1, keepdim=True)
        x = functional.linear(x, (self.second.weight - mean) / (variance + 1e-3).sqrt(), self.second.bias).relu()
        return self.head(functional.linear(x, self.base.weight + self.b.weight @ self.a.weight).tanh())

    layers = {
        "first": nn.utils.parametrizations.weight_norm(nn.Linear(6, 7)), "second": nn.Linear(7, 5), "base": nn.Linear(5, 4, bias=False),
        "a": nn.Linear(5, 3, bias=False), "b": nn.Linear(3, 4, bias=False), "head": nn.Linear(4, 2),
    }  # fmt: skip
    groups = {"first": 7, "second": 5, "b": 4, "a": 3}
    return Case(Made(forward, **layers), vectors(), groups, 0.95)


@case
def gates() -> Case:
    """The two halves of a gated unit have one order; the maximum over units needs none; equal letters of einsum are equal axes."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        x = functional.glu(self.glu(x))
        gate, up = self.swiglu(x).chunk(2, -1)
        x = functional.silu(gate) * up
        return torch.einsum("...i,io->...o", x, self.out.weight.t()) + x.max(-1, keepdim=True).values

    layers = {"glu": nn.Linear(6, 10), "swiglu": nn.Linear(5, 14), "out": nn.Linear(7, 3, bias=False)}
    return Case(Made(forward, **layers), vectors(), {"glu": 5, "swiglu": 7}, 0.99)


@case
def interleaved_gates() -> Case:
    """Gate and value of a unit stand next to one another: every other place is a gate."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        x = self.up(x)
        return self.down(x[..., ::2] * torch.sigmoid(x[..., 1::2]))

    return Case(Made(forward, up=nn.Linear(6, 14), down=nn.Linear(7, 3)), vectors(), {"up": 7}, 0.9)


@case
def seen_for_its_shape_alone() -> Case:
    """A part that is cut out to ask for its shape says nothing about the order of the units."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        x = self.up(x)
        positions = torch.arange(x[:, :, -1].shape[1]).expand_as(x[..., 0]) + torch.zeros_like(x[..., 1])
        return self.down(x * positions[..., None])

    return Case(Made(forward, up=nn.Linear(6, 7), down=nn.Linear(7, 3)), sequences(6), {"up": 7}, 0.9)


@case
def mixer_by_convolutions() -> Case:
    """A kernel of one place mixes tokens for each unit of the stream alike, and a pool along time leaves the units alone."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        x = self.embed(x)
        x = x + self.back(self.tokens(x).relu())
        return self.head(functional.avg_pool2d(x[:, None], (2, 1), (2, 1))[:, 0].mean(1))

    layers = {"embed": nn.Linear(6, 16), "tokens": nn.Conv1d(5, 9, 1), "back": nn.Conv1d(9, 5, 1), "head": nn.Linear(16, 3)}
    return Case(Made(forward, **layers), sequences(6), {"embed": 16, "tokens": 9}, 0.9)


# --- recurrent layers ---------------------------------------------------------------------------------------------------------


@case
def lstm_both_ways_with_projections() -> Case:
    """Each layer and direction has cells in an order of their own, and the states that they are projected to; gates share it."""
    layers = {"lstm": nn.LSTM(6, 5, 2, batch_first=True, bidirectional=True, proj_size=3), "out": nn.Linear(6, 4)}
    groups: dict[str, int | tuple[int, str]] = {}
    for i in ("l0", "l0_reverse", "l1", "l1_reverse"):
        groups |= {f"lstm.weight_ih_{i}": 5, f"lstm.weight_hr_{i}": 3}
    return Case(Made(lambda self, x: self.out(self.lstm(x)[0]), **layers), sequences(6), groups, 0.95)


@case
def gru_read_at_its_last_state() -> Case:
    """Time first; the last states of both layers are told apart, and the stream that goes in is a group as well."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        return self.out(self.gru(self.embed(x).relu())[1][-1])

    layers = {"embed": nn.Linear(6, 7), "gru": nn.GRU(7, 5, 2), "out": nn.Linear(5, 4)}
    return Case(Made(forward, **layers), sequences(6), {"embed": 7, "gru.weight_ih_l0": 5, "gru.weight_ih_l1": 5}, 0.95)


@case
def rnn_from_a_state_that_is_made() -> Case:
    """A first state that another layer makes has the order of the units."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        return self.out(self.rnn(x, self.first(x[:, 0])[None])[0])

    layers = {"first": nn.Linear(6, 5), "rnn": nn.RNN(6, 5, batch_first=True, bias=False), "out": nn.Linear(5, 4)}
    return Case(Made(forward, **layers), sequences(6), {"first": 5}, 0.9)


@case
def cells_one_step_after_another() -> Case:
    """The same step by step: states and cells are handed on."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        h, c, g, r = x.new_zeros(2, 5), x.new_zeros(2, 5), x.new_zeros(2, 4), x.new_zeros(2, 3)
        for i in range(3):
            h, c = self.lstm(x[:, i], (h, c))
            g = self.gru(h, g)
            r = self.rnn(g, r)
        return self.out(r)

    layers = {"lstm": nn.LSTMCell(6, 5), "gru": nn.GRUCell(5, 4), "rnn": nn.RNNCell(4, 3), "out": nn.Linear(3, 2)}
    return Case(Made(forward, **layers), sequences(6), {"lstm.weight_ih": 5, "gru.weight_ih": 4, "rnn.weight_ih": 3}, 0.95)


# --- places by index, distances, frequencies ----------------------------------------------------------------------------------


def graph_layer(add: Callable[[Tensor, Tensor], Tensor]) -> Case:
    """Messages along edges 0→1, 2→1, 1→0 are added up at the nodes."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        message = self.message(x)[torch.tensor([0, 2, 1])]
        return self.out(add(torch.zeros_like(self.stay(x)), message) + self.stay(x).relu())

    layers = {"message": nn.Linear(6, 7), "stay": nn.Linear(6, 7), "out": nn.Linear(7, 3)}
    return Case(Made(forward, **layers), vectors(), {"message": 7}, 0.9)


@case
def messages_added_by_index() -> Case:
    """Rows are added at places by index, units stay units."""
    return graph_layer(lambda zeros, message: zeros.index_add(0, torch.tensor([1, 1, 0]), message))


@case
def messages_scattered() -> Case:
    """The same with an index for each number."""
    return graph_layer(lambda zeros, message: zeros.scatter_add(0, torch.tensor([1, 1, 0])[:, None].expand(3, 7), message))


@case
def similarities_and_distances() -> Case:
    """Cosines, distances between all pairs and inner products are the same in any order of the units, which both sides share."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        a, b = self.a(x), self.b(x)
        near = torch.cdist(self.c(x), self.centres)
        return torch.stack([functional.cosine_similarity(a, b, dim=-1), torch.vdot(self.d(x)[0], self.e)[None].expand(3)], -1) + self.out(near)

    class Both(Made):
        def __init__(self) -> None:
            layers = {"a": nn.Linear(6, 7), "b": nn.Linear(6, 7), "c": nn.Linear(6, 5), "d": nn.Linear(6, 8), "out": nn.Linear(4, 2)}
            super().__init__(forward, **layers)
            self.centres, self.e = nn.Parameter(torch.randn(4, 5)), nn.Parameter(torch.randn(8))

    return Case(Both(), vectors(), {"a": 7, "c": 5, "centres": 4, "d": 8}, 0.9)


@case
def frequencies_along_time() -> Case:
    """Filtered in time for each unit alike, and all sizes of an image for each channel."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        x = self.embed(x)
        waves = torch.fft.rfft(x, dim=1) * torch.linspace(1, 2, 3)[:, None]
        return self.out(torch.fft.irfft(waves, n=5, dim=1).relu())

    return Case(Made(forward, embed=nn.Linear(6, 7), out=nn.Linear(7, 3)), sequences(6), {"embed": 7}, 0.9)


@case
def resized_without_aliasing() -> Case:
    """Channels stay what they are when an image is made smaller with its edges smoothed."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        x = functional.interpolate(self.conv(x), size=(3, 3), mode="bilinear", antialias=True)
        return self.out(functional.interpolate(x, size=(2, 2), mode="bicubic", antialias=True).relu())

    return Case(Made(forward, conv=nn.Conv2d(3, 7, 3), out=nn.Conv2d(7, 2, 1)), images(), {"conv": 7}, 0.9)


# --- attention ----------------------------------------------------------------------------------------------------------------


def encoder_groups(prefix: str = "") -> dict[str, int | tuple[int, str]]:
    heads = f"{prefix}self_attn.in_proj_weight/heads"
    return {
        heads: 4,
        f"{prefix}self_attn.in_proj_weight[0,1]": (4, heads),
        f"{prefix}self_attn.in_proj_weight[2]": (4, heads),
        f"{prefix}linear1": 24,
    }


@case
def encoder_layer_post_norm() -> Case:
    """nn.MultiheadAttention's fused projection: heads, and in each head an order for queries and keys and one for values."""
    network = nn.Sequential(nn.Linear(6, 16), nn.TransformerEncoderLayer(16, 4, 24, batch_first=True), nn.Linear(16, 3))
    return Case(network, sequences(6), {"0": 16, **encoder_groups("1.")}, 0.99)


@case
def encoder_layer_pre_norm() -> Case:
    """The same with the norms before, and time first."""
    network = nn.Sequential(nn.Linear(6, 16), nn.TransformerEncoderLayer(16, 4, 24, norm_first=True, activation="gelu"), nn.Linear(16, 3))
    return Case(network, sequences(6), {"0": 16, **encoder_groups("1.")}, 0.99)


class Attention(nn.Module):
    """Fused attention in one of the ways people write it."""

    def __init__(self, style: str, dim: int = 16, heads: int = 4) -> None:
        super().__init__()
        self.style, self.heads = style, heads
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        n, length, dim = x.shape
        h, d = self.heads, dim // self.heads
        match self.style:
            case "chunk":
                q, k, v = (t.view(n, length, h, d).transpose(1, 2) for t in self.qkv(x).chunk(3, -1))
            case "unbind":
                q, k, v = self.qkv(x).reshape(n, length, 3, h, d).permute(2, 0, 3, 1, 4).unbind(0)
            case "interleaved":  # head after head, each with its queries, keys and values (GPT-NeoX)
                q, k, v = self.qkv(x).view(n, length, h, 3 * d).transpose(1, 2).chunk(3, -1)
            case _:  # the same, unbound
                q, k, v = self.qkv(x).view(n, length, h, 3, d).permute(3, 0, 2, 1, 4)
        if self.style == "chunk":
            scores = (q @ k.transpose(-2, -1) / d**0.5).masked_fill(torch.ones(length, length).triu(1).bool(), float("-inf"))
            y = scores.softmax(-1) @ v
        else:
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.proj(y.transpose(1, 2).reshape(n, length, dim))


class GPT(nn.Module):
    """One block, its output tied to the embedding."""

    def __init__(self, style: str) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(12, 16), nn.Parameter(torch.randn(8, 16))
        self.norm1, self.attn = nn.LayerNorm(16), Attention(style)
        self.norm2, self.up, self.down = nn.RMSNorm(16), nn.Linear(16, 20), nn.Linear(20, 16)
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, 12, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens) + self.positions[: tokens.shape[1]]
        x = x + self.attn(self.norm1(x))
        x = x + self.down(functional.gelu(self.up(self.norm2(x))))
        return self.head(self.norm(x))


def gpt(style: str) -> Case:
    heads = "attn.qkv/heads"
    groups = {"tokens": 16, heads: 4, "attn.qkv[0,1]": (4, heads), "attn.qkv[2]": (4, heads), "up": 20}
    return Case(GPT(style), TOKENS, groups, 1.0)


@case
def gpt_chunk() -> Case:
    """Queries, keys, values one after the other, cut by chunk."""
    return gpt("chunk")


@case
def gpt_unbind() -> Case:
    """The same, viewed as (…, 3, heads, dim) and unbound."""
    return gpt("unbind")


@case
def gpt_interleaved() -> Case:
    """Head after head, each with its own queries, keys and values."""
    return gpt("interleaved")


@case
def gpt_interleaved_unbind() -> Case:
    """The same, viewed as (…, heads, 3, dim) and unbound."""
    return gpt("interleaved, unbound")


@case
def grouped_queries() -> Case:
    """Several query heads share a head of keys: a product of heads, queries of a head and dimensions."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        q, k, v = (layer(x).view(2, 5, -1, 3).transpose(1, 2) for layer in (self.q, self.k, self.v))
        y = functional.scaled_dot_product_attention(q, k, v, enable_gqa=True)
        return self.out(y.transpose(1, 2).flatten(2))

    layers = {"q": nn.Linear(6, 12), "k": nn.Linear(6, 6), "v": nn.Linear(6, 6), "out": nn.Linear(12, 3)}
    groups = {"q/heads": 2, "q": (2, "q/heads"), "q#2": (3, "q/heads"), "v": (3, "q/heads")}
    return Case(Made(forward, **layers), sequences(6), groups, 0.9, silent=frozenset({"k.bias"}))  # a softmax takes it out again


@pytest.mark.parametrize("name", CASES)
def test_the_groups_of_a_network_are_found_and_move_nothing(name):
    """Names, sizes and nesting are as expected; all groups at random leave the output; each place of each group matters."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        given = CASES[name]()
    found = discover(given.network, (given.example,))
    shown = {g.name: (g.size, g.within) if g.within else g.size for g in found.groups.values()}
    assert shown == given.groups
    assert found.unknown == () and found.warnings == ()
    assert found.movable >= given.share
    assert moves(given.network, found, (given.example,)) < EXACT
    assert silent(given.network, found, (given.example,), below=VISIBLE) == given.silent


def test_the_same_network_gets_the_same_names_again():
    """Names depend on the network alone, not on its weights or on what was looked at before."""
    first, second = (discover(GPT("unbind"), (TOKENS,)) for _ in range(2))
    assert list(first.groups) == list(second.groups)
    assert first.axes == second.axes


# --- where a naive guess is wrong ---------------------------------------------------------------------------------------------

ORDERED: dict[str, Callable[[Tensor], Tensor]] = {
    "its mirror image is added": lambda x: x + x.flip(-1),
    "its neighbour is added": lambda x: x + x.roll(1, -1),
    "running sums": lambda x: x.cumsum(-1),
    "differences": lambda x: functional.pad(x.diff(dim=-1), (0, 1)),
    "differences from what is put before": lambda x: x.diff(dim=-1, prepend=x[:, :1] * 2),
    "sorted": lambda x: x.sort(-1).values,
    "constants by place": lambda x: x * torch.arange(1.0, 8.0),
    "a fixed matrix": lambda x: x @ torch.linspace(-1, 1, 49).reshape(7, 7),
    "the place of the largest": lambda x: x * x.argmax(-1, keepdim=True),
    "the place of the largest, with its value": lambda x: x * x.max(-1, keepdim=True).indices,
    "a constant written at one place": lambda x: x.index_fill(-1, torch.tensor([2]), 1.0),
    "every other place": lambda x: torch.cat([x[:, ::2], x[:, 1::2]], -1),
    "indexed": lambda x: x[:, [3, 1, 0, 2, 6, 5, 4]],
    "a triangle of products": lambda x: (x[:, :, None] * x[:, None, :]).tril().sum(-1),
    "gathered": lambda x: x.gather(1, torch.tensor([[6, 5, 4, 3, 2, 1, 0]] * 3)),
    "reflected at the ends": lambda x: functional.pad(x[:, None], (1, 1), mode="reflect")[:, 0, :7],
    "its frequencies": lambda x: torch.fft.irfft(torch.fft.rfft(x) * torch.arange(1.0, 5.0), n=7),
    "its frequencies, all the same": lambda x: torch.fft.fft(x).real,
    "added up by index": lambda x: torch.zeros_like(x).index_add(1, torch.tensor([3, 1, 0, 2, 6, 5, 4]), x),
    "scattered": lambda x: torch.zeros_like(x).scatter_add(1, torch.tensor([[6, 5, 4, 3, 2, 1, 1]] * 3), x),
    "made smaller and larger again": lambda x: functional.interpolate(
        functional.interpolate(x[:, None, None], size=(1, 4), mode="bilinear", antialias=True), size=(1, 7), mode="bilinear", antialias=True
    )[:, 0, 0],
    "read by a one-dimensional pool": lambda x: functional.avg_pool1d(x[:, None], 3, 1, 1)[:, 0],
}


@pytest.mark.parametrize("what", ORDERED)
def test_units_whose_order_means_something_stay(what):
    """No group at all: the order of the seven units can be seen in the output."""
    network = Made(lambda self, x: self.out(ORDERED[what](self.hidden(x))), hidden=nn.Linear(6, 7), out=nn.Linear(7, 3))
    found = discover(network, (vectors(),))
    assert found.groups == {}
    assert found.warnings == ()


def test_a_product_of_heads_that_are_added_up_has_one_order_within_all_of_them():
    """Dimensions met by a nonlinearity after the heads were summed cannot be ordered head by head, though no other weight has them."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        return self.hidden(x).view(3, 2, 4).sum(1).relu().pow(2).sum(-1, keepdim=True)

    network = Made(forward, hidden=nn.Linear(6, 8))
    found = discover(network, (vectors(),))
    assert {(g.name, g.size, g.within) for g in found.groups.values()} == {("hidden", 2, None), ("hidden#2", 4, None)}
    assert moves(network, found, (vectors(),)) < EXACT


WHOLE: dict[str, Callable[[Tensor], Tensor]] = {
    "mantissas and exponents": lambda x: torch.ldexp(*torch.frexp(x)),
    "a single number in its place": lambda x: x * x.sum().cumsum(0) + x.mean().max(dim=0).values,
}


@pytest.mark.parametrize("what", WHOLE)
def test_units_whose_order_means_nothing_are_free(what):
    """One group of all seven, in operators of several results and on tensors without axes too."""
    network = Made(lambda self, x: self.out(WHOLE[what](self.hidden(x))), hidden=nn.Linear(6, 7), out=nn.Linear(7, 3))
    found = discover(network, (vectors(),))
    assert {g.name: g.size for g in found.groups.values()} == {"hidden": 7}
    assert found.unknown == () and found.warnings == ()
    assert moves(network, found, (vectors(),)) < EXACT


def test_an_operator_without_a_rule_is_named_and_keeps_its_order():
    """It pins what it touches; the layers around it stay free."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        x = self.first(x).relu()
        return self.out(self.up(torch.linalg.matrix_exp(x.transpose(-2, -1) @ x / 99)).relu())

    network = Made(forward, first=nn.Linear(16, 8), up=nn.Linear(8, 9), out=nn.Linear(9, 3))
    found = discover(network, (sequences(),))
    assert found.unknown == ("linalg_matrix_exp",)
    assert {g.name: g.size for g in found.groups.values()} == {"up": 9}
    assert moves(network, found, (sequences(),)) < EXACT


def test_attention_weights_that_are_asked_for_are_averaged_over_heads():
    """nn.MultiheadAttention in its slow form: the mean over heads is no place to tell heads apart."""

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attn = nn.MultiheadAttention(16, 4, batch_first=True)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return self.attn(x, x, x, need_weights=True)

    network = Both()
    found = discover(network, (sequences(),))
    assert sorted(g.size for g in found.groups.values()) == [4, 4, 4]
    assert moves(network, found, (sequences(),)) < EXACT


def test_an_unused_layer_is_no_group():
    """What no output depends on cannot be matched, and is not counted as movable."""
    network = Made(lambda self, x: self.out(self.hidden(x).relu()), hidden=nn.Linear(6, 7), out=nn.Linear(7, 3), spare=nn.Linear(7, 50))
    found = discover(network, (vectors(),))
    assert list(found.groups) == ["hidden"]
    assert found.numel == (sum(p.numel() for p in network.parameters()), 7 * 6 + 7 + 3 * 7)


# --- what keeps its order, and why --------------------------------------------------------------------------------------------


class Stream(nn.Module):
    """An embedding, one residual block and a head; what is done with the stream is given."""

    def __init__(self, function: Callable[[Tensor], Tensor], *, hands_out: bool = False) -> None:
        super().__init__()
        self.function, self.hands_out = function, hands_out
        self.embed, self.up, self.down, self.head = (nn.Linear(*n, bias=False) for n in ((6, 8), (8, 5), (5, 8), (8, 3)))

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        x = self.function(self.embed(x))
        x = x + self.down(self.up(x).relu())
        return (self.head(x), x) if self.hands_out else self.head(x)


PINNED_STREAMS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "one unit is read by itself": (lambda: Stream(lambda x: x * x[:, 2].exp()[:, None]), "select"),
    "indexed": (lambda: Stream(lambda x: x[:, [3, 1, 0, 2, 6, 5, 4, 7]]), "index"),
    "positions that are computed are added": (lambda: Stream(lambda x: x + torch.arange(8.0)), "arange"),
    "not understood": (lambda: Stream(lambda x: torch.linalg.matrix_exp(x[:, :, None] @ x[:, None] / 99).sum(-1)), "linalg_matrix_exp"),
    "handed out": (lambda: Stream(torch.tanh, hands_out=True), "the network's outputs"),
}


@pytest.mark.parametrize("what", PINNED_STREAMS)
def test_a_stream_that_keeps_its_order_lowers_the_share_and_says_why(what):
    """Of up and down, 40 numbers each, one of two axes of units can move; of embed and head, 48 and 24, none of one."""
    build, why = PINNED_STREAMS[what]
    found = discover(build(), (vectors(),))
    assert [g.name for g in found.groups.values()] == ["up"]
    assert found.numel == (48 + 40 + 40 + 24, 20 + 20)
    assert {t for h in found.held for t in h.tensors} == {"embed.weight", "up.weight", "down.weight", "head.weight"}
    stream = [h for h in found.held if h.units and h.size == 8]
    assert {"up.weight", "down.weight", "head.weight"} <= {t for h in stream for t in h.tensors}
    assert any(why in h.why for h in found.held if h.size == 8)


def test_a_tensor_that_stands_still_because_of_the_outputs_is_no_loss():
    """Classes and inputs have an order of their own: their axes are no units that could move."""
    found = discover(nn.Sequential(nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 4)), (vectors(),))
    assert found.numel == (6 * 7 + 7 + 7 * 4 + 4, 6 * 7 + 7 + 7 * 4)
    assert list(map(str, found.held)) == ["4 places of 2.bias keep their order, because of the network's outputs."]


# --- operators that are not what they say ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def false_friends() -> torch.library.Library:
    """Custom operators that make a running sum: one tagged pointwise, one that is called `linear`."""
    library = torch.library.Library("false_friends", "DEF")
    library.define("shade(Tensor x) -> Tensor", tags=(torch.Tag.pointwise, torch.Tag.pt2_compliant_tag))
    library.define("linear(Tensor input, Tensor weight) -> Tensor")
    for dispatch in ("CPU", "Meta"):
        library.impl("shade", lambda x: x.cumsum(-1), dispatch)
        library.impl("linear", lambda x, w: x.cumsum(-1) @ w.t(), dispatch)
    return library


def test_a_group_that_fails_the_test_is_held_fixed_with_a_warning(false_friends):
    """An operator tagged pointwise that is none: the inference believes the tag, the test by permutation does not."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        return self.out(torch.ops.false_friends.shade(self.hidden(self.first(x).relu())))

    network = Made(forward, first=nn.Linear(6, 5), hidden=nn.Linear(5, 7), out=nn.Linear(7, 3))
    found = discover(network, (vectors(),))
    assert list(found.groups) == ["first"]
    assert found.warnings == ("Permuting hidden (7 units) changed the output, so it is held fixed.",)


def test_a_custom_operator_is_not_taken_for_its_namesake(false_friends):
    """false_friends::linear is not aten::linear: unknown, and what it touches stays."""
    network = Made(lambda self, x: torch.ops.false_friends.linear(self.hidden(x), self.out.weight), hidden=nn.Linear(6, 7), out=nn.Linear(7, 3))
    found = discover(network, (vectors(),))
    assert found.groups == {}
    assert found.unknown == ("false_friends::linear",)
    assert found.warnings == ()


# --- refusals, and what is left alone -------------------------------------------------------------------------------------------


def test_a_network_with_a_branch_on_its_data_is_refused_with_the_way_out():
    """torch.export cannot trace it; the message says so, and that a symmetry can be written by hand."""
    network = Made(lambda self, x: self.a(x) if x.sum() > 0 else self.b(x), a=nn.Linear(6, 3), b=nn.Linear(6, 3))
    with pytest.raises(Refused, match=r"torch\.export cannot trace this network .*write the symmetry by hand"):
        discover(network, (vectors(),))


def test_a_network_that_draws_at_random_is_refused():
    """No permutation can be told from noise."""
    network = Made(lambda self, x: self.out(functional.dropout(self.hidden(x), training=True)), hidden=nn.Linear(6, 7), out=nn.Linear(7, 3))
    with pytest.raises(Refused, match="different outputs for the same inputs"):
        discover(network, (vectors(),))


def test_a_network_whose_outputs_are_no_numbers_is_refused():
    """Not a number is equal to nothing, so nothing can be tested."""
    network = Made(lambda self, x: self.out(self.hidden(x).relu()) / 0 * 0, hidden=nn.Linear(6, 7), out=nn.Linear(7, 3))
    with pytest.raises(Refused, match="not all numbers"):
        discover(network, (vectors(),))


class Counting(nn.Module):
    """Writes to a buffer and to its input, and draws random numbers, in each forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(6, 7), nn.Linear(7, 3)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        x.mul_(0.5)
        torch.rand(3)
        return self.out(self.hidden(x).relu())


def test_looking_for_a_symmetry_changes_nothing():
    """Weights, buffers, mode, gradients, inputs and the random state are as they were."""
    network, example = Counting().double().train(), vectors().double()
    network.hidden.weight.requires_grad_(False)
    state, given = {n: t.clone() for n, t in network.state_dict().items()}, example.clone()
    drawn, python_drawn, threads = torch.get_rng_state(), python_random.getstate(), torch.get_num_threads()
    found = discover(network, (example,))
    assert list(found.groups) == ["hidden"]
    assert all(torch.equal(t, state[n]) for n, t in network.state_dict().items())
    assert torch.equal(example, given)
    assert network.training and network.hidden.training
    assert [p.requires_grad for p in network.parameters()] == [False, True, True, True]
    assert all(p.grad is None for p in network.parameters())
    assert torch.equal(torch.get_rng_state(), drawn)
    assert python_random.getstate() == python_drawn
    assert torch.get_num_threads() == threads


def test_frozen_weights_do_not_hide_the_attention():
    """Without gradients PyTorch's own encoder layer takes a fused shortcut; the symmetry is found all the same."""
    network = nn.TransformerEncoderLayer(16, 4, 24, batch_first=True).requires_grad_(False)
    with torch.no_grad():
        found = discover(network, (sequences(),))
    assert found.unknown == ()
    assert {g.name: (g.size, g.within) if g.within else g.size for g in found.groups.values()} == encoder_groups()


def test_half_precision_is_tested_in_double():
    """A network in bfloat16 has the groups it has in float32, though its own rounding is coarse."""
    network = nn.Sequential(nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 3)).bfloat16()
    found = discover(network, (vectors().bfloat16(),))
    assert {g.name: g.size for g in found.groups.values()} == {"0": 7}


def test_a_network_that_insists_on_float32_is_tested_in_float32(false_friends):
    """Where it cannot be computed in double the tolerance is wider, and a wrong group is found out all the same."""

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        assert self.first.weight.dtype == torch.float32
        return self.out(torch.ops.false_friends.shade(self.hidden(self.first(x).relu())))

    network = Made(forward, first=nn.Linear(6, 5), hidden=nn.Linear(5, 7), out=nn.Linear(7, 3))
    found = discover(network, (vectors(),))
    assert list(found.groups) == ["first"]
    assert len(found.warnings) == 1
