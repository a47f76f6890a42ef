"""A lesson's one picture on paper, and its numbers as a table."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from explorer.figures import bars as bars_figure
from explorer.figures import curve as curve_figure
from explorer.figures import plane as plane_figure
from explorer.lessons import Bars, Lines, Outcome, Relief

LIMITS = (
    "Bands and whiskers are 95 % intervals over blocks of test samples; they say nothing about other training seeds. These are small networks on small data:"
    " they show how to look, not what larger ones do."
)


def table(seen: Outcome) -> pd.DataFrame:
    """Its numbers, one row for each point."""
    match seen.picture:
        case Lines(curves, x_title):
            nan = float("nan")
            rows = [
                (c.name, x, y, nan if c.low is None else c.low[i], nan if c.high is None else c.high[i])
                for c in curves
                for i, (x, y) in enumerate(zip(c.x, c.y, strict=True))
            ]
            return pd.DataFrame(rows, columns=["curve", x_title.split()[0], "value", "low", "high"])
        case Bars(rows):
            return pd.DataFrame([(r.name, r.value, r.low, r.high) for r in rows], columns=["name", "value", "low", "high"])
        case Relief(surface) as p:
            rows = [(x, y, surface.z[j, i]) for j, y in enumerate(surface.y) for i, x in enumerate(surface.x)]
            return pd.DataFrame(rows, columns=[p.x_title, p.y_title, p.z_title])


def figure(seen: Outcome, title: str) -> go.Figure:
    """It on paper."""
    match seen.picture:
        case Lines() as p:
            return curve_figure.figure(p.curves, x_title=p.x_title, y_title=p.y_title, title=title, footnote=LIMITS, log=p.log)
        case Bars() as p:
            return bars_figure.figure(p.rows, x_title=p.x_title, title=title, footnote=LIMITS)
        case Relief() as p:
            note = "Exact: computed from the formula."
            axes = (p.x_title, p.y_title)
            return plane_figure.figure(
                p.surface, list(p.markers), list(p.traces), z_title=p.z_title, title=title, footnote=note, log=p.log, axes=axes
            )
