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
from explorer.stats.soup_analysis import Drawn, Path, leave_one_out, row_of, singles
from explorer.store.run_store import RunStore
from explorer.ui.soup.measurements import Kitchen, shown, text, to_the_soup
from explorer.ui.widgets.choose_models import BY_HAND, HELP, matching
from explorer.ui.widgets.selection_metric import Measure

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
SHOWS = ("all", "kept", "helps", "hurts")  # of many ingredients
ENDS = ", 95 %"  # of the column of intervals beside that of the numbers, which can be sorted
SERVED = "soup-served"  # how often a soup came from elsewhere than the table: then the table is reset with it
ROW, SHOWN = 35, 10  # pixels of a row, and rows that are seen at once


def ingredients(
    store: RunStore,
    kitchen: Kitchen,
    val: Points,
    test: Points,
    path: Path | None,
    own: tuple[float, ...] | None,
    worth: Sequence[Estimate] | None,
    drawn: Drawn | None,
    *,
    on_choice: Callable[[tuple[float, ...] | None], None],
) -> tuple[float, ...] | None:
    """The table; the weights that the person has put in, None when none has. worth: Shapley values, as far as they are known; drawn: of random orders.
    on_choice hears of the weights first, before the page is drawn again."""
    models = len(kitchen.models)
    many = models > BY_HAND
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
    for split, points in (("val", val), ("test", test)):
        rows[f"{split} loss"] = _losses(points) or [None] * models
    steps = {s.model: (i, s) for i, s in enumerate(path.steps, start=1)} if path else {}
    rows["turn"] = [steps[k][0] if k in steps else None for k in range(models)]
    rows["kept"] = [steps[k][1].accepted if k in steps else None for k in range(models)]
    rows[f"gain{by.apart}"] = [text(steps[k][1].gain, by) if k in steps else "" for k in range(models)]
    apart = leave_one_out(val, by.metric) if len(val) else None
    climbs = [to_the_soup(kitchen, val, k) if len(val) else None for k in range(models)]
    barrier_column = units.titled("barrier to the soup", units.of_gap(kitchen.problem, "loss"))
    _told(rows, "contribution to the soup of all", apart, by, many)
    _told(rows, "Shapley value", worth, by, many)
    _told(rows, barrier_column, [None if b is None else b.height for b in climbs], None, many)
    rows |= _looks(store, kitchen)
    unit = units.of_level(kitchen.problem, "loss")
    first = [c for c in rows if c.removesuffix(ENDS) in (*FIRST, barrier_column)]
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
    if many:
        for name in ("contribution to the soup of all", "Shapley value", barrier_column):
            config[name] = st.column_config.NumberColumn(f"{name}{by.apart}" if name != barrier_column else name, width=150, format="%.3g")
            config[f"{name}{ENDS}"] = st.column_config.TextColumn("95 %", width=120)
    table = pd.DataFrame(rows)
    listed = _narrowed(kitchen, table, worth) if many else list(range(models))
    table = table.iloc[listed]
    served = st.session_state.get(SERVED, 0)
    key = f"soup-table-{kitchen.field('val').id}-{served}{hash(tuple(listed)) if many else ''}"

    def chosen() -> None:
        if st.session_state.get(SERVED, 0) != served:  # the browser still sends what was ticked in the table before
            return
        now = table[["in", "weight"]].copy()
        for row, cells in st.session_state[key]["edited_rows"].items():
            for column, value in cells.items():
                now.iloc[row, now.columns.get_loc(column)] = value
        on_choice(_weights(now, listed, weights))

    edited = st.data_editor(
        table,
        hide_index=True,
        placeholder="",
        height=ROW * (min(len(table), SHOWN) + 1) + 3,  # kept from the first frame on
        key=key,
        disabled=[c for c in rows if c not in ("in", "weight")],
        column_order=first,
        column_config=config,
        on_change=chosen,
    )
    _more(table, ["model", *(c for c in rows if c not in first)], config)
    st.caption(
        "Columns not marked *test* use the **validation** split, where the choice is made. Select models, or give them weights, to make your own soup. Intervals are paired"
        + (", over all subsets of the models." if kitchen.exact else f"; {_drawn(kitchen, drawn)}")
    )
    return _weights(edited, listed, weights)


def _weights(table: pd.DataFrame, listed: Sequence[int], before: Sequence[float]) -> tuple[float, ...] | None:
    """The soup that the ticks and weights of the listed ingredients make, with those of the others as before; None where they make none."""
    mine = list(before)
    used, weights = (cast("Sequence[float]", table[c].fillna(0.0).tolist()) for c in ("in", "weight"))
    for k, u, w in zip(listed, used, weights, strict=True):
        mine[k] = float(w) if u else 0.0
    return tuple(mine) if any(mine) and abs(sum(mine)) > 1e-9 else None


