"""The symmetry of Hugging Face models, from tiny configurations: twenty architectures that nobody wrote a rule for.

`pytest -s` prints what was found in each.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from explorer.symmetry import discover
from tests.symmetry import moves, silent

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before the import
hf = import_module("transformers")

EXACT, VISIBLE = 1e-9, 1e-7
EXACT_SINGLE, VISIBLE_SINGLE = 1e-5, 1e-4  # for those which compute norms or a scan in float32, whatever the weights are

TOKENS = torch.arange(10).reshape(2, 5)
IMAGES = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
SOUND = torch.randn(2, 8, 16, generator=torch.Generator().manual_seed(0))

TEXT = {"vocab_size": 20, "num_hidden_layers": 2, "num_attention_heads": 4, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
WIDE = {"hidden_size": 32, "intermediate_size": 24, "max_position_embeddings": 16}


@dataclass(frozen=True)
class Model:
    """How to build it, what it is given, how many groups it has, and the share of its parameters that can move.

    `named`: some of the groups, and their units. `single`: parts of it are computed in float32.
    """

    build: Callable[[], nn.Module]
    given: dict[str, Tensor]
    groups: int
    share: float = 0.999
    unknown: tuple[str, ...] = ()
    named: dict[str, int] = field(default_factory=dict)
    single: bool = False


class Logits(nn.Module):
    """The model's answer alone: what else it hands out, such as the last hidden state of an encoder, would have to keep its order."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, **given: Any) -> Tensor:
        if hasattr(self.model.config, "use_cache"):
            given["use_cache"] = False
        return self.model(**given, return_dict=True).logits


