"""The loop: ask which points are missing, measure them, keep them.

`ask` is a pure function of what is stored, so starting, resuming after a crash and refining are this one loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np

from explorer import checkpoint, methods
from explorer.errors import Stopped
from explorer.matching import Progress, quiet
from explorer.measure import Evaluate
from explorer.points import Array, Points
from explorer.problem import Problem
from explorer.realise import realise
from explorer.spec import Field, Json, Run
from explorer.status import duration
from explorer.store import RunStore
from explorer.weights import compatible, gram

AHEAD = 256  # points that a sampler without eyes is asked for at once

Report = Callable[[int, int, int, str], bool]
BATCH_S = 0.25  # seconds of points that are measured at once: whoever stops the run, or clicks, waits so long at most


def keep(run: Run, store: RunStore, home: Path, *, report: Report, device: str = "cpu") -> bool:
    """Work a run off: every point its sampler asks for ends up in the store. False when it was told to leave off.

    `report(done, total, fresh, message)` is called before each point, or batch of points that go through the device together, and answers whether to go on.
    """
    field, options = run.field, run.sampler.kwargs()
    ask = cast("Callable[..., Array]", methods.find("sample", run.sampler.name))
    place = cast("Callable[..., Array]", methods.find("chart", field.chart.name))
    total = left(run, Points(np.empty((0, len(methods.axes(field.chart.name, len(field.corners))))), np.empty((0, 0, 0)), np.empty(0)))
    evaluate: Evaluate | None = None
    fresh, width = 0, 1
    if store.field(field.id) is None:
        if not report(0, total, 0, "Loading the checkpoints"):
            return False
        try:
            evaluate = open_field(field, store, home, device=device, progress=_told(report, total))
        except Stopped:
            return False
    known = store.field(field.id)
    assert known is not None
    # A sampler that looks at no values is asked for many points at once, and their values are left in the store: then memory does not grow with the run.
    blind = methods.is_blind(run.sampler.name)
    points, seen = store.points(field.id, bare=blind)
    ahead, rest = np.empty((0, points.coords.shape[1])), 0
    while True:
        if not len(ahead):
            ahead, rest = ask(points, AHEAD if blind else width, **options), left(run, points)
        if not report(total - rest, total, fresh, ""):
            return False
        if not len(ahead):
            return True
        todo, ahead = ahead[:width], ahead[width:]
        evaluate = evaluate or open_field(field, store, home, device=device)
        started = time.perf_counter()
        values = evaluate.many(place(todo, known.gram, **field.chart.kwargs()))
        seconds = time.perf_counter() - started
        store.append(field.id, todo, values, seconds=seconds)
        fresh += len(todo)
        width = max(1, min(evaluate.width, int(BATCH_S * len(todo) / max(seconds, 1e-9))))
        # From the store, not from `values`: an urgent wish may have added points of this field in between.
        new, seen = store.points(field.id, after=seen, bare=blind)
        points, rest = points.extended(new.coords, new.values), rest - len(todo)
        if len(new) != len(todo):
            ahead = ahead[:0]


def _told(report: Report, total: int) -> Progress:
    """The making of a run's corners, told as a message of the run, with the time that it still takes."""
    begun, first, before = time.monotonic(), 0, -1

    def progress(done: int, of: int, message: str) -> None:
        nonlocal begun, first, before
        if done < before or before < 0:  # the next corner
            begun, first = time.monotonic(), done
        before = done
        left = (time.monotonic() - begun) * (of - done) / (done - first) if done > first else None
        rest = f", about {duration(left)} left" if left else ""
        if not report(0, total, 0, f"Preparing the models: {message} ({100 * done / max(of, 1):.0f} %{rest})"):
            raise Stopped

    return progress


def left(run: Run, points: Points) -> int:
    """The most points a run may still ask for, given those that are there."""
    count = cast("Callable[..., int]", methods.find("sample", run.sampler.name, function="left"))
    return count(points, **run.sampler.kwargs())


def open_field(field: Field, store: RunStore, home: Path, *, device: str = "cpu", progress: Progress = quiet) -> Evaluate:
    """Load a field's corners, check that they fit its problem, and make the field known to the store."""
    problem = Problem(field.problem)
    corners = [realise(recipe, store, home, device=device, progress=progress) for recipe in field.corners]
    names = [recipe.name or recipe.id for recipe in field.corners]
    compatible(corners, names)
    checkpoint.check(corners[0], problem.shapes(), what=names[0])
    evaluate = Evaluate(
        problem,
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
    parameters = [name for name, _ in evaluate.network.named_parameters()]
    facts: dict[str, Json] = {
        "parameters": sum(p.numel() for p in evaluate.network.parameters()),
        "classes": list(problem.classes),
        "batch_norm": evaluate.train is not None,
        "device": device,
    }
    if field.metrics != ("confusion",):
        total = evaluate.counts.sum()
        facts["alone"] = [(evaluate.alone(i).sum(axis=1) / total).tolist() for i in range(len(corners))]
        if evaluate.train is not None:
            facts["recalibrated"] = [(evaluate.alone(i, recalibrated=True).sum(axis=1) / total).tolist() for i in range(len(corners))]
    store.open_field(field, shape=evaluate.shape, counts=evaluate.counts, gram=gram(corners, parameters), facts=facts)
    return evaluate
