"""Small models on a disk, as a merge finds them."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

LAYERS = 3


def shapes():
    """A small language model's names and shapes; one tensor larger than a block, and with rows that do not divide one."""
    yield "model.embed_tokens.weight", (1400, 60)
    for i in range(LAYERS):
        yield f"model.layers.{i}.attn.weight", (60, 60)
        yield f"model.layers.{i}.norm.weight", (60,)
    yield "model.norm.weight", (60,)
    yield "lm_head.weight", (1400, 60)


def drawn(seed, dtype=torch.bfloat16, base=None, spread=0.1):
    """Random weights, or such around a base."""
    g = torch.Generator().manual_seed(seed)
    return {n: ((0 if base is None else base[n].double()) + spread * torch.randn(s, generator=g).double()).to(dtype) for n, s in shapes()}


def saved(folder: Path, weights, *, config=True, file="model.safetensors") -> Path:
    """A folder with one file of weights and a configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / file, {"format": "pt"})
    if config:
        (folder / "config.json").write_text(json.dumps({"num_hidden_layers": LAYERS, "torch_dtype": "bfloat16"}))
    return folder


def loaded(folder: Path):
    """All tensors of a file or of a folder, shards or not."""
    files = [folder] if folder.is_file() else sorted(folder.glob("*.safetensors"))
    return {k: v for f in files for k, v in load_file(f).items()}


def bits(tensor):
    return tensor.reshape(-1).view(torch.uint8)


def identical(a, b):
    """Same names, types, shapes and bits."""
    return a.keys() == b.keys() and all(a[k].dtype == b[k].dtype and a[k].shape == b[k].shape and torch.equal(bits(a[k]), bits(b[k])) for k in a)
