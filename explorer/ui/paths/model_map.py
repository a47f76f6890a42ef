"""A map of many models, beside the matrix of their lines: places by the rises, basins at a threshold, and more lines where the map is least certain.

A click on a line opens it, one on a model picks it; what is picked leads to the model, the line between two and the plane of three. The same is chosen by name, without pointing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import streamlit as st

from explorer.checkpoints.sharded import family_folder
from explorer.core import registry, significant_digits
from explorer.core.markdown import plain
from explorer.core.points import Array
from explorer.core.spec import Field, Loaded
from explorer.figures import model_map as figure
from explorer.stats import metrics, units
from explorer.stats import model_map as maps
from explorer.stats.model_map import Rises
from explorer.stats.model_pairs import Middles, Pairs
from explorer.stats.soup_analysis import singles
from explorer.store.kept import Kept
from explorer.store.run_store import RunStore
from explorer.ui.frame import query_state, shell
from explorer.ui.frame.polling import apart
from explorer.ui.paths import map_sharpness
from explorer.ui.paths.map_sharpness import Sharpness
from explorer.ui.widgets import model_inspector
from explorer.ui.widgets.chart_actions import chart
from explorer.ui.widgets.model_picker import key_of

MORE = 4  # lines for each model, that are measured at a press
STOPS = 40  # of the slider
PICKED = 3  # models at once: a plane's
DRAWN_BYTES = 8 * 2**20
COLOURS = {"value": "Own value", "sharpness": "Sharpness", "basin": "Basin", "name": "Name", "folder": "Folder"}
OPENS = "many-map-opens"  # the line that was clicked, until its page is turned to


@dataclass(frozen=True, eq=False)
class Mapped:
    """What is measured between a field's models in one metric. distances: (n, n) of the weights; values: each model's own, None while one is missing."""

    field: Field
    metric: str
    pairs: Pairs
    rise: Middles
    distances: Array
    values: Sequence[float] | None

    @property
    def key(self) -> str:
        return f"many-map-{self.field.id}-{self.metric}"

    @property
    def names(self) -> list[str]:
        return [m.name or m.id for m in self.field.corners]

    @property
    def measured(self) -> int:
        return int(np.isfinite(self.rise.value).sum())


@dataclass(frozen=True, eq=False)
class _Laid:
    """What takes long to work out, and is the same at every threshold."""

    places: Array
    stress: float
    following: Pairs


_laid: Kept[_Laid] = Kept(DRAWN_BYTES)  # for all sessions


def show(store: RunStore, found: Mapped, *, busy: bool, on_more: Callable[[Pairs], None], on_list: Callable[[Sequence[str]], None]) -> None:
    """The panel, drawn once somebody opens it. on_more: told the pairs to measure next; on_list: the names of the models that are picked."""
    with st.expander("Map of the models", icon=":material/scatter_plot:", key="many-map-part", on_change="rerun") as part:
        if part.open:
            _map(store, found, busy, _asked(store, found), on_more, on_list)


def picked(field: Field, metric: str) -> tuple[int, ...]:
    """The numbers of the models that are picked on a field's map."""
    return tuple(st.session_state.get(f"many-map-{field.id}-{metric}-picked", ()))


def is_under_way(store: RunStore, field: Field, metric: str) -> bool:
    """Whether the sharpness or a picked model of a map is being measured."""
    one = picked(field, metric)
    return map_sharpness.is_under_way(store, field) or (len(one) == 1 and model_inspector.pick_active(store, field, _at(len(field.corners), one[0])))


def inspected(store: RunStore, field: Field, metric: str) -> None:
    """The panel of a model that is picked alone."""
    one = picked(field, metric)
    if len(one) == 1 and store.field(field.id) is not None:
        at = _at(len(field.corners), one[0])
        model_inspector.model_at(store, field, at, model_inspector.measured_at(store, field, at))


def _asked(store: RunStore, found: Mapped) -> tuple[object, ...]:
    """What the rest of the page shows as well."""
    return picked(found.field, found.metric), map_sharpness.is_under_way(store, found.field), query_state.get("runs")


