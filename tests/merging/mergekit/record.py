"""Recipes drawn at random, and what mergekit 0.1.5 makes of them, into recorded.npz beside this file.

    PYTHONPATH=FOLDER python -m tests.merging.mergekit.record

FOLDER is where `pip install --no-deps --target FOLDER mergekit==0.1.5` put it; what it imports is in the extra [hf]. The file has a recipe's text and the bits of
all tensors of its result, one after another in the order of their names. The models are drawn anew wherever they are needed (`models`).
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import yaml

HERE = Path(__file__).parent
RECORDED = HERE / "recorded.npz"
NAMES = ("one", "two", "three")
NEAR = ("near-one", "near-two", "near-three")  # changes at acute angles, in every row
LAYERS, HIDDEN, INNER, TOKENS = 3, 6, 8, 10
COUNT = 72
SHARED_WEIGHT = ("linear", "nuslerp", "multislerp")
TASKS = ("task_arithmetic", "ties", "breadcrumbs", "breadcrumbs_ties", "dare_linear", "dare_ties", "della", "della_linear")
PAIRS = ("slerp", "nearswap", "arcee_fusion")
ALL = (*SHARED_WEIGHT, *TASKS, *PAIRS, "karcher", "model_stock", "sce", "ram", "ramplus_tl", "passthrough")


def shapes() -> dict[str, tuple[int, ...]]:
    """Of a small network like Llama's."""
    found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (TOKENS, HIDDEN)}
    for i in range(LAYERS):
        at = f"model.layers.{i}"
        found |= {f"{at}.self_attn.{q}_proj.weight": (HIDDEN, HIDDEN) for q in "qkvo"}
        found |= {f"{at}.mlp.{m}_proj.weight": (INNER, HIDDEN) for m in ("gate", "up")} | {f"{at}.mlp.down_proj.weight": (HIDDEN, INNER)}
        found |= {f"{at}.{n}_layernorm.weight": (HIDDEN,) for n in ("input", "post_attention")}
    return found | {"model.norm.weight": (HIDDEN,), "lm_head.weight": (TOKENS, HIDDEN)}


def models() -> dict[str, dict[str, np.ndarray]]:
    """A base, three with changes of which a third are zero in matrices, and three whose changes are near one another, in float32."""
    rng = np.random.default_rng(8)  # no tensor so near the base that slerp differs
    base = {n: rng.normal(size=s).astype(np.float32) for n, s in shapes().items()}
    found = {"base": base}
    common = {n: rng.normal(scale=0.3, size=s) for n, s in shapes().items()}
    for name in NEAR:
        found[name] = {n: (t + common[n] + rng.normal(scale=0.05, size=t.shape)).astype(np.float32) for n, t in base.items()}
    for name in NAMES:
        found[name] = {
            n: (t + (rng.random(t.shape) > (t.ndim > 1) / 3) * rng.normal(scale=0.3, size=t.shape)).astype(np.float32) for n, t in base.items()
        }
    return found


