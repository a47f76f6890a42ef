"""The directory is the registry.

A method is a module of `explorer/methods/<kind>/` or `explorer/problems/<kind>/`, an entry point of the group `explorer.<kind>`, or a module that
was named on the command line (explorer.core.plugins).

Its name is the file's name, its title the first line of its docstring, and its options are the keyword-only arguments of
the function named after the kind's verb. One of these may be a frozen dataclass of options that several methods share,
`how: TrainingOptions = TrainingOptions(epochs=5)`: its fields are then options like any other. All of that is read from
the source text, without importing the module: a page can draw the form of a method that needs torch in a process that
never loads torch.

Modules whose names begin with `live` stand for objects that a process holds in memory (explorer.problems.held). They are found by name and never offered;
a loss says behind an @ which object is meant: `live_classes@focal-3fa9c1`.
"""

from __future__ import annotations

import ast
import inspect
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache, partial, wraps
from importlib.metadata import entry_points
from importlib.util import resolve_name
from pathlib import Path
from typing import TYPE_CHECKING, cast

from explorer.core import plugins
from explorer.core.errors import Refused
from explorer.core.points import Points
from explorer.core.spec import Field, Method, Value

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

VERBS: Mapping[str, str] = {
    "align": "align",
    "fuse": "fuse",
    "connect": "connect",
    "train": "train",
    "direct": "directions",
    "study": "study",
    "chart": "place",
    "sample": "ask",
    "nets": "build",
    "data": "load",
    "loss": "losses",
}

VALUES: Mapping[str, str] = {"metric": "TERMS", "lesson": "LESSON"}
"""Kinds whose modules say what they are by a value of this name, where the others have a function."""

KINDS: Mapping[str, str] = {**VERBS, **VALUES}


def _package(kind: str) -> tuple[str, ...]:
    """Where the explorer's own modules of a kind lie, below its root."""
    return ("lessons",) if kind == "lesson" else ("problems" if kind in ("nets", "data", "loss") else "methods", kind)


@dataclass(frozen=True)
class Range:
    """Closed interval an option must lie in: `epochs: Annotated[int, Range(1, 500)] = 20`."""

    low: float
    high: float


@dataclass(frozen=True)
class UnlessGiven:
    """Marks an option that came later: `output: Annotated[str, UnlessGiven()] = ""`. With its default it is left out of the method, whose id stays what it was."""


@dataclass(frozen=True)
class Option:
    """One keyword-only argument: enough to draw a form field, to make a flag, and to check a value."""

    name: str
    kind: str  # "int" | "float" | "str" | "bool" | "choice" | "tuple"
    default: Value
    choices: tuple[Value, ...] = ()
    range: Range | None = None
    item: str = ""  # of a tuple: the kind of its items
    unless_given: bool = False

    def check(self, value: object) -> Value:
        """The value as the method takes it (JSON lists become tuples); Refused when it is not one."""
        match self.kind:
            case "choice" if value in self.choices:
                return value  # pyright: ignore[reportReturnType]  (a member of choices is a Value)
            case "bool" if isinstance(value, bool):
                return value
            case "int" if isinstance(value, int) and not isinstance(value, bool):
                return self._ranged(value)
            case "float" if isinstance(value, int | float) and not isinstance(value, bool):
                return self._ranged(float(value))
            case "str" if isinstance(value, str):
                return value
            case "tuple" if isinstance(value, list | tuple):
                item = Option(f"{self.name}[…]", self.item, 0)
                return tuple(item.check(v) for v in value)
            case _:
                pass
        wanted = f"one of {list(self.choices)}" if self.choices else f"{self.kind}{f' of {self.item}' if self.item else ''}"
        raise Refused(f"Option '{self.name}' must be {wanted}, got {value!r}.")

    def parse(self, text: str) -> Value:
        """The value a person typed, checked."""
        match self.kind:
            case "bool" if text.lower() in ("true", "yes", "on", "1", "false", "no", "off", "0"):
                return text.lower() in ("true", "yes", "on", "1")
            case "choice":
                return self.check(next((c for c in self.choices if str(c) == text), text))
            case "tuple":
                item = Option(f"{self.name}[…]", self.item, 0)
                return tuple(item.parse(part) for part in text.replace(",", " ").split())
            case "int" | "float":
                try:
                    return self.check(int(text) if self.kind == "int" else float(text))
                except ValueError as error:
                    raise error if isinstance(error, Refused) else Refused(f"Option '{self.name}' must be {self.kind}, got {text!r}.") from error
            case _:
                return self.check(text)

    def _ranged(self, value: float) -> float:
        if self.range and not self.range.low <= value <= self.range.high:
            raise Refused(f"Option '{self.name}' must lie in {self.range.low:g} … {self.range.high:g}, got {value}.")
        return value


