"""All classes of symmetry, deduced: known answers for small networks, and random elements of everything found, on weights made uneven."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from explorer.symmetry import gauges as g
from explorer.symmetry import widen
from explorer.symmetry.classes import SymmetryClass as C
from tests.symmetry import change, uneven
from tests.symmetry.test_hugging_face import MODELS as EVERY
from tests.symmetry.test_hugging_face import Logits

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before the import
hf = import_module("transformers")

EXACT = 1e-5  # in float64 arithmetic; what is found is below 1e-9 where the network computes in float64 throughout
EXACT_SINGLE = 1e-4  # where parts are computed in float32, whatever the weights are
TOKENS = torch.arange(10).reshape(2, 5)


def displacement(network: nn.Module, lattice: g.Lattice, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> tuple[float, float]:
    """How far random elements of all that was found move the outputs, and how far the weights, relative to their scales."""
    network = uneven(network)
    state = network.state_dict()
    moved, _ = g.displaced(state, lattice, torch.Generator().manual_seed(17))
    away = sum(float((moved[n] - t).square().sum()) for n, t in state.items() if t.is_floating_point())
    long = sum(float(t.square().sum()) for t in state.values() if t.is_floating_point())
    return change(network, moved, args, kwargs), (away / long) ** 0.5


def told(name: str, network: nn.Module, found: g.Lattice) -> None:
    """What was found, for `pytest -s`: classes, gains, and the dimension of the group beside that of the weights."""
    classes = [str(gauge.cls) for gauge in found.gauges.values()]
    several = ", ".join(f"{classes.count(c)} {c}" for c in dict.fromkeys(classes))
    share = found.dimension / sum(p.numel() for p in network.parameters())
    print(f"{name}: {several or 'permutations'}, {len(found.folds)} gains; dimension {found.dimension}, {share:.1%}")  # noqa: T201  # what -s is for


class MLP(nn.Module):
    def __init__(self, activation: Callable[[Tensor], Tensor], *, tied: bool = False) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 3)
        self.activation, self.tied = activation, tied

    def forward(self, x: Tensor) -> Tensor:
        x = self.activation(self.a(x))
        x = self.activation(functional.linear(self.b(x), self.b.weight.T) if self.tied else self.b(x))
        return self.c(x)


@pytest.mark.parametrize(
    ("activation", "cls", "dimension"),
    [
        (torch.relu, C.SCALED, 16),
        (functional.leaky_relu, C.SCALED, 16),
        (torch.tanh, C.SIGNED, 0),
        (torch.sin, C.SIGNED, 0),
        (nn.Identity(), C.INVERTIBLE, 128),
        (functional.gelu, None, 0),
        (torch.sigmoid, None, 0),
        (lambda x: torch.relu(x) + 1.0, None, 0),
        (lambda x: torch.tanh(2 * x), C.SIGNED, 0),
        (lambda x: x.pow(2), None, 0),
    ],
)
def test_an_activation_restricts_units_to_its_class(activation, cls, dimension):
    """Scales for ReLU, signs for odd functions, any map where there is none, permutations alone for the rest; and the dimension of the group."""
    network = MLP(activation)
    found = widen(network, (torch.randn(4, 6),))
    assert {gauge.cls for gauge in found.gauges.values()} == ({cls} if cls else set())
    assert len(found.gauges) == (2 if cls else 0)
    assert found.dimension == dimension
    assert not found.warnings
    assert displacement(network, found, (torch.randn(4, 6),))[0] < 1e-12


def test_a_matrix_that_writes_and_reads_one_axis_leaves_orthogonal_maps():
    """WᵀW: between the two M and its inverse transpose are one, as for tied embeddings; the axis around them takes any map, inverted behind them."""
    network = MLP(nn.Identity(), tied=True)
    found = widen(network, (torch.randn(4, 6),))
    assert {name: gauge.cls for name, gauge in found.gauges.items()} == {"a": C.INVERTIBLE, "b": C.ORTHOGONAL}
    inverted = {p.tensor: p.inverted for p in found.gauges["a"].places}
    assert inverted["a.weight"] == inverted["c.weight"] != inverted["b.weight"]
    assert displacement(network, found, (torch.randn(4, 6),))[0] < 1e-12


class Gated(nn.Module):
    """SwiGLU: the gate goes through a nonlinearity, what it multiplies does not."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.up, self.down = nn.Linear(6, 8), nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(functional.silu(self.gate(x)) * self.up(x))


def test_what_a_gate_multiplies_keeps_signs_and_scales():
    """The gate's own rows take part in permutations alone."""
    found = widen(Gated(), (torch.randn(4, 6),))
    (gauge,) = found.gauges.values()
    assert gauge.cls == C.MONOMIAL
    assert {p.tensor: p.inverted for p in gauge.places} == {"up.weight": False, "up.bias": False, "down.weight": True}
    assert displacement(Gated(), found, (torch.randn(4, 6),))[0] < 1e-12


