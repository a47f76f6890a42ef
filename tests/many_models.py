"""A family of as many checkpoints as wanted: the shipped fine-tunes, which were trained, and mixtures of them moved by noise."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from explorer.core import locations
from explorer.core.spec import ProblemSpec
from explorer.problems import problem_toml

SHIPPED = "digits-mlp-finetunes"


def write(folder: Path, count: int) -> list[Path]:
    """Write `count` checkpoints of the digits MLP and their problem.toml into a folder; the first nine are the trained ones."""
    source = locations.root() / "sample_models" / SHIPPED
    trained = sorted(source.glob("*.safetensors"))
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(source / "problem.toml", folder)
    for path in trained[:count]:
        shutil.copy(path, folder)
    weights = [load_file(path) for path in trained]
    random = np.random.default_rng(0)
    for number in range(len(trained), count):
        shares = random.dirichlet(np.full(len(trained), 0.3))
        noise = random.uniform(0.0, 0.5)
        mixed = {name: sum(share * each[name] for share, each in zip(shares, weights, strict=True)) for name in weights[0]}
        moved = {name: (w + noise * w.std() * random.standard_normal(w.shape)).astype(np.float32) for name, w in mixed.items()}
        save_file(moved, folder / f"moved-{number:03d}.safetensors")
    return sorted(folder.glob("*.safetensors"))


def problem() -> ProblemSpec:
    """What they are checkpoints of."""
    return problem_toml.find(SHIPPED)
