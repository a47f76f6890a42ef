"""The modules of a network, which a recipe may merge apart: which of its tensors each has, by how their names begin.

Where mergekit (0.1.5) defines an architecture of several modules, they have its names here (KNOWN), for the tensors as they are called on the hub and as
transformers 5 calls them. Elsewhere mergekit makes every numbered list a module, `model.vision_tower.layers`, and all the rest `default`. Here any
beginning of names up to a dot is a module as well, and `default` has what no module of the recipe has. Of tensors in no module mergekit writes none, and whoever
loads its result has them at random: that is refused. One value differs: mergekit takes each of the two matrices of Qwen's projector for both of its layers, so
that a gradient holds for either with its last value; here the first has the first value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from explorer.checkpoints.layer_names import NUMBERED
from explorer.core.errors import Refused
from explorer.core.files import listed, short

REST = "default"


@dataclass(frozen=True)
class Known:
    """How the names of a module's tensors begin, and under which of these keys a configuration says how many layers it has."""

    begin: tuple[str, ...]
    layers: tuple[str, ...] = ()


def _eyes(name: str) -> Mapping[str, Known]:
    """A language model beside a vision tower, as LLaVA has them."""
    return {
        "text_decoder": Known(("language_model.", "model.language_model.", "lm_head."), ("text_config.num_hidden_layers",)),
        "multi_modal_projector": Known(("multi_modal_projector.", "model.multi_modal_projector.")),
        name: Known((f"{name}.", f"model.{name}."), ("vision_config.num_hidden_layers",)),
    }


_QWEN = {
    "text_decoder": Known(("model.", "lm_head."), ("text_config.num_hidden_layers", "num_hidden_layers")),
    "multi_modal_projector": Known(("visual.merger.", "model.visual.merger.", "model.visual.deepstack_merger_list.")),
    "vision_tower": Known(("visual.", "model.visual."), ("vision_config.depth",)),
}
KNOWN: Mapping[str, Mapping[str, Known]] = {
    "Gemma3ForConditionalGeneration": _eyes("vision_tower"),
    "Mistral3ForConditionalGeneration": _eyes("vision_tower"),
    "Llama4ForConditionalGeneration": _eyes("vision_model"),
    "Qwen2VLForConditionalGeneration": _QWEN,
    "Qwen2_5_VLForConditionalGeneration": _QWEN,
    "Qwen3VLForConditionalGeneration": _QWEN,
    "Qwen3VLMoeForConditionalGeneration": _QWEN,
    "T5ForConditionalGeneration": {
        "decoder": Known(("decoder.",), ("num_decoder_layers",)),
        "encoder": Known(("encoder.",), ("num_layers",)),
        "shared": Known(("shared.", "lm_head.")),
    },
    "WhisperForConditionalGeneration": {
        "decoder": Known(("model.decoder.", "proj_out."), ("decoder_layers",)),
        "encoder": Known(("model.encoder.",), ("encoder_layers", "num_hidden_layers")),
    },
}


def divided(names: Sequence[str], wanted: Sequence[str], architecture: str = "") -> dict[str, list[str]]:
    """The names of every module that is wanted, "" being all of them. Refused where one has none, or where some are in none."""
    if "" in wanted:
        return {"": list(names)}
    of = _owner(wanted, architecture)
    found: dict[str, list[str]] = {module: [] for module in wanted}
    outside: list[str] = []
    for name in names:
        module = of(name)
        found.get(module if module in found else REST, outside).append(name)
    there = f"There are the modules {', '.join(map(short, _there(names, architecture)))}; a beginning of names up to a dot is one as well."
    if empty := [module for module, own in found.items() if not own]:
        raise Refused(f"The recipe's module {short(empty[0])} has no tensors. {there}")
    if outside:
        raise Refused(
            f"The recipe has no module for {len(outside)} tensors: {listed([*map(short, outside)])}. mergekit leaves them out of its result. Add their module, or"
            f" {REST}, which has what no other has. {there}"
        )
    return found


def stacks(names: Sequence[str], architecture: str) -> list[list[str]]:
    """The names, apart for each module of a known architecture, as each counts its own layers; all together of others."""
    of = _owner((), architecture)
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(of(name), []).append(name)
    return list(found.values())


def layer_keys(module: str, architecture: str) -> tuple[str, ...]:
    """Where a configuration says how many layers a module has; none where that is not known."""
    if module in ("", REST) and architecture not in KNOWN:
        return ("num_hidden_layers",)
    known = KNOWN.get(architecture, {}).get(module)
    return known.layers if known else ()


def _owner(wanted: Iterable[str], architecture: str) -> Callable[[str], str]:
    """Which module a name belongs to: that with the longest beginning of it."""
    known = KNOWN.get(architecture, {})
    begins = {begin: module for module, one in known.items() for begin in one.begin}
    begins |= {f"{module}.": module for module in wanted if module not in known and module != REST}

    def owner(name: str) -> str:
        fits = [begin for begin in begins if name.startswith(begin)]
        return begins[max(fits, key=len)] if fits else REST

    return owner


def _there(names: Sequence[str], architecture: str) -> list[str]:
    """The modules as mergekit finds them."""
    if architecture in KNOWN:
        return list(KNOWN[architecture])
    lists = list(dict.fromkeys(m[1] for m in map(NUMBERED.match, names) if m and m[1]))
    return [*lists, REST] if len(lists) > 1 else [REST]
