"""Two sets of weights in one flat mapping, told by the first part of their names: `layer.weight` and `ema.layer.weight`, or `model.…` and `ema_model.…`.

The set without an average's name is the usual one; `#ema` behind the path chooses the other (explorer.core.model_path). What an average lacks, such as
buffers, is the usual set's; its own counters are left out. Two equal branches of one network are no two sets: without an average's name they are told
apart only when one is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from explorer.core.errors import Refused
from explorer.core.files import short

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]

AVERAGE = re.compile(r"(?:^|_)(?:ema|swa|avg|averaged?|shadow|teacher|momentum)(?:$|_|\d)", re.IGNORECASE)
SHARE = 0.5  # of the usual set's tensors that an average must have


@dataclass(frozen=True)
class Set:
    """Which tensors are chosen: each stored name, and the name that it has in the usual set. `others`: the other sets, by their keys."""

    names: Mapping[str, str]
    others: tuple[str, ...]


def chosen(shapes: Shapes, part: str) -> Set | None:
    """The set that is meant, "" for the usual one; None where the mapping is one set, or has none of that name."""
    grouped = _grouped(shapes)
    firsts = [first for first in grouped if first]
    averages = [p for p in firsts if AVERAGE.search(p)]
    asked = [part] if part in firsts and part not in averages else []
    for keys in filter(None, (averages, asked)):
        apart = set(keys)
        usual = {first: names for first, names in grouped.items() if first not in apart}
        usual_names = [n for n in shapes if _first(n) not in apart]
        found: dict[str, dict[str, str]] = {}
        for p in keys:
            if (same := _same(p, grouped[p], shapes, usual, usual_names)) is None:
                break
            found[p] = same
        own = next(iter(usual)) if len(usual) == 1 else ""
        if len(found) < len(keys) or part not in ("", own, *found):
            continue
        if part not in found:
            return Set({n: n for n in usual_names}, tuple(found))
        there = set(found[part].values())
        names = found[part] | {n: n for n in usual_names if n not in there}
        return Set({n: names[n] for n in shapes if n in names}, tuple(k for k in (own, *found) if k not in ("", part)))
    return None


def only(shapes: Shapes, part: str, name: str) -> tuple[Mapping[str, str], list[str], tuple[str, ...]]:
    """What to read of a mapping: stored name → name, notes, and the other sets. Refused when a part is asked for that is not there."""
    if (found := chosen(shapes, part)) is None:
        if part:
            raise Refused(f"{name} has one set of weights, and no part {short(part)!r} can be chosen. Give {name} alone.")
        return {n: n for n in shapes}, [], ()
    others = ", ".join(f"{name}#{short(k)}" for k in found.others)
    return found.names, [f"other weights in it: choose them with {others}"] if others else [], found.others


def _same(prefix: str, names: Sequence[str], shapes: Shapes, usual: Mapping[str, Sequence[str]], every: Sequence[str]) -> dict[str, str] | None:
    """Of a prefix's tensors, which of the usual ones each is another of; None where one is of none, or too few are. usual: by their first part."""
    least = max(1.0, SHARE * len(every))
    if len(names) < least:  # so few prefixes go on that all of them together look at each name a few times
        return None
    own = {n: n.removeprefix(f"{prefix}.") for n in names}
    for before, group in [("", every), *((f"{first}.", group) for first, group in usual.items() if first)]:
        if len(group) < least:
            continue
        there = {n.removeprefix(before): n for n in group}
        there = {n.replace(".", ""): full for n, full in there.items()} | there  # some write names without dots
        same = {n: there[plain] for n, plain in own.items() if plain in there and shapes[n] == shapes[there[plain]]}
        if all(not shapes[n] for n in own if n not in same) and len(same) >= least:
            return same
    return None


def _first(name: str) -> str:
    return name.partition(".")[0] if "." in name else ""


def _grouped(names: Shapes) -> dict[str, list[str]]:
    """The names by their first part, "" for those that are one part."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(_first(name), []).append(name)
    return found
