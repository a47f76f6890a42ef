"""What the command line says of what was found: tables and sentences on the console, and the same as plain data for JSON."""

from __future__ import annotations

import dataclasses
import json
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from explorer.core import needs, registry, significant_digits
from explorer.stats import metrics, perplexity, units
from explorer.stats.hidden_peaks import hidden
from explorer.stats.intervals import Estimate
from explorer.stats.line_metrics import worse_upward
from explorer.stats.metrics import PLAIN
from explorer.stats.preview_confirmation import is_preview

if TYPE_CHECKING:  # the command line starts without torch
    from collections.abc import Mapping, Sequence

    from explorer.api import AlignedModels, Line, Models
    from explorer.checkpoints.task_survey import Survey
    from explorer.core.points import Points
    from explorer.core.spec import ProblemSpec
    from explorer.merging.plan import MergePlan
    from explorer.stats.barriers import Barrier

# What is printed holds names and texts of others: brackets and colons in it ([network], :net:) are no markup.
out, err = Console(markup=False, emoji=False), Console(stderr=True, markup=False, emoji=False)


def print_barriers(found: list[Barrier], title: str, problem: ProblemSpec, *, unseen: list[str], caution: str = "") -> None:
    """unseen: of each barrier, what its points do not show."""
    from explorer.stats import line_words

    table = Table("", "barrier", "95 % interval", "at t", "ends", "peak", title=title, title_justify="left")
    for b in found:
        scale = units.scale(b.metric)
        value, low, high = b.height.parts(scale=scale)
        ends = f"{scale * b.ends[0]:.3g}, {scale * b.ends[1]:.3g}"
        table.add_row(
            units.titled(b.metric, units.of_level(problem, b.metric)), value, f"[{low}, {high}]", f"{b.at:.3f}", ends, f"{scale * b.peak:.3g}"
        )
    out.print(table)
    for b in found:
        out.print(f"  {b.metric}: {line_words.verdict_words(problem, b)}".replace("**", ""), highlight=False)
        for name, e in b.others:
            out.print(f"  {b.metric}: {name} = {e.formatted(scale=units.scale(b.metric), unit=units.of_gap(problem, b.metric))}", highlight=False)
        if b.metric == "loss" and perplexity.applies(problem):
            first, last = map(perplexity.from_loss, b.ends)
            out.print(f"  perplexity: ends {first:.4g}, {last:.4g}; peak {perplexity.from_loss(b.peak):.4g}", highlight=False)
        if b.diverged:
            out.print(f"  {b.metric}: {b.diverged} points are not finite and were left out: the true barrier is higher.", style="red")
    out.print(
        f"barrier = max over the measured t of L(t) − (1−t)·L(0) − t·L(1); {found[0].points} points, {found[0].samples} samples, paired.",
        style="dim",
    )
    for b, said in zip(found, unseen, strict=True):
        out.print(f"{b.metric}: {said.replace('**', '')}", style="yellow" if "**" in said else "dim", highlight=False)
    if caution:
        out.print(caution, style="yellow", highlight=False)


def tell_line(line: Line, title: str, *, metric: str, as_json: bool, tests: Mapping[str, Line]) -> None:
    """A measured path: its barriers, of this metric too, on the console or as JSON; then those on each of the test sets."""
    from explorer.stats.line_words import unseen

    if as_json:
        apart = {name: {"run": t.run.id, "barriers": [dataclasses.asdict(t.barrier(m)) for m in _told(t, metric)]} for name, t in tests.items()}
        print(json.dumps(line_json(line, metric) | ({"tests": apart} if apart else {}), indent=2))
    else:
        field, told = line.run.field, _told(line, metric)
        print_barriers(
            [line.barrier(m) for m in told],
            f"{title} · {field.problem.name} · {field.measured_on} split",
            field.problem,
            unseen=[unseen(field, line.points, m, line.run.sampler) for m in told],
            caution=line.caution(),
        )
        if tests:
            print_lines(tests, told)


def print_lines(tests: Mapping[str, Line], told: tuple[str, ...]) -> None:
    """The barrier on each test set, by each metric; the perplexity of the ends and the peak."""
    table = Table("test set", "", "barrier", "95 % interval", "ends", "peak", title="On each test set", title_justify="left")
    for name, line in tests.items():
        problem = line.run.field.problem
        for metric in told:
            barrier, scale = line.barrier(metric), units.scale(metric)
            value, low, high = barrier.height.parts(scale=scale)
            ends = ", ".join(f"{scale * end:.3g}" for end in barrier.ends)
            table.add_row(name, units.titled(metric, units.of_level(problem, metric)), value, f"[{low}, {high}]", ends, f"{scale * barrier.peak:.3g}")
            if metric == "loss" and perplexity.applies(problem):
                first, last, top = map(perplexity.from_loss, (*barrier.ends, barrier.peak))
                table.add_row("", "perplexity", "", "", f"{first:.4g}, {last:.4g}", f"{top:.4g}")
    out.print(table)


