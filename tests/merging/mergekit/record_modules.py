"""Recipes with modules, and what mergekit 0.1.5 makes of them, into recorded_modules.npz beside this file.

    PYTHONPATH=FOLDER python -m tests.merging.mergekit.record_modules

As record.py: a small Qwen2.5-VL, whose modules mergekit defines, and a small LLaVA, whose modules it finds in the names of the tensors.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import yaml

RECORDED = Path(__file__).parent / "recorded_modules.npz"
MODELS = ("base", "one", "two")
HIDDEN, INNER, TOKENS, LAYERS, DEPTH = 8, 12, 16, 3, 2
Shapes = dict[str, tuple[int, ...]]

TEXT = {
    **{"hidden_size": HIDDEN, "intermediate_size": INNER, "num_hidden_layers": LAYERS, "num_attention_heads": 2, "num_key_value_heads": 2},
    **{"vocab_size": TOKENS, "max_position_embeddings": 32},
}
QWEN = {
    **{"architectures": ["Qwen2_5_VLForConditionalGeneration"], "model_type": "qwen2_5_vl", "tie_word_embeddings": False},
    "text_config": TEXT | {"model_type": "qwen2_5_vl_text"},
    "vision_config": {
        **{"model_type": "qwen2_5_vl", "depth": DEPTH, "hidden_size": HIDDEN, "intermediate_size": INNER, "num_heads": 2},
        **{"patch_size": 4, "spatial_merge_size": 1, "temporal_patch_size": 1, "out_hidden_size": HIDDEN},
    },
}
LLAVA = {
    **{"architectures": ["LlavaForConditionalGeneration"], "model_type": "llava", "image_token_index": 15, "tie_word_embeddings": False},
    "text_config": TEXT | {"model_type": "llama"},
    "vision_config": {
        **{"model_type": "clip_vision_model", "hidden_size": HIDDEN, "intermediate_size": INNER, "num_hidden_layers": DEPTH},
        **{"num_attention_heads": 2, "image_size": 8, "patch_size": 4, "projection_dim": HIDDEN},
    },
}


def _both(at: str, shape: tuple[int, ...]) -> Shapes:
    return {f"{at}.weight": shape, f"{at}.bias": shape[:1]}


def _language(at: str, *, bias: bool) -> Shapes:
    found: Shapes = {f"{at}.embed_tokens.weight": (TOKENS, HIDDEN), f"{at}.norm.weight": (HIDDEN,), "lm_head.weight": (TOKENS, HIDDEN)}
    for i in range(LAYERS):
        layer = f"{at}.layers.{i}"
        found |= {f"{layer}.self_attn.{q}_proj.weight": (HIDDEN, HIDDEN) for q in "qkvo"}
        found |= {f"{layer}.self_attn.{q}_proj.bias": (HIDDEN,) for q in "qkv" if bias}
        found |= {f"{layer}.mlp.{m}_proj.weight": (INNER, HIDDEN) for m in ("gate", "up")} | {f"{layer}.mlp.down_proj.weight": (HIDDEN, INNER)}
        found |= {f"{layer}.{n}_layernorm.weight": (HIDDEN,) for n in ("input", "post_attention")}
    return found


def _qwen() -> Shapes:
    found = _language("model", bias=True) | {"visual.patch_embed.proj.weight": (HIDDEN, 3, 1, 4, 4)}
    for i in range(DEPTH):
        block = f"visual.blocks.{i}"
        found |= _both(f"{block}.attn.qkv", (3 * HIDDEN, HIDDEN)) | _both(f"{block}.attn.proj", (HIDDEN, HIDDEN))
        for m in ("gate", "up", "down"):
            found |= _both(f"{block}.mlp.{m}_proj", (HIDDEN, INNER) if m == "down" else (INNER, HIDDEN))
        found |= {f"{block}.norm1.weight": (HIDDEN,), f"{block}.norm2.weight": (HIDDEN,)}
    found |= {"visual.merger.ln_q.weight": (HIDDEN,)}
    return found | _both("visual.merger.mlp.0", (HIDDEN, HIDDEN)) | _both("visual.merger.mlp.2", (HIDDEN, HIDDEN))


def _llava() -> Shapes:
    at = "model.vision_tower"
    found = _language("model.language_model", bias=False)
    found |= {f"{at}.embeddings.class_embedding": (HIDDEN,), f"{at}.embeddings.patch_embedding.weight": (HIDDEN, 3, 4, 4)}
    found |= (
        {f"{at}.embeddings.position_embedding.weight": (5, HIDDEN)}
        | _both(f"{at}.pre_layrnorm", (HIDDEN,))
        | _both(f"{at}.post_layernorm", (HIDDEN,))
    )
    for i in range(DEPTH):
        layer = f"{at}.encoder.layers.{i}"
        for q in ("k_proj", "v_proj", "q_proj", "out_proj"):
            found |= _both(f"{layer}.self_attn.{q}", (HIDDEN, HIDDEN))
        found |= _both(f"{layer}.mlp.fc1", (INNER, HIDDEN)) | _both(f"{layer}.mlp.fc2", (HIDDEN, INNER))
        found |= _both(f"{layer}.layer_norm1", (HIDDEN,)) | _both(f"{layer}.layer_norm2", (HIDDEN,))
    return found | _both("model.multi_modal_projector.linear_1", (HIDDEN, HIDDEN)) | _both("model.multi_modal_projector.linear_2", (HIDDEN, HIDDEN))


KINDS = {"qwen": (QWEN, _qwen), "llava": (LLAVA, _llava)}

_TIES = """
merge_method: ties
base_model: KIND-base
dtype: float32
parameters: {normalize: true, density: 0.6}
modules:
  TEXT: {models: [{model: KIND-one, parameters: {weight: [0.2, 0.5, 0.9]}}, {model: KIND-two, parameters: {weight: 0.4}}]}
  VISION: {models: [{model: KIND-one, parameters: {weight: [0.9, 0.1]}}], parameters: {density: 0.3}}
  REST: {models: [{model: KIND-two, parameters: {weight: 0.7}}]}
