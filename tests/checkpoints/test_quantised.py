"""Quantised checkpoints: known values come back, what cannot be undone is refused by name, and nothing is taken for weights that is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from explorer.checkpoints import checkpoint_file, lazy_weights, quantised
from explorer.core.errors import Refused
from explorer.core.model_path import dequantised

INT8 = torch.tensor([[127, -127, 0, 1], [2, 4, 6, -8]], dtype=torch.int8)
FP8 = torch.tensor([[1.0, -2.0, 0.5, 448.0], [3.0, 0.0, -1.5, 4.0]]).to(torch.float8_e4m3fn)


def at(folder: Path, tensors: dict[str, torch.Tensor], config: dict[str, object] | None = None) -> Path:
    """A folder with one file and, where given, a config.json."""
    folder.mkdir(exist_ok=True)
    save_file({name: t.clone() for name, t in tensors.items()}, folder / "model.safetensors", {"format": "pt"})
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    return folder / "model.safetensors"


# Each with the true weight, worked out by hand.
UNDONE = {
    "bitsandbytes int8": (
        {"l.weight": INT8, "l.SCB": torch.tensor([1.27, 2.54]), "l.weight_format": torch.tensor(0, dtype=torch.uint8)},
        [[1.27, -1.27, 0.0, 0.01], [0.04, 0.08, 0.12, -0.16]],
    ),
    "int8, a scale for each row": ({"l.weight": INT8, "l.weight_scale": torch.tensor([[0.5], [2.0]])}, [[63.5, -63.5, 0, 0.5], [4, 8, 12, -16]]),
    "fp8, one scale": (
        {"l.weight": FP8, "l.weight_scale": torch.tensor([0.25], dtype=torch.bfloat16), "l.input_scale": torch.tensor(7.0)},
        [[0.25, -0.5, 0.125, 112], [0.75, 0, -0.375, 1]],
    ),
    "fp8, a scalar": ({"l.weight": FP8, "l.weight_scale": torch.tensor(2.0)}, [[2, -4, 1, 896], [6, 0, -3, 8]]),
    "fp8, a scale for each row": ({"l.weight": FP8, "l.weight_scale_inv": torch.tensor([2.0, 10.0])}, [[2, -4, 1, 896], [30, 0, -15, 40]]),
    "fp8, blocks of 1×2": ({"l.weight": FP8, "l.weight_scale_inv": torch.tensor([[1.0, 2], [3, 4]])}, [[1, -2, 1, 896], [9, 0, -6, 16]]),
    "fp8, scale_weight": ({"l.weight": FP8, "l.scale_weight": torch.tensor(2.0), "scaled_fp8": FP8[0, :2]}, [[2, -4, 1, 896], [6, 0, -3, 8]]),
}


@pytest.mark.parametrize("scheme", UNDONE)
def test_a_number_times_a_scale_is_undone_when_asked_and_refused_else(scheme, tmp_path):
    """The weights in float32, alone under their names; the refusal names a tensor, its type and its scale."""
    tensors, true = UNDONE[scheme]
    path = at(tmp_path / "m", tensors | {"n.weight": torch.ones(3)})
    with pytest.raises(Refused, match=r"model\.safetensors is quantised: l\.weight is .*scaled by l\..*--dequantise"):
        checkpoint_file.read(path)
    found = checkpoint_file.read(dequantised(path))
    assert found.weights.keys() == {"l.weight", "n.weight"}
    assert found.weights["l.weight"].dtype == torch.float32
    assert torch.allclose(found.weights["l.weight"], torch.tensor(true, dtype=torch.float32), rtol=1e-6, atol=0)
    assert "dequantised, 1 tensors" in found.notes[0]


def test_blocks_of_128_reach_over_the_edge(tmp_path):
    """A weight of 200×300 has 2×3 scales; the last blocks are narrower. Where the numbers fit two sizes of blocks, the configuration says which."""
    q = torch.randint(-8, 9, (200, 300), generator=torch.Generator().manual_seed(0)).float().to(torch.float8_e4m3fn)
    scale = torch.arange(1.0, 7).reshape(2, 3)
    true = torch.stack([torch.stack([q[i, j].float() * scale[i // 128, j // 128] for j in range(300)]) for i in range(200)])
    config = {"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}}
    path = at(tmp_path / "told", {"l.weight": q, "l.weight_scale_inv": scale}, config)
    assert torch.equal(checkpoint_file.read(dequantised(path)).weights["l.weight"], true)
    path = at(tmp_path / "untold", {"l.weight": q, "l.weight_scale_inv": scale})
    with pytest.raises(Refused, match="which does not say how many entries share a scale.*weight_block_size"):
        checkpoint_file.read(dequantised(path))


I32 = torch.ones(4, 8, dtype=torch.int32)
U8 = torch.ones(4, 8, dtype=torch.uint8)
REFUSED = {
    "GPTQ or AWQ": {"l.qweight": I32, "l.qzeros": I32, "l.scales": torch.ones(1, 8)},
    "bitsandbytes 4 bit": {
        "l.weight": U8,
        "l.weight.absmax": U8[0],
        "l.weight.quant_map": torch.ones(16),
        "l.weight.quant_state.bitsandbytes__nf4": U8[0],
    },
    "MXFP4": {"experts.gate_up_proj_blocks": U8, "experts.gate_up_proj_scales": U8},
    "packed integers": {"l.weight_packed": I32, "l.weight_scale": torch.ones(4, 1), "l.weight_shape": torch.tensor([4, 64])},
    "NVFP4": {"l.weight": U8, "l.weight_scale": FP8, "l.weight_scale_2": torch.tensor(1.0)},
    "integers with zero points": {"l.weight": INT8, "l.weight_scale": torch.ones(2, 1), "l.weight_zero_point": torch.ones(2, 1, dtype=torch.int8)},
    "HQQ": {"l.W_q": U8, "l.scale": torch.ones(4)},
    "a scheme that is not known": {"l.weight": FP8, "l.weight_scale": U8},
    "in an order that only its own GPUs read": {"l.weight": INT8, "l.SCB": torch.ones(2), "l.weight_format": torch.tensor(2, dtype=torch.uint8)},
}


@pytest.mark.parametrize("scheme", REFUSED)
@pytest.mark.parametrize("asked", [False, True])
def test_what_cannot_be_undone_is_refused_by_name(scheme, asked, tmp_path):
    """Asked to or not, with what to do instead."""
    path = at(tmp_path / "m", REFUSED[scheme])
    with pytest.raises(Refused, match=f"{scheme}.*Save the model dequantised"):
        checkpoint_file.read(dequantised(path, asked))


def test_the_configuration_beside_a_file_counts(tmp_path):
    """It names the scheme; plain tensors under it are taken when somebody says that they are meant."""
    path = at(tmp_path / "a", REFUSED["GPTQ or AWQ"], {"quantization_config": {"quant_method": "awq"}})
    with pytest.raises(Refused, match="quantised by AWQ"):
        checkpoint_file.read(path)
    path = at(tmp_path / "b", {"l.strange": I32}, {"quantization_config": {"quant_method": "novel"}})
    with pytest.raises(Refused, match=r"quantised by novel \(quantization_config.*l\.strange is int32 4×8"):
        checkpoint_file.read(dequantised(path))
    path = at(tmp_path / "c", {"l.weight": torch.ones(2)}, {"quantization_config": {"quant_method": "novel"}})
    with pytest.raises(Refused, match="although its tensors are plain"):
        checkpoint_file.read(path)
    assert checkpoint_file.read(dequantised(path)).weights["l.weight"].tolist() == [1, 1]


def test_names_alone_quantise_nothing(tmp_path):
    """Plain networks may have parameters that are called like scales, and whole numbers as buffers."""
    plain = {"l.weight": torch.ones(2, 2), "l.weight_scale": torch.ones(1), "a_blocks": torch.ones(2), "n": torch.tensor(3), "relative_index": I32}
    found = checkpoint_file.read(at(tmp_path / "m", plain))
    assert found.weights.keys() == plain.keys()
    assert found.notes == ()


def test_quantised_files_are_not_left_on_their_disk(tmp_path):
    """Who streams tensors one by one would miss their scales, or take whole numbers for parameters."""
    path = at(tmp_path / "m", {"w": INT8, "n": torch.tensor([3])})
    shapes = {"w": (2, 4), "n": (1,)}
    assert lazy_weights.open_lazily(path, shapes) is not None
    assert lazy_weights.open_lazily(path, shapes, {"w"}) is None
    assert lazy_weights.open_lazily(dequantised(path), shapes) is None


def test_whole_numbers_for_a_parameter_are_refused_by_name():
    """A counter is none."""
    kinds = quantised.kinds_of({"fc.weight": INT8, "n": torch.tensor(3)})
    quantised.whole(kinds, ["other"], "seed-0")
    with pytest.raises(Refused, match=r"seed-0: fc\.weight is of whole numbers \(int8 2×4\)"):
        quantised.whole(kinds, ["fc.weight"], "seed-0")
