"""Where points are measured: in this process (`local`), or by the actors of a cluster (`ray`).

An executor is made for a field and its corners, and is then only ever given small matrices of coefficients. It writes to no store: whoever drives it
keeps what comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from explorer.checkpoints.weights import gram
from explorer.core.points import Array
from explorer.core.spec import Field, Json
from explorer.evaluate.evaluator import Evaluate
from explorer.problems.problem import Problem


@dataclass(frozen=True)
class Opened:
    """What is known of a field once its corners have been looked at: what the store keeps of it (RunStore.open_field)."""

    shape: tuple[int, ...]
    counts: Array
    gram: Array
    facts: dict[str, Json]


class MeasuredBatch(NamedTuple):
    """Some of the points that were asked for: which rows, their values (K, *shape), and the seconds of computing that they took."""

    rows: slice | NDArray[np.intp]
    values: Array
    seconds: float


class Executor(Protocol):
    """Measures points of one field."""

    @property
    def width(self) -> int:
        """How many points at once it likes to be asked for; it may change with every batch."""
        ...

    def opened(self) -> Opened:
        """Look at the corners."""
        ...

    def expect(self, points: int, home: Path, say: Callable[[str], object]) -> None:
        """So many points will be asked for: what pays for them is done now. `say` is told what takes a while; what lasts is kept in `home`."""
        ...

    def map(self, coefficients: Array) -> Iterator[MeasuredBatch]:
        """Measure points, coefficients (K, C), and hand them over as they are done, every row once. Closed early, it takes up nothing new."""
        ...


Execute: TypeAlias = Callable[[Field, Sequence[Mapping[str, Tensor]]], Executor]


def evaluator(field: Field, corners: Sequence[Mapping[str, Tensor]], device: str) -> Evaluate:
    """What measures the points of a field."""
    return Evaluate(
        Problem(field.problem),
        corners,
        split=field.split,
        samples=field.samples,
        blocks=field.blocks,
        buffers=field.buffers,
        metrics=field.metrics,
        attack=field.attack,
        precision=field.precision,
        device=device,
    )


def look_at(field: Field, corners: Sequence[Mapping[str, Tensor]], evaluate: Evaluate, device: str) -> Opened:
    """The corners by themselves, as plain checkpoints, and their inner products."""
    parameters = [name for name, _ in evaluate.network.named_parameters()]
    facts: dict[str, Json] = {
        "parameters": sum(p.numel() for p in evaluate.network.parameters()),
        "classes": list(evaluate.problem.classes),
        "batch_norm": evaluate.train is not None,
        "device": device,
    }
    if field.metrics != ("confusion",):
        total = evaluate.counts.sum()
        facts["alone"] = [(evaluate.alone(i).sum(axis=1) / total).tolist() for i in range(len(corners))]
        if evaluate.train is not None:
            facts["recalibrated"] = [(evaluate.alone(i, recalibrated=True).sum(axis=1) / total).tolist() for i in range(len(corners))]
        if field.attack is None:
            facts["constant"] = evaluate.problem.constant(evaluate.targets)
            facts["shifts"] = [None if (s := evaluate.shift(i)) is None else list(s) for i in range(len(corners))]
    return Opened(evaluate.shape, evaluate.counts, gram(corners, parameters), facts)
