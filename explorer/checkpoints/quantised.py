"""Quantised checkpoints: told by names and types, undone where a weight is a number times a scale, refused by name where it is not.

Undone, in float32: int8 with `SCB` (bitsandbytes: W = q·SCB/127 row by row; Dettmers et al. 2022, "LLM.int8()"), and int8 or float8 with `weight_scale`,
`weight_scale_inv` (which multiplies, in spite of its name) or `scale_weight`: one scale for the tensor, for each row, or for each block of it (DeepSeek-AI
2024, "DeepSeek-V3", 3.3: blocks of 128×128). A scale of what a layer is given, or of a cache, belongs to no weight and goes.

Works on names, types and shapes, so it serves headers as well as tensors. Types are called as .safetensors calls them. Imports torch only to undo.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

from explorer.core.allowed_folders import content
from explorer.core.errors import Refused
from explorer.core.files import name_of, short, system
from explorer.core.model_path import DEQUANTISED

if TYPE_CHECKING:
    from torch import Tensor

Kinds: TypeAlias = "Mapping[str, tuple[str, tuple[int, ...]]]"
"""Type and shape of every tensor by its name."""

LIMIT = 2**20  # bytes of a config.json
WHOLE = frozenset(f"{kind}{8 * n}" for kind in "IU" for n in (1, 2, 4, 8))
SCALES = frozenset({"F64", "F32", "F16", "BF16"})
_CODES = {
    **{"torch.float64": "F64", "torch.float32": "F32", "torch.float16": "F16", "torch.bfloat16": "BF16", "torch.bool": "BOOL"},
    **{
        "torch.float8_e4m3fn": "F8_E4M3",
        "torch.float8_e5m2": "F8_E5M2",
        "torch.float8_e4m3fnuz": "F8_E4M3FNUZ",
        "torch.float8_e5m2fnuz": "F8_E5M2FNUZ",
    },
    **{f"torch.{sign}int{8 * n}": f"{'U' if sign else 'I'}{8 * n}" for sign in ("", "u") for n in (1, 2, 4, 8)},
}
# Of a layer's input or output, or of a cache: not of a weight.
_OTHER_SCALES = ("input_scale", "input_scale_ub", "activation_scale", "output_scale", "q_scale", "k_scale", "v_scale", "prob_scale", "scaled_fp8")
# How tensors of the other schemes are called: the end of a name, and what the scheme is called. Each is meant of tensors of 32 bits or less that are packed.
_FOREIGN = (
    *((".qweight", "GPTQ or AWQ"), (".qzeros", "GPTQ or AWQ"), ("weight_packed", "packed integers (compressed-tensors)")),
    *(("_blocks", "MXFP4"), (".W_q", "HQQ"), (".codes", "AQLM"), ("._data", "quanto"), ("zero_point", "integers with zero points")),
    *((".absmax", "bitsandbytes 4 bit"), (".quant_map", "bitsandbytes 4 bit"), ("weight_scale_2", "NVFP4"), ("weight_global_scale", "NVFP4")),
)


@dataclass(frozen=True)
class Scaled:
    """A weight as (number · scale) / over: the scale's name, and how many entries of the weight share a scale along each axis."""

    scale: str
    blocks: tuple[int, ...]
    over: float = 1.0


@dataclass(frozen=True)
class Undoing:
    """How a file is dequantised: the weights that are scaled, by name, and the tensors that only served for that. `how`: in words."""

    scaled: Mapping[str, Scaled]
    dropped: tuple[str, ...]
    how: str = ""


