"""What a person requests: frozen, plain data that turns into JSON and back, named by the hash of its content.

A hash covers what decides the value and nothing else: titles and places on a disk are marked `unhashed`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, Self, TypeAlias, cast

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from explorer.core.pretty import Printer

Value: TypeAlias = "bool | int | float | str | tuple[Value, ...] | None"
Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Buffers: TypeAlias = Literal["recalibrate", "mix", "first", "repair"]
SplitName: TypeAlias = str  # train, val, test, or what a test set of the problem's own is called (explorer.core.splits)
Precision: TypeAlias = Literal["float32", "tf32", "bfloat16", "stored"]
Recipe: TypeAlias = "Loaded | Trained | Aligned | Connected | Shifted | Fused"
Request: TypeAlias = "Run | Look | Make | Study"

UNHASHED = MappingProxyType({"unhashed": True})
UNLESS_GIVEN = MappingProxyType({"unless given": True})  # hashed only when it differs from its default: ids made before it existed stay

UNSAID = MappingProxyType({"unsaid": True})  # only written down when it differs from its default: what was written before it existed stays

_KINDS: dict[str, type[Spec]] = {}


class Spec:
    """Base of every request: JSON both ways, and an id that is the same wherever and whenever it is computed."""

    def __init_subclass__(cls) -> None:
        _KINDS[cls.__name__] = cls
        cls._repr_pretty_ = Spec._repr_pretty_  # IPython takes a class's own repr before what a class above it has

    def to_json(self) -> dict[str, Json]:
        """`{"kind": class name, field: value, …}`, nested; tuples become lists."""
        told = [f for f in fields(_instance(self)) if not (f.metadata.get("unsaid") and getattr(self, f.name) == f.default)]
        return {"kind": type(self).__name__, **{f.name: _plain(getattr(self, f.name)) for f in told}}

    @classmethod
    def from_json(cls, data: Json) -> Self:
        """The inverse of to_json; TypeError when the data is of another class."""
        spec = _revive(data)
        if not isinstance(spec, cls):
            raise TypeError(f"Expected a {cls.__name__}, got {data!r:.80}.")
        return spec

    def _repr_pretty_(self, printer: Printer, cycle: bool) -> None:
        """In a notebook, by its name: all of it is long."""
        printer.text(f"{type(self).__name__}({str(getattr(self, 'name', '')) or self.id!r})")

    @cached_property
    def _hashed(self) -> Json:
        """What the id is the hash of. Kept, for parts such as a problem are in many specs."""
        kept = [f for f in fields(_instance(self)) if not f.metadata.get("unhashed")]
        kept = [f for f in kept if not (f.metadata.get("unless given") and getattr(self, f.name) == f.default)]
        return {"kind": type(self).__name__, **{f.name: _hashed(getattr(self, f.name)) for f in kept}}

    @cached_property
    def id(self) -> str:
        """First 16 hex digits of the SHA-256 of the canonical JSON, unhashed fields left out."""
        text = json.dumps(self._hashed, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Method(Spec):
    """A method by name, with complete options sorted by name. Build it with `registry.method`, which checks and fills in."""

    name: str
    options: tuple[tuple[str, Value], ...] = ()

    def __getitem__(self, option: str) -> Value:
        return dict(self.options)[option]

    def kwargs(self) -> dict[str, Value]:
        """The options as keyword arguments."""
        return dict(self.options)


@dataclass(frozen=True)
class NamedTestSet(Spec):
    """Samples that a problem is tested on besides its test split, by a name. `digest`, `code`: as of a problem.

    It is no part of the problem's id: adding one leaves everything that was measured and made where it is. A field names it by `split`.
    """

    data: Method
    digest: str = ""
    code: str = dataclasses.field(default="", metadata=UNLESS_GIVEN)
    name: str = dataclasses.field(default="", metadata=UNHASHED)
    path: str = dataclasses.field(default="", metadata=UNHASHED)

    @property
    def split(self) -> SplitName:
        """Its name and a digest of what it consists of: with other samples it is another set."""
        return f"{self.name}@{self.id[:12]}"


@dataclass(frozen=True)
class ProblemSpec(Spec):
    """A network, its data, a loss and fixed splits: all that is needed to put a number on a set of weights.

    `val` and `test` are shares of the data (test is ignored where the source brings its own test set); `seed` draws the
    splits and the blocks. `digest` is the SHA-256 of the source's files, empty for data that ship inside a package.
    `symmetry`: the network's permutation symmetry written by hand, (tensor, one text per axis); empty: deduced. `code`: (kind, SHA-256) of the modules
    among network, data and loss that were named on the command line.
    """

    network: Method
    data: Method
    loss: str = "cross_entropy"
    val: float = 0.2
    test: float = 0.3
    seed: int = 0
    digest: str = ""
    symmetry: tuple[tuple[str, tuple[str, ...]], ...] = dataclasses.field(default=(), metadata=UNLESS_GIVEN)
    code: tuple[tuple[str, str], ...] = dataclasses.field(default=(), metadata=UNLESS_GIVEN)
    name: str = dataclasses.field(default="", metadata=UNHASHED)
    title: str = dataclasses.field(default="", metadata=UNHASHED)
    path: str = dataclasses.field(default="", metadata=UNHASHED)  # absolute; "" where the source needs none
    metrics: tuple[str, ...] = dataclasses.field(default=(), metadata={**UNHASHED, **UNSAID})  # of somebody's own, to be measured beside the loss
    tests: tuple[NamedTestSet, ...] = dataclasses.field(default=(), metadata={**UNHASHED, **UNSAID})


@dataclass(frozen=True)
class Loaded(Spec):
    """A checkpoint file as it is; `digest` is the SHA-256 of its bytes (for a folder, of its files in order).

    `half`: some of it is stored in half precision. Its mixtures are rounded to that before they are measured; without the mark they once were not, so
    points that a store holds of the same file under its id from then are never taken for these.
    """

    digest: str
    path: str = dataclasses.field(default="", metadata=UNHASHED)
    name: str = dataclasses.field(default="", metadata=UNHASHED)
    half: bool = dataclasses.field(default=False, metadata={**UNLESS_GIVEN, **UNSAID})


@dataclass(frozen=True)
class Trained(Spec):
    """A network trained here, from `start`, or from initial weights of the method's seed: its snapshot number `at` (0: the last).

    Most trainings have one snapshot for each epoch. `member`: which network of those that are trained together.
    """

    problem: ProblemSpec
    method: Method
    start: Recipe | None = None
    at: int = 0
    member: int = dataclasses.field(default=0, metadata=UNLESS_GIVEN)
    name: str = dataclasses.field(default="", metadata=UNHASHED)


@dataclass(frozen=True)
class Aligned(Spec):
    """One of several models after all of them were aligned: models[which], usually to the order of models[0]."""

    problem: ProblemSpec
    models: tuple[Recipe, ...]
    which: int
    method: Method
    name: str = dataclasses.field(default="", metadata=UNHASHED)

    @classmethod
    def every(cls, problem: ProblemSpec, models: tuple[Recipe, ...], method: Method) -> tuple[Aligned, ...]:
        """All of the models after one alignment, in their order."""
        title = method.name.replace("_", " ")
        return tuple(cls(problem, models, i, method, name=f"{m.name or m.id} ({title})") for i, m in enumerate(models))


@dataclass(frozen=True)
class Connected(Spec):
    """A corner that a connecting method makes between its ends: the `which`-th, after epoch `at` of its training (0: after the last)."""

    problem: ProblemSpec
    ends: tuple[Recipe, ...]
    which: int
    method: Method
    at: int = dataclasses.field(default=0, metadata=UNLESS_GIVEN)
    name: str = dataclasses.field(default="", metadata=UNHASHED)

    @classmethod
    def every(cls, problem: ProblemSpec, ends: tuple[Recipe, ...], method: Method, bends: int, *, at: int = 0) -> tuple[Recipe, ...]:
        """All corners of a path: the first end, what lies between, the last end."""
        title = method.name.replace("_", " ")
        return (ends[0], *(cls(problem, ends, i, method, at, f"{title} bend {i + 1}") for i in range(bends)), ends[-1])


@dataclass(frozen=True)
class Shifted(Spec):
    """A model moved along the `which`-th of the two directions that a method of kind `direct` finds at it."""

    problem: ProblemSpec
    base: Recipe
    which: int
    method: Method
    name: str = dataclasses.field(default="", metadata=UNHASHED)

    @classmethod
    def both(cls, problem: ProblemSpec, base: Recipe, method: Method) -> tuple[Recipe, ...]:
        """The three corners of the plane around a model: itself, and itself moved along either direction."""
        title = method.name.replace("_", " ")
        return (base, *(cls(problem, base, i, method, f"{base.name or base.id} + {title} direction {i + 1}") for i in range(2)))

    @classmethod
    def several(cls, problem: ProblemSpec, base: Recipe, method: Method, d: int) -> tuple[Recipe, ...]:
        """The corners of a volume around a model: itself, and itself moved along each of d directions. A method finds two; those of its next seed are two more."""
        given = method.kwargs()
        seed = given.get("seed", 0)
        if not isinstance(seed, int):
            raise ValueError(f"Expected a whole number as the seed of {method.name}, got {seed!r}.")
        pairs = (
            cls.both(problem, base, dataclasses.replace(method, options=tuple(sorted({**given, "seed": seed + k}.items()))))
            for k in range(-(-d // 2))
        )
        return (base, *[moved for pair in pairs for moved in pair[1:]][:d])


@dataclass(frozen=True)
class Fused(Spec):
    """One model made of several; the buffers are resolved as at a point of a picture, on the problem's train split."""

    problem: ProblemSpec
    models: tuple[Recipe, ...]
    method: Method
    buffers: Buffers = "recalibrate"
    name: str = dataclasses.field(default="", metadata=UNHASHED)


