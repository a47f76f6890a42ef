"""A training's snapshots and the averages along it: what is measured of them, and what each is called. The Train page's data."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import cast

import numpy as np

from explorer.core import registry
from explorer.core.points import Array, Points, rounded
from explorer.core.spec import Field, Fused, Loaded, Method, ProblemSpec, Recipe, Run, SplitName, Trained
from explorer.engine import ratatouille_recipes
from explorer.stats import metrics as metric_table
from explorer.stats.averaging_coefficients import swa
from explorer.ui.landscape import form as landscape_form

NUMBER = re.compile(r"(\d{1,9})$")  # epoch-24


@dataclass(frozen=True)
class Kind:
    """A kind of average along a training: the sampler that asks for it, and the options of that which are its own."""

    name: str
    sampler: str
    options: tuple[str, ...]

    def way(self, given: Mapping[str, object], members: int = 1) -> Method:
        """The sampler with these options, of those that are its own; the others keep their defaults."""
        known = {o.name for o in registry.options("sample", self.sampler)}
        shared = {name: value for name, value in (("average", self.name), ("members", members)) if name in known}
        return registry.method("sample", self.sampler, {**shared, **{k: v for k, v in given.items() if k in self.options}})


def kinds(members: int = 1) -> dict[str, Kind]:
    """Every average along a training of so many networks, by name: each choice of a sampler's option `average`, which shares the options of the fusing method
    of that name; or the sampler itself."""
    found: dict[str, Kind] = {}
    for sampler in (s for s in registry.names("sample") if registry.averages_along(s)):
        known = {o.name: o for o in registry.options("sample", sampler)}
        if members > 1 and "members" not in known:
            continue
        if "average" in known:
            for name in map(str, known["average"].choices):
                found[name] = Kind(name, sampler, tuple(o.name for o in registry.options("fuse", name) if o.name in known))
        else:
            found[sampler] = Kind(sampler, sampler, tuple(name for name in known if name != "members"))
    return found


def called(way: Method) -> str:
    """What the average of a sampler is called."""
    return str(way.kwargs().get("average", way.name))


@dataclass(frozen=True)
class Task:
    """One of the things that are measured, and what it is called."""

    name: str
    run: Run


@dataclass(frozen=True)
class Trajectory:
    """Snapshots in order, of all `members` that are trained together one snapshot after another, samplers of averages along them, and what is measured of
    all of them."""

    problem: ProblemSpec
    models: tuple[Recipe, ...]
    ways: tuple[Method, ...]
    metrics: tuple[str, ...] = metric_table.PLAIN

    @classmethod
    def from_runs(cls, runs: Sequence[Run]) -> Trajectory | None:
        """The trajectory of an address; None when its runs are of no single one."""
        found = [run for run in runs if registry.averages_along(run.sampler.name)]
        if not found or len({run.field.id for run in found}) > 1:
            return None
        field = found[0].field
        return cls(field.problem, field.corners, tuple(run.sampler for run in found), field.metrics)

    @property
    def members(self) -> int:
        """How many networks are trained together."""
        return cast("int", self.ways[0].kwargs().get("members", 1))

    @property
    def epochs(self) -> Array:
        """(T,) where each snapshot stands: its number in the training, or in its file's name, else its place in the order."""
        firsts = self.models[:: self.members]
        found = [m.at if isinstance(m, Trained) else int(n[1]) if isinstance(m, Loaded) and (n := NUMBER.search(m.name)) else 0 for m in firsts]
        rising = found[0] > 0 and all(a < b for a, b in pairwise(found))
        return np.array(found, float) if rising else np.arange(1.0, len(firsts) + 1)

    @property
    def name(self) -> str:
        """What it is called."""
        first = self.models[0]
        how = (
            "ratatouille"
            if ratatouille_recipes.is_tuned(first)
            else f"{first.method.name} training"
            if isinstance(first, Trained)
            else "these snapshots"
        )
        return how if self.members == 1 else f"{how} of {self.members} networks"

    def field(self, split: SplitName) -> Field:
        """All mixtures of the snapshots on a split."""
        return Field(self.problem, self.models, registry.method("chart", "mixture"), split=split, metrics=self.metrics)

    def measured_for(self, metric: str) -> Trajectory:
        """The same measured for a metric: itself where its points give it."""
        return replace(self, metrics=metric_table.field_for(self.field("val"), metric).metrics)

    def tasks(self) -> list[Task]:
        """What is measured on the validation split: the snapshots, and each average after each of them."""
        return [Task(called(way).upper(), Run(self.field("val"), way)) for way in self.ways]

    def begun(self, times: int) -> Trajectory:
        """The part of it up to a number of snapshots."""
        return replace(self, models=self.models[: times * self.members])

    def rows(self, way: Method, points: Points) -> Array:
        """(T, C) the averages of one way after each snapshot; fewer while they are not known."""
        averages = cast("Callable[..., Array]", registry.find("sample", way.name, function="averages"))
        return averages(points, **way.kwargs())

    def report(self, points: Points) -> Task | None:
        """The test split's run: the last snapshot, and each average after it; None while a valley is not known."""
        last = np.eye(len(self.models))[-self.members]
        rows = [self.rows(way, points)[-1:] for way in self.ways]
        if any(not len(r) for r in rows):
            return None
        at = tuple(float(c) for c in np.concatenate([last[None], *rows]).ravel())
        return Task("test split", Run(self.field("test"), registry.method("sample", "given", {"at": at})))

    def late(self) -> tuple[Recipe, ...]:
        """The snapshots that SWA averages, or the later half where it is not among the averages: those that scatter around one place."""
        found = next((way.kwargs() for way in self.ways if called(way) == "swa"), None)
        skip, every = (cast("int", found["skip"]), cast("int", found["every"])) if found else (len(self.epochs) // 2, 1)
        used = np.repeat(swa(len(self.epochs), skip=skip, every=every), self.members) > 0
        return tuple(m for m, kept in zip(self.models, used, strict=True) if kept)

    def plane(self) -> Run:
        """The plane closest to the snapshots."""
        run = landscape_form.through(self.problem, self.models)
        return replace(run, field=replace(run.field, metrics=self.metrics))

    def fused(self, way: Method) -> Fused | None:
        """An average after the last snapshot as a recipe that says how it was made; None where no fusing method is called like it."""
        if (kind := called(way)) not in registry.names("fuse"):
            return None
        known = {o.name for o in registry.options("fuse", kind)}
        how = registry.method("fuse", kind, {k: v for k, v in way.options if k in known})
        souped = tuple(
            Fused(self.problem, self.models[i : i + self.members], registry.method("fuse", "uniform_soup"))
            for i in range(0, len(self.models), self.members)
        )
        return Fused(self.problem, self.models if self.members == 1 else souped, how, name=f"{kind.upper()} of {self.name}")


def values_at(points: Points, rows: Array) -> Points | None:
    """The measured points that stand at these coordinates, in their order; None while one is missing."""
    where = {row.tobytes(): i for i, row in enumerate(rounded(points.coords))}
    at = [where.get(row.tobytes(), -1) for row in rounded(rows)]
    return None if -1 in at else Points(points.coords[at], points.values[at], points.counts)


@dataclass(frozen=True)
class Average:
    """What is known of one average: its rows after each snapshot, and its values there on the validation split."""

    name: str
    way: Method
    rows: Array
    values: Points | None


def averages_of(there: Trajectory, points: Points) -> list[Average]:
    """What is known of each average of a trajectory, given its points on the validation split."""
    found: list[Average] = []
    for way in there.ways:
        rows = there.rows(way, points)
        found.append(Average(called(way).upper(), way, rows, values_at(points, rows) if len(rows) else None))
    return found
