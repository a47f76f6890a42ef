"""One tensor that a recipe makes, and how the rule for it and its differences from mergekit's are written down.

A difference is a function of one tensor's case: a sentence where it applies, "" where it does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from explorer.checkpoints.passes import MergeRule
from explorer.core.errors import Refused
from explorer.core.files import short
from explorer.merging.ingredients import Ingredient
from explorer.merging.mergekit.known import Number

TYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"}


@dataclass(frozen=True)
class Case:
    """One tensor that a recipe makes: its parameters, and of which tensors of which models it is made, the base first.

    `each`: of every model but the base. `computed`: the type in which mergekit computes it, as files call it.
    """

    method: str
    name: str
    shared: Mapping[str, Number]
    each: Sequence[Mapping[str, Number]]
    sources: Sequence[tuple[Ingredient, str]]
    based: bool
    computed: str

    @property
    def shape(self) -> tuple[int, ...]:
        ingredient, name = self.sources[0]
        return ingredient.shape(name)

    @property
    def numel(self) -> int:
        return math.prod(self.shape)

    @property
    def width(self) -> int:
        """Of the last axis."""
        return self.shape[-1] if self.shape else 1

    @property
    def densities(self) -> list[float]:
        return [float(p["density"]) for p in self.each]

    @property
    def thinned(self) -> bool:
        """Whether some of a model's changes go, and some stay."""
        return any(0 < density < 1 for density in self.densities)


Difference: TypeAlias = Callable[[Case], str]
Reader: TypeAlias = Callable[[Case], MergeRule]
AReader = TypeVar("AReader", bound=Reader)


class RuleBook:
    """The rules of some methods, and what each differs in from mergekit's."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[Reader, tuple[Difference, ...]]] = {}

    def __call__(self, method: str, *differs: Difference) -> Callable[[AReader], AReader]:
        """Writes down the rule that the function under it is."""

        def kept(reader: AReader) -> AReader:
            self.found[method] = (reader, differs)
            return reader

        return kept


def rounds_each_step(case: Case) -> str:
    if case.computed in ("F64", "F32"):
        return ""
    return f"{case.method} is computed in single precision and rounded once; mergekit rounds every step to {TYPES[case.computed]}."


def weights_of(case: Case) -> tuple[float, ...]:
    """Of every model but the base."""
    return tuple(float(p["weight"]) for p in case.each)


def equal_shares(case: Case) -> tuple[float, ...]:
    """As many as there are models but the base, with the sum 1."""
    return (1 / len(case.each),) * len(case.each)


def total_of(case: Case, weights: Sequence[float]) -> float:
    """Their sum, to be divided by; Refused where it is zero."""
    if abs(total := math.fsum(weights)) < 1e-8:
        raise Refused(f"{case.method}: the weights for {short(case.name)} sum to zero, and the result is divided by that sum. Change a weight.")
    return total


def shown(value: object) -> str:
    """A value as recipes write it."""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, int | float) else str(value)