class Normed(nn.Module):
    """A stream with one norm of its own kind at each reading."""

    def __init__(self, norm: Callable[[int], nn.Module], *, after: bool = False) -> None:
        super().__init__()
        self.read, self.up, self.down, self.out = nn.Linear(6, 8), nn.Linear(8, 12), nn.Linear(12, 8), nn.Linear(8, 3)
        self.one, self.two, self.after = norm(8), norm(8), after

    def forward(self, x: Tensor) -> Tensor:
        x = self.read(x)
        if self.after:
            return self.out(self.two(self.one(x) + self.down(torch.sigmoid(self.up(self.one(x))))))
        return self.out(self.two(x + self.down(torch.sigmoid(self.up(self.one(x))))))


@pytest.mark.parametrize(
    ("norm", "after", "cls", "folds"),
    [
        (nn.RMSNorm, False, C.ORTHOGONAL, {"one.weight", "two.weight"}),
        (nn.LayerNorm, False, C.CENTRED, {"one.weight", "two.weight"}),
        (lambda n: nn.LayerNorm(n, elementwise_affine=False), False, C.CENTRED, set()),
        (nn.LayerNorm, True, None, {"two.weight"}),
        (nn.RMSNorm, True, C.SIGNED, {"two.weight"}),
    ],
)
def test_a_stream_is_as_free_as_its_norms(norm, after, cls, folds):
    """Before a block a norm lets orthogonal maps through, once its gain is moved; behind one the gain stands in the stream and leaves signs or less."""
    network = Normed(norm, after=after)
    found = widen(network, (torch.randn(4, 6),))
    assert set(found.folds) == folds
    assert {gauge.cls for n, gauge in found.gauges.items() if gauge.size == 8} == ({cls} if cls else set())
    assert not found.warnings
    assert displacement(network, found, (torch.randn(4, 6),))[0] < 1e-10


class Convolutions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.norm, self.two, self.out = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 5, 3), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(torch.relu(self.norm(self.one(x))), 2)
        return self.out(torch.relu(self.two(x)).mean((2, 3)))


def test_behind_batch_norm_the_gain_carries_the_scale():
    """Gain, shift and what reads them; the kernel before the norm, whose scale says nothing, stays."""
    found = widen(Convolutions(), (torch.randn(4, 1, 9, 9),))
    assert {gauge.cls for gauge in found.gauges.values()} == {C.SCALED}
    assert {p.tensor for gauge in found.gauges.values() for p in gauge.places} == {"norm.weight", "norm.bias", "two.weight", "two.bias", "out.weight"}
    assert displacement(Convolutions(), found, (torch.randn(4, 1, 9, 9),))[0] < 1e-12


def test_a_class_that_is_too_large_is_found_out_and_named(monkeypatch):
    """Were GELU taken for a homogeneous function, the probe would say so: the axis is left with permutations, the others as they are."""
    relations = import_module("explorer.symmetry.relations")
    monkeypatch.setitem(relations.RELATIONS, "gelu", relations.RELATIONS["relu"])

    class Mixed(MLP):
        def forward(self, x: Tensor) -> Tensor:
            return self.c(torch.relu(self.b(functional.gelu(self.a(x)))))

    found = widen(Mixed(torch.relu), (torch.randn(4, 6),))
    assert list(found.gauges) == ["b"]
    assert "A random scaled map of a changed the output" in found.warnings[0]


def test_a_gain_that_stays_restricts_its_stream():
    """`keep` names gains that cannot be divided by: signs are left of orthogonal maps."""
    network = Normed(nn.RMSNorm)
    found = widen(network, (torch.randn(4, 6),), keep=frozenset({"one.weight"}))
    assert set(found.folds) == {"two.weight"}
    assert {gauge.cls for gauge in found.gauges.values()} == {C.SIGNED}
    assert displacement(network, found, (torch.randn(4, 6),))[0] < 1e-12


# --- architectures ----------------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Model:
    """How to build it, what it is given, and the classes of its axes: how many axes of each."""

    build: Callable[[], nn.Module]
    given: dict[str, Tensor]
    classes: dict[C, int]
    folds: int = 0


