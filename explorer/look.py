"""What lies at a path: which problem each checkpoint fits, how big it is, how good it is, and how far it is from the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from explorer import checkpoint, places
from explorer import problem as problems
from explorer.errors import Refused
from explorer.files import checkpoints_at, digest
from explorer.measure import Evaluate
from explorer.points import Points
from explorer.problem import Problem
from explorer.run import Report
from explorer.spec import Json, Look, ProblemSpec, SplitName
from explorer.statistics import band
from explorer.store import RunStore
from explorer.weights import Weights, gram


def look(wish: Look, store: RunStore, *, report: Report, device: str = "cpu") -> dict[str, Json]:
    """Recognise, measure and register every checkpoint at a path.

    Returns `files`: a list with, for each, `path`, `name`, and either `error` (one sentence) or `digest`, `problem` (its
    ProblemSpec as JSON, null when none fits), `why` (what was compared), `parameters`, `dtype`, `tensors`, `notes`, and per
    split `val` and `test` the mean `loss` and `error` with 95 % bounds and the number of `samples`.
    `gram`: inner products among the files that fit the first recognised problem; `group`: their indices.
    """
    path = places.expand(wish.path)
    files = checkpoints_at(path)
    known = _candidates(wish, path)
    found: list[dict[str, Json]] = []
    loaded: dict[int, Weights] = {}
    for number, path in enumerate(files):
        if not report(number, len(files), number, f"Looking at {path.name}"):
            break
        try:
            facts, weights = _facts(path, known, device)
        except Refused as refusal:
            found.append({"path": places.shorten(path), "name": path.stem, "error": str(refusal)})
            continue
        found.append(facts)
        if facts["problem"] is not None:
            loaded[number] = weights
            store.register(places.shorten(path), str(facts["digest"]), facts)
    group = [i for i in loaded if found[i]["problem"] == found[next(iter(loaded))]["problem"]]
    products: list[Json] = []
    if group:
        spec = ProblemSpec.from_json(found[group[0]]["problem"])
        names = [name for name, _ in Problem(spec).network().named_parameters()]
        products = gram([loaded[i] for i in group], names).tolist()
    return {"files": list[Json](found), "group": list[Json](group), "gram": products}


def _candidates(wish: Look, path: Path) -> list[ProblemSpec]:
    """The problem named in the wish; else that of the folder; else every problem the explorer ships."""
    if wish.problem is not None:
        return [wish.problem]
    folder = path if path.is_dir() else path.parent
    own = [problems.read(folder)] if (folder / "problem.toml").is_file() else []
    return own or problems.shipped()


def _facts(path: Path, known: Sequence[ProblemSpec], device: str) -> tuple[dict[str, Json], Weights]:
    loaded = checkpoint.read(path)
    checkpoint.finite(loaded.weights, path.name)
    spec, why = recognise(loaded.weights, loaded.metadata, known)
    content = digest(path)
    floating = [t for t in loaded.weights.values() if t.is_floating_point()]
    facts: dict[str, Json] = {
        "path": places.shorten(path),
        "name": path.stem,
        "digest": content,
        "problem": None if spec is None else spec.to_json(),
        "why": why,
        "tensors": len(loaded.weights),
        "parameters": _parameters(loaded.weights, spec),
        "dtype": ", ".join(sorted({str(t.dtype).removeprefix("torch.") for t in floating})),
        "notes": list[Json](loaded.notes),
        "metadata": dict[str, Json](loaded.metadata),
    }
    if spec is not None:
        splits: tuple[SplitName, ...] = ("val", "test")
        for split in splits:
            facts[split] = quality(spec, loaded.weights, split, device)
    return facts, loaded.weights


def recognise(weights: Weights, metadata: Mapping[str, str], known: Iterable[ProblemSpec]) -> tuple[ProblemSpec | None, str]:
    """The problem whose network has exactly these names and shapes (the one named in the metadata first), and how it was told."""
    shapes = {name: tuple(t.shape) for name, t in weights.items()}
    specs = sorted(known, key=lambda s: s.name != metadata.get("problem"))
    differences: list[str] = []
    for spec in specs:
        wanted = Problem(spec).shapes()
        if wanted == shapes:
            named = metadata.get("problem") == spec.name
            return spec, f"{spec.network.name}, by {'its metadata, names and shapes' if named else 'names and shapes'}"
        try:
            checkpoint.check(weights, wanted, what="this file")
        except Refused as refusal:
            differences.append(f"{spec.name}: {refusal}")
    hint = f" Nearest: {differences[0]}" if len(differences) == 1 else ""
    return None, f"No known problem has a network with these tensors (tried {', '.join(s.name for s in specs) or 'none'}).{hint}"


def quality(spec: ProblemSpec, weights: Weights, split: SplitName, device: str) -> dict[str, Json]:
    """Mean loss and error of one model on a split, with 95 % bootstrap bounds over blocks of samples."""
    evaluate = Evaluate(Problem(spec), [weights], split=split, device=device)
    points = Points(np.zeros((1, 1)), evaluate(np.ones(1))[None], evaluate.counts)
    row: dict[str, Json] = {"samples": int(evaluate.counts.sum())}
    for i, metric in enumerate(evaluate.metrics):
        low, high = band(points, i)
        row[metric] = [float(points.means()[0, i]), float(low[0]), float(high[0])]
    return row


def _parameters(weights: Weights, spec: ProblemSpec | None) -> int:
    """Trainable numbers when the network is known, else all floating ones; a tied tensor counts once."""
    if spec is not None:
        return sum(p.numel() for p in Problem(spec).network().parameters())
    unique = {(t.data_ptr(), t.shape): t for t in weights.values() if t.is_floating_point() and t.dtype != torch.bool}
    return sum(t.numel() for t in unique.values())
