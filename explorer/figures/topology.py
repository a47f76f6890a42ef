"""Pictures of a measured function's minima: their barcode and persistence diagram, the tree in which they merge, and what these say in words and as a table.

What noise cannot have made is bold; what it can have made is thin and hollow (explorer.stats.topology_certainty).
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go

from explorer.core import significant_digits
from explorer.core.points import Array
from explorer.figures.curve import INK, PALETTE, RULE
from explorer.stats import units
from explorer.stats.field_topology import Basin, FieldTopology, scaled
from explorer.stats.intervals import Estimate

DRAWN = 60  # minima of a picture; the least persistent are left out
NAMED = 5  # minima in words
FAINT = "#B4B7C0"  # bars that may be none
SHARE = "SMAD as a share of the range"


def barcode(found: Sequence[Basin], *, unit: str, picked: int | None = None) -> go.Figure:
    """A bar for each minimum from its value to that of the pass to a deeper one, the most persistent on top, with the interval of the climb at its end.
    A bar without an end goes to the right edge."""
    drawn = list(found[:DRAWN])
    low, high, never = span(drawn)
    fig = go.Figure()
    for real in (True, False):
        mine = [i for i, b in enumerate(drawn) if b.real == real]
        if not mine:
            continue
        births, ends = np.array([drawn[i].value.value for i in mine]), np.array([min(drawn[i].death, never) for i in mine])
        fig.add_scatter(
            x=np.column_stack([births, ends, np.full(len(mine), np.nan)]).ravel(),
            y=np.repeat(mine, 3),
            mode="lines",
            line={"color": PALETTE[0] if real else FAINT, "width": 8 if real else 3},
            hoverinfo="skip",
            name=_kind(real),
        )
        fig.add_scatter(
            x=ends,
            y=mine,
            mode="markers",
            marker={"size": 1, "color": INK},
            error_x=_whiskers([drawn[i].climb for i in mine]),
            hoverinfo="skip",
            showlegend=False,
        )
        leaves(fig, births, mine, mine, drawn, unit, picked)
    fig.update_layout(framed(), showlegend=len({b.real for b in drawn}) == 2)
    fig.update_xaxes(title=escape(unit, quote=False), gridcolor=RULE, zeroline=False, range=[low, max(never, high)])
    fig.update_yaxes(autorange="reversed", showticklabels=False, showgrid=False, zeroline=False)
    return fig


def diagram(found: Sequence[Basin], *, unit: str) -> go.Figure:
    """Persistence diagram: the value of each minimum, across, and that of the pass to a deeper one, up, with the interval of the climb. Minima that never die stand
    on the top line."""
    drawn = list(found[:DRAWN])
    low, high, never = span(drawn)
    fig = go.Figure()
    fig.add_scatter(x=[low, high], y=[low, high], mode="lines", line={"color": RULE, "width": 1}, hoverinfo="skip", showlegend=False)
    fig.add_scatter(x=[low, high], y=[never, never], mode="lines", line={"color": INK, "width": 1, "dash": "dot"}, hoverinfo="skip", showlegend=False)
    fig.add_annotation(
        x=low, y=never, text="no deeper one to reach", showarrow=False, xanchor="left", yanchor="bottom", font={"color": INK, "size": 12}
    )
    for real in (True, False):
        chosen = [b for b in drawn if b.real == real]
        if chosen:
            fig.add_scatter(
                x=[b.value.value for b in chosen],
                y=[min(b.death, never) for b in chosen],
                error_y=_whiskers([b.climb for b in chosen]),
                mode="markers",
                name=_kind(real),
                marker=_mark(real, 10.0),
                hovertext=[_label(b, unit) for b in chosen],
                hoverinfo="text",
            )
    fig.update_layout(framed(), showlegend=any(not b.real for b in drawn))
    fig.update_xaxes(title=units.titled("value at the minimum", escape(unit, quote=False)), range=[low, high], gridcolor=RULE, zeroline=False)
    fig.update_yaxes(
        title=units.titled("value at the pass to a deeper one", escape(unit, quote=False)),
        range=[low, 2 * never - high],
        gridcolor=RULE,
        zeroline=False,
    )
    return fig


def tree(found: Sequence[Basin], *, unit: str, picked: int | None = None) -> go.Figure:
    """Merge tree: every minimum a leaf at its value, as large as its basin's share, joined at the pass to the deeper one it goes into. Thin: noise can have made it."""
    drawn = list(found[:DRAWN])
    slots = layout(drawn)
    never = span(drawn)[2]
    fig = go.Figure()
    for b, slot in zip(drawn, slots, strict=True):
        x, y = [slot, slot], [b.value.value, min(b.death, never)]
        if b.into is not None:
            x, y = [*x, slots[b.into]], [*y, b.death]
        line = {"color": INK if b.real else RULE, "width": 2.5 if b.real else 1}
        fig.add_scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", showlegend=False)
    for real in (True, False):
        mine = [i for i, b in enumerate(drawn) if b.real == real]
        if mine:
            leaves(fig, [slots[i] for i in mine], [drawn[i].value.value for i in mine], mine, drawn, unit, picked)
    fig.update_layout(framed())
    fig.update_xaxes(visible=False)
    fig.update_yaxes(title=escape(unit, quote=False), gridcolor=RULE, zeroline=False)
    return fig


