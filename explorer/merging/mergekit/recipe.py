"""A recipe as data: a method, the modules of a network, and of each the models or slices of them that are merged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from explorer.merging.mergekit.known import Number

Given: TypeAlias = "Number | str"
Settings: TypeAlias = "Mapping[str, tuple[Setting, ...]]"
EMPTY: Settings = {}


@dataclass(frozen=True)
class Setting:
    """A value, or a gradient of values over the layers, for the tensors whose name has `part` in it; an empty part: for all."""

    value: Given | tuple[Given, ...]
    part: str = ""


@dataclass(frozen=True)
class Source:
    """A model, which layers of it (None: all), and its own parameters."""

    model: str
    layers: tuple[int, int] | None = None
    settings: Settings = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True)
class Slice:
    """Layers that are merged of the same number of layers of every source."""

    sources: tuple[Source, ...]
    settings: Settings = field(default_factory=lambda: EMPTY)
    base: str = ""


@dataclass(frozen=True)
class Module:
    """A part of the network with models or slices of its own. Its name is that of the architecture's module, or what the names of its tensors begin with;
    "default" is all that no other module has, and "" the whole network."""

    slices: tuple[Slice, ...]
    name: str = ""
    settings: Settings = field(default_factory=lambda: EMPTY)

    @property
    def whole(self) -> bool:
        """Whether models are merged with all of their layers."""
        return all(s.layers is None for part in self.slices for s in part.sources)

    @property
    def sources(self) -> list[Source]:
        return [s for part in self.slices for s in part.sources]


@dataclass(frozen=True)
class TokenRule:
    """Where the row of one token comes from, for models that do not know it, or with `force` for all: a model's own row, the row of another token (or number)
    of a model, or zeros where no model is named."""

    token: str
    model: str = ""
    other: str | int | None = None
    force: bool = False


@dataclass(frozen=True)
class Recipe:
    """A whole recipe. Settings of a narrower scope come before those of a wider one: source, slice, module, recipe."""

    method: str
    modules: tuple[Module, ...]
    base: str = ""
    settings: Settings = field(default_factory=lambda: EMPTY)
    dtype: str = ""
    out_dtype: str = ""
    tokenizer: str = ""  # whose tokens the result has: "base"'s, a model's, or the "union" of all
    token_rules: tuple[TokenRule, ...] = ()
    pad: int = 0  # rows are added up to a multiple of this, 0: none

    @property
    def whole(self) -> bool:
        """Whether models are merged with all of their layers in every module."""
        return all(m.whole for m in self.modules)

    @property
    def first(self) -> str:
        """The model whose tensors the result has: the base, or the first that is named."""
        return self.base or self.modules[0].sources[0].model

    @property
    def merged(self) -> list[str]:
        """Every model that is merged, once; the base first."""
        bases = [part.base for m in self.modules for part in m.slices]
        return list(dict.fromkeys(filter(None, [self.base, *bases, *(s.model for m in self.modules for s in m.sources)])))