def drawn(rng: np.random.Generator, method: str) -> dict[str, object]:
    """A recipe of the method: scalars, gradients and filters, a few models or slices of their layers."""

    def number(low: float, high: float) -> float:
        return round(float(rng.uniform(low, high)), 3)

    def setting(low: float, high: float) -> object:
        kind = rng.integers(4)
        if kind == 0:
            return [number(low, high) for _ in range(rng.integers(2, 5))]
        if kind == 1:
            return [{"filter": str(rng.choice(["mlp", "self_attn", "norm", "layers.1"])), "value": number(low, high)}, {"value": number(low, high)}]
        return number(low, high)

    others = [str(n) for n in rng.permutation(NEAR if method == "model_stock" else NAMES)[: rng.integers(2, 4)]]
    based = method not in ("linear", "karcher", "passthrough") and (method not in ("nuslerp", "multislerp") or bool(rng.integers(2)))
    shared: dict[str, object] = {}
    each: list[dict[str, object]] = [{} for _ in others]
    if method in ("nuslerp", *PAIRS):
        others, each = others[: 2 if method == "nuslerp" else 1], each[: 2 if method == "nuslerp" else 1]
    if method in (*SHARED_WEIGHT, *TASKS):
        for own in each:
            own["weight"] = setting(0.1, 1.0)
    match method:
        case "linear":
            shared["normalize"] = bool(rng.integers(2))
        case "nuslerp":
            shared |= {"nuslerp_flatten": bool(rng.integers(2)), "nuslerp_row_wise": bool(rng.integers(2))}
        case "multislerp":
            shared["normalize_weights"] = bool(rng.integers(2))
        case "slerp":
            shared["t"] = setting(0.0, 1.0)
        case "nearswap":
            shared["t"] = setting(0.0, 0.3)
        case "karcher":
            shared |= {"max_iter": 100, "tol": 1e-8}
        case "model_stock":
            shared["filter_wise"] = bool(rng.integers(2))
        case "sce":
            shared["select_topk"] = setting(0.2, 1.0)
        case "ram":
            shared["epsilon"] = number(0.01, 0.2)
        case "ramplus_tl":
            shared |= {"epsilon": number(0.01, 0.2), "r": number(0.1, 1), "alpha": number(0.2, 2)}
        case "passthrough":
            others, each = others[:1], [{"scale": setting(0.5, 2)}]
        case _ if method in TASKS:
            shared |= {"normalize": bool(rng.integers(2)), "lambda": number(0.5, 1.5)}
            for own in each if method in ("ties", "breadcrumbs", "breadcrumbs_ties") else ():
                own["density"] = number(0.3, 1.0)
                if method != "ties":
                    own["gamma"] = number(0.0, 0.2)
            if method in ("ties", "breadcrumbs", "breadcrumbs_ties"):
                shared["rescale"] = bool(rng.integers(2))
    given = [{"model": m} | ({"parameters": own} if own else {}) for m, own in zip(others, each, strict=True)]
    recipe: dict[str, object] = {"merge_method": method} | ({"base_model": "base"} if based else {})
    if rng.integers(4) == 0:
        places = [int(v) for v in rng.integers(0, LAYERS - 1, size=2)]
        recipe["slices"] = [{"sources": [s | {"layer_range": [p, p + 2]} for s in ([*given, {"model": "base"}] if based else given)]} for p in places]
    else:
        recipe["models"] = given
    return recipe | ({"parameters": shared} if shared else {}) | {"dtype": str(rng.choice(["float32", "float64"]))}


def recipes() -> list[str]:
    """The texts, models by their names."""
    rng = np.random.default_rng(11)
    return [yaml.safe_dump(drawn(rng, ALL[i % len(ALL)]), sort_keys=False) for i in range(COUNT)]


def located(text: str, folder: Path) -> str:
    """The recipe with the models' paths for their names."""
    given = yaml.safe_load(text)
    sources = [*given.get("models", ()), *(s for part in given.get("slices", ()) for s in part["sources"])]
    for source in sources:
        source["model"] = str(folder / source["model"])
    if "base_model" in given:
        given["base_model"] = str(folder / given["base_model"])
    return yaml.safe_dump(given, sort_keys=False)


def written(folder: Path) -> None:
    """The models, a folder each."""
    from safetensors.numpy import save_file

    config = {
        **{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": INNER},
        **{"num_hidden_layers": LAYERS, "num_attention_heads": 2, "num_key_value_heads": 2, "vocab_size": TOKENS, "torch_dtype": "float32"},
        **{"max_position_embeddings": 32, "rms_norm_eps": 1e-5, "tie_word_embeddings": False, "hidden_act": "silu"},
    }
    for name, weights in models().items():
        (folder / name).mkdir()
        save_file(weights, folder / name / "model.safetensors", {"format": "pt"})
        (folder / name / "config.json").write_text(json.dumps(config))


def main() -> None:
    from mergekit.config import MergeConfiguration
    from mergekit.merge import MergeOptions, run_merge
    from safetensors.numpy import load_file

    texts, found = recipes(), {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        written(folder)
        for i, text in enumerate(texts):
            out = folder / f"out-{i}"
            config = MergeConfiguration.model_validate(yaml.safe_load(located(text, folder)))
            run_merge(config, str(out), MergeOptions(copy_tokenizer=False, write_model_card=False, quiet=True))
            made: dict[str, np.ndarray] = {}
            for file in sorted(out.glob("*.safetensors")):
                made |= load_file(file)
            found[f"{i}"] = np.concatenate([made[n].reshape(-1).astype(np.float64) for n in sorted(made)])
            if "float32" in text:
                found[f"{i}"] = found[f"{i}"].astype(np.float32)
    np.savez_compressed(RECORDED, texts=np.array(texts), **found)


if __name__ == "__main__":
    main()
