"""Recipe → Weights, the one place where a recipe is carried out. What had to be made is kept as safetensors under the recipe's hash."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from explorer import symmetry
from explorer.checkpoints import checkpoint_file, quantised
from explorer.checkpoints.lazy_weights import open_lazily
from explorer.checkpoints.sharded import bytes_at, digest
from explorer.checkpoints.weights import Weights, compatible, mix
from explorer.core import locations, model_path, registry
from explorer.core.allowed_folders import admit, admits
from explorer.core.errors import Refused, Stopped
from explorer.core.files import system
from explorer.core.locations import made_at, matched_at
from explorer.core.points import Array
from explorer.core.progress import Progress, quiet
from explorer.core.spec import Aligned, Connected, Fused, Loaded, Method, ProblemSpec, Recipe, Shifted, Trained
from explorer.engine.resource_meter import Cost, measured
from explorer.engine.work_clock import clocked
from explorer.evaluate.batch_norm import has_batch_norm, recalibrate, repair_towards, repaired
from explorer.evaluate.evaluator import RECALIBRATION_SAMPLES, inputs_for, network_like
from explorer.evaluate.mixture import with_own_statistics
from explorer.evaluate.repair import nearest
from explorer.problems.problem import Problem
from explorer.store.records import Made
from explorer.store.run_store import RunStore
from explorer.store.work_kinds import of_making
from explorer.symmetry.assignment import Alignment, describe
from explorer.training.curve_training import State, TrainedCorners
from explorer.training.resumable import ResumableTraining

LAZILY = 2**28  # bytes of a file from which on its tensors are read when they are asked for, where models are aligned
KEEP_S = 20.0  # seconds of training that may be lost when a process dies
KEPT_WHOLE = 2**24  # bytes of weights up to which every epoch of a training is kept
STAGES = frozenset(2**k for k in range(20))  # epochs after which the corners of a path in training are kept


def realise(
    recipe: Recipe, store: RunStore, home: Path, *, problem: ProblemSpec | None = None, device: str = "cpu", progress: Progress = quiet
) -> Weights:
    """The weights a recipe stands for, on the CPU. Refused when a file is gone or has changed, or holds whole numbers for a parameter of the problem's network.

    `problem`: whose network a checkpoint is for; what is made here names its own. `progress(done, total, message)` is told of long work, and may raise Stopped.
    """
    match recipe:
        case Loaded():
            weights = _load(recipe, store, problem)
            if problem is not None:
                quantised.whole(quantised.kinds_of(weights), Problem(problem).reals(), recipe.name or recipe.id)
            return weights
        case Trained():
            if not made_at(recipe, home).exists():
                start = None
                if recipe.start is not None:
                    start = realise(recipe.start, store, home, problem=recipe.problem, device=device, progress=progress)
                with clocked(of_making(recipe), store, progress) as ticking:
                    _train(recipe, start, home, device, ticking)
            return checkpoint_file.read(made_at(recipe, home)).weights
        case Aligned():
            if not (made_at(recipe, home).exists() and matched_at(recipe, home).exists()):
                models = [_opened(m, store, home, recipe.problem, device, progress) for m in recipe.models]
                with clocked(of_making(recipe), store, progress) as ticking:
                    _align(recipe, models, home, device, ticking)
            return checkpoint_file.read(made_at(recipe, home)).weights
        case Connected():
            if not made_at(recipe, home).exists():
                ends = [realise(e, store, home, problem=recipe.problem, device=device, progress=progress) for e in recipe.ends]
                with clocked(of_making(recipe), store, progress) as ticking:
                    _connect(recipe, ends, home, device, ticking)
            return checkpoint_file.read(made_at(recipe, home)).weights
        case Shifted():
            if not made_at(recipe, home).exists():
                base = realise(recipe.base, store, home, problem=recipe.problem, device=device, progress=progress)
                with clocked(of_making(recipe), store, progress) as ticking:
                    _shift(recipe, base, home, device, ticking)
            return checkpoint_file.read(made_at(recipe, home)).weights
        case Fused():
            if not made_at(recipe, home).exists():
                models = [realise(m, store, home, problem=recipe.problem, device=device, progress=progress) for m in recipe.models]
                with clocked(of_making(recipe), store, progress) as ticking:
                    fused = fuse(recipe, models, store, device=device, progress=ticking)
                    checkpoint_file.finite(fused, recipe.name or recipe.method.name)
                    _keep(recipe, fused, home)
            return checkpoint_file.read(made_at(recipe, home)).weights


def file_of(recipe: Recipe, store: RunStore, home: Path, *, device: str = "cpu", progress: Progress = quiet) -> Path:
    """The checkpoint a recipe stands for, made where it is not there. Refused as in `realise`."""
    if isinstance(recipe, Loaded):
        return located(recipe, store)
    if not (path := made_at(recipe, home)).exists():
        realise(recipe, store, home, device=device, progress=progress)
    return path


def _opened(recipe: Recipe, store: RunStore, home: Path, problem: ProblemSpec, device: str, progress: Progress) -> Mapping[str, Tensor]:
    """As `realise`; of a large file each tensor is read when it is asked for."""
    file = file_of(recipe, store, home, device=device, progress=progress)
    if bytes_at(file) > LAZILY and (lazily := open_lazily(file, Problem(problem).shapes(), Problem(problem).reals())) is not None:
        checkpoint_file.finite(lazily, recipe.name or file.name)
        still(recipe, file)
        return lazily
    return realise(recipe, store, home, problem=problem, device=device, progress=progress)


def _load(recipe: Loaded, store: RunStore, problem: ProblemSpec | None) -> Weights:
    path = located(recipe, store)
    weights = checkpoint_file.read(path).weights
    still(recipe, path)
    if problem is not None:
        shapes = Problem(problem).shapes()
        weights, _ = checkpoint_file.named_for(weights, shapes, path)
        checkpoint_file.under_its_names(weights, shapes, what=recipe.name or path.name)
    checkpoint_file.finite(weights, path.name)
    return weights


def still(recipe: Recipe, path: Path) -> None:
    """Refused when a checkpoint is not the recipe's any more, now that it was read: somebody wrote to it meanwhile."""
    if isinstance(recipe, Loaded) and digest(path) != recipe.digest:
        raise Refused(f"{path} was written to while it was read. Leave it alone, register it again, and try again.")


