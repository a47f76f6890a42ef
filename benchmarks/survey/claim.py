"""What a claim says, and what is to be called true of it: effects with a bound each, and the verdict on their intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from explorer.stats.intervals import Estimate

Outcome = Literal["holds", "does not hold here", "cannot be told"]


@dataclass(frozen=True)
class Effect:
    """A number that a claim is about. says: what it is, in words; unit: `nat`, `points` (kept as a share, shown as per cent) or "".

    The claim is that it lies above `above`, or below `below`. worth: how far above the bound it has to be to be called an effect: where all of the interval
    is nearer than that, and some of it not above the bound, the claim does not hold.
    """

    says: str
    unit: str = "nat"
    above: float | None = None
    below: float | None = None
    worth: float = 0.0

    def __post_init__(self) -> None:
        if (self.above is None) == (self.below is None):
            raise ValueError(f"An effect has one bound, above= or below=. {self.says!r} has {'none' if self.above is None else 'both'}.")

    def outcome(self, found: Estimate) -> Outcome:
        """What the interval says; nothing can be told of one with an end that is NaN."""
        if self.above is not None:
            holds, fails = found.low > self.above, found.high <= self.above + self.worth
        else:
            assert self.below is not None, "checked above"
            holds, fails = found.high <= self.below, found.low > self.below
        return "holds" if holds else "does not hold here" if fails else "cannot be told"

    def formatted(self, found: Estimate) -> str:
        """The number as it is shown."""
        if self.unit == "points":
            return found.formatted(scale=100, unit="points")
        return found.formatted(unit=self.unit)

    @property
    def claimed(self) -> str:
        """The bound as it is shown."""
        sign, bound = (">", self.above) if self.above is not None else ("≤", self.below)
        assert bound is not None
        return f"{sign} {100 * bound if self.unit == 'points' else bound:g}"


@dataclass(frozen=True)
class Claim:
    """A claim of the literature. order: its place in the table. effects: by name, all of which have to hold. lesson: the lesson of the app that is about it, page:
    the page of the app where it is seen. only: where it holds in part, or does not, what decides, in one sentence; `at` is the same for the sizes that it names, of
    which what decides on digits need not be true."""

    order: int
    sentence: str
    source: str
    effects: Mapping[str, Effect]
    page: str
    lesson: str = ""
    only: str = ""
    at: Mapping[str, str] = field(default_factory=dict[str, str])

    def note(self, size: str) -> str:
        """What is said of a size."""
        return self.only if size == "quick" else self.at.get(size, "")

    def outcome(self, found: Mapping[str, Estimate]) -> Outcome:
        """`holds` when every effect does; `does not hold here` when one effect does not."""
        each = {effect.outcome(found[name]) for name, effect in self.effects.items()}
        return "holds" if each == {"holds"} else "does not hold here" if "does not hold here" in each else "cannot be told"
