"""What every claim has at hand: problems, trainings and measurements by the product's own `explorer.api`, kept in one folder under their recipes.

Whatever two claims share, such as the fine-tunes of one parent, is trained once. Replicate r has training seeds of its own, 100·r and above.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import cos, pi
from pathlib import Path

import numpy as np

from benchmarks.survey import images
from explorer import api
from explorer.core import registry
from explorer.core.points import Points
from explorer.core.spec import Fused, ProblemSpec, Recipe, Run, Trained
from explorer.problems import problem_toml
from explorer.stats import barriers
from explorer.stats.intervals import Estimate
from explorer.store.run_store import RunStore

LOSS, ERROR = 0, 1  # columns of the metrics
LINE: Mapping[str, object] = {"sampler": "grid", "options": {"size": 11}}
PIXELS: Mapping[str, int] = {"quick": 64, "middle": 196, "full": 784}
PLAIN: Mapping[str, object] = {"lr": 0.1, "weight_decay": 1e-3, "noise": 0.25}  # as the shipped MLPs are trained
TUNES: tuple[Mapping[str, object], ...] = (
    {"lr": 0.02},
    {"lr": 0.1, "noise": 0.1},
    {"lr": 0.05, "weight_decay": 1e-2},
    {"lr": 0.1, "label_noise": 0.05},
    {"lr": 0.05, "noise": 0.4},
    {"lr": 3e-3, "optimizer": "adamw", "weight_decay": 0.05},
    {"lr": 0.1, "batch": 32},
    {"lr": 0.05, "noise": 0.25, "shift": True},
)

SCALES = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0)  # times the mean of the task vectors


@dataclass(frozen=True)
class Workshop:
    """size: `quick` (digits), `middle` (a few small images of Fashion-MNIST, and else all as for digits) or `full` (Fashion-MNIST). home: the folder of the
    store, the weights and the data. fashion: the folder of Fashion-MNIST's files."""

    size: str
    home: Path
    device: str = "cpu"
    fashion: Path = images.FASHION

    @property
    def quick(self) -> bool:
        """Whether networks and trainings are the small ones."""
        return self.size != "full"

    @property
    def how(self) -> dict[str, object]:
        """Keywords of every call of the api."""
        return {"home": self.home, "device": self.device, "progress": False}

    @cached_property
    def data(self) -> Path:
        """The folder of the images, written once."""
        folder = self.home / f"images-{self.size}"
        if not (folder / "tasks.npz").exists():  # the last to be written
            images.write(folder, self.size, self.fashion)
        return folder

    def problem(self, network: str, data: str = "plain", tests: Sequence[str] = ("shifted",)) -> ProblemSpec:
        """A problem: the [network] table's lines, the data to train on, and the test sets besides their own."""
        classes = f"classes = {[str(k) for k in range(10)]}\n".replace("'", '"')
        text = f'loss = "cross_entropy"\n[network]\n{network}\n[data]\nname = "npz"\npath = "{self.data / data}.npz"\n{classes}[split]\nval = 0.2\n'
        for name in tests:
            text += f'[tests.{name}]\npath = "{self.data / name}.npz"\n'
        folder = self.home / "problems" / f"{network.split(chr(10))[0].split(chr(34))[1]}-{data}"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "problem.toml"
        file.write_text(text, encoding="utf-8")
        return problem_toml.read(file)

    def mlp(self, data: str = "plain", *, width: int = 0, depth: int = 2, tests: Sequence[str] = ("shifted",)) -> ProblemSpec:
        """An MLP of `depth` hidden layers; 64 wide for digits and 512 for Fashion-MNIST, unless given."""
        inner = [width or (64 if self.quick else 512)] * depth
        return self.problem(f'name = "mlp"\nwidths = {[PIXELS[self.size], *inner, 10]}', data, tests)

    def resnet(self) -> ProblemSpec:
        """A ResNet with batch norm."""
        widths = [8, 16, 32] if self.quick else [32, 64, 128]
        return self.problem(f'name = "resnet"\nchannels = 1\nwidths = {widths}\nblocks = 1\nclasses = 10')

    def trained(self, problem: ProblemSpec, seed: int, *, start: Recipe | None = None, epochs: int = 0, **options: object) -> Trained:
        """The end of one training by SGD, 60 epochs for digits and 15 for Fashion-MNIST unless given; the recipe of the shipped MLPs where no option says otherwise."""
        return self.snapshots(problem, seed, start=start, epochs=epochs, every=0, **options)[-1]

    def snapshots(
        self,
        problem: ProblemSpec,
        seed: int,
        *,
        start: Recipe | None = None,
        epochs: int = 0,
        every: int = 1,
        method: str = "sgd",
        **options: object,
    ) -> tuple[Trained, ...]:
        """One of every so many epochs of a training, in order; `every` = 0: the last alone."""
        epochs = epochs or (60 if self.quick else 15)
        given = {**PLAIN, "seed": seed, "order_seed": seed, "epochs": epochs, **options}
        chosen = registry.method("train", method, given)
        total = registry.snapshots_of(chosen)
        return api.train(problem, method=method, method_options=given, start=start, every=every or total, **self.how)

    def branches(self, problem: ProblemSpec, seed: int, at: int, *, epochs: int = 20) -> tuple[Trained, Trained]:
        """Two children of the epoch `at` of one trunk, which see other batches and noise from there on. All are trained for `epochs` in all."""
        noisy = {"batch": 16 if self.quick else 64}
        start = self.snapshots(problem, seed, epochs=epochs, **noisy)[at - 1] if at else None
        rate = 0.05 * (1 + cos(pi * at / epochs))  # where the trunk's cosine is
        a, b = (self.trained(problem, seed, start=start, epochs=epochs - at, lr=rate, order_seed=seed + k, **noisy) for k in (1, 2))
        return a, b

    def tunes(self, problem: ProblemSpec, seed: int) -> tuple[Trained, tuple[Trained, ...]]:
        """A parent, and eight ways of training on from it, as for a model soup."""
        parent = self.trained(problem, seed, epochs=20 if self.quick else 6)
        epochs = 15 if self.quick else 4
        return parent, tuple(
            self.trained(problem, seed, start=parent, epochs=epochs, **{"noise": 0.0, "weight_decay": 0.0, **way, "order_seed": seed + k})
            for k, way in enumerate(TUNES, 1)
        )

    def wandering(self, problem: ProblemSpec, seed: int, *, method: str = "swa", skip: bool = True, **options: object) -> tuple[Trained, ...]:
        """The epochs of a training in small batches at a rate that never falls; `skip` leaves out the first third."""
        epochs = 24 if self.quick else 12
        batch = 16 if self.quick else 64
        every = self.snapshots(problem, seed, epochs=epochs, method=method, begin=0, swa_lr=0.1, batch=batch, **options)
        return every[epochs // 3 if skip else 0 :]

    def tasks(self, seed: int) -> tuple[ProblemSpec, Trained, tuple[Trained, ...]]:
        """The problem of all views, a network trained on it for a while, and that network trained on for each view but the plain one alone."""
        problem = self.mlp("tasks", width=256 if self.quick else 1024, tests=tuple(images.VIEWS))
        base = self.trained(problem, seed, epochs=8 if self.quick else 2)
        return problem, base, tuple(self.tuned(base, view, k) for k, view in enumerate(images.VIEWS, 1) if view != "plain")

    def tuned(self, base: Trained, data: str, order: int) -> Trained:
        """A network of `tasks` trained on for one of the data alone."""
        problem = self.mlp(data, width=256 if self.quick else 1024, tests=())
        return self.trained(problem, order, start=base, epochs=10 if self.quick else 3, lr=0.05)

    def at_best_scale(self, problem: ProblemSpec, base: Recipe, tuned: Sequence[Recipe], method: str, **options: object) -> Fused:
        """Task vectors merged by a method, scaled by what has the lowest error on the validation split: SCALES times their mean."""
        made = [
            self.fused(
                problem,
                (base, *tuned),
                method,
                **options,
                **({"coefficients": (s / len(tuned),) * len(tuned)} if method == "task_arithmetic" else {"scale": s}),
            )
            for s in SCALES
        ]
        return made[best(self.points(problem, *made, split="val"), ERROR)]

    def fused(self, problem: ProblemSpec, models: Sequence[Recipe], method: str, buffers: str = "recalibrate", **options: object) -> Fused:
        """The recipe of a merged model."""
        return Fused(problem, tuple(models), registry.method("fuse", method, options), buffers)  # pyright: ignore[reportArgumentType]

    def points(self, problem: ProblemSpec, *models: Recipe, split: str = "test") -> list[Points]:
        """Every model measured as it is: one point each, all on the same samples in the same blocks."""
        found = [api.look(model, problem=problem, split=split, **self.how).points for model in models]
        return found

    def ensemble(self, problem: ProblemSpec, *models: Recipe) -> Points:
        """What the models say together, on the test split: the mean of their probabilities."""
        found = api.study(*models, method="ensemble", problem=problem, **self.how)
        return Points(np.zeros((1, 1)), np.array([found["ensemble"]]), np.array(found["counts"]))

    def line(self, problem: ProblemSpec, a: Recipe, b: Recipe, **how: object) -> api.Line:
        """The straight line, at 11 points."""
        return api.interpolate(a, b, problem=problem, **{**LINE, **self.how, **how})

    def line_shown(self, problem: ProblemSpec, a: Recipe, b: Recipe, **how: object) -> str:
        """The address of the straight line between two models, measured for whoever wants to look."""
        line = self.line(problem, a, b, **how)
        return self.shown(line.run, line.points, "interpolate")

    def aligned(self, problem: ProblemSpec, *models: Recipe, method: str, **options: object) -> api.AlignedModels:
        """Models after an alignment, and the lines before and after."""
        return api.align(*models, method=method, method_options=options, problem=problem, **LINE, **self.how)

    def path(self, problem: ProblemSpec, a: Recipe, b: Recipe, method: str, **options: object) -> api.Line:
        """A trained path, at 31 points; 300 epochs for digits and 30 for Fashion-MNIST, with the networks' weight decay and rate."""
        given = {"epochs": 300 if self.quick else 30, "lr": 0.1, "weight_decay": 1e-3, **options}
        return api.connect(a, b, method=method, method_options=given, problem=problem, sampler="grid", options={"size": 31}, **self.how)

    def shown(self, run: Run, points: Points, page: str) -> str:
        """The address of a measured run in an app whose home is this folder."""
        RunStore.within(self.home).filed(run, len(points))
        return f"{page}?{'run' if page == 'interpolate' else 'runs'}={run.id}"


def barrier(line: api.Line, metric: str = "loss") -> Estimate:
    """The height of a path's barrier."""
    return line.barrier(metric).height


def lower(before: api.Line, after: api.Line, metric: int = LOSS) -> Estimate:
    """How much lower the barrier of one path is than that of another, paired."""
    found = barriers.reduction(before.points, after.points, metric)
    assert found is not None, "both ends of both paths were measured"
    return found


def less(than: Points, one: Points, metric: int = LOSS) -> Estimate:
    """How much lower a metric of one model is than that of another, paired."""
    return barriers.difference(than, one, metric)


def level(one: Points, metric: int = LOSS) -> Estimate:
    """A metric of a model."""
    return barriers.level(one, metric)


def typical(models: Sequence[Points]) -> Points:
    """What models have on average, which no model need have."""
    return Points(models[0].coords, np.mean([m.values for m in models], axis=0), models[0].counts)


def best(models: Sequence[Points], metric: int = LOSS) -> int:
    """Which of the models has the lowest value: choose on the validation split, and report on another."""
    return int(np.argmin([float(m.means()[0, metric]) for m in models]))
