"""What a recipe says of every tensor: which scope a parameter comes from, which filter fits, and where on a gradient the tensor's layer stands.

As mergekit resolves it (its version 0.1.5): the first scope that yields a value wins, from the source to the slice, the module and the recipe; within a
scope the first filter that is part of the tensor's name. A gradient over the L layers of a slice is read at t = layer/(L − 1), and at 1 where there is
one layer, linearly between its values; for flags the value at ⌊t·(n − 1)⌋. What is in no layer (embeddings, the final norm, the head) stands at t = 0.

The layers are found in the names (explorer.checkpoints.layer_names), each module's by itself.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from explorer.checkpoints.layer_names import FIRST, layer_of, layers_of
from explorer.core.errors import Refused
from explorer.core.files import short
from explorer.merging.mergekit import modules
from explorer.merging.mergekit.known import METHODS, Number, Parameter
from explorer.merging.mergekit.recipe import Given, Module, Recipe, Settings, Slice


@dataclass(frozen=True)
class Input:
    """One model's part in a tensor: the name that the tensor has there, and its parameters."""

    model: str
    tensor: str
    parameters: Mapping[str, Number]


@dataclass(frozen=True)
class Effective:
    """What holds for one tensor of the result. `base`: the model that is the base; "" where there is none. `module`: the recipe's, "" where it has none."""

    tensor: str
    t: float
    inputs: tuple[Input, ...]
    base: str
    parameters: Mapping[str, Number]
    module: str = ""


def effective(recipe: Recipe, names: Mapping[str, Sequence[str]], architecture: str = "") -> list[Effective]:
    """What holds for every tensor of the result; `names`: those of every model's tensors, by the model as the recipe calls it."""
    known = METHODS[recipe.method]
    for part in (part for module in recipe.modules for part in module.slices):
        base = part.base or recipe.base
        if known.base == "required" and not base:
            raise Refused(f"{recipe.method} needs a base_model, from which changes are counted. Name one in the recipe.")
        others = [s.model for s in part.sources if known.base == "a model like the others" or s.model != base]
        if len(others) != len({*others}):
            raise Refused(
                f"The recipe names {short(Counter(others).most_common(1)[0][0])} twice in one merge. Give it once, with the sum of its weights."
            )
        least, most = known.inputs
        if not least <= len(others) <= (most or len(others)):
            wanted = f"{least}" if least == most else f"{least} or more"
            raise Refused(f"{recipe.method} needs {wanted} models{' besides its base' if base else ''}, and the recipe has {len(others)}.")
    wanted = [module.name for module in recipe.modules]
    parts = {model: modules.divided(names[model], wanted, architecture) for model in recipe.merged}
    found: list[Effective] = []
    for module in recipe.modules:
        own = {model: part[module.name] for model, part in parts.items()}
        found += _whole(recipe, module, own, architecture) if module.whole else _sliced(recipe, module, own)
    return found


def _whole(recipe: Recipe, module: Module, names: Mapping[str, Sequence[str]], architecture: str) -> Iterator[Effective]:
    (part,) = module.slices
    for own in modules.stacks(names[recipe.base or part.sources[0].model], architecture):
        layers = layers_of(own)
        for name in own:
            place = layer_of(name, layers)
            t = 0.0 if place is None else place[1] / (layers[place[0]] - 1) if layers[place[0]] > 1 else 1.0
            yield _resolved(recipe, module, part, name, [name] * len(part.sources), t)