def _told(rows: dict[str, Sequence[object] | Array], name: str, found: Sequence[Estimate | None] | None, by: Measure | None, many: bool) -> None:
    """A column of numbers with their intervals; of many models the intervals beside the numbers, by which the table can be sorted. by: None for a loss's own."""
    known = found or [None] * len(rows["model"])
    if not many:
        rows[name] = [("" if e is None else e.formatted()) if by is None else text(e, by) for e in known]
        return
    scale = 1.0 if by is None else by.scale
    ends = [None if e is None else e.parts(scale=scale) for e in known]
    rows[name] = [None if e is None else scale * e.value for e in known]
    rows[f"{name}{ENDS}"] = ["" if e is None else f"[{e[1]}, {e[2]}]" for e in ends]


def _narrowed(kitchen: Kitchen, rows: pd.DataFrame, worth: Sequence[Estimate] | None) -> list[int]:
    """Which of many ingredients are listed: by name, and by what they do."""
    key, kept = kitchen.field("val").id, cast("list[bool | None]", rows["kept"].tolist())
    with st.container(horizontal=True, vertical_alignment="bottom"):
        line = st.text_input("Filter", key=f"soup-filter-{key}", placeholder="tune-*, 1-50, newest 20", help=HELP, width=300)
        which = st.segmented_control(
            "Ingredients",
            SHOWS,
            default=SHOWS[0],
            key=f"soup-shows-{key}",
            format_func={"all": "All", "kept": "In the greedy soup", "helps": "Help", "hurts": "Hurt"}.__getitem__,
            help="Help and hurt: the 95 % interval of the Shapley value is on one side of zero.",
            required=True,
            disabled=worth is None and not any(kept),
        )
    found = [int(k) for k in matching(line, {str(k): name for k, name in enumerate(rows["model"])})]
    if which == "kept":
        found = [k for k in found if kept[k]]
    elif which != "all":
        found = [k for k in found if worth is not None and (worth[k].low > 0 if which == "helps" else worth[k].high < 0)]
    st.caption(f"{len(found)} of {len(rows)} ingredients. A click on a column's head sorts.")
    return found


def _drawn(kitchen: Kitchen, drawn: Drawn | None) -> str:
    """From how many random orders Shapley values are, and why from so many."""
    if drawn is None:
        return "Shapley values follow once the first random orders are measured."
    by = kitchen.by
    wide, samples = (f"±{by.scale * float(np.max(w)):.2g}{by.apart}" for w in (drawn.by_orders, drawn.by_samples))
    what = f"Shapley values from {drawn.orders} random orders ({drawn.orders * len(kitchen.models):,} soups), whose spread is in the interval: {wide} of the value that is known worst"
    if drawn.enough(kitchen.within):
        return f"{what}, {'below the width that you chose' if kitchen.within else f'no more than the evaluation samples leave, {samples}'}."
    more = "the most that the form allows" if drawn.orders >= kitchen.orders else "more are being drawn"
    return f"{what}; {more}."


def _more(rows: pd.DataFrame, columns: list[str], config: ColumnConfigMappingInput) -> None:
    """What else is known of each model, in a table of its own, so that either fits the page."""
    with st.expander("How the ingredients answer, and where they lie", icon=":material/table:"):
        st.dataframe(rows, hide_index=True, placeholder="", column_order=columns, column_config=config)


def _losses(points: Points) -> list[float | None]:
    """The loss of every model alone, as far as it is measured."""
    if not len(points):
        return []
    means, at = points.means()[:, 0], [row_of(points, row) for row in singles(points.coords.shape[1])]
    return [None if k is None else float(means[k]) for k in at]


def _looks(store: RunStore, kitchen: Kitchen) -> dict[str, Sequence[object] | Array]:
    """How each model answers and where it lies, as far as that is known: columns of the table."""
    found: dict[str, Sequence[object] | Array] = {}
    status = store.status(kitchen.answers.id)
    if status is not None and status.state == "done" and isinstance(status.result, dict):
        apart = np.array(status.result["disagree"], dtype=np.float64)
        found["disagrees (%)"] = 100 * apart.sum(axis=1) / max(len(apart) - 1, 1)
        if by_class := cast("list[list[float]]", status.result["by_class"]):
            found["accuracy by class"] = by_class
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