TEXT = {"vocab_size": 20, "num_hidden_layers": 2, "num_attention_heads": 4, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
WIDE = {"hidden_size": 32, "intermediate_size": 24, "max_position_embeddings": 16}
GPT2 = {"n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 16, "vocab_size": 20, "bos_token_id": 1, "eos_token_id": 2}
T5 = {"vocab_size": 20, "d_model": 16, "d_kv": 4, "d_ff": 24, "num_layers": 1, "num_heads": 4, "decoder_start_token_id": 0}
MODELS = {
    "GPT-2": Model(lambda: hf.GPT2LMHeadModel(hf.GPT2Config(**GPT2)), {"input_ids": TOKENS}, {C.INVERTIBLE: 4}, folds=4),
    "GPT-2, untied": Model(
        lambda: hf.GPT2LMHeadModel(hf.GPT2Config(**GPT2, tie_word_embeddings=False)), {"input_ids": TOKENS}, {C.CENTRED: 1, C.INVERTIBLE: 4}, folds=5
    ),
    "Llama": Model(
        lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**TEXT, **WIDE, num_key_value_heads=2)),
        {"input_ids": TOKENS},
        {C.ORTHOGONAL: 1, C.MONOMIAL: 2, C.ROTARY: 2, C.INVERTIBLE: 2},
        folds=5,
    ),
    "Llama, tied": Model(
        lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**TEXT, **WIDE, num_key_value_heads=2, tie_word_embeddings=True)),
        {"input_ids": TOKENS},
        {C.SIGNED: 1, C.MONOMIAL: 2, C.ROTARY: 2, C.INVERTIBLE: 2},
        folds=4,
    ),
    "Llama, eager": Model(
        lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**TEXT, **WIDE, num_key_value_heads=2, attn_implementation="eager")),
        {"input_ids": TOKENS},
        {C.ORTHOGONAL: 1, C.MONOMIAL: 2, C.ROTARY: 2, C.INVERTIBLE: 2},
        folds=5,
    ),
    "ViT": Model(
        lambda: hf.ViTForImageClassification(
            hf.ViTConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=24, image_size=16, patch_size=8)
        ),
        {"pixel_values": torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))},
        {C.CENTRED: 1, C.INVERTIBLE: 4},
        folds=5,
    ),
    "BERT": Model(
        lambda: hf.BertForSequenceClassification(hf.BertConfig(**TEXT, **WIDE, num_labels=3)),
        {"input_ids": TOKENS, "attention_mask": torch.ones_like(TOKENS)},
        {C.INVERTIBLE: 4, C.SIGNED: 1},  # signs through the pooler's tanh; the streams of norms behind each block are held by their gains
        folds=1,
    ),
    "T5": Model(
        lambda: hf.T5ForConditionalGeneration(hf.T5Config(**T5, feed_forward_proj="gated-gelu")),
        {"input_ids": TOKENS, "decoder_input_ids": TOKENS},
        {C.SIGNED: 1, C.INVERTIBLE: 6, C.MONOMIAL: 2},  # one stream of encoder and decoder; tied, so the last gain cannot be moved
        folds=6,
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_classes_of_an_architecture_are_found_and_leave_its_function(name):
    """Random elements of all of them at once, with permutations and gains, move the weights far and the outputs by rounding alone."""
    model = MODELS[name]
    network = Logits(model.build()).eval()
    found = widen(network, (), model.given)
    classes = [gauge.cls for gauge in found.gauges.values()]
    told(name, network, found)
    assert not found.warnings
    outputs, weights = displacement(network, found, (), model.given)
    assert outputs < EXACT
    assert weights > 0.2
    assert {c: classes.count(c) for c in classes} == model.classes
    assert len(found.folds) == model.folds


@pytest.mark.parametrize("name", [n for n in EVERY if n not in MODELS])
def test_nothing_wrong_is_found_in_other_architectures(name):
    """Whatever is found leaves the function, and none of it had to be given up. `pytest -s` prints it."""
    model = EVERY[name]
    network = Logits(model.build()).eval()
    found = widen(network, (), model.given)
    told(name, network, found)
    assert not found.warnings
    assert displacement(network, found, (), model.given)[0] < (EXACT_SINGLE if model.single else EXACT)


def test_heads_have_maps_of_their_own_and_keys_share_theirs_with_all_their_queries():
    """Grouped queries: one map of planes for each head of keys, which stands in keys, inverted, and in queries."""
    model = MODELS["Llama"]
    found = widen(Logits(model.build()).eval(), (), model.given)
    planes = next(gauge for gauge in found.gauges.values() if gauge.cls == C.ROTARY)
    assert found.outer(planes) == 2
    by_tensor = {p.tensor.split(".")[-2]: p.inverted for p in planes.places}
    assert set(by_tensor) == {"q_proj", "k_proj"}
    assert by_tensor["q_proj"] != by_tensor["k_proj"]


def test_a_larger_class_than_found_would_change_the_function():
    """The stream of a LayerNorm takes no map that moves the ones, a rotary embedding no rotation that mixes planes: none is found too small."""
    network = uneven(Normed(nn.LayerNorm))
    found = widen(network, (torch.randn(4, 6),))
    larger = {n: replace(gauge, cls=C.ORTHOGONAL) for n, gauge in found.gauges.items()}
    assert displacement(network, replace(found, gauges=larger), (torch.randn(4, 6),))[0] > 1e-3
    model = MODELS["Llama"]
    llama = Logits(model.build()).eval()
    found = widen(llama, (), model.given)
    larger = {n: replace(gauge, cls=C.INVERTIBLE) if gauge.cls == C.ROTARY else gauge for n, gauge in found.gauges.items()}
    assert displacement(llama, replace(found, gauges=larger), (), model.given)[0] > 1e-3


def test_the_network_is_left_as_it_was():
    """Nothing is written to its weights or modes."""
    network = MLP(torch.relu).train()
    before = copy.deepcopy(network.state_dict())
    widen(network, (torch.randn(4, 6),))
    assert network.training
    assert all(torch.equal(t, before[n]) for n, t in network.state_dict().items())
