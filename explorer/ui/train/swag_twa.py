"""What takes longer than an average: the best mixture in the snapshots' span, and the answers of many models drawn from their scatter."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd
import streamlit as st

from explorer.core import registry
from explorer.core.points import Points
from explorer.core.spec import Field, Fused, Method, Run, Study
from explorer.stats import calibration, units
from explorer.stats.barriers import difference, level
from explorer.store.job_status import Status
from explorer.store.run_store import RunStore
from explorer.ui.frame import failure, shell, status_badge
from explorer.ui.train.trajectories import Trajectory, values_at
from explorer.ui.widgets import method_form

ENDS = np.eye(2)


def request_ids(whole: Trajectory) -> list[str]:
    """Ids of what may be on its way here."""
    return [_asked(whole, name).id for name in ("twa", "swag")]


def show(store: RunStore, whole: Trajectory) -> None:
    """Both, once somebody asks."""
    used = f"Of the {len(whole.late())} late snapshots."
    with st.container(border=True):
        st.markdown(f"**TWA**: the best mixture, found by gradient descent in the few dimensions that the snapshots span (Li et al. 2023). {used}")
        _part(store, whole, "twa")
    with st.container(border=True):
        st.markdown(f"**SWAG**: the mean prediction of models drawn from the spread of the snapshots (Maddox et al. 2019). {used}")
        _part(store, whole, "swag")


def _part(store: RunStore, whole: Trajectory, name: str) -> None:
    kind = "fuse" if name == "twa" else "study"
    key = f"more-{name}-{whole.models[0].id}"
    request = _asked(whole, name)
    status = store.status(request.id)
    options, go, _ = st.columns([2, 2, 6])
    with options, st.popover("Options", icon=":material/tune:", width="stretch"):
        how = method_form.options(kind, name, key=key)
    with go:
        busy = status is not None and status.active
        st.button("Search" if name == "twa" else "Draw", key=f"{key}-go", on_click=_submit, args=(whole, name, how), disabled=busy, width="stretch")
    if status is None:
        return
    if status.state == "failed":
        failure.show(status)
    elif status.state != "done":
        st.caption(status_badge.sentence(status))
    elif isinstance(request, Run):
        _twa(store, whole, request)
    else:
        _swag(whole, status)


def _memory(whole: Trajectory, name: str) -> str:
    return f"more-{name}-how-{whole.models[0].id}"


def _asked(whole: Trajectory, name: str) -> Run | Study:
    """The request with the options that the person asked for last; with the defaults where nobody did."""
    how = cast("Method | None", st.session_state.get(_memory(whole, name))) or registry.method("fuse" if name == "twa" else "study", name)
    return _wish(whole, name, how)


def _wish(whole: Trajectory, name: str, how: Method) -> Run | Study:
    if name == "swag":
        return Study(whole.problem, whole.late(), how)
    last = whole.models[-whole.members]
    made = Fused(whole.problem, whole.late(), how, name=f"TWA of {whole.name}")
    field = Field(whole.problem, (last, made), registry.method("chart", "mixture"), split="test")
    return Run(field, registry.method("sample", "given", {"at": (1.0, 0.0, 0.0, 1.0)}))


def _submit(whole: Trajectory, name: str, how: Method) -> None:
    st.session_state[_memory(whole, name)] = how
    shell.submit(_wish(whole, name, how), urgent=True)


def _twa(store: RunStore, whole: Trajectory, run: Run) -> None:
    points, _ = store.points(run.field.id)
    last, made = (values_at(points, row[None]) for row in ENDS)
    if last is None or made is None:
        return
    loss, error = difference(made, last, 0), difference(made, last, 1)
    unit = units.of_level(whole.problem, "loss")
    st.markdown(
        f"Test loss **{level(made, 0).formatted(unit=unit)}**; minus the last snapshot's: {loss.formatted(unit=unit, signed=True)}."
        + (
            f" Error {level(made, 1).formatted(scale=100, unit='%')}; minus the last snapshot's: {error.formatted(scale=100, unit='points', signed=True)}."
            if registry.classifies(whole.problem.loss)
            else ""
        )
    )


def _swag(whole: Trajectory, status: Status) -> None:
    found = cast("dict[str, object]", status.result)
    counts = np.array(found["counts"])
    points = [Points(np.zeros((1, 1)), np.array(v, dtype=float)[None], counts) for v in cast("list[object]", found["values"])]
    gaps = [np.array(g, dtype=float) for g in cast("list[object]", found["gaps"])] if found["gaps"] else []
    unit = units.of_level(whole.problem, "loss")
    rows: list[dict[str, object]] = []
    for i, name in enumerate(("average of the draws", "mean of the snapshots", "last snapshot")):
        row: dict[str, object] = {"model": name, f"{units.titled('test loss', unit)}, 95 %": level(points[i], 0).formatted()}
        if registry.classifies(whole.problem.loss):
            row["test error (%), 95 %"] = level(points[i], 1).formatted(scale=100)
        row[f"{units.titled('loss less that of the mean', unit)}, 95 %"] = (
            "" if i == 1 else difference(points[i], points[1], 0).formatted(signed=True)
        )
        if gaps:
            row["calibration error (%), 95 %"] = calibration.error(gaps[i], counts).formatted(scale=100)
            row["its difference (points), 95 %"] = (
                "" if i == 1 else calibration.difference(gaps[i], gaps[1], counts).formatted(scale=100, signed=True)
            )
        rows.append(row)
    st.dataframe(pd.DataFrame(rows), hide_index=True)
    gap = difference(points[0], points[1], 0)
    verdict = "lower than" if gap.high < 0 else "higher than" if gap.low > 0 else "indistinguishable from"
    st.caption(f"The loss of the averaged predictions is {verdict} that of the averaged weights; it costs as many forward passes as there are draws.")