def located(recipe: Loaded, store: RunStore) -> Path:
    """Where a checkpoint lies whose bytes are still the recipe's. Refused when there is none."""
    known = [locations.expand(p) for p in dict.fromkeys([*store.whereabouts(recipe.digest), recipe.path]) if p]
    candidates = [p for p in known if admits(p)]
    if known and not candidates:
        admit(known[0])
    for path in candidates:
        if model_path.parse(path).path.exists() and digest(path) == recipe.digest:
            return path
    name = recipe.name or recipe.path or recipe.digest
    if changed := [p for p in candidates if model_path.parse(p).path.exists()]:
        raise Refused(f"{changed[0]} has changed since it was registered as {name}. Register it again to use its current content.")
    raise Refused(f"The checkpoint {name} is not where it was ({', '.join(map(str, candidates)) or 'no path known'}). Register its folder again.")


def _train(recipe: Trained, start: Weights | None, home: Path, device: str, progress: Progress) -> None:
    """Train, and keep the snapshot that is wanted, of all networks trained together; of small networks all snapshots: a trajectory is trained once.

    A training that is stopped, or dies, goes on from the last state that was kept.
    """
    problem = Problem(recipe.problem)
    train = cast("Callable[..., Iterator[Weights | Sequence[Weights]]]", registry.find("train", recipe.method.name))
    total, members = registry.snapshots_of(recipe.method), registry.members_of(recipe.method)
    if not 0 <= recipe.at <= total:
        raise Refused(f"A training of {total} epochs has no epoch {recipe.at}. Ask for one from 1 to {total}, or for 0, the last.")
    if not 0 <= recipe.member < members:
        raise Refused(f"{recipe.method.name} trains {members} networks together here; there is no number {recipe.member + 1}.")
    if total and recipe.at == 0 and (last := made_at(replace(recipe, at=total), home)).exists():
        _keep(recipe, checkpoint_file.read(last).weights, home)
        return
    wanted = recipe.at or total
    name = recipe.name or recipe.id
    unfinished = locations.unfinished_at(recipe, home)
    left = _left_off(unfinished)
    reached = left.epoch if left is not None else 0
    begin = reached if reached < wanted else 0
    at, what = begin, "epoch" if total == recipe.method["epochs"] else "snapshot"

    def tell() -> None:
        progress(at, total, f"training {name}: {what} {at} of {total}")

    def between() -> None:
        with suppress(Stopped):  # it is stopped where a snapshot ends
            tell()

    training = ResumableTraining(left if reached < wanted else None, between=between)
    kept = time.monotonic()

    def leave(at: int) -> None:
        if at == total:
            unfinished.unlink(missing_ok=True)
        elif at > reached:
            _leave_off(training.state(at), unfinished)

    snapshots = train(problem, start, **recipe.method.kwargs(), **registry.wired(train, device=device, training=training))
    for at, made in enumerate(snapshots, start=begin + 1):
        together = (made,) if isinstance(made, dict) else tuple(made)
        small = sum(t.nbytes for weights in together for t in weights.values()) <= KEPT_WHOLE
        for member, weights in enumerate(together):
            own = replace(recipe, member=member, name=recipe.name if member == recipe.member else "")
            if at == wanted or (small and recipe.at):
                _keep(replace(own, at=at, name=own.name if at == recipe.at else ""), weights, home)
            if at == wanted and not recipe.at:
                _keep(own, weights, home)
        enough = at == wanted and not small
        try:
            tell()
        except Stopped:
            leave(at)
            raise
        if enough or at == total or time.monotonic() - kept > KEEP_S:
            leave(at)
            kept = time.monotonic()
        if enough:
            return


