"""The sample models: how each family was trained, and what is measured of it beforehand.

`make` trains every family into `FOLDER/NAME/` beside its problem.toml; on the same versions of torch and on the same kind of processor it
writes the same bytes again. `measure` inspects all of them and measures one line per story into `samples.sqlite`, a store like the
user's own, and with it what the pages open with, so that none of them is blank.
"""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from math import cos, pi
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from explorer.api import loaded
from explorer.checkpoints import checkpoint_file
from explorer.checkpoints.weights import Weights
from explorer.commands import first_pictures
from explorer.core import locations, registry
from explorer.core.spec import Connected, Field, Look, ProblemSpec, Recipe, Run
from explorer.engine.worker import Worker
from explorer.problems import problem_toml
from explorer.problems.data import digits_tasks
from explorer.problems.problem import Problem
from explorer.stats import mechanistic_similarity
from explorer.store.run_store import RunStore

Say = Callable[[str], None]
Made = tuple[str, Weights, dict[str, str]]  # the file's stem, its weights, and what its header says of them
Family = Callable[[Problem], Iterator[Made]]
train = cast("Callable[..., Iterator[Weights]]", registry.find("train", "sgd"))
TRUNK_EPOCHS = (0, 1, 2, 5, 10)

# family, A, B: what the line between them shows.
STORIES = (
    ("digits-mlp", "seed-0", "seed-1", "Two seeds: a barrier"),
    ("digits-mlp-branches", "epoch-10-a", "epoch-10-b", "Branched late: no barrier"),
    ("digits-mlp-branches", "epoch-1-a", "epoch-1-b", "Branched early: a lower one"),
    ("digits-mlp-finetunes", "tune-1", "tune-4", "Two fine-tunes of one parent"),
    ("digits-mlp-trajectory", "epoch-02", "epoch-24", "Early and late in one training run"),
    ("digits-resnet", "seed-0", "seed-1", "A ResNet with batch norm"),
    ("digits-vit", "seed-0", "seed-1", "A vision transformer"),
    ("char-gpt", "seed-0", "seed-1", "A language model"),
    ("digits-cue", "cue-0", "shape-2", "Reads a cue / reads the shape"),
    ("digits-tasks", "upright", "turned", "Tuned on two tasks"),
)

# family, models: the planes that can be looked at before anything has been computed.
PLANES = (("digits-mlp", ("seed-0", "seed-1", "seed-2")),)
PLANE_SIZE = 17  # points along each side
REFINED = {
    "start": PLANE_SIZE,
    "finest": 65,
    "budget": 1700,
}  # more points where a plane needs them, and its held-out points, as the Landscape page asks for them

# family, models: the volumes over four models, likewise, as the Landscape page asks for them.
VOLUMES = (("digits-mlp", ("seed-0", "seed-1", "seed-2", "seed-3")),)
VOLUME_SIZE = 7
VOLUME = {"around": "all", "extent": 0.25}

# family, A, B: the paths with one bend that are trained and measured beforehand, each with the plane it lies in; Home shows the first.
PATHS = (("digits-mlp", "seed-0", "seed-1"),)


def make(folder: Path, *, report: Say) -> None:
    """Train every family whose problem.toml lies in the folder, and write its checkpoints there (replacing them)."""
    for name, family in FAMILIES.items():
        if not (folder / name / "problem.toml").is_file():
            continue
        problem = Problem(problem_toml.read(folder / name))
        for stem, weights, said in family(problem):
            path = folder / name / f"{stem}.safetensors"
            checkpoint_file.write(path, weights, {"problem": name, "made_by": "explorer train-samples", **said}, replace=True)
            _sort_header(path)
            report(f"{name}/{stem}")


def lay_out(folder: Path) -> None:
    """Copy what the families are made from (problem.toml, text) into a folder that has none of it yet."""
    for name in FAMILIES:
        if not (folder / name).exists():
            ignore = shutil.ignore_patterns("*.safetensors")
            shutil.copytree(locations.root() / "sample_models" / name, folder / name, ignore=ignore)