def names(kind: str) -> list[str]:
    """Every method of a kind, the explorer's own first, each group in alphabetical order."""
    own = _own(kind)
    return own + sorted(_plugins(kind).keys() - set(own))


def find(kind: str, name: str, *, function: str = "") -> Callable[..., object]:
    """The method's function (the kind's verb, or another one of its module), which takes every option by its name. Imports the module, and so whatever
    that needs."""
    found = _by_name(getattr(plugins.imported(_module(kind, name)), function or VERBS[kind]))
    which = name.partition("@")[2]
    return partial(found, which=which) if which else found


def known(kind: str, name: str) -> bool:
    """Whether a method of this name can be found, offered or not."""
    return name in names(kind) or name.partition("@")[0] in _live(kind)


def is_live(kind: str, name: str) -> bool:
    """Whether a name stands for an object in the memory of the process that measured with it."""
    return name.partition("@")[0] in _live(kind)


def called(loss: str) -> str:
    """A loss's name for a person: of one's own, the name of the function."""
    return loss.partition("@")[2].rpartition("-")[0] or loss


def defines(kind: str, name: str, function: str) -> bool:
    """Whether a method's module has a function of this name."""
    return _defines(_module(kind, name), function)


def _by_name(function: Callable[..., object]) -> Callable[..., object]:
    """The function with the fields of its dataclass of options as keyword arguments, if it has one."""
    holder = next((p for p in inspect.signature(function).parameters.values() if is_dataclass(p.default)), None)
    if holder is None:
        return function
    name, default = holder.name, cast("DataclassInstance", holder.default)

    @wraps(function)
    def called(*args: object, **options: object) -> object:
        given = {field.name: options.pop(field.name) for field in fields(default) if field.name in options}
        return function(*args, **{name: replace(default, **given), **options})

    return called


def value(kind: str, name: str) -> object:
    """What a module of a kind of values holds under that name. Imports the module."""
    return getattr(plugins.imported(_module(kind, name)), VALUES[kind])


def constants(kind: str, name: str) -> dict[str, object]:
    """The module's constants, by their names in capitals, of those that are written out."""
    found: dict[str, object] = {}
    for node in _source(kind, name).body:
        if isinstance(node, ast.Assign) and (said := _name(node.targets[0])).isupper():
            try:
                found[said] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found


def measures(metric: str) -> bool:
    """Whether a metric's module measures each sample itself, by its function `samples`."""
    return _defines(_module("metric", metric), "samples")


def title(kind: str, name: str) -> str:
    """First line of the method's docstring, for someone choosing."""
    return (ast.get_docstring(_source(kind, name)) or name).splitlines()[0]


def reference(kind: str, name: str) -> str:
    """The docstring below its first line: source, shapes, what stays fixed."""
    return "\n".join((ast.get_docstring(_source(kind, name)) or "").splitlines()[1:]).strip("\n")  # an indented first line is code


