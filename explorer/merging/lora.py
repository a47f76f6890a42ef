"""LoRA adapters as changes of a base: W + scale · B·A, worked out for the rows of W that are needed.

Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models": scale = α/r. Kalajdzievski 2023 ("rslora"): scale = α/√r.
A folder as PEFT saves it: adapter_config.json, and adapter_model.safetensors whose tensors are `base_model.model.NAME.lora_A.weight`, or, for what was
trained whole, `base_model.model.NAME.weight`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from explorer.checkpoints import safetensors_header
from explorer.checkpoints.safetensors_header import Stored
from explorer.core.errors import Refused
from explorer.core.files import listed, name_of, short, system

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
LIMIT = 2**24  # bytes of an adapter_config.json
TENSOR = re.compile(r"(?:base_model\.model\.)?(.+)\.lora_(embedding_)?([AB])(?:\.default)?(?:\.weight)?")


@dataclass(frozen=True)
class Change:
    """scale · B·A, or its transpose."""

    a: Stored
    b: Stored
    scale: float
    transposed: bool

    @property
    def shape(self) -> tuple[int, int]:
        rows, columns = self.b.shape[0], self.a.shape[1]
        return (columns, rows) if self.transposed else (rows, columns)


@dataclass(frozen=True)
class Adapter:
    """The changes by the name of the tensor they are added to, and the tensors that were trained whole."""

    path: Path
    changes: Mapping[str, Change]
    whole: Mapping[str, Stored]
    base: str  # what its configuration calls the model that it was trained on


def is_adapter(path: Path) -> bool:
    """Whether a folder holds an adapter instead of a model."""
    return (path / CONFIG).is_file()


def read(path: Path) -> Adapter:
    """The adapter in a folder; Refused when it is not LoRA, or a variant that is no plain change of the weights."""
    name = name_of(path)
    with system(path / CONFIG, "read"):
        if (path / CONFIG).stat().st_size > LIMIT:
            raise Refused(f"{name}/{CONFIG} has more than {LIMIT:,} bytes. Copy it again.")
        text = (path / CONFIG).read_bytes()
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(f"{name}/{CONFIG} is not valid JSON: {short(str(error))}. Copy it again.") from error
    config = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    if config.get("peft_type") != "LORA" or config.get("use_dora"):
        kind = "DoRA" if config.get("use_dora") else short(str(config.get("peft_type")))
        raise Refused(f"{name} is an adapter of the kind {kind}, and only LoRA can be merged here. Merge it into its model with PEFT first.")
    if not (path / WEIGHTS).is_file():
        raise Refused(f"{name} has a {CONFIG} and no {WEIGHTS}. Save the adapter as safetensors, or copy it again.")
    pairs: dict[tuple[str, bool], dict[str, Stored]] = {}
    whole: dict[str, Stored] = {}
    for key, stored in safetensors_header.read(path / WEIGHTS).tensors.items():
        if match := TENSOR.fullmatch(key):
            pairs.setdefault((match[1], bool(match[2])), {})[match[3]] = stored
        else:
            whole[key.removeprefix("base_model.model.").replace(".modules_to_save.default.", ".").replace(".modules_to_save.", ".")] = stored
    if alone := [module for (module, _), pair in pairs.items() if len(pair) < 2]:
        raise Refused(f"{name} has only one of lora_A and lora_B for {listed(alone)}. Copy the adapter again.")
    changes: dict[str, Change] = {}
    for (module, embedding), pair in pairs.items():
        a, b = pair["A"], pair["B"]
        if len(a.shape) != 2 or len(b.shape) != 2 or a.shape[0] != b.shape[1]:
            raise Refused(f"{name}: lora_A and lora_B of {short(module)} are not matrices of one rank. Merge the adapter with PEFT first.")
        transposed = embedding or bool(config.get("fan_in_fan_out"))
        changes[f"{module}.weight"] = Change(a, b, _scale(config, module, name), transposed)
    if not changes and not whole:
        raise Refused(f"{name} holds no adapter's tensors. Copy it again.")
    return Adapter(path, changes, whole, str(config.get("base_model_name_or_path") or ""))


def _scale(config: Mapping[str, object], module: str, name: str) -> float:
    """α/r, or α/√r; a module's own α and r come before the adapter's."""

    def value(key: str, pattern: str) -> float:
        own = config.get(pattern)
        for part, given in cast("dict[str, object]", own if isinstance(own, dict) else {}).items():
            if (module == part or module.endswith(f".{part}")) and isinstance(given, int | float):
                return float(given)
        found = config.get(key)
        if not isinstance(found, int | float) or isinstance(found, bool) or not found > 0:
            raise Refused(f"{name}/{CONFIG} has {key} = {short(str(found))}, a number above 0 is expected. Copy it again.")
        return float(found)

    alpha, rank = value("lora_alpha", "alpha_pattern"), value("r", "rank_pattern")
    return alpha / (rank**0.5 if config.get("use_rslora") else rank)
