"""LoRA adapters as changes of a base: W + scale · B·A, worked out for the rows of W that are needed.

Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models": scale = α/r. Kalajdzievski 2023 ("rslora"): scale = α/√r.
A folder as PEFT saves it: adapter_config.json, and adapter_model.safetensors whose tensors are `base_model.model.NAME.lora_A.weight`, or, for what was
trained whole, `base_model.model.NAME.weight`; `NAME.base_layer.weight` is a wrapped layer's own tensor, as the adapter was trained on it. r is the
number of rows of lora_A, α the module's own one where a pattern of the configuration fits its name.

A setting that this file does not know, and that says anything, is refused by its name: PEFT adds variants faster than anybody can follow, and what is
not understood must not be merged as if it were plain LoRA.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from explorer.checkpoints import safetensors_header
from explorer.checkpoints.safetensors_header import TYPES, Stored
from explorer.checkpoints.sharded import ADAPTED
from explorer.core import model_path
from explorer.core.allowed_folders import content
from explorer.core.errors import Refused
from explorer.core.files import listed, name_of, short, system

if TYPE_CHECKING:
    from torch import Tensor

CONFIG, WEIGHTS = model_path.ADAPTER, ADAPTED
LIMIT = 2**24  # bytes of an adapter_config.json
TENSOR = re.compile(r"(?:base_model\.model\.)?(.+)\.lora_(embedding_)?([AB])(?:\.default)?(?:\.weight)?")
LIMIT_PATTERN = 1000  # characters of a regular expression

# Settings that change nothing about W + scale · B·A, or that are heeded below.
UNDERSTOOD = frozenset(
    (
        *("r", "lora_alpha", "alpha_pattern", "rank_pattern", "use_rslora", "fan_in_fan_out", "init_lora_weights", "peft_type"),
        *(
            "bias",
            "modules_to_save",
            "target_modules",
            "exclude_modules",
            "layers_to_transform",
            "layers_pattern",
        ),  # what was trained: the tensors say it
        *("lora_dropout", "velora_config", "eva_config", "corda_config", "loftq_config", "lora_ga_config", "qalora_group_size"),  # how it was trained
        *("base_model_name_or_path", "task_type", "auto_mapping", "revision", "inference_mode", "runtime_config", "peft_version", "megatron_core"),
    )
)
# How B and A began, where that leaves the base as it was: B·A = 0 at first. PEFT takes the initial B·A away from the base for all others.
KEEPS_BASE = frozenset({"gaussian", "orthogonal", "eva", "mica"})
KINDS = {"use_dora": "DoRA", "kasa_config": "KaSA", "use_qalora": "QALoRA", "use_bdlora": "BD-LoRA", "alora_invocation_tokens": "activated LoRA"}


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

    def turned(self, shape: tuple[int, ...]) -> Change:
        """The change as it fits a tensor of this shape: the configuration says one thing for all, a GPT-2 has Conv1D layers and linear ones."""
        return replace(self, transposed=not self.transposed) if shape == self.shape[::-1] != self.shape else self


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
        text = content(path / CONFIG)
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(f"{name}/{CONFIG} is not valid JSON: {short(str(error))}. Copy it again.") from error
    config = cast("dict[str, object]", found) if isinstance(found, dict) else {}
    _plain(config, name)
    if not (path / WEIGHTS).is_file():
        raise Refused(f"{name} has a {CONFIG} and no {WEIGHTS}. Save the adapter as safetensors, or copy it again.")
    pairs: dict[tuple[str, bool], dict[str, Stored]] = {}
    whole: dict[str, Stored] = {}
    for key, stored in safetensors_header.read(path / WEIGHTS).tensors.items():
        if match := TENSOR.fullmatch(key):
            pairs.setdefault((match[1], bool(match[2])), {})[match[3]] = stored
        elif ".lora_" in key or ".trainable_tokens" in key:
            raise Refused(f"{name} holds {short(key)}, which is no part of plain LoRA. Merge the adapter into its model with PEFT first.")
        else:
            whole[re.sub(r"\.(modules_to_save(\.default)?|base_layer)\.", ".", key.removeprefix("base_model.model."))] = stored
    if alone := [module for (module, _), pair in pairs.items() if len(pair) < 2]:
        raise Refused(f"{name} has only one of lora_A and lora_B for {listed(alone)}. Copy the adapter again.")
    changes: dict[str, Change] = {}
    for (module, embedding), pair in pairs.items():
        a, b = pair["A"], pair["B"]
        if len(a.shape) != 2 or len(b.shape) != 2 or a.shape[0] != b.shape[1]:
            raise Refused(f"{name}: lora_A and lora_B of {short(module)} are not matrices of one rank. Merge the adapter with PEFT first.")
        transposed = embedding or bool(config.get("fan_in_fan_out"))
        changes[f"{module}.weight"] = Change(a, b, _scale(config, module, a.shape[0], name), transposed)
    if not changes and not whole:
        raise Refused(f"{name} holds no adapter's tensors. Copy it again.")
    return Adapter(path, changes, whole, str(config.get("base_model_name_or_path") or ""))


def adapted(weights: Mapping[str, Tensor], adapter: Adapter, model: str) -> dict[str, Tensor]:
    """A model's weights with the adapter on them, in their order; what it does not change is the same tensor, and of tied ones it changes all. Refused as
    `fitted`."""
    adapter = fitted(adapter, {name: tuple(t.shape) for name, t in weights.items()}, model)
    found = {**weights, **{name: _values(stored, like=weights[name]) for name, stored in adapter.whole.items()}}
    tied: dict[int, list[str]] = {}
    for name, tensor in found.items():
        tied.setdefault(id(tensor), []).append(name)
    alike = {name: aliases for aliases in tied.values() for name in aliases}
    for name, change in adapter.changes.items():
        found |= dict.fromkeys(alike[name], applied(found[name], change))
    return found


def applied(weight: Tensor, change: Change) -> Tensor:
    """W + scale · B·A, worked out in float32 at least and rounded once, to the type of W; of a W without values, itself."""
    import torch

    if weight.is_meta:
        return weight
    wide = torch.promote_types(weight.dtype, torch.float32)
    a, b = (_values(stored).to(wide) for stored in (change.a, change.b))
    product = a.T @ b.T if change.transposed else b @ a
    return product.mul_(change.scale).add_(weight).to(weight.dtype)


def _values(stored: Stored, *, like: Tensor | None = None) -> Tensor:
    """A tensor of an adapter's file; without values where it takes the place of one that has none."""
    import torch

    dtype = cast("torch.dtype", getattr(torch, TYPES[stored.dtype]))
    if like is not None and like.is_meta:
        return torch.empty(stored.shape, dtype=dtype, device="meta")
    with system(stored.path, "read"), stored.opened() as file:
        file.seek(stored.start)
        data = bytearray(file.read(stored.nbytes))
    return torch.frombuffer(data, dtype=dtype, count=stored.numel).view(stored.shape) if stored.numel else torch.empty(stored.shape, dtype=dtype)


