"""What is cooked, by which rule, and how exactly the worth of many ingredients is wanted. The Soup page's form."""

from __future__ import annotations

from typing import TypedDict, cast

import streamlit as st

from explorer.stats.soup_analysis import ROUND
from explorer.store.run_store import RunStore
from explorer.ui.frame import head, query_state
from explorer.ui.soup.measurements import EXACT, ORDERS, Kitchen, Rule
from explorer.ui.widgets import cost_caption, form_state
from explorer.ui.widgets.choose_models import choose_models
from explorer.ui.widgets.model_picker import choices, choose_family, families, family_of, key_of
from explorer.ui.widgets.selection_metric import Measure

FIRST = "finetunes"  # the sample family that a soup is made of at first
MOST_ORDERS = 10_000


def default(store: RunStore) -> Kitchen | None:
    """What a first visit shows: a soup of the shipped fine-tunes."""
    found = next((f for f in families(store) if FIRST in f.key), None)
    return Kitchen(found.problem, tuple(found.models.values())[-EXACT:]) if found else None


class Draws(TypedDict):
    orders: int
    within: float


def draws() -> Draws:
    """How many random orders the address allows, and at which ± of theirs it stops."""
    try:
        return {
            "orders": min(max(int(query_state.get("orders") or ORDERS), ROUND), MOST_ORDERS),
            "within": max(float(query_state.get("within") or 0.0), 0.0),
        }
    except ValueError:
        return {"orders": ORDERS, "within": 0.0}


def summary(shown: Kitchen | None) -> str:
    if shown is None:
        return ""
    rule = "keeps what does not hurt" if shown.rule == "at_least" else "keeps what helps"
    return head.summary(shown.problem.title or shown.problem.name, head.names(shown.models), f"greedy soup {rule}")


def form(store: RunStore, shown: Kitchen | None) -> Kitchen | None:
    every = families(store, shown.problem, shown.models) if shown else families(store)
    if not every:
        st.info("No checkpoint is registered yet. Go to Checkpoints and add a file or a folder.", icon=":material/inventory_2:")
        return None
    key = f"soup-{shown.field('val').id if shown else 'new'}"
    first = shown.models[0] if shown else None
    with st.container():
        one, two, go = st.columns([4, 5, 2], vertical_alignment="bottom")
        below = st.container()
        with one:
            asked = key_of(first) if first else form_state.addressed(store, every, "a")[0]
            tuned = next((i for i, f in enumerate(every) if FIRST in f.key), 0)
            here = family_of(store, every, asked, tuned)
            family = choose_family(every, here, key)
        models = choices(store, family, every)
        with two:
            before = [key_of(m) for m in shown.models if key_of(m) in models] if shown else []
            chosen = choose_models(
                "Ingredients",
                models,
                before or list(family.models)[-EXACT:],
                name=lambda k: family.label(k, models),
                key=f"{key}-models-{family.key}",
            )
        rule = st.segmented_control(
            f"The greedy soup keeps a model when the validation {Kitchen(family.problem, ()).by.metric} is",
            ["at_least", "better"],
            default=shown.rule if shown else "at_least",
            format_func={"at_least": "not higher", "better": "lower"}.__getitem__,
            key=f"{key}-rule",
            required=True,
        )
        with go:
            pressed = st.button("Measure", type="primary", icon=":material/soup_kitchen:", key=f"{key}-go", width="stretch", disabled=len(chosen) < 2)
        drawn = _orders(Kitchen(family.problem, ()).by, shown, key) if len(chosen) > EXACT else Draws(orders=ORDERS, within=0.0)
        wanted = Kitchen(family.problem, tuple(models[k] for k in chosen), cast("Rule", rule or "at_least"), **drawn)
        with below:
            cost_caption.caption(store, *(([t.run for t in wanted.tasks(whole=True)], wanted.studies()) if len(chosen) > 1 else ([], [])))
            if shown:
                asked = (t.run for t in wanted.tasks(whole=True)) if len(chosen) > 1 else ()
                form_state.note((t.run for t in shown.tasks(whole=True)), asked, head.names(shown.models), button="Measure")
    return wanted if pressed else None


def _orders(by: Measure, shown: Kitchen | None, key: str) -> Draws:
    """How many random orders the Shapley values of many models are drawn from."""
    one, two = st.columns(2)
    with one:
        orders = st.number_input(
            "Shapley values: random orders, at most",
            ROUND,
            MOST_ORDERS,
            shown.orders if shown else ORDERS,
            key=f"{key}-orders",
            help="Each order adds the models one after the other, which is one soup for each; its reverse is drawn with it. More are drawn in rounds.",
        )
    with two:
        within = st.number_input(
            f"Stop once the orders leave no more than ±{by.apart}",
            0.0,
            value=by.scale * shown.within if shown else 0.0,
            format="%.3g",
            key=f"{key}-within",
            help="0: once they add less to the interval than the evaluation samples do.",
        )
    return {"orders": int(orders), "within": within / by.scale}