@apart
def _map(
    store: RunStore,
    found: Mapped,
    busy: bool,
    as_drawn: tuple[object, ...],
    on_more: Callable[[Pairs], None],
    on_list: Callable[[Sequence[str]], None],
) -> None:
    if _asked(store, found) != as_drawn:
        st.rerun()
    if (line := st.session_state.pop(OPENS, None)) is not None:
        a, b = (key_of(found.field.corners[k]) for k in line)
        shell.go("interpolate", a=a, b=b)
    n, names, key = len(found.field.corners), found.names, found.key
    unit = units.of_gap(found.field.problem, found.metric)
    known = maps.rises(n, found.pairs, found.rise)
    stops = _stops(known)
    if not len(stops):
        st.caption("The map is drawn once a line is measured.")
        return
    sharp = map_sharpness.known(store, found.field)
    titled = units.titled("Joined by lines that rise by at most", unit)
    threshold = st.select_slider(titled, stops, value=stops[len(stops) // 2], format_func=lambda v: f"{v:.3g}", key=f"{key}-at")
    sure, perhaps = maps.basins(known, threshold)
    groups = _groups(found, sure)
    shown = [name for name in COLOURS if name in groups or (name == "value" and found.values) or (name == "sharpness" and sharp)]
    colour = st.segmented_control("Colour", shown, default=shown[0], format_func=COLOURS.__getitem__, key=f"{key}-colour", required=True)
    laid = _laid_out(found, known)
    coloured = [s.value for s in sharp] if colour == "sharpness" and sharp else found.values
    drawn = figure.figure(
        laid.places,
        known,
        names,
        threshold=threshold,
        unit=unit,
        colours=coloured,
        colour_title=_title(found, colour),
        groups=groups.get(colour),
        sizes=None if sharp is None else maps.as_sizes([s.value for s in sharp]),
        said=_said(found, sharp),
        picked=picked(found.field, found.metric),
    )
    chart(drawn, key="many-map", title="Map of the models", stem="map", on_pick=partial(_pick, store, found, on_list))
    least, most = len(set(perhaps)), len(set(sure))
    certain = f"{most} basins, with certainty" if least == most else f"between {least} and {most} basins"
    st.caption(
        f"At this threshold {certain}, as far as {found.measured:,} of {n * (n - 1) // 2:,} lines tell; more can join basins, and part none. Distances are about the"
        f" roots of the rises; they miss {laid.stress:.0%} of them. {map_sharpness.words(sharp, found.field) if sharp else ''}"
    )
    _leads(store, found, on_list)
    with st.container(horizontal=True, vertical_alignment="center"):
        if len(laid.following) and not busy:
            label = f"Measure {len(laid.following):,} more lines where the map is least certain"
            st.button(label, icon=":material/add_location:", key="many-map-next", on_click=on_more, args=(laid.following,))
        map_sharpness.ask(store, found.field)


def _leads(store: RunStore, found: Mapped, on_list: Callable[[Sequence[str]], None]) -> None:
    """What the picked models lead to; they are chosen here by name as well."""
    st.multiselect(
        "Picked models",
        range(len(found.names)),
        format_func=found.names.__getitem__,
        max_selections=PICKED,
        key=f"{found.key}-picked",
        placeholder="One for the model, two for their line, three for their plane",
        help="A click on a mark of the map picks its model; a click on the diamond of a line opens that line.",
        on_change=partial(_picked, store, found, on_list),
    )
    models = [found.field.corners[k] for k in picked(found.field, found.metric)]
    if not models:
        return
    keys = dict(zip("abc", map(key_of, models), strict=False))
    with st.container(horizontal=True):
        if len(models) == 1:
            shell.link("compare", f"{plain(models[0].name or models[0].id)} in Compare", icon=":material/balance:", **keys)
        elif len(models) == 2:
            shell.link("interpolate", "The line between these two", icon=":material/show_chart:", **keys)
        else:
            shell.link("landscape", "The plane of these three", icon=":material/landscape:", **keys)


def _pick(store: RunStore, found: Mapped, on_list: Callable[[Sequence[str]], None], number: int) -> None:
    """A mark was clicked: a line is opened; a model is picked, or, where it was, no longer."""
    at = figure.ends_of(number, len(found.names))
    if len(at) == 2:
        st.session_state[OPENS] = at
        return
    before = picked(found.field, found.metric)
    now = [k for k in before if k != at[0]] if at[0] in before else [*before, at[0]][-PICKED:]
    st.session_state[f"{found.key}-picked"] = now
    _picked(store, found, on_list)


def _picked(store: RunStore, found: Mapped, on_list: Callable[[Sequence[str]], None]) -> None:
    now = picked(found.field, found.metric)
    on_list([found.names[k] for k in now])
    if len(now) == 1 and not registry.is_live("nets", found.field.problem.network.name):
        model_inspector.inspect_once(store, found.field, _at(len(found.names), now[0]))


def _at(n: int, number: int) -> tuple[float, ...]:
    return tuple(float(c) for c in singles(n)[number])


def _laid_out(found: Mapped, known: Rises) -> _Laid:
    """Places and the pairs to measure next, made again only when a line was measured."""
    before = _laid.last(found.key)
    if before is not None and before[0] == found.measured:
        return before[1]
    distances, n = [found.distances], len(found.names)
    made = _Laid(*maps.places(known, distances), maps.next_pairs(known, distances, MORE * n))
    return _laid.keep(found.key, found.measured, made, made.places.nbytes + made.following.nbytes)


def _groups(found: Mapped, basin: Sequence[int]) -> dict[str, list[str]]:
    """What each model may be coloured by, of what tells some apart: its basin, its name without the number at the end, its folder."""
    numbers: dict[int, int] = {}
    of = {
        "basin": [f"basin {numbers.setdefault(b, len(numbers) + 1)}" for b in basin],
        "name": [re.sub(r"[\W_]*\d+$", "", name) or name for name in found.names],
        "folder": [Path(family_folder(m.path)).name if isinstance(m, Loaded) else "made here" for m in found.field.corners],
    }
    return {name: each for name, each in of.items() if name == "basin" or 1 < len(set(each)) < len(each)}


def _title(found: Mapped, colour: str) -> str:
    problem = found.field.problem
    if colour == "sharpness":
        return units.titled("sharpness", units.of_gap(problem, "loss"))
    return units.titled(metrics.find(found.metric).called, units.of_level(problem, found.metric))


def _said(found: Mapped, sharp: Sequence[Sharpness] | None) -> list[str]:
    """What is shown of each model where one points."""
    value = metrics.find(found.metric).called
    own = [f"{value} {v:.3g}" for v in found.values] if found.values else [""] * len(found.names)
    if sharp is None:
        return own
    return [f"{o}{', ' if o else ''}sharpness {significant_digits.within(*s)}" for o, s in zip(own, sharp, strict=True)]


def _stops(known: Rises) -> list[float]:
    """Thresholds: quantiles of the rises that join the spanning tree of the map and of all that are measured."""
    values = known.value[np.triu_indices(len(known.value), 1)]
    values = values[np.isfinite(values)]
    if not values.size:
        return []
    return sorted({float(f"{v:.3g}") for v in np.quantile(values, np.linspace(0, 1, STOPS))})
