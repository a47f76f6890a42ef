"""The bridge of a trained path: what a small head on the first model makes of the model half-way, beside the path's picture."""

from __future__ import annotations

from typing import cast

import pandas as pd
import streamlit as st

from explorer.core import significant_digits
from explorer.core.errors import Refused
from explorer.core.markdown import plain
from explorer.core.spec import Field, Study
from explorer.stats import units
from explorer.store.run_store import RunStore
from explorer.ui.frame import failure, shell, status_badge
from explorer.ui.frame.polling import live
from explorer.ui.widgets import method_form, model_inspector

ANSWERS = {
    "alone": "A alone",
    "target": "the midpoint model",
    "ensemble": "mean of both (two networks)",
    "bridged": "mean of A and the bridge (one network and a head)",
}


def show(store: RunStore, field: Field) -> None:
    """Ask for the bridge, and what came of it."""
    if field.problem.loss != "cross_entropy" or len(field.corners) < 3:
        return
    with st.expander("Bridge: the predictions of the midpoint model, without that model", icon=":material/alt_route:"):
        st.markdown(
            "An ensemble of A and the midpoint of the curve runs two networks. A **bridge** is a small head that reads A's last features"
            " and predicts the output of the midpoint (Yun et al. 2023)."
        )
        try:
            method = method_form.options("study", "bridge", key=f"bridge-{field.id}", fields=st.container())
        except (Refused, ValueError) as refusal:
            st.error(plain(str(refusal)))
            return
        request = Study(field.problem, (field.corners[0], model_inspector.recipe(store, field, (0.5,))), method)
        st.button("Train the bridge", icon=":material/alt_route:", on_click=shell.resume, args=(request,), key=f"bridge-go-{field.id}")
        status = store.status(request.id)
        if status is not None:
            live(_live, every=0.5, busy=status.active)(store, request, status.active)


def _live(store: RunStore, request: Study, was_active: bool) -> None:
    status = store.status(request.id)
    if status is None:
        return
    if status.state == "failed":
        failure.show(status)
    elif status.active:
        st.progress(status.done / status.total if status.total else 0.0, text=status_badge.sentence(status))
    elif isinstance(status.result, dict):
        _table(cast("dict[str, object]", status.result), units.of_level(request.problem, "loss"))
    if was_active != status.active:
        st.rerun()


def _table(found: dict[str, object], unit: str) -> None:
    answers = cast("dict[str, dict[str, list[float]]]", found["answers"])
    rows = [
        {
            "answer": ANSWERS[who],
            f"{units.titled('test loss', unit)}, 95 %": significant_digits.within(*row["loss"]),
            units.titled("less A's", unit): _apart(row.get("loss − alone")),
            "test error (%), 95 %": significant_digits.within(*(100 * v for v in row["error"])),
            "less A's (points)": _apart(row.get("error − alone"), 100),
        }
        for who, row in answers.items()
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True)
    apart = cast("dict[str, list[float]]", found["divergence"])
    worse = answers["bridged"]["loss − alone"][1] > 0
    better = answers["bridged"]["loss − alone"][2] < 0
    verdict = (
        "Here the bridge makes A **worse**: the model it imitates is itself no better."
        if worse
        else "Here the bridge **improves** A."
        if better
        else "Here the bridge makes **no detectable difference** on these samples."
    )
    st.markdown(
        f"{verdict} Its predictions diverge from those of the midpoint model by {significant_digits.within(*apart['bridge'], unit=unit)}; A's own by"
        f" {significant_digits.within(*apart['copied'], unit=unit)}, A's at the best temperature by {significant_digits.within(*apart['tempered'], unit=unit)}. The head costs {100 * cast('float', found['cost']):.1f} % of a pass through the network."
    )


def _apart(interval: list[float] | None, scale: float = 1.0) -> str:
    return "" if interval is None else significant_digits.within(*(scale * v for v in interval), signed=True)
