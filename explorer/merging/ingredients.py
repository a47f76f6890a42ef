"""What is merged: a .safetensors, a folder of shards or of one file, or an adapter on one of these; only headers are read.

Refused when an index names a shard that is missing or cut short, or when ingredients do not go together: other tensors, other shapes, other vocabularies;
or when one is quantised, unless `#dequantised` stands behind its path and it can be undone.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from explorer.checkpoints import flat_sets, lora, names, quantised, renaming, safetensors_header, sharded
from explorer.checkpoints.checkpoint_file import RENAMED
from explorer.checkpoints.lora import Adapter, sized
from explorer.checkpoints.names import EXACT
from explorer.checkpoints.safetensors_header import TIED, Stored
from explorer.core import model_path
from explorer.core.errors import Refused
from explorer.core.files import listed, name_of, short, system

NUMBER = re.compile(r"\.\d+\.")
CONFIG_LIMIT = 2**24  # characters of a configuration that is looked into
AT_ONCE = 2**20  # bytes of two tensors that are compared
KEPT = (TIED, "explorer.names", "format")  # of a header, in the merged file's


@dataclass(frozen=True)
class Dequantised(Stored):
    """A tensor that is worked out in float32 while it is read: (number · scale) / over, each scale for a block of entries (explorer.checkpoints.quantised)."""

    number: Stored
    scale: Stored
    blocks: tuple[int, ...]
    over: float

    @property
    def nbytes(self) -> int:
        """In the file."""
        return self.number.nbytes + self.scale.nbytes


@dataclass(frozen=True)
class Ingredient:
    """A model: its tensors by the names they have in the files. `folder` is where its configuration and tokenizer lie; `renamed`: whether it is to take
    another model's names."""

    name: str
    path: Path
    tensors: Mapping[str, Stored]
    metadata: Mapping[str, str]
    folder: Path
    adapter: Adapter | None = None
    notes: tuple[str, ...] = ()
    renamed: bool = False

    def shape(self, tensor: str) -> tuple[int, ...]:
        return self.tensors[tensor].shape


def opened(text: str, base: str = "", *, dequantise: bool = False) -> Ingredient:
    """The ingredient that a recipe or a person calls `model` or `model+adapter`; an adapter alone is put on `base`. `dequantise`: as if they said so."""
    path = Path(text).expanduser()
    chosen = model_path.parse(path)
    if chosen.adapter is not None:
        return _with(opened(str(replace(chosen, adapter=None).at(chosen.path)), dequantise=dequantise), lora.read(chosen.adapter), text)
    model, plus, adapter = text.partition("+")
    if plus and not chosen.path.exists():
        found = lora.read(_there(adapter)) if lora.is_adapter(_there(adapter)) else None
        if found is None:
            raise Refused(f"{short(adapter)} is not a folder with an {lora.CONFIG}. After the + an adapter is expected.")
        return _with(opened(model, dequantise=dequantise), found, text)
    if not lora.is_adapter(_there(text)):
        return _model(model_path.dequantised(path, dequantise), text)
    found = lora.read(path)
    if not (under := base or found.base) or under == text:
        raise Refused(f"{name_of(path)} is an adapter and changes a model. Write model+adapter, or name the model as the base.")
    if lora.is_adapter(Path(under)) or not model_path.parse(under).path.exists():
        raise Refused(f"{name_of(path)} is an adapter on {short(under)}, which is not a model here. Write model+adapter with the model's folder.")
    return _with(opened(under, dequantise=dequantise), found, text)


def _there(text: str) -> Path:
    path = model_path.parse(Path(text).expanduser()).path
    with system(path, "read"):
        if not path.exists():
            revision = " Revisions are not fetched: download that one, and give its folder." if "@" in text else ""
            raise Refused(f"There is no {short(text)} here.{revision or ' Models are not downloaded: give the path of a folder or a .safetensors.'}")
    return path


def _model(path: Path, name: str) -> Ingredient:
    chosen = model_path.parse(path)
    found = _stored(chosen.path, name)
    if chosen.part or EXACT not in found.metadata:
        plain, notes, _ = flat_sets.only({key: s.shape for key, s in found.tensors.items()}, chosen.part, name_of(chosen.path))
        found = replace(found, tensors={new: found.tensors[key] for key, new in plain.items()}, notes=tuple(notes))
    found = replace(found, renamed=chosen.renamed)
    kinds = {key: (s.dtype, s.shape) for key, s in found.tensors.items()}
    plan = quantised.plan(kinds, chosen.path, dequantise=chosen.dequantise, byte=lambda key: _byte(found.tensors[key]))
    if plan is None:
        quantised.whole(kinds, [key for key, kind in kinds.items() if _is_parameter(key, kind[1])], name)
        return found
    tensors: dict[str, Stored] = {}
    for key, stored in found.tensors.items():
        if (how := plan.scaled.get(key)) is not None:
            tensors[key] = Dequantised(stored.path, "F32", stored.shape, stored.start, stored, found.tensors[how.scale], how.blocks, how.over)
        elif key not in plan.dropped:
            tensors[key] = stored
    return replace(found, tensors=tensors)