"""
_SLERP = """
merge_method: slerp
base_model: KIND-base
dtype: float32
parameters: {t: 0.2}
modules:
  TEXT:
    slices:
    - {sources: [{model: KIND-base, layer_range: [0, 2]}, {model: KIND-one, layer_range: [0, 2]}], parameters: {t: [0.1, 0.6]}}
    - {sources: [{model: KIND-base, layer_range: [1, 3]}, {model: KIND-one, layer_range: [1, 3]}]}
  VISION: {models: [{model: KIND-two}], parameters: {t: [{filter: mlp, value: 0.5}, {value: [0.0, 1.0]}]}}
  REST: {models: [{model: KIND-one}]}
"""
_LINEAR = """
merge_method: linear
dtype: float32
models:
- {model: KIND-one, parameters: {weight: [{filter: merger, value: 0.3}, {value: [0.2, 0.5, 0.9]}]}}
- {model: KIND-two, parameters: {weight: [{filter: merger, value: 0.5}, {value: [1.0, 0.1]}]}}
"""
NAMES = {
    "qwen": {"TEXT": "text_decoder", "VISION": "vision_tower", "REST": "multi_modal_projector"},
    "llava": {"TEXT": "model.language_model.layers", "VISION": "model.vision_tower.encoder.layers", "REST": "default"},
}


def recipes() -> list[str]:
    """The texts, models by their names."""
    found: list[str] = []
    for kind, names in NAMES.items():
        for text in (_TIES, _SLERP, _LINEAR):
            for word, name in (*names.items(), ("KIND", kind)):
                text = text.replace(word, name)
            found.append(text.lstrip())
    return found


def located(text: str, folder: Path) -> str:
    """The recipe with the models' paths for their names."""
    for kind in KINDS:
        for model in MODELS:
            text = text.replace(f"{kind}-{model}", str(folder / f"{kind}-{model}"))
    return text


def written(folder: Path) -> None:
    """The models, a folder each."""
    from safetensors.numpy import save_file

    rng = np.random.default_rng(5)
    for kind, (config, shapes) in KINDS.items():
        base = {n: rng.normal(size=s).astype(np.float32) for n, s in shapes().items()}
        for model in MODELS:
            tuned = {n: (t + (model != "base") * rng.normal(scale=0.3, size=t.shape)).astype(np.float32) for n, t in base.items()}
            (folder / f"{kind}-{model}").mkdir()
            save_file(tuned, folder / f"{kind}-{model}" / "model.safetensors", {"format": "pt"})
            (folder / f"{kind}-{model}" / "config.json").write_text(json.dumps(config))


def main() -> None:
    from mergekit.config import MergeConfiguration
    from mergekit.merge import MergeOptions, run_merge
    from safetensors.numpy import load_file

    found: dict[str, np.ndarray] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        written(folder)
        for i, text in enumerate(recipes()):
            config = MergeConfiguration.model_validate(yaml.safe_load(located(text, folder)))
            run_merge(config, str(folder / f"out-{i}"), MergeOptions(copy_tokenizer=False, write_model_card=False, quiet=True))
            made: dict[str, np.ndarray] = {}
            for file in sorted((folder / f"out-{i}").glob("*.safetensors")):
                made |= load_file(file)
            found[f"names-{i}"] = np.array(sorted(made))
            found[f"{i}"] = np.concatenate([made[n].reshape(-1) for n in sorted(made)])
    np.savez_compressed(RECORDED, texts=np.array(recipes()), **found)


if __name__ == "__main__":
    main()
