"""Many ingredients by what they are worth, as a picture: those at either end, and what the rest are worth together."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from explorer.figures import bars
from explorer.figures.bars import Bar
from explorer.stats.intervals import Estimate
from explorer.ui.soup.measurements import Kitchen
from explorer.ui.widgets.chart_actions import chart

ENDS = 8  # ingredients at either end


def ranked(kitchen: Kitchen, worth: Sequence[Estimate]) -> None:
    """The picture and a sentence, folded under the greedy path."""
    by, names = kitchen.by, [m.name or m.id for m in kitchen.models]
    order = sorted(range(len(worth)), key=lambda k: -worth[k].value)
    best, worst = (order[:ENDS], order[-ENDS:]) if len(order) > 2 * ENDS else (order, [])
    helps, hurts = sum(e.low > 0 for e in worth), sum(e.high < 0 for e in worth)
    says = f"{helps} of {len(worth)} ingredients help beyond the interval, {hurts} hurt."
    with st.expander(f"Which are worth most: {says}", icon=":material/leaderboard:"):
        title = f"Shapley value on the validation split{by.apart}"
        rows = [
            Bar(names[k], by.scale * worth[k].value, by.scale * worth[k].low, by.scale * worth[k].high, worth[k].low > 0) for k in (*best, *worst)
        ]
        chart(bars.figure(rows, x_title=title), key=f"soup-ranked-{kitchen.field('val').id}", title=title, stem="ingredients")
        if rest := order[len(best) : len(order) - len(worst)]:
            low, high = (by.scale * worth[k].value for k in (rest[-1], rest[0]))
            st.caption(
                f"The {len(best)} that are worth most and the {len(worst)} that are worth least; the other {len(rest)} lie between {low:.3g} and {high:.3g}:"
                " sort the table by its Shapley values to see all."
            )
