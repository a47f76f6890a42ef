"""What a search over merges asks for, and what it is given: candidates by name, each with its measured point and how far it is from the first model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from explorer.core.points import Points
from explorer.core.spec import Method, SplitName

Wanted: TypeAlias = "Method | int"
"""A merge of all models by a method of kind `fuse`, or one of the models by its number."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """points: the model's one point, (1, M, B). moved: ‖θ − θ₀‖ / ‖θ₀‖ over parameters, θ₀ being the first model; NaN where that is zero."""

    points: Points
    moved: float


class Measure(Protocol):
    """Measures candidates, in their order; what the store holds already is not measured again, and what another process is at is waited for."""

    def __call__(self, wanted: Sequence[Wanted], *, split: SplitName, samples: int, metrics: Sequence[str]) -> list[Candidate]: ...