def _align(recipe: Aligned, models: Sequence[Mapping[str, Tensor]], home: Path, device: str, progress: Progress) -> None:
    """Align all models at once, and keep every one of them and what became of its units."""
    problem = Problem(recipe.problem)
    names = [m.name or m.id for m in recipe.models]
    align = cast("Callable[..., Alignment]", registry.find("align", recipe.method.name))
    started = time.perf_counter()
    done = align(models, problem, **recipe.method.kwargs(), **registry.wired(align, device=device, progress=progress))
    seconds = time.perf_counter() - started
    for i, weights in enumerate(done.weights):
        checkpoint_file.check(weights, problem.shapes(), what=names[i])
        _keep(replace(recipe, which=i), weights, home)
    parameters = problem.parameters()
    report = describe(models, done, symmetry.symmetry_of(problem), parameters, names=names, method=recipe.method.name, seconds=seconds)
    report.write(matched_at(recipe, home))


def _connect(recipe: Connected, ends: list[Weights], home: Path, device: str, progress: Progress) -> None:
    """Train the path, and keep its corners as they stand now and then: a picture can be drawn of each stage while the training goes on.

    A training that is stopped, or dies, goes on from the last state that was kept.
    """
    problem = Problem(recipe.problem)
    compatible(ends, [e.name or e.id for e in recipe.ends])
    connect = cast("Callable[..., Iterator[TrainedCorners]]", registry.find("connect", recipe.method.name))
    unfinished = locations.unfinished_at(recipe, home)
    wiring = registry.wired(connect, device=device, progress=progress, resume=_left_off(unfinished))
    last: TrainedCorners | None = None
    kept = time.monotonic()
    try:
        for last in connect(ends, problem, **recipe.method.kwargs(), **wiring):
            if last.epoch in STAGES:
                _keep_corners(replace(recipe, at=last.epoch), last, problem, home)
            if time.monotonic() - kept > KEEP_S:
                _leave_off(last.state, unfinished)
                kept = time.monotonic()
    except Stopped:
        if last is not None:
            _leave_off(last.state, unfinished)
        raise
    assert last is not None
    if not recipe.which < len(last.corners):
        raise Refused(f"{recipe.method.name} makes {len(last.corners)} corners here; there is no number {recipe.which + 1}.")
    _keep_corners(replace(recipe, at=0), last, problem, home)
    unfinished.unlink(missing_ok=True)


def _keep_corners(recipe: Connected, trained: TrainedCorners, problem: Problem, home: Path) -> None:
    for i, weights in enumerate(trained.corners):
        _keep(replace(recipe, which=i), with_own_statistics(weights, problem), home)


def _leave_off(state: State | None, path: Path) -> None:
    if state is not None:
        with system(path.parent, "made"):
            path.parent.mkdir(parents=True, exist_ok=True)
        checkpoint_file.write(path, state.tensors, {"epoch": str(state.epoch), "generator": state.generator}, replace=True)


def _left_off(path: Path) -> State | None:
    if not path.is_file():
        return None
    found = checkpoint_file.read(path)
    return State(int(found.metadata["epoch"]), found.weights, found.metadata["generator"])