@cache
def options(kind: str, name: str) -> tuple[Option, ...]:
    """The method's keyword-only arguments, in order."""
    verb = VERBS[kind]
    for node in _source(kind, name).body:
        if isinstance(node, ast.FunctionDef) and node.name == verb:
            found: list[Option] = []
            for arg, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
                if isinstance(default, ast.Call) and arg.annotation is not None:
                    found += _shared(arg.annotation, default, _module(kind, name), arg.arg)
                elif not _is_wiring(arg):
                    found.append(_option(arg.arg, arg.annotation, default, where=f"{kind}/{name}"))
            if len({o.name for o in found}) < len(found):
                raise TypeError(f"{kind}/{name} has two options of one name: {', '.join(o.name for o in found)}.")
            return tuple(found)
    raise TypeError(f"{_module(kind, name)} has no function '{verb}'.")


def method(kind: str, name: str, given: Mapping[str, object] | None = None) -> Method:
    """A method with complete, checked options: what is not given takes its default, so equal requests hash equally."""
    known = {o.name: o for o in options(kind, name)}
    given = dict(given or {})
    if unknown := sorted(given.keys() - known.keys()):
        raise Refused(f"{kind}/{name} has no option {unknown[0]!r}. Its options: {', '.join(known) or 'none'}.")
    values = [(option, option.check(given.get(key, option.default))) for key, option in sorted(known.items())]
    return Method(name, tuple((o.name, value) for o, value in values if not (o.unless_given and value == o.default)))


# Arguments that the caller wires and nobody chooses; they are keyword-only, so that they cannot be mixed up, but no options.
_WIRING = frozenset({"device", "progress", "resume", "training", "tell", "purpose", "measure"})


def wired(function: Callable[..., object], **wiring: object) -> dict[str, object]:
    """Of the wiring at hand (device, progress, resume, training, tell, purpose, measure), what a method's function takes."""
    taken = inspect.signature(function).parameters
    return {name: value for name, value in wiring.items() if name in taken}


def takes(kind: str, name: str, argument: str) -> bool:
    """Whether a method's function has this keyword-only argument; told from its text."""
    nodes = (node for node in _source(kind, name).body if isinstance(node, ast.FunctionDef) and node.name == VERBS[kind])
    return any(arg.arg == argument for node in nodes for arg in node.args.kwonlyargs)


def _is_wiring(arg: ast.arg) -> bool:
    return arg.arg in _WIRING


def check_plugins() -> None:
    """Refused when a module that was named on the command line cannot be read, hides a method of the explorer's, or is no method at all."""
    for name, where in plugins.given().items():
        if not any(name in _plugins(kind) for kind in KINDS):
            raise Refused(
                f"{where} holds none of the functions {', '.join(VERBS.values())}, and no {' or '.join(VALUES.values())}, so it is not a method. Define one"
                " at its top level."
            )


def code_of(kind: str, name: str) -> str:
    """SHA-256 of the text of a method that was named on the command line; "" for any other, which comes with a version."""
    where = plugins.given().get(name, "")
    return plugins.digest(where) if where and name not in _own(kind) and _defines(where, KINDS[kind]) else ""


def named_code(network: str, data: str, loss: str) -> tuple[tuple[str, str], ...]:
    """(kind, SHA-256 of the text) of what of a problem was named on the command line."""
    named = ((kind, code_of(kind, name)) for kind, name in (("nets", network), ("data", data), ("loss", loss)))
    return tuple((kind, digest) for kind, digest in named if digest)


@cache
def _own(kind: str) -> list[str]:
    return [name for name in _modules(kind) if not name.startswith("live")]


def _live(kind: str) -> list[str]:
    return [name for name in _modules(kind) if name.startswith("live")]


def _modules(kind: str) -> list[str]:
    package = Path(__file__).parents[1].joinpath(*_package(kind))
    return sorted(m.name for m in pkgutil.iter_modules([str(package)]) if not m.name.startswith("_"))


def _plugins(kind: str) -> dict[str, str]:
    named = {name: where for name, where in plugins.given().items() if _defines(where, KINDS.get(kind, ""))}
    if taken := sorted(named.keys() & set(_own(kind))):
        raise Refused(f"{named[taken[0]]} would hide the explorer's own {kind} method {taken[0]!r}. Rename the module.")
    return {**_installed(kind), **named}


