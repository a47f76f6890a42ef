"""Points measured in this process, one batch after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from explorer.checkpoints.checkpoint_file import finite
from explorer.checkpoints.lazy_weights import Streamed
from explorer.core.points import Array
from explorer.core.spec import Field
from explorer.engine.execute import Execute, MeasuredBatch, Opened, evaluator, look_at

BATCH_S = 0.25  # seconds of points that go through together at most: so long waits whoever stops the run, or clicks


class Local:
    """An executor on one device. On a GPU it asks for as many points as fit into a quarter of a second, on a CPU for one."""

    def __init__(self, field: Field, corners: Sequence[Mapping[str, Tensor]], *, device: str) -> None:
        self.field, self.corners, self.device = field, corners, device
        self.streamed = [corner for corner in corners if isinstance(corner, Streamed)]
        self.evaluate = evaluator(field, corners, device)
        if torch.device(device).type == "cuda" and self.streamed:
            self.corners = self.evaluate.corners  # on the device by now, where there is room
            for recipe, corner in zip(field.corners, self.corners, strict=True):
                finite(corner, recipe.name or recipe.id)
        self.width = 1

    def opened(self) -> Opened:
        found = look_at(self.field, self.corners, self.evaluate, self.device)
        self._require_unchanged()
        return found

    def expect(self, points: int, home: Path, say: Callable[[str], object]) -> None:
        self.evaluate.expect(points, home, say)

    def map(self, coefficients: Array) -> Iterator[MeasuredBatch]:
        started = time.perf_counter()
        values = self.evaluate.many(coefficients)
        seconds = time.perf_counter() - started
        self._require_unchanged()
        self.width = max(1, min(self.evaluate.width, int(BATCH_S * len(coefficients) / max(seconds, 1e-9))))
        yield MeasuredBatch(slice(0, len(coefficients)), values, seconds)

    def _require_unchanged(self) -> None:
        """Refused when files of corners were written to while they were read: what was measured is of no model."""
        for corner in self.streamed:
            corner.require_unchanged()


def on(device: str) -> Execute:
    """An executor for any field, on one device."""
    return partial(Local, device=device)
