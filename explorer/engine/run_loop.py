"""The loop: ask which points are missing, measure them, keep them.

`ask` is a pure function of what is stored, so starting, resuming after a crash and refining are this one loop.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from explorer.checkpoints import checkpoint_file
from explorer.checkpoints.lazy_weights import open_lazily as streamed_at
from explorer.checkpoints.sharded import loaded_bytes
from explorer.checkpoints.weights import compatible, is_half
from explorer.core import registry
from explorer.core.errors import Refused, Stopped
from explorer.core.locations import made_at
from explorer.core.points import Array, no_points
from explorer.core.progress import Progress, quiet
from explorer.core.spec import Field, Loaded, Run, files_of
from explorer.engine.execute import Execute, Executor, local
from explorer.engine.open_once import opened
from explorer.engine.realise_recipe import file_of, located, realise, still
from explorer.engine.work_clock import clocked
from explorer.evaluate.devices import memory, peak
from explorer.problems.problem import Problem
from explorer.stats.preview_confirmation import confirming, is_preview
from explorer.store.cost_plan import ON_DISK, Took
from explorer.store.job_status import duration
from explorer.store.run_store import RunStore
from explorer.store.work_kinds import of_opening, of_points

SHARE = 0.5  # of the free memory that corners may take
AHEAD = 256  # points that a sampler without eyes is asked for at once
LOT_S, MOST_IN_LOT = 0.5, 64  # of points that a worker takes at once
WAIT_S = 0.02  # between two looks whether others have measured what they have taken

Report = Callable[[int, int, int, str], bool]
_making = threading.RLock()  # several runs may be driven from one process; what they share is made once


def keep(run: Run, store: RunStore, home: Path, *, report: Report, device: str = "cpu", execute: Execute | None = None, worker: str = "") -> bool:
    """Carry a run out: every point its sampler asks for ends up in the store. False when it was asked to stop.

    Of a preview, what is quoted is then measured again in float32 (explorer.stats.preview_confirmation).

    `report(done, total, fresh, message)` is called before each point, or batch of points that are measured together, and answers whether to go on.
    `execute`: who measures; this process on the device by default, which makes what the field's corners still need in any case. `worker`: under which name
    points are taken, so that others can share the field; one of its own by default.
    """
    field = run.field
    nothing = no_points(registry.dimension(field))
    likely = registry.expected(run.sampler, nothing)
    executor: Executor | None = None
    if store.field(field.id) is None:
        if not report(0, likely, 0, "Loading the checkpoints"):
            return False
        try:
            preparing = _preparation_progress(report, likely)
            if all(isinstance(c, Loaded) or made_at(c, home).exists() for c in field.corners):
                with clocked(of_opening(field), store, preparing) as ticking:
                    executor = open_field(field, store, home, device=device, execute=execute, progress=ticking)
            else:
                executor = open_field(field, store, home, device=device, execute=execute, progress=preparing)
        except Stopped:
            return False
    held = [executor] if executor else []  # given away: a preview's corners are loaded again for what is quoted of it
    del executor
    took, ended = _measure(
        run, store, home, lambda: held.pop() if held else open_field(field, store, home, device=device, execute=execute), report, worker or _name()
    )
    known = store.field(field.id)
    if known is not None and took.points:
        store.worked(of_points(field), took.points * float(known.counts.sum()), took.seconds)
    if not ended:
        return False
    store.took(run.id, took.to_json())
    if not is_preview(field) or field.metrics == ("confusion",):
        return True
    assert known is not None
    totals, _ = store.totals(field.id)
    if (again := confirming(run, totals.coords, totals.means(), known.gram)) is None:
        return True

    def confirms(done: int, total: int, fresh: int, message: str) -> bool:
        return report(likely, likely, took.points + fresh, "Measuring the quoted values again in float32")

    return keep(again, store, home, report=confirms, device=device, execute=execute, worker=worker)


def assist(
    run: Run, store: RunStore, home: Path, *, go_on: Callable[[], bool], device: str = "cpu", execute: Execute | None = None, worker: str = ""
) -> int:
    """Measure points of a run that another worker is at, as long as there are some that nobody has taken, and nothing else is to be done; how many.

    Not of a run whose sampler looks at values before it asks: it asks for one point after the other.
    """
    if store.field(run.field.id) is None or not registry.is_blind(run.sampler.name):
        return 0

    def report(done: int, total: int, left: int, doing: str) -> bool:
        return go_on()

    opening = partial(open_field, run.field, store, home, device=device, execute=execute)
    took, _ = _measure(run, store, home, opening, report, worker or _name(), helping=True)
    return took.points


def _measure(
    run: Run, store: RunStore, home: Path, opening: Callable[[], Executor], report: Report, worker: str, *, helping: bool = False
) -> tuple[Took, bool]:
    """Measure what is missing, taking it in lots on a lease: what it took, and whether it came to its end and was not stopped. helping: until there is nothing more that nobody has taken."""
    field, options = run.field, run.sampler.kwargs()
    ask = cast("Callable[..., Array]", registry.find("sample", run.sampler.name))
    place = cast("Callable[..., Array]", registry.find("chart", field.chart.name))
    known = store.field(field.id)
    assert known is not None
    executor: Executor | None = None
    # A sampler that looks at no values is asked for many points at once, and their values are left in the store: then memory does not grow with the run.
    blind = registry.is_blind(run.sampler.name)
    total = registry.left(run.sampler, no_points(registry.dimension(field)))
    points, seen = store.points(field.id, bare=blind)
    rest = first = registry.left(run.sampler, points)
    likely, fresh, own, spent = 0, 0, 0, 0.0
    begun = (
        time.perf_counter()
    )  # of the work on the next points: what they cost is all of it, keeping and asking included, but for what is not done for them

    def told(done: int, total: int, fresh: int) -> bool:
        nonlocal begun
        left = time.perf_counter()
        goes_on = report(done, total, fresh, "")
        begun += time.perf_counter() - left
        return goes_on

    ahead = part = todo = points.coords[:0]
    try:
        while True:
            width = executor.width if executor else 1
            if not len(ahead):
                ahead, rest = ask(points, max(AHEAD, width) if blind else width, **options), registry.left(run.sampler, points)
                likely = total - rest + registry.expected(run.sampler, points)
                fresh = first - rest if blind else own
            if not told(total - rest, likely, fresh):
                return Took(own, spent, peak()), False
            if not len(ahead):
                return Took(own, spent, peak()), True
            mine, theirs = store.lease(field.id, ahead, worker, _lot(width, own, spent, rest) if blind else width)
            reached = max([*mine, *theirs], default=len(ahead) - 1) + 1
            todo, ahead, before, taken = ahead[mine], np.concatenate([ahead[theirs], ahead[reached:]]), fresh, len(mine)
            if not mine and theirs:
                if helping:
                    return Took(own, spent, peak()), True
                time.sleep(WAIT_S)
                begun = time.perf_counter()
            while len(todo):
                if executor is None:
                    executor = opening()
                    executor.expect(likely - total + rest, home, partial(report, total - rest, likely, fresh))
                    begun = time.perf_counter()
                part, todo = todo[:width], todo[width:]
                part, here = part[store.held(field.id, part, worker)], 0  # a click in between may have measured some of it
                for rows, values, seconds in executor.map(place(part, known.gram, **field.chart.kwargs())) if len(part) else ():
                    seconds, begun = max(seconds, (now := time.perf_counter()) - begun), now
                    store.append(field.id, part[rows], values, seconds=seconds)
                    fresh, own, here, spent = fresh + len(values), own + len(values), here + len(values), spent + seconds
                    done = total - rest + fresh - before
                    if (here < len(part) or len(todo)) and not told(done, max(likely, done), fresh):
                        return Took(own, spent, peak()), False
            # From the store, not from `values`: others may have added points of this field in between.
            new, seen = store.points(field.id, after=seen, bare=blind)
            points, rest, fresh = points.extended(new.coords, new.values), rest - taken, before + len(new) if blind else own
            if not blind and len(new) != taken:
                ahead = ahead[:0]
    finally:
        store.let_go(field.id, np.concatenate([part, todo]), worker)


def _lot(width: int, measured: int, spent: float, rest: int) -> int:
    """How many points are taken at once: half a second's, that nobody waits long for the last of them, and never so many that others have nothing to do."""
    many = int(LOT_S * measured / spent) if spent else width
    return max(width, min(many, MOST_IN_LOT, rest // 16))


def _name() -> str:
    return uuid.uuid4().hex[:12]


def _preparation_progress(report: Report, total: int) -> Progress:
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


def corners_of(
    field: Field, store: RunStore, home: Path, *, device: str = "cpu", through: bool = False, progress: Progress = quiet
) -> list[Mapping[str, Tensor]]:
    """A field's corners: in memory, or on their disk where they are large, or would take more than half of the memory that is free
    (explorer.checkpoints.lazy_weights). `through`: to a GPU, where whoever takes them there checks that they are finite."""
    files = [file_of(recipe, store, home, device=device, progress=progress) for recipe in field.corners]
    free, together = memory("cpu"), sum(map(loaded_bytes, files))
    if together <= ON_DISK and (free is None or together <= SHARE * free.free):
        return [realise(recipe, store, home, problem=field.problem, device=device, progress=progress) for recipe in field.corners]
    shapes, reals = Problem(field.problem).shapes(), Problem(field.problem).reals()
    corners: list[Mapping[str, Tensor]] = []
    for file, recipe in zip(files, field.corners, strict=True):
        streamed = streamed_at(file, shapes, reals)
        if streamed is not None:
            still(recipe, file)
        if streamed is not None and not through:
            checkpoint_file.finite(streamed, recipe.name or file.name)
        corners.append(streamed if streamed is not None else realise(recipe, store, home, problem=field.problem, device=device, progress=progress))
    return corners


def open_field(
    field: Field, store: RunStore, home: Path, *, device: str = "cpu", execute: Execute | None = None, progress: Progress = quiet
) -> Executor:
    """Load a field's corners, check that they fit its problem, and make the field known to the store."""
    problem = Problem(field.problem)
    names = [recipe.name or recipe.id for recipe in field.corners]
    require_fit(problem, [(recipe.name or recipe.id, located(recipe, store)) for recipe in field.corners if isinstance(recipe, Loaded)])
    with _making:
        through = execute is None and torch.device(device).type == "cuda"
        wanted = (field.problem, field.corners, device, through)
        corners = opened(wanted, partial(corners_of, field, store, home, device=device, through=through, progress=progress))
    compatible(corners, names)
    checkpoint_file.check(corners[0], problem.shapes(), what=names[0])
    for recipe, corner, name in zip(field.corners, corners, names, strict=True):
        if any(map(is_half, corner.values())) and not any(file.half for file in files_of(recipe)):
            raise Refused(
                f"{name} is stored in half precision, and this run dates from when mixtures were measured without being rounded to it."
                " Choose the models again and start it again: under one name the two would be confused."
            )
    executor = (execute or local.on(device))(field, corners)
    if store.field(field.id) is None:
        found = executor.opened()
        store.open_field(field, shape=found.shape, counts=found.counts, gram=found.gram, facts=found.facts)
    return executor


def require_fit(problem: Problem, files: Sequence[tuple[str, Path]]) -> None:
    """Refused when checkpoints, by name and file, do not fit one another or the problem, or when that does not hold together. Told by headers: no weights
    are read."""
    names, shapes = [name for name, _ in files], problem.shapes()
    outlines = [checkpoint_file.named_for(checkpoint_file.outline(file).weights, shapes, file)[0] for _, file in files]
    for name, outline in zip(names, outlines, strict=True):
        checkpoint_file.under_its_names(outline, shapes, what=name)
    if outlines:
        compatible(outlines, names)
        checkpoint_file.check(outlines[0], shapes, what=names[0])
    problem.check()