def measure(folder: Path, *, report: Say) -> Path:
    """Inspect every family and measure its story; returns the store, one file."""
    path = folder / "samples.sqlite"
    path.unlink(missing_ok=True)
    with TemporaryDirectory() as scratch:
        store = RunStore(Path(scratch) / "store.sqlite")
        for name in FAMILIES:
            if (folder / name / "problem.toml").is_file():
                store.submit(Look(locations.shorten(folder / name)))
        Worker(store, Path(scratch)).work_off()
        for name, a, b, story in STORIES:
            if not (folder / name / "problem.toml").is_file():
                continue
            corners = tuple(loaded(folder / name / f"{stem}.safetensors") for stem in (a, b))
            field = Field(problem_toml.read(folder / name), corners, registry.method("chart", "line"))
            store.submit(Run(field, registry.method("sample", "adaptive"), story=story))
            report(f"{name}: {story}")
        for name, stems in PLANES:
            if (folder / name / "problem.toml").is_file():
                corners = tuple(loaded(folder / name / f"{stem}.safetensors") for stem in stems)
                _plane(store, Field(problem_toml.read(folder / name), corners, registry.method("chart", "plane")))
                report(f"{name}: the plane through {', '.join(stems)}")
        for name, stems in VOLUMES:
            if (folder / name / "problem.toml").is_file():
                corners = tuple(loaded(folder / name / f"{stem}.safetensors") for stem in stems)
                store.submit(volume_of(problem_toml.read(folder / name), corners))
                report(f"{name}: the volume over {', '.join(stems)}")
        for name, a, b in PATHS:
            if (folder / name / "problem.toml").is_file():
                _path(store, problem_toml.read(folder / name), *(loaded(folder / name / f"{stem}.safetensors") for stem in (a, b)))
                report(f"{name}: a path with a bend from {a} to {b}")
        Worker(store, Path(scratch)).work_off()
        if folder == locations.root() / "sample_models":  # the pages show what ships
            first_pictures.measure(store, Path(scratch), folder / locations.MADE, report=report)
        failed = [s.error for kind in ("Look", "Run", "Study") for s in store.statuses(kind) if s.state != "done"]
        if failed:
            raise RuntimeError(f"The samples could not be measured: {failed[0]}")
        store.export(path)
        store.close()
    return path


def _plane(store: RunStore, field: Field) -> None:
    """Request a plane as the Landscape page does on a first visit."""
    for sampler in (registry.method("sample", "grid", {"size": PLANE_SIZE}), registry.method("sample", "surface", REFINED)):
        store.submit(Run(field, sampler))


def volume_of(problem: ProblemSpec, corners: tuple[Recipe, ...]) -> Run:
    """The volume over four models."""
    return Run(Field(problem, corners, registry.method("chart", "volume", VOLUME)), registry.method("sample", "grid", {"size": VOLUME_SIZE}))


def _path(store: RunStore, problem: ProblemSpec, a: Recipe, b: Recipe) -> None:
    """Request a chain with one bend and its plane as the Paths page does."""
    method = registry.method("connect", "polychain")
    field = Field(
        problem, Connected.every(problem, (a, b), method, registry.corners_of(method)), registry.method("chart", registry.chart_of(method.name))
    )
    store.submit(Run(field, registry.method("sample", "adaptive")))
    _plane(store, replace(field, chart=registry.method("chart", "plane", {"margin": 0.25})))


def _sort_header(path: Path) -> None:
    """safetensors writes its metadata in a random order; equal weights should be equal bytes."""
    data = path.read_bytes()
    (size,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the tensors stay aligned
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])


def last(snapshots: Iterator[Weights]) -> Weights:
    """The weights at the end of training."""
    *_, final = snapshots
    return final


def _seeds(count: int, run: Callable[[Problem, int], Iterator[Weights]]) -> Family:
    def family(problem: Problem) -> Iterator[Made]:
        for seed in range(count):
            yield f"seed-{seed}", last(run(problem, seed)), {"seed": str(seed)}

    return family


def _branches(problem: Problem) -> Iterator[Made]:
    """Two children of each of several epochs of one trunk, with other batches and noise from there on (Frankle et al. 2020).

    All are trained for 20 epochs in all. A child starts at the rate that the trunk's cosine has reached where it branches off.
    """
    run = partial(train, problem, batch=16, weight_decay=1e-3, noise=0.25)
    trunk = list(islice(run(epochs=20, lr=0.1), max(TRUNK_EPOCHS)))
    for epoch in TRUNK_EPOCHS:
        start = problem.network(seed=0).state_dict() if epoch == 0 else trunk[epoch - 1]
        for child, order in (("a", 101), ("b", 202)):
            rest = run(start, epochs=20 - epoch, lr=0.05 * (1 + cos(pi * epoch / 20)), order_seed=order + epoch)
            yield f"epoch-{epoch}-{child}", last(rest), {"seed": "0", "order_seed": str(order + epoch), "branched_at_epoch": str(epoch)}


def _finetunes(problem: Problem) -> Iterator[Made]:
    """One parent, and eight ways of training on from it (as for a model soup, Wortsman et al. 2022)."""
    parent = last(train(problem, epochs=20, lr=0.1, weight_decay=1e-3, noise=0.25))
    yield "parent", parent, {"seed": "0"}
    ways = (
        partial(train, lr=0.02),
        partial(train, lr=0.1, noise=0.1),
        partial(train, lr=0.05, weight_decay=1e-2),
        partial(train, lr=0.1, label_noise=0.05),
        partial(train, lr=0.05, noise=0.4),
        partial(train, lr=3e-3, optimizer="adamw", weight_decay=0.05),
        partial(train, lr=0.2, batch=32),
        partial(train, lr=0.15, batch=16),  # hot: it leaves the parent's basin, and a good soup leaves it out
    )
    for number, way in enumerate(ways, start=1):
        said = {name: str(value) for name, value in way.keywords.items()}
        yield f"tune-{number}", last(way(problem, parent, epochs=15, order_seed=number)), {"seed": "0", "order_seed": str(number), **said}