def leaves(
    fig: go.Figure, x: Sequence[float] | Array, y: Sequence[float] | Array, mine: Sequence[int], drawn: Sequence[Basin], unit: str, picked: int | None
) -> None:
    """A mark for each of these minima, as large as its basin's share; the picked one has a ring around it."""
    sizes = [8 + 16 * float(np.sqrt(drawn[i].share)) for i in mine]
    if picked is not None and picked in mine:
        k = list(mine).index(picked)
        fig.add_scatter(
            x=[x[k]],
            y=[y[k]],
            mode="markers",
            marker={"size": sizes[k] + 10, "color": "white", "line": {"color": PALETTE[1], "width": 3}},
            hoverinfo="skip",
            showlegend=False,
        )
    fig.add_scatter(
        x=x,
        y=y,
        mode="markers",
        marker={**_mark(drawn[mine[0]].real, 0.0), "size": sizes},
        customdata=list(mine),
        hovertext=[_label(drawn[i], unit) for i in mine],
        hoverinfo="text",
        showlegend=False,
    )


def _mark(real: bool, size: float) -> dict[str, object]:
    return {"size": size, "opacity": 1, "color": PALETTE[0] if real else "white", "line": {"color": PALETTE[0] if real else INK, "width": 1.5}}


def _kind(real: bool) -> str:
    return "minima" if real else "noise can have made them"


def _whiskers(climbs: Sequence[Estimate]) -> dict[str, object]:
    """The ends of the climbs around where these end."""
    known = [c if np.isfinite([c.value, c.low, c.high]).all() else Estimate(0.0, 0.0, 0.0) for c in climbs]
    ahead, behind = [c.high - c.value for c in known], [c.value - max(c.low, 0.0) for c in known]
    return {"type": "data", "symmetric": False, "array": ahead, "arrayminus": behind, "color": "#808495", "thickness": 1.2, "width": 4}


def layout(found: Sequence[Basin]) -> list[int]:
    """A place from 0 for each minimum, so that no two branches cross: right of the deeper one follow those that go into it, lowest pass first."""
    into: dict[int | None, list[int]] = {}
    for i, b in enumerate(found):
        into.setdefault(b.into, []).append(i)
    slots = [0] * len(found)
    waiting = list(reversed(into.get(None, [])))
    place = 0
    while waiting:
        i = waiting.pop()
        slots[i] = place
        place += 1
        waiting += sorted(into.get(i, []), key=lambda k: found[k].death, reverse=True)
    return slots


def table(found: Sequence[Basin], axes: Sequence[str] = ("x", "y")) -> dict[str, Array | list[str]]:
    """The numbers of each minimum by column; NaN for the climb to a deeper one where there is none. axes: what the distances are called."""

    def ends(which: str, each: Sequence[Estimate]) -> dict[str, Array]:
        columns = np.array([(e.value, e.low, e.high) for e in each]).reshape(len(each), 3)
        columns[~np.isfinite(columns)] = np.nan
        return {which + end: columns[:, k] for k, end in enumerate(("", "_low", "_high"))}

    at = np.array([b.place for b in found]).reshape(len(found), len(axes))
    over = np.array([b.saddle if b.saddle is not None else np.full(len(axes), np.nan) for b in found]).reshape(len(found), len(axes))
    return {
        **{name: at[:, i] for i, name in enumerate(axes)},
        **ends("value", [b.value for b in found]),
        **ends("climb", [b.climb for b in found]),
        **{f"pass_{name}": over[:, i] for i, name in enumerate(axes)},
        "into": np.array([np.nan if b.into is None else float(b.into) for b in found]),
        "share": np.array([b.share for b in found]),
        "real": ["yes" if b.real else "no" for b in found],
    }