def _sliced(recipe: Recipe, module: Module, names: Mapping[str, Sequence[str]]) -> Iterator[Effective]:
    """Layers in the order of the slices, renumbered; what stands before them as in the first slice, what stands after as in the last."""
    model = module.slices[0].sources[0].model
    layers = layers_of(names[model])
    if len(layers) != 1:
        raise Refused(
            f"{short(model)} has {len(layers)} lists of layers ({', '.join(map(short, layers))}), and slices need one. Name a module for each under modules, or use models."
        )
    ((stack, _),) = layers.items()
    outside = [n for n in names[model] if layer_of(n, layers) is None]
    before = [n for n in outside if any(part in n for part in FIRST)]
    for name in before:
        yield _resolved(recipe, module, module.slices[0], name, [name] * len(module.slices[0].sources), 0.0)
    number, has = 0, {of: layers_of(names[of]).get(stack, 0) for of in {s.model for s in module.sources}}
    inside: dict[tuple[str, int], list[str]] = {}
    for of in {part.sources[0].model for part in module.slices}:
        for name in names[of]:
            if (place := layer_of(name, layers)) is not None:
                inside.setdefault((of, place[1]), []).append(name)
    for part in module.slices:
        spans = [s.layers for s in part.sources if s.layers]
        assert len(spans) == len(part.sources)
        count = spans[0][1] - spans[0][0]
        for source, span in zip(part.sources, spans, strict=True):
            if span[1] > has[source.model]:
                raise Refused(
                    f"The recipe asks for layers {span[0]} to {span[1] - 1} of {short(source.model)}, which has {has[source.model]}. Change its layer_range."
                )
        for k in range(count):
            for name in inside.get((part.sources[0].model, spans[0][0] + k), []):
                rest = name.removeprefix(f"{stack}." if stack else "").partition(".")[2]
                within = [".".join(filter(None, (stack, str(low + k), rest))) for low, _ in spans]
                out = ".".join(filter(None, (stack, str(number), rest)))
                yield _resolved(recipe, module, part, out, within, k / (count - 1) if count > 1 else 1.0)
            number += 1
    first = {*before}
    for name in outside:
        if name not in first:
            yield _resolved(recipe, module, module.slices[-1], name, [name] * len(module.slices[-1].sources), 0.0)


def _resolved(recipe: Recipe, module: Module, part: Slice, name: str, within: Sequence[str], t: float) -> Effective:
    known = METHODS[recipe.method]
    base = part.base or recipe.base
    wide = (part.settings, module.settings, recipe.settings)
    shared = {key: _parameter(key, parameter, wide, name, t, "") for key, parameter in known.shared.items()}
    inputs: list[Input] = []
    for source, inner in zip(part.sources, within, strict=True):
        counted = known.base == "a model like the others" or source.model != base
        scopes = (source.settings, *wide)
        each = {key: _parameter(key, p, scopes, inner, t, source.model) for key, p in known.each.items()} if counted else {}
        inputs.append(Input(source.model, inner, each))
    return Effective(name, t, tuple(inputs), base if known.base != "a model like the others" else "", shared, module.name)


def _parameter(key: str, parameter: Parameter, scopes: Iterable[Settings], tensor: str, t: float, model: str) -> Number:
    for scope in scopes:
        for setting in scope.get(key, ()):
            if setting.part in tensor:
                return _at(key, setting.value, t, flag=parameter.flag)
    if parameter.default is None:
        where = f" for {short(model)}" if model else ""
        raise Refused(f"The recipe gives no {key}{where} that holds for {short(tensor)}. Give it once without a filter, for all other tensors.")
    return parameter.default


def _at(key: str, value: Given | tuple[Given, ...], t: float, *, flag: bool) -> Number:
    """The value at t; of a gradient, linearly between its values."""
    if not isinstance(value, tuple):
        return _number(key, value, flag=flag)
    place = t * (len(value) - 1)
    low = int(place)
    before = _number(key, value[low], flag=flag)
    if flag:
        return before
    return (1 - (place - low)) * before + (place - low) * _number(key, value[min(low + 1, len(value) - 1)], flag=flag)


def _number(key: str, value: Given, *, flag: bool) -> Number:
    if flag and (isinstance(value, bool) or str(value).lower() in ("true", "false", "0", "1", "yes", "no")):
        return str(value).lower() in ("true", "1", "yes")
    try:
        number = float(value)  # YAML reads 1e-5 as text
    except ValueError:
        number = math.nan
    if flag or not math.isfinite(number):
        raise Refused(f"{key} is {short(str(value))!r} in the recipe; {'true or false' if flag else 'a finite number'} is expected.")
    return number
