"""Hundreds of models: the middle of the lines between some pairs of them, what these say of all pairs, and all pairs when that is wanted.

Part of the Paths page's second view, for more models than every line can be followed between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from explorer.core import registry
from explorer.core.markdown import plain
from explorer.core.points import Array
from explorer.core.spec import Field, Loaded, ProblemSpec, Recipe, Run, SplitName
from explorer.figures import matrix, report
from explorer.figures import tree as tree_figure
from explorer.stats import line_metrics, metrics, model_pairs, spanning_tree, units
from explorer.stats.model_pairs import Middles, Pairs
from explorer.stats.similar_order import similar_order
from explorer.stats.soup_analysis import singles
from explorer.store.job_status import duration
from explorer.store.kept import Kept
from explorer.store.run_store import RunStore
from explorer.ui.frame import auto_start, head, query_state, shell
from explorer.ui.frame.polling import live
from explorer.ui.frame.run_set import active, progress, submit
from explorer.ui.paths import model_map
from explorer.ui.paths.model_map import Mapped
from explorer.ui.widgets import cost_caption, known_distances, model_doubts, path_metric, python_source
from explorer.ui.widgets.chart_actions import actions, chart
from explorer.ui.widgets.choose_models import matching
from explorer.ui.widgets.model_picker import key_of

POLL_S = 5.0  # drawing a large matrix takes a second
DRAWN = 200  # pairs at random
LISTED = 500  # rows of the table on the page
RISES_BYTES = 32 * 2**20
SHOWS = ("all", "barrier", "none", "tree")
LIMITS = (
    "The number of a pair is how much worse the **middle** of its line is than the mean of its ends: one place, so no choice of it makes it too high, and the highest"
    " point may lie elsewhere; *line* follows it whole. Every interval is for its pair alone: of twenty pairs without a barrier one may seem to have one."
)


@dataclass(frozen=True)
class Part:
    """Some of the lines, and the request to measure their middles."""

    name: str
    run: Run


def is_part(run: Run) -> bool:
    """Whether a run is of the middles between many models."""
    return run.field.chart.name == "mixture" and run.sampler.name == "pairs"


def first(store: RunStore, problem: ProblemSpec, models: Sequence[Recipe], count: int, split: SplitName = "test") -> Part:
    """The pairs to begin with: those that join every model to the ones nearest to it, as far as distances are known, and `count` drawn at random."""
    files = [m.digest for m in models if isinstance(m, Loaded)]
    distances = known_distances.distances(store, files) if len(files) == len(models) else None
    pairs = model_pairs.drawn(len(models), count)
    if distances is not None:
        pairs = np.concatenate([model_pairs.near(distances), pairs])
    chosen = dict.fromkeys((int(i), int(j)) for i, j in pairs)
    field = Field(problem, tuple(models), registry.method("chart", "mixture"), split=split)
    return _part(f"{len(chosen):,} pairs", field, tuple(k for pair in chosen for k in pair))


def everything(field: Field) -> Part:
    """All pairs of a field's models."""
    models = len(field.corners)
    return _part(f"all {models * (models - 1) // 2:,} pairs", field, ())


def _part(name: str, field: Field, of: tuple[int, ...]) -> Part:
    return Part(name, Run(field, registry.method("sample", "pairs", {"of": of})))


@dataclass(frozen=True, eq=False)
class Seen:
    """What is known of the pairs in one metric, in its unit. drawn: how many of the pairs drawn at random are asked for, the first ones."""

    run: Run
    pairs: Pairs
    rise: Middles
    drawn: int
    metric: str
    gram: Array | None

    @property
    def models(self) -> tuple[Recipe, ...]:
        return self.run.field.corners

    @property
    def names(self) -> list[str]:
        return [m.name or m.id for m in self.models]

    @property
    def unit(self) -> str:
        return units.of_gap(self.run.field.problem, self.metric)

    @property
    def moves(self) -> str:
        """What a metric that gets worse does."""
        return "fall" if line_metrics.falls(self.metric) else "rise"

    @property
    def title(self) -> str:
        return units.titled(f"{self.moves.capitalize()} in the middle", self.unit or metrics.find(self.metric).called)

    @property
    def known(self) -> int:
        return int(np.isfinite(self.rise.value).sum())

    def heights(self) -> Array:
        """(n, n) by how much it gets worse, better as 0; NaN where none is known, 0 from each model to itself."""
        found = np.full((len(self.models),) * 2, np.nan)
        np.fill_diagonal(found, 0.0)
        i, j = self.pairs.T
        found[i, j] = found[j, i] = np.maximum(self.rise.value, 0.0)
        return found


