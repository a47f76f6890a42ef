"""Many models at once: the barrier between every two of them, before and after aligning, and the tree that joins them all by the lowest barriers.

The Paths page's third view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
import streamlit as st

from explorer import methods, tree
from explorer.figures import matrix
from explorer.figures import tree as tree_figure
from explorer.points import Array, Points
from explorer.spec import Aligned, Field, ProblemSpec, Recipe, Run
from explorer.statistics import Barrier, barrier, reduction
from explorer.store import RunStore
from explorer.ui import shell
from explorer.ui.download import download
from explorer.ui.families import choices, families, family_of, key_of
from explorer.ui.live import live
from explorer.ui.several import active, asked_runs, progress, want

POLL_S = 1.0
FIRST = 5  # models chosen at first
MOST = 20


@dataclass(frozen=True)
class Pair:
    """The straight line between two of the models, and the wish to measure it."""

    a: Recipe
    b: Recipe
    aligned: bool
    run: Run

    @property
    def name(self) -> str:
        """What it is called in a list."""
        return f"{_name(self.a)} – {_name(self.b)}{', aligned' if self.aligned else ''}"


def page(store: RunStore) -> None:
    """The view as a whole: form, matrices, tree."""
    st.markdown(
        "Which of many models lie in one basin? The barrier is measured on the straight line between **every two** of them. The **spanning tree** joins them"
        " all by the lowest barriers: the highest edge on the way from one model to another is what has to be climbed at least, going by way of the others."
    )
    found, asked = asked_runs(store)
    pairs = [_pair(run) for run in found]
    if len(pairs) < asked:
        st.warning("Some lines of this address are not in this store. Choose the models and measure again.", icon=":material/link_off:")
    if wanted := _form(store, pairs):
        st.query_params.from_dict({"view": "many", "runs": want(wanted)})
        st.rerun()
    if pairs:
        _show(store, pairs)
    else:
        st.info("Press **Measure**: every pair takes about a dozen points.", icon=":material/hub:")


def _pair(run: Run) -> Pair:
    a, b = run.field.corners[0], run.field.corners[-1]
    if isinstance(b, Aligned) and isinstance(a, Aligned):
        return Pair(a.models[a.which], b.models[b.which], True, run)
    return Pair(a, b, False, run)


def _form(store: RunStore, shown: list[Pair]) -> list[Pair] | None:
    key = f"many-{shown[0].run.id if shown else 'new'}"
    before = list(dict.fromkeys(m for pair in shown for m in (pair.a, pair.b)))
    every = families(store, shown[0].run.field.problem, tuple(before)) if shown else families(store)
    if not every:
        st.info("No checkpoint is registered yet. Go to Checkpoints and add a file or a folder.", icon=":material/inventory_2:")
        return None
    with st.container(border=True):
        one, two, go = st.columns([3, 6, 2], vertical_alignment="bottom")
        with one:
            keys = [key_of(m) for m in before]
            here = family_of(store, every, keys[0] if keys else st.query_params.get("a", ""))
            family = st.selectbox("Family", every, index=here, format_func=lambda f: f.title, key=f"{key}-family")
        models = choices(store, family, every)
        with two:
            start = [k for k in keys if k in models] or list(family.models)[:FIRST]
            chosen = st.multiselect(
                "Models",
                list(models),
                default=start,
                format_func=lambda k: family.label(k, models),
                max_selections=MOST,
                key=f"{key}-models-{family.key}",
            )
        methods_known = [m for m in methods.names("align") if m in ("weight_matching", "activation_matching")]
        used = next((c.method.name for p in shown for c in p.run.field.corners if isinstance(c, Aligned)), "weight_matching")
        with_alignment = st.selectbox(
            "And after aligning each pair by",
            ["", *methods_known],
            index=0 if shown and not any(p.aligned for p in shown) else 1 + methods_known.index(used) if used in methods_known else 1,
            format_func=lambda m: m.replace("_", " ") or "(not aligned)",
            key=f"{key}-align",
        )
        with go:
            pressed = st.button("Measure", type="primary", icon=":material/hub:", key=f"{key}-go", width="stretch", disabled=len(chosen) < 2)
    if not pressed:
        return None
    two_of_them = list(combinations([models[k] for k in chosen], 2))
    wanted = [_line(family.problem, a, b, None) for a, b in two_of_them]
    return wanted + [_line(family.problem, a, b, with_alignment) for a, b in two_of_them if with_alignment]


def _line(problem: ProblemSpec, a: Recipe, b: Recipe, align: str | None) -> Pair:
    corners = Aligned.every(problem, (a, b), methods.method("align", align)) if align else (a, b)
    return Pair(a, b, bool(align), Run(Field(problem, corners, methods.method("chart", "line")), methods.method("sample", "adaptive")))


def _show(store: RunStore, pairs: list[Pair]) -> None:
    metric = (
        st.segmented_control("Metric", ["loss", "error"], default="error", key="metric", bind="query-params", label_visibility="collapsed") or "error"
    )
    busy = active(store, pairs)
    live(_live, every=POLL_S, busy=busy)(store, pairs, metric, busy)


def _live(store: RunStore, pairs: list[Pair], metric: str, was_active: bool) -> None:
    busy = active(store, pairs)
    points = {pair: store.points(pair.run.field.id)[0] for pair in pairs}
    progress(store, pairs, key="many")
    models = list(dict.fromkeys(m for pair in pairs for m in (pair.a, pair.b)))
    names = [_name(m) for m in models]
    scale, unit = (100.0, "points of error") if metric == "error" else (1.0, "nat")
    found = {pair: _barrier(pair, points[pair], metric) for pair in pairs}
    shown = [kind for kind in (False, True) if any(pair.aligned == kind for pair in pairs)]
    heights = {kind: _matrix([p for p in pairs if p.aligned == kind], found, models) * scale for kind in shown}
    finite = [float(np.nanmax(h)) for h in heights.values() if np.isfinite(h).any()]
    top = max(finite, default=1.0) or 1.0
    for column, kind in zip(st.columns(len(shown)), shown, strict=True):
        with column:
            title = f"Barrier ({unit}), {'each pair aligned' if kind else 'as they are'}"
            st.plotly_chart(matrix.figure(heights[kind], names, title=title, top=top), key=f"many-matrix-{kind}", config={"displaylogo": False})
    for column, kind in zip(st.columns(len(shown)), shown, strict=True):
        with column:
            _tree(store, [p for p in pairs if p.aligned == kind], heights[kind], models, names, unit, top, kind)
    _table(store, pairs, found, points, metric, scale, unit)
    if was_active != busy:
        st.rerun()
    if busy:
        shell.tend()


def _tree(
    store: RunStore, pairs: list[Pair], heights: Array, models: Sequence[Recipe], names: Sequence[str], unit: str, top: float, aligned: bool
) -> None:
    if len(models) < 3 or not np.isfinite(heights[~np.eye(len(models), dtype=bool)]).any():
        return
    distances = np.zeros_like(heights)
    for pair in pairs:
        known = store.field(pair.run.field.id)
        i, j = models.index(pair.a), models.index(pair.b)
        distances[i, j] = distances[j, i] = known.distances()[0, -1] if known is not None else np.nan
    if not np.isfinite(distances).all():
        return
    edges = tree.spanning_tree(heights)
    st.plotly_chart(
        tree_figure.figure(
            distances, heights, edges, names, unit=unit, top=top, title=f"Spanning tree, {'each pair aligned' if aligned else 'as they are'}"
        ),
        key=f"many-tree-{aligned}",
        config={"displaylogo": False},
    )


def _table(
    store: RunStore, pairs: list[Pair], found: dict[Pair, Barrier | None], points: dict[Pair, Points], metric: str, scale: float, unit: str
) -> None:
    after = {(p.a, p.b): p for p in pairs if p.aligned}
    rows: list[dict[str, object]] = []
    for pair in pairs:
        height = found[pair]
        if pair.aligned or height is None:
            continue
        row: dict[str, object] = {
            "A": _name(pair.a),
            "B": _name(pair.b),
            f"barrier ({unit})": scale * height.height.value,
            "95 %": f"[{scale * height.height.low:.3g}, {scale * height.height.high:.3g}]",
        }
        other = after.get((pair.a, pair.b))
        if other is not None and (aligned := found[other]) is not None:
            row |= {
                "aligned": scale * aligned.height.value,
                "aligned, 95 %": f"[{scale * aligned.height.low:.3g}, {scale * aligned.height.high:.3g}]",
            }
            less = reduction(points[pair], points[other], pair.run.field.metrics.index(metric))
            row["lower by, 95 %"] = f"{scale * less.value:.3g} [{scale * less.low:.3g}, {scale * less.high:.3g}]" if less is not None else ""
        rows.append({**row, "line": f"/interpolate?run={pair.run.id}"})
    if not rows:
        return
    table = pd.DataFrame(rows)
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            f"barrier ({unit})": st.column_config.NumberColumn(format="%.4g"),
            "aligned": st.column_config.NumberColumn(format="%.4g"),
            "line": st.column_config.LinkColumn(display_text="look"),
        },
    )
    data, words = st.columns([1, 4], vertical_alignment="center")
    with data:
        download("Data (CSV)", lambda: table.to_csv(index=False), "barriers.csv", mime="text/csv", icon=":material/table:", key="many-csv")
    with words:
        st.caption(
            "Each barrier is the highest of about a dozen points of the line; every interval is of that pair alone, not of the largest of them all."
        )


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
    return barrier(points, pair.run.field.metrics.index(metric), name=metric) if len(points) else None


def _name(model: Recipe) -> str:
    return model.name or model.id