@cache
def _installed(kind: str) -> dict[str, str]:
    return {e.name: e.value for e in entry_points(group=f"explorer.{kind}")}


def _defines(where: str, name: str) -> bool:
    """Whether a module has a function or a value of this name at its top level."""
    return any(
        (isinstance(node, ast.FunctionDef) and node.name == name) or (isinstance(node, ast.Assign) and _name(node.targets[0]) == name)
        for node in _text(where).body
    )


@cache
def _text(where: str) -> ast.Module:
    path = plugins.origin(where)
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError) as error:
        raise Refused(f"{path.name} is not valid Python: {error}. Correct it.") from error


def _module(kind: str, name: str) -> str:
    if kind not in KINDS:
        raise Refused(f"There is no kind of method called {kind!r}. Kinds: {', '.join(KINDS)}.")
    if not known(kind, name):
        raise Refused(f"There is no {kind} method called {name!r}. There are: {', '.join(names(kind))}.")
    return _plugins(kind).get(name) or ".".join(("explorer", *_package(kind), name.partition("@")[0]))


def _source(kind: str, name: str) -> ast.Module:
    return _text(_module(kind, name))


def _shared(annotation: ast.expr, default: ast.Call, where: str, name: str) -> Iterator[Option]:
    """The fields of a dataclass of options, with the defaults that the method's own default gives them: `how: Options = Options(epochs=5)`."""
    known = _fields(where, _name(annotation))
    given = {word.arg: word.value for word in default.keywords if word.arg is not None}
    if default.args or _name(default.func) != _name(annotation) or not given.keys() <= known.keys():
        raise TypeError(f"{where}: the default of '{name}' must be {_name(annotation)}(…) with fields of it by name.")
    for field, (type_, own) in known.items():
        yield _option(field, type_, given.get(field, own), where=where)


def _fields(where: str, name: str) -> dict[str, tuple[ast.expr, ast.expr | None]]:
    """The (annotation, default) of each field of a frozen dataclass that a module defines or imports, in order, those of its bases first."""
    for node in _text(where).body:
        if isinstance(node, ast.ImportFrom) and (found := next((a for a in node.names if (a.asname or a.name) == name), None)):
            source = "." * node.level + (node.module or "")
            return _fields(resolve_name(source, where.rpartition(".")[0] or None) if node.level else source, found.name)
        if isinstance(node, ast.ClassDef) and node.name == name:
            if not any(ast.unparse(mark).endswith("dataclass(frozen=True)") for mark in node.decorator_list):
                raise TypeError(f"{where}: {name} holds options, so it must be a frozen dataclass.")
            inherited = [_fields(where, _name(base)) for base in node.bases]
            own = {n.target.id: (n.annotation, n.value) for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)}
            return {key: value for part in (*inherited, own) for key, value in part.items()}
    raise TypeError(f"{where} neither defines nor imports {name}, whose fields are to be options.")


def _option(name: str, annotation: ast.expr | None, default: ast.expr | None, *, where: str) -> Option:
    if default is None or annotation is None:
        raise TypeError(f"{where}: option '{name}' needs an annotation and a default.")
    value: Value = ast.literal_eval(default)
    span, late = None, False
    if isinstance(annotation, ast.Subscript) and _name(annotation.value) == "Annotated":
        assert isinstance(annotation.slice, ast.Tuple)
        annotation, *marks = annotation.slice.elts
        for mark in marks:
            if isinstance(mark, ast.Call) and _name(mark.func) == "Range":
                low, high = (float(ast.literal_eval(a)) for a in mark.args)
                span = Range(low, high)
            late = late or (isinstance(mark, ast.Call) and _name(mark.func) == "UnlessGiven")
    if isinstance(annotation, ast.Subscript):
        inner = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        if _name(annotation.value) == "Literal":
            return Option(name, "choice", value, choices=tuple(ast.literal_eval(e) for e in inner), unless_given=late)
        if _name(annotation.value) == "tuple":
            return Option(name, "tuple", value, item=_name(inner[0]), range=span, unless_given=late)
    if (kind := _name(annotation)) in {"int", "float", "str", "bool"}:
        return Option(name, kind, value, range=span, unless_given=late)
    raise TypeError(f"{where}: option '{name}' has the type {ast.unparse(annotation)}; a form knows int, float, str, bool, Literal and tuple.")


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ast.unparse(node)