def sized(shape: Sequence[int]) -> str:
    """A shape in words."""
    return "×".join(map(str, shape)) or "a scalar"


def fitted(adapter: Adapter, shapes: Mapping[str, tuple[int, ...]], model: str) -> Adapter:
    """The adapter as it changes a model of these shapes. Refused where it changes a tensor that the model does not have, or has in another shape."""
    where = name_of(adapter.path)
    changes = {key: c.turned(shapes[key]) if key in shapes else c for key, c in adapter.changes.items()}
    square = [key for key, c in changes.items() if c.shape[0] == c.shape[1]]
    if square and any(c != adapter.changes[key] for key, c in changes.items()):
        raise Refused(
            f"{where} changes layers that are stored transposed and others that are not, and the shape of {short(square[0])} does not tell which it is."
            " Merge the adapter into its model with PEFT first."
        )
    for key, shape in [*((k, c.shape) for k, c in changes.items()), *((k, s.shape) for k, s in adapter.whole.items())]:
        if key not in shapes:
            raise Refused(f"{where} changes {short(key)}, which {short(model)} does not have. Give the model that it was trained on.")
        if shapes[key] != shape:
            raise Refused(f"{where} changes {short(key)} of {sized(shape)}, which is {sized(shapes[key])} in {short(model)}.")
    return replace(adapter, changes=changes)


def _plain(config: Mapping[str, object], name: str) -> None:
    """Refused, by its name, when the configuration is not that of plain LoRA on the base as it is."""
    merge = "Merge it into its model with PEFT first."
    if config.get("peft_type") != "LORA":
        raise Refused(f"{name} is an adapter of the kind {short(str(config.get('peft_type')))}, and only LoRA can be merged here. {merge}")
    for key, value in config.items():
        if value and key not in UNDERSTOOD:
            kind = f"of the kind {KINDS[key]}" if key in KINDS else f"with {short(key)} set"
            raise Refused(f"{name} is an adapter {kind}, and only plain LoRA can be merged here. {merge}")
    begun = config.get("init_lora_weights", True)
    if not isinstance(begun, bool) and begun not in KEEPS_BASE:
        raise Refused(
            f"{name} was initialised by {short(str(begun))}, which changes the model under the adapter: its B·A does not belong on the model as it is."
            " Save it again with save_pretrained(…, path_initial_model_for_weight_conversion=…), or merge it with PEFT first."
        )


def _scale(config: Mapping[str, object], module: str, rank: int, name: str) -> float:
    """α/r, or α/√r; r is the rank of the module's own matrices, and its own α comes before the adapter's."""
    own = config.get("alpha_pattern")
    alpha = config.get("lora_alpha")
    for pattern, given in cast("dict[str, object]", own if isinstance(own, dict) else {}).items():
        if _fits(pattern, module, name):
            alpha = given
            break
    if not isinstance(alpha, int | float) or isinstance(alpha, bool) or not 0 < alpha < float("inf"):
        raise Refused(f"{name}/{CONFIG} has lora_alpha = {short(str(alpha))} for {short(module)}; a number above 0 is expected. Copy it again.")
    return alpha / (rank**0.5 if config.get("use_rslora") else rank)


def _fits(pattern: str, module: str, name: str) -> bool:
    """Whether a key of alpha_pattern means the module: a regular expression for the end of its name that begins after a dot, as PEFT has it."""
    wrong = f"{name}/{CONFIG} has {short(pattern)} among the keys of alpha_pattern, which"
    if len(pattern) > LIMIT_PATTERN or _nested(pattern):
        raise Refused(f"{wrong} could take forever to match. Write the modules' names there.")
    try:
        return re.match(rf"(.*\.)?({pattern})$", module) is not None
    except (re.error, RecursionError, OverflowError) as error:
        raise Refused(f"{wrong} is not a regular expression: {error}. Correct it there.") from error


def _nested(pattern: str) -> bool:
    """Whether a repetition is repeated, as in (a+)+, whose matching can take exponentially long; an upper bound, read off the text."""
    return re.search(r"[*+}]\??\)+[*+{]|\([^()]*\|[^()]*\)[*+{]", pattern) is not None or len(re.findall(r"[*+]|\{\d*,", pattern)) > 3