def print_places(found: Mapping[str, Points], names: list[str], measured: Sequence[str], metric: str, unit: str) -> None:
    """A metric at a few places of a plane, a row for each place and a column for each test set."""
    title = units.titled(f"{metrics.find(metric).called} on each test set, with 95 % intervals", unit)
    table = Table(Column(overflow="fold"), *(Column(name, no_wrap=True) for name in found), title=title, title_justify="left")
    scale, cells = units.scale(metric), list[list[str]]()
    for points in found.values():
        ends = zip(metrics.means(points, measured, metric), *metrics.interval(points, measured, metric), strict=True)
        cells.append([f"{value} [{low}, {high}]" for value, low, high in (Estimate(*map(float, each)).parts(scale=scale) for each in ends)])
    for name, *row in zip(names, *cells, strict=True):
        table.add_row(name, *row)
    out.print(table)


def print_models(tests: Mapping[str, Models], names: list[str], title: str) -> None:
    """A row for each model and a column for each test set: the loss, the perplexity and the error, as far as these mean something, with 95 % intervals."""
    problem = next(iter(tests.values())).run.field.problem
    shown = [m for m in ("loss", "perplexity", "error") if metrics.find(m).suits(problem)]
    columns = (Column(name, no_wrap=True) for name in tests)
    table = Table(Column(overflow="fold"), "", *columns, title=f"{title}, with 95 % intervals", title_justify="left")
    for i, name in enumerate(names):
        for metric in shown:
            titled = units.titled(metric, units.of_level(problem, metric))
            parts = [found.value(i, metric).parts(scale=units.scale(metric)) for found in tests.values()]
            table.add_row(name if metric == shown[0] else "", titled, *(f"{value} [{low}, {high}]" for value, low, high in parts))
    out.print(table)


def line_json(line: Line, metric: str = "loss") -> dict[str, object]:
    field = line.run.field
    barriers = [
        {**dataclasses.asdict(line.barrier(m)), "verdict": dataclasses.asdict(line.verdict(m)), "hidden": hidden_json(line, m)}
        for m in _told(line, metric)
    ]
    preview = {"preview": field.precision} if is_preview(field) else {}
    preview |= {"caution": line.caution()} if line.caution() else {}
    return {"run": line.run.id, "problem": field.problem.name, "split": field.measured_on, "barriers": barriers, **preview}


def _told(line: Line, metric: str = "loss") -> tuple[str, ...]:
    """The metrics of which a line's barriers are told: loss and error where they mean something, and the one that was asked for."""
    from explorer.stats.line_words import meaningful_metrics

    return tuple(dict.fromkeys((*(m for m in meaningful_metrics(line.run.field) if m in PLAIN), metric)))


def hidden_json(line: Line, metric: str) -> dict[str, object] | None:
    """What the points do not show; None where nothing between the ends is finite."""
    found = hidden(worse_upward(line.points, line.run.field.metrics, metric))
    return None if found is None else {**dataclasses.asdict(found), "out_of_budget": found.out_of_budget(line.run.sampler)}


def print_alignment(done: AlignedModels, models: list[Path]) -> None:
    from explorer.stats.line_words import meaningful_metrics

    found = done.matched
    table = Table("to", "", "barrier before", "barrier after", "lower by", title_justify="left")
    table.title = f"{models[0].name} as reference · {found.method} · {found.seconds:.1f} s · {100 * found.movable:.1f} % of the parameters can move"
    for path, pair in zip(models[1:], done.pairs, strict=True):
        for metric in meaningful_metrics(pair.after.run.field):
            named = units.titled(metric, units.of_gap(pair.after.run.field.problem, metric))
            after = estimate(pair.after.barrier(metric).height, metric)
            if pair.before is None:
                table.add_row(path.name, named, "different widths: no line", after, "")
            else:
                table.add_row(path.name, named, estimate(pair.before.barrier(metric).height, metric), after, estimate(pair.reduction(metric), metric))
    out.print(table)
    for i, name in enumerate(found.names[1:], start=1):
        before = f"{found.before[0, i]:.4g}" if done.pairs[i - 1].before else "none"
        out.print(f"  {name}: distance to the reference {before} → {found.after[0, i]:.4g}", highlight=False)
    for doubt in dict.fromkeys(d for pair in done.pairs for line in (pair.before, pair.after) if line is not None for d in line.doubts):
        out.print(f"  {doubt}", style="yellow", highlight=False)
    if not found.exact:
        out.print(f"  {found.method} changes what the models compute: the end of the line after it is not the checkpoint itself.", style="yellow")
    for note in (*found.notes, *found.warnings, *(f"Operator without a rule, held fixed: {u}" for u in found.unknown)):
        out.print(f"  {note}", style="yellow")
    for row in found.classes:
        own = f", a map for each unit of {row.within}" if row.within else ""
        out.print(f"  {row.name}: {row.size} places, {row.cls}{own}", highlight=False)
    for sentence in (*found.permutations_only, *found.held):
        out.print(f"  {sentence}", style="dim", highlight=False)
    for file in done.files[1:]:
        out.print(f"  saved at {file}", style="dim", highlight=False, soft_wrap=True)


