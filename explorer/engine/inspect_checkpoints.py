"""What lies at a path: which problem each checkpoint fits, how big it is, how good it is, and how far it is from the others."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, cast

import numpy as np
import torch
from torch import Tensor

from explorer.checkpoints import checkpoint_file, quantised, renaming
from explorer.checkpoints.checkpoint_file import RENAMED
from explorer.checkpoints.lazy_weights import open_lazily
from explorer.checkpoints.sharded import bytes_at, checkpoints_at, digest, family_folder, name_for
from explorer.checkpoints.weights import Weights, gram
from explorer.core import locations, model_path, registry, splits
from explorer.core.allowed_folders import admits
from explorer.core.errors import Refused
from explorer.core.points import Points
from explorer.core.spec import Look, Method, ProblemSpec, SplitName
from explorer.evaluate.evaluator import Evaluate
from explorer.problems import problem_toml
from explorer.problems.nets import Shapes
from explorer.problems.problem import Problem
from explorer.stats.barriers import band
from explorer.store.records import Facts, Quality, Renaming, Seen
from explorer.store.run_store import RunStore

if TYPE_CHECKING:
    from explorer.engine.run_loop import Report

TESTED = 2**23  # parameters up to which the symmetry of a network is found with every look: some seconds, once for each problem
LARGE = 2**26  # parameters above which the loss is not measured where that takes long
WORK = (2**36, 2**45)  # parameters times samples (or tokens) of the splits that are done with a look: some seconds, on a CPU and on a GPU
LAZILY = 2**26  # bytes of a file from which on its tensors are read when they are asked for


class _Permutable(TypedDict):
    movable: float | None
    held: tuple[str, ...]


def inspect_path(request: Look, store: RunStore, *, report: Report, device: str = "cpu", owner: str = "") -> Seen:
    """Recognise and measure every checkpoint at a path, and register those that fit a problem. A bad file does not hide the others.

    owner: who asked for it (explorer.store.visitors). Of a folder, what was registered there and is no longer there is taken off the list.
    """
    path = locations.expand(request.path)
    paths = checkpoints_at(path)
    known = _candidates(request, path, store)
    files: list[Facts] = []
    loaded: dict[int, Mapping[str, Tensor]] = {}
    for number, file in enumerate(paths):
        if not report(number, len(paths), number, f"Inspecting {name_for(file)}"):
            break
        try:
            weights, facts = examine(file, known, device, symmetry=request.symmetry)
        except Refused as refusal:
            if len(paths) > 1 and not model_path.parse(file).path.exists():
                continue  # a training thins its snapshots while they are looked at
            files.append(Facts(locations.shorten(file), name_for(file), error=str(refusal)))
            continue
        if facts.problem is not None:
            loaded[len(files)] = weights
            store.register(facts, owner=owner)
        files.append(facts)
    _forget_removed(path, store)
    first = next((files[i].problem for i in loaded), None)
    if first is None:
        return Seen(tuple(files))
    group = tuple(i for i in loaded if files[i].problem == first)
    store.keep_gram(request.id, [files[i].digest for i in group], gram([loaded[i] for i in group], Problem(first).parameters()))
    return Seen(tuple(files), group)


def _forget_removed(folder: Path, store: RunStore) -> None:
    places = {facts.path: model_path.parse(locations.expand(facts.path)).path for facts in store.checkpoints()}
    for registered, place in places.items():
        if folder in (place.parent, family_folder(place)) and not place.exists():
            store.unregister(registered)


def examine(path: Path, known: Sequence[ProblemSpec], device: str = "cpu", *, symmetry: bool = False) -> tuple[Mapping[str, Tensor], Facts]:
    """Recognise one file by its headers; where it fits a problem, and that problem holds together, read and measure it. Else its weights are without values."""
    outline = checkpoint_file.outline(path)
    path = outline.path
    weights, renamed = named(outline.weights, path, known)
    spec, why = recognise(weights, outline.metadata, known)
    offer = None if spec is not None else offered(path, weights, known, device)
    if offer is not None:
        why = f"{why} {_confirmation(offer)}"
    facts = Facts(
        path=locations.shorten(path),
        name=name_for(path),
        problem=spec,
        why=f"{why} {hint}" if spec is None and (hint := _of_transformers(path)) else why,
        parameters=_parameters(weights, spec),
        tensors=len(weights),
        dtype=", ".join(sorted({str(t.dtype).removeprefix("torch.") for t in weights.values() if t.is_floating_point()})),
        notes=(*outline.notes, renamed) if renamed else outline.notes,
        others=outline.others,
        renaming=offer,
    )
    if spec is None:
        return weights, replace(facts, network=_network_of(weights, path))
    Problem(spec).check()
    content = digest(path)
    weights = _values(path, Problem(spec), known)
    checkpoint_file.finite(weights, path.name)
    if symmetry or facts.parameters <= TESTED:
        facts = replace(facts, **_permutable(Problem(spec)))
    if Problem(spec).against_reference:
        return weights, replace(facts, digest=content)
    items = {split: _items(Problem(spec), split) for split in _splits(spec)}
    if facts.parameters > LARGE and (work := facts.parameters * sum(items.values())) > WORK[torch.device(device).type == "cuda"]:
        why = (
            f"{spec.name or path.name}: {facts.parameters:,} parameters, recognised {why}. Its loss is not measured when it is inspected, since that takes {work:.0e}"
            f" multiplications on {device}; a line or a plane measures it."
        )
        return weights, replace(facts, digest=content, unmeasured=why, items=tuple(items.items()))
    found, shift = _measured(Problem(spec), weights, device)
    return weights, replace(facts, digest=content, quality=found, shift=shift)


def _measured(problem: Problem, weights: Mapping[str, Tensor], device: str) -> tuple[tuple[Quality, ...], tuple[str, float, float] | None]:
    """How good a model is on each split, and how far the inputs are from those it was trained on; by one network, where samples have one form."""
    evaluate: Evaluate | None = None
    found: list[Quality] = []
    for split in _splits(problem.spec):
        if evaluate is not None and not problem.parts and problem.split(split, 1).inputs.shape[1:] == evaluate.inputs.shape[1:]:
            evaluate = evaluate.on(split)
        else:
            evaluate = Evaluate(problem, [weights], split=split, prepare=False, device=device)
        found.append(quality(split, evaluate))
    return tuple(found), None if evaluate is None else evaluate.shift(0)


def _values(path: Path, problem: Problem, known: Sequence[ProblemSpec]) -> Mapping[str, Tensor]:
    """The weights with their values, under the network's names; of a large file each is read when it is asked for."""
    if bytes_at(path) > LAZILY and (lazily := open_lazily(path, problem.shapes(), problem.reals())) is not None:
        return lazily
    return named(checkpoint_file.read(path).weights, path, known)[0]


