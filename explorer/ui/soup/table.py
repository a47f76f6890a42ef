"""The table of ingredients: what each model is worth, and which of them the person puts into the pot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_config_utils import ColumnConfigMappingInput

from explorer.core.points import Array, Points
from explorer.stats import units
from explorer.stats.intervals import Estimate
from explorer.stats.soup_analysis import Path, leave_one_out, row_of, sampled_shapley, shapley, singles
from explorer.store.run_store import RunStore
from explorer.ui.soup.measurements import EXACT, ORDERS, Kitchen, shown, text, to_the_soup

FIRST = (
    "in",
    "model",
    "weight",
    "val error (%)",
    "test error (%)",
    "val loss",
    "test loss",
    "kept",
    "contribution to the soup of all",
    "Shapley value",
)
SERVED = "soup-served"  # how often a soup came from elsewhere than the table: then the table is reset with it


def ingredients(
    store: RunStore,
    kitchen: Kitchen,
    val: Points,
    test: Points,
    path: Path | None,
    own: tuple[float, ...] | None,
    *,
    on_choice: Callable[[tuple[float, ...] | None], None],
) -> tuple[float, ...] | None:
    """The table; the weights that the person has put in, None when none has. on_choice hears of them first, before the page is drawn again."""
    models = len(kitchen.models)
    weights = own or (0.0,) * models
    rows: dict[str, Sequence[object] | Array] = {
        "in": [w != 0 for w in weights],
        "model": [m.name or m.id for m in kitchen.models],
        "weight": [w or 1.0 for w in weights],
    }
    by = kitchen.by
    if by.metric == "error":
        rows["val error (%)"] = [shown(val, row, by) for row in singles(models)]
        rows["test error (%)"] = [shown(test, row, by) for row in singles(models)]
    rows["val loss"] = [_loss(val, row) for row in singles(models)]
    rows["test loss"] = [_loss(test, row) for row in singles(models)]
    steps = {s.model: (i, s) for i, s in enumerate(path.steps, start=1)} if path else {}
    rows["turn"] = [steps[k][0] if k in steps else None for k in range(models)]
    rows["kept"] = [steps[k][1].accepted if k in steps else None for k in range(models)]
    rows[f"gain{by.apart}"] = [text(steps[k][1].gain, by) if k in steps else "" for k in range(models)]
    apart = leave_one_out(val, by.metric) if len(val) else None
    rows["contribution to the soup of all"] = [text(e, by) for e in apart] if apart else [""] * models
    worth = _shapley(kitchen, val)
    rows["Shapley value"] = [text(e, by) for e in worth] if worth else [""] * models
    climbs = [to_the_soup(kitchen, val, k) if len(val) else None for k in range(models)]
    barrier_column = units.titled("barrier to the soup", units.of_gap(kitchen.problem, "loss"))
    rows[barrier_column] = ["" if b is None else b.height.formatted() for b in climbs]
    rows |= _looks(store, kitchen)
    unit = units.of_level(kitchen.problem, "loss")
    first = [c for c in rows if c in FIRST or c == barrier_column]
    if by.metric == "error":
        first = [c for c in first if c not in ("val loss", "test loss")]
    config = {
        "in": st.column_config.CheckboxColumn(pinned=True, width=48, help="Select the models of your own soup; it is measured immediately."),
        "model": st.column_config.TextColumn(pinned=True, width=116),
        "val loss": st.column_config.NumberColumn(units.titled("val loss", unit), format="%.3g"),
        "test loss": st.column_config.NumberColumn(units.titled("test loss", unit), format="%.3g"),
        barrier_column: st.column_config.TextColumn(width=158, help="How far the validation loss rises on the line from the model to the soup of all, 95 %."),
        "cosine": st.column_config.NumberColumn(format="%.3f", help="With the mean of the others, as vectors from the origin."),
        "opposite signs (%)": st.column_config.NumberColumn(format="%.1f", help="The share of its weights' magnitude whose sign differs from that of the sum of all."),
        "weight": st.column_config.NumberColumn(width=72, help="The weight of a selected model.", min_value=-10.0, max_value=10.0, step=0.05),
        "val error (%)": st.column_config.NumberColumn(width=94, format="%.2f"),
        "test error (%)": st.column_config.NumberColumn(width=98, format="%.2f"),
        "turn": st.column_config.NumberColumn(help=f"When it was tried for the greedy soup: from the lowest validation {by.metric} to the highest."),
        "kept": st.column_config.CheckboxColumn(width=56, help="Whether the greedy soup kept it."),
        f"gain{by.apart}": st.column_config.TextColumn(help=f"By how much it lowered the validation {by.metric} of the greedy soup so far, 95 %."),
        "contribution to the soup of all": st.column_config.TextColumn(f"contribution{by.apart}", width=152, help=f"By how much the {by.metric} of the soup of all rises without it, 95 %."),
        "Shapley value": st.column_config.TextColumn(
            f"Shapley value{by.apart}", width=158, help=f"By how much it lowers the validation {by.metric}, on average over all orders of adding the models. The soup of none has the mean {by.metric} of the models alone."
        ),
        "accuracy by class": st.column_config.BarChartColumn(width=120, help="The accuracy for each class, on the validation split.", y_min=0.0, y_max=1.0),
        "disagrees (%)": st.column_config.NumberColumn(format="%.2f", help="On how many validation samples it disagrees with the others, on average."),
        "distance": st.column_config.NumberColumn(format="%.3g", help="To the soup of all, in weight space."),
    }  # fmt: skip
    table, key = pd.DataFrame(rows), f"soup-table-{kitchen.field('val').id}-{st.session_state.get(SERVED, 0)}"

    def chosen() -> None:
        now = pd.DataFrame({column: rows[column] for column in ("in", "weight")})
        for row, cells in st.session_state[key]["edited_rows"].items():
            for column, value in cells.items():
                now.loc[row, column] = value
        on_choice(_weights(now))

    edited = st.data_editor(
        table,
        hide_index=True,
        placeholder="",
        key=key,
        disabled=[c for c in rows if c not in ("in", "weight")],
        column_order=first,
        column_config=config,
        on_change=chosen,
    )
    _more(table, ["model", *(c for c in rows if c not in first)], config)
    st.caption(
        "Columns not marked *test* use the **validation** split, where the choice is made. Select models, or give them weights, to make your own soup. Intervals are paired"
        + (
            ", over all subsets of the models."
            if models <= EXACT
            else f"; Shapley values from {ORDERS} random orders, whose spread is in the interval."
        )
    )
    return _weights(edited)


def _weights(table: pd.DataFrame) -> tuple[float, ...] | None:
    """The soup that the ticks and weights of the table make; None where they make none."""
    used, weights = (cast("Sequence[float]", table[c].fillna(0.0).tolist()) for c in ("in", "weight"))
    mine = tuple(float(w) if u else 0.0 for u, w in zip(used, weights, strict=True))
    return mine if any(mine) and abs(sum(mine)) > 1e-9 else None


def _more(rows: pd.DataFrame, columns: list[str], config: ColumnConfigMappingInput) -> None:
    """What else is known of each model, in a table of its own, so that either fits the page."""
    with st.expander("How the ingredients answer, and where they lie", icon=":material/table:"):
        st.dataframe(rows, hide_index=True, placeholder="", column_order=columns, column_config=config)


def _loss(points: Points, soup: Array) -> float | None:
    at = row_of(points, soup.tolist()) if len(points) else None
    return None if at is None else float(points.means()[at, 0])


def _looks(store: RunStore, kitchen: Kitchen) -> dict[str, Sequence[object] | Array]:
    """How each model answers and where it lies, as far as that is known: columns of the table."""
    found: dict[str, Sequence[object] | Array] = {}
    status = store.status(kitchen.answers.id)
    if status is not None and status.state == "done" and isinstance(status.result, dict):
        apart = np.array(status.result["disagree"], dtype=np.float64)
        found["disagrees (%)"] = 100 * apart.sum(axis=1) / max(len(apart) - 1, 1)
        found["accuracy by class"] = cast("list[list[float]]", status.result["by_class"])
    if (known := store.field(kitchen.field("val").id)) is not None:
        n = len(known.gram)
        away = np.eye(n) - 1 / n
        found["distance"] = np.sqrt(np.maximum(np.einsum("ki,ij,kj->k", away, known.gram, away), 0.0))
    kin = store.status(kitchen.kinship.id)
    if kin is not None and kin.state == "done" and isinstance(kin.result, dict):
        gram = np.array(kin.result["gram"], dtype=np.float64)
        rest = 1 - np.eye(len(gram))
        with np.errstate(invalid="ignore", divide="ignore"):
            found["cosine"] = np.diag(rest @ gram) / np.sqrt(np.diag(gram) * np.diag(rest @ gram @ rest))
        found["opposite signs (%)"] = [None if v is None else 100 * v for v in cast("list[float | None]", kin.result["against"])]
    return found


def _shapley(kitchen: Kitchen, val: Points) -> list[Estimate] | None:
    if not len(val):
        return None
    metric = kitchen.by.metric
    return shapley(val, metric) if len(kitchen.models) <= EXACT else sampled_shapley(val, ORDERS, 0, metric)
