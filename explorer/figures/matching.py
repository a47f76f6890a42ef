"""Pictures of an alignment: how it converged, which layers came closer, which unit went where, and how alike units are."""

from __future__ import annotations

from html import escape

import numpy as np
import plotly.graph_objects as go

from explorer.core.points import Array
from explorer.core.significant_digits import number
from explorer.figures.curve import DASHES, PALETTE, RULE, SYMBOLS, Curve
from explorer.figures.matching_words import angles
from explorer.symmetry.alignment_report import AxisClass, Matched


def descent(found: Matched) -> list[Curve]:
    """The objective at the start and after every step, a curve for each model that was moved; none of a method without steps."""
    return [
        Curve(_called(found, i), np.arange(len(trace), dtype=np.float64), np.array(trace)) for i, trace in enumerate(found.trace) if len(trace) > 1
    ]


def descent_words(found: Matched) -> str:
    """From where to where it went, and in how many steps."""
    parts = [
        f"{_called(found, i)} from {number(trace[0])} to {number(trace[-1])} in {len(trace) - 1} step{'s' * (len(trace) > 2)}"
        for i, trace in enumerate(found.trace)
        if len(trace) > 1
    ]
    return f"{found.method.replace('_', ' ')}, {found.objective}: {'; '.join(parts)}."


def _called(found: Matched, i: int) -> str:
    return found.names[i + 1] if i + 1 < len(found.names) else f"model {i + 1}"


def convergence(found: Matched) -> go.Figure:
    """Progress of the method, step by step; one line for each model that was moved."""
    fig = go.Figure()
    for i, trace in enumerate(found.trace):
        name = found.names[i + 1] if i + 1 < len(found.names) else f"step {i}"
        fig.add_scatter(
            x=np.arange(len(trace)),
            y=np.array(trace),
            name=escape(name, quote=False),
            mode="lines+markers" if len(trace) <= 60 else "lines",
            line={"color": PALETTE[i % len(PALETTE)], "width": 2, "dash": DASHES[i % len(DASHES)]},
            marker={"size": 6, "symbol": SYMBOLS[i % len(SYMBOLS)]},
            hovertemplate="step %{x}: %{y:.5g}<extra></extra>",
        )
    fig.update_layout(_layout(320), showlegend=len(found.trace) > 1)
    fig.update_xaxes(title="step", zeroline=False)
    fig.update_yaxes(title=escape(found.objective, quote=False), zeroline=False)
    return fig


def element(row: AxisClass, value: Array, unit: int = 0) -> go.Figure:
    """What was done along an axis: for each place its factor, or the map as a matrix, that of one unit where several have maps of their own."""
    fig = go.Figure()
    if value.ndim == 2:
        factors = value[unit]
        fig.add_bar(
            x=np.arange(len(factors)),
            y=factors,
            marker={"color": [PALETTE[0] if f > 0 else PALETTE[1] for f in factors]},
            hovertemplate="%{x}: × %{y:.4g}<extra></extra>",
        )
        fig.update_layout(_layout(340), showlegend=False)
        fig.update_xaxes(title=f"place of {escape(row.name, quote=False)}", zeroline=False)
        fig.update_yaxes(title="factor", zeroline=True)
        return fig
    limit = float(np.abs(value[unit]).max())
    fig.add_heatmap(z=value[unit], colorscale="RdBu_r", zmin=-limit, zmax=limit, hovertemplate="row %{y}, column %{x}: %{z:.3f}<extra></extra>")
    fig.update_layout(_layout(420), showlegend=False)
    fig.update_xaxes(title="place before", zeroline=False, constrain="domain")
    fig.update_yaxes(title="place after", zeroline=False, autorange="reversed", scaleanchor="x")
    return fig


def turned(value: Array, unit: int = 0) -> go.Figure:
    """By how many degrees each direction is turned by a map (outer, n, n), the least first; that of one unit thick, those of all others behind it."""
    fig = go.Figure()
    every = np.sort(angles(value), axis=-1)
    for k in [*(i for i in range(len(every)) if i != unit), unit]:
        fig.add_scatter(
            x=np.arange(1, every.shape[1] + 1),
            y=every[k],
            mode="lines+markers" if k == unit and every.shape[1] <= 128 else "lines",
            line={"color": PALETTE[0] if k == unit else RULE, "width": 2 if k == unit else 1},
            hovertemplate=f"map {k}, direction %{{x}}: %{{y:.1f}}°<extra></extra>",
        )
    fig.update_layout(_layout(340), showlegend=False)
    fig.update_xaxes(title="direction, the least turned first", zeroline=False)
    fig.update_yaxes(title="turned by (degrees)", range=[-4, 184], tickvals=[0, 45, 90, 135, 180], zeroline=False)
    return fig


