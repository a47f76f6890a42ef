"""Paths between models, measured: the straight line, the line after an alignment, and trained paths."""

# `takes` has put every default in before one of these is called.
# pyright: reportTypedDictNotRequiredAccess=false

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

from explorer.api import _measuring
from explorer.api._keywords import Lines, Model, takes
from explorer.api.results import AlignedModels, Line, Pair
from explorer.core import registry
from explorer.core.errors import Refused
from explorer.core.locations import made_at, matched_at
from explorer.core.spec import Aligned, Connected, Run
from explorer.symmetry.alignment_report import Matched


@takes(Lines)
def interpolate(a: Model, b: Model, **how: Unpack[Lines]) -> Line:
    """Measure the straight line between two models: checkpoint files, networks, or recipes of models that were made.

    Files and objects are not changed. Networks in memory come with `data=` (`live_problem` says what that may be). Refused when the models are of different architectures, or fit no problem that is known.

    >>> line = interpolate("sample_models/digits-mlp/seed-0.safetensors", "sample_models/digits-mlp/seed-1.safetensors")
    >>> barrier = line.barrier("loss")
    >>> print(f"{barrier.height.value:.2f} nats at t = {barrier.at:.1f}, ends {barrier.ends[0]:.2f} and {barrier.ends[1]:.2f}")
    0.75 nats at t = 0.5, ends 0.07 and 0.07
    """
    spec, ends = _measuring.brought((a, b), how, alike=True)
    return _line(_measuring.along(spec, ends, registry.method("chart", "line"), how), how)


@takes(Lines)
def align(*models: Model, method: str = "weight_matching", method_options: Mapping[str, object] | None = None, **how: Unpack[Lines]) -> AlignedModels:
    """Align two or more models, and measure the line from the first to each other one before and after. The aligned checkpoints are kept in `home`.

    The first is the reference; most methods leave it as it is. `method`, `method_options`: one of `methods("align")`, and its options; what is not given
    takes its default. Refused when the method does not take these models or options.

    >>> aligned = align("sample_models/digits-mlp/seed-0.safetensors", "sample_models/digits-mlp/seed-1.safetensors")
    >>> (pair,) = aligned.pairs
    >>> print(f"{pair.before.barrier().height.value:.2f} nats before, {pair.after.barrier().height.value:.2f} after")
    0.75 nats before, 0.02 after
    """
    spec, recipes = _measuring.brought(_several(models), how)
    how["problem"] = spec
    aligned = Aligned.every(spec, recipes, registry.method("align", method, method_options))
    after = [interpolate(aligned[0], one, **how) for one in aligned[1:]]
    home = _measuring.store_of(how)[1]
    matched = Matched.read(matched_at(aligned[0], home))
    pairs = tuple(Pair(interpolate(recipes[0], r, **how) if matched.straight(i) else None, after[i - 1]) for i, r in enumerate(recipes) if i)
    return AlignedModels(aligned, tuple(made_at(r, home) for r in aligned), matched, pairs)


@takes(Lines)
def connect(
    a: Model,
    b: Model,
    *,
    method: str = "bezier",
    method_options: Mapping[str, object] | None = None,
    **how: Unpack[Lines],
) -> Line:
    """Train a path between two models, which stay as they are, and measure it.

    `method`, `method_options`: one of `paths()`, and its options. The corners it makes are kept in `home`; an interrupted training resumes.
    Refused for methods that make no path (of one coordinate).

    >>> ends = "sample_models/digits-mlp/seed-0.safetensors", "sample_models/digits-mlp/seed-1.safetensors"
    >>> curve = connect(*ends, method_options={"epochs": 5}, sampler="grid", options={"size": 9})
    >>> print(f"{curve.barrier().height.value:.1f} nats over a curve with {len(curve.run.field.corners)} corners")
    0.4 nats over a curve with 3 corners
    """
    chart = registry.chart_of(method)
    if len(registry.axes(chart)) != 1:
        raise Refused(
            f"{method} does not make a path but something of {len(registry.axes(chart))} dimensions. Paths are made by: {', '.join(paths())}."
        )
    chosen = registry.method("connect", method, method_options)
    spec, ends = _measuring.brought((a, b), how, alike=True)
    corners = Connected.every(spec, ends, chosen, registry.corners_of(chosen))
    return _line(_measuring.along(spec, corners, registry.method("chart", chart), how), how)


def paths() -> list[str]:
    """The methods that make a path between two models, for `connect`.

    >>> "bezier" in paths(), "subspace" in paths()
    (True, False)
    """
    return [m for m in registry.names("connect") if len(registry.axes(registry.chart_of(m))) == 1]


def _line(run: Run, how: Lines) -> Line:
    points = _measuring.measured(run, how)
    return Line(run, points, _measuring.again(run.field, points, how), _measuring.doubts(run.field, how), how["home"])


def _several(models: tuple[Model, ...]) -> tuple[Model, ...]:
    if len(models) < 2:
        raise Refused(f"align needs two models or more, got {len(models)}. The first is the reference.")
    return models
