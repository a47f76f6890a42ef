"""How the names in a checkpoint are read: without what wrappers put before or into them, and as transformers calls the tensors now.

One reader for weights in memory (checkpoint_file.py) and for merges of headers alone (explorer.merging.ingredients): it looks at names, never at values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os.path import commonprefix
from pathlib import Path

from explorer.core.errors import Refused
from explorer.core.files import system

EXACT = "explorer.names"  # present in files that `checkpoint_file.write` made: their names are meant as they stand, no prefix is stripped
COUNTER = "n_averaged"  # of torch.optim.swa_utils.AveragedModel
CONSTANTS = re.compile(
    r"(^|\.)(position_ids|masked_bias|rotary_emb\.inv_freq|n_averaged)$"
)  # saved by old versions, or by some; computed where they are needed
_WRAPPERS = ("module.", "_orig_mod.")  # DataParallel, torch.compile
_WITHIN = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")  # put into the middle of names, by wrapping a part of the network
# A LightningModule's attribute; but all names of a tied Llama begin with `model.` too. So they stay where transformers wrote the file: "format": "pt"
# in its header, or a config.json beside it.
_PREFIXES = (*_WRAPPERS, "model.", "net.", "network.")


@dataclass(frozen=True)
class Read:
    """`plain`: each name in the file without wrappers, the counter of an average left out; `called`: what transformers calls plain names that it calls
    otherwise, "" for what it has no use for. `notes`: what was stripped."""

    plain: Mapping[str, str]
    called: Mapping[str, str]
    notes: tuple[str, ...]


def read(names: Sequence[str], path: Path, metadata: Mapping[str, str], *, counter: bool) -> Read:
    """The names of what lies at a path. `counter`: whether COUNTER among them is a single number."""
    notes: list[str] = []
    called = _called(path, [*_stripped(names, [], _WRAPPERS, counter).values()], notes)
    plain = _stripped(names, notes, _WRAPPERS if called or metadata.get("format") == "pt" else _PREFIXES, counter)
    return Read(plain, called, tuple(notes))


def _called(path: Path, names: Sequence[str], notes: list[str]) -> dict[str, str]:
    """What transformers calls the tensors of a file that lies beside a config.json of its own; nothing where there is none, or it cannot be used."""
    folder = path if path.is_dir() else path.parent
    with system(path, "read"):
        if not (folder / "config.json").is_file():
            return {}
    from explorer.problems.nets import hugging_face  # brings torch, which who reads no such file may not need yet

    try:
        return hugging_face.called(names, folder)
    except Refused as refusal:
        notes.append(f"the config.json beside it was not used: {refusal}")
        return {}


def _stripped(names: Sequence[str], notes: list[str], prefixes: Sequence[str], counter: bool) -> dict[str, str]:
    """Each name without what wrappers put before every name, or into the middle of some."""
    found = {name: name for name in names}
    if counter and COUNTER in found and len(found) > 1:
        del found[COUNTER]
        notes.append(f"ignored, the counter of an AveragedModel: {COUNTER}")
    shared = commonprefix([*found.values()])  # noqa: RUF071  (letters are meant, not parts of a path)
    shortest = min(map(len, found.values()), default=0)
    at, stripped = 0, dict[str, None]()
    while prefix := next((p for p in prefixes if shared.startswith(p, at) and at + len(p) < shortest), None):
        at += len(prefix)
        stripped[prefix] = None
    found = {name: new[at:] for name, new in found.items()}
    notes += [f"stripped the prefix '{prefix}'" for prefix in stripped]
    for part in _WITHIN:
        shorter = {name: new.replace(f".{part}", ".").removeprefix(part) for name, new in found.items()}
        if len(set(shorter.values())) == len(found) and "" not in shorter.values() and shorter != found:
            found = shorter
            notes.append(f"stripped '{part}' within names")
    return found