def chart_of(connect: str) -> str:
    """The chart on which a connecting method's corners lie, from its module's constant `CHART`."""
    return str(_constant("connect", connect, "CHART"))


def corners_of(method: Method) -> int:
    """How many corners a connecting method makes between its ends: its option `bends`, else its module's constant `BENDS`, else 1."""
    given = method.kwargs().get("bends")
    if isinstance(given, int):
        return given
    found = _constant("connect", method.name, "BENDS", missing=1)
    assert isinstance(found, int)
    return found


def snapshots_of(train: Method) -> int:
    """How many snapshots a training has: its option `epochs`, times its option `per_epoch` where it has one."""
    options = train.kwargs()
    epochs, each = options.get("epochs"), options.get("per_epoch", 1)
    if not isinstance(epochs, int) or not isinstance(each, int):
        raise Refused(f"The training {train.name} does not say how long it runs. Give its function a whole-number option 'epochs'.")
    return epochs * each


def members_of(train: Method) -> int:
    """How many networks are trained together: the training's option `members`, else 1."""
    given = train.kwargs().get("members", 1)
    assert isinstance(given, int)
    return given


def has_base(fuse: str) -> bool:
    """Whether a fusing method takes the first model for the base, from its module's constant `BASE`."""
    return bool(_constant("fuse", fuse, "BASE", missing=False))


def data_of(fuse: str) -> str:
    """What a fusing method needs besides checkpoints, from its module's constant `DATA`: a split and "inputs" or "labels"; "" for nothing."""
    return str(_constant("fuse", fuse, "DATA", missing=""))


def models_of(fuse: str) -> tuple[int, int | None]:
    """The fewest and the most models that a fusing method takes, from its module's constant `MODELS`; None for any number."""
    least, most = cast("tuple[int, int | None]", _constant("fuse", fuse, "MODELS", missing=(1, None)))
    return least, most


def targets_of(loss: str) -> str:
    """What a loss compares outputs with: "classes", "masked", "numbers" or "reference"; from its module's constant `TARGETS`."""
    return str(_constant("loss", loss, "TARGETS", missing="classes"))


def classifies(loss: str) -> bool:
    """Whether the outputs under a loss are logits of classes: its module's constant `ANSWERS`, else what follows from its targets."""
    return _constant("loss", loss, "ANSWERS", missing="numbers" if targets_of(loss) == "numbers" else "classes") == "classes"


def labelled(loss: str) -> bool:
    """Whether answers are logits of classes and one of these is true: what is right, and how sure a model is, can then be told."""
    return targets_of(loss) == "classes" and classifies(loss)


def unit_of(loss: str) -> str:
    """The unit of a loss, from its module's constant `UNIT`; "" where it has none."""
    return str(_constant("loss", loss, "UNIT", missing=""))


def without_targets(loss: str) -> str:
    """The loss that compares with the first model instead of with targets, for outputs of the same sort."""
    return "divergence" if classifies(loss) else "squared_distance"


def of_tokens(data: str) -> bool:
    """Whether data ask for tokens and for nothing else, from their module's constant `TOKENS`."""
    return bool(_constant("data", data, "TOKENS", missing=False))


def axes(chart: str, corners: int = 0) -> tuple[str, ...]:
    """Names of a chart's coordinates, from its module's constant `AXES`; "corners" there means one for each of the corners, "others" for each but the first."""
    found = _constant("chart", chart, "AXES")
    if found == "others":
        return tuple(f"u{k}" for k in range(1, corners))
    if found == "corners":
        return tuple(f"w{k + 1}" for k in range(corners))
    return tuple(found)  # pyright: ignore[reportArgumentType]


def dimension(field: Field) -> int:
    """How many coordinates a point of a field has."""
    return len(axes(field.chart.name, len(field.corners)))


