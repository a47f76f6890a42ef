"""Adapters against PEFT itself: what it makes of an adapter that it saved, and what is made of it here."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from explorer.merging import engine, plan
from tests.merging import loaded

hf: Any = import_module("transformers")
peft: Any = import_module("peft")

LLAMA = {"hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 16}
GPT2 = {"n_embd": 8, "n_layer": 2, "n_head": 2, "vocab_size": 16, "n_positions": 8}
ATTENTION = ["q_proj", "v_proj"]


def network(kind: str) -> Any:
    torch.manual_seed(0)
    config = hf.LlamaConfig(**LLAMA, tie_word_embeddings=False) if kind == "llama" else hf.GPT2Config(**GPT2, tie_word_embeddings=False)
    return hf.AutoModelForCausalLM.from_config(config)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("llama", {"target_modules": ATTENTION, "r": 2, "lora_alpha": 6}),
        ("llama", {"target_modules": ATTENTION, "r": 4, "lora_alpha": 6, "use_rslora": True}),
        ("llama", {"target_modules": ATTENTION, "r": 4, "rank_pattern": {r"layers\.1\..*q_proj": 2}, "alpha_pattern": {r"layers\.1\..*q_proj": 32}}),
        (
            "llama",
            {
                "target_modules": ATTENTION,
                "r": 4,
                "rank_pattern": {"(q_proj|v_proj)": 2, "q_proj": 1},
                "alpha_pattern": {"^model.layers.0.self_attn.q_proj": 7},
            },
        ),
        ("llama", {"target_modules": ["q_proj", "embed_tokens", "lm_head"], "r": 2}),
        ("llama", {"target_modules": ATTENTION, "r": 2, "modules_to_save": ["lm_head"]}),
        ("llama", {"target_modules": ATTENTION, "r": 2, "init_lora_weights": "orthogonal"}),
        ("gpt2", {"target_modules": ["c_attn"], "r": 2, "bias": "all", "fan_in_fan_out": True}),
        ("gpt2", {"target_modules": ["c_attn"], "r": 2, "bias": "lora_only", "fan_in_fan_out": True}),
        ("gpt2", {"target_modules": ["c_attn", "lm_head"], "r": 2, "fan_in_fan_out": True}),
    ],
)
def test_what_is_merged_here_is_what_peft_merges(kind: str, settings: dict[str, Any], tmp_path: Path) -> None:
    """Every parameter of the adapter drawn at random, saved by PEFT, merged by PEFT and here: equal to 1e-6."""
    network(kind).save_pretrained(tmp_path / "base")
    wrapped = peft.get_peft_model(network(kind), peft.LoraConfig(task_type="CAUSAL_LM", **settings))
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(len(name))))
    wrapped.save_pretrained(tmp_path / "adapter", save_embedding_layers="auto")
    engine.merge(plan.of_recipe(f"merge_method: passthrough\nmodels: [{{model: {tmp_path / 'base'}+{tmp_path / 'adapter'}}}]"), tmp_path / "out")
    found, wanted = loaded(tmp_path / "out"), wrapped.merge_and_unload().state_dict()
    base = loaded(tmp_path / "base")
    assert any(not torch.equal(found[name], base[name]) for name in base)
    for name in base:
        assert torch.allclose(found[name], wanted[name], atol=1e-6), name


@pytest.mark.filterwarnings("ignore")
def test_an_adapter_whose_beginning_leaves_the_base_alone_is_one_of_those_that_are_merged() -> None:
    """EVA begins at B·A = 0 on the base as it is, in PEFT's own hands: the base's weights are not written to."""
    before = network("llama").state_dict()
    config = peft.LoraConfig(task_type="CAUSAL_LM", target_modules=ATTENTION, r=2, init_lora_weights="eva", eva_config=peft.EvaConfig())
    wrapped = peft.get_peft_model(network("llama"), config)
    peft.initialize_lora_eva_weights(wrapped, [{"input_ids": torch.arange(8).reshape(2, 4)}] * 4, show_progress_bar=False)
    after = wrapped.merge_and_unload().state_dict()
    assert all(torch.allclose(after[name], before[name], atol=1e-6) for name in before)
