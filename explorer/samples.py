"""The sample models: how each family was trained, and what is measured of it beforehand.

`make` trains every family into `FOLDER/NAME/` beside its problem.toml; on the same versions of torch and on the same kind of processor it
writes the same bytes again. `measure` looks at all of them and measures one line per story into `samples.sqlite`, a store like the
user's own, so that the first page of the app is never blank.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from explorer import checkpoint, methods, places
from explorer import problem as problems
from explorer.api import loaded
from explorer.problem import Problem
from explorer.spec import Field, Look, Run
from explorer.store import RunStore
from explorer.train.sgd import train
from explorer.weights import Weights
from explorer.worker import Worker

Say = Callable[[str], None]
TRUNK_EPOCHS = (0, 1, 2, 5, 10)
MLP = {"epochs": 40, "lr": 0.05, "schedule": "cosine", "weight_decay": 1e-3}

# family, A, B: what the line between them shows.
STORIES = (
    ("digits-mlp", "seed-0", "seed-1", "Two seeds: a barrier"),
    ("digits-mlp-branches", "epoch-5-a", "epoch-5-b", "Branched late: no barrier"),
    ("digits-mlp-finetunes", "tune-1", "tune-4", "Two fine-tunes of one parent"),
    ("digits-mlp-trajectory", "epoch-02", "epoch-24", "Early and late in one training run"),
    ("digits-resnet", "seed-0", "seed-1", "A ResNet with batch norm"),
    ("digits-vit", "seed-0", "seed-1", "A vision transformer"),
    ("char-gpt", "seed-0", "seed-1", "A language model"),
)


def make(folder: Path, *, report: Say) -> None:
    """Train every family whose problem.toml lies in the folder, and write its checkpoints there (replacing them)."""
    for name, family in FAMILIES.items():
        if not (folder / name / "problem.toml").is_file():
            continue
        problem = Problem(problems.read(folder / name))
        for stem, weights in family(problem):
            checkpoint.write(folder / name / f"{stem}.safetensors", weights, {"problem": name, "made_by": "explorer train-samples"}, replace=True)
            report(f"{name}/{stem}")


def measure(folder: Path, *, report: Say) -> Path:
    """Look at every family and measure its story; returns the store, one file."""
    path = folder / "samples.sqlite"
    path.unlink(missing_ok=True)
    with TemporaryDirectory() as scratch:
        store = RunStore(Path(scratch) / "store.sqlite")
        for name in FAMILIES:
            if (folder / name / "problem.toml").is_file():
                store.want(Look(places.shorten(folder / name)))
        Worker(store, Path(scratch)).work_off()
        for name, a, b, story in STORIES:
            if not (folder / name / "problem.toml").is_file():
                continue
            corners = tuple(loaded(folder / name / f"{stem}.safetensors") for stem in (a, b))
            field = Field(problems.read(folder / name), corners, methods.method("chart", "line"))
            store.want(Run(field, methods.method("sample", "adaptive"), story=story))
            report(f"{name}: {story}")
        Worker(store, Path(scratch)).work_off()
        failed = [s.error for kind in ("Look", "Run") for s in store.statuses(kind) if s.state != "done"]
        if failed:
            raise RuntimeError(f"The samples could not be measured: {failed[0]}")
        store.export(path)
        store.close()
    return path


def last(snapshots: Iterator[Weights]) -> Weights:
    """The weights at the end of training."""
    *_, final = snapshots
    return final


def _seeds(count: int, **options: object) -> Callable[[Problem], Iterator[tuple[str, Weights]]]:
    def family(problem: Problem) -> Iterator[tuple[str, Weights]]:
        for seed in range(count):
            yield f"seed-{seed}", last(train(problem, seed=seed, order=seed, **options))  # pyright: ignore[reportArgumentType]

    return family


def _branches(problem: Problem) -> Iterator[tuple[str, Weights]]:
    """Two children of each of several epochs of one trunk, with other batches and noise from there on (Frankle et al. 2020)."""
    trunk = list(train(problem, epochs=max(TRUNK_EPOCHS), lr=0.05, weight_decay=1e-3, seed=0, order=0))
    for epoch in TRUNK_EPOCHS:
        start = problem.network(seed=0).state_dict() if epoch == 0 else trunk[epoch - 1]
        for child, order in (("a", 101), ("b", 202)):
            rest = train(problem, start, epochs=40 - epoch, lr=0.05, weight_decay=1e-3, schedule="cosine", noise=0.1, order=order + epoch)
            yield f"epoch-{epoch}-{child}", last(rest)


def _finetunes(problem: Problem) -> Iterator[tuple[str, Weights]]:
    """One parent, and eight ways of training on from it (as for a model soup, Wortsman et al. 2022)."""
    parent = last(train(problem, epochs=8, lr=0.05, seed=0, order=0))
    yield "parent", parent
    ways = (
        {"lr": 0.02},
        {"lr": 0.05, "noise": 0.1},
        {"lr": 0.02, "weight_decay": 3e-3},
        {"lr": 0.05, "shift": True},
        {"lr": 0.1, "noise": 0.05},
        {"lr": 0.02, "shift": True, "noise": 0.05},
        {"lr": 1e-3, "optimizer": "adamw", "weight_decay": 0.05},
        {"lr": 0.3, "batch": 32},  # too hot: an ingredient that a good recipe leaves out
    )
    for number, way in enumerate(ways, start=1):
        yield f"tune-{number}", last(train(problem, parent, epochs=15, order=number, **({"schedule": "cosine"} | way)))  # pyright: ignore[reportArgumentType]


def _trajectory(problem: Problem) -> Iterator[tuple[str, Weights]]:
    """Every second epoch of one run."""
    for epoch, weights in enumerate(train(problem, epochs=24, lr=0.05, weight_decay=1e-3, seed=0, order=0), start=1):
        if epoch % 2 == 0:
            yield f"epoch-{epoch:02}", weights


FAMILIES: dict[str, Callable[[Problem], Iterator[tuple[str, Weights]]]] = {
    "digits-mlp": _seeds(5, **MLP),
    "digits-mlp-branches": _branches,
    "digits-mlp-finetunes": _finetunes,
    "digits-mlp-trajectory": _trajectory,
    "digits-resnet": _seeds(3, epochs=25, lr=0.05, schedule="cosine", weight_decay=1e-3),
    "digits-vit": _seeds(2, epochs=40, lr=2e-3, optimizer="adamw", schedule="cosine", weight_decay=0.05),
    "char-gpt": _seeds(2, epochs=25, lr=3e-3, optimizer="adamw", schedule="cosine", weight_decay=0.05, batch=32),
}
