"""What a store holds, as far as this version can read it: a newer version, or one with other plug-ins, may have written there as well."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from typing import cast

from explorer.core import plugins, registry
from explorer.core.spec import (
    Aligned,
    Attack,
    Connected,
    Field,
    Fused,
    Loaded,
    Look,
    Make,
    Method,
    ProblemSpec,
    Request,
    Run,
    Shifted,
    Spec,
    Study,
    Trained,
)
from explorer.store.records import Facts, Quality, Renaming, Seen

PARTS = (Run, Look, Make, Study, Field, ProblemSpec, Method, Attack, Loaded, Trained, Aligned, Connected, Shifted, Fused)  # of requests
RESULTS = (Seen, Facts, Quality, Renaming)

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
def request(text: str) -> Request:
    """A request from its row's text; Unknown where that cannot be read."""
    found = spec(text)
    if not isinstance(found, Run | Look | Make | Study):
        raise Unknown(f"a {type(found).__name__} is no request")
    return found


def answered(text: str, result: str | None) -> Request:
    """A request from its row's text, where what came of it can be read as well; Unknown otherwise."""
    found = request(text)
    if isinstance(found, Look) and result and '"kind"' in result:
        spec(result)
    return found


def reader() -> str:
    """What this version reads, as a hash: the parts of requests and of results by their names, and the methods that are here."""
    return _reader(tuple(plugins.given().items()))


@cache
def _reader(given: tuple[tuple[str, str], ...]) -> str:
    parts = {kind.__name__: [f.name for f in fields(kind)] for kind in (*PARTS, *RESULTS)}  # pyright: ignore[reportArgumentType]
    names = {kind: sorted(_names(kind, given)) for kind in (*KINDS.values(), "loss")}
    return hashlib.sha256(json.dumps([parts, names], sort_keys=True).encode()).hexdigest()[:16]


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


def spec_or_none(text: str) -> Spec | None:
    """The same; None where there is none."""
    try:
        return spec(text)
    except Unknown:
        return None


def missing(text: str) -> str:
    """The methods that a spec's text names and that are not here, in words; empty where all are."""
    return _gone(_methods(text))


def lacks(spec: Spec) -> bool:
    """Whether a spec names a method that is not here."""
    return bool(_gone(_walk(spec)))


def _gone(named: Iterable[tuple[str, str]]) -> str:
    given = tuple(plugins.given().items())
    return ", ".join(sorted(f"{kind} {name!r}" for kind, name in named if name not in _names(kind, given) and not registry.is_live(kind, name)))


@cache
def _names(kind: str, given: tuple[tuple[str, str], ...]) -> frozenset[str]:
    """The methods of a kind, with the modules that were named on the command line."""
    return frozenset(registry.names(kind))


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
