"""Pictures of a surface's minima: their persistence, the tree in which they merge, and what both say in words."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go

from explorer.core import significant_digits
from explorer.figures.curve import INK, PALETTE, RULE
from explorer.figures.plane import Surface
from explorer.stats import units
from explorer.stats.persistence import Minimum, simplified

DRAWN = 60  # minima of a picture; the least persistent are left out
NAMED = 5  # minima in words


def diagram(found: Sequence[Minimum], grid: Surface, *, unit: str, noise: float = 0.0) -> go.Figure:
    """Persistence diagram: the value of each minimum, across, and that of the pass to a deeper one, up. Minima that never die stand on the top line.

    noise: what every value may be off by. Minima whose persistence is at most twice that lie in the grey band, and may be none.
    """
    drawn = list(found[:DRAWN])
    births = np.array([m.birth for m in drawn])
    deaths = np.array([m.death for m in drawn])
    known = np.concatenate([births, deaths[np.isfinite(deaths)]])
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    margin = 0.08 * (high - low) or 1.0
    low, high, never = low - margin, high + margin, high + 2 * margin
    fig = go.Figure()
    if noise > 0:
        fig.add_scatter(
            x=[low, high, high, low],
            y=[low, high, high + 2 * noise, low + 2 * noise],
            fill="toself",
            fillcolor=RULE,
            opacity=0.6,
            mode="lines",
            line={"width": 0},
            hoverinfo="skip",
            name="within the error",
        )
    fig.add_scatter(x=[low, high], y=[low, high], mode="lines", line={"color": RULE, "width": 1}, hoverinfo="skip", showlegend=False)
    fig.add_scatter(x=[low, high], y=[never, never], mode="lines", line={"color": INK, "width": 1, "dash": "dot"}, hoverinfo="skip", showlegend=False)
    fig.add_annotation(
        x=low, y=never, text="no deeper one to reach", showarrow=False, xanchor="left", yanchor="bottom", font={"color": INK, "size": 12}
    )
    for real in (True, False):
        chosen = [i for i, m in enumerate(drawn) if (m.persistence > 2 * noise) == real]
        if chosen:
            fig.add_scatter(
                x=births[chosen],
                y=np.where(np.isfinite(deaths), deaths, never)[chosen],
                mode="markers",
                name="minima" if real else "may not be minima",
                marker={"size": 10, "color": PALETTE[0] if real else "white", "line": {"color": PALETTE[0] if real else INK, "width": 1.5}},
                hovertext=[_label(drawn[i], grid, unit) for i in chosen],
                hoverinfo="text",
            )
    fig.update_layout(_layout(), showlegend=noise > 0)
    fig.update_xaxes(title=units.titled("value at the minimum", escape(unit, quote=False)), range=[low, high], gridcolor=RULE, zeroline=False)
    fig.update_yaxes(
        title=units.titled("value at the pass to a deeper one", escape(unit, quote=False)),
        range=[low, never + margin],
        gridcolor=RULE,
        zeroline=False,
    )
    return fig


def tree(found: Sequence[Minimum], grid: Surface, *, unit: str, noise: float = 0.0) -> go.Figure:
    """Merge tree: every minimum a leaf at its value, joined at the pass to the deeper one it goes into. Thin: may be none, as in the diagram."""
    drawn = list(found[:DRAWN])
    slots = layout(drawn)
    known = [v for m in drawn for v in (m.birth, m.death) if np.isfinite(v)]
    top = max(known, default=1.0) + (0.08 * (max(known) - min(known)) if len(set(known)) > 1 else 1.0)
    fig = go.Figure()
    for m, slot in zip(drawn, slots, strict=True):
        real = m.persistence > 2 * noise
        x, y = [slot, slot], [m.birth, min(m.death, top)]
        if m.into is not None:
            x, y = [*x, slots[m.into]], [*y, m.death]
        fig.add_scatter(
            x=x, y=y, mode="lines", line={"color": INK if real else RULE, "width": 2.5 if real else 1}, hoverinfo="skip", showlegend=False
        )
    fig.add_scatter(
        x=slots,
        y=[m.birth for m in drawn],
        mode="markers",
        marker={"size": 9, "color": PALETTE[0]},
        hovertext=[_label(m, grid, unit) for m in drawn],
        hoverinfo="text",
        showlegend=False,
    )
    fig.update_layout(_layout())
    fig.update_xaxes(visible=False)
    fig.update_yaxes(title=escape(unit, quote=False), gridcolor=RULE, zeroline=False)
    return fig


def layout(found: Sequence[Minimum]) -> list[int]:
    """A place from 0 for each minimum, so that no two branches cross: right of the deeper one follow those that go into it, lowest pass first."""
    into: dict[int | None, list[int]] = {}
    for i, m in enumerate(found):
        into.setdefault(m.into, []).append(i)
    slots = [0] * len(found)
    waiting = list(reversed(into.get(None, [])))
    place = 0
    while waiting:
        i = waiting.pop()
        slots[i] = place
        place += 1
        waiting += sorted(into.get(i, []), key=lambda k: found[k].death, reverse=True)
    return slots


def words(found: Sequence[Minimum], grid: Surface, *, unit: str, noise: float = 0.0) -> str:
    """The minima in sentences (Markdown), and what a grid cannot tell."""
    if not found:
        return "Nothing is measured here, so there is no minimum."
    unit = units.after(unit)
    real = simplified(found, 2 * noise)
    parts = sum(m.into is None for m in found)
    count = "one minimum" if len(real) == 1 else f"{len(real)} minima"
    first = f"The surface has **{count}**{f' whose depth exceeds the error of its values, {noise:.2g}{unit} either way' if noise > 0 else ''}."
    if parts > 1:
        first += f" It has {parts} parts that no measured point joins, each with a deepest one."

    def formatted(value: float) -> str:
        return f"{significant_digits.formatted(value, value - noise, value + noise)[0]}{unit}"

    listed: list[str] = []
    for m in real[:NAMED]:
        where = f"({significant_digits.number(float(grid.x[m.cell[1]]), 3)}, {significant_digits.number(float(grid.y[m.cell[0]]), 3)})"
        if m.into is None:
            listed.append(f"- {formatted(m.birth)} at {where}: no deeper one can be reached.")
        else:
            listed.append(
                f"- {formatted(m.birth)} at {where}: reaching a deeper one means a climb of {formatted(m.persistence)}, over a pass at {formatted(m.death)}."
            )
    rest: list[str] = []
    if len(real) > NAMED:
        rest.append(f"{len(real) - NAMED} more are less deep.")
    if less := len(found) - len(real):
        rest.append(f"{less} more {'is' if less == 1 else 'are'} no deeper than the error and may not be minima.")
    limits = (
        "A pass between cells may be lower than the cells show, and one outside this section of weight space lower still: a minimum here"
        " is a minimum within the grid, and need not be a minimum of the loss."
    )
    return "\n\n".join([first, "\n".join(listed), *([" ".join(rest)] if rest else []), limits])


def _label(m: Minimum, grid: Surface, unit: str) -> str:
    unit = units.after(escape(unit, quote=False))
    at = f"minimum {m.birth:.4g}{unit} at ({grid.x[m.cell[1]]:.3g}, {grid.y[m.cell[0]]:.3g})"
    if m.saddle is None:
        return f"{at}<br>no deeper one can be reached"
    over = f"({grid.x[m.saddle[1]]:.3g}, {grid.y[m.saddle[0]]:.3g})"
    return f"{at}<br>pass {m.death:.4g}{unit} at {over}<br>persistence {m.persistence:.3g}{unit}"


def _layout() -> dict[str, object]:
    return {
        "template": "plotly_white",
        "height": 400,
        "margin": {"l": 10, "r": 10, "t": 30, "b": 10},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    }