def kinds_of(weights: Mapping[str, Tensor]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Of tensors in memory."""
    return {name: (_CODES[str(t.dtype)], tuple(t.shape)) for name, t in weights.items()}


def plan(kinds: Kinds, path: Path, *, dequantise: bool, byte: Callable[[str], int]) -> Undoing | None:
    """How what lies at a path is dequantised; None where nothing is quantised, or is said to be. Refused where it is and nobody asked, or where it cannot be undone.

    `byte(name)`: the value of a tensor that is one whole number.
    """
    config = described(path)
    name, method = name_of(path), short(str(config.get("quant_method", "") or "its config.json")) if config else ""
    for end, scheme in _FOREIGN:
        for tensor, (kind, shape) in kinds.items():
            if _is_foreign(tensor, end, kind, kinds):
                called = {"gptq": "GPTQ", "awq": "AWQ"}.get(method, scheme)
                raise _not_undone(name, called, f"{short(tensor)} is {_said(kind, shape)}")
    undoing = _scaled(kinds, config or {}, name, byte)
    if undoing is None and config is None:
        return None
    if undoing is None and (packed := next((n for n, kind in kinds.items() if _may_be_packed(n, *kind)), None)):
        raise _not_undone(name, f"{method} (quantization_config in the config.json beside it)", f"{short(packed)} is {_said(*kinds[packed])}")
    undoing = undoing or Undoing({}, (), f"its config.json has a quantization_config ({method}), although its tensors are plain")
    if dequantise:
        return undoing
    raise Refused(
        f"{name} is quantised: {undoing.how}. Dequantise it: add --dequantise, tick it on the Checkpoints page, or write #{DEQUANTISED} behind the path."
    )


def undone(weights: Mapping[str, Tensor], undoing: Undoing) -> dict[str, Tensor]:
    """The weights in float32, in their order, without what only served to quantise them."""
    found: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if name in undoing.dropped:
            continue
        how = undoing.scaled.get(name)
        found[name] = tensor if how is None else product(tensor, spread(weights[how.scale], how.blocks, tuple(tensor.shape)), how.over)
    return found


def product(number: Tensor, scale: Tensor, over: float) -> Tensor:
    """number · scale / over in float32."""
    found = number.float().mul_(scale.to(number.device).float())
    return found if over == 1 else found.div_(over)


def spread(scale: Tensor, blocks: Sequence[int], shape: Sequence[int]) -> Tensor:
    """The scale of every entry, as a tensor that broadcasts to the weight's shape."""
    found = scale.reshape(counts(blocks, shape))
    for axis, (block, size) in enumerate(zip(blocks, shape, strict=True)):
        if block < size and block > 1:
            found = found.repeat_interleave(block, axis).narrow(axis, 0, size)
    return found


def counts(blocks: Sequence[int], shape: Sequence[int]) -> list[int]:
    """How many scales there are along each axis."""
    return [-(-size // block) if size else 1 for block, size in zip(blocks, shape, strict=True)]


def whole(kinds: Kinds, parameters: Collection[str], what: str) -> None:
    """Refused when one of the parameters, which are of real numbers, is of whole numbers."""
    for name, kind in kinds.items():
        if kind[0] in WHOLE and name in parameters:
            raise Refused(
                f"{what}: {short(name)} is of whole numbers ({_said(*kind)}); a parameter of real numbers is expected: it is quantised, and its scale"
                " is not beside it. Save the model dequantised."
            )


def described(path: Path) -> dict[str, object] | None:
    """The quantization_config of the config.json beside a checkpoint; None where there is none."""
    file = (path if path.is_dir() else path.parent) / "config.json"
    with system(file, "read"):
        if not file.is_file() or file.stat().st_size > LIMIT:
            return None
        text = content(file)
    try:
        top: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    found = cast("dict[str, object]", top) if isinstance(top, dict) else {}
    inner = found.get("text_config")
    inner = cast("dict[str, object]", inner) if isinstance(inner, dict) else {}
    for key in ("quantization_config", "compression_config"):
        for place in (found, inner):
            if isinstance(given := place.get(key), dict) and given:
                return cast("dict[str, object]", given)
    return None


def _is_foreign(name: str, end: str, kind: str, kinds: Kinds) -> bool:
    if end == "_blocks":
        return name.endswith(end) and kind == "U8" and f"{name.removesuffix(end)}_scales" in kinds
    if end in (".absmax", ".quant_map"):
        return name.endswith(end) and kinds.get(name.removesuffix(end), ("",))[0] in WHOLE
    if end in ("zero_point", "weight_scale_2", "weight_global_scale"):
        number = f"{name[: -len(end)]}{'' if end == 'zero_point' else 'weight'}".rstrip("_")
        return name.endswith(end) and kinds.get(number, ("",))[0] in WHOLE | {"F8_E4M3", "F8_E5M2"}
    return name.endswith(end) and kind in WHOLE


def _may_be_packed(name: str, kind: str, shape: tuple[int, ...]) -> bool:
    return (kind in WHOLE and len(shape) > 1 and not name.endswith("position_ids")) or kind.startswith("F8")


def _not_undone(name: str, scheme: str, sign: str) -> Refused:
    return Refused(
        f"{name} is quantised by {scheme}: {sign}. That is not undone here. Save the model dequantised where it was made (in transformers:"
        " model.dequantize()), or take the model that it was made from."
    )


def _scaled(kinds: Kinds, config: Mapping[str, object], name: str, byte: Callable[[str], int]) -> Undoing | None:
    scaled: dict[str, Scaled] = {}
    dropped: list[str] = []
    how = ""
    for tensor, (kind, shape) in kinds.items():
        if kind != "I8" and not kind.startswith("F8"):
            continue
        layer = tensor.removesuffix("weight")
        known = [(f"{layer}SCB", 127.0)] if kind == "I8" and layer != tensor else []
        known += [(f"{tensor}_scale", 1.0), (f"{tensor}_scale_inv", 1.0), *([(f"{layer}scale_weight", 1.0)] if layer != tensor else [])]
        beside = [(scale, over) for scale, over in known if scale in kinds]
        if not beside:
            continue
        (scale, over), *more = beside
        if more or kinds[scale][0] not in SCALES:
            raise _not_undone(
                name, "a scheme that is not known here", f"{short(tensor)} is {_said(kind, shape)}, {short(scale)} {_said(*kinds[scale])}"
            )
        scaled[tensor] = Scaled(scale, _blocks(tensor, shape, scale, kinds[scale][1], config, name), over)
        dropped.append(scale)
        if (form := f"{layer}weight_format") in kinds and over != 1:
            if kinds[form] not in (("U8", ()), ("U8", (1,)), ("I8", ()), ("I8", (1,))) or byte(form):
                raise _not_undone(name, "bitsandbytes in an order that only its own GPUs read", f"{short(form)} is not 0")
            dropped.append(form)
        how = how or f"{short(tensor)} is {_said(kind, shape)}, scaled by {short(scale)}"
    if not scaled:
        return None
    dropped += [n for n in kinds if n.rpartition(".")[2] in _OTHER_SCALES and n not in scaled]
    return Undoing(scaled, tuple(dropped), how)


def _blocks(tensor: str, shape: tuple[int, ...], scale: str, given: tuple[int, ...], config: Mapping[str, object], name: str) -> tuple[int, ...]:
    """How many entries along each axis share a scale."""
    size = 1
    for n in given:
        size *= n
    if size == 1:
        return tuple(max(n, 1) for n in shape)
    many = (*given, *(1 for _ in shape[1:])) if len(given) == 1 else given
    asked = config.get("weight_block_size")
    sizes = cast("list[object]", asked) if isinstance(asked, list) else []
    told = [n for n in sizes if isinstance(n, int) and n > 0]
    found: list[int] = []
    for axis, (n, count) in enumerate(zip(shape, many, strict=False)):
        at = axis - len(shape) + len(told)
        known = [told[at]] if told and at >= 0 else []
        fits = {b for b in (*known, *([n // count] if count and n % count == 0 else []), 128) if b and -(-n // b) == count}
        if count == 1:
            fits = {max(n, 1)}
        elif known and known[0] in fits:
            fits = set(known)
        elif count == n:
            fits = {1}
        if len(fits) != 1:
            break
        found.append(fits.pop())
    if len(found) == len(shape) == len(many):
        return tuple(found)
    raise Refused(
        f"{name}: {short(tensor)} is {_sized(shape)} and its scale {short(scale)} is {_sized(given)}, which does not say how many entries share a scale."
        " Name the weight_block_size in the quantization_config of its config.json."
    )


def _said(kind: str, shape: tuple[int, ...]) -> str:
    names = {"BF16": "bfloat16", "BOOL": "bool", "F8_E4M3": "float8_e4m3", "F8_E5M2": "float8_e5m2"}
    plain = names.get(kind) or kind.replace("U", "uint").replace("I", "int").lower()
    return f"{plain} {_sized(shape)}"


def _sized(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "(a scalar)"