def numbers(found: FieldTopology, *, scale: float = 1.0) -> dict[str, Estimate]:
    """What is said of the whole, by its name, all of the minima that noise cannot have made. Values are multiplied by `scale`; the share of the range is a share."""
    of = found.topology
    return {
        "SMAD": scaled(of.smad(), scale),
        SHARE: of.normalised_smad(),
        "SMAD weighted by basin": scaled(of.smad(weighted=True), scale),
        "range of persistence": scaled(of.persistence_range(), scale),
    }


def told_numbers(found: FieldTopology, *, unit: str, scale: float = 1.0) -> dict[str, str]:
    """The same as they are written."""
    each = numbers(found, scale=scale).items()
    return {name: e.formatted(scale=100.0, unit="%") if name == SHARE else e.formatted(unit=gap(unit)) for name, e in each}


def words(found: FieldTopology, listed: Sequence[Basin], *, unit: str, scale: float = 1.0) -> str:
    """The minima in sentences (Markdown), and what samples at points cannot tell."""
    if not listed:
        return "Nothing is measured here, so there is no minimum."
    real = [b for b in listed if b.real]
    parts = sum(b.into is None for b in listed)
    if found.topology.blocks < 2:
        first = f"The function has {_counted(len(listed))}. With a single block of samples nothing is known of noise."
    else:
        first = f"The function has **{_counted(len(real))}** that noise cannot have made."
    if parts > 1:
        first += f" It has {parts} parts that no measured point joins, each with a deepest one."
    listed_words: list[str] = []
    for b in real[:NAMED]:
        where = f"({_where(b.place)})"
        if b.into is None:
            listed_words.append(f"- {_told(b.value, unit)} at {where}: no deeper one can be reached. Its basin has {b.share:.0%} of the points.")
        else:
            listed_words.append(
                f"- {_told(b.value, unit)} at {where}: reaching a deeper one means a climb of {_told(b.climb, gap(unit))}; {b.share:.0%} of the points."
            )
    rest: list[str] = []
    if len(real) > NAMED:
        rest.append(f"{len(real) - NAMED} more are less deep.")
    if less := len(listed) - len(real):
        rest.append(f"Noise can have made {less} more.")
    if len(real) > 1:
        rest.append(f"A minimum lies {_told(scaled(found.topology.smad(), scale), gap(unit))} below the first pass out of it, on average (SMAD).")
    limits = (
        "A pass between measured points may be lower than they show, and one outside this section of weight space lower still: a minimum here"
        " is a minimum among the points, and need not be a minimum of the loss."
    )
    return "\n\n".join([first, "\n".join(listed_words), *([" ".join(rest)] if rest else []), limits])


def _counted(n: int) -> str:
    return "one minimum" if n == 1 else f"{n} minima" if n else "no minimum"


def span(drawn: Sequence[Basin]) -> tuple[float, float, float]:
    """The lowest and the highest value with room around them, and the height above all others of what never dies."""
    known = np.array([v for b in drawn for v in (b.value.value, b.death) if np.isfinite(v)])
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    margin = 0.08 * (high - low) or 1.0
    return low - margin, high + margin, high + 2 * margin


def lines(b: Basin, unit: str) -> list[str]:
    """What is said of a minimum where somebody points at it."""
    at = f"minimum {_told(b.value, unit)} at ({_where(b.place)}), {b.share:.0%} of the points"
    if b.saddle is None:
        return [at, "no deeper one can be reached"]
    said = [at, f"pass {significant_digits.number(b.death)}{units.after(unit)} at ({_where(b.saddle)})", f"climb {_told(b.climb, gap(unit))}"]
    return said if b.real else [*said, "noise can have made it"]


def _where(place: Array) -> str:
    return ", ".join(significant_digits.number(float(c), 3) for c in place)


def _label(b: Basin, unit: str) -> str:
    return "<br>".join(escape(line, quote=False) for line in lines(b, unit))


def gap(unit: str) -> str:
    """The unit of differences of values in this one."""
    return "points" if unit == "%" else unit


def _told(e: Estimate, unit: str) -> str:
    return e.formatted(unit=unit) if np.isfinite(e.low) else f"{significant_digits.number(e.value)}{units.after(unit)}"


def framed() -> dict[str, object]:
    """What these pictures have in common."""
    return {
        "template": "plotly_white",
        "height": 400,
        "margin": {"l": 10, "r": 10, "t": 30, "b": 10},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    }
