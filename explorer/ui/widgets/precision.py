"""How exactly a picture is measured: the choice in a form, and what a preview holds that was measured again in float32."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from explorer.core import registry
from explorer.core.points import Points
from explorer.core.spec import Field, Precision, ProblemSpec
from explorer.stats.preview_confirmation import TITLES, Confirmed, confirmed, exact, is_preview
from explorer.store.run_store import RunStore
from explorer.ui.frame import expertise

WORDS: dict[Precision, str] = {
    "float32": "float32: exact",
    "bfloat16": "bfloat16: a quick preview",
    "tf32": "TF32: a quick preview on an NVIDIA GPU",
    "stored": "the type of the weights: as large models are run",
}


def choose(store: RunStore, problem: ProblemSpec, shown: Field | None, *, key: str, below: DeltaGenerator) -> Precision:
    """Pick the precision, that of what is shown where the person is no expert; TF32 only where a GPU serves, or shows already. below: where it is said what
    a preview brings here."""
    now: Precision = shown.precision if shown else "float32"
    if not expertise.on():
        return now
    cuda = any(s.device.startswith("cuda") for s in store.workers())
    options: list[Precision] = [p for p in WORDS if p != "tf32" or cuda or now == "tf32"]
    picked = st.selectbox(
        "Precision",
        options,
        index=options.index(now),
        format_func=WORDS.__getitem__,
        key=f"{key}-precision",
        help="A preview rounds the factors of every product, which is faster for large networks on devices that support it. When the picture is complete, the numbers"
        " that are quoted of it (ends, peaks, lowest and highest place) are measured again in float32, and the difference between the two is shown.",
    )
    if picked != "float32":
        below.caption(f":material/speed: {_gain(store, problem, picked)}")
    return picked


def _gain(store: RunStore, problem: ProblemSpec, precision: Precision) -> str:
    """What it brings here, by what was measured here."""
    chart = registry.method("chart", "line")
    plain, coarse = (store.pace(Field(problem, (), chart, precision=p)) for p in ("float32", precision))
    if plain is None or coarse is None or not plain[0] or not plain[1] or not coarse[1]:
        return f"How long a {TITLES[precision]} point takes has not been measured here yet: large networks gain, small ones on a CPU take longer than in float32."
    share = (coarse[0] / coarse[1]) / (plain[0] / plain[1])
    return f"Here a {TITLES[precision]} point of this problem has taken {share:.2g} times as long as a float32 one."


def again(store: RunStore, field: Field, points: Points) -> Confirmed | None:
    """Of a preview, what was measured again in float32; None for anything else, or while nothing was."""
    return confirmed(points, store.points(exact(field).id)[0]) if is_preview(field) else None