def _splits(spec: ProblemSpec) -> tuple[SplitName, ...]:
    return "val", *splits.tests(spec)


def _items(problem: Problem, split: SplitName) -> int:
    targets = problem.split(split).targets
    return len(targets) if targets.is_floating_point() else targets.numel()


def _permutable(problem: Problem) -> _Permutable:
    from explorer.symmetry import symmetry_of  # torch.export, and what it imports

    try:
        found = symmetry_of(problem)
    except Refused as refusal:
        return {"movable": None, "held": (str(refusal),)}
    return {"movable": found.movable, "held": (*found.warnings, *map(str, found.held))}


def named(weights: Weights, path: Path, known: Iterable[ProblemSpec]) -> tuple[Weights, str]:
    """The weights under the names of the first known network that they fit in order, where the path asks for it; and what was renamed, "" for nothing."""
    for spec in known:
        found, said = checkpoint_file.named_for(weights, Problem(spec).shapes(), path)
        if said:
            return found, said
    return weights, ""


def offered(path: Path, outline: Weights, known: Iterable[ProblemSpec], device: str = "cpu") -> Renaming | None:
    """The first known problem whose network has these shapes in order under other names, and how good the model is as that; None where there is none."""
    shapes = {name: tuple(t.shape) for name, t in outline.items()}
    for spec in known:
        with suppress(Refused):  # two orders fit: `recognise` says so
            wanted = Problem(spec).shapes()
            if (names := renaming.renaming(shapes, wanted)) is not None:
                weights = checkpoint_file.read(path).weights
                checkpoint_file.finite(weights, path.name)
                model = {new: weights[old] for old, new in names.items()}
                untrained = dict(Problem(spec).network().state_dict())
                return Renaming(spec, tuple(names.items()), _qualities(spec, model, device), _qualities(spec, untrained, device))
    return None


def _qualities(spec: ProblemSpec, weights: Weights, device: str) -> tuple[Quality, ...]:
    return () if Problem(spec).against_reference else _measured(Problem(spec), weights, device)[0]


def _confirmation(found: Renaming) -> str:
    """Whether the loss says that a renaming is right."""
    if not found.quality:
        return "Its loss compares two models, and cannot confirm that."
    name = found.problem.name or found.problem.network.name
    loss, chance = found.quality[1].loss, found.untrained[1].loss
    if loss[2] < chance[1]:
        return f"The test loss confirms it: {loss[0]:.3g} as {name}, against {chance[0]:.3g} with initial weights."
    return f"The test loss does not confirm it: {loss[0]:.3g} as {name}, no better than the {chance[0]:.3g} of initial weights."


