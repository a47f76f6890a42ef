"""Pictures of a Hessian's spectrum: the largest eigenvalues with their intervals, the density of all, and what both say in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TypedDict, cast

import numpy as np
import plotly.graph_objects as go

from explorer.core import significant_digits
from explorer.core.markdown import plain
from explorer.core.points import Array
from explorer.core.spec import Json
from explorer.figures.curve import DASHES, INK, PALETTE, RULE, SYMBOLS

FLOOR = 1e-6  # of the highest density, below which a log axis would show the kernel's tails alone
CURVED = 0.05  # of the largest eigenvalue: a smallest one further below zero than that is worth a word


@dataclass(frozen=True, eq=False)
class Spectrum:
    """One model. largest: (k, 3) value, low and high of the largest eigenvalues, falling; smallest, trace: (3,) likewise.

    grid, density: (points,) share of the eigenvalues per unit.
    """

    name: str
    largest: Array
    smallest: Array
    trace: Array
    grid: Array
    density: Array


class _Value(TypedDict):
    value: float
    low: float
    high: float


class _Density(TypedDict):
    grid: list[float]
    values: list[float]


class _Model(TypedDict):
    largest: list[_Value]
    smallest: list[_Value]
    trace: list[float]
    density: _Density


class _Found(TypedDict):
    parameters: int
    samples: int
    models: list[_Model]


def spectra(found: Json, names: Sequence[str]) -> list[Spectrum]:
    """What the study `spectrum` gave, for models with these names."""
    models = cast("_Found", found)["models"]
    return [
        Spectrum(
            name,
            np.array([[v["value"], v["low"], v["high"]] for v in model["largest"]]),
            np.array([[v["value"], v["low"], v["high"]] for v in model["smallest"]])[0],
            np.array(model["trace"]),
            np.array(model["density"]["grid"]),
            np.array(model["density"]["values"]),
        )
        for name, model in zip(names, models, strict=True)
    ]


def eigenvalues(shown: Sequence[Spectrum]) -> go.Figure:
    """The largest eigenvalues by rank, with their 95 % intervals; models side by side at each rank."""
    fig = go.Figure()
    for i, one in enumerate(shown):
        value, low, high = one.largest.T
        rank = np.arange(1, len(value) + 1) + 0.12 * (i - (len(shown) - 1) / 2)
        fig.add_scatter(
            x=rank,
            y=value,
            error_y={"type": "data", "symmetric": False, "array": high - value, "arrayminus": value - low, "thickness": 1.5, "width": 3},
            mode="markers",
            name=escape(one.name, quote=False),
            marker={"size": 9, "color": PALETTE[i % len(PALETTE)], "symbol": SYMBOLS[i % len(SYMBOLS)]},
            customdata=np.stack([np.arange(1, len(value) + 1), low, high], axis=1),
            hovertemplate="number %{customdata[0]:d}: %{y:.4g}<br>95 % from %{customdata[1]:.4g} to %{customdata[2]:.4g}<extra></extra>",
        )
    fig.update_layout(_layout(), showlegend=len(shown) > 1)
    fig.update_xaxes(title="rank", dtick=1, showgrid=False, zeroline=False)
    fig.update_yaxes(title="eigenvalue", gridcolor=RULE, zeroline=True, zerolinecolor=INK)
    return fig


def density(shown: Sequence[Spectrum]) -> go.Figure:
    """The density of all eigenvalues on a log axis, since nearly all of them are close to zero; the largest are marked on the lower edge."""
    fig = go.Figure()
    top = max((float(one.density.max(initial=0)) for one in shown), default=0.0) or 1.0
    for i, one in enumerate(shown):
        colour, name = PALETTE[i % len(PALETTE)], escape(one.name, quote=False)
        kept = np.where(one.density > FLOOR * top, one.density, np.nan)
        fig.add_scatter(
            x=one.grid,
            y=kept,
            mode="lines",
            name=name,
            line={"color": colour, "width": 2, "dash": DASHES[i % len(DASHES)]},
            hovertemplate="at %{x:.4g}: %{y:.3g} per unit<extra></extra>",
        )
        fig.add_scatter(
            x=one.largest[:, 0],
            y=np.full(len(one.largest), FLOOR * top),
            mode="markers",
            name=f"largest of {name}",
            showlegend=False,
            marker={"symbol": "line-ns-open", "size": 14, "color": colour, "line": {"width": 2}},
            hovertemplate="eigenvalue %{x:.4g}<extra></extra>",
        )
    fig.update_layout(_layout(), showlegend=len(shown) > 1)
    fig.update_xaxes(title="eigenvalue", gridcolor=RULE, zeroline=True, zerolinecolor=INK)
    fig.update_yaxes(title="share of all eigenvalues per unit", type="log", exponentformat="power", gridcolor=RULE)
    return fig


def words(found: Json, names: Sequence[str]) -> str:
    """The spectra in sentences (Markdown), and what the numbers do not say."""
    lines: list[str] = []
    for one in spectra(found, names):
        value, low, high = one.largest[0]
        lowest = float(one.smallest[0])
        sentence = f"**{plain(one.name)}**: the largest eigenvalue is {significant_digits.within(value, low, high)}, the trace {significant_digits.within(*one.trace.tolist())}."
        if value <= 0:
            sentence += " No direction curves upwards."
        elif lowest < -CURVED * value:
            sentence += f" The smallest is {significant_digits.number(lowest)}, in magnitude {-lowest / value:.2g} times the largest: not a minimum along all directions."
        else:
            sentence += f" The smallest is {significant_digits.number(lowest)}: zero compared with the largest."
        lines.append(sentence)
    whole = cast("_Found", found)
    limits = (
        f"Of {whole['parameters']:,} eigenvalues, on {whole['samples']:,} samples of the train split. Intervals are 95 % over samples, with the"
        " eigenvector held, and for the trace over random probes too. Eigenvalues change when weights are rescaled in ways that leave the function as"
        " unchanged: compare models that were trained alike."
    )
    return "\n\n".join([*lines, limits])


def _layout() -> dict[str, object]:
    return {
        "template": "plotly_white",
        "height": 360,
        "margin": {"l": 10, "r": 10, "t": 30, "b": 10},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    }