_rises: Kept[Middles] = Kept(RISES_BYTES)  # for all sessions: those of 19 900 pairs take half a second to work out


def seen_of(store: RunStore, run: Run, everything_asked: bool, metric: str) -> Seen:
    """What is measured of a part by now."""
    n = len(run.field.corners)
    of = np.array(run.sampler.kwargs()["of"], dtype=np.intp).reshape(-1, 2)
    pairs = model_pairs.every_pair(n) if everything_asked or not len(of) else of
    asked = {(int(i), int(j)) for i, j in pairs}
    order = model_pairs.drawn(n, n * n)
    drawn = next((k for k, (i, j) in enumerate(order) if (int(i), int(j)) not in asked), len(order))
    points, seen = store.points(run.field.id)
    key = (str(store.path), run.field.id, metric, pairs.tobytes(), len(points))
    before = _rises.last(key)
    if before is not None and before[0] == seen:
        rise = before[1]
    else:
        made = model_pairs.middles(line_metrics.worse_upward(points, run.field.metrics, metric), pairs)
        rise = _rises.keep(key, seen, made, 4 * made.value.nbytes + pairs.nbytes)
    scale = units.scale(metric)
    known = store.field(run.field.id)
    return Seen(run, pairs, Middles(scale * rise.value, scale * rise.low, scale * rise.high), drawn, metric, None if known is None else known.gram)


def show(store: RunStore, runs: Sequence[Run]) -> None:
    """The pairs that were chosen, and all of them once that is asked for."""
    run = runs[0]
    whole = everything(run.field)
    asked = store.status(whole.run.id) is not None
    own = Part(f"{len(_options(run)) // 2:,} pairs", run)
    with head.controls():
        metric = path_metric.choose(run.field, first="error", barriers=True)
    parts = [replace(p, run=path_metric.measured_for(store, p.run, metric)) for p in (own, *([whole] if asked and whole.run != run else []))]
    run = parts[0].run
    busy = _busy(store, parts, metric)
    live(_live, every=POLL_S, busy=busy)(store, run, parts, metric, busy)
    if not asked:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(f"Measure {plain(whole.name)}", icon=":material/grid_on:", key="many-all", on_click=shell.resume, args=(whole.run,))
            cost(store, whole.run)
    _actions(store, seen_of(store, run, asked, metric))


