"""From which epoch on has a training settled its basin? Pairs of copies that branched at epoch k, and the barrier between them against k.

The Paths page's fourth view: of existing checkpoints, or trained now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from explorer.figures import curve as curve_figure
from explorer.figures.curve import Curve
from explorer.stats import line_metrics, line_words, metrics, units
from explorer.stats.barriers import Barrier
from explorer.stats.intervals import Estimate
from explorer.store.run_store import RunStore
from explorer.ui.charts.curve import curve
from explorer.ui.frame import head, query_state, shell
from explorer.ui.frame.polling import live
from explorer.ui.frame.run_set import active, asked_runs, begin, progress, submit
from explorer.ui.paths.stability_form import Pair, epoch_of, form, lines_of
from explorer.ui.widgets import path_metric, python_source
from explorer.ui.widgets.chart_actions import actions
from explorer.ui.widgets.model_picker import Family, families

POLL_S = 0.5
METRICS = ("error", "loss")


@dataclass(frozen=True)
class Found:
    """What is known of a pair by now; `done`: nothing more is going to be measured of it."""

    pair: Pair
    barriers: Mapping[str, Barrier]
    done: bool

    @property
    def error(self) -> Barrier:
        return self.barriers["error"]

    @property
    def loss(self) -> Barrier:
        return self.barriers["loss"]

    def height(self, metric: str) -> Estimate:
        """How high it is; of one model with itself exactly nothing."""
        return Estimate(0.0, 0.0, 0.0) if self.pair.same else self.barriers[metric].height


INTRO = (
    "Two copies of a network are trained on from **epoch k** with different SGD noise: a different order of batches, different noise"
    " on the inputs. Where the barrier between them is gone, the training run had reached its basin by epoch k (Frankle et al. 2020)."
)


def page(store: RunStore, top: head.Form) -> None:
    """The view as a whole: form, curve, words, table."""
    every = families(store)
    found, asked = asked_runs(store)
    pairs = sorted({Pair(k, run) for run in found if (k := epoch_of(run)) is not None}, key=lambda p: p.k)
    if len({run.id for run in found}) > len(pairs) or len(found) < asked:
        st.warning("Some pairs in this link are not in this store, or are not copies of one training run. Measure again.", icon=":material/link_off:")
    if not asked:
        pairs = _first(every)
    with top(INTRO, shown=_summary(pairs), key=_key(pairs) if pairs else ""):
        if not every:
            st.info("No checkpoint is registered yet. Go to Checkpoints and add a file or a folder.", icon=":material/inventory_2:")
        wanted = form(every, pairs) if every else None
    if wanted:
        st.query_params.from_dict({"view": "stability", "runs": submit(wanted)})
        st.rerun()
    if pairs:
        _show(store, pairs)
    elif every:
        st.info("Press **Measure**: one line for every epoch at which copies branched off.", icon=":material/call_split:")


def _summary(pairs: list[Pair]) -> str:
    if not pairs:
        return ""
    problem = pairs[0].run.field.problem
    return head.summary(problem.title or problem.name, f"copies that branched at epoch {', '.join(str(p.k) for p in pairs)}")


def _first(every: Sequence[Family]) -> list[Pair]:
    """What is shown before anything is asked: the first family that has pairs, measured when nothing else is to do."""
    pairs = next((lines for family in every if (lines := lines_of(family))), [])
    begin(pairs)
    return pairs


def _show(store: RunStore, pairs: list[Pair]) -> None:
    with head.controls():
        metric = path_metric.choose(pairs[0].run.field, first="error", barriers=True)
    pairs = [replace(pair, run=path_metric.measured_for(store, pair.run, metric)) for pair in pairs]
    busy = active(store, pairs)
    live(_live, every=POLL_S, busy=busy)(store, pairs, metric, busy)
    if found := [f for pair in pairs if (f := _found(store, pair, metric)) is not None]:
        _actions(pairs, found, metric)


def _key(pairs: list[Pair]) -> str:
    return f"stability-{pairs[0].run.id}-{len(pairs)}"


def _actions(pairs: list[Pair], found: list[Found], metric: str) -> None:
    def compare() -> None:
        st.caption("The line between the copies that branched at an epoch:")
        for pair in pairs:
            shell.link("interpolate", f"Epoch {pair.k}", icon=":material/show_chart:", run=pair.run.id)

    def figure() -> go.Figure:
        field = pairs[0].run.field
        return curve_figure.figure(
            curves(found, metric),
            x_title="epoch k at which the copies branched",
            y_title=_title(pairs, metric),
            title=f"Barrier between copies that branched at epoch k: {field.problem.title or field.problem.name}",
            footnote=f"One pair of copies for each epoch; bands: 95 %, over {found[0].error.samples:,} samples.",
        )

    actions(
        key=_key(pairs),
        stem="stability",
        explain=words(found, len(pairs)),
        compare=compare,
        table=lambda: numbers(found),
        figure=figure,
        code=program(pairs),
        link=query_state.link("paths", view="stability", runs=",".join(p.run.id for p in pairs)),
    )


def program(pairs: Sequence[Pair]) -> str:
    """Python that trains the copies where they are trained here, and measures the lines again."""
    error = pairs[0].run.field.metrics.index("error")
    return python_source.program(
        python_source.runs({p.name: p.run for p in pairs})
        + f'for name, found in measured.items():\n    print(name, barrier(found, {error}, name="error"))'
    )


def _live(store: RunStore, pairs: list[Pair], metric: str, was_busy: bool) -> None:
    busy = active(store, pairs)
    if was_busy != busy:
        st.rerun()
    found = [f for pair in pairs if (f := _found(store, pair, metric)) is not None]
    chosen = _chosen(pairs)

    def picked(k: float | None) -> None:
        query_state.put(k=None if k is None else str(min(pairs, key=lambda p: abs(p.k - k)).k))

    with head.picture():
        curve(
            curves(found, metric),
            key=_key(pairs),
            x_title="epoch k at which the copies branched",
            y_title=_title(pairs, metric),
            x_range=(0.0, float(max(p.k for p in pairs) or 1)),
            pick=float(chosen.k) if chosen is not None else None,
            height=head.HEIGHT,
            on_pick=picked,
            alt=f"Barrier against the epoch of branching, {len(found)} of {len(pairs)} pairs.",
            caption=f"{len(found)} of {len(pairs)} pairs · 95 % bands, of the samples; one pair of copies for each epoch",
            does="choose a pair",
        )
    progress(store, pairs, key="stability")
    if chosen is not None:
        shell.link("interpolate", f"The line between the copies that branched at epoch {chosen.k}", icon=":material/show_chart:", run=chosen.run.id)
    if found:
        st.markdown(words(found, len(pairs)))
        _table(found)
    if busy:
        shell.tend()


def _found(store: RunStore, pair: Pair, metric: str) -> Found | None:
    status = store.status(pair.run.id)  # before the points: what is measured in between is seen next time
    points, _ = store.points(pair.run.field.id)
    measured = pair.run.field.metrics
    known = {m: line_metrics.barrier_of(points, measured, m) for m in dict.fromkeys((*METRICS, metric))} if len(points) else {}
    barriers = {m: found for m, found in known.items() if found is not None}
    return Found(pair, barriers, status is not None and status.state == "done") if known and len(barriers) == len(known) else None


def _title(pairs: Sequence[Pair], metric: str) -> str:
    """Of the axis of barriers; that of a metric without a unit of its own is told by its name."""
    field = pairs[0].run.field
    unit = units.of_gap(field.problem, metric)
    return units.titled(f"{field.measured_on} barrier", unit or metrics.find(metric).called)


def _chosen(pairs: Sequence[Pair]) -> Pair | None:
    """The pair that was picked, from the address."""
    return next((p for p in pairs if str(p.k) == query_state.get("k")), None)


def curves(found: Sequence[Found], metric: str) -> list[Curve]:
    """The barrier against k."""
    scale = units.scale(metric)
    k = np.array([float(f.pair.k) for f in found])

    def drawn(name: str, estimates: list[Estimate]) -> Curve:
        value, low, high = (scale * np.array([getattr(e, part) for e in estimates]) for part in ("value", "low", "high"))
        return Curve(name, k, value, low, high)

    return [drawn("barrier", [f.height(metric) for f in found])]


def words(found: Sequence[Found], asked: int) -> str:
    """From which epoch on every measured pair may be connected, by the rule that is said; pairs still in work have no say."""
    rule = (
        "Called a barrier: the 95 % interval of the barrier of the error excludes zero; connected: all of it is below 2 points (Frankle et al. 2020); open: neither,"
        " on these samples."
    )
    judged = sorted((f for f in found if f.done), key=lambda f: f.pair.k)
    if not judged:
        return f"No pair is fully measured yet. {rule}"
    so_far = f"So far, {len(judged)} of {asked} pairs: " if len(judged) < asked else ""
    kinds = {f.pair.k: "same" if f.pair.same else line_words.verdict_of(f.pair.run.field.problem, f.error).kind for f in judged}
    apart = max((k for k, kind in kinds.items() if kind == "barrier"), default=None)
    settled = [k for k in kinds if all(kinds[later] in ("connected", "same") for later in kinds if later >= k)]
    between = [str(k) for k, kind in kinds.items() if kind == "open"]
    if settled and kinds[settled[0]] == "same":
        said = f"the copies of epoch {settled[0]} are the same model, because nothing was left to train."
    elif settled:
        said = f"from epoch **{settled[0]}** on the copies are connected."
    else:
        said = "no pair is connected for certain."
    said += f" Those that branched at epoch {apart} have a barrier." if apart is not None else " No pair has a barrier beyond sampling error."
    said += f" Open: epoch{'s' if len(between) > 1 else ''} {', '.join(between)}." if between else ""
    uphill = [f.pair.k for f in judged if f.loss.height.low > 0]
    loss = f" The loss, a finer measure, still rises beyond sampling error between the copies of epoch {max(uphill)}." if uphill else ""
    lost = [str(f.pair.k) for f in found if f.error.diverged or f.loss.diverged]
    gaps = f" The loss is not finite at some points of the lines of k = {', '.join(lost)}: their barriers are at least what is shown." if lost else ""
    return f"{so_far + said if so_far else said[0].upper() + said[1:]}{loss}{gaps} {rule}"


def _table(found: Sequence[Found]) -> None:
    table = pd.DataFrame([_row(f) for f in found])
    st.dataframe(table, hide_index=True, column_config={"line": st.column_config.LinkColumn(display_text="look")})
    st.caption("A barrier cannot be negative: where its interval begins at 0, read its upper end as a bound.")


def _row(f: Found) -> dict[str, object]:
    row: dict[str, object] = {"k": f.pair.k, "line": f"/interpolate?run={f.pair.run.id}"}
    for metric in f.barriers:
        scale, unit = units.scale(metric), units.of_gap(f.pair.run.field.problem, metric) or metrics.find(metric).called
        row[f"barrier ({unit}), 95 %"] = _text(f.height(metric), scale)
    row["errors of the copies (%)"] = ", ".join(f"{100 * e:.3g}" for e in f.error.ends)
    return row


def numbers(found: Sequence[Found]) -> pd.DataFrame:
    """One row for each pair and metric; errors are shares, losses in their own unit."""
    return pd.DataFrame(
        [
            {
                "k": f.pair.k,
                "metric": metrics.short(metric),
                **_columns("barrier", f.height(metric)),
                "at_t": barrier.at,
                "end_a": barrier.ends[0],
                "end_b": barrier.ends[1],
                "points": barrier.points,
                "samples": barrier.samples,
                "complete": f.done,
                "run": f.pair.run.id,
            }
            for f in found
            for metric, barrier in f.barriers.items()
        ]
    )


def _columns(name: str, e: Estimate) -> dict[str, float]:
    return {name: e.value, f"{name}_low": e.low, f"{name}_high": e.high}


def _text(e: Estimate, scale: float) -> str:
    return e.formatted(scale=scale) if isfinite(e.value) else "unknown"
