"""Beside a plane: how sharp the models in it are, the spectrum of their Hessian, and how alike they are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import cast

import pandas as pd
import streamlit as st

from explorer.core import significant_digits
from explorer.core.spec import Field, Json, Recipe
from explorer.figures import spectrum as spectrum_figure
from explorer.stats import units
from explorer.store.run_store import RunStore
from explorer.ui.landscape import likeness
from explorer.ui.widgets import study_panel
from explorer.ui.widgets.chart_actions import chart

MOST = 6  # models whose sharpness is shown side by side
MOST_ALIKE = 12
SCALES = {
    "element": "each weight by its size (adaptive; the same for networks that compute the same)",
    "filter": "each filter by its size",
    "global": "all weights equally",
}


def sharpness(store: RunStore, field: Field, models: Sequence[Recipe]) -> None:
    """How much the loss rises around each model, by several measures."""
    study_panel.show(
        store,
        field.problem,
        models[:MOST],
        "sharpness",
        "How sharp are these models?",
        ":material/show_chart:",
        partial(_sharpness, unit=units.of_gap(field.problem, "loss")),
    )


def spectrum(store: RunStore, field: Field, models: Sequence[Recipe]) -> None:
    """The eigenvalues of the Hessian at each model."""
    study_panel.show(store, field.problem, models[:MOST], "spectrum", "Spectrum of the Hessian", ":material/equalizer:", _spectrum)


def similarity(store: RunStore, field: Field, models: Sequence[Recipe]) -> None:
    """How alike the models are: by what their layers represent, by what they predict, and by their weights."""
    if len(models) > 1:
        study_panel.show(
            store,
            field.problem,
            models[:MOST_ALIKE],
            "similarity",
            "How alike are these models?",
            ":material/join_inner:",
            partial(likeness.draw, models=models[:MOST_ALIKE]),
        )


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
