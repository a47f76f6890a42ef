"""What one takes from ways between two models: words from the numbers, and the Python that measures them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from explorer.core.markdown import plain
from explorer.core.points import Points
from explorer.core.spec import Aligned, Connected, Field, Recipe
from explorer.figures import line
from explorer.stats import line_metrics, line_words, metrics, units
from explorer.stats.preview_confirmation import Confirmed, is_preview
from explorer.ui.paths.form import NamedPath
from explorer.ui.widgets import python_source


def words(measured: Sequence[tuple[NamedPath, Points]], metric: str, again: Mapping[str, Confirmed | None]) -> str:
    """Each way in a sentence, and what none of them can show. again: of previews, what was measured in float32."""
    scale = units.scale(metric)
    extreme, moves = ("lowest", "falls below") if line_metrics.falls(metric) else ("highest", "rises above")
    said: list[str] = []
    for way, every in measured:
        points = line.quoted(way.run.field, every, again[way.name])
        caution = f" {line_words.caution(way.run.field, again[way.name])}" if is_preview(way.run.field) else ""
        if not len(points):
            said.append(f"- **{plain(way.name)}**:{caution}")
            continue
        measured_as = way.run.field.metrics
        top, found = line_metrics.worst(points, measured_as, metric), line_metrics.barrier_of(points, measured_as, metric)
        climbs = "" if found is None else f"; it {moves} the straight line between the ends by {found.height.formatted(scale=scale)}"
        none = "" if found is None or found.height.low > 0 else ", which does not exclude zero"
        said.append(
            f"- **{plain(way.name)}**: the {extreme} {metrics.find(metric).called} is {top.formatted(scale=scale)}{units.after(units.of_level(way.run.field.problem, metric))}{climbs}{none}.{caution}"
            f" {line_words.unseen(way.run.field, every, metric, way.run.sampler)}".rstrip()
        )
    return "\n".join(said) + (
        "\n\nA trained path was fitted on the train split and is evaluated here on another one. Intervals are 95 %, over evaluation"
        " samples, not over training seeds, and hold at the measured points. That no low path was found does not show"
        " that there is none."
    )


def program(ways: Sequence[NamedPath]) -> str:
    """Python that trains and measures the ways again."""
    first = ways[0].run
    kinds = [(w.run.field, w.run.sampler) for w in ways]
    asked = {(f.problem, f.split, f.samples, f.buffers, f.attack, f.precision, sampler) for f, sampler in kinds}
    if len(asked) > 1 or first.field.attack is not None:
        return python_source.program(
            python_source.runs({w.name: w.run for w in ways}) + "for name, found in measured.items():\n    print(name, barrier(found))"
        )
    a, b = (_end(first.field, k) for k in (0, -1))
    calls = "".join(f"    {w.name!r}: {_call(w.run.field)},\n" for w in ways)
    return python_source.program(
        f"a, b = {python_source.model(a)}, {python_source.model(b)}\n{python_source.how(first)}"
        f'ways = {{\n{calls}}}\nfor name, way in ways.items():\n    print(name, way.barrier("loss"))'
    )


def _end(field: Field, k: int) -> Recipe:
    """A model as it was before it was aligned."""
    corner = field.corners[k]
    return corner.models[corner.which] if isinstance(corner, Aligned) else corner


def _call(field: Field) -> str:
    made = next((c for c in field.corners if isinstance(c, Connected)), None)
    if made is not None:
        return f"connect(a, b, method={made.method.name!r}, method_options={made.method.kwargs()!r}, **how)"
    aligned = next((c for c in field.corners if isinstance(c, Aligned)), None)
    if aligned is None:
        return "interpolate(a, b, **how)"
    return f"align(a, b, method={aligned.method.name!r}, method_options={aligned.method.kwargs()!r}, **how).pairs[0].after"
