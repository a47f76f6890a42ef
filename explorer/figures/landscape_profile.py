"""The profile of a terrain that has a measured function's minima and passes at their heights, and its basins as widths (explorer.stats.landscape_profile)."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from explorer.figures.curve import INK, PALETTE
from explorer.figures.topology import DRAWN, FAINT, framed, leaves, span
from explorer.stats.field_topology import Basin, FieldTopology
from explorer.stats.landscape_profile import Profile, profile

GROUND = "rgba(0,114,178,0.14)"
ABOVE = 1.0  # how far above the highest pass the picture goes, in heights from the lowest minimum to there
X_TITLE = "share of the points, %"


def terrain(found: FieldTopology, *, scale: float = 1.0) -> Profile:
    """Of the most persistent minima; what lies in the basins of others belongs to those they go into. Heights are multiplied by `scale`, widths are in percent."""
    whole = found.topology.whole
    made = profile(whole.kept(np.arange(min(len(whole), DRAWN))), found.values)
    return Profile(100 * made.x, scale * made.y, made.valley, 100 * made.bottom)


def heights(of: Profile, drawn: Sequence[Basin]) -> tuple[float, float]:
    """What the picture shows of the heights: all, or up to well above the highest pass."""
    low, _, never = span(drawn)
    known = of.y[np.isfinite(of.y)]
    passes = [b.death for b in drawn if np.isfinite(b.death)]
    top = float(known.max()) if known.size else never
    return low, min(top, never + ABOVE * (never - low)) if passes else max(top, never)


def figure(found: FieldTopology, listed: Sequence[Basin], *, unit: str, scale: float = 1.0, picked: int | None = None) -> go.Figure:
    """Valleys as deep as the minima and as wide as they have points, ridges as high as the passes. Grey and thin: noise can have made it.

    listed: explorer.stats.field_topology.basins of the same, and with the same scale.
    """
    of, drawn = terrain(found, scale=scale), list(listed[:DRAWN])
    low, high = heights(of, drawn)
    fig = go.Figure()
    for part in parts(of):
        x, y = of.x[part], np.minimum(of.y[part], high)
        ground = np.concatenate([[x[0]], x, [x[-1]]]), np.concatenate([[low], y, [low]])
        fig.add_scatter(
            x=ground[0], y=ground[1], mode="lines", line={"width": 0}, fill="toself", fillcolor=GROUND, hoverinfo="skip", showlegend=False
        )
    fig.add_scatter(x=of.x, y=of.y, mode="lines", line={"color": INK, "width": 2}, hoverinfo="skip", showlegend=False)
    for i, b in enumerate(drawn):
        if not b.real:
            mine = of.valley == i
            fig.add_scatter(x=of.x[mine], y=of.y[mine], mode="lines", line={"color": FAINT, "width": 3}, hoverinfo="skip", showlegend=False)
    if picked is not None and picked < len(drawn):
        mine = of.valley == picked
        fig.add_scatter(x=of.x[mine], y=of.y[mine], mode="lines", line={"color": PALETTE[1], "width": 3}, hoverinfo="skip", showlegend=False)
    for real in (True, False):
        mine = [i for i, b in enumerate(drawn) if b.real == real]
        if mine:
            leaves(fig, of.bottom[mine], [drawn[i].value.value for i in mine], mine, drawn, unit, picked)
    fig.update_layout(framed())
    fig.update_xaxes(title=X_TITLE, range=[0, 100], showgrid=False, zeroline=False)
    fig.update_yaxes(title=escape(unit, quote=False), range=[low, high], showgrid=False, zeroline=False)
    return fig


def parts(of: Profile) -> list[NDArray[np.intp]]:
    """Places of the terrain that are joined."""
    known = np.flatnonzero(np.isfinite(of.y))
    return [part for part in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1) if part.size]
