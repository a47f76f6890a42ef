"""How alike models are, as a study found it: a layer's likeness between models, layers against layers, functions against weights, and a row for each pair.

A click on a pair's mark opens the line between the two; the table has the same as links.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pandas as pd
import streamlit as st

from explorer.core.spec import Aligned, Json, Recipe
from explorer.figures import matrix
from explorer.figures import similarity as similar
from explorer.ui.frame import shell
from explorer.ui.widgets.chart_actions import chart
from explorer.ui.widgets.model_picker import key_of

ALIKE = {"debiased": "Debiased CKA", "cka": "Linear CKA", "procrustes": "Procrustes"}
APART = {"disagree": "Predictions that differ", **{name: f"1 − {title}" for name, title in ALIKE.items()}}
ACROSS = {"distance": "Distance", "cosine": "Cosine"}
OPENS = "similarity-opens"  # the pair that was clicked, until its page is turned to


def draw(found: Json, names: list[str], *, models: Sequence[Recipe]) -> None:
    """All of it."""
    if (pair := st.session_state.pop(OPENS, None)) is not None:
        a, b = (key_of(models[k]) for k in pair)
        shell.go("interpolate", a=a, b=b)
    result = cast("dict[str, list[list[list[float | None]]]]", found)
    layers, samples = cast("list[str]", result["layers"]), cast("int", result["samples"])
    layer = st.selectbox("Layer", range(len(layers)), index=max(len(layers) - 1, 0), format_func=layers.__getitem__, key="similarity-layer")
    measure = st.segmented_control("Measure", list(ALIKE), default="debiased", format_func=ALIKE.__getitem__, key="similarity-measure") or "debiased"
    left, right = st.columns(2)
    with left:
        drawn = matrix.figure(similar.matrix(result[measure][layer]), names, title=f"{ALIKE[measure]}, {layers[layer]}", top=1.0)
        chart(drawn, key="similarity-models", title=f"{ALIKE[measure]} between models", stem="similarity")
    with right:
        chart(similar.between(found), key="similarity-layers", title="Debiased CKA between layers", stem="layers")
    _functions(found, names, layer)
    pairs = similar.pairs_of(len(models))
    lines = [f"/interpolate?a={key_of(models[i])}&b={key_of(models[j])}" for i, j in pairs]
    st.dataframe(
        pd.DataFrame({**similar.table(found, names, layer), "line": lines}),
        hide_index=True,
        key="similarity-table",
        column_config={"line": st.column_config.LinkColumn(display_text="line")},
    )
    aligned = any(isinstance(model, Aligned) for model in models)
    st.caption(
        f"On {samples} samples, with 95 % intervals over samples. CKA and Procrustes are 1 where a rotation and a scale make two layers give the same, as where units are in"
        " another order; the weights' cosine and distance know nothing of that"
        + (": those of aligned models are after aligning." if aligned else ", unless the models were aligned first (*Align*).")
        + " Linear CKA and Procrustes are too high of few samples, and their intervals hold what so many samples give on average; debiased CKA speaks of all samples."
    )


def _functions(found: Json, names: Sequence[str], layer: int) -> None:
    """Functions against weights, by what is chosen."""
    known = [name for name in APART if name != "disagree" or similar.has_classes(found)]
    one, two = st.columns(2)
    with one:
        up = st.segmented_control("Functions", known, default=known[0], format_func=APART.__getitem__, key="similarity-up", required=True)
    with two:
        across = st.segmented_control(
            "Weights", list(ACROSS), default="distance", format_func=ACROSS.__getitem__, key="similarity-across", required=True
        )
    drawn = similar.functions(found, names, up=up, across=across, layer=layer)
    pairs = similar.pairs_of(len(names))

    def open_pair(number: int) -> None:
        st.session_state[OPENS] = pairs[number]

    chart(drawn, key="similarity-functions", title="Functions against weights", stem="functions", on_pick=open_pair)