def _shift(recipe: Shifted, base: Weights, home: Path, device: str, progress: Progress) -> None:
    """Find both directions, and keep the model moved along either of them."""
    problem = Problem(recipe.problem)
    checkpoint_file.check(base, problem.shapes(), what=recipe.base.name or recipe.base.id)
    directions = cast("Callable[..., Sequence[Weights]]", registry.find("direct", recipe.method.name))
    found = directions(base, problem, **recipe.method.kwargs(), **registry.wired(directions, device=device, progress=progress))
    for i, direction in enumerate(found):
        _keep(replace(recipe, which=i), {**base, **mix([{n: base[n] for n in direction}, direction], (1.0, 1.0))}, home)


def fuse(recipe: Fused, models: Sequence[Weights], store: RunStore, *, device: str = "cpu", progress: Progress = quiet) -> Weights:
    """The weights of a merge whose models are there, with its buffers; written nowhere. What it took is noted in the store."""
    models = list(models)
    compatible(models, [m.name or m.id for m in recipe.models])
    problem = Problem(recipe.problem)
    method = cast("Callable[..., Weights]", registry.find("fuse", recipe.method.name))
    if needed := registry.data_of(recipe.method.name):  # loaded before the clock starts: once per process, by whichever method comes first
        problem.split(needed.split()[0])
    notes: list[str] = []
    with measured(device) as cost:
        fused = method(models, problem, **recipe.method.kwargs(), **registry.wired(method, device=device, progress=progress, tell=notes.append))
    moved = _moved(fused, models[0], problem.parameters())
    store.note(recipe.id, replace(_made(cost, models, device), told=tuple(notes), moved=moved).to_json())
    return with_buffers(fused, models, problem, recipe)


def _moved(fused: Weights, first: Weights, names: Iterable[str]) -> float | None:
    """‖θ − θ₀‖ / ‖θ₀‖ over parameters; None where that is no number."""
    apart = length = 0.0
    for name in names:
        apart += float((fused[name].double() - first[name].double()).square().sum())
        length += float(first[name].double().square().sum())
    return math.sqrt(apart / length) if length and math.isfinite(apart) else None


def _made(cost: Cost, models: list[Weights], device: str) -> Made:
    counters = tuple(name for name, tensor in models[0].items() if not tensor.is_floating_point())
    differ = tuple(name for name in counters if any(not torch.equal(models[0][name], m[name]) for m in models[1:]))
    return Made(cost.seconds, cost.memory, device, torch.get_num_threads(), counters, differ)


@torch.no_grad()
def with_buffers(fused: Weights, models: list[Weights], problem: Problem, recipe: Fused) -> Weights:
    """The fused weights with the buffers their policy asks for; a model that is one of the ingredients keeps its own.

    repair: towards the statistics of the nearest mixture of the ingredients; of a weighted mean, that is itself.
    """
    if any(all(torch.equal(fused[k], m[k]) for k in fused) for m in models):
        return fused
    network = network_like(problem, fused, torch.device("cpu"))
    if recipe.buffers == "mix" or not (has_batch_norm(network) or recipe.buffers == "repair"):
        return fused
    buffers = dict(network.named_buffers())
    if recipe.buffers == "first":
        return {**fused, **{name: models[0][name] for name in buffers if name in fused}}
    inputs = inputs_for(network, problem.split("train").inputs[:RECALIBRATION_SAMPLES], torch.device("cpu"))
    changed = set(buffers)
    if recipe.buffers == "repair":
        repair = repair_towards(network, models, inputs)
        network.load_state_dict(fused)
        shares = _shares(recipe)
        repaired(network, nearest(models, fused, [n for n, _ in network.named_parameters()]) if shares is None else shares, repair)
        changed |= repair.names
    else:
        network.load_state_dict(fused)
    if has_batch_norm(network):
        recalibrate(network, inputs)
    state = network.state_dict()
    return {name: state[name].to(tensor.dtype) if name in changed else tensor for name, tensor in fused.items()}


def _shares(recipe: Fused) -> Array | None:
    """The coefficients of a model at a place of a picture, which half precision would blur; None of other ways to merge."""
    match recipe.method:
        case Method("average", (("normalise", False), ("weights", (*shares,)))) if shares:
            return np.array(shares, dtype=np.float64)
        case Method("interpolate", (("t", float() | int() as t),)):
            return np.array([1.0 - t, t])
        case _:
            return None


def _keep(recipe: Trained | Aligned | Connected | Shifted | Fused, weights: Weights, home: Path) -> None:
    path = made_at(recipe, home)
    with system(path.parent, "made"):
        path.parent.mkdir(parents=True, exist_ok=True)
    checkpoint_file.write(path, weights, {"recipe": json.dumps(recipe.to_json()), "problem": recipe.problem.name}, replace=True)
