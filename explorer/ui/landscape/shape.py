"""Beside a plane: its minima and passes, how sharp the models in it are, and the spectrum of their Hessian."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import pandas as pd
import streamlit as st

from explorer.core import registry, significant_digits
from explorer.core.errors import Refused
from explorer.core.spec import Field, Json, Recipe, Study
from explorer.figures import spectrum as spectrum_figure
from explorer.figures import topology as topology_figure
from explorer.figures import units
from explorer.figures.plane import Surface
from explorer.stats.persistence import minima
from explorer.store.run_store import RunStore
from explorer.ui.frame import failure, shell, status_badge
from explorer.ui.frame.polling import live
from explorer.ui.widgets import method_form
from explorer.ui.widgets.chart_actions import chart

MOST = 6  # models whose sharpness is shown side by side
SCALES = {
    "element": "each weight by its size (adaptive; the same for networks that compute the same)",
    "filter": "each filter by its size",
    "global": "all weights alike",
}


def topology(known: Callable[[], tuple[Surface, float]], *, metric: str, unit: str) -> None:
    """The minima of the measured surface, the passes between them, and which of them may be none.

    known: the surface, and half a 95 % interval of its values. It is asked for, and the pictures are made, once somebody looks: they would hold up the
    picture above, as the browser has to load what draws them.
    """
    with st.expander(f"Minima and passes of the {metric}", icon=":material/terrain:", key="topology", on_change="rerun") as part:
        if not part.open:
            return
        grid, noise = known()
        if grid.measured < grid.z.size:
            st.caption("The minima are counted once every cell is measured.")
            return
        found = minima(grid.z)
        st.markdown(words := topology_figure.words(found, grid, unit=unit, noise=noise))
        left, right = st.columns(2)
        with left:
            diagram = topology_figure.diagram(found, grid, unit=unit, noise=noise)
            chart(diagram, key="topology-diagram", title="Where minima appear and merge", stem="persistence", explain=words)
        with right:
            tree = topology_figure.tree(found, grid, unit=unit, noise=noise)
            chart(tree, key="topology-tree", title="Minima joined by the passes between them", stem="merge-tree", explain=words)
        st.caption(
            "The error of a value is half its 95 % interval, the median over the picture. Neighbours share most of it, so this is conservative."
        )


def sharpness(store: RunStore, field: Field, models: Sequence[Recipe]) -> None:
    """How much the loss rises around each model, by several measures."""
    _study(
        store,
        field,
        models,
        "sharpness",
        "How sharp are these models?",
        ":material/show_chart:",
        partial(_sharpness, unit=units.of_gap(field.problem, "loss")),
    )


def spectrum(store: RunStore, field: Field, models: Sequence[Recipe]) -> None:
    """The eigenvalues of the Hessian at each model."""
    _study(store, field, models, "spectrum", "Spectrum of the Hessian", ":material/equalizer:", _spectrum)


def _study(
    store: RunStore, field: Field, models: Sequence[Recipe], name: str, title: str, icon: str, draw: Callable[[Json, list[str]], None]
) -> None:
    chosen = tuple(models[:MOST])
    with st.expander(title, icon=icon, key=f"{name}-study", on_change="rerun") as part:
        if not part.open:
            return
        st.caption(registry.title("study", name))
        try:
            method = method_form.options("study", name, key=f"{name}-{field.id}", fields=st.container())
        except (Refused, ValueError) as refusal:
            st.error(str(refusal))
            return
        wish = Study(field.problem, chosen, method)
        status = store.status(wish.id)
        st.button(
            "Measure",
            icon=icon,
            on_click=shell.resume,
            args=(wish,),
            key=f"{name}-go-{field.id}",
            disabled=status is not None and status.state == "done",
        )
        if status is not None:
            names = [m.name or m.id for m in chosen]
            live(_live, every=0.5, busy=status.active)(store, wish, names, draw, status.active)


def _live(store: RunStore, wish: Study, names: list[str], draw: Callable[[Json, list[str]], None], was_active: bool) -> None:
    status = store.status(wish.id)
    if status is None:
        return
    if status.state == "failed":
        failure.show(status)
    elif status.active:
        words, button = st.columns([5, 1], vertical_alignment="center")
        with words:
            st.progress(min(status.done / status.total, 1.0) if status.total else 0.0, text=status_badge.sentence(status))
        with button:
            st.button("Stop", icon=":material/stop:", on_click=shell.stop, args=(wish.id,), key=f"stop-{wish.id}", width="stretch")
    elif status.result is not None:
        draw(status.result, names)
    if was_active != status.active:
        st.rerun()


def _sharpness(found: Json, names: list[str], *, unit: str) -> None:
    result = cast("dict[str, list[object]]", found)
    radii, balls = cast("list[float]", result["radii"]), cast("list[float]", result["balls"])
    rows: list[dict[str, object]] = []
    for name, model in zip(names, cast("list[dict[str, dict[str, list[list[float | None]]]]]", result["models"]), strict=True):
        for scale, title in SCALES.items():
            row: dict[str, object] = {"model": name, "a step is measured by": title}
            row |= {f"mean rise, ρ = {r:g}": _text(i) for r, i in zip(radii, model[scale]["average"], strict=True)}
            row |= {f"worst rise, r = {r:g}": _text(i) for r, i in zip(balls, model[scale]["worst"], strict=True)}
            rows.append(row)
    st.dataframe(pd.DataFrame(rows), hide_index=True)
    st.caption(
        f"Rise of the train loss{f' in {unit}' if unit else ''} on {result['samples']} samples, with 95 % intervals: of the mean, over directions and samples; of the worst, over samples"
        " with the step held. The worst is a lower bound, found by ascent. Only the first measure is the same for networks that compute the same."
    )


def _spectrum(found: Json, names: list[str]) -> None:
    shown, words = spectrum_figure.spectra(found, names), spectrum_figure.words(found, names)
    left, right = st.columns(2)
    with left:
        chart(
            spectrum_figure.eigenvalues(shown),
            key="spectrum-eigenvalues",
            title="Extreme eigenvalues of the Hessian",
            stem="eigenvalues",
            explain=words,
        )
    with right:
        chart(spectrum_figure.density(shown), key="spectrum-density", title="Density of the Hessian's eigenvalues", stem="spectrum", explain=words)
    st.markdown(words)


def _text(interval: list[float | None]) -> str:
    if any(v is None for v in interval):
        return "not finite"
    return significant_digits.within(*(v for v in interval if v is not None))
