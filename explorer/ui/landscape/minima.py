"""Beside a plane: its minima, the passes between them, their basins, and which of them noise can have made; a click on one shows the model there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from explorer.figures import landscape_profile
from explorer.figures import topology as figure
from explorer.figures.told_basins import Kind
from explorer.stats import metrics
from explorer.stats.field_topology import FieldTopology, basins, of_points
from explorer.store.run_store import RunStore
from explorer.ui.charts.basins import basins as drawn
from explorer.ui.landscape.form import FINEST
from explorer.ui.landscape.picture import PlaneView, Style, once
from explorer.ui.widgets.chart_actions import corner

AXES = ("x", "y", "z")


def known(store: RunStore, there: PlaneView, style: Style) -> FieldTopology | None:
    """The topology of the finest grid that is measured everywhere, or of an even part of a very fine one; None while none is."""
    size = len(there.whole.x)
    if there.whole.measured < there.whole.z.size:
        return None
    step = next((k for k in range(1, size) if (size - 1) % k == 0 and (size - 1) // k < FINEST), 1)
    axis = np.linspace(0.0, 1.0, size)[::step]
    coords = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)

    def make() -> FieldTopology:
        points = metrics.column(there.blocks(coords), there.field.metrics, style.metric)
        return of_points(points, there.window.places(points.coords))

    return once((str(store.path), there.field.id, style.metric, "topology", size), 0, make)


def show(
    of: Callable[[], FieldTopology | None],
    *,
    metric: str,
    unit: str,
    scale: float,
    plane: str,
    pick: Sequence[float] | None,
    on_pick: Callable[[tuple[float, ...]], None],
) -> None:
    """The panel. of: asked, and the pictures made, once somebody looks: they would hold up the picture above, as the browser has to load what draws them.

    plane: the drawn plane's key. pick: coordinates of the picked place, whose basin's minimum is marked; on_pick: is told those of a minimum that is clicked.
    """
    with st.expander(f"Minima and passes of the {metric}", icon=":material/terrain:", key="topology", on_change="rerun") as part:
        if not part.open:
            return
        found = of()
        if found is None:
            st.caption("The minima are counted once every cell is measured.")
            return
        listed = basins(found, scale=scale)
        marked = _basin_at(found, pick) if pick is not None else None

        def clicked(number: int) -> None:
            on_pick(tuple(found.coords[found.topology.whole.lowest[number]].tolist()))

        st.markdown(words := figure.words(found, listed, unit=unit, scale=scale))
        pictures: dict[Kind, tuple[str, str, Callable[[], go.Figure]]] = {
            "tree": ("merge-tree", "Minima joined by the passes between them", partial(figure.tree, listed, unit=unit, picked=marked)),
            "profile": (
                "profile",
                "Terrain with these minima, as wide as their basins",
                partial(landscape_profile.figure, found, listed, unit=unit, scale=scale, picked=marked),
            ),
            "barcode": ("barcode", "From each minimum to its pass", partial(figure.barcode, listed, unit=unit, picked=marked)),
        }
        for column, (kind, (stem, title, made)) in zip(st.columns(len(pictures)), pictures.items(), strict=True):
            with column:
                st.markdown(f"**{title}**")
                drawn(
                    kind,
                    found,
                    listed,
                    key=(key := f"topology-{kind}"),
                    unit=unit,
                    alt=f"{title}.",
                    scale=scale,
                    group="topology",
                    plane=plane if kind == "tree" else "",
                    pick=marked,
                    on_pick=clicked,
                )
                corner(key=key, stem=stem, title=title, figure=made, explain=words)
        st.caption(
            "Point at a minimum to see its basin in the plane, and click for its model. A filled one is real: with every value anywhere in its simultaneous 95 % band, there"
            " is a climb out of it. The whiskers are the ends of that climb. In the terrain, a valley is at every height as wide as it has points below."
        )
        numbers, minima = st.columns(2)
        with numbers:
            told = figure.told_numbers(found, unit=unit, scale=scale)
            st.dataframe(pd.DataFrame({"of the filled minima": list(told), "value": list(told.values())}), hide_index=True, placeholder="")
        with minima:
            st.dataframe(pd.DataFrame(figure.table(listed, AXES[: found.places.shape[1]])), key="topology-table", hide_index=True, placeholder="")


def _basin_at(found: FieldTopology, at: Sequence[float]) -> int | None:
    """The minimum that the point nearest to a place runs down to."""
    near = int(((found.coords - np.array(at)) ** 2).sum(axis=1).argmin())
    basin = int(found.topology.whole.basin[near])
    return basin if basin >= 0 else None