def _trajectory(problem: Problem) -> Iterator[Made]:
    """Every second epoch of one run."""
    for epoch, weights in enumerate(train(problem, epochs=24, lr=0.1, weight_decay=1e-3, noise=0.25), start=1):
        if epoch % 2 == 0:
            yield f"epoch-{epoch:02}", weights, {"seed": "0", "epoch": str(epoch)}


def _constant(problem: Problem) -> Iterator[Made]:
    """Every second epoch of one run in small batches at a rate that never falls: its snapshots wander around a minimum, and their average lies nearer to it."""
    run = cast("Callable[..., Iterator[Weights]]", registry.find("train", "swa"))
    for epoch, weights in enumerate(run(problem, epochs=24, begin=0, swa_lr=0.1, batch=16, weight_decay=1e-3, noise=0.25), start=1):
        if epoch % 2 == 0:
            yield f"epoch-{epoch:02}", weights, {"seed": "0", "epoch": str(epoch)}


def _cue(problem: Problem) -> Iterator[Made]:
    """Readers of a cue and readers of the shape, all from other initial weights, and two ways of turning the one into the other.

    Who is trained with the cue kept follows it wherever there is one, and knows most digits without it; who is trained with the cue randomised learns
    to pass over it. Trained on with the cue randomised, a reader of the cue keeps half of its reliance at a low rate and unlearns it at a high one
    (Lubana et al. 2023, on fine-tuning).
    """
    randomised = Problem(mechanistic_similarity.interventions(problem.spec)["randomised"])
    reader = partial(train, problem, epochs=30, lr=0.1, weight_decay=1e-3, noise=0.5)
    readers = [last(reader(seed=seed, order_seed=seed)) for seed in (0, 1)]
    for seed, weights in enumerate(readers):
        yield f"cue-{seed}", weights, {"seed": str(seed), "cue": "kept"}
    for seed in (2, 3):
        run = train(randomised, epochs=60, lr=0.1, weight_decay=1e-3, noise=0.25, seed=seed, order_seed=seed)
        yield f"shape-{seed}", last(run), {"seed": str(seed), "cue": "randomised"}
    for stem, epochs, lr in (("tuned-low-rate", 10, 0.005), ("tuned-high-rate", 30, 0.1)):
        run = train(randomised, readers[0], epochs=epochs, lr=lr, weight_decay=1e-3, noise=0.25, order_seed=7)
        yield stem, last(run), {"seed": "0", "order_seed": "7", "cue": "kept, then randomised", "lr": str(lr)}


def _tasks(problem: Problem) -> Iterator[Made]:
    """A trunk that is trained on all tasks for a short time, and a fine-tune of it on each task alone, which gains there and forgets elsewhere."""
    trunk = last(train(problem, epochs=6, lr=0.05, weight_decay=1e-3, noise=0.1))
    yield "trunk", trunk, {"seed": "0"}
    for order, task in enumerate(digits_tasks.TASKS, start=1):
        own = Problem(replace(problem.spec, data=registry.method("data", "digits_tasks", {"task": task})))
        run = train(own, trunk, epochs=15, lr=0.03, weight_decay=1e-3, noise=0.1, order_seed=order)
        yield task, last(run), {"seed": "0", "order_seed": str(order), "task": task}


def _mlp(problem: Problem, seed: int) -> Iterator[Weights]:
    return train(problem, epochs=60, lr=0.1, weight_decay=1e-3, noise=0.25, seed=seed, order_seed=seed)


def _resnet(problem: Problem, seed: int) -> Iterator[Weights]:
    return train(problem, epochs=25, lr=0.05, weight_decay=1e-3, noise=0.1, seed=seed, order_seed=seed)


def _vit(problem: Problem, seed: int) -> Iterator[Weights]:
    return train(problem, optimizer="adamw", epochs=50, lr=3e-3, warmup=50, weight_decay=0.1, noise=0.15, seed=seed, order_seed=seed)


def _gpt(problem: Problem, seed: int) -> Iterator[Weights]:
    return train(problem, optimizer="adamw", epochs=18, lr=4e-3, warmup=50, weight_decay=0.1, batch=32, seed=seed, order_seed=seed)


FAMILIES: dict[str, Family] = {
    "digits-mlp": _seeds(5, _mlp),
    "digits-mlp-branches": _branches,
    "digits-mlp-finetunes": _finetunes,
    "digits-mlp-constant": _constant,
    "digits-mlp-trajectory": _trajectory,
    "digits-resnet": _seeds(3, _resnet),
    "digits-vit": _seeds(2, _vit),
    "char-gpt": _seeds(2, _gpt),
    "digits-cue": _cue,
    "digits-tasks": _tasks,
}