@dataclass(frozen=True)
class Attack(Spec):
    """An adversary that moves every sample by at most `radius` in the given norm, to raise its loss (explorer.evaluate.pgd_attack)."""

    norm: Literal["linf", "l2"]
    radius: float
    steps: int = 10


@dataclass(frozen=True)
class Field(Spec):
    """The function 'coordinates → metrics'. It owns the points: whoever requests one finds it here.

    `samples` is how many samples of the split are used, 0 for all; they are cut into `blocks` fixed random blocks. `attack`: measured on inputs that an
    adversary has moved, at every point separately. `precision`: anything but float32 is a preview (explorer.evaluate.devices), and so a field of its own.
    """

    problem: ProblemSpec
    corners: tuple[Recipe, ...]
    chart: Method
    split: SplitName = "test"
    samples: int = 0
    blocks: int = 256
    buffers: Buffers = "recalibrate"
    metrics: tuple[str, ...] = ("loss", "error")
    attack: Attack | None = dataclasses.field(default=None, metadata=UNLESS_GIVEN)
    precision: Precision = dataclasses.field(default="float32", metadata=UNLESS_GIVEN)

    @property
    def measured_on(self) -> str:
        """What a person calls the split."""
        return self.split.partition("@")[0]


@dataclass(frozen=True)
class Run(Spec):
    """Somebody's request for some points of a field: the sampler says which."""

    field: Field
    sampler: Method
    story: str = dataclasses.field(default="", metadata=UNHASHED)  # title of a shipped run on the first page


