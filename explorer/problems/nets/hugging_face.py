"""A model of Hugging Face's transformers, described by its config.json: language models, text and image classifiers.

    [network]
    name = "hugging_face"
    config = "run-1/config.json"   # relative to the folder of problem.toml

Wolf et al. 2020, "Transformers: State-of-the-Art Natural Language Processing". The file is read once, with the problem: what decides the network
becomes the option's value, so equal configurations are one problem wherever they lie. The number of labels is kept and their names are not (they
belong to the data), nor is anything that only says where the file came from.

Tokens int64 (n, L) → logits (n, L, vocabulary), or (n, classes) for a text classifier; images (n, channels, side, side) → (n, classes). The state
dict has the names of the library's modules; `called` says how the tensors of a file are called there. A tied weight is in it once, under its first
name: the layer that shares it reads it where it is stored.

Needs the extra `hf`. Nothing is downloaded, and no code that comes with a model is run: only what the library itself knows is built. A configuration
may come from anyone, so its numbers are bounded before anything is built, and the network is built without memory before it is built with.

Pitfalls: padding is whatever equals the configuration's `pad_token_id` in a text classifier's input, and a language model, causal or masked, has none. The vocabulary
must be that of the data. A quantised model's file is dequantised, or refused, where it is read (checkpoints/quantised.py). Files whose tensors the library
recomputes while it loads (the experts of some mixtures) do not fit.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_module_registration_hook

from explorer.core.allowed_folders import content
from explorer.core.errors import Refused
from explorer.core.files import short, system
from explorer.core.importing import uncollected
from explorer.problems.tied import tied as tied_names
from explorer.problems.tied import untie

LIMIT_BYTES = 2**20  # of a config.json
LIMIT_PARAMETERS = 2**33  # 32 GiB in float32, as much as is read of a checkpoint
LIMIT_MODULES = 10_000
_LIMIT_NUMBER = 2**27  # of any whole number: some become the length of a table while a network is built
_LIMITS: Mapping[tuple[str, ...], int] = {  # of those whose names say how often something is built, counted or looped over
    ("layer", "depth", "block", "stage", "expert", "repeat"): 2**12,
    ("label",): 2**20,
    ("position", "ctx"): 2**24,
}
_CONSTANTS = (r"\.masked_bias$", r"rotary_emb\.inv_freq$", r"position_ids$")  # saved by old versions, computed now

_HEADS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "causal_lm": ("AutoModelForCausalLM", ("ForCausalLM", "LMHeadModel")),
    "masked_lm": ("AutoModelForMaskedLM", ("ForMaskedLM",)),
    "sequence_classification": ("AutoModelForSequenceClassification", ("ForSequenceClassification",)),
    "image_classification": ("AutoModelForImageClassification", ("ForImageClassification", "ForImageClassificationWithTeacher")),
}
# Where a file came from, in what precision or form its weights were saved, and what would have the library fetch or run something.
_DROPPED = (
    *("transformers_version", "torch_dtype", "dtype", "auto_map", "task_specific_params", "attn_implementation", "experts_implementation"),
    *("quantization_config", "compression_config"),
)


def build(
    *, config: str = "config.json", head: Literal["auto", "causal_lm", "masked_lm", "sequence_classification", "image_classification"] = "auto"
) -> nn.Module:
    """The file that describes the model; what it answers with, by default what the file says."""
    if not config.lstrip().startswith("{"):
        raise Refused(
            f"The network hugging_face is described by a config.json, and {config!r} has not been read. Read the problem.toml that names it."
        )
    resolved = settle({"config": config, "head": head}, Path())
    if torch.empty(0).device.type != "meta":
        _bounded(resolved["config"], resolved["head"])
    return _built(resolved["config"], resolved["head"])


def settle(options: Mapping[str, object], folder: Path) -> dict[str, str]:
    """The options as the problem holds them: the content of the file in place of its name, and the head that is meant."""
    text, head = str(options.get("config", "config.json")), str(options.get("head", "auto"))
    if not text.lstrip().startswith("{"):
        text = _text(folder, text)
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(f"The config.json is not valid JSON: {str(error)[:100]}. Copy it again.") from error
    if not isinstance(found, dict):
        raise Refused("The config.json is not an object. Give one that transformers wrote (save_pretrained).")
    config = cast("dict[str, object]", found)
    if not isinstance(config.get("model_type"), str):
        raise Refused("The config.json has no 'model_type', so transformers did not write it. Give one that save_pretrained wrote.")
    if head == "auto":
        head = _head(config.get("architectures"))
    kept = {key: value for key, value in config.items() if key not in ("architectures", "id2label", "label2id")}
    if isinstance(labels := config.get("id2label"), dict) and head not in ("causal_lm", "masked_lm"):
        kept.setdefault("num_labels", len(cast("dict[str, object]", labels)))
    try:
        return {"config": json.dumps(_plain(kept, ""), sort_keys=True, separators=(",", ":"), ensure_ascii=False), "head": head}
    except RecursionError as error:
        raise Refused("The config.json nests its values deeper than any configuration does. Copy it again.") from error


def _text(folder: Path, name: str) -> str:
    path = folder / name
    with system(path, "read"):
        if not path.is_file():
            raise Refused(f"There is no {name} in {folder}. Name the config.json of a checkpoint, relative to problem.toml.")
        if path.stat().st_size > LIMIT_BYTES:
            raise Refused(f"{name} is too large for a config.json. Check that it is one.")
        return content(path).decode("utf-8-sig", "replace")


def _head(architectures: object) -> str:
    names = [n for n in cast("list[object]", architectures) if isinstance(n, str)] if isinstance(architectures, list) else []
    for name in names[:1]:
        for head, (_, endings) in _HEADS.items():
            if name.endswith(endings):
                return head
    came = f"is {names[0][:60]}" if names else "is not named"
    raise Refused(f"The architecture in the config.json {came}, which names no head that is known here. Give 'head', one of: {', '.join(_HEADS)}.")


def _plain(value: object, key: str) -> object:
    """A value of the configuration without what decides nothing. Refused when a number in it is absurd."""
    if isinstance(value, dict):
        inside = cast("dict[str, object]", value)
        return {k: _plain(v, k) for k, v in inside.items() if not k.startswith("_") and k not in _DROPPED}
    if isinstance(value, list):
        return [_plain(v, key) for v in cast("list[object]", value)]
    limit = next((n for words, n in _LIMITS.items() if any(w in key for w in words) and "size" not in key), _LIMIT_NUMBER)
    if isinstance(value, int) and abs(value) > limit:
        raise Refused(f"{short(key)} is larger in the config.json than is possible: at most {limit:,}. Correct it.")
    return value


def called(names: Sequence[str], folder: Path) -> dict[str, str]:
    """What the tensors of a checkpoint are called in the network that the config.json beside it describes; "" for what that has no use for.

    The library renames while it loads: many architectures have changed since their checkpoints were saved, and a model without a head may lack the
    prefix of one with. A tied tensor is given its first name. What the library would compute from several tensors keeps its name.
    """
    options = settle({"config": "config.json"}, folder)
    network = cast("Any", _bounded(options["config"], options["head"]))
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import WeightConverter, WeightRenaming, rename_source_key

    state = network.state_dict()
    tied = tied_names(network)
    known = {**state, **{alias: state[owner] for alias, owner in tied.items()}}
    unwanted = [re.compile(pattern) for pattern in (*(getattr(network, "_keys_to_ignore_on_load_unexpected", None) or ()), *_CONSTANTS)]
    found: dict[str, str] = {}
    with _said(network.config.model_type):
        rules = get_model_conversion_mapping(network)
        renamings = [r for r in rules if isinstance(r, WeightRenaming)]
        converters = [r for r in rules if isinstance(r, WeightConverter)]
        for name in names:
            new, computed = rename_source_key(name, renamings, converters, network.base_model_prefix, known)
            new = name if computed is not None else tied.get(new, new)
            found[name] = "" if new not in state and any(p.search(new) for p in unwanted) else new
    return found


@lru_cache(maxsize=8)
def _bounded(config: str, head: str) -> nn.Module:
    """The network without memory. Refused when it is too large to be built here with."""
    with torch.device("meta"):
        network = _built(config, head)
    if (count := sum(t.numel() for t in (*network.parameters(), *network.buffers()))) > LIMIT_PARAMETERS:
        raise Refused(f"The config.json describes {count:,} parameters, and at most {LIMIT_PARAMETERS:,} are built. Use a smaller model.")
    return network


def _built(config: str, head: str) -> nn.Module:
    with uncollected():
        return _made(_transformers(), config, head)


def _made(hf: ModuleType, config: str, head: str) -> nn.Module:
    options = cast("dict[str, Any]", json.loads(config))
    kind = cast("str", options.pop("model_type"))
    if kind not in hf.CONFIG_MAPPING:
        raise Refused(
            f"transformers {hf.__version__} does not know the model type {kind[:60]!r}. Update it; code that comes with a model is not run."
        )
    auto = getattr(hf, _HEADS[head][0])
    if "use_pretrained_backbone" in options:
        options["use_pretrained_backbone"] = False  # it would be fetched
    with _said(kind), _few_modules():
        known = hf.AutoConfig.for_model(kind, **options)
        if type(known) not in auto._model_mapping:
            raise Refused(f"transformers has no {head} for the model type {kind}. Choose another 'head'.")
        known.use_cache = False  # the past is not handed out
        model = auto.from_config(known, trust_remote_code=False)
    if head == "sequence_classification" and getattr(known, "pad_token_id", None) is None:
        raise Refused("A text classifier needs 'pad_token_id' in its config.json, to know where a text ends. Give a number that no text contains.")
    untie(model)
    return _answering(model, head)


def _transformers() -> ModuleType:
    os.environ["HF_HUB_OFFLINE"] = "1"  # read when the library is imported
    try:
        import transformers
    except ImportError as error:
        raise Refused("The network hugging_face needs transformers: pip install 'explorer[hf]'.") from error
    return transformers


@contextmanager
def _said(kind: str) -> Generator[None, None, None]:
    """What the library says against a configuration, as a sentence."""
    try:
        yield
    except Refused:
        raise
    except Exception as error:  # whatever some four hundred architectures raise at values that they do not expect
        first = next(iter(str(error).strip().splitlines()), "")[:200]
        raise Refused(
            f"transformers cannot build a {kind} from this config.json: {type(error).__name__}: {first}. Correct it, or copy it again."
        ) from error


@contextmanager
def _few_modules() -> Generator[None, None, None]:
    """Refused when more than LIMIT_MODULES modules are put together in here."""
    count, here = 0, threading.get_ident()

    def one_more(*_: object) -> None:
        nonlocal count
        count += threading.get_ident() == here
        if count > LIMIT_MODULES:
            raise Refused(f"The config.json describes more than {LIMIT_MODULES:,} layers and parts of layers. Use a smaller model.")

    handle = register_module_module_registration_hook(cast("Callable[..., None]", one_more))
    try:
        yield
    finally:
        handle.remove()


def _answering(model: nn.Module, head: str) -> nn.Module:
    """The model with a forward of its own: one tensor in, or several by their names, logits out. Another class, and no wrapper around it: the names stay."""
    kind = type(model)
    padding = getattr(model.config, "pad_token_id", None)

    taken = inspect.signature(kind.forward).parameters

    def forward(self: nn.Module, inputs: Tensor | None = None, **given: Tensor) -> Tensor:
        if inputs is not None:
            given["pixel_values" if head == "image_classification" else "input_ids"] = inputs
            if head == "sequence_classification":
                given["attention_mask"] = (inputs != padding).long()
        elif unknown := [name for name in given if name not in taken]:  # what the library would pass over in silence
            raise Refused(
                f"The model {kind.__name__} takes no {short(unknown[0])}. It takes: {', '.join(n for n in taken if n not in ('self', 'kwargs'))}."
            )
        return cast("Any", kind.forward)(self, **given, return_dict=True).logits

    model.__class__ = type(kind.__name__, (kind,), {"forward": forward, "__module__": kind.__module__})
    return model
