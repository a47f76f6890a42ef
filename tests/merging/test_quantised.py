"""Merging quantised checkpoints block by block: refused, or with the bits of what is dequantised in memory."""

import json

import pytest
import torch

from explorer.checkpoints import checkpoint_file
from explorer.checkpoints.arithmetic import combined
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.model_path import dequantised
from explorer.merging import engine, plan
from explorer.merging.blocks import BLOCK
from tests.merging import identical, loaded, saved

ROWS, COLUMNS = 700, 130  # rows do not divide a block of entries, nor 128 either of them


def quantised(kind, seed):
    """A weight larger than a block as numbers and scales, and a plain one."""
    g = torch.Generator().manual_seed(seed)
    w = torch.randn(ROWS, COLUMNS, generator=g)
    assert w.numel() > BLOCK
    plain = {"norm.weight": torch.randn(COLUMNS, generator=g)}
    if kind == "int8":
        scb = w.abs().amax(1)
        return {"l.weight": (w / scb[:, None] * 127).round().to(torch.int8), "l.SCB": scb, **plain}
    scale = torch.rand(6, 2, generator=g) + 0.1 if kind == "blocks" else torch.rand(1, generator=g).bfloat16()
    return {"l.weight": w.to(torch.float8_e4m3fn), "l.weight_scale_inv": scale, **plain}


def folders(tmp_path, kind):
    found = []
    for seed in (1, 2):
        folder = saved(tmp_path / f"{kind}{seed}", quantised(kind, seed))
        config = {"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}, "torch_dtype": "bfloat16"}
        (folder / "config.json").write_text(json.dumps(config))
        found.append(folder)
    return found


@pytest.mark.parametrize("kind", ["int8", "tensor", "blocks"])
def test_a_merge_is_that_of_the_dequantised_weights(kind, tmp_path):
    """To the bit, in float32; the result is plain, and its configuration says so. Unasked, it is refused and nothing is written."""
    models, out = folders(tmp_path, kind), tmp_path / "out"
    method = registry.method("fuse", "average", {"weights": (0.3, 0.7)})
    with pytest.raises(Refused, match=r"is quantised: l\.weight is"):
        plan.of_method(method, [str(m) for m in models])
    engine.merge(plan.of_method(method, [str(m) for m in models], dequantise=True), out)
    whole = [checkpoint_file.read(dequantised(m / "model.safetensors")).weights for m in models]
    found = loaded(out)
    assert identical(found, {n: combined([w[n] for w in whole], (0.3, 0.7)).float() for n in whole[0]})
    assert json.loads((out / "config.json").read_text()) == {"torch_dtype": "float32"}
    again = tmp_path / "again"
    text = "merge_method: linear\nmodels:\n" + "".join(
        f"- {{model: '{m}#dequantised', parameters: {{weight: {w}}}}}\n" for m, w in zip(models, (0.3, 0.7), strict=True)
    )
    engine.merge(plan.of_recipe(f"{text}parameters: {{normalize: false}}\ndtype: float32"), again)
    assert identical(loaded(again), found)


def test_whole_numbers_for_parameters_are_refused(three):
    """Of any model, by name; counters and masks are none."""
    saved(three.paths[1], three.weights[1] | {"model.norm.weight": torch.ones(60, dtype=torch.int8)})
    with pytest.raises(Refused, match=r"b: model\.norm\.weight is of whole numbers \(int8 60\)"):
        plan.of_method(registry.method("fuse", "uniform_soup"), [str(p) for p in three.paths])
    for path, w in zip(three.paths, three.weights, strict=True):
        saved(path, w | {"attn.bias": torch.ones(1, 1, 4, 4, dtype=torch.uint8), "bn.num_batches_tracked": torch.tensor(3)})
    plan.of_method(registry.method("fuse", "uniform_soup"), [str(p) for p in three.paths])


def test_an_adapter_goes_onto_a_dequantised_base(tmp_path):
    """W = q·SCB/127, and B·A on top; without the word, the base is refused."""
    base = saved(tmp_path / "base", quantised("int8", 3), config=False)
    g = torch.Generator().manual_seed(4)
    a, b = torch.randn(2, COLUMNS, generator=g), torch.randn(ROWS, 2, generator=g)
    adapter = saved(
        tmp_path / "adapter",
        {"base_model.model.l.lora_A.weight": a, "base_model.model.l.lora_B.weight": b},
        config=False,
        file="adapter_model.safetensors",
    )
    (adapter / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 2, "lora_alpha": 2}))
    method = registry.method("fuse", "uniform_soup")
    with pytest.raises(Refused, match="is quantised"):
        plan.of_method(method, [f"{base}+{adapter}"] * 2)
    engine.merge(plan.of_method(method, [f"{base}#dequantised+{adapter}"] * 2), tmp_path / "out")
    true = checkpoint_file.read(dequantised(base / "model.safetensors")).weights["l.weight"] + b @ a
    assert torch.allclose(loaded(tmp_path / "out")["l.weight"], true, rtol=1e-5, atol=1e-5)
