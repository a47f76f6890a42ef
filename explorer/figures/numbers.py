"""A picture's numbers: exactly what is drawn, as a table and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import unescape
from typing import cast

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from explorer.core.markdown import plain

MOST_WORDS = 6  # curves that are told of; the table has all
COLUMNS = ("curve", "x", "y", "value", "low", "high", "about")
Props = Mapping[str, object]
Row = Mapping[str, float | str]


def table(figure: go.Figure) -> pd.DataFrame:
    """A row for each point, bar or cell that is drawn; `value` is a cell's or a surface's, low and high are an interval's, columns without content are left out.

    Fills and guides, which show nothing on hovering, are no data. A place that stands for a name on its axis is given by that name.
    """
    rows = _rows(figure)
    return pd.DataFrame(rows, columns=pd.Index([c for c in COLUMNS if any(row.get(c, "") != "" for row in rows)]))


def words(figure: go.Figure) -> str:
    """How low and how high each curve or matrix goes, and where."""
    curves: dict[str, list[Row]] = {}
    for row in _rows(figure):
        curves.setdefault(str(row["curve"]), []).append(row)
    said = [text for name, rows in curves.items() if (text := _range(name, rows))]
    more = f"\n\n{len(said) - MOST_WORDS} more are in the data." if len(said) > MOST_WORDS else ""
    return "\n".join(f"- {text}" for text in said[:MOST_WORDS]) + more or "Nothing is drawn yet."


def _range(name: str, rows: Sequence[Row]) -> str:
    height = next((c for c in ("value", "y", "x") if isinstance(rows[0].get(c), float)), "")
    rows = [row for row in rows if height in row]  # unnamed marks may stand over an unnamed matrix
    known = [row for row in rows if np.isfinite(float(row[height]))]
    if not known:
        return ""
    ends = min(known, key=lambda row: row[height]), max(known, key=lambda row: row[height])
    low, high = (f"{float(end[height]):.4g}{_where(end, height)}" for end in ends)
    lost = f"; {len(rows) - len(known)} not finite" if len(known) < len(rows) else ""
    return (f"**{plain(name)}**: " if name else "") + f"{len(rows)} values, from {low} to {high}{lost}"


def _where(row: Row, height: str) -> str:
    """What stands at a value: what is said of it, else its places on the axes."""
    at = [row["about"]] if row.get("about") else [row[c] for c in ("x", "y") if c != height]
    return f" ({', '.join(v if isinstance(v, str) else f'{v:.4g}' for v in at)})"


def _rows(figure: go.Figure) -> list[Row]:
    layout = cast("Props", figure.layout.to_plotly_json())
    return [row for trace in cast("Sequence[go.Scatter]", figure.data) for row in _trace_rows(cast("Props", trace.to_plotly_json()), layout)]


def _trace_rows(trace: Props, layout: Props) -> list[Row]:
    """One trace; nothing for a guide, and for contours, which are those of a heatmap under them."""
    z = trace.get("z")
    columns: dict[str, list[float] | list[str]]
    if trace.get("hoverinfo") == "skip" or trace["type"] == "contour" or (z is None and (trace.get("x") is None or trace.get("y") is None)):
        return []
    if trace["type"] in ("heatmap", "surface"):
        values = np.asarray(z, dtype=np.float64)
        x, y = (_ticks(trace, which, count) for which, count in (("x", values.shape[1]), ("y", values.shape[0])))
        places = {"x": np.tile(x, len(y)), "y": np.repeat(y, len(x))}
        shown = np.asarray(trace.get("customdata"))  # the value itself, where a logarithm is coloured
        columns = {"value": _floats((shown if shown.shape == values.shape and shown.dtype.kind == "f" else values).ravel())}
    else:
        places = {"x": np.asarray(trace["x"]), "y": np.asarray(trace["y"])}
        columns = ({} if z is None else {"value": _floats(z)}) | _point_annotations(trace)
    columns |= {which: _called(at, _names(trace, layout, which)) for which, at in places.items()}
    name = unescape(str(trace.get("name") or ""))
    return [{"curve": name, **dict(zip(columns, row, strict=True))} for row in zip(*columns.values(), strict=True)]


def _floats(values: object) -> list[float]:
    return [float(v) for v in np.asarray(values, dtype=np.float64)]


def _ticks(trace: Props, which: str, count: int) -> np.ndarray:
    return np.arange(count) if trace.get(which) is None else np.asarray(trace[which])


def _point_annotations(trace: Props) -> dict[str, list[float] | list[str]]:
    """The interval of each point, drawn as error bars or told on hovering; else what is said of it there."""
    for which in ("y", "x"):
        bars = cast("Props", trace.get(f"error_{which}") or {})
        if bars.get("array") is not None:
            middle, up = (np.asarray(v, dtype=np.float64) for v in (trace[which], bars["array"]))
            down = np.asarray(bars["arrayminus"], dtype=np.float64) if bars.get("arrayminus") is not None else up
            return {"low": _floats(middle - down), "high": _floats(middle + up)}
    count, edges = len(np.asarray(trace["x"])), np.asarray(trace.get("customdata"))
    if edges.shape == (count, 2) and edges.dtype.kind == "f":
        return {"low": _floats(edges[:, 0]), "high": _floats(edges[:, 1])}
    texts = next((t for t in (np.asarray(trace.get("text")), edges) if t.shape == (count,) and t.dtype.kind in "OU"), None)
    return {} if texts is None else {"about": [unescape(str(t)) for t in texts]}


def _names(trace: Props, layout: Props, which: str) -> dict[float, str]:
    """Places on an axis and the names that stand there instead of numbers, where they do."""
    axis = cast("Props", layout.get(f"{which}axis{str(trace.get(f'{which}axis') or which)[1:]}") or {})
    places, texts = axis.get("tickvals"), axis.get("ticktext")
    if places is None or texts is None:
        return {}
    named = {float(p): unescape(str(t)) for p, t in zip(np.asarray(places), np.asarray(texts), strict=False)}
    return {} if all(_numeric(t) for t in named.values()) else named


def _numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _called(values: np.ndarray, names: Mapping[float, str]) -> list[str] | list[float]:
    if values.dtype.kind not in "iuf":
        return [unescape(str(v).replace("<br>", " ")) for v in values]
    return [names.get(float(v), f"{float(v):g}") for v in values] if names else _floats(values)