def places(row: AxisClass, cosines: Array, *, reference: str) -> go.Figure:
    """Cosine of the weights at each place of an axis with the reference's, (2, outer, n): before (open) and after (filled)."""
    fig = go.Figure()
    before, after = (c.flatten() for c in cosines)
    at = np.arange(len(before))
    outline = {"size": 7, "color": "rgba(0,0,0,0)", "line": {"color": PALETTE[1], "width": 1.5}}
    for name, y, marker in (("before", before, outline), ("after", after, {"size": 7, "color": PALETTE[0]})):
        fig.add_scatter(x=at, y=y, mode="markers", name=name, marker=marker, hovertemplate=f"place %{{x}} {name}: %{{y:.3f}}<extra></extra>")
    fig.update_layout(_layout(340), legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"})
    fig.update_xaxes(title=f"place of {escape(row.name, quote=False)}", zeroline=False)
    fig.update_yaxes(title=f"cosine with {escape(reference, quote=False)}", range=[min(-0.1, float(cosines.min()) - 0.05), 1.05], zeroline=True)
    return fig


def layers(found: Matched, model: int) -> go.Figure:
    """Cosine of each weight with the reference's, before (open) and after (filled)."""
    names = [escape(layer.tensor, quote=False) for layer in found.layers]
    before = np.array([layer.before[model - 1] for layer in found.layers])
    after = np.array([layer.after[model - 1] for layer in found.layers])
    rows = np.arange(len(names))
    fig = go.Figure()
    for row, b, a in zip(rows, before, after, strict=True):
        fig.add_shape(type="line", x0=b, x1=a, y0=row, y1=row, line={"color": RULE, "width": 3}, layer="below")
    fig.add_scatter(
        x=before,
        y=rows,
        mode="markers",
        name="before",
        marker={"size": 10, "color": "rgba(0,0,0,0)", "line": {"color": PALETTE[1], "width": 2}},
        customdata=names,
        hovertemplate="%{customdata} before: %{x:.3f}<extra></extra>",
    )
    fig.add_scatter(
        x=after,
        y=rows,
        mode="markers",
        name="after",
        marker={"size": 10, "color": PALETTE[0]},
        customdata=names,
        hovertemplate="%{customdata} after: %{x:.3f}<extra></extra>",
    )
    fig.update_layout(_layout(max(220, 110 + 24 * len(names))), legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"})
    fig.update_xaxes(title=f"cosine with {escape(found.names[0], quote=False)}", range=[min(-0.1, float(before.min(initial=0)) - 0.05), 1.05])
    fig.update_yaxes(tickvals=rows.tolist(), ticktext=names, autorange="reversed", automargin=True, showgrid=False)
    return fig


def moves(p: Array, *, reference: str, other: str) -> go.Figure:
    """(n, n) where each unit of the other model went: row = its place now, the reference's; column = its place before. Shares for a transport."""
    matrix = shares(p)
    fig = _heatmap(matrix, colours="Blues", low=0.0, high=max(float(matrix.max(initial=0)), 1e-12), value="share %{z:.3g}")
    fig.update_traces(showscale=not np.issubdtype(p.dtype, np.integer))  # a permutation has no shares between 0 and 1
    fig.update_xaxes(title=f"position in {escape(other, quote=False)} before")
    fig.update_yaxes(title=f"unit of {escape(reference, quote=False)} it is matched with")
    return fig


def similarity(cosines: Array, *, reference: str, other: str) -> go.Figure:
    """(n, n) cosine between the weights of the reference's units (rows) and the other's (columns, in the order given)."""
    fig = _heatmap(cosines, colours="RdBu_r", low=-1.0, high=1.0, value="cosine %{z:.2f}")
    fig.update_xaxes(title=f"units of {escape(other, quote=False)}")
    fig.update_yaxes(title=f"units of {escape(reference, quote=False)}")
    return fig


def shares(p: Array) -> Array:
    """A permutation as an (n, n) matrix of zeros and ones; a transport matrix as it is, its rows summing to one."""
    if np.issubdtype(p.dtype, np.integer):
        return np.eye(len(p))[p.astype(np.int64)]
    total = p.sum(axis=1, keepdims=True)
    return p / np.where(total > 0, total, 1)


def _heatmap(values: Array, *, colours: str, low: float, high: float, value: str) -> go.Figure:
    fig = go.Figure(
        go.Heatmap(
            z=values.astype(np.float32),
            colorscale=colours,
            zmin=low,
            zmax=high,
            hovertemplate=f"row %{{y}}, column %{{x}}: {value}<extra></extra>",
            colorbar={"thickness": 10, "outlinewidth": 0},
        )
    )
    fig.update_layout(_layout(420))
    fig.update_xaxes(constrain="domain", showgrid=False, zeroline=False)
    fig.update_yaxes(autorange="reversed", scaleanchor="x", constrain="domain", showgrid=False, zeroline=False)
    return fig


def _layout(height: int) -> dict[str, object]:
    return {"height": height, "margin": {"l": 10, "r": 10, "t": 30, "b": 10}}
