"""How sharp each model of a map is: asked for by a button that says what it takes, and shown once it is there."""

from __future__ import annotations

from typing import NamedTuple, cast

import streamlit as st

from explorer.core import registry, significant_digits
from explorer.core.spec import Field, Study
from explorer.stats import units
from explorer.store.estimate_cost import expected
from explorer.store.job_status import duration
from explorer.store.run_store import RunStore
from explorer.ui.frame import failure, shell
from explorer.ui.widgets import study_panel

RHO = 0.1  # how far the weights move at random, each by so much of its own size
SCALE = "element"  # the same for networks that compute the same


class Sharpness(NamedTuple):
    """Mean rise of a model's train loss nearby, with its 95 % interval; NaN where it is not finite."""

    value: float
    low: float
    high: float


def request(field: Field) -> Study:
    """The study of all models of a field, with as little beside the one number as there can be."""
    return Study(field.problem, field.corners, registry.method("study", "sharpness", {"radii": (RHO,), "balls": (RHO,), "steps": 1}))


def known(store: RunStore, field: Field) -> list[Sharpness] | None:
    """One for each model; None while they are not measured."""
    status = store.status(request(field).id)
    if status is None or status.state != "done" or status.result is None:
        return None
    models = cast("dict[str, list[dict[str, dict[str, list[list[float | None]]]]]]", status.result)["models"]
    return [Sharpness(*(float("nan") if v is None else v for v in model[SCALE]["average"][0])) for model in models]


def ask(store: RunStore, field: Field) -> None:
    """The button with what it takes, how far it is, or what went wrong; nothing where it is measured."""
    if registry.is_live("nets", field.problem.network.name):
        return
    study = request(field)
    status = store.status(study.id)
    if status is None or status.state == "stopped":
        takes = expected(study, store)
        about = f"About {duration(takes)} of computing. " if takes is not None else ""
        help = f"{about}How much the train loss rises on average when every weight moves at random by some {RHO:.0%} of itself. Marks then have its size."
        st.button("Measure sharpness", icon=":material/show_chart:", key="many-map-sharp", on_click=shell.resume, args=(study,), help=help)
    elif status.state == "failed":
        failure.show(status, name="Sharpness", key="map-sharp")
    elif status.active:
        study_panel.under_way(status)


def is_under_way(store: RunStore, field: Field) -> bool:
    """Whether it is being measured."""
    status = store.status(request(field).id)
    return status is not None and status.active


def words(found: list[Sharpness], field: Field) -> str:
    """What the sizes are."""
    finite = [s.value for s in found if s.value == s.value]
    if not finite:
        return "The loss is not finite around any of these models."
    low, high = significant_digits.number(min(finite), 3), significant_digits.number(max(finite), 3)
    lost = f"; {len(found) - len(finite)} rise beyond any number and are drawn largest" if len(finite) < len(found) else ""
    return (
        f"Size: by how much the train loss rises when weights move at random by {RHO:.0%} of themselves, from {low} to"
        f" {high}{units.after(units.of_gap(field.problem, 'loss'))}, as area{lost}."
    )
