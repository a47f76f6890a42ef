"""Layers × models: several numbers of each layer of each model, as maps side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from explorer.core import significant_digits
from explorer.core.points import Array

ROW, LOWEST, HIGHEST = 22, 280, 1400  # px
MOST_TEXTS = 400  # cells up to which each has its number in it


@dataclass(frozen=True, eq=False)
class Panel:
    """(layers, models) values; NaN is a gap. title: may hold <br>. signed: colours centred at zero, from −1 to 1; else from zero to the largest."""

    title: str
    values: Array
    signed: bool = False


def figure(layers: Sequence[str], models: Sequence[str], panels: Sequence[Panel]) -> go.Figure:
    """Layers from the input down, models from left to right; a number in each cell as long as there is room."""
    shown = [escape(layer, quote=False) for layer in layers]
    names = [escape(model, quote=False) for model in models]
    fig = make_subplots(rows=1, cols=len(panels), shared_yaxes=True, horizontal_spacing=0.03, subplot_titles=[p.title for p in panels])
    across, down = np.arange(len(names)), np.arange(len(shown))
    for column, panel in enumerate(panels, start=1):
        finite = panel.values[np.isfinite(panel.values)]
        top = 1.0 if panel.signed else float(finite.max()) if finite.size else 1.0
        fig.add_heatmap(
            x=across,
            y=down,
            z=panel.values.astype(np.float32),
            zmin=-1.0 if panel.signed else 0.0,
            zmax=top or 1.0,
            colorscale="RdBu" if panel.signed else "Blues",
            reversescale=panel.signed,
            showscale=False,
            xgap=1,
            ygap=1,
            customdata=np.array([[f"{layer}, {name}" for name in names] for layer in shown]),
            hovertemplate="%{customdata}: %{z:.4g}<extra></extra>",
            hoverongaps=False,
            text=[[significant_digits.number(float(v), 2) if np.isfinite(v) else "" for v in row] for row in panel.values],
            texttemplate="%{text}" if panel.values.size <= MOST_TEXTS else "",
            row=1,
            col=column,
        )
        fig.update_xaxes(tickvals=across.tolist(), ticktext=names, showgrid=False, zeroline=False, row=1, col=column)
    fig.update_yaxes(showgrid=False, zeroline=False, autorange="reversed", automargin=True, tickvals=down.tolist(), ticktext=shown)
    return fig.update_layout(height=min(max(LOWEST, 130 + ROW * len(shown)), HIGHEST), margin={"l": 10, "r": 10, "t": 70, "b": 30})


def panels(norm: Array, cosine: Array, against: Array, rank: Array) -> list[Panel]:
    """The four numbers of a survey of task vectors (explorer.checkpoints.task_survey); those that no cell has are left out."""
    every = [
        Panel("size of the change,<br>‖τ‖ / ‖W₀‖", norm),
        Panel("mean cosine with<br>the other changes", cosine, signed=True),
        Panel("against the<br>elected sign (share)", against),
        Panel("stable rank of<br>its largest matrix", rank),
    ]
    return [panel for panel in every if np.isfinite(panel.values).any()]
