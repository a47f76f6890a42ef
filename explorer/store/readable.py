"""What a store holds, as far as this version can read it: a newer version, or one with other plug-ins, may have written there as well."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import cast

from explorer.core import registry
from explorer.core.spec import Aligned, Connected, Field, Fused, Look, Make, Method, ProblemSpec, Request, Run, Shifted, Spec, Study, Trained
from explorer.store.records import Facts

KINDS: dict[tuple[type[Spec], str], str] = {  # of the methods that specs hold
    (Field, "chart"): "chart",
    (Run, "sampler"): "sample",
    (ProblemSpec, "network"): "nets",
    (ProblemSpec, "data"): "data",
    (Trained, "method"): "train",
    (Aligned, "method"): "align",
    (Connected, "method"): "connect",
    (Shifted, "method"): "direct",
    (Fused, "method"): "fuse",
    (Study, "method"): "study",
}


class Unknown(ValueError):
    """What stands in a row is nothing that this version knows; the text says what."""


@dataclass(frozen=True)
class Unreadable:
    """A row that is left as it is. id: a request's, or a checkpoint's path. why: a sentence."""

    id: str
    kind: str
    why: str


@lru_cache(maxsize=4096)
def request(text: str, result: str | None = None) -> Request:
    """A request from its row's text, where its result can be read as well; Unknown otherwise."""
    found = spec(text)
    if not isinstance(found, Run | Look | Make | Study):
        raise Unknown(f"a {type(found).__name__} is no request")
    if isinstance(found, Look) and result and '"kind"' in result:
        spec(result)
    return found


@lru_cache(maxsize=4096)
def facts(text: str) -> Facts:
    """What is known of a checkpoint; Unknown where that cannot be read."""
    found = spec(text)
    if not isinstance(found, Facts):
        raise Unknown(f"a {type(found).__name__} is no checkpoint")
    return found


def spec(text: str) -> Spec:
    """Any spec from its JSON text; Unknown where there is none in it."""
    try:
        return Spec.from_json(json.loads(text))
    except (TypeError, ValueError) as error:
        raise Unknown(str(error).removesuffix(".")) from error


def missing(text: str, known: dict[str, list[str]]) -> str:
    """The methods that a spec's text names and that are not here, in words; empty where all are. known: the names of each kind, filled in on the way."""
    for kind, _ in (named := _methods(text)):
        if kind not in known:
            known[kind] = registry.names(kind)
    return ", ".join(sorted(f"{kind} {name!r}" for kind, name in named if name not in known[kind] and not registry.is_live(kind, name)))


@lru_cache(maxsize=4096)
def _methods(text: str) -> frozenset[tuple[str, str]]:
    """(kind, name) of every method in a spec."""
    return frozenset(_walk(spec(text)))


def _walk(value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, tuple):
        for item in cast("tuple[object, ...]", value):
            yield from _walk(item)
    elif isinstance(value, Spec):
        for field in fields(value):  # pyright: ignore[reportArgumentType]
            inner = getattr(value, field.name)
            if isinstance(inner, Method):
                if kind := KINDS.get((type(value), field.name)):
                    yield kind, inner.name
            else:
                yield from _walk(inner)
    if isinstance(value, ProblemSpec):
        yield "loss", value.loss