def cost(store: RunStore, run: Run) -> None:
    """What its points take at most, as those that are measured did: a plan of hundreds of models would be made again every time that the page is drawn."""
    n = len(run.field.corners)
    points = n + (len(_options(run)) // 2 or n * (n - 1) // 2)
    if (needed := auto_start.seconds(store, run.field, points)) is None:
        cost_caption.caption(store, [run])
    else:
        st.caption(f":material/schedule: {points:,} points with those that are measured, about {duration(needed)} of computing in all")


def _options(run: Run) -> tuple[int, ...]:
    of = run.sampler.kwargs()["of"]
    return of if isinstance(of, tuple) else ()  # pyright: ignore[reportReturnType]


def _busy(store: RunStore, parts: Sequence[Part], metric: str) -> bool:
    return active(store, parts) or model_map.is_under_way(store, parts[0].run.field, metric)


def _live(store: RunStore, run: Run, parts: Sequence[Part], metric: str, was_busy: bool) -> None:
    busy = _busy(store, parts, metric)
    seen = seen_of(store, run, len(parts) > 1 or not _options(run), metric)
    left, right = st.columns([7, 3], gap="medium")
    with left, head.picture("map"):
        chart(_squares(seen), key="many-matrix", title=seen.title, stem="barriers", code=program(seen))
    with right:
        st.markdown(words(seen))
        st.caption(LIMITS)
    progress(store, parts, key="many")
    if seen.gram is not None and seen.known:
        title = "The spanning tree of the lowest barriers among the measured pairs"
        with st.expander(title, icon=":material/account_tree:", key="many-tree-part", on_change="rerun") as part:
            if part.open and (drawn := _tree(seen)) is not None:
                chart(drawn, key="many-tree", title="Spanning tree", stem="tree", code=program(seen))
    if seen.gram is not None:
        found = Mapped(seen.run.field, metric, seen.pairs, seen.rise, known_distances.apart(seen.gram), _own(store, seen))
        model_map.show(store, found, busy=busy, on_more=partial(_more, seen), on_list=_list)
        model_map.inspected(store, seen.run.field, metric)
    _table(seen)
    model_doubts.show(store, [run.field])
    if was_busy != busy:
        st.rerun()
    if busy:
        shell.tend()


def _more(seen: Seen, following: Pairs) -> None:
    """Measure further pairs: another request for the same points, whose address takes the place of this one's."""
    of = tuple(int(k) for k in np.concatenate([seen.pairs, following]).ravel())
    query_state.put(runs=submit([_part(f"{len(of) // 2:,} pairs", seen.run.field, of)]))


def _list(names: Sequence[str]) -> None:
    """List the lines of some models; of none, all lines."""
    st.session_state["many-filter"] = ", ".join(names)


def _own(store: RunStore, seen: Seen) -> list[float] | None:
    """Each model's own value; None while one is not measured."""
    points = store.points_at(seen.run.field.id, singles(len(seen.models)))
    if len(points) < len(seen.models):
        return None
    return (units.scale(seen.metric) * metrics.means(points, seen.run.field.metrics, seen.metric)).tolist()


def _squares(seen: Seen) -> go.Figure:
    heights, names = seen.heights(), seen.names
    if seen.gram is not None:
        order = similar_order(known_distances.apart(seen.gram))
        heights, names = heights[np.ix_(order, order)], [names[k] for k in order]
    return matrix.figure(heights, names, title=seen.title)


def _tree(seen: Seen) -> go.Figure | None:
    heights = seen.heights()
    if seen.gram is None or not seen.known:
        return None
    edges = spanning_tree.spanning_tree(heights)
    return tree_figure.figure(
        known_distances.apart(seen.gram), heights, edges, seen.names, unit=seen.unit, title="Spanning tree of the measured pairs"
    )


def words(seen: Seen) -> str:
    """How many pairs rise, the highest, and what the random ones say of all."""
    n = len(seen.models)
    total, rise = n * (n - 1) // 2, seen.rise
    if not seen.known:
        return f"None of the {total:,} pairs is measured yet."
    there, top = int((rise.low > 0).sum()), int(np.nanargmax(rise.value))
    i, j = seen.pairs[top]
    said = [
        f"**{there:,} of {seen.known:,} measured pairs** {seen.moves} beyond sampling error; most, {plain(seen.names[i])} and {plain(seen.names[j])}, by"
        f" {rise.value[top]:.3g}{units.after(seen.unit)}."
    ]
    if seen.known < total:
        row = {(int(a), int(b)): k for k, (a, b) in enumerate(seen.pairs)}
        sample = [k for a, b in model_pairs.drawn(n, seen.drawn) if np.isfinite(rise.value[k := row[int(a), int(b)]])]
        if not sample:  # all were chosen
            return said[0]
        share = model_pairs.share(int((rise.low[sample] > 0).sum()), len(sample))
        half, tenth = (model_pairs.quantile(rise.value[sample], q) for q in (0.5, 0.9))
        said.append(
            f"Of **all {total:,} pairs**, as {len(sample)} drawn at random say: {share.formatted(scale=100, unit='%')} {seen.moves} beyond sampling error; half of"
            f" them by less than {half.formatted(unit=seen.unit)}, nine in ten by less than {tenth.formatted(unit=seen.unit)}."
        )
    return "\n\n".join(said)


def _rows(seen: Seen, order: Sequence[int]) -> pd.DataFrame:
    names = seen.names
    pairs, rise = seen.pairs[list(order)], seen.rise
    return pd.DataFrame(
        {
            "A": [names[i] for i, _ in pairs],
            "B": [names[j] for _, j in pairs],
            seen.title: rise.value[list(order)],
            "low": rise.low[list(order)],
            "high": rise.high[list(order)],
            "line": [f"/interpolate?a={key_of(seen.models[i])}&b={key_of(seen.models[j])}" for i, j in pairs],
        }
    )


def _table(seen: Seen) -> None:
    if not seen.known:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        line = st.text_input("Filter", key="many-filter", placeholder="tune-*", help="A pair is listed when one of its models matches.", width=300)
        which = st.segmented_control(
            "Pairs",
            SHOWS,
            default=SHOWS[0],
            key="many-shows",
            format_func={"all": "All measured", "barrier": "Worse", "none": "No worse", "tree": "Spanning tree"}.__getitem__,
            required=True,
        )
    order = [int(k) for k in np.argsort(-np.nan_to_num(seen.rise.value, nan=-np.inf), kind="stable")[: seen.known]]
    if line.strip():
        found = {int(k) for k in matching(line, {str(k): name for k, name in enumerate(seen.names)})}
        order = [k for k in order if found & {int(v) for v in seen.pairs[k]}]
    if which in ("barrier", "none"):
        order = [k for k in order if (seen.rise.low[k] > 0) == (which == "barrier")]
    elif which == "tree":
        joined = {(e.i, e.j) for e in spanning_tree.spanning_tree(seen.heights())}
        order = [k for k in order if tuple(int(v) for v in seen.pairs[k]) in joined]
    more = f", of which the {LISTED} highest are listed; *Data* below has all" if len(order) > LISTED else ""
    st.caption(f"{len(order):,} of {seen.known:,} measured pairs{more}. A click on a column's head sorts.")
    number = st.column_config.NumberColumn(format="%.3g")
    st.dataframe(
        _rows(seen, order[:LISTED]),
        hide_index=True,
        column_config={
            seen.title: number,
            "low": st.column_config.NumberColumn("95 %, from", format="%.3g"),
            "high": st.column_config.NumberColumn("to", format="%.3g"),
            "line": st.column_config.LinkColumn(display_text="line"),
        },
    )


def _actions(store: RunStore, seen: Seen) -> None:
    if not seen.known:
        return

    def compare() -> None:
        st.caption("The same models elsewhere:")
        shell.link("soup", "The models as ingredients", icon=":material/soup_kitchen:", a=key_of(seen.models[0]))
        shell.link("compare", "Which of them is best", icon=":material/balance:", a=key_of(seen.models[0]))

    def page() -> str:
        drawn = [(seen.title, _squares(seen)), ("Spanning tree", _tree(seen))]
        sections = [report.Section(title, figure=figure) for title, figure in drawn if figure is not None]
        return report.page(f"Barriers between {len(seen.models)} models", sections, None)

    actions(
        key="many",
        stem="barriers",
        explain=f"{words(seen)}\n\n{LIMITS}",
        compare=compare,
        table=lambda: _rows(seen, np.flatnonzero(np.isfinite(seen.rise.value)).tolist()).drop(columns="line"),
        page=page,
        code=program(seen),
        link=query_state.link("paths"),
    )


def program(seen: Seen) -> str:
    """Python that measures the same middles again."""
    return _program(seen.run)


@lru_cache(maxsize=16)
def _program(run: Run) -> str:
    return python_source.program(
        f"models = {python_source.models(run.field.corners)}\nproblem = {python_source.spec_of(run.field.problem)}\n"
        f'lines = Field(problem, models, method("chart", "mixture"), split={run.field.split!r}, metrics={run.field.metrics!r})\n'
        f"found = points(Run(lines, {python_source.method('sample', run.sampler)}))\n"
        "print(len(found), dict(zip(lines.metrics, found.means().T)))"
    )
