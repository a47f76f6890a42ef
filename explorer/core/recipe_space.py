"""The space that a search over merges goes through: the numbers of each method, and between which ends each of them is looked for.

An option is searched where it is a number with usual ends (`USUAL`), or where somebody gave ends: `density=0.1:0.9`, of one method alone
`ties.density=0.1:0.9`, and `scale=1` holds it there. Options of a number for each model, `weights` and `coefficients`, are one number for all models or,
with `each`, one for each; of a method whose numbers change with depth (its option `knots`) so many for each of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.registry import Option
from explorer.core.spec import Method, Value

USUAL: Mapping[str, tuple[float, float]] = {
    "coefficients": (0.0, 1.5),
    "weights": (0.05, 1.0),
    "scale": (0.0, 2.0),
    "first": (0.0, 1.5),
    "last": (0.0, 1.5),
    "density": (0.05, 1.0),
    "drop": (0.0, 0.95),
    "smallest": (0.0, 0.95),
    "largest": (0.0, 0.05),
    "select": (0.05, 1.0),
    "common": (0.05, 1.0),
    "strictness": (0.0, 1.0),
    "t": (0.0, 1.0),
    "shrink": (0.0, 1.0),
    "decay": (0.0, 0.99),
}
"""Between which ends an option of this name is looked for, unless others are given."""

PER_MODEL = frozenset({"weights", "coefficients"})
PLACES = 4  # decimals of a candidate's numbers: finer than any merge is sensitive to, and short enough to be read

Ends: TypeAlias = "Mapping[str, tuple[float, float]]"


@dataclass(frozen=True)
class Axis:
    """One number of a method. start: what it is by default, inside of the ends."""

    name: str
    low: float
    high: float
    start: float
    whole: bool = False

    def at(self, share: float) -> float:
        """The value at a share from 0 to 1 of the way, as a candidate has it."""
        value = self.low + min(max(share, 0.0), 1.0) * (self.high - self.low)
        return float(round(value)) if self.whole else round(value, PLACES)

    def share(self, value: float) -> float:
        """How far along a value is, from 0 to 1."""
        return (value - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class Space:
    """One method's numbers. held: options that are not searched and differ from their defaults."""

    method: str
    axes: tuple[Axis, ...]
    models: int
    held: tuple[tuple[str, Value], ...] = ()
    every: bool = False

    def at(self, numbers: Sequence[float]) -> Method:
        """The method with these numbers, one for each axis."""
        options: dict[str, Value] = dict(self.held)
        groups: dict[str, list[float]] = {}
        for axis, number in zip(self.axes, numbers, strict=True):
            groups.setdefault(axis.name.partition("[")[0], []).append(number)
        known = {option.name: option for option in registry.options("fuse", self.method)}
        for name, values in groups.items():
            if known[name].kind == "tuple":
                options[name] = tuple(values) if self.every else tuple(values) * self._counted()
            else:
                options[name] = int(values[0]) if known[name].kind == "int" else values[0]
        return registry.method("fuse", self.method, options)

    @property
    def start(self) -> tuple[float, ...]:
        """The numbers that the search begins at."""
        return tuple(axis.start for axis in self.axes)

    def _counted(self) -> int:
        return self.models - registry.has_base(self.method)


def spaces(methods: Sequence[str], models: int, *, ranges: Sequence[str] = (), each: bool = False, layers: int = 1) -> tuple[Space, ...]:
    """The space of each method for so many models. Refused when a method does not take as many, or a range names nothing that is there.

    layers: how many numbers over depth a method with `knots` has. each: a number for each model.
    """
    if not methods:
        raise Refused("A search needs at least one merging method. Name them, such as task_arithmetic and ties.")
    if len(set(methods)) < len(methods):
        raise Refused(f"A method is named twice: {', '.join(methods)}. Name each once.")
    given = dict(map(_range, ranges))
    used: set[str] = set()
    found: list[Space] = []
    for name in methods:
        least, most = registry.models_of(name)
        if models < least or (most is not None and models > most):
            wanted = f"{least} models" if most == least else f"{least} to {most} models" if most else f"at least {least} models"
            raise Refused(f"{name} takes {wanted}, and {models} are given. Leave it out of the search, or choose other models.")
        found.append(_space(name, models, given, used, each=each, layers=layers))
    if unused := sorted(given.keys() - used):
        known = sorted({o.name for name in methods for o in registry.options("fuse", name) if _numeric(o)})
        raise Refused(f"No method of this search has a number {unused[0]!r}. There are: {', '.join(known) or 'none'}.")
    return tuple(found)


def _space(name: str, models: int, given: Ends, used: set[str], *, each: bool, layers: int) -> Space:
    options = {option.name: option for option in registry.options("fuse", name)}
    based = registry.has_base(name)
    knots = max(layers, 2) if "knots" in options else 1
    every = each or not based  # without a base, one weight for all models is no choice
    held: list[tuple[str, Value]] = [("knots", knots)] if knots > 1 else []
    if "normalise" in options and "weights" in options and not registry.data_of(name):
        held.append(("normalise", True))
    axes: list[Axis] = []
    for option in options.values():
        key = next((k for k in (f"{name}.{option.name}", option.name) if k in given), "")
        ends = given[key] if key else USUAL.get(option.name)
        if ends is None or not _numeric(option) or option.name in dict(held):
            continue
        used.update({k for k in (f"{name}.{option.name}", option.name) if k in given})
        ends = _within(option, ends, name)
        if option.name in PER_MODEL:
            if not every and option.name == "weights":
                continue  # equal weights, whatever they are
            count = (models - based if every else 1) * knots
            usual = 1 / (models - based) if option.name == "coefficients" else sum(ends) / 2
            names = [f"{option.name}[{i + 1}]" for i in range(count)]
        else:
            usual, names = float(option.default) if isinstance(option.default, int | float) else sum(ends) / 2, [option.name]
        if ends[0] == ends[1]:
            held.append((option.name, _fixed(option, ends[0], len(names) if every else (models - based) * knots)))
            continue
        start = min(max(usual, ends[0]), ends[1])
        axes += [Axis(n, *ends, round(start, PLACES), option.kind == "int") for n in names]
    return Space(name, tuple(axes), models, tuple(held), every)


def _fixed(option: Option, value: float, count: int) -> Value:
    if option.kind == "tuple":
        return (value,) * count
    return int(value) if option.kind == "int" else value


def _numeric(option: Option) -> bool:
    return option.kind in ("int", "float") or (option.kind == "tuple" and option.name in PER_MODEL)


def _within(option: Option, ends: tuple[float, float], method: str) -> tuple[float, float]:
    span = option.range
    if span is not None and not (span.low <= ends[0] and ends[1] <= span.high):
        raise Refused(f"{option.name} of {method} lies in {span.low:g} … {span.high:g}, got {ends[0]:g}:{ends[1]:g}. Narrow the range.")
    return ends


def _range(text: str) -> tuple[str, tuple[float, float]]:
    name, equals, rest = text.partition("=")
    low, _, high = rest.partition(":")
    try:
        ends = float(low), float(high or low)
    except ValueError:
        ends = (1.0, 0.0)
    if not equals or not ends[0] <= ends[1] or abs(ends[0]) == float("inf") or abs(ends[1]) == float("inf"):
        raise Refused(f"A range is name=low:high, such as density=0.1:0.9, or name=value to hold it there; got {text!r}.")
    return name.strip(), ends
