"""The layers of a network, as the names of its tensors tell them: `model.layers.3.mlp.weight` is in layer 3 of `model.layers`.

Layers are the numbered list with the most tensors, and lists with at least half as many (the other half of an encoder and decoder). Nothing here needs torch.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

Place: TypeAlias = "tuple[tuple[int, ...], int]"

NUMBERED = re.compile(r"(.*?)(?:^|\.)(\d{1,9})\.")  # no network has more layers
FIRST = ("embed", "wte", "wpe", "patch", "cls", "pos", "shared")  # parts of names that stand before the layers
STEM = ("embed", "wte", "wpe", "patch", "cls_token", "position", "shared", "stem", "conv1.", "bn1.")  # before them and before convolutional stages


def layers_of(names: Iterable[str]) -> dict[str, int]:
    """The numbered lists of names that are layers, and how many layers each has."""
    found: dict[str, list[int]] = {}
    for match in filter(None, map(NUMBERED.match, names)):
        found.setdefault(match[1], []).append(int(match[2]))
    most = max(map(len, found.values()), default=0)
    return {stack: max(numbers) + 1 for stack, numbers in found.items() if 2 * len(numbers) >= most}


def layer_of(name: str, layers: Mapping[str, int]) -> tuple[str, int] | None:
    """The list and the number of the layer that a tensor is in; None when it is in none."""
    found = NUMBERED.match(name)
    return (found[1], int(found[2])) if found and found[1] in layers else None


def depths(names: Sequence[str]) -> dict[str, float]:
    """How deep in its network every tensor stands: layer/(L − 1) of L layers, 0 before the first and 1 after the last.

    Lists whose names differ in numbers alone (layer1, layer2, … of a ResNet) are the stages of one; others, an encoder and a decoder, are counted each by
    itself. Where a list has one layer that is the deepest; where there is none, all stands at 1.
    """
    found = {name: (m[1], int(m[2])) for name in names if (m := NUMBERED.match(name))}
    families = Counter(re.sub(r"\d+", "#", stack) for stack, _ in found.values())
    most = max(families.values(), default=0)
    there: dict[str, set[Place]] = {family: set() for family in families}
    keys: dict[str, tuple[str, Place]] = {}
    for name, (stack, number) in found.items():
        family = re.sub(r"\d+", "#", stack)
        if 2 * families[family] >= most:
            keys[name] = (family, (tuple(int(digits[:300]) for digits in re.findall(r"\d+", stack)), number))
            there[family].add(keys[name][1])
    places = {family: {place: i for i, place in enumerate(sorted(known))} for family, known in there.items()}

    def depth(name: str) -> float:
        if name not in keys:
            return 0.0 if keys and any(part in f"{name}." for part in STEM) else 1.0
        family, place = keys[name]
        last = len(places[family]) - 1
        return places[family][place] / last if last else 1.0

    return {name: depth(name) for name in names}
