"""Phases of a training: how sharp its snapshots are, how alike what they represent is to the last one, and how far the loss rises on the line there. Asked for by a button."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd
import streamlit as st

from explorer.core import registry, significant_digits
from explorer.core.points import Array
from explorer.core.spec import Recipe, Run, Study
from explorer.figures import phases as figure
from explorer.figures.phases import Phase
from explorer.figures.similarity import similar
from explorer.stats import units
from explorer.stats.model_pairs import Pairs, middles
from explorer.store.estimate_cost import expected
from explorer.store.job_status import duration
from explorer.store.run_store import RunStore
from explorer.ui.frame import failure, shell
from explorer.ui.train.trajectories import Trajectory
from explorer.ui.widgets import study_panel
from explorer.ui.widgets.chart_actions import chart

MOST = 24  # snapshots, evenly along the training
RHO = 0.1  # how far the weights move at random, each by so much of its own size


def shown(whole: Trajectory) -> Pairs:
    """The numbers of those of the first network's snapshots that are measured, the first and the last among them."""
    return np.unique(np.linspace(0, len(whole.epochs) - 1, min(MOST, len(whole.epochs))).round().astype(np.intp))


def requests(whole: Trajectory) -> tuple[Study, Study, Run]:
    """Sharpness, likeness, and the middles of the lines to the last snapshot."""
    models = _models(whole)
    sharp = Study(whole.problem, models, registry.method("study", "sharpness", {"radii": (RHO,), "balls": (RHO,), "steps": 1}))
    alike = Study(whole.problem, models, registry.method("study", "similarity"))
    of = tuple(int(k) for k in _lines(whole).ravel())
    return sharp, alike, Run(whole.field("val"), registry.method("sample", "pairs", {"of": of}))


def request_ids(whole: Trajectory) -> list[str]:
    """Ids of what may be on its way here."""
    return [request.id for request in requests(whole)] if len(whole.epochs) > 1 else []


def show(store: RunStore, whole: Trajectory, x_title: str) -> None:
    """The panel; nothing where there is one snapshot, or where another process holds the network."""
    if len(whole.epochs) < 2 or registry.is_live("nets", whole.problem.network.name):
        return
    title = "Phases of the training: sharpness, likeness to the end, rise on the way to it"
    with st.expander(title, icon=":material/timeline:", key="train-phases", on_change="rerun") as part:
        if part.open:
            _panel(store, whole, x_title)


def found(store: RunStore, whole: Trajectory) -> list[Phase]:
    """What is measured by now, in the order in which it is asked for."""
    sharp, alike, lines = requests(whole)
    unit = units.of_gap(whole.problem, "loss")
    made: list[Phase] = []
    if (status := store.status(sharp.id)) is not None and status.state == "done":
        models = cast("dict[str, list[dict[str, dict[str, list[list[float | None]]]]]]", status.result)["models"]
        made.append(
            _phase(units.titled("sharpness", unit), np.array([[np.nan if v is None else v for v in m["element"]["average"][0]] for m in models]))
        )
    if (status := store.status(alike.id)) is not None and status.state == "done" and cast("dict[str, list[str]]", status.result)["layers"]:
        last = len(_models(whole)) - 1
        made.append(_phase("debiased CKA to the end", np.array([similar(status.result, "debiased", -1, k, last) for k in range(last + 1)])))
    if store.status(lines.id) is None:  # an average may stand in the middle of a line all the same
        return made
    points, _ = store.points(lines.field.id)
    rise = middles(points, _lines(whole), lines.field.metrics.index("loss"))
    if np.isfinite(rise.value).any():
        nothing = np.zeros((1, 3))  # from the last snapshot to itself
        made.append(_phase(units.titled("rise to the end", unit), np.vstack([np.stack([rise.value, rise.low, rise.high], axis=1), nothing])))
    return made


def _panel(store: RunStore, whole: Trajectory, x_title: str) -> None:
    asked = requests(whole)
    statuses = [store.status(request.id) for request in asked]
    if any(status is None or status.state == "stopped" for status in statuses):
        takes = [expected(request, store) for request, status in zip(asked, statuses, strict=True) if status is None or status.state != "done"]
        known = [t for t in takes if t is not None]
        about = f"About {duration(sum(known))} of computing. " if len(known) == len(takes) else ""
        help = f"{about}For {len(shown(whole))} snapshots. After a stop, lines go on where they were; sharpness and likeness begin anew."
        st.button("Measure phases", icon=":material/timeline:", key="train-phases-go", on_click=_ask, args=(whole,), help=help)
    for status in statuses:
        if status is not None and status.active:
            study_panel.under_way(status)
    names = ("Sharpness", "Likeness", "The lines to the end")
    failure.several((name, status) for name, status in zip(names, statuses, strict=True) if status is not None)
    if not (made := found(store, whole)):
        return
    x = whole.epochs[shown(whole)]
    chart(figure.figure(x, made, x_title=x_title), key="train-phases-drawn", title="Phases of the training", stem="phases")
    st.dataframe(pd.DataFrame({x_title: x, **{phase.title: _told(phase) for phase in made}}), hide_index=True, key="train-phases-table")
    st.caption(
        f"Sharpness: by how much the train loss rises when every weight moves at random by {RHO:.0%} of itself. CKA: how alike the last layer's outputs are to those of the last"
        " snapshot. Rise: the validation loss in the middle of the line to the last snapshot above the mean of both ends, paired sample by sample; below 0 it falls"
        " there. All with 95 % intervals over samples; none says how much another training would differ."
    )


def _ask(whole: Trajectory) -> None:
    for request in requests(whole):
        shell.submit(request)


def _models(whole: Trajectory) -> tuple[Recipe, ...]:
    own = whole.models[:: whole.members]
    return tuple(own[k] for k in shown(whole).tolist())


def _lines(whole: Trajectory) -> Pairs:
    """(T − 1, 2) each shown snapshot's and the last one's place among all models."""
    at = shown(whole) * whole.members
    return np.stack([at[:-1], np.full(len(at) - 1, at[-1])], axis=1)


def _phase(title: str, rows: Array) -> Phase:
    return Phase(title, *rows.T)


def _told(phase: Phase) -> list[str]:
    ends = zip(phase.value.tolist(), phase.low.tolist(), phase.high.tolist(), strict=True)
    return [significant_digits.within(v, low, high) if np.isfinite(v) else "" for v, low, high in ends]