def recognise(weights: Weights, metadata: Mapping[str, str], known: Iterable[ProblemSpec]) -> tuple[ProblemSpec | None, str]:
    """The problem whose network has exactly these names and shapes (the one named in the metadata first), and how it was told."""
    shapes = {name: tuple(t.shape) for name, t in weights.items()}
    specs = sorted(known, key=lambda s: s.name != metadata.get("problem"))
    if fitting := [spec for spec in specs if Problem(spec).shapes() == shapes]:
        spec, *others = fitting
        quantised.whole(quantised.kinds_of(weights), Problem(spec).reals(), "The checkpoint")
        named = metadata.get("problem") == spec.name
        also = f", which fit {', '.join(s.name for s in others)}, too: choose the problem if it is not this one" if others and not named else ""
        return spec, f"{spec.network.name}, by {'its metadata, names and shapes' if named else 'names and shapes'}{also}"
    if len(specs) == 1:
        try:
            checkpoint_file.check(weights, Problem(specs[0]).shapes(), what="It")
        except Refused as refusal:
            return None, str(refusal)
    tried = ", ".join(s.name for s in specs) or "none"
    offers: dict[str, str] = {}
    doubts: dict[str, str] = {}
    for spec in specs:
        try:
            if (names := renaming.renaming(shapes, Problem(spec).shapes())) is not None:
                offers[f"{spec.name} ({spec.network.name})"] = renaming.shown(names)
        except Refused as refusal:
            doubts[spec.name] = str(refusal)
    if offers:
        (first, pairs), *rest = offers.items()
        also = f" Choose the problem if it is not this one: {', '.join(name for name, _ in rest)} would fit, too." if rest else ""
        return None, f"In order, its shapes are those of the network of {first}: {pairs}. If it is this network, put {RENAMED} behind its path.{also}"
    if doubts:
        return None, f"It has no known network's names, and {next(iter(doubts))}'s shapes. {next(iter(doubts.values()))}"
    return None, f"No known problem has a network with these names and shapes (tried: {tried}). Put a problem.toml beside the file."


def quality(split: SplitName, evaluate: Evaluate) -> Quality:
    """Mean loss and error of the one corner on a split, with 95 % intervals."""
    points = Points(np.zeros((1, 1)), evaluate(np.ones(1))[None], evaluate.counts)
    loss, error = ((float(points.means()[0, i]), *(float(edge[0]) for edge in band(points, i))) for i in range(2))
    return Quality(
        split, int(evaluate.counts.sum()), (loss[0], loss[1], loss[2]), (error[0], error[1], error[2]), evaluate.problem.constant(evaluate.targets)
    )


def _candidates(request: Look, path: Path, store: RunStore) -> list[ProblemSpec]:
    """The problem named in the request; else that of the folder; else every problem of a registered checkpoint, and every one the explorer ships."""
    if request.problem is not None:
        return [request.problem]
    own = problem_toml.beside(path)
    return list(dict.fromkeys([*_registered(store), *problem_toml.shipped()])) if own is None else [own]


def _registered(store: RunStore) -> list[ProblemSpec]:
    """The problems of registered checkpoints that may be read here and can still be built, the latest first."""
    found: list[ProblemSpec] = []
    for facts in reversed(store.checkpoints()):
        spec = facts.problem
        if spec is not None and spec not in found and all(admits(locations.expand(p)) for p in (facts.path, spec.path) if p):
            with suppress(Refused):  # its code or its config.json is gone: then it is no candidate
                Problem(spec).shapes()
                found.append(spec)
    return found


def _network_of(weights: Weights, path: Path) -> Method | None:
    """A network with exactly these names and shapes: the one that a config.json beside them describes, or the first that recognises itself."""
    folder = _folder(path)
    if (folder / "config.json").is_file():
        return registry.method("nets", "hugging_face", {"config": str(folder.resolve() / "config.json")})
    shapes = {name: tuple(t.shape) for name, t in weights.items()}
    for name in registry.names("nets"):
        module = sys.modules[registry.find("nets", name).__module__]
        recognise = cast("Callable[[Shapes], Mapping[str, object] | None] | None", getattr(module, "recognise", None))
        if recognise is not None and (options := recognise(shapes)) is not None:
            return registry.method("nets", name, options)
    return None


def _of_transformers(path: Path) -> str:
    """What to write into a problem.toml for a model that transformers saved; "" for any other."""
    folder = _folder(path)
    if not (folder / "config.json").is_file():
        return ""
    return "The config.json there describes it: under [network] write name = 'hugging_face' and config = 'config.json', under [data] what it is evaluated on."


def _folder(path: Path) -> Path:
    """The folder that is a checkpoint, or that it lies in."""
    plain = model_path.parse(path).path
    return plain if plain.is_dir() else plain.parent


def _parameters(weights: Weights, spec: ProblemSpec | None) -> int:
    """Trainable numbers when the network is known, else all floating ones; a tied tensor counts once."""
    if spec is not None:
        return sum(p.numel() for p in Problem(spec).skeleton().parameters())
    unique = {id(t): t for t in weights.values() if t.is_floating_point()}
    return sum(t.numel() for t in unique.values())
