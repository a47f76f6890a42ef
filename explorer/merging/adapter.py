"""A merge written as a LoRA adapter on its first model: of every matrix the best change of a rank, by its singular values; nothing of the merged model is written.

Eckart & Young 1936: with the change Δ = U Σ Vᵀ, the change of rank r that is nearest is that of the first r singular values, and what is missing is
√(Σ_{i>r} σᵢ²). Stored as PEFT stores it, B = U√Σ and A = √Σ Vᵀ with α = r, so that W + B·A is the result. Two full models make an adapter by task arithmetic
with one coefficient of 1; adapters of different ranks make one by any method, on `model+adapter` each. Tensors that are no matrices are kept whole where
they change (`modules_to_save`). One matrix at a time is in memory.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from explorer.checkpoints import checkpoint_file
from explorer.checkpoints.lora import CONFIG, WEIGHTS
from explorer.checkpoints.singular_values import svd
from explorer.core import allowed_folders
from explorer.core.errors import Refused
from explorer.core.files import listed, short, system
from explorer.merging import engine
from explorer.merging.blocks import Blocks, Files
from explorer.merging.ingredients import is_vocabulary
from explorer.merging.plan import FLOATS, Job, MergePlan

CONV1D = ("gpt2", "openai-gpt", "imagegpt", "gpt_bigcode", "decision_transformer")  # transformers' models whose layers store input × output
EMBEDDING = ("embed", "wte", "shared")
Report: TypeAlias = Callable[[int, int], object]


@dataclass(frozen=True)
class Kept:
    """What a matrix's change of rank `rank` leaves out: ‖Δ − B·A‖ / ‖Δ‖."""

    name: str
    rank: int
    error: float


@dataclass(frozen=True)
class Written:
    """The adapter: its matrices, the tensors that are kept whole, and ‖Δ − B·A‖ / ‖Δ‖ over all matrices."""

    path: Path
    matrices: tuple[Kept, ...]
    whole: tuple[str, ...]
    error: float


def write(plan: MergePlan, out: Path, rank: int, *, base_name: str = "", report: Report = lambda done, total: None) -> Written:
    """Write the adapter's folder. Refused when it exists, when the result has other tensors or shapes than the first model, or stores layers transposed."""
    base = replace(plan.ingredients[0], adapter=None)
    _refuse(plan, out, rank)
    tensors: dict[str, Tensor] = {}
    matrices: list[Kept] = []
    whole: list[str] = []
    left = total = 0.0
    jobs = [job for job in plan.jobs if job.rule is not None and job.dtype in FLOATS]
    with Files() as files:
        settled = engine.with_global_thresholds(plan, files)
        for done, job in enumerate(j for j in settled.jobs if j.rule is not None and j.dtype in FLOATS):
            report(done, len(jobs))
            result = engine.whole(job, settled, files).float()
            (before,) = next(iter(Blocks(files, job.name, [(base, job.name)], "whole")()))
            change = result - before.float()
            if not change.any():
                continue
            module, _, last = job.name.rpartition(".")
            if change.dim() != 2 or last != "weight":
                tensors[f"base_model.model.{job.name}"] = result.contiguous()
                whole.append(job.name)
                continue
            a, b, missing = factors(change.T if _embeds(job) else change, rank)
            kind = "lora_embedding_" if _embeds(job) else "lora_"
            ending = "" if _embeds(job) else ".weight"
            tensors |= {f"base_model.model.{module}.{kind}A{ending}": a, f"base_model.model.{module}.{kind}B{ending}": b}
            size = float(change.double().norm())
            matrices.append(Kept(job.name, len(a), missing / size))
            left, total = left + missing**2, total + size**2
    if not matrices:
        raise Refused("No matrix of the result differs from the first model's, so there is no adapter. Choose another method, or other models.")
    config = _config(matrices, whole, rank, base_name or str(base.folder))
    with system(out, "written"):
        out.mkdir()
        checkpoint_file.write(out / WEIGHTS, tensors, {"format": "pt"})
        (out / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    report(len(jobs), len(jobs))
    return Written(out, tuple(matrices), tuple(whole), math.sqrt(left / total))


def factors(change: Tensor, rank: int) -> tuple[Tensor, Tensor, float]:
    """(A, B, ‖Δ − B·A‖) of the best change of that rank, or of the matrix's own where it is lower: A (r, columns), B (rows, r)."""
    u, s, v = svd(change.double())
    kept = max(1, min(rank, int((s > s[0] * max(change.shape) * torch.finfo(torch.float32).eps).sum())))
    root = s[:kept].sqrt()
    a, b = (root[:, None] * v[:kept]).float(), (u[:, :kept] * root).float()
    return a.contiguous(), b.contiguous(), float(s[kept:].norm())


def _embeds(job: Job) -> bool:
    """Whether rows of the matrix are looked up instead of multiplied: PEFT stores its change transposed."""
    return is_vocabulary(job.name, job.shape) and any(part in job.name for part in EMBEDDING)


def _config(matrices: list[Kept], whole: list[str], rank: int, base: str) -> dict[str, object]:
    lower = {m.name.removesuffix(".weight"): m.rank for m in matrices if m.rank != rank}
    return {
        "peft_type": "LORA",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "target_modules": [m.name.removesuffix(".weight") for m in matrices],
        "rank_pattern": lower,
        "alpha_pattern": lower,
        "modules_to_save": sorted({name.rpartition(".")[0] for name in whole}) or None,
    }


def _refuse(plan: MergePlan, out: Path, rank: int) -> None:
    if rank < 1:
        raise Refused(f"An adapter has a rank of 1 or more, got {rank}.")
    with system(out, "written"):
        if out.exists():
            raise Refused(f"{out} exists already. Choose another name for the adapter's folder.")
        if not out.parent.is_dir():
            raise Refused(f"{out} cannot be written: there is no folder {out.parent}. Create it first.")
        config = plan.ingredients[0].folder / "config.json"
        text = allowed_folders.content(config).decode("utf-8", errors="replace") if config.is_file() else "{}"
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        found = {}
    kind = str(found.get("model_type", "")) if isinstance(found, dict) else ""  # pyright: ignore[reportUnknownMemberType]
    if kind in CONV1D:
        raise Refused(
            f"A {kind} stores its layers as input × output, and which of its square ones do cannot be told by their names. Write the whole model instead."
        )
    first = plan.ingredients[0]
    other = [job.name for job in plan.jobs if job.name not in first.tensors or tuple(first.tensors[job.name].shape) != job.shape]
    if other or plan.layers is not None:
        what = f"has {listed([*map(short, other)])} in other shapes" if other else "has other layers"
        raise Refused(f"The result {what} than {short(first.name)}, and an adapter changes no shapes. Write the whole model instead.")
