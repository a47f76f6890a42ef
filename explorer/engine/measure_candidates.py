"""Candidates of a search → their points in the store. Merged in memory and written nowhere: a recipe makes the one that is wanted again.

Several processes may carry out the same search: each candidate is taken on a lease, and what another one is at is waited for.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explorer.checkpoints.weights import Weights
from explorer.core import registry
from explorer.core.candidates import Candidate, Wanted
from explorer.core.errors import Refused
from explorer.core.points import Points
from explorer.core.progress import Progress
from explorer.core.spec import Field, Fused, Recipe, SplitName, Study
from explorer.engine.execute import local
from explorer.engine.realise_recipe import fuse
from explorer.store.records import Made
from explorer.store.run_store import RunStore

WAIT_S = 0.02  # between two looks whether others have measured what they have taken
HERE = np.ones((1, 1))  # where a field of one model has its point


@dataclass
class Candidates:
    """What a search measures with (explorer.core.candidates.Measure). measured: how many this process has measured itself."""

    request: Study
    models: Sequence[Weights]
    store: RunStore
    device: str
    worker: str
    tell: Progress
    measured: int = 0
    at: tuple[int, int, str] = (0, 0, "")

    def progress(self, done: int, total: int, message: str) -> None:
        """Where the search is; said again before each candidate, for whoever wants to stop it or to do something else in between."""
        self.at = (done, total, message)
        self.tell(*self.at)

    def __call__(self, wanted: Sequence[Wanted], *, split: SplitName, samples: int, metrics: Sequence[str]) -> list[Candidate]:
        fields = [self._field(one, split, samples, metrics) for one in wanted]
        left = {i: field for i, field in enumerate(fields) if not self.store.count(field.id)}
        while left:
            taken = 0
            for i, field in [*left.items()]:
                self.tell(*self.at)
                mine, theirs = self.store.lease(field.id, HERE, self.worker, 1)
                if mine:
                    try:
                        self._measure(wanted[i], field)
                    finally:
                        self.store.let_go(field.id, HERE, self.worker)
                if not theirs:
                    del left[i]
                    taken += 1
            if not taken:
                time.sleep(WAIT_S)
        return [Candidate(self._point(field), self._moved(one)) for one, field in zip(wanted, fields, strict=True)]

    def _recipe(self, wanted: Wanted) -> Recipe:
        if isinstance(wanted, int):
            return self.request.models[wanted]
        return Fused(self.request.problem, self.request.models, wanted, name=wanted.name.replace("_", " "))

    def _field(self, wanted: Wanted, split: SplitName, samples: int, metrics: Sequence[str]) -> Field:
        return Field(
            self.request.problem, (self._recipe(wanted),), registry.method("chart", "mixture"), split=split, samples=samples, metrics=tuple(metrics)
        )

    def _weights(self, wanted: Wanted) -> Weights:
        if isinstance(wanted, int):
            return self.models[wanted]
        recipe = self._recipe(wanted)
        assert isinstance(recipe, Fused)
        return fuse(recipe, self.models, self.store, device=self.device)

    def _measure(self, wanted: Wanted, field: Field) -> None:
        begun = time.perf_counter()
        weights = self._weights(wanted)
        executor = local.on(self.device)(field, [weights])
        found = executor.opened()
        self.store.open_field(field, shape=found.shape, counts=found.counts, gram=found.gram, facts=found.facts)
        for _, values, _ in executor.map(HERE):
            self.store.append(field.id, HERE, values, seconds=time.perf_counter() - begun)
        self.measured += 1

    def _point(self, field: Field) -> Points:
        return self.store.points_at(field.id, HERE)

    def _moved(self, wanted: Wanted) -> float:
        """From the note of its making; where another version made it without one, it is merged again."""
        if isinstance(wanted, int):
            return float("nan")
        for _ in range(2):
            noted = self.store.noted(self._recipe(wanted).id)
            if noted is not None and (moved := Made.from_json(noted).moved) is not None:
                return moved
            self._weights(wanted)
        raise Refused("The first model of a search is all zeros. Choose the model that the others were fine-tuned from as the first.")
