"""The model at a point of a picture: how good it is, what it confuses, and its weights as a file.

A point is given by its coordinates on the field's chart: (t,) on a path, (u, v) in a plane.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import cast

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from explorer.core import registry, significant_digits
from explorer.core.markdown import plain
from explorer.core.points import Points
from explorer.core.spec import Field, Fused, Make, Run, Study
from explorer.figures import confusion
from explorer.stats import metrics, perplexity, units
from explorer.stats.point_recipe import At, coefficients_at, recipe_at
from explorer.stats.preview_confirmation import exact, is_preview
from explorer.store.job_status import Status
from explorer.store.run_store import RunStore
from explorer.ui.frame import failure, shell
from explorer.ui.widgets import python_source, recipe_view
from explorer.ui.widgets.chart_actions import chart

CLASSES_DRAWN = 40
DISTANCES_SHOWN = 6
EXAMPLES_IN_A_ROW = 6


def inspect(store: RunStore, field: Field, at: At) -> None:
    """Ask for the model at a point: its metrics, and which classes it confuses."""
    for request in requests(field, at):
        shell.submit(request, urgent=True)


def inspect_once(store: RunStore, field: Field, at: At) -> None:
    """What a link to a point asks for: the same as a click, unless somebody has asked before."""
    if all(store.status(w.id) is None for w in requests(field, at)):
        inspect(store, field, at)


def requests(field: Field, at: At) -> list[Run]:
    """The runs that a click asks for: the point of this very field and, of classes, its confusion matrix; of a preview in float32."""
    field = exact(field)
    there = registry.method("sample", "given", {"at": at})
    return [Run(field, there), *([Run(replace(field, metrics=("confusion",)), there)] if registry.labelled(field.problem.loss) else [])]


def pick_active(store: RunStore, field: Field, at: At | None) -> bool:
    """Whether something about the picked model is still on its way."""
    if at is None:
        return False
    made = recipe(store, field, at)
    mistakes = Study(field.problem, (made,), registry.method("study", "mistakes", {"split": field.measured_on}))
    ids = [w.id for w in (*requests(field, at), Make(made), mistakes)]
    return any(s is not None and s.active for s in map(store.status, ids))


def recipe(store: RunStore, field: Field, at: At) -> Fused:
    """The point as a recipe like any other."""
    known = store.field(field.id)
    gram = known.gram if known is not None else np.eye(len(field.corners))
    return recipe_at(field, gram, at)


def model_at(store: RunStore, field: Field, at: At, points: Points) -> None:
    """The panel of the picked model."""
    with st.container(border=True):
        st.markdown(f"**The model{where(field, at)}**: {plain(recipe(store, field, at).name)}")
        status = store.status(requests(field, at)[0].id)
        if status is not None and status.state == "failed":
            failure.show(status, key="picked")
            return
        points = store.points(exact(field).id)[0] if is_preview(field) else points
        here = _index(points, at)
        left, right = st.columns([2, 3], gap="large")
        with left:
            if not len(here):
                st.caption("Measuring…" if status else "Not measured yet.")
                if status is None or not status.active:
                    st.button("Measure it", on_click=inspect, args=(store, field, at), key=f"inspect-{_key(at)}")
            else:
                _quality(field, Points(points.coords[here], points.values[here], points.counts))
            _distances(store, field, at)
            recipe_view.checkpoint(store, recipe(store, field, at), key=f"picked-{_key(at)}")
        with right:
            _confusion(store, field, at)
        _mistakes(store, field, at)


def measured_at(store: RunStore, field: Field, at: At) -> Points:
    """What is measured at the place, with its blocks; of a field of many points no others are read."""
    known, _ = store.totals(field.id)
    return store.points_at(field.id, known.coords[_index(known, at)])


def where(field: Field, at: At) -> str:
    """A point's coordinates as people read them; those of a mixture are its name already."""
    if field.chart.name == "mixture":
        return ""
    return " at " + ", ".join(
        f"{axis} = {significant_digits.number(value)}" for axis, value in zip(registry.axes(field.chart.name, len(field.corners)), at, strict=True)
    )


def _index(points: Points, at: At) -> NDArray[np.intp]:
    """Which of the points stands there, if any."""
    return np.flatnonzero(np.isclose(points.coords, at, rtol=0, atol=1e-9).all(axis=1)) if len(points) else np.empty(0, np.intp)


def _key(at: At) -> str:
    return "-".join(f"{value:g}" for value in at)


def _others(field: Field) -> list[str]:
    """What the sums of a field give besides loss, error and accuracy; an exponential of one stands beside it."""
    return [m for m in metrics.given(field) if m not in ("loss", "error", "accuracy") and not metrics.find(m).exponential]