def _is_parameter(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a tensor is one that networks train, as far as its name tells; a `bias` of more axes is a mask."""
    last = name.rpartition(".")[2]
    return bool(shape) and (last == "weight" or (last == "bias" and len(shape) == 1))


def _byte(stored: Stored) -> int:
    with system(stored.path, "read"), stored.opened() as file:
        file.seek(stored.start)
        return file.read(1)[0]


def _stored(path: Path, name: str) -> Ingredient:
    """The tensors as they lie in the files."""
    index = sharded.index_of(path)
    if index is None:
        file = path
        if path.is_dir():
            inside = sorted(path.glob("*.safetensors"))
            file = path / sharded.SINGLE[0] if path / sharded.SINGLE[0] in inside else inside[0] if len(inside) == 1 else None
            if file is None:
                raise Refused(f"{name_of(path)} holds {len(inside)} .safetensors and no index of them. Name one of the files.")
        header = safetensors_header.read(file)
        if not header.tensors:
            raise Refused(f"{name_of(file)} holds no tensors. Save it again.")
        return Ingredient(name, path, header.tensors, header.metadata, path if path.is_dir() else path.parent)
    tensors: dict[str, Stored] = {}
    metadata: dict[str, str] = {}
    tied: dict[str, str] = {}
    for shard in index.shards:
        header = safetensors_header.read(shard)
        if twice := sorted(header.tensors.keys() & tensors.keys()):
            raise Refused(f"{short(twice[0])} is in {name_of(shard)} and in another shard as well. Save the model again.")
        tensors |= header.tensors
        metadata |= header.metadata
        tied |= safetensors_header.ties(header.metadata, name_of(shard))
    if missing := sorted(index.names - tensors.keys() - tied.keys()):
        raise Refused(f"The shards of {name_of(path)} do not hold {listed(missing)}, which its index lists. Copy the folder again, whole.")
    return Ingredient(name, path, tensors, metadata | ({TIED: json.dumps(tied)} if tied else {}), path)


def _with(model: Ingredient, adapter: Adapter, name: str) -> Ingredient:
    """The model with an adapter on it; Refused where it changes a tensor that the model does not have, or has in another shape."""
    adapter = lora.fitted(adapter, {key: stored.shape for key, stored in model.tensors.items()}, model.name)
    return replace(model, name=name, tensors={**model.tensors, **adapter.whole}, adapter=adapter)


def architecture_of(ingredient: Ingredient) -> str:
    """The class of transformers that its configuration names; "" where none is beside the weights, or it names several."""
    file = ingredient.folder / "config.json"
    if not file.is_file():
        return ""
    with system(file, "read"), file.open(encoding="utf-8", errors="replace") as text:
        try:
            found = json.loads(text.read(CONFIG_LIMIT))
        except (ValueError, RecursionError):
            return ""
    named: object = found.get("architectures") if isinstance(found, dict) else None  # pyright: ignore[reportUnknownMemberType]
    return str(named[0]) if isinstance(named, list) and len(named) == 1 else ""  # pyright: ignore[reportUnknownArgumentType]


def alike(ingredients: Sequence[Ingredient]) -> list[Ingredient]:
    """The ingredients under the same names; Refused unless all have the same tensors of the same shapes.

    Where the names in the files differ, they are read as everywhere (explorer.checkpoints.names), and what is in some of the models alone is left out when
    nothing is lost: a tied tensor that is stored once elsewhere, a constant.
    """
    found = named_alike(ingredients)
    same_names(found)
    return found


def named_alike(ingredients: Sequence[Ingredient]) -> list[Ingredient]:
    """The ingredients under the same names, as `alike`, whatever their shapes and what only some of them have."""
    found = _read_alike(_renamed(ingredients), lambda i: i.tensors.keys())
    if any(i.tensors.keys() != found[0].tensors.keys() for i in found):
        found = _without_extras(found)
    return found


def layers_alike(ingredients: Sequence[Ingredient]) -> list[Ingredient]:
    """The ingredients with their names read alike, for merges of some of their layers: they may have different numbers of them."""
    return _read_alike(ingredients, lambda i: {NUMBER.sub(".#.", f".{name}") for name in i.tensors})


def _read_alike(ingredients: Sequence[Ingredient], named: Callable[[Ingredient], Collection[str]]) -> list[Ingredient]:
    found = list(ingredients)
    for step in (_plain, _called):
        if any(named(i) != named(found[0]) for i in found):
            found = [step(i) for i in ingredients]
    return found


def _renamed(ingredients: Sequence[Ingredient]) -> list[Ingredient]:
    """Those whose path asks for it under the names of the first that does not; Refused where their shapes are not its in order."""
    if not any(i.renamed for i in ingredients):
        return list(ingredients)
    like = next((i for i in ingredients if not i.renamed), None)
    if like is None:
        raise Refused(
            f"All models are marked {RENAMED}, so none has the names to use. Leave the mark off the one whose names the others should take."
        )
    shapes = {name: stored.shape for name, stored in like.tensors.items()}
    found: list[Ingredient] = []
    for ingredient in ingredients:
        own = {name: stored.shape for name, stored in ingredient.tensors.items()}
        if not ingredient.renamed or own.keys() == shapes.keys():
            found.append(ingredient)
        elif (pairs := renaming.renaming(own, shapes)) is not None:
            found.append(_under(ingredient, pairs, [f"renamed in order: {renaming.shown(pairs)}"]))
        else:
            raise Refused(f"{short(ingredient.name)} does not have the shapes of {short(like.name)} in order, and cannot take its names.")
    return found


def _read(ingredient: Ingredient) -> names.Read:
    counter = names.COUNTER in ingredient.tensors and ingredient.tensors[names.COUNTER].numel == 1
    return names.read([*ingredient.tensors, *_ties(ingredient)], model_path.parse(ingredient.path).path, ingredient.metadata, counter=counter)


def _ties(ingredient: Ingredient) -> dict[str, str]:
    return safetensors_header.ties(ingredient.metadata, short(ingredient.name))


def _plain(ingredient: Ingredient) -> Ingredient:
    read = _read(ingredient)
    return _under(ingredient, read.plain, read.notes)


def _called(ingredient: Ingredient) -> Ingredient:
    """Under the names that transformers has for the plain ones; of two tensors of one name, which must be equal, the first."""
    read = _read(ingredient)
    return _under(ingredient, {name: called for name, plain in read.plain.items() if (called := read.called.get(plain, plain))}, read.notes)


def _under(ingredient: Ingredient, new: Mapping[str, str], notes: Sequence[str]) -> Ingredient:
    tensors: dict[str, Stored] = {}
    for name, stored in ingredient.tensors.items():
        if name not in new:
            continue
        if (other := tensors.setdefault(new[name], stored)) is not stored and not _equal(other, stored):
            raise Refused(f"{short(name)} and another tensor of {short(ingredient.name)} are one weight by its config.json, and differ in the file.")
    adapter = ingredient.adapter
    if adapter is not None:
        adapter = replace(adapter, changes={new.get(name, name): change for name, change in adapter.changes.items()})
    ties = {new[alias]: new[name] for alias, name in _ties(ingredient).items() if alias in new and name in new and new[alias] not in tensors}
    metadata = {key: value for key, value in ingredient.metadata.items() if key != TIED} | ({TIED: json.dumps(ties)} if ties else {})
    said = (f"{short(ingredient.name)}: {note}" for note in notes)
    return replace(ingredient, tensors=tensors, metadata=metadata, adapter=adapter, notes=(*ingredient.notes, *said))


def _without_extras(ingredients: Sequence[Ingredient]) -> list[Ingredient]:
    """Without what only some have, where it is a constant, or equal to a tensor that all have."""
    shared = set[str].intersection(*(set(i.tensors) for i in ingredients))
    found: list[Ingredient] = []
    for ingredient in ingredients:
        notes: list[str] = []
        left_out: set[str] = set()
        twins = _Twins({n: ingredient.tensors[n] for n in sorted(shared)})
        for name in [n for n in ingredient.tensors if n not in shared]:
            own = ingredient.tensors[name]
            twin = twins.of(own) if _is_matrix(own) else ""
            if twin and not _changed(ingredient, name, twin):
                notes.append(f"left out, as it equals {short(twin)} and is not in every model: {short(name)}")
            elif names.CONSTANTS.search(name):
                notes.append(f"left out, a constant that is not in every model: {short(name)}")
            else:
                continue
            left_out.add(name)
        found.append(_under(ingredient, {n: n for n in (*ingredient.tensors, *_ties(ingredient)) if n not in left_out}, notes))
    return found


class _Twins:
    """Finds the first of some tensors that equals another one. The bytes of each are gone through once, however many are looked for."""

    def __init__(self, tensors: Mapping[str, Stored]) -> None:
        self._of_a_kind: dict[tuple[str, tuple[int, ...]], dict[str, Stored]] = {}
        for name, stored in tensors.items():
            if type(stored) is Stored:
                self._of_a_kind.setdefault((stored.dtype, stored.shape), {})[name] = stored
        self._by_content: dict[tuple[str, tuple[int, ...]], dict[bytes, str]] = {}

    def of(self, stored: Stored) -> str:
        """Its name; "" where there is none."""
        kind = stored.dtype, stored.shape
        if type(stored) is not Stored or kind not in self._of_a_kind:
            return ""
        if kind not in self._by_content:
            self._by_content[kind] = {_content(s): name for name, s in reversed(self._of_a_kind[kind].items())}
        return self._by_content[kind].get(_content(stored), "")


def _content(stored: Stored) -> bytes:
    """SHA-256 of a tensor's bytes."""
    found = hashlib.sha256()
    with system(stored.path, "read"), stored.opened() as file:
        file.seek(stored.start)
        for start in range(0, stored.nbytes, AT_ONCE):
            found.update(file.read(min(AT_ONCE, stored.nbytes - start)))
    return found.digest()


def _changed(ingredient: Ingredient, *which: str) -> bool:
    """Whether an adapter makes something else of one of the tensors."""
    return ingredient.adapter is not None and any(name in ingredient.adapter.changes for name in which)


def _is_matrix(stored: Stored) -> bool:
    """Whether a tensor can be told by its values: two layers that nothing was learned in are equal, too, and not tied."""
    if len(stored.shape) < 2 or not stored.numel:
        return False
    width = stored.nbytes // stored.numel
    with system(stored.path, "read"), stored.opened() as file:
        file.seek(stored.start)
        values = file.read(min(AT_ONCE, stored.nbytes))
    return values != values[:width] * (len(values) // width)


def _equal(a: Stored, b: Stored) -> bool:
    """Whether two tensors have the same type, shape and bytes."""
    if (a.dtype, a.shape, type(a)) != (b.dtype, b.shape, type(b)) or type(a) is not Stored:
        return False
    with system(a.path, "read"), a.opened() as one, b.opened() as two:
        one.seek(a.start)
        two.seek(b.start)
        for start in range(0, a.nbytes, AT_ONCE):
            count = min(AT_ONCE, a.nbytes - start)
            if one.read(count) != two.read(count):
                return False
    return True


Source: TypeAlias = "tuple[Ingredient, str]"


def equal_in(a: Source, b: Source) -> bool:
    """Whether a tensor of one model and one of another have the same type and bytes, adapters included."""
    return not any(_changed(*source) for source in (a, b)) and _equal(a[0].tensors[a[1]], b[0].tensors[b[1]])


def zero_in(source: Source) -> bool:
    """Whether a model's tensor is zero; read no further than to its first other value."""
    ingredient, name = source
    stored = ingredient.tensors[name]
    if _changed(ingredient, name) or (not isinstance(stored, Dequantised) and type(stored) is not Stored):
        return False
    stored = stored.number if isinstance(stored, Dequantised) else stored
    with system(stored.path, "read"), stored.opened() as file:
        file.seek(stored.start)
        return all(not any(file.read(min(AT_ONCE, stored.nbytes - start))) for start in range(0, stored.nbytes, AT_ONCE))


def same_names(ingredients: Sequence[Ingredient]) -> None:
    """Refused unless all have the same tensors of the same shapes."""
    first = ingredients[0]
    for other in ingredients[1:]:
        if missing := [n for n in (*first.tensors, *other.tensors) if n not in first.tensors or n not in other.tensors]:
            where, lacks = (first, other) if missing[0] in first.tensors else (other, first)
            raise Refused(
                f"{short(missing[0])} is in {short(where.name)} and not in {short(lacks.name)} ({len(missing)} such tensors)."
                " Choose checkpoints of one architecture, saved alike."
            )
        for key in first.tensors:
            same_shape([(first, key), (other, key)])


def same_shape(tensors: Sequence[tuple[Ingredient, str]]) -> None:
    """Refused unless the tensors, each of an ingredient, have one shape."""
    first, key = tensors[0]
    for other, name in tensors[1:]:
        a, b = first.shape(key), other.shape(name)
        if a == b:
            continue
        if len(a) == len(b) and a[1:] == b[1:] and is_vocabulary(key, a):
            raise Refused(
                f"{short(first.name)} has a vocabulary of {a[0]:,} tokens and {short(other.name)} one of {b[0]:,} ({short(key)})."
                " Choose models with the same vocabulary, or merge them token by token (union)."
            )
        raise Refused(f"{short(key)} is {sized(a)} in {short(first.name)} and {sized(b)} in {short(other.name)}. Choose checkpoints of equal widths.")


def is_vocabulary(name: str, shape: Sequence[int]) -> bool:
    """Whether a tensor has a row for every token, as far as its name tells."""
    return len(shape) == 2 and any(part in name for part in ("embed", "lm_head", "wte", "shared")) and "position" not in name