MODELS: dict[str, Model] = {
    "GPT-2": Model(
        lambda: hf.GPT2LMHeadModel(hf.GPT2Config(n_embd=16, n_layer=2, n_head=4, n_positions=16, vocab_size=20, bos_token_id=1, eos_token_id=2)),
        {"input_ids": TOKENS},
        groups=9,
        named={"transformer.wte": 16, "transformer.h.0.attn.c_attn/heads": 4, "transformer.h.0.attn.c_attn[0,1]": 4, "transformer.h.1.mlp.c_fc": 64},
    ),
    "GPT-NeoX": Model(lambda: hf.GPTNeoXForCausalLM(hf.GPTNeoXConfig(**TEXT, **WIDE)), {"input_ids": TOKENS}, groups=9),
    "Llama": Model(
        lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**TEXT, **WIDE, num_key_value_heads=2)),
        {"input_ids": TOKENS},
        groups=9,  # the stream; in each layer heads of keys, queries of each, values (the order of queries and keys is held by the rotation), and the MLP
        named={"model.embed_tokens": 32, "model.layers.0.self_attn.q_proj/heads": 2, "model.layers.0.self_attn.q_proj": 2},
        single=True,
    ),
    "Qwen2": Model(
        lambda: hf.Qwen2ForCausalLM(hf.Qwen2Config(**TEXT, **WIDE, num_key_value_heads=2)),
        {"input_ids": TOKENS},
        groups=9,
        named={"model.embed_tokens": 32, "model.layers.1.mlp.gate_proj": 24},
        single=True,
    ),
    "Falcon, one head of keys": Model(
        lambda: hf.FalconForCausalLM(hf.FalconConfig(**TEXT, hidden_size=32, multi_query=True, alibi=False)),
        {"input_ids": TOKENS},
        groups=7,  # the stream; in each layer heads of queries, the one head's values (queries and keys are held by the rotation), and the MLP
        named={"transformer.h.0.self_attention.query_key_value[0]": 4, "transformer.h.0.self_attention.query_key_value[2]": 8},
    ),
    "Falcon, two heads of keys": Model(
        lambda: hf.FalconForCausalLM(hf.FalconConfig(**TEXT, hidden_size=32, num_kv_heads=2, new_decoder_architecture=True)),
        {"input_ids": TOKENS},
        groups=9,
    ),
    "BERT": Model(
        lambda: hf.BertForSequenceClassification(hf.BertConfig(**TEXT, **WIDE)),
        {"input_ids": TOKENS},
        groups=10,
        named={"bert.embeddings.word_embeddings": 32, "bert.pooler.dense": 32},
    ),
    "DistilBERT": Model(
        lambda: hf.DistilBertForSequenceClassification(
            hf.DistilBertConfig(dim=16, hidden_dim=24, n_layers=2, n_heads=4, vocab_size=20, max_position_embeddings=16)
        ),
        {"input_ids": TOKENS},
        groups=10,
    ),
    "ViT": Model(
        lambda: hf.ViTForImageClassification(
            hf.ViTConfig(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4, image_size=16, patch_size=4)
        ),
        {"pixel_values": IMAGES},
        groups=9,
    ),
    "Swin": Model(
        lambda: hf.SwinForImageClassification(
            hf.SwinConfig(embed_dim=16, depths=[2, 2], num_heads=[2, 4], image_size=16, patch_size=2, window_size=2)
        ),
        {"pixel_values": IMAGES},
        groups=18,
    ),
    "ConvNeXt": Model(
        lambda: hf.ConvNextForImageClassification(hf.ConvNextConfig(hidden_sizes=[16, 24], depths=[1, 2], num_stages=2, patch_size=2)),
        {"pixel_values": IMAGES},
        groups=5,
    ),
    "ResNet": Model(
        lambda: hf.ResNetForImageClassification(hf.ResNetConfig(embedding_size=16, hidden_sizes=[16, 32], depths=[1, 2], layer_type="bottleneck")),
        {"pixel_values": IMAGES},
        groups=8,
    ),
    "RegNet": Model(
        lambda: hf.RegNetForImageClassification(hf.RegNetConfig(embedding_size=16, hidden_sizes=[16, 32], depths=[1, 2], groups_width=8)),
        {"pixel_values": IMAGES},
        groups=15,
    ),
    "MobileNetV2": Model(
        lambda: hf.MobileNetV2ForImageClassification(hf.MobileNetV2Config(depth_multiplier=0.25)),
        {"pixel_values": IMAGES},
        groups=25,
    ),
    "EfficientNet": Model(
        lambda: hf.EfficientNetForImageClassification(
            hf.EfficientNetConfig(
                width_coefficient=0.5,
                depth_coefficient=0.5,
                hidden_dim=640,
                in_channels=[32, 16],
                out_channels=[16, 48],
                kernel_sizes=[3, 5],
                strides=[1, 2],
                num_block_repeats=[1, 3],
                expand_ratios=[1, 6],
            )
        ),
        {"pixel_values": IMAGES},
        groups=9,
    ),
    "T5": Model(
        lambda: hf.T5ForConditionalGeneration(hf.T5Config(d_model=16, d_kv=4, d_ff=24, num_layers=2, num_heads=4, vocab_size=20)),
        {"input_ids": TOKENS, "decoder_input_ids": TOKENS},
        groups=20,  # one order of heads for all layers of a stack: they share their relative positions
        named={"shared": 16},
        single=True,
    ),
    "Whisper": Model(
        lambda: hf.WhisperForConditionalGeneration(
            hf.WhisperConfig(
                d_model=16,
                encoder_layers=2,
                decoder_layers=2,
                encoder_attention_heads=4,
                decoder_attention_heads=4,
                encoder_ffn_dim=24,
                decoder_ffn_dim=24,
                vocab_size=20,
                num_mel_bins=8,
                max_source_positions=8,
                max_target_positions=16,
                pad_token_id=0,
                bos_token_id=1,
                eos_token_id=2,
                decoder_start_token_id=1,
            )
        ),
        {"input_features": SOUND, "decoder_input_ids": TOKENS},
        groups=25,
    ),
    "BART": Model(
        lambda: hf.BartForConditionalGeneration(
            hf.BartConfig(
                d_model=16,
                encoder_layers=1,
                decoder_layers=1,
                encoder_attention_heads=4,
                decoder_attention_heads=4,
                encoder_ffn_dim=24,
                decoder_ffn_dim=24,
                vocab_size=20,
                max_position_embeddings=16,
                pad_token_id=0,
                bos_token_id=1,
                eos_token_id=2,
                decoder_start_token_id=1,
            )
        ),
        {"input_ids": TOKENS, "decoder_input_ids": TOKENS},
        groups=12,  # one stream for encoder and decoder: they share their embedding
        named={"model.shared": 16},
    ),
    "Funnel": Model(
        lambda: hf.FunnelForSequenceClassification(
            hf.FunnelConfig(
                vocab_size=20, block_sizes=[1, 1], num_decoder_layers=1, d_model=16, n_head=4, d_head=4, d_inner=24, max_position_embeddings=16
            )
        ),
        {"input_ids": TOKENS},
        groups=10,
        named={"funnel.embeddings.word_embeddings": 16},
    ),
    "Mixtral": Model(
        lambda: hf.MixtralForCausalLM(hf.MixtralConfig(**TEXT, **WIDE, num_key_value_heads=2, num_local_experts=4, experts_implementation="eager")),
        {"input_ids": TOKENS},
        groups=9,
        named={"model.embed_tokens": 32, "model.layers.0.mlp.experts.gate_up_proj": 24},
        single=True,
    ),
    "GPT-OSS": Model(
        lambda: hf.GptOssForCausalLM(
            hf.GptOssConfig(
                **TEXT, **WIDE, num_key_value_heads=2, head_dim=8, num_local_experts=4, num_experts_per_tok=2, experts_implementation="eager"
            )
        ),
        {"input_ids": TOKENS},
        groups=9,  # gate and value of each unit of an expert stand next to one another
        named={"model.embed_tokens": 32},
        single=True,
    ),
    "Mamba": Model(
        lambda: hf.MambaForCausalLM(hf.MambaConfig(hidden_size=16, num_hidden_layers=2, state_size=4, vocab_size=20, time_step_rank=4)),
        {"input_ids": TOKENS},
        groups=7,
        single=True,
    ),
}


@pytest.fixture(autouse=True, scope="module")
def table() -> Iterator[list[str]]:
    """What was found, printed at the end for whoever runs with -s."""
    rows: list[str] = []
    yield rows
    print("\n" + "\n".join([f"{'model':14} {'groups':>6} {'movable':>8}  {'moved by':>8}  not understood", *rows]))  # noqa: T201  # what -s is for


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore")  # theirs, about kernels that are not installed
def test_the_symmetry_of_a_model_is_found_and_moves_nothing(name, table):
    """As many groups as expected, the share of parameters, no operator that is not understood, an unmoved output, and groups that matter."""
    given = MODELS[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Logits(given.build()).eval()
    found = discover(network, (), given.given)
    moved = moves(network, found, (), given.given, times=1)
    table.append(f"{name:14} {len(found.groups):6} {100 * found.movable:7.1f}%  {moved:8.1e}  {', '.join(found.unknown) or '-'}")
    assert found.unknown == given.unknown
    assert found.warnings == ()
    assert found.movable >= given.share
    assert {n: found.groups[f"model.{n}"].size for n in given.named} == given.named
    assert len(found.groups) == given.groups
    assert moved < (EXACT_SINGLE if given.single else EXACT)
    assert silent(network, found, (), given.given, below=VISIBLE_SINGLE if given.single else VISIBLE, first=True) == set()