def _quality(field: Field, point: Points) -> None:
    """Every metric that the point has, with its interval: how often it is right instead of how often it is wrong."""
    classifies, free = registry.classifies(field.problem.loss), registry.targets_of(field.problem.loss) == "reference"
    names = ["loss", *(["accuracy"] if classifies else []), *_others(field)]
    for metric in names:
        title = (
            {"loss": registry.called(field.problem.loss).replace("_", " "), "accuracy": "agreement"}[metric] if free else metrics.find(metric).called
        )
        scale, unit = units.scale(metric), units.of_level(field.problem, metric)
        mean = scale * metrics.means(point, field.metrics, metric)[0]
        low, high = (scale * end[0] for end in metrics.interval(point, field.metrics, metric))
        if not np.isfinite(mean):
            st.metric(f"{field.measured_on} {title}", "diverged")
            st.caption(f"The {title} here is not a finite number.")
            continue
        value, lower, upper = significant_digits.formatted(mean, low, high)
        st.metric(f"{field.measured_on} {title}", value + units.after(unit))
        st.caption(f"95 % interval [{lower}, {upper}]{units.after(unit)}")
        if metric == "loss" and perplexity.applies(field.problem):
            value, lower, upper = significant_digits.formatted(*map(perplexity.from_loss, (mean, low, high)))
            st.caption(f"Perplexity **{value}** [{lower}, {upper}]")


def _distances(store: RunStore, field: Field, at: At) -> None:
    """How far the model lies from each corner: √((c − e)ᵀ G (c − e))."""
    known = store.field(field.id)
    if known is None or not 1 < len(field.corners) <= DISTANCES_SHOWN:
        return
    apart = coefficients_at(field, known.gram, at) - np.eye(len(field.corners))
    lengths = np.sqrt(np.maximum(np.einsum("ki,ij,kj->k", apart, known.gram, apart), 0.0))
    st.caption("Distance to " + ", ".join(f"{plain(c.name or c.id)} {d:.3g}" for c, d in zip(field.corners, lengths, strict=True)))


def _mistakes(store: RunStore, field: Field, at: At) -> None:
    """The samples it gets wrong with the highest loss, once somebody asks for them."""
    if not registry.labelled(field.problem.loss):
        return
    request = Study(field.problem, (recipe(store, field, at),), registry.method("study", "mistakes", {"split": field.measured_on}))
    status = store.status(request.id)
    if status is None:
        st.button("Show its mistakes", icon=":material/error_outline:", on_click=_request_mistakes, args=(request,), key=f"mistakes-{_key(at)}")
    elif status.state == "failed":
        failure.show(status, key="picked")
    elif status.state != "done" or not isinstance(status.result, dict):
        st.caption("Finding mistakes…")
    else:
        _examples(cast("dict[str, object]", status.result), field)


def _examples(found: dict[str, object], field: Field) -> None:
    examples = cast("list[dict[str, object]]", found["examples"])
    st.markdown(f"**{found['wrong']} of {found['of']} {field.measured_on} samples wrong**" + ("; with the highest loss:" if examples else ""))
    drawn = [e for e in examples if e["image"] is not None]
    for start in range(0, len(drawn), EXAMPLES_IN_A_ROW):
        for column, example in zip(st.columns(EXAMPLES_IN_A_ROW), drawn[start : start + EXAMPLES_IN_A_ROW], strict=False):
            with column:
                pixels = np.array(example["image"])
                times = max(1, 96 // pixels.shape[0])
                st.image(np.kron(pixels, np.ones((times, times) if pixels.ndim == 2 else (times, times, 1))), width=96)
                st.caption(f"{plain(str(example['true']))}, predicted {plain(str(example['said']))} ({100 * cast('float', example['share']):.0f} %)")
    if examples and not drawn:
        st.dataframe(pd.DataFrame([{k: e[k] for k in ("index", "place", "true", "said", "share") if k in e} for e in examples]), hide_index=True)


def _request_mistakes(request: Study) -> None:
    shell.submit(request, urgent=True)


def _confusion(store: RunStore, field: Field, at: At) -> None:
    _, *asked = requests(field, at)
    if not asked:
        st.caption(
            f"The confusion matrix is not shown: there is no true class for each answer, and the loss here is {registry.called(field.problem.loss)}."
        )
        return
    (request,) = asked
    known = store.field(request.field.id)
    matrices, _ = store.points(request.field.id)
    here = _index(matrices, at)
    if known is None or not len(here):
        if _on_its_way(store.status(request.id)):
            st.caption("Computing the confusion matrix…")
        elif (status := store.status(request.id)) is not None:
            failure.show(status, name="The confusion matrix", key="picked")
        return
    counts = matrices.values[here[0]]
    classes = [str(c) for c in known.facts["classes"]] if isinstance(known.facts["classes"], list) else []
    if not np.isfinite(counts).all():
        st.caption("The network's outputs here are not finite, so there is nothing to count.")
    elif len(classes) > CLASSES_DRAWN:
        st.caption(f"{len(classes)} classes are too many for a table here.")
    else:
        title = "Confusion matrix"
        source = python_source.runs({"confusion": request}) + 'print(measured["confusion"].values)'
        key = f"confusion-{request.field.id}-{_key(at)}"
        chart(
            _drawn(counts.astype(np.int64).tobytes(), tuple(classes), title),
            key=key,
            title=title,
            stem="confusion",
            code=python_source.program(source),
        )


@lru_cache(maxsize=64)
def _drawn(counts: bytes, classes: tuple[str, ...], title: str) -> go.Figure:
    """A confusion matrix; a page that is drawn again shows the same one."""
    return confusion.figure(np.frombuffer(counts, dtype=np.int64).reshape(len(classes), -1), classes, title=title)


def _on_its_way(status: Status | None) -> bool:
    return status is not None and status.active
