"""What a line or a plane will take, where nothing comparable was measured: its corners are opened as for the run itself, and a few samples go through one point.

The time of the rest follows: every point mixes all corners and takes every sample once, and so does each corner by itself, which a point of a line at its
end is then not measured again for. The memory is what the process holds by then: a run holds no more, however many points and samples it has.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from explorer.checkpoints.lazy_weights import Streamed
from explorer.checkpoints.weights import gram
from explorer.core.spec import Field
from explorer.engine.execute import evaluator
from explorer.evaluate.devices import memory, peak
from explorer.problems.problem import Problem
from explorer.store.cost_plan import size
from explorer.store.job_status import duration

TRIAL_S = 1.0  # seconds of samples that go through


@dataclass(frozen=True)
class Foretold:
    """opening: seconds of reading the corners and building the network. mixing, each: of a point, and of each of its samples. passes: over all samples, of points
    and of corners by themselves. held: bytes of memory of the whole process; device: on the GPU, 0 elsewhere. streamed: "", or how what does not fit is read."""

    points: int
    passes: int
    samples: int
    opening: float
    mixing: float
    each: float
    held: int
    device: int
    streamed: str

    @property
    def seconds(self) -> float:
        """Of all of it, from the first byte that is read to the last number."""
        return self.opening + self.passes * (self.mixing + self.samples * self.each)

    def __str__(self) -> str:
        """For the person at the screen."""
        once = self.mixing + self.samples * self.each
        said = [
            f"{self.points:,} points on {self.samples:,} samples",
            f"about {duration(self.seconds)} ({duration(self.opening)} to read and build, {duration(once)} a point)",
            f"{size(self.held)} of memory in all" + (f", {size(self.device)} on the GPU" if self.device else ""),
            self.streamed or "in memory",
        ]
        return " · ".join(said)


def foretell(field: Field, corners: Sequence[Mapping[str, Tensor]], *, points: int, begun: float, device: str) -> Foretold:
    """Try a field whose corners have been read. begun: when that began, by time.perf_counter."""
    streamed = any(isinstance(c, Streamed) for c in corners)
    evaluate = evaluator(field, corners, device)
    gram(evaluate.corners, Problem(field.problem).parameters())
    opening = time.perf_counter() - begun
    mixing, each = evaluate.paced(np.full(len(corners), 1 / len(corners)), TRIAL_S)
    how = "streamed layer by layer" if evaluate.layers is not None else "corners streamed from disk" if streamed and not _on_gpu(device) else ""
    line = field.chart.name == "line"
    return Foretold(
        points=points,
        passes=points + (0 if line else len(corners)),
        samples=len(evaluate.targets),
        opening=opening,
        mixing=mixing,
        each=each,
        held=peak(),
        device=(there.total - there.free) if _on_gpu(device) and (there := memory(device)) is not None else 0,
        streamed=how,
    )


def _on_gpu(device: str) -> bool:
    return device.startswith("cuda")