@dataclass(frozen=True)
class Look(Spec):
    """The request to inspect a path: which problem each checkpoint fits, its size, its loss and accuracy.

    `problems` are folders with a problem.toml to match against, besides the one the files lie in. `symmetry`: which axes may be permuted is worked out
    however large the network is.
    """

    path: str
    stamp: str = ""  # sizes and times of the files, so that a changed file is inspected again
    problem: ProblemSpec | None = None
    symmetry: bool = dataclasses.field(default=False, metadata={**UNLESS_GIVEN, **UNSAID})


@dataclass(frozen=True)
class Make(Spec):
    """The request for a recipe's weights as a file."""

    recipe: Recipe


@dataclass(frozen=True)
class Study(Spec):
    """The request to know something about models that is not a metric at a point: a method of kind `study` finds it out."""

    problem: ProblemSpec
    models: tuple[Recipe, ...]
    method: Method


def files_of(spec: Spec) -> Iterator[Loaded]:
    """Every checkpoint file that a spec goes back to."""
    return (recipe for recipe in recipes_of(spec) if isinstance(recipe, Loaded))


def recipes_of(spec: Spec) -> Iterator[Recipe]:
    """Every recipe that a spec goes back to, itself included."""
    if isinstance(spec, Loaded | Trained | Aligned | Connected | Shifted | Fused):
        yield spec
    for f in fields(_instance(spec)):
        value: object = getattr(spec, f.name)
        for part in cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,):
            if isinstance(part, Spec):
                yield from recipes_of(part)


def _instance(spec: Spec) -> DataclassInstance:
    return cast("DataclassInstance", spec)


def _plain(value: object) -> Json:
    match value:
        case Spec():
            return value.to_json()
        case tuple():
            return [_plain(v) for v in cast("tuple[object, ...]", value)]
        case None | bool() | int() | float() | str():
            return value
        case _:
            raise TypeError(f"A spec holds numbers, text, tuples and specs, not {type(value).__name__}.")


def _revive(data: Json) -> object:
    match data:
        case dict():
            name = data.get("kind")
            if not isinstance(name, str) or name not in _KINDS:
                raise TypeError(f"Unknown kind of spec {name!r}. Known: {', '.join(_KINDS)}.")
            return _KINDS[name](**{key: _revive(value) for key, value in data.items() if key != "kind"})
        case list():
            return tuple(_revive(v) for v in data)
        case _:
            return data


def _hashed(value: object) -> Json:
    match value:
        case Spec():
            return value._hashed  # pyright: ignore[reportPrivateUsage]  # this module's own
        case tuple():
            return [_hashed(v) for v in cast("tuple[object, ...]", value)]
        case _:
            return _plain(value)
