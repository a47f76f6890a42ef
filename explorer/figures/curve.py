"""Values along a path: measured points, their 95 % band, the straight line between the ends and the barrier above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from textwrap import wrap
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from explorer.core.points import Array
from explorer.figures.heading import heading, lines
from explorer.figures.place_labels import rows
from explorer.figures.ticks import Tick, log_ticks, nice_step, ticks

# Okabe & Ito's colours, told apart with any common colour vision; the order keeps neighbours apart in lightness too.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#999933")
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
DASHES = ("solid", "dash", "dashdot", "dot", "longdash", "longdashdot")  # of lines without symbols, for those who see no colours
INK, RULE = "#31333F", "#DADCE3"
RESOLUTION, TINY = 1e-6, 1e-12  # what single precision tells apart: of a value, and of a sum of terms that cancel
CHORD_STEPS = 64  # a straight line is bent on a log axis
STEPS = 6  # of the vertical axis, about
PLOT, LABEL = 290, 22  # px that the axes are high, and that a label is


class Peak(NamedTuple):
    """A barrier: at x the curve stands at `top`, the straight line between the ends at `foot`; label says how high that is."""

    x: float
    foot: float
    top: float
    label: str


@dataclass(frozen=True, eq=False)
class Curve:
    """One line of the picture: K measured points in any order.

    y: a value that is not finite is a point that diverged: a gap, never a number. low, high: (K,) 95 % band, both or none.
    chord: the values at the first and the last x, joined by a straight line. ghost: drawn dashed and pale, for comparison.
    """

    name: str
    x: Array
    y: Array
    low: Array | None = None
    high: Array | None = None
    chord: tuple[float, float] | None = None
    peak: Peak | None = None
    ghost: bool = False

    def __post_init__(self) -> None:
        if (self.low is None) != (self.high is None):
            raise ValueError(f"Curve '{self.name}' has one edge of a band; give both low and high, or neither.")
        for what, values in (("x", self.x), ("y", self.y), ("low", self.low), ("high", self.high)):
            if values is not None and values.shape != (len(self.x),):
                raise ValueError(f"Curve '{self.name}': expected {what} of shape {(len(self.x),)}, got {values.shape}.")
        if not np.isfinite(self.x).all():
            raise ValueError(f"Curve '{self.name}' has a point without a finite x; only y may be missing.")

    def ordered(self) -> Curve:
        """The same points by rising x."""
        order = np.argsort(self.x, kind="stable")
        low, high = (None if edge is None else edge[order] for edge in (self.low, self.high))
        return replace(self, x=self.x[order], y=self.y[order], low=low, high=high)


def figure(curves: Sequence[Curve], *, x_title: str, y_title: str, title: str, footnote: str, log: bool = False) -> go.Figure:
    """The curves as a picture for a report: light, self-explaining, footnote underneath."""
    fig = go.Figure()
    for i, curve in enumerate(curves):
        _draw(fig, curve.ordered(), i, log)
    reach, marks = _reach(curves, log)
    _label(fig, curves, reach, log)
    note = wrap(footnote, 105)
    fig.update_layout(
        template="plotly_white",
        font={"size": 14, "color": INK, "family": "system-ui, sans-serif"},
        margin={"l": 70, "r": 30},
        hovermode="closest",
        showlegend=True,
    )
    lost = _mark_lost(fig, curves)
    fig.update_layout(heading(title, [curve.name for curve in curves], lift=22 if lost else 0, tall=PLOT, below=80 + 19 * len(note)))
    ends = [end for curve in curves if len(curve.x) for end in (float(curve.x.min()), float(curve.x.max()))]
    domain = [min(ends), max(ends)] if ends else [0.0, 1.0]
    if domain[0] == domain[1]:
        domain = [domain[0] - 0.5, domain[1] + 0.5]
    counted = domain != [0.0, 1.0] and all(float(at).is_integer() for curve in curves for at in curve.x)  # turns, epochs; from 0 to 1 it is a share
    dtick = max(1.0, nice_step((domain[1] - domain[0]) / STEPS)) if counted else None
    fig.update_xaxes(title_text=escape(x_title, quote=False), gridcolor=RULE, zeroline=False, range=domain, dtick=dtick)
    fig.update_yaxes(
        title_text=escape(y_title, quote=False),
        gridcolor=RULE,
        zeroline=False,
        type="log" if log else "linear",
        range=reach,
        tickvals=[mark.at for mark in marks],
        ticktext=[mark.text for mark in marks],
    )
    if note:
        fig.add_annotation(
            text="<br>".join(escape(line, quote=False) for line in note),
            xref="paper",
            yref="paper",
            x=0,
            y=0,
            yshift=-62,
            xanchor="left",
            yanchor="top",
            align="left",
            showarrow=False,
            font={"size": 13},
        )
    return fig


def html(figure: go.Figure) -> str:
    """One page that needs no network: plotly.js is inside, and its button that uploads the chart is off."""
    return figure.to_html(include_plotlyjs=True, config={"showSendToCloud": False, "displaylogo": False, "responsive": True})


def _draw(fig: go.Figure, curve: Curve, index: int, log: bool) -> None:
    colour, symbol = PALETTE[index % len(PALETTE)], SYMBOLS[index % len(SYMBOLS)]
    group, name = f"curve {index}", escape(curve.name, quote=False)
    y = np.where(np.isfinite(curve.y), curve.y, np.nan)
    if curve.low is not None and curve.high is not None:
        fig.add_scatter(
            **_band(curve.x, curve.low, curve.high),
            fill="toself",
            fillcolor=_pale(colour),
            line={"width": 0},
            mode="lines",
            legendgroup=group,
            showlegend=False,
            hoverinfo="skip",
            name=f"{name}, 95 % band",
        )
    if curve.chord is not None and len(curve.x):
        share = np.linspace(0.0, 1.0, CHORD_STEPS)
        fig.add_scatter(
            x=_f32(curve.x[0] + share * (curve.x[-1] - curve.x[0])),
            y=_f32(curve.chord[0] + share * (curve.chord[1] - curve.chord[0])),
            mode="lines",
            line={"color": colour, "width": 1.5, "dash": "dot"},
            hoverinfo="skip",
            legendgroup=group,
            showlegend=False,
            name=f"{name}, straight line between the ends",
        )
    spread = None if curve.low is None or curve.high is None else np.stack([curve.low, curve.high], axis=1)
    fig.add_scatter(
        x=_f32(curve.x),
        y=_f32(y),
        customdata=None if spread is None else _f32(spread),
        mode="lines+markers",
        connectgaps=False,
        cliponaxis=False,
        name=lines(curve.name),
        legendgroup=group,
        opacity=0.6 if curve.ghost else 1.0,
        line={"color": colour, "width": 2, "dash": "dash" if curve.ghost else "solid"},
        marker={"color": colour, "size": 7, "symbol": symbol + ("-open" if curve.ghost else "")},
        hovertemplate="%{x:.4g}: %{y:.4g}" + ("" if spread is None else " [%{customdata[0]:.4g}, %{customdata[1]:.4g}]"),
    )
    if (peak := _shown(curve, log)) is not None:
        _bracket(fig, peak, colour, group)


def _mark_lost(fig: go.Figure, curves: Sequence[Curve]) -> bool:
    """One mark over each place where a curve diverged, in its colour, or in ink where several did; whether there is any."""
    lost: dict[float, list[int]] = {}
    for i, curve in enumerate(curves):
        for at in curve.x[~np.isfinite(curve.y)]:
            lost.setdefault(float(at), []).append(i)
    for at, which in lost.items():
        names = ", ".join(escape(curves[i].name, quote=False) for i in which)
        fig.add_annotation(
            text="× diverged" if at == max(lost) else "×",
            x=at,
            yref="paper",
            y=1,
            yanchor="bottom",
            xanchor="left",
            xshift=-5,
            showarrow=False,
            font={"color": PALETTE[which[0] % len(PALETTE)] if len(which) == 1 else INK, "size": 14},
            hovertext=f"{names} diverged at {at:.4g}",
        )
    return bool(lost)


def _bracket(fig: go.Figure, peak: Peak, colour: str, group: str) -> None:
    fig.add_scatter(
        x=_f32([peak.x, peak.x]),
        y=_f32([peak.foot, peak.top]),
        mode="lines+markers",
        line={"color": colour, "width": 1.5},
        hoverinfo="skip",
        marker={"symbol": "line-ew", "size": 12, "line": {"color": colour, "width": 1.5}},
        legendgroup=group,
        showlegend=False,
        name="barrier",
    )


def _shown(curve: Curve, log: bool) -> Peak | None:
    return curve.peak if curve.peak is not None and (curve.peak.foot > 0 or not log) else None


def _label(fig: go.Figure, curves: Sequence[Curve], reach: list[float], log: bool) -> None:
    """The label of each bracket beside and above its top, on the side with more room, in a row of its own, joined to it by a leader."""
    known = [(curve, peak, PALETTE[i % len(PALETTE)]) for i, curve in enumerate(curves) if (peak := _shown(curve, log)) is not None]
    scale = (reach[1] - reach[0]) / PLOT
    tops = [float(np.log10(peak.top)) if log else peak.top for _, peak, _ in known]
    heights = rows([(reach[1] - top) / scale - LABEL / 2 for top in tops], LABEL, LABEL / 2, PLOT - LABEL / 2)
    for (curve, peak, colour), top, height in zip(known, tops, heights, strict=True):
        left = peak.x > (curve.x.min() + curve.x.max()) / 2
        fig.add_annotation(
            text=escape(peak.label, quote=False),
            x=peak.x,
            y=top,
            ax=-20 if left else 20,
            ay=reach[1] - height * scale,
            ayref="y",
            xanchor="right" if left else "left",
            yanchor="middle",
            arrowhead=0,
            arrowwidth=1,
            arrowcolor=colour,
            bgcolor="rgba(255,255,255,0.8)",
            font={"size": 13, "color": _dark(colour)},
        )


def _reach(curves: Sequence[Curve], log: bool) -> tuple[list[float], list[Tick]]:
    """The ends of the vertical axis, in decades where it is one of logarithms, and its ticks: as `frontend/curve.js` has them."""
    parts = [part for c in curves for part in (c.y, c.low, c.high, c.chord, c.peak and (c.peak.foot, c.peak.top)) if part is not None]
    values = np.concatenate([np.asarray(part, dtype=np.float64) for part in parts] or [np.empty(0)])
    values = values[np.isfinite(values) & ((values > 0) | (not log))]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.1, 1.0) if log else (0.0, 1.0)
    if log:
        pad = max(0.02, 0.05 * float(np.log10(high / low)))
        low, high = low * 10**-pad, high * 10**pad
        return [float(np.log10(low)), float(np.log10(high))], log_ticks(low, high, STEPS)
    level = max(abs(low), abs(high))
    if high - low <= max(RESOLUTION * level, TINY):  # one value: a difference that arithmetic cannot tell is no mountain
        low, high = (low - level / 2, high + level / 2) if level > TINY else (-1.0, 1.0)
    if 0 < low < 0.4 * high:
        low = 0.0  # near enough to zero to show it
    step = nice_step((high - low) / STEPS)
    low, high = float(np.floor(low / step + 1e-9) * step), float(np.ceil(high / step - 1e-9) * step)
    return [low, high], ticks(low, high, step)


def _band(x: Array, low: Array, high: Array) -> dict[str, object]:
    """One closed outline for each stretch of finite edges, NaN between them, so that a gap is not painted over."""
    known = np.isfinite(low) & np.isfinite(high)
    stretches = np.split(np.arange(len(x)), np.flatnonzero(np.diff(known.astype(np.int8))) + 1)
    outline_x: list[Array] = []
    outline_y: list[Array] = []
    for stretch in stretches:
        if len(stretch) and known[stretch[0]]:
            there, gap = np.concatenate([stretch, stretch[::-1]]), np.array([np.nan])
            outline_x += [x[there], gap]
            outline_y += [high[stretch], low[stretch[::-1]], gap]
    empty = [np.array([], dtype=np.float64)]
    return {"x": _f32(np.concatenate(outline_x or empty)), "y": _f32(np.concatenate(outline_y or empty))}


def _f32(values: Array | list[float]) -> np.ndarray:
    return np.asarray(values, dtype=np.float32)


def _dark(colour: str) -> str:
    """For text: halfway to ink."""
    mixed = [(int(colour[i : i + 2], 16) + int(INK[i : i + 2], 16)) // 2 for i in (1, 3, 5)]
    return "#" + "".join(f"{part:02X}" for part in mixed)


def _pale(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"