def alignment_json(done: AlignedModels) -> dict[str, object]:
    return {
        "method": done.matched.method,
        "seconds": done.matched.seconds,
        "movable": done.matched.movable,
        "held": list(done.matched.held),
        "classes": [dataclasses.asdict(c) for c in done.matched.classes],
        "doubts": list(dict.fromkeys(d for pair in done.pairs for line in (pair.before, pair.after) if line is not None for d in line.doubts)),
        "checkpoints": [str(f) for f in done.files],
        "pairs": [
            {
                "models": [done.matched.names[0], name],
                "before": [dataclasses.asdict(pair.before.barrier(m)) for m in _told(pair.before)] if pair.before else None,
                "after": [dataclasses.asdict(pair.after.barrier(m)) for m in _told(pair.after)],
                "reduction": [dataclasses.asdict(pair.reduction(m)) for m in _told(pair.after)] if pair.before else None,
                "distance": [float(done.matched.before[0, i]) if pair.before else None, float(done.matched.after[0, i])],
            }
            for i, (name, pair) in enumerate(zip(done.matched.names[1:], done.pairs, strict=True), start=1)
        ],
    }


def print_plan(made: MergePlan) -> None:
    from explorer.merging import engine

    table = Table("tensor", "shape", "dtype", "settings")
    module = ""
    for job in made.jobs:
        if job.module != module:
            module = job.module
            table.add_section()
            table.add_row(Text(f"module {module}", style="bold"))
        table.add_row(job.name, "×".join(map(str, job.shape)) or "scalar", job.dtype, job.said)
    out.print(table)
    out.print(
        f"{len(made.jobs):,} tensors of {len(made.ingredients)} models · {sized(made.bytes_read)} to read in a pass, {sized(made.bytes_written)} to write"
        f" · {sized(engine.memory(made))} of blocks in memory · about {engine.seconds(made):.0f} s of work",
        highlight=False,
        soft_wrap=True,
    )


def print_survey(found: Survey) -> None:
    """A row for each layer of each model."""
    table = Table(
        Column("layer", overflow="fold"),
        Column("model", overflow="fold"),
        *(Column(name, no_wrap=True) for name in ("change / base", "cosine", "against (%)", "stable rank")),
        title="What is to be merged",
        title_justify="left",
    )
    for i, layer in enumerate(found.layers):
        for k, model in enumerate(found.models):
            numbers = (found.norm[i, k], found.cosine[i, k], 100 * found.against[i, k], found.rank[i, k])
            table.add_row(layer if not k else "", model, *(significant_digits.number(float(v), 3) if isfinite(v) else "" for v in numbers))
    out.print(table)


def print_methods(kind: str, names: list[str]) -> None:
    groups = {needs.TITLES[which]: of for which, of in needs.grouped(names).items()} if kind == "fuse" else {"": names}
    table = Table("method", "what it does", "options")
    for title, of in groups.items():
        if title:
            table.add_row(Text(f"Needs: {title.lower()}", style="bold"))
        for name in of:
            table.add_row(name, registry.title(kind, name), ", ".join(f"{o.name}={o.default}" for o in registry.options(kind, name)))
        table.add_section()
    out.print(table)


def estimate(found: Estimate, metric: str) -> str:
    return found.formatted(scale=units.scale(metric))


def interval(numbers: tuple[float, float, float], scale: float = 1.0) -> str:
    return significant_digits.within(*(scale * n for n in numbers))


def sized(count: int) -> str:
    return next(
        f"{count / unit:.3g} {name}" for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"), (1, "bytes")) if count >= unit or unit == 1
    )
