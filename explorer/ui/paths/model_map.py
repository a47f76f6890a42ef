"""A map of many models, beside the matrix of their lines: places by the rises, basins at a threshold, and more lines where the map is least certain."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st

from explorer.core.points import Array
from explorer.figures import model_map as figure
from explorer.stats import model_map as maps
from explorer.stats import units
from explorer.stats.model_map import Rises
from explorer.stats.model_pairs import Middles, Pairs
from explorer.store.kept import Kept
from explorer.ui.widgets.chart_actions import chart

MORE = 4  # lines for each model, that are measured at a press
STOPS = 40  # of the slider
PLACES_BYTES = 4 * 2**20
_places: Kept[tuple[Array, float]] = Kept(PLACES_BYTES)  # for all sessions


def show(
    found: Middles,
    pairs: Pairs,
    distances: Array,
    names: Sequence[str],
    *,
    key: str,
    unit: str,
    level: str,
    values: Sequence[float] | None,
    busy: bool,
    on_more: Callable[[Pairs], None],
    on_pick: Callable[[int], None],
) -> None:
    """The panel, drawn once somebody opens it. distances: (n, n) of the weights. key: of the picture. unit: of rises; level: of each model's own values. on_more: told the pairs to measure
    next; on_pick: the number of a model that is clicked."""
    with st.expander("Map of the models", icon=":material/scatter_plot:", key="many-map-part", on_change="rerun") as part:
        if not part.open:
            return
        n = len(names)
        known = maps.rises(n, pairs, found)
        stops = _stops(known)
        if not len(stops):
            st.caption("The map is drawn once a line is measured.")
            return
        threshold = st.select_slider(
            units.titled("Joined by lines that rise by at most", unit),
            stops,
            value=stops[len(stops) // 2],
            format_func=lambda v: f"{v:.3g}",
            key=f"{key}-at",
        )
        measured = int(np.isfinite(found.value).sum())
        before = _places.last(key)
        at, stress = (
            before[1] if before is not None and before[0] == measured else _places.keep(key, measured, maps.places(known, [distances]), 16 * n)
        )
        sure, perhaps = (len(set(each)) for each in maps.basins(known, threshold))
        drawn = figure.figure(at, known, names, threshold=threshold, unit=unit, colours=values, colour_title=units.titled("own value", level))
        chart(drawn, key="many-map", title="Map of the models", stem="map", on_pick=on_pick)
        certain = f"{sure} basins, with certainty" if sure == perhaps else f"between {perhaps} and {sure} basins"
        st.caption(
            f"At this threshold {certain}, as far as {measured:,} of {n * (n - 1) // 2:,} lines tell; more can join basins, and part none. Distances are about the"
            f" roots of the rises; they miss {stress:.0%} of them. Click a model to list its lines below."
        )
        following = maps.next_pairs(known, [distances], MORE * n)
        if len(following) and not busy:
            label = f"Measure {len(following):,} more lines where the map is least certain"
            st.button(label, icon=":material/add_location:", key="many-map-next", on_click=on_more, args=(following,))


def _stops(known: Rises) -> list[float]:
    """Thresholds: quantiles of the rises that join the spanning tree of the map and of all that are measured."""
    values = known.value[np.triu_indices(len(known.value), 1)]
    values = values[np.isfinite(values)]
    if not values.size:
        return []
    return sorted({float(f"{v:.3g}") for v in np.quantile(values, np.linspace(0, 1, STOPS))})