def left(sampler: Method, points: Points) -> int:
    """The most points that a sampler may still ask for, given those that are there."""
    count = cast("Callable[[Points], int]", find("sample", sampler.name, function="left"))
    return count(points, **sampler.kwargs())


def usual(sampler: str) -> int:
    """How many points a sampler that decides on the way usually takes, from its module's constant `USUAL`; 0 where it does not say."""
    found = _constant("sample", sampler, "USUAL", missing=0)
    assert isinstance(found, int)
    return found


def expected(sampler: Method, points: Points) -> int:
    """How many points a sampler will probably still ask for: as many as it usually takes less those that are there; where it does not say, all it may ask for."""
    most, often = left(sampler, points), usual(sampler.name)
    return min(most, max(1, often - len(points))) if often else most


def added(kind: str) -> list[str]:
    """The methods of a kind that packages and modules of somebody else's add."""
    return names(kind)[len(_own(kind)) :]


def alignments() -> list[str]:
    """The alignments that match something: all but those whose modules' constant `CONTROL` says that they stand beside for comparison."""
    return [n for n in names("align") if not _constant("align", n, "CONTROL", missing=False)]


def trainings() -> list[str]:
    """The trainings that stand by themselves: all but those whose modules' constant `STAGE` says that they are a part of another."""
    return [n for n in names("train") if not _constant("train", n, "STAGE", missing=False)]


def paths() -> list[str]:
    """The connecting methods whose corners lie on a curve."""
    return [n for n in names("connect") if len(axes(chart_of(n))) == 1]


def samplers(coordinates: int) -> list[str]:
    """The samplers that choose among points of so many coordinates: their modules' constant `AXES` says that number, or all that it may be, or nothing for any;
    `NAMED` says that they take what is given."""
    known = [n for n in names("sample") if not _constant("sample", n, "NAMED", missing=False)]
    found = {n: _constant("sample", n, "AXES", missing=coordinates) for n in known}
    return [n for n, axes in found.items() if axes == coordinates or (isinstance(axes, tuple) and coordinates in axes)]


def averages_along(sampler: str) -> bool:
    """Whether a sampler averages the snapshots of a training, which its module's function `averages` does."""
    return _defines(_module("sample", sampler), "averages")


def mixes(chart: str) -> bool:
    """Whether a chart's coordinates are the shares of its corners."""
    return _constant("chart", chart, "AXES") == "corners"


def is_around(chart: str) -> bool:
    """Whether only the first corner of a chart is a model, and the others say where to go from it: its module's constant `AROUND`."""
    return bool(_constant("chart", chart, "AROUND", missing=False))


def planes(*, around: bool) -> list[str]:
    """The charts that look at a plane through a window: of models, or around one."""
    return [n for n in names("chart") if has_window(n) and is_around(n) == around]


def has_window(chart: str) -> bool:
    """Whether a chart looks at a plane through a window (explorer.stats.plane_frame), which its module's function `window` says."""
    return _defines(_module("chart", chart), "window")


def is_fresh(directions: str) -> bool:
    """Whether another seed gives other directions, so that there are as many as are asked for: the module's constant `FRESH`."""
    return bool(_constant("direct", directions, "FRESH", missing=False))


def is_volume(chart: str) -> bool:
    """Whether a chart looks at a space of several dimensions through a box (explorer.stats.plane_frame), which its module's function `box` says."""
    return _defines(_module("chart", chart), "box")


def is_blind(sampler: str) -> bool:
    """Whether a sampler asks by coordinates alone, from its module's constant `BLIND`: it is then handed points without values."""
    return bool(_constant("sample", sampler, "BLIND", missing=False))


def _constant(kind: str, name: str, constant: str, *, missing: object = None) -> object:
    for node in _source(kind, name).body:
        if isinstance(node, ast.Assign) and _name(node.targets[0]) == constant:
            return ast.literal_eval(node.value)
    if missing is None:
        raise TypeError(f"{kind}/{name} has no {constant}.")
    return missing
