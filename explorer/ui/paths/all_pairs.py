"""Many models at once: the barrier between every two of them, before and after aligning, and the tree that joins them all by the lowest barriers.

The Paths page's second view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from explorer.core import glossary
from explorer.core.markdown import plain
from explorer.core.points import Array, Points
from explorer.core.spec import Aligned, Recipe
from explorer.figures import matrix, report
from explorer.figures import tree as tree_figure
from explorer.stats import line_metrics, spanning_tree, units
from explorer.stats.barriers import Barrier
from explorer.stats.intervals import Estimate
from explorer.stats.training_seeds import mean_over_pairs
from explorer.store.run_store import RunStore
from explorer.ui.frame import head, query_state, shell
from explorer.ui.frame.polling import live
from explorer.ui.frame.run_set import active, asked_runs, begin, progress, submit
from explorer.ui.paths import all_pairs_form, many_pairs
from explorer.ui.paths.all_pairs_form import Pair
from explorer.ui.widgets import model_doubts, path_metric, python_source
from explorer.ui.widgets.chart_actions import actions, chart
from explorer.ui.widgets.form_state import names_a_model
from explorer.ui.widgets.model_picker import key_of

POLL_S = 1.0
FIRST = 5  # pairs that the page leads on to
LEAST = 420  # pixels of a matrix, which few models would not fill


INTRO = (
    "Which of many models lie in one basin? The barrier is measured on the straight line between **every two** of them. The **spanning tree** joins them"
    " all by the lowest barriers: the highest edge on the path from one model to another is the lowest possible climb via the others."
)


def page(store: RunStore, top: head.Form) -> None:
    """The view as a whole: form, matrices, tree."""
    found, asked = asked_runs(store)
    pairs = [
        all_pairs_form.pair_of(run) for run in found if run.field.chart.name == "line" and run.field.attack is None and "loss" in run.field.metrics
    ]
    middles = [run for run in found if many_pairs.is_part(run)][:1]
    if len(pairs) + len(middles) < asked:
        st.warning("Some lines in this link are not in this store. Choose the models and measure again.", icon=":material/link_off:")
    if not asked and not names_a_model():
        begin(pairs := all_pairs_form.default(store))
    shown = middles or [pair.run for pair in pairs]
    with top(INTRO, shown=all_pairs_form.summary(middles, pairs), key=shown[0].id if shown else ""):
        wanted = all_pairs_form.form(store, middles, pairs)
    if wanted:
        st.query_params.from_dict({"view": "many", "runs": submit(wanted)})
        st.rerun()
    if middles:
        many_pairs.show(store, middles)
    elif pairs:
        _show(store, pairs)
    else:
        st.info("Press **Measure**: every pair takes about a dozen points.", icon=":material/hub:")


@dataclass(frozen=True, eq=False)
class PairwiseBarriers:
    """What is known of the pairs in one metric; heights: (n, n) by whether the pairs are aligned."""

    pairs: list[Pair]
    points: dict[Pair, Points]
    found: dict[Pair, Barrier | None]
    models: list[Recipe]
    heights: dict[bool, Array]
    metric: str

    @property
    def names(self) -> list[str]:
        """What the models are called."""
        return [_name(m) for m in self.models]

    @property
    def unit(self) -> tuple[float, str]:
        """What heights are multiplied by, and what they are then."""
        return units.scale(self.metric), units.of_gap(self.pairs[0].run.field.problem, self.metric)

    @property
    def top(self) -> float:
        """The highest of all, for one scale of colours."""
        return max((float(np.nanmax(h)) for h in self.heights.values() if np.isfinite(h).any()), default=1.0) or 1.0


def _pairwise_barriers(store: RunStore, pairs: list[Pair], metric: str) -> PairwiseBarriers:
    points = {pair: store.points(pair.run.field.id)[0] for pair in pairs}
    models = list(dict.fromkeys(m for pair in pairs for m in (pair.a, pair.b)))
    found = {pair: _barrier(pair, points[pair], metric) for pair in pairs}
    scale = units.scale(metric)
    kinds = [kind for kind in (False, True) if any(pair.aligned == kind for pair in pairs)]
    heights = {kind: _matrix([p for p in pairs if p.aligned == kind], found, models) * scale for kind in kinds}
    return PairwiseBarriers(pairs, points, found, models, heights, metric)


def _show(store: RunStore, pairs: list[Pair]) -> None:
    with head.controls():
        metric = path_metric.choose(pairs[0].run.field, first="error", barriers=True)
    pairs = [replace(pair, run=path_metric.measured_for(store, pair.run, metric)) for pair in pairs]
    busy = active(store, pairs)
    live(_live, every=POLL_S, busy=busy)(store, pairs, metric, busy)
    _actions(store, _pairwise_barriers(store, pairs, metric))


def _live(store: RunStore, pairs: list[Pair], metric: str, was_active: bool) -> None:
    busy = active(store, pairs)
    if was_active != busy:
        st.rerun()
    seen = _pairwise_barriers(store, pairs, metric)
    for column, kind in zip(st.columns(len(seen.heights)), seen.heights, strict=True):
        with column, head.picture(f"matrix-{kind}"):
            chart(
                _squares(seen, kind),
                key=f"many-matrix-{kind}",
                title=f"Barriers, {_how(kind)}",
                stem="barriers",
                code=program(seen.pairs, seen.metric),
            )
    progress(store, pairs, key="many")
    for column, kind in zip(st.columns(len(seen.heights)), seen.heights, strict=True):
        with column:
            if (drawn := _tree(store, seen, kind)) is not None:
                chart(drawn, key=f"many-tree-{kind}", title=f"Spanning tree, {_how(kind)}", stem="tree", code=program(seen.pairs, seen.metric))
    if len(table := _table(seen)):
        st.dataframe(
            table,
            hide_index=True,
            placeholder="",
            column_config={
                "line": st.column_config.LinkColumn(display_text="look"),
            },
        )
        st.caption(
            glossary.linked(
                "Each [[barrier]] is the largest rise at the measured points of the line; every [[interval]] is for that pair alone, not for the largest of all."
            )
        )
    model_doubts.show(store, (pair.run.field for pair in pairs))
    if busy:
        shell.tend()


def _how(aligned: bool) -> str:
    return "each pair aligned" if aligned else "as they are"


def _squares(seen: PairwiseBarriers, kind: bool) -> go.Figure:
    title = f"{units.titled('Barrier', seen.unit[1])}, {_how(kind)}"
    return matrix.figure(seen.heights[kind], seen.names, title=title, top=seen.top, figures=2, least=LEAST)


def _tree(store: RunStore, seen: PairwiseBarriers, kind: bool) -> go.Figure | None:
    """The spanning tree; None while barriers or distances are missing."""
    heights, models = seen.heights[kind], seen.models
    if len(models) < 3 or not np.isfinite(heights[~np.eye(len(models), dtype=bool)]).any():
        return None
    distances = np.zeros_like(heights)
    for pair in (p for p in seen.pairs if p.aligned == kind):
        known = store.field(pair.run.field.id)
        i, j = models.index(pair.a), models.index(pair.b)
        distances[i, j] = distances[j, i] = known.distances()[0, -1] if known is not None else np.nan
    if not np.isfinite(distances).all():
        return None
    edges = spanning_tree.spanning_tree(heights)
    title = f"Spanning tree, {_how(kind)}"
    return tree_figure.figure(distances, heights, edges, seen.names, unit=seen.unit[1], top=seen.top, title=title)


def _table(seen: PairwiseBarriers) -> pd.DataFrame:
    """A row for each pair."""
    scale, unit = seen.unit
    after = {(p.a, p.b): p for p in seen.pairs if p.aligned}
    rows: list[dict[str, object]] = []
    for pair in seen.pairs:
        height = seen.found[pair]
        if pair.aligned or height is None:
            continue
        row: dict[str, object] = {
            "A": _name(pair.a),
            "B": _name(pair.b),
            f"{units.titled('barrier', unit)}, 95 %": height.height.formatted(scale=scale),
        }
        other = after.get((pair.a, pair.b))
        if other is not None and (aligned := seen.found[other]) is not None:
            row |= {
                "aligned, 95 %": aligned.height.formatted(scale=scale),
            }
            less = _reduction(seen, pair, other)
            row["lower by, 95 %"] = less.formatted(scale=scale) if less is not None else ""
        rows.append({**row, "line": f"/interpolate?run={pair.run.id}"})
    return pd.DataFrame(rows)


def _numbers(seen: PairwiseBarriers) -> pd.DataFrame:
    """The same for a file: one row for each measured line, with full digits; errors are shares."""
    return pd.DataFrame(
        [
            {
                "a": _name(p.a),
                "b": _name(p.b),
                "aligned": p.aligned,
                "barrier": b.height.value,
                "low": b.height.low,
                "high": b.height.high,
                "run": p.run.id,
            }
            for p in seen.pairs
            if (b := seen.found[p]) is not None
        ]
    )


def _reduction(seen: PairwiseBarriers, before: Pair, after: Pair) -> Estimate | None:
    return line_metrics.reduction_of(seen.points[before], seen.points[after], before.run.field.metrics, seen.metric)


def _actions(store: RunStore, seen: PairwiseBarriers) -> None:
    if not any(seen.found.values()):
        return

    def compare() -> None:
        st.caption("Two of these models, their line and the paths between them:")
        for pair in [p for p in seen.pairs if not p.aligned][:FIRST]:
            ends = {"a": key_of(pair.a), "b": key_of(pair.b)}
            shell.link("paths", plain(pair.name), icon=":material/route:", **ends)
        shell.link("soup", "The models as ingredients", icon=":material/soup_kitchen:", a=key_of(seen.models[0]))

    def page() -> str:
        drawn = [(f"{what}, {_how(kind)}", figure) for kind in seen.heights
                 for what, figure in (("Barriers", _squares(seen, kind)), ("Spanning tree", _tree(store, seen, kind))) if figure is not None]  # fmt: skip
        return report.page(f"Barriers between {len(seen.models)} models", [report.Section(title, figure=figure) for title, figure in drawn], None)

    actions(
        key="many",
        stem="barriers",
        explain=words(seen),
        compare=compare,
        table=lambda: _numbers(seen),
        page=page,
        code=program(seen.pairs, seen.metric),
        link=query_state.link("paths"),
    )


def words(seen: PairwiseBarriers) -> str:
    """How many pairs have a barrier, the highest, and what aligning does to them."""
    scale, unit = seen.unit
    said: list[str] = []
    for kind in seen.heights:
        known = {p: b for p in seen.pairs if p.aligned == kind and (b := seen.found[p]) is not None}
        if not known:
            continue
        there = sum(b.height.low > 0 for b in known.values())
        pair = max(known, key=lambda p: known[p].height.value)
        top = known[pair].height
        said.append(
            f"{'Each pair aligned' if kind else 'As they are'}, **{there} of {len(known)} pairs** have a barrier beyond sampling error; the highest is that"
            f" of {plain(_name(pair.a))} and {plain(_name(pair.b))}: {top.formatted(scale=scale, unit=unit)}."
        )
        places = {(seen.models.index(p.a), seen.models.index(p.b)): b.height for p, b in known.items()}
        if (overall := mean_over_pairs({(min(p), max(p)): h for p, h in places.items()}, len(seen.models))) is not None:
            said.append(
                f"Over seeds: if these {len(seen.models)} models differ by their training seeds alone, two models trained in this way have a mean barrier of"
                f" **{overall.formatted(scale=scale, unit=unit)}** (95 %, over seeds and samples)."
            )
    after = {(p.a, p.b): p for p in seen.pairs if p.aligned}
    less = [r for p in seen.pairs if not p.aligned and (p.a, p.b) in after and (r := _reduction_known(seen, p, after[p.a, p.b])) is not None]
    if less:
        said.append(f"Aligning lowers the barrier beyond sampling error in {sum(r.low > 0 for r in less)} of {len(less)} pairs.")
    limits = (
        "Every interval is for its pair alone: of twenty pairs without a barrier one may seem to have one. Two models may still be joined by a curve."
    )
    return " ".join(said) + f"\n\n{limits}"


def _reduction_known(seen: PairwiseBarriers, before: Pair, after: Pair) -> Estimate | None:
    return None if seen.found[before] is None or seen.found[after] is None else _reduction(seen, before, after)


def program(pairs: Sequence[Pair], metric: str) -> str:
    """Python that measures every pair again."""
    listed = list(dict.fromkeys(m for pair in pairs for m in (pair.a, pair.b)))
    models = "".join(f"    {python_source.model(m)},\n" for m in listed)
    aligned = next((c for p in pairs for c in p.run.field.corners if isinstance(c, Aligned)), None)
    calls = ["interpolate(a, b, **how)"] if any(not p.aligned for p in pairs) else []
    if aligned is not None:
        calls.append(f"align(a, b, method={aligned.method.name!r}, method_options={aligned.method.kwargs()!r}, **how).pairs[0].after")
    shown = "".join(f"    print({call}.barrier({metric!r}))\n" for call in calls)
    return python_source.program(f"models = [\n{models}]\n{python_source.how(pairs[0].run)}for a, b in combinations(models, 2):\n{shown}".rstrip())


def _matrix(pairs: list[Pair], found: dict[Pair, Barrier | None], models: Sequence[Recipe]) -> Array:
    """(n, n) heights; NaN where none is known yet, 0 from each model to itself."""
    heights = np.full((len(models), len(models)), np.nan)
    np.fill_diagonal(heights, 0.0)
    for pair in pairs:
        if (one := found[pair]) is not None:
            i, j = models.index(pair.a), models.index(pair.b)
            heights[i, j] = heights[j, i] = one.height.value
    return heights


def _barrier(pair: Pair, points: Points, metric: str) -> Barrier | None:
    return line_metrics.barrier_of(points, pair.run.field.metrics, metric) if len(points) else None


def _name(model: Recipe) -> str:
    return model.name or model.id
